//! A policy that waits: nobody is notified, and each device gets it when it comes by itself.

use crate::world::{AUTHORITY, a_world_with};
use loadtest::Mix;

/// R11: devices that connect by themselves get what waits for them, the others keep their jobs; no notification is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_waits_for_devices_that_come_by_themselves() {
    let world = a_world_with(Mix::healthy(), 20).await;
    let document = "
campaign: policy
authority: operator
devices: {group: demo}
settings: [{uri: ./AP/GW/Addr, value: 10.20.0.1}]
deliver: {mode: pull}
when: {expires: 2099-01-01T00:00:00Z}
";
    world.submit(document).await;
    world
        .until("policy", "enrolled", |view| view.progress.enrolled == 20 && view.state == "running")
        .await;
    for index in (0..20).step_by(2) {
        // The device's own word: it was told that there is nothing more to do.
        assert_eq!(world.fleet.connect(index).await, Some(loadtest::device::End::Complete));
        assert_eq!(world.node(index, "./AP/GW/Addr").as_deref(), Some("10.20.0.1"));
    }
    let view = world.operator.view(AUTHORITY, "policy").await.unwrap();
    assert_eq!((view.progress.ended, view.progress.active, view.progress.notified), (10, 10, 0));
    assert_eq!(view.state, "running");
    let waiting = world.operator.device(AUTHORITY, &world.name(1)).await.unwrap();
    assert_eq!(waiting.jobs.len(), 1);
    assert_eq!(world.node(1, "./AP/GW/Addr").as_deref(), Some("10.0.0.1"));

    for index in (1..20).step_by(2) {
        world.fleet.connect(index).await.unwrap();
    }
    let ending = world.end_of("policy").await;
    assert_eq!(ending.count("applied"), 20);
    assert!(ending.results.values().all(|result| result.attempts == 0));
    assert_eq!(world.ends_well().await.notifications, 0);
}
