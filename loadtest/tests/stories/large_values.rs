//! A value that is longer than a message, for devices of every make: who can take it has it, and nobody keeps a piece of it.

use crate::world::{Plan, World, a_world};
use loadtest::{Fault, Habits, Kind, Mix};
use std::collections::{BTreeMap, BTreeSet};

/// 60,000 octets in which no part looks like another, characters of two octets among them.
fn a_long_value() -> String {
    (0..6_000).map(|number| format!("{number:07}ü ")).collect::<Vec<_>>().concat()
}

fn campaign(id: &str) -> String {
    let value = a_long_value();
    assert_eq!(value.len(), 60_000);
    format!(
        "{{campaign: {id}, authority: operator, devices: {{group: demo}}, \
         deliver: {{attempts: 3, answer_within: 4s}}, settings: [\
         {{uri: ./AP/GW/Addr, value: 10.20.0.1}}, {{uri: ./Bookmarks/Home/Addr, value: \"{value}\"}}]}}"
    )
}

/// What becomes of the value in a device of this kind: how its job may end, and whether it has the value.
fn end(kind: &Kind) -> (&'static [&'static str], bool) {
    match kind.habits {
        // In parts, or at once where its messages are long enough.
        Habits::B => (&["applied"], true),
        // It takes the first part for the whole, and gets back what it had. One that was challenged gave itself away before,
        // by a status of 0.
        Habits::A => (&["failed", "not_applicable"], false),
        // `LrgObj` says no, so it is spared.
        Habits::Windows => (&["not_applicable"], false),
    }
}

/// How the devices of a world end, by make; each holds the value or what it held before, and nothing else.
async fn each_has_it_or_what_it_had(world: &World, id: &str) -> BTreeMap<String, BTreeSet<String>> {
    let before = "http://wap.operator.example/?a=1&b=2";
    let (value, ending) = (a_long_value(), world.run(&campaign(id)).await);
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (index, result) in world.each(&ending) {
        let kind = world.fleet.expected(index);
        let node = world.node(index, "./Bookmarks/Home/Addr").unwrap();
        let has_it = node == value;
        assert!(has_it || node == before, "{kind:?} {result:?} holds {} octets", node.len());
        let (outcomes, has) = end(&kind);
        assert_eq!(has_it, has, "{kind:?} {result:?}");
        assert!(outcomes.contains(&result.outcome.as_str()), "{kind:?} {result:?}");
        let make = format!("{:?} {:?}", kind.habits, kind.encoding);
        seen.entry(make).or_default().insert(result.outcome.clone());
    }
    seen
}

/// R5, R17: 60 kB in one setting. Who takes parts gets parts, each as large as its messages may be; who only says that it
/// does keeps what it had; who says that it does not is sent nothing of it. The next campaign knows them by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_longer_than_a_message_is_whole_in_a_device_or_not_there_at_all() {
    let mix = Mix {
        xml: 0.5,
        habits_a: 0.3,
        windows: 0.3,
        hmac: 0.3,
        small_messages: 0.3,
        lost_answer: 0.2,
        stale_nonce: 0.1,
        doubled_answers: 0.1,
        ..Mix::healthy()
    };
    let world = a_world(Plan::new(mix, 90)).await;
    let in_parts =
        |kind: &Kind| kind.habits == Habits::B && matches!(kind.fault, Fault::SmallMessages { .. });
    assert!((0..90).any(|index| in_parts(&world.fleet.expected(index))));
    let first = each_has_it_or_what_it_had(&world, "first").await;
    assert_eq!(first.len(), 6, "{first:?}");
    assert!(first.values().any(|outcomes| outcomes.contains("failed")), "{first:?}");
    // Known by now for what it is, the make that only says so is spared.
    let ending = world.run(&campaign("second")).await;
    for (index, result) in world.each(&ending) {
        let kind = world.fleet.expected(index);
        let outcome = if kind.habits == Habits::B { "unchanged" } else { "not_applicable" };
        assert_eq!(result.outcome, outcome, "{kind:?} {result:?}");
    }
    world.ends_well().await;
}
