//! Several routes: each device has its own, and one that is away is stood in for.

use crate::{
    operator::{LOOK, PATIENCE},
    short_messages::route,
    world::{Plan, World, an_empty_world},
};
use loadtest::{Mix, Smsc, SmscPlan};

/// Straight to the devices, at this pace.
fn air(per_second: u32) -> String {
    format!("[[route]]\nkind = \"udp\"\nname = \"air\"\nper_second = {per_second}\n")
}

/// Two routes: over the centre, with `more` about it, and what is left straight to the devices.
async fn a_world_of_two(smsc: &Smsc, devices: u64, more: &str) -> World {
    let authorities = format!("{}\n{}", route(smsc, more), air(30));
    let plan = Plan { authorities, ..Plan::new(Mix::healthy(), devices) };
    let world = an_empty_world(plan).await;
    smsc.serve(world.fleet.ears());
    world
}

fn document(name: &str, deliver: &str) -> String {
    format!(
        "
campaign: {name}
authority: operator
devices: {{group: demo}}
settings: [{{uri: ./AP/GW/Addr, value: 10.20.0.1}}]
deliver: {{{deliver}}}
"
    )
}

async fn sent(world: &World, route: &str) -> u64 {
    world.operator.counted(&format!("reveille_notifications_sent_total{{route=\"{route}\"}}")).await
}

async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !reached().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what}");
}

/// C2: the first route whose condition a device meets is its route.
#[tokio::test(flavor = "multi_thread")]
async fn each_device_is_notified_over_the_route_that_is_for_it() {
    let smsc = Smsc::start(SmscPlan::default()).await.unwrap();
    let world = a_world_of_two(&smsc, 60, "when = 'attributes.bearer == \"sms\"'").await;
    let bearer = |index: u64| if index.is_multiple_of(3) { "sms" } else { "data" }.to_owned();
    world.import_with(0..60, "attributes.bearer", bearer).await;
    let ending = world.run(&document("both", "attempts: 1, answer_within: 20s")).await;
    assert_eq!(ending.count("applied"), 60);
    assert_eq!((sent(&world, "smsc").await, sent(&world, "air").await), (20, 40));
    world.ends_well().await;
    let report = smsc.stop().await;
    assert_eq!(report.breaches.count, 0, "{:#?}", report.breaches.first);
    assert_eq!(report.delivered, 20);
}

/// C2, R16: a centre goes away in the middle of a campaign and comes back before its end. Meanwhile its devices are notified over
/// another route; nobody is left out, nothing waits for a person, and what is left when it is back goes over it again.
#[tokio::test(flavor = "multi_thread")]
async fn while_a_centre_is_away_another_route_carries_for_it() {
    let smsc = Smsc::start(SmscPlan::default()).await.unwrap();
    let more = "fallback = [\"air\"]\nfallback_after = \"1s\"";
    let world = a_world_of_two(&smsc, 300, more).await;
    world.import(0..300).await;
    world.submit(&document("away", "attempts: 5, answer_within: 3s")).await;
    until("it begins over the centre", async || sent(&world, "smsc").await >= 30).await;
    assert_eq!(sent(&world, "air").await, 0);
    smsc.close(true);
    smsc.hang_up();
    let stood_in = "reveille_notifications_carried_by_another_total{route=\"smsc\"}";
    until("another one carries", async || world.operator.counted(stood_in).await >= 30).await;
    let before = smsc.report().submitted;
    smsc.close(false);
    until("the centre carries again", async || smsc.report().submitted >= before + 30).await;
    let ending = world.end_of("away").await;
    assert_eq!(ending.count("applied"), 300);
    let air = sent(&world, "air").await;
    assert_eq!(world.operator.counted(stood_in).await, air);
    // What the centre had not answered when it went away may have been delivered: it counts as sent once, here too.
    let unanswered = world
        .operator
        .counted("reveille_notifications_refused_total{reason=\"unanswered\",route=\"smsc\"}")
        .await;
    let attempts: u64 = world.each(&ending).map(|(_, result)| u64::from(result.attempts)).sum();
    let left = sent(&world, "smsc").await + air + unanswered;
    assert_eq!(left, attempts, "an attempt leaves on one route, never on two");
    world.ends_well().await;
    let report = smsc.stop().await;
    assert_eq!(report.breaches.count, 0, "{:#?}", report.breaches.first);
}
