//! Devices and a server that prove each message by a digest over its body: what is said can be read, and not changed.

use crate::world::{AUTHORITY, Plan, a_world};
use loadtest::{Auth, Fault, Mix};
use std::collections::{BTreeMap, BTreeSet};
use wire::Encoding;

const SEALED: &str = r#"
[[authority]]
name = "operator"
server_id = "reveille.local"
integrity = "hmac"
scopes = [{ uri = ".", rights = ["read", "write", "exec"] }]
user_owned = ["./User"]
"#;

const CAMPAIGN: &str = "
campaign: sealed
authority: operator
devices: {group: demo}
settings:
  - {uri: ./DevDetail/SwV, do: read}
  - {uri: ./AP/GW/Addr, value: 10.20.0.1}
  - {uri: ./AP/IMS/Conn/Addr, value: ims.operator.example}
deliver: {attempts: 2, answer_within: 4s}
";

/// R6, R17, C3: where an authority asks for digests over messages, devices of both makes and both encodings are configured
/// in the first session. Each side holds every message of the other to its digest; a nonce that was lost is agreed upon
/// anew, and whoever holds another password gets nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_asks_for_sealed_messages_configures_its_devices() {
    let mix = Mix {
        hmac: 1.0,
        xml: 0.5,
        habits_a: 0.5,
        no_server_auth: 0.2,
        stale_nonce: 0.1,
        waits_for_challenge: 0.1,
        lost_answer: 0.1,
        lost_server_nonce: 0.1,
        restarts: 0.1,
        wrong_password: 0.1,
        ..Mix::healthy()
    };
    let plan = Plan { authorities: SEALED.to_owned(), ..Plan::new(mix, 120) };
    let world = a_world(plan).await;
    // Of some the registry says that they send digests over nothing but a nonce: they are asked for more.
    let weaker = (0..world.devices).step_by(3).map(|index| {
        assert_eq!(world.fleet.expected(index).auth, Auth::Hmac);
        format!("{},{AUTHORITY},md5", world.name(index))
    });
    let lines: Vec<_> = std::iter::once("device,authority,auth".to_owned()).chain(weaker).collect();
    assert_eq!(world.operator.import(lines.join("\n")).await.unwrap().imported, 40);

    let ending = world.run(CAMPAIGN).await;
    let (mut makes, mut faults) = (BTreeMap::new(), BTreeSet::new());
    for (index, result) in world.each(&ending) {
        let kind = world.fleet.expected(index);
        faults.insert(kind.fault.name());
        let node = world.node(index, "./AP/GW/Addr");
        if kind.fault == Fault::WrongPassword {
            assert_eq!(result.outcome, "unreachable", "{kind:?} {result:?}");
            assert_eq!(node.as_deref(), Some("10.0.0.1"), "{kind:?}");
            continue;
        }
        assert_eq!(result.outcome, "applied", "{kind:?} {result:?}");
        assert_eq!((result.attempts, node.as_deref()), (1, Some("10.20.0.1")), "{kind:?}");
        let make = format!("{:?} {}", kind.habits, kind.encoding == Encoding::Xml);
        *makes.entry((make, kind.proves_server)).or_insert(0) += 1;
    }
    assert_eq!((makes.len(), faults.len()), (8, 7), "{makes:?} {faults:?}");
    world.ends_well().await;
}
