//! The user is asked first. Only after a yes is anything stored; and where nobody was to be asked, nothing is shown.

use crate::{
    operator::Refusal,
    world::{Plan, World, a_world, a_world_with},
};
use loadtest::{Answer, Fault, Mix};

const ASKING: &str = "
campaign: asking
authority: operator
devices: {group: demo}
settings:
  - {uri: ./AP/GW/Addr, value: 10.20.0.1}
  - {uri: ./AP/MMS/Addr, value: mms.operator.example}
confirm: {ask: May we change your gateway?, default: no, wait: 2s}
confirm_mass: true
deliver: {ui: interactive, attempts: 3, answer_within: 5s}
";

/// R7: yes, no, silence and the lack of a screen are four outcomes, and only yes leads to a write. Who has the wanted
/// settings already is not asked at all.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_yes_leads_to_a_write() {
    let mix =
        Mix { says_no: 0.3, says_nothing: 0.2, cannot_ask: 0.2, as_wanted: 0.1, ..Mix::healthy() };
    let world = a_world(Plan { questions: true, ..Plan::new(mix, 60) }).await;
    let ending = world.run(ASKING).await;
    for (index, result) in world.each(&ending) {
        let kind = world.fleet.expected(index);
        let expected = match (kind.as_wanted, kind.fault, kind.answer) {
            (true, _, _) => "unchanged",
            (false, Fault::CannotAsk, _) => "not_applicable",
            (false, _, Answer::Yes) => "applied",
            (false, _, Answer::No) => "declined",
            (false, _, Answer::Nothing) => "no_answer",
        };
        assert_eq!(result.outcome, expected, "device {index}: {result:?}");
        let new = matches!(expected, "applied" | "unchanged");
        assert_eq!(
            world.node(index, "./AP/GW/Addr").as_deref(),
            Some(if new { "10.20.0.1" } else { "10.0.0.1" })
        );
    }
    for outcome in ["applied", "declined", "no_answer", "not_applicable", "unchanged"] {
        assert!(ending.count(outcome) > 0, "the story has a device that ends as {outcome}");
    }
    assert_eq!(world.ends_well().await.writes, 2 * ending.count("applied"));
}

/// R7: in a mass campaign nothing is shown unless that was said twice, silence is never taken for a yes, and a
/// notification that the user sees needs a question.
#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_that_would_disturb_users_by_mistake_is_not_accepted() {
    let world = a_world_with(Mix::healthy(), 4).await;
    refused(&world, &ASKING.replace("confirm_mass: true", ""), "confirm").await;
    refused(&world, &ASKING.replace("default: no", "default: yes"), "confirm.default").await;
    let without_question: Vec<_> =
        ASKING.lines().filter(|line| !line.starts_with("confirm")).collect();
    refused(&world, &without_question.join("\n"), "deliver.ui").await;
    // In such a fleet a question, or a notification that is seen, is a breach.
    let quiet = without_question.join("\n").replace("ui: interactive, ", "");
    assert_eq!(world.run(&quiet).await.count("applied"), 4);
    world.ends_well().await;
}

async fn refused(world: &World, document: &str, path: &str) {
    let problem = world.operator.submit(document).await.map_err(Refusal::problem).unwrap_err();
    let paths: Vec<_> = problem.problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!((problem.status, paths), (422, vec![path]), "{problem}");
}
