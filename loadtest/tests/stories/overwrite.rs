//! The alternative flow: nobody asks what the device has, the values are simply written.

use crate::world::{AUTHORITY, a_world_with};
use loadtest::{Fault, Mix, faults::Habits};
use wire::Encoding;

/// R1, R18: written without a query and proven by the status alone, on devices of both kinds and both encodings, among them
/// some that must first be challenged, lose an answer, or have forgotten a nonce.
#[tokio::test(flavor = "multi_thread")]
async fn values_are_overwritten_without_asking_for_them() {
    let mix = Mix {
        xml: 0.5,
        as_wanted: 0.5,
        stale_nonce: 0.2,
        waits_for_challenge: 0.1,
        lost_answer: 0.1,
        lost_server_nonce: 0.1,
        missing_nodes: 0.1,
        small_messages: 0.1,
        no_server_auth: 0.1,
        ..Mix::healthy()
    };
    let world = a_world_with(mix, 60).await;
    let ending = world
        .run(&format!(
            "
campaign: overwrite
authority: {AUTHORITY}
devices: {{group: demo}}
settings:
  - {{uri: ./ConnMO/QoS/MaxDownlink, format: int, value: 50000}}
  - {{uri: ./AP/MMS/Addr, value: mms.operator.example}}
apply: unconditional
prove: status
deliver: {{attempts: 3, answer_within: 5s}}
"
        ))
        .await;
    let mut kinds = Vec::new();
    for (index, result) in world.each(&ending) {
        let kind = world.fleet.expected(index);
        // Who had the value is written to all the same: nobody asked.
        assert_eq!(result.outcome, "applied", "{kind:?} {result:?}");
        assert_eq!(
            world.node(index, "./ConnMO/QoS/MaxDownlink").as_deref(),
            Some("50000"),
            "not 050000 any more"
        );
        assert_eq!(world.node(index, "./AP/MMS/Addr").as_deref(), Some("mms.operator.example"));
        kinds.push((kind.habits, kind.encoding, kind.fault));
    }
    for habits in [Habits::A, Habits::B] {
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            assert!(
                kinds.iter().any(|kind| (kind.0, kind.1) == (habits, encoding)),
                "{habits:?} {encoding:?}"
            );
        }
    }
    assert!(kinds.iter().any(|kind| kind.2 == Fault::StaleNonce));
    world.ends_well().await;
}
