//! Customer care, while the subscriber is on the phone: an agent's program reads and mends one device, ahead of everything.

use crate::{
    operator::{LOOK, Operator, PATIENCE},
    process::Site,
    world::{AUTHORITY, Plan, World, a_world, a_world_with, at_rest, import, no_breach},
};
use api::{CareRequest, CareView, ProblemType};
use loadtest::{Fault, Fleet, FleetPlan, Mix};
use serde_json::json;
use server::{
    events::Event,
    rows::Stored,
    store::{
        EventId, Shard, Store,
        embedded::{Embedded, EmbeddedConfig},
    },
};

fn request(device: String, read: &[&str]) -> CareRequest {
    CareRequest {
        device,
        read: read.iter().map(|uri| (*uri).to_owned()).collect(),
        wait: Some("60s".into()),
        ..CareRequest::default()
    }
}

fn to_write(uri: &str, value: &str) -> serde_json::Map<String, serde_json::Value> {
    json!({"uri": uri, "value": value}).as_object().unwrap().clone()
}

fn steps(view: &CareView) -> Vec<&str> {
    view.steps.iter().map(|step| step.step.as_str()).collect()
}

fn value<'a>(view: &'a CareView, uri: &str) -> &'a api::CareValue {
    view.values.iter().find(|value| value.uri == uri).unwrap_or_else(|| panic!("{view:?}"))
}

async fn ended(world: &World, request: &CareRequest) -> CareView {
    let view = world.operator.care(request).await.unwrap();
    assert!(view.ended(), "{view:?}");
    view
}

/// R12, R19: by telephone number; the agent sees the faulty value, mends it, sees the result, and each step on the way.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_sees_the_faulty_setting_and_mends_it_in_one_session() {
    let world = a_world_with(Mix::healthy(), 4).await;
    let number = format!("msisdn:{}", world.fleet.identity(2).msisdn);
    let seen = ended(&world, &request(number.clone(), &["./AP/GW/Addr", "./DevInfo/Mod"])).await;
    assert_eq!(
        (seen.device.as_str(), seen.outcome.as_deref()),
        (&*world.name(2), Some("unchanged"))
    );
    assert_eq!(value(&seen, "./AP/GW/Addr").value, "10.0.0.1");
    assert_eq!(steps(&seen), ["accepted", "notified", "connected", "read", "ended"]);
    assert!(seen.succeeded() && seen.unread.is_empty());

    let mend = CareRequest {
        write: vec![to_write("./AP/GW/Addr", "10.20.0.1")],
        purpose: "no data since this morning".into(),
        ..request(number, &["./DevInfo/Mod"])
    };
    let mended = ended(&world, &mend).await;
    assert_eq!(mended.outcome.as_deref(), Some("applied"));
    let address = value(&mended, "./AP/GW/Addr");
    assert_eq!(
        (address.value.as_str(), address.before.as_deref()),
        ("10.20.0.1", Some("10.0.0.1"))
    );
    let told = steps(&mended);
    for step in ["accepted", "notified", "connected", "read", "writing", "proving", "ended"] {
        assert!(told.contains(&step), "{step} is not in {told:?}");
    }
    assert_eq!(world.fleet.sessions_of(2), 2, "one to look, one to mend");
    assert_eq!(world.node(2, "./AP/GW/Addr").as_deref(), Some("10.20.0.1"));
    let again = world.operator.care_view(&mended.id, "0s").await.unwrap();
    assert_eq!(again, mended);
    world.ends_well().await;
}

/// R12: a mass campaign has a job on the device already and uses its route to the full. Care goes first, in the same session.
#[tokio::test(flavor = "multi_thread")]
async fn care_goes_before_a_mass_campaign() {
    let route = "[[route]]\nkind = \"udp\"\nname = \"udp\"\nper_second = 20\n";
    let plan = Plan { authorities: route.into(), ..Plan::new(Mix::healthy(), 300) };
    let world = a_world(plan).await;
    let mass = format!(
        "
campaign: mass
authority: {AUTHORITY}
devices: {{group: demo}}
settings: [{{uri: ./AP/WAP/Addr, value: changed}}]
deliver: {{attempts: 3, answer_within: 20s}}
"
    );
    world.submit(&mass).await;
    let under_way = world.until("mass", "under way", |view| view.progress.notified > 10).await;
    assert!(under_way.progress.notified < 150, "{under_way:?}");
    // One that the campaign has not come to yet.
    let mut last = None;
    for index in (0..300).rev() {
        let device = world.operator.device(AUTHORITY, &world.name(index)).await.unwrap();
        if device.jobs.iter().any(|job| job.state == "waiting") {
            last = Some(index);
            break;
        }
    }
    let index = last.expect("the campaign has devices left");
    let seen = ended(&world, &request(world.name(index), &["./AP/WAP/Addr"])).await;
    assert_eq!(seen.outcome.as_deref(), Some("unchanged"));
    assert_ne!(value(&seen, "./AP/WAP/Addr").value, "changed", "read before the campaign wrote");
    let view = world.operator.view(AUTHORITY, "mass").await.unwrap();
    assert!(view.progress.notified < 300, "care did not wait for the campaign: {view:?}");
    let ending = world.end_of("mass").await;
    assert_eq!(ending.count("applied"), 300);
    world.ends_well().await;
}

/// R20: what cannot be read is named with the device's answer, and hinders nothing else; what an authority may not touch is
/// refused before anybody is called.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_there_is_named_and_the_others_are_read() {
    let world = a_world_with(Mix::healthy(), 2).await;
    let nodes = ["./AP/GW/Addr", "./AP/None/Addr", "./DevInfo/Mod"];
    let view = ended(&world, &request(world.name(0), &nodes)).await;
    assert_eq!(view.values.len(), 2, "{view:?}");
    let [unread] = view.unread.as_slice() else { panic!("{view:?}") };
    assert_eq!((unread.uri.as_deref(), unread.status), (Some("./AP/None/Addr"), Some(404)));
    assert!(!view.succeeded());

    let bad = CareRequest {
        write: vec![to_write("./User/Ringtone", "silence"), to_write("./AP/GW/Addr", "10.9.9.9")],
        ..request(world.name(0), &["./AP//Addr"])
    };
    let problem = world.operator.care(&bad).await.unwrap_err().problem();
    let places: Vec<_> = problem.problems.iter().map(|problem| problem.path.as_str()).collect();
    assert!(
        places.contains(&"read[0]") && places.iter().any(|place| place.starts_with("write[0]")),
        "{problem:?}"
    );
    assert!(!places.iter().any(|place| place.starts_with("write[1]")), "{problem:?}");
    let nobody = world.operator.care(&request("IMEI:404".into(), &nodes)).await.unwrap_err();
    assert_eq!(ProblemType::from_uri(&nobody.problem().kind), Some(ProblemType::NoSuchDevice));
    world.ends_well().await;
}

/// Who does not answer is given up when the time is over, and the agent is told what was tried. Meanwhile a second agent is
/// told who is at it.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_does_not_answer_is_given_up_in_time_and_has_one_agent() {
    let world = a_world_with(Mix { silent: 1.0, ..Mix::healthy() }, 1).await;
    assert!(matches!(world.fleet.expected(0).fault, Fault::Silent));
    let call = CareRequest {
        within: Some("10s".into()),
        wait: None,
        ..request(world.name(0), &["./DevInfo/Mod"])
    };
    let first = world.operator.care(&call).await.unwrap();
    assert!(!first.ended());
    let second = world.operator.care(&call).await.unwrap_err().problem();
    assert_eq!(ProblemType::from_uri(&second.kind), Some(ProblemType::CareUnderWay));
    assert!(second.detail.contains(&first.id), "{second:?}");
    let view = world.operator.care_view(&first.id, "15s").await.unwrap();
    assert_eq!((view.state.as_str(), view.outcome.as_deref()), ("ended", Some("unreachable")));
    assert_eq!(view.detail.why.as_deref(), Some("no session came, after 1 notifications"));
    assert!(steps(&view).contains(&"notified"), "{view:?}");
    // The next one has its turn.
    let third = world.operator.care(&call).await.unwrap();
    assert_ne!(third.id, first.id);
    world.ends_well().await;
}

/// R12 and the first two invariants: the server is killed while agents wait. Each care job ends once, proven, by whatever
/// process is there then.
#[tokio::test(flavor = "multi_thread")]
async fn a_care_job_outlives_the_process_that_took_it() {
    const DEVICES: u64 = 12;
    let site = Site::new();
    let serving = site.start().await;
    let operator = site.operator();
    let mix = Mix { slow: 1.0, ..Mix::healthy() };
    let server_id = "reveille.local".to_owned();
    let fleet = FleetPlan { mix, server_id, ..FleetPlan::new(DEVICES, site.dm_url(AUTHORITY)) };
    let fleet = Fleet::start(fleet).await.unwrap();
    import(&operator, &fleet, 0..DEVICES, "", |_| String::new()).await;
    let mut taken = Vec::new();
    for index in 0..DEVICES {
        let mend = CareRequest {
            write: vec![to_write("./AP/GW/Addr", "10.20.0.1")],
            wait: None,
            ..request(fleet.identity(index).device, &["./DevInfo/Mod"])
        };
        taken.push(operator.care(&mend).await.unwrap().id);
    }
    // Slow devices take a second for a session; now some are in the middle of theirs.
    let busy = async {
        while fleet.in_session() < 4 {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, busy).await.unwrap();
    serving.kill().await;
    let serving = site.start().await;
    for (id, index) in taken.iter().zip(0..) {
        let view = ended_by(&operator, id).await;
        assert_eq!(view.outcome.as_deref(), Some("applied"), "{view:?}");
        assert_eq!(value(&view, "./AP/GW/Addr").value, "10.20.0.1");
        assert_eq!(fleet.node(index, "./AP/GW/Addr").as_deref(), Some("10.20.0.1"));
    }
    at_rest(&fleet).await;
    serving.terminate().await;
    no_breach(&fleet.stop().await);
    let store = Embedded::open(&EmbeddedConfig::new(site.store())).unwrap();
    let mut ends = 0;
    for shard in Shard::all() {
        for (_, octets) in store.events(shard, EventId::default(), 1000).await.unwrap() {
            ends += u64::from(matches!(
                Event::from_octets(&octets).unwrap(),
                Event::Care { outcome: Some(_), .. }
            ));
        }
    }
    assert_eq!(ends, DEVICES, "each has ended once");
}

/// Waits for the end, over a restart of the server.
async fn ended_by(operator: &Operator, id: &str) -> CareView {
    let waiting = async {
        loop {
            if let Ok(view) = operator.care_view(id, "5s").await
                && view.ended()
            {
                return view;
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it ends")
}
