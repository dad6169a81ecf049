//! All or nothing: on devices that can, on those that cannot, and where one write of several fails.

use crate::world::{AUTHORITY, a_world_with};
use loadtest::{Fault, Mix};

fn campaign(atomic: &str) -> String {
    format!(
        "
campaign: {atomic}
authority: {AUTHORITY}
devices: {{group: demo}}
settings:
  - {{uri: ./AP/GW/Addr, value: 10.20.0.1}}
  - {{uri: ./AP/MMS/Addr, value: mms.operator.example}}
  - {{uri: ./ConnMO/QoS/MaxDownlink, format: int, value: 50000}}
atomic: {atomic}
"
    )
}

/// R4, R6: where it is required, a device without `Atomic` is left as it was, and the report says why. Where it is only
/// wanted, the same device gets the writes one by one.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_atomic_is_left_alone_or_served_one_by_one() {
    let world = a_world_with(Mix { no_atomic: 0.4, ..Mix::healthy() }, 30).await;
    let ending = world.run(&campaign("required")).await;
    for (index, result) in world.each(&ending) {
        let without = world.fleet.expected(index).fault == Fault::NoAtomic;
        assert_eq!(
            result.outcome,
            if without { "not_applicable" } else { "applied" },
            "{result:?}"
        );
        assert_eq!(without, result.why.is_some(), "{result:?}");
        let gateway = if without { "10.0.0.1" } else { "10.20.0.1" };
        assert_eq!(world.node(index, "./AP/GW/Addr").as_deref(), Some(gateway));
    }
    let ending = world.run(&campaign("when_supported")).await;
    for (index, result) in world.each(&ending) {
        let without = world.fleet.expected(index).fault == Fault::NoAtomic;
        assert_eq!(result.outcome, if without { "applied" } else { "unchanged" }, "{result:?}");
        assert_eq!(world.node(index, "./AP/GW/Addr").as_deref(), Some("10.20.0.1"));
    }
    world.ends_well().await;
}

/// R6: on a device that keeps to its word, one write that fails undoes the others; the report names the one that failed.
#[tokio::test(flavor = "multi_thread")]
async fn one_failed_write_undoes_the_others() {
    let world = a_world_with(Mix { habits_a: 0.0, ..Mix::only(Fault::ReadOnlyNodes) }, 10).await;
    let ending = world.run(&campaign("required")).await;
    for (index, result) in world.each(&ending) {
        assert_eq!(result.outcome, "failed", "{result:?}");
        assert_eq!(result.uri.as_deref(), Some("./ConnMO/QoS/MaxDownlink"), "{result:?}");
        assert_eq!(
            result.status,
            Some(if index.is_multiple_of(2) { 405 } else { 425 }),
            "{result:?}"
        );
        assert_eq!(world.node(index, "./AP/GW/Addr").as_deref(), Some("10.0.0.1"), "undone");
    }
    assert_eq!(world.ends_well().await.writes, 0);
}
