//! The main job: ask every device, change what differs, read it back. Nobody at any device is asked or shown anything.

use crate::world::a_world_with;
use loadtest::{Fault, Mix};

const GATEWAY: &str = "
campaign: gateway
authority: operator
purpose: New WAP gateway, 50 Mbit/s, a node for the MMS centre
devices: {group: demo}
settings:
  - {uri: ./AP/GW/Addr, value: 10.20.0.1}
  - {uri: ./ConnMO/QoS/MaxDownlink, format: int, value: 50000}
  - {uri: ./AP/MMS/Addr, value: mms.operator.example}
apply: conditional
prove: read_back
deliver: {attempts: 3, answer_within: 5s}
";

/// R1, R10, R17, R22: what differs is changed and read back; what is the same in another spelling (`050000` for an
/// integer) is known as unchanged, and not written. R14: nodes that are missing are made, with their parent.
#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_changed_and_proven_and_the_rest_is_left_alone() {
    let world =
        a_world_with(Mix { as_wanted: 0.4, missing_nodes: 0.2, ..Mix::healthy() }, 60).await;
    let ending = world.run(GATEWAY).await;

    let (mut in_another_spelling, mut without_node) = (0, 0);
    for (index, result) in world.each(&ending) {
        let kind = world.fleet.expected(index);
        assert_eq!(
            result.outcome,
            if kind.as_wanted { "unchanged" } else { "applied" },
            "device {index}: {result:?}"
        );
        let downlink = world.node(index, "./ConnMO/QoS/MaxDownlink").unwrap();
        if kind.as_wanted && index.is_multiple_of(4) {
            in_another_spelling += 1;
            assert_eq!(downlink, "050000", "device {index} was written to without need");
        } else {
            assert_eq!(downlink, "50000", "device {index}");
        }
        without_node += u64::from(kind.fault == Fault::MissingNodes);
        assert_eq!(world.node(index, "./AP/GW/Addr").as_deref(), Some("10.20.0.1"));
        assert_eq!(world.node(index, "./AP/MMS/Addr").as_deref(), Some("mms.operator.example"));
        assert_eq!(
            world.node(index, "./AP/WAP/Addr").as_deref(),
            Some("192.0.2.10"),
            "not asked for"
        );
    }
    assert!(in_another_spelling > 0 && without_node > 0, "the story has somebody to tell of");

    let progress = &ending.view.progress;
    let (applied, unchanged) = (ending.count("applied"), ending.count("unchanged"));
    assert_eq!((applied + unchanged, progress.proven), (60, 60));
    assert_eq!((progress.notified, progress.connected, progress.written), (60, 60, applied));
    let report = world.ends_well().await;
    // Three nodes a device, and for some the parent of one.
    assert_eq!(report.writes, 3 * applied + without_node);
}

/// R14: a service that no device has yet. Its nodes are three levels deep, and everything above them is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_service_is_created_with_all_its_parents() {
    let world = a_world_with(Mix::healthy(), 20).await;
    let ending = world
        .run(
            "
campaign: ims
authority: operator
devices: {group: demo}
settings:
  - {uri: ./AP/IMS/Conn/Addr, value: ims.operator.example}
  - {uri: ./AP/IMS/Conn/Port, format: int, value: 5060}
  - {uri: ./AP/IMS/Enabled, format: bool, value: true}
",
        )
        .await;
    assert_eq!(ending.count("applied"), 20);
    for index in 0..20 {
        let node = |uri| world.node(index, uri);
        assert_eq!(node("./AP/IMS/Conn/Addr").as_deref(), Some("ims.operator.example"));
        assert_eq!(node("./AP/IMS/Conn/Port").as_deref(), Some("5060"));
        assert_eq!(node("./AP/IMS/Enabled").as_deref(), Some("true"));
    }
    world.ends_well().await;
}
