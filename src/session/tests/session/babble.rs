//! What a device may say, and what work may wait for it: anything.

use crate::bench::Bench;
use proptest::{collection::vec, prelude::*, sample::select};
use session::{Atomic, JobRef, Plan, Prove, Question, Setting, Verb};
use wire::{meta::Format, uri::LocUri};

/// One thing that a device says.
#[derive(Debug, Clone)]
pub(crate) enum Word {
    /// Of the header; the number is how many messages back.
    Header {
        back: u32,
        code: u16,
        nonce: Option<&'static str>,
    },
    /// Of the n-th command of the server's last message that is no status, perhaps with a value.
    Answer {
        place: usize,
        back: u32,
        code: Option<u16>,
        value: Option<Value>,
    },
    /// The same answer to all that is open.
    AnswerAll {
        code: u16,
        value: Value,
    },
    Alert(u32),
    DevInfo,
    Stray(u32),
    /// A report on work of a job: its number, the place of its setting, what it says.
    Report {
        seq: u64,
        place: u8,
        data: &'static str,
    },
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// What is wanted.
    Right,
    Other(&'static str),
    Long(usize),
    /// Without references and under another address.
    Unreferenced,
    /// Of a node below the one that was asked for.
    Below,
    Partial,
    /// The first part of six octets, and what may be the rest.
    First,
    Rest,
}

#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) words: Vec<Word>,
    pub(crate) last: bool,
    /// How far the `MsgID` goes on; 0 repeats the number.
    pub(crate) ahead: u32,
    pub(crate) proven: bool,
    pub(crate) cred: Option<&'static str>,
    pub(crate) max_msg_size: Option<u64>,
}

fn word() -> impl Strategy<Value = Word> {
    let code = select(vec![
        0, 101, 200, 200, 200, 200, 202, 204, 211, 212, 213, 214, 215, 216, 304, 400, 401, 404,
        404, 405, 406, 407, 408, 416, 418, 418, 500, 507, 516, 517, 999,
    ]);
    let value = || {
        prop_oneof![
            4 => Just(Value::Right),
            2 => select(vec!["", "4", "***", "x/y", "true"]).prop_map(Value::Other),
            1 => (0_usize..2500).prop_map(Value::Long),
            1 => Just(Value::Unreferenced),
            1 => Just(Value::Below),
            1 => Just(Value::Partial),
            1 => Just(Value::First),
            1 => Just(Value::Rest),
        ]
    };
    let back = || prop_oneof![8 => Just(0_u32), 1 => 1_u32..3];
    prop_oneof![
        2 => (back(), code.clone(), proptest::option::of(select(vec!["n1", ""]))).prop_map(|(back, code, nonce)| Word::Header { back, code, nonce }),
        6 => (0_usize..12, back(), proptest::option::weighted(0.9, code), proptest::option::of(value()))
            .prop_map(|(place, back, code, value)| Word::Answer { place, back, code, value }),
        8 => (select(vec![200, 200, 200, 200, 202, 213, 213, 304, 404, 418, 406, 424, 500, 507]), value())
            .prop_map(|(code, value)| Word::AnswerAll { code, value }),
        1 => select(vec![1101, 1200, 1201, 1222, 1223, 1224, 1225, 1226, 1250]).prop_map(Word::Alert),
        1 => Just(Word::DevInfo),
        1 => (0_u32..300).prop_map(Word::Stray),
        1 => (1_u64..4, 0_u8..4, select(vec!["200", "1200", "0", "410", "-1", "", "x"]))
            .prop_map(|(seq, place, data)| Word::Report { seq, place, data }),
    ]
}

pub(crate) fn said() -> impl Strategy<Value = Said> {
    let cred = select(vec![None, None, None, None, None, Some("challenge"), Some("wrong")]);
    let sizes = select(vec![None, None, None, Some(1_500), Some(3_000), Some(9_000_000_000)]);
    (
        vec(word(), 0..8),
        prop::bool::weighted(0.9),
        select(vec![0, 1, 1, 1, 1, 1, 1, 1, 4]),
        prop::bool::weighted(0.93),
        cred,
        sizes,
    )
        .prop_map(|(words, last, ahead, proven, cred, max_msg_size)| Said {
            words,
            last,
            ahead,
            proven,
            cred,
            max_msg_size,
        })
}

fn setting() -> impl Strategy<Value = Setting> {
    let verb = select(vec![
        Verb::Ensure,
        Verb::Ensure,
        Verb::Ensure,
        Verb::Replace,
        Verb::Add,
        Verb::Delete,
        Verb::Read,
        Verb::Exec,
        Verb::Copy,
    ]);
    let uri = select(vec!["A", "A/B", "A/B/C", "A/N/M/O/P", "S"]);
    let value = prop_oneof![
        8 => select(vec!["5", "7", "x"]).prop_map(str::to_owned),
        1 => (1500_usize..4000).prop_map(|octets| "v".repeat(octets)),
    ];
    (verb, uri, value, any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.1))
        .prop_map(|(verb, uri, value, other, secret, hidden)| {
            let node = other && uri == "A/B" && verb == Verb::Ensure;
            let list = if other && verb == Verb::Read { "?list=StructData" } else { "" };
            let has_value = !node && verb != Verb::Copy;
            Setting {
                verb,
                uri: LocUri::parse(&format!("./J/{uri}{list}")).unwrap(),
                format: if node { Format::Node } else { Format::Chr },
                value: has_value.then_some(value),
                from: (verb == Verb::Copy).then(|| LocUri::parse("./J/From").unwrap()),
                within_seconds: if other && verb == Verb::Exec { 60 } else { 0 },
                secret,
                readable: !hidden,
            }
        })
}

/// A job and its settings. Those of different jobs lie in different trees, so that every write shows whose it is.
fn job() -> impl Strategy<Value = (Plan, Vec<Setting>)> {
    let atomic = select(vec![Atomic::Never, Atomic::WhenSupported, Atomic::Required]);
    let prove = select(vec![Prove::Status, Prove::ReadBack]);
    let few = vec(setting(), 1..6);
    let many = vec(setting(), 60..100);
    let settings = prop_oneof![8 => few, 1 => many];
    (settings, any::<bool>(), atomic, prove, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(settings, conditional, atomic, prove, asks, keeps, queries)| {
            let uris = |wanted: bool, uri: &str| {
                if wanted { vec![LocUri::parse(uri).unwrap()] } else { Vec::new() }
            };
            let plan = Plan {
                job: JobRef { seq: 0, run: 0 },
                query: uris(queries, "./DevDetail/SwV"),
                keep: uris(keeps, "./DevDetail/HwV"),
                conditional,
                atomic,
                prove,
                ask: asks.then(|| Question { text: "Apply now?".to_owned(), wait_seconds: 60 }),
                skip: None,
                tell: false,
            };
            (plan, settings)
        },
    )
}

pub(crate) fn bench() -> impl Strategy<Value = Bench> {
    vec(job(), 1..4).prop_map(|jobs| {
        let mut bench = Bench::default();
        for (seq, (mut plan, mut settings)) in (1_u64..).zip(jobs) {
            plan.job.seq = seq;
            let tree = format!("./J{seq}");
            for setting in &mut settings {
                let here = |uri: &LocUri| LocUri::parse(&uri.as_str().replacen("./J", &tree, 1));
                setting.uri = here(&setting.uri).unwrap();
                setting.from = setting.from.as_ref().map(|from| here(from).unwrap());
            }
            bench.settings.insert(plan.job, Ok(settings));
            bench.plans.push(plan);
        }
        bench
    })
}
