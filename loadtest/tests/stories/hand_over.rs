//! Several processes over one Redis: successive messages of one session get to different ones, and so do the parts of one
//! campaign.

use crate::{
    operator::{Operator, Refusal},
    process::{Redis, Site},
    rabbit::{Upstream, ready, settings, shared},
    upstream::campaign,
    world::{AUTHORITY, at_rest, import, no_breach},
};
use api::MessageType::{Chunk, Submit};
use loadtest::{Fleet, FleetPlan, Mix};
use std::collections::BTreeMap;

/// What is wanted; a campaign each.
fn document(name: &str, value: u64) -> String {
    format!(
        "
campaign: {name}
authority: {AUTHORITY}
devices: {{group: demo}}
settings:
  - {{uri: ./AP/GW/Addr, value: 10.30.{value}.1}}
  - {{uri: ./ConnMO/QoS/MaxDownlink, format: int, value: {}}}
deliver: {{attempts: 12, answer_within: 3s}}
pace: {{per_second: 60}}
",
        60_000 + value
    )
}

pub(crate) async fn a_fleet(sites: &[Site], devices: u64, mix: Mix, seed: u64) -> Fleet {
    let plan = FleetPlan {
        questions_expected: mix.says_no > 0.0,
        mix,
        seed,
        server_id: "reveille.local".to_owned(),
        fronts: sites.iter().map(Site::front).collect(),
        round_robin: true,
        ..FleetPlan::new(devices, format!("http://dm.operator.example/dm/{AUTHORITY}"))
    };
    Fleet::start(plan).await.unwrap()
}

/// Submits through whoever answers.
async fn submit(operators: &[Operator], document: &str) -> String {
    for operator in operators.iter().cycle().take(600) {
        match operator.submit(document).await {
            Ok(view) => return view.id,
            Err(Refusal::Problem(problem)) => panic!("the campaign was refused: {problem}"),
            Err(Refusal::Unanswered) => tokio::time::sleep(crate::operator::LOOK).await,
        }
    }
    panic!("nobody took the campaign")
}

/// C3: any worker can take the next message of a session.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_messages_get_to_two_processes_in_turn_ends_as_with_one() {
    const DEVICES: u64 = 40;
    let redis = Redis::start();
    let sites = [Site::over(&redis), Site::over(&redis)];
    let servers = [sites[0].start().await, sites[1].start().await];
    let fleet = a_fleet(&sites, DEVICES, Mix::healthy(), 7).await;
    let operators = [sites[0].operator(), sites[1].operator()];
    import(&operators[0], &fleet, 0..DEVICES, "", |_| String::new()).await;

    let id = submit(&operators, &document("hand-over", 1)).await;
    let ending = operators[1].end_of(AUTHORITY, &id).await;
    at_rest(&fleet).await;
    assert_eq!(ending.view.progress.outcomes, BTreeMap::from([("applied".to_owned(), DEVICES)]));
    for index in 0..DEVICES {
        assert_eq!(
            fleet.node(index, "./AP/GW/Addr").as_deref(),
            Some("10.30.1.1"),
            "device {index}"
        );
        assert_eq!(fleet.sessions_of(index), 1, "one session was enough for device {index}");
    }
    no_breach(&fleet.stop().await);
    for server in servers {
        let messages = server.messages().await;
        assert!(
            messages > DEVICES,
            "each process had about half of the messages, this one {messages}"
        );
    }
}

/// C1, C6: two processes compete for the parts of one campaign, which two programs send at the same time, each all of them and
/// in its own order. Each device is enrolled by one of the processes, once.
#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_campaign_are_taken_by_two_processes_and_each_device_is_enrolled_once() {
    const VHOST: usize = 13;
    const PARTS: u32 = 24;
    const OF: usize = 4;
    let broker = shared().await;
    let redis = Redis::start();
    // One message at a time, so that each process gets its half.
    let settings = settings(&broker.url("reveille", VHOST), "prefetch = 1");
    let sites = [Site::over_with(&redis, &settings), Site::over_with(&redis, &settings)];
    let servers = [sites[0].start().await, sites[1].start().await];
    let operators = [sites[0].operator(), sites[1].operator()];
    let devices = u64::from(PARTS) * OF as u64;
    let fleet = a_fleet(&sites, devices, Mix::healthy(), 13).await;
    import(&operators[0], &fleet, 0..devices, "", |_| String::new()).await;
    for operator in &operators {
        ready(operator).await;
    }
    let senders =
        [Upstream::at(&broker, "billing", VHOST).await, Upstream::at(&broker, "noc", VHOST).await];
    senders[0].send(Submit, "s", campaign("shared")).await;
    let names: Vec<_> = (0..devices).map(|index| fleet.identity(index).device).collect();
    let send = async |sender: &Upstream, parts: Vec<u32>| {
        for part in parts {
            let first = part as usize * OF;
            let body = api::ChunkMessage {
                campaign: "shared".to_owned(),
                part,
                parts: Some(PARTS),
                devices: names[first..first + OF].to_vec(),
            };
            sender.send(Chunk, &format!("c{part}"), serde_json::to_string(&body).unwrap()).await;
        }
    };
    tokio::join!(
        send(&senders[0], (0..PARTS).collect()),
        send(&senders[1], (0..PARTS).rev().collect())
    );

    let ending = operators[1].end_of(AUTHORITY, "shared").await;
    at_rest(&fleet).await;
    assert_eq!((ending.count("applied"), ending.view.progress.enrolled), (devices, devices));
    let series = "reveille_enrolments_total{result=\"enrolled\"}";
    let by = [operators[0].counted(series).await, operators[1].counted(series).await];
    assert_eq!(by[0] + by[1], devices, "{by:?}");
    assert!(by.iter().all(|one| *one > 0), "one process did it all: {by:?}");
    for queue in ["chunks", "rejected", "delayed"] {
        assert_eq!(senders[0].waiting_in(&format!("reveille.{queue}")).await, 0, "{queue}");
    }
    no_breach(&fleet.stop().await);
    for server in servers {
        server.terminate().await;
    }
}
