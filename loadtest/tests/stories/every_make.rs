//! Devices of all makes, met for the first time: nobody told the server what they are, and each session comes to its end.

use crate::world::{Plan, a_world};
use loadtest::{Auth, Habits, Mix, Model};
use std::collections::{BTreeMap, BTreeSet};
use wire::Encoding;

const CAMPAIGN: &str = "
campaign: makes
authority: operator
devices: {group: demo}
settings:
  - {uri: ./DevDetail/SwV, do: read}
  - {uri: ./Bookmarks/Home/Name, do: read}
  - {uri: ./AP/GW/Addr, value: 10.20.0.1}
  - {uri: ./AP/IMS/Conn/Addr, value: ims.operator.example}
  - {uri: ./ConnMO/QoS/MaxDownlink, format: int, value: 50000}
deliver: {attempts: 1, answer_within: 20s}
";

/// R5, R6, R17, R22, C3: three clients that have hardly a habit in common, in both encodings, of both protocol versions,
/// with every kind of credentials: one notification, one session, and the settings are in force.
#[tokio::test(flavor = "multi_thread")]
async fn devices_of_every_make_are_configured_at_first_contact() {
    let mix = Mix {
        xml: 0.5,
        habits_a: 0.33,
        windows: 0.34,
        basic: 0.2,
        hmac: 0.3,
        no_server_auth: 0.3,
        legacy: 0.2,
        as_wanted: 0.2,
        reports: 0.3,
        ..Mix::healthy()
    };
    let world = a_world(Plan::new(mix, 120)).await;
    let ending = world.run(CAMPAIGN).await;
    let mut makes = BTreeMap::new();
    for (index, result) in world.each(&ending) {
        let kind = world.fleet.expected(index);
        assert_eq!(result.outcome, "applied", "{kind:?} {result:?}");
        assert_eq!(result.attempts, 1, "{kind:?}");
        assert_eq!(world.fleet.sessions_of(index), 1, "{kind:?}");
        for (uri, value) in [
            ("./AP/GW/Addr", "10.20.0.1"),
            ("./AP/IMS/Conn/Addr", "ims.operator.example"),
            ("./ConnMO/QoS/Plan", world.fleet.identity(index).plan),
        ] {
            assert_eq!(world.node(index, uri).as_deref(), Some(value), "{kind:?}");
        }
        let make = format!("{:?} {:?}", kind.habits, kind.encoding);
        *makes.entry(make).or_insert(0) += 1;
    }
    assert_eq!(makes.len(), 6, "{makes:?}");
    let kinds: Vec<_> = (0..120).map(|index| world.fleet.expected(index)).collect();
    assert!(kinds.iter().any(|kind| kind.model == Model::Legacy7 && kind.auth == Auth::Basic));
    let sealed = kinds.iter().filter(|kind| kind.auth == Auth::Hmac);
    let sealed: BTreeSet<_> =
        sealed.map(|kind| format!("{:?} {:?}", kind.habits, kind.encoding)).collect();
    assert_eq!(
        sealed.len(),
        4,
        "digests over messages, from two makes in both encodings: {sealed:?}"
    );
    let report = world.ends_well().await;
    assert_eq!(report.sessions_by_end.keys().copied().collect::<Vec<_>>(), ["complete"]);
}

/// R12, R13: what a Windows device holds is read as it holds it: text, numbers, XML, what is inside a node, and 16 kB.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_windows_device_holds_is_read_and_changed() {
    let mix = Mix { windows: 1.0, habits_a: 0.0, xml: 0.5, ..Mix::healthy() };
    let world = a_world(Plan::new(mix, 24)).await;
    let ending = world
        .run(
            "
campaign: windows
authority: operator
devices: {group: demo}
settings:
  - {uri: ./Vendor/MSFT/Policy, do: read}
  - {uri: ./Vendor/MSFT/Policy/Rules, do: read}
  - {uri: ./Vendor/MSFT/Report, do: read}
  - {uri: ./Vendor/MSFT/Policy/AllowCamera, format: int, value: 0}
  - {uri: ./Vendor/MSFT/Policy/Telemetry, format: bool, value: true}
  - {uri: ./Vendor/MSFT/Policy/Slow, value: after}
  - {uri: ./Vendor/MSFT/New/Deep/Node, value: made}
deliver: {attempts: 1, answer_within: 20s}
",
        )
        .await;
    let mut encodings = BTreeSet::new();
    for (index, result) in world.each(&ending) {
        let kind = world.fleet.expected(index);
        assert_eq!((kind.habits, kind.model), (Habits::Windows, Model::Laptop));
        assert_eq!(result.outcome, "applied", "{kind:?} {result:?}");
        assert_eq!(world.node(index, "./Vendor/MSFT/Policy/AllowCamera").as_deref(), Some("0"));
        assert_eq!(world.node(index, "./Vendor/MSFT/Policy/Slow").as_deref(), Some("after"));
        assert_eq!(world.node(index, "./Vendor/MSFT/New/Deep/Node").as_deref(), Some("made"));
        encodings.insert(kind.encoding == Encoding::Xml);
    }
    assert_eq!(encodings.len(), 2);
    // Three writes, and a parent for the new node is made by the device: what was true stayed.
    world.ends_well().await;
}
