//! Whatever a device says, in whatever order: the session stays defined and bounded, writes only what its work allows,
//! only after a yes where one was asked for, and comes to an end.

use crate::{
    babble::{Said, Value, Word, bench, said},
    bench::Bench,
    script,
    trial::{PLAIN, Trial, make},
};
use proptest::{collection::vec, prelude::*};
use session::Session;

/// Of any kind.
const MOST_MESSAGES: u32 = Session::MOST_MESSAGES as u32 + Session::MOST_PART_MESSAGES as u32;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// R7, C3; invariants 5 and 6.
    #[test]
    fn nothing_a_device_says_breaks_the_rules(bench in bench(), make in make(), talk in vec(said(), 1..30)) {
        let mut trial = Trial::new(bench, make);
        trial.open();
        for said in &talk {
            trial.say(said);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 3, failure_persistence: None, ..ProptestConfig::default() })]

    /// A device that goes on for ever, always with the same few phrases.
    #[test]
    fn every_conversation_ends(bench in bench(), make in make(), talk in vec(said(), 1..4)) {
        let mut trial = Trial::new(bench, make);
        trial.open();
        let mut rounds = 0_u32;
        while !trial.is_over() {
            for said in &talk {
                // Messages that prove nothing move nothing, so they cannot end anything either; and where every body is
                // proven, each package 1 begins another session.
                let mut words = said.words.clone();
                words.retain(|word| !matches!(word, Word::Alert(1200 | 1201)));
                trial.say(&Said { words, proven: true, cred: None, ahead: 1, ..said.clone() });
            }
            rounds += 1;
            prop_assert!(rounds <= MOST_MESSAGES);
        }
        prop_assert!(trial.accepted <= MOST_MESSAGES + 4);
    }
}

/// Jobs that each read, write and prove one setting.
fn plain_bench(jobs: u64) -> Bench {
    let mut bench = Bench::default();
    for seq in 1..=jobs {
        let plan = script::plan(seq, "");
        bench
            .settings
            .insert(plan.job, Ok(vec![script::setting(&format!("ensure ./J{seq}/A int 5"))]));
        bench.plans.push(plan);
    }
    bench
}

#[test]
fn a_package_that_never_ends_is_given_up() {
    let mut trial = Trial::new(plain_bench(1), PLAIN);
    trial.open();
    let more = Said {
        words: Vec::new(),
        last: false,
        ahead: 1,
        proven: true,
        cred: None,
        max_msg_size: None,
    };
    while !trial.is_over() {
        assert!(trial.accepted < 20);
        trial.say(&more);
    }
}

#[test]
fn a_device_that_makes_many_messages_of_every_answer_is_given_up() {
    let mut trial = Trial::new(plain_bench(16), PLAIN);
    trial.open();
    let more = Said {
        words: Vec::new(),
        last: false,
        ahead: 1,
        proven: true,
        cred: None,
        max_msg_size: None,
    };
    let answer = Word::AnswerAll { code: 200, value: Value::Other("4") };
    let first = Said { words: vec![answer], ..more.clone() };
    let last = Said { last: true, ..more.clone() };
    while !trial.is_over() {
        for said in [&first].into_iter().chain(std::iter::repeat_n(&more, 9)).chain([&last]) {
            trial.say(said);
        }
    }
    assert!(!trial.ended.is_empty() && trial.ended.len() < 16);
    assert!(trial.accepted <= u32::from(Session::MOST_MESSAGES) + 10);
}

#[test]
fn a_session_does_so_many_jobs_and_leaves_the_rest_to_the_next() {
    let mut trial = Trial::new(plain_bench(20), PLAIN);
    trial.open();
    let answer = Word::AnswerAll { code: 200, value: Value::Right };
    let said = Said {
        words: vec![answer],
        last: true,
        ahead: 1,
        proven: true,
        cred: None,
        max_msg_size: None,
    };
    while !trial.is_over() {
        trial.say(&said);
    }
    assert_eq!(trial.ended.len(), 16);
}
