//! The broker is there and takes nothing: its memory or its disk is full.

use crate::{
    operator::{LOOK, PATIENCE, Refusal},
    rabbit::{Told, Upstream, plan, ready},
    upstream::campaign,
    world::{AUTHORITY, a_world},
};
use loadtest::broker::Broker;

const DEVICES: u64 = 600;
/// Devices of a part.
const OF: u64 = 300;

/// C6, D8: events wait in the store for as long as the broker takes none. Jobs that are under way go on; when too many events
/// wait, no more devices are enrolled, and whoever asks is told so; readiness says why. When the broker has room again, every
/// result is told, and the rest is enrolled.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_full_is_told_everything_later_and_slows_intake_until_then() {
    let home = tempfile::tempdir().unwrap();
    let broker = Broker::start(home.path()).await.unwrap();
    let world = a_world(plan(&broker, 0, "most_waiting = 1000", DEVICES)).await;
    ready(&world.operator).await;
    let noc = Upstream::at(&broker, "noc", 0).await;
    let mut events = noc.listen().await;

    broker.full(true).unwrap();
    world.submit(&campaign("gold")).await;
    let names: Vec<_> = (0..DEVICES).map(|index| world.name(index)).collect();
    let (first, second) = names.split_at(usize::try_from(OF).unwrap());
    let report = world.operator.enrol(AUTHORITY, "gold", (0, 2), first).await.unwrap();
    assert_eq!(report.enrolled, OF);
    // An event for each session and one for each result, and none of them leaves.
    world.until("gold", "the first half is done", |view| view.progress.ended == OF).await;
    let says = world.operator.not_ready_for(|text| text.contains("memory or its disk")).await;
    assert!(says.contains("no events are sent"), "{says}");
    world.submit(&campaign("more")).await;
    let more = tokio::time::timeout(PATIENCE, async {
        // Who keeps on asking is held back at some time, and before the log is much longer than it may be.
        for (part, name) in (0_u32..).zip(&names) {
            let one = std::slice::from_ref(name);
            match world.operator.enrol(AUTHORITY, "more", (part, 100_000), one).await {
                Ok(_) => world.until("more", "done", |view| view.progress.active == 0).await,
                Err(refusal) => return (u64::from(part), refusal.problem()),
            };
        }
        panic!("all devices were enrolled");
    });
    let (taken, refusal) = more.await.expect("enrolment is held back");
    assert!(refusal.detail.contains("events"), "{refusal}");
    assert_eq!(refusal.status, 503, "{refusal}");
    let shown = tokio::time::timeout(PATIENCE, async {
        while world.operator.counted("reveille_events_backlog_full ").await != 1 {
            tokio::time::sleep(LOOK).await;
        }
    });
    assert!(shown.await.is_ok(), "no metric tells of it");
    let held = world.operator.enrol(AUTHORITY, "gold", (1, 2), second).await;
    assert_eq!(held.map_err(Refusal::problem).unwrap_err().status, 503);

    broker.full(false).unwrap();
    ready(&world.operator).await;
    let mut told = Told::default();
    assert!(told.until(&mut events, |told| told.results.len() as u64 == OF + taken).await);
    while world.operator.enrol(AUTHORITY, "gold", (1, 2), second).await.is_err() {
        tokio::time::sleep(LOOK).await;
    }
    assert_eq!(world.end_of("gold").await.count("applied"), DEVICES);
    let all = |told: &Told| told.results.len() as u64 == DEVICES + taken && told.ended("gold");
    assert!(told.until(&mut events, all).await);
    world.operator.control(AUTHORITY, "more", "abort").await.unwrap();
    world.until("more", "ended", |view| view.state == "ended").await;
    world.ends_well().await;
}
