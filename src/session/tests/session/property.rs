//! Whatever a device says, in whatever order: the session stays defined and bounded, writes only what its work allows,
//! only after a yes where one was asked for, and comes to an end.

use crate::{
    bench::Bench,
    scene::{Came, PASSWORD, Scene, URL, USER, nonce},
};
use proptest::{collection::vec, prelude::*, sample::select};
use session::{
    Atomic, JobEnd, JobRef, News, Outcome, Plan, Prove, Question, ServerCredential, ServerSecret,
    Session, Setting, Verb,
};
use std::collections::{BTreeMap, BTreeSet};
use wire::{
    alert::AlertCode,
    digest::{self, SecretHash},
    ids::{CmdId, CmdIds, MsgId, SessionId, StatusTarget},
    message::{
        Address, Alert, Command, Data, Edit, Header, Item, Message, Results, Status, Version,
    },
    meta::{Format, Meta},
    status::StatusCode,
    uri::LocUri,
};

/// One thing that a device says.
#[derive(Debug, Clone)]
enum Word {
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
    /// Good answers to all that is open.
    Cooperate {
        value: Value,
    },
    Alert(u32),
    DevInfo,
    Stray(u32),
}

#[derive(Debug, Clone)]
enum Value {
    /// What is wanted.
    Right,
    Other(&'static str),
    Long(usize),
    /// Without references and under another address.
    Unreferenced,
    Partial,
}

#[derive(Debug, Clone)]
struct Said {
    words: Vec<Word>,
    last: bool,
    /// How far the `MsgID` goes on; 0 repeats the number.
    ahead: u32,
    proven: bool,
    cred: Option<&'static str>,
    max_msg_size: Option<u64>,
}

fn word() -> impl Strategy<Value = Word> {
    let code = select(vec![
        0, 101, 200, 200, 200, 200, 202, 204, 211, 212, 213, 214, 215, 216, 304, 400, 401, 404,
        404, 405, 406, 407, 408, 416, 418, 418, 500, 507, 516, 517, 999,
    ]);
    let value = || {
        prop_oneof![
            4 => Just(Value::Right),
            2 => select(vec!["", "4", "***", "x/y"]).prop_map(Value::Other),
            1 => (0_usize..3000).prop_map(Value::Long),
            1 => Just(Value::Unreferenced),
            1 => Just(Value::Partial),
        ]
    };
    let back = || prop_oneof![8 => Just(0_u32), 1 => 1_u32..3];
    prop_oneof![
        2 => (back(), code.clone(), proptest::option::of(select(vec!["n1", ""]))).prop_map(|(back, code, nonce)| Word::Header { back, code, nonce }),
        6 => (0_usize..12, back(), proptest::option::weighted(0.9, code), proptest::option::of(value()))
            .prop_map(|(place, back, code, value)| Word::Answer { place, back, code, value }),
        6 => value().prop_map(|value| Word::Cooperate { value }),
        1 => select(vec![1101, 1200, 1201, 1222, 1223, 1224, 1225, 1226, 1250]).prop_map(Word::Alert),
        1 => Just(Word::DevInfo),
        1 => (0_u32..300).prop_map(Word::Stray),
    ]
}

fn said() -> impl Strategy<Value = Said> {
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
    ]);
    let uri = select(vec!["A", "A/B", "A/B/C", "A/N/M/O/P", "S"]);
    let value = select(vec!["5", "7", "x"]);
    (verb, uri, value, any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.1))
        .prop_map(|(verb, uri, value, node, secret, hidden)| {
            let node = node && uri == "A/B" && verb == Verb::Ensure;
            Setting {
                verb,
                uri: LocUri::parse(&format!("./J/{uri}")).unwrap(),
                format: if node { Format::Node } else { Format::Chr },
                value: (!node).then(|| value.to_owned()),
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
            };
            (plan, settings)
        },
    )
}

fn bench() -> impl Strategy<Value = Bench> {
    vec(job(), 1..4).prop_map(|jobs| {
        let mut bench = Bench::default();
        for (seq, (mut plan, mut settings)) in (1_u64..).zip(jobs) {
            plan.job.seq = seq;
            for setting in &mut settings {
                let uri = setting.uri.as_str().replacen("./J", &format!("./J{seq}"), 1);
                setting.uri = LocUri::parse(&uri).unwrap();
            }
            bench.settings.insert(plan.job, Ok(settings));
            bench.plans.push(plan);
        }
        bench
    })
}

/// The device's side, and what the test knows of the rules.
struct Trial {
    scene: Scene,
    session: u32,
    msg_id: u32,
    /// The server's last message.
    heard: Option<Message>,
    /// Questions that are open: message, command, and the codes given to them.
    asked: BTreeMap<(u32, CmdId), (JobRef, Vec<u16>)>,
    yes: BTreeSet<JobRef>,
    ended: BTreeSet<JobRef>,
    accepted: u32,
}

impl Trial {
    fn new(bench: Bench, server: bool) -> Self {
        let mut scene = Scene::new(bench);
        if server {
            scene.account.server = Some(ServerCredential {
                kind: session::AuthKind::Md5,
                user: "srv".to_owned(),
                secret: ServerSecret::Hash(SecretHash::of("srv", "srv-secret")),
                nonce: nonce("server-stored"),
            });
        }
        let (asked, yes, ended) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { scene, session: 1, msg_id: 0, heard: None, asked, yes, ended, accepted: 0 }
    }

    fn open(&mut self) {
        let said = Said {
            words: vec![Word::Alert(1201), Word::DevInfo],
            last: true,
            ahead: 1,
            proven: false,
            cred: Some("stored"),
            max_msg_size: None,
        };
        self.say(&said);
    }

    fn is_over(&self) -> bool {
        self.scene.session.as_ref().is_some_and(Session::over)
    }

    fn say(&mut self, said: &Said) {
        self.msg_id += said.ahead;
        let message = self.message(said);
        let body = self.scene.encoding.write(&message).expect("what a device says can be written");
        let Came::Reply { reply, ends, news } = self.scene.receive(&body, said.proven) else {
            return;
        };
        if self.scene.session.is_none()
            || news.contains(&News::Refused)
            || reply.header.resp_uri.is_none()
        {
            check_nothing_moves(&reply, &ends);
            return;
        }
        self.accepted += 1;
        self.take_answers(&message);
        self.check_ends(&ends);
        self.check_writes(&reply);
        assert!(
            !self.is_over()
                || reply.commands.iter().all(|command| matches!(command, Command::Status(_)))
        );
        self.heard = Some(reply);
    }

    /// A question counts as answered when the package that answers it is complete; one code that is no yes is a no.
    fn take_answers(&mut self, message: &Message) {
        for command in &message.commands {
            if let Command::Status(Status {
                msg_ref,
                about: StatusTarget::Command(id),
                code: Some(code),
                ..
            }) = command
            {
                let open = self.asked.iter_mut().filter(|((msg, asked), _)| {
                    asked == id && msg_ref.is_none_or(|at| at.0 == *msg)
                });
                open.for_each(|(_, (_, codes))| codes.push(code.code()));
            }
        }
        if message.last {
            for (job, codes) in std::mem::take(&mut self.asked).into_values() {
                let said: Vec<u16> =
                    codes.into_iter().filter(|code| !matches!(code, 0 | 101)).collect();
                if said.contains(&200)
                    && said.iter().all(|code| StatusCode::from_code(*code).is_success())
                {
                    self.yes.insert(job);
                }
            }
        }
    }

    fn check_ends(&mut self, ends: &[JobEnd]) {
        for end in ends {
            assert!(self.ended.insert(end.job), "a job ends once");
            assert!(
                end.commands.len() <= JobEnd::MOST_COMMANDS && end.read.len() <= JobEnd::MOST_READ
            );
            let octets: usize = end.read.iter().map(|(uri, value)| uri.len() + value.len()).sum();
            assert!(octets <= JobEnd::READ_OCTETS);
            let settings = self.settings_of(end.job);
            let secret: Vec<&str> =
                settings.iter().filter(|s| s.secret).map(|s| s.uri.as_str()).collect();
            let open: Vec<&str> =
                settings.iter().filter(|s| !s.secret).map(|s| s.uri.as_str()).collect();
            for (uri, _) in &end.read {
                assert!(
                    !secret.contains(&uri.as_str()) || open.contains(&uri.as_str()),
                    "a secret is never told"
                );
            }
            let asks = self.plan_of(end.job).ask.is_some();
            if asks && matches!(end.outcome, Outcome::Applied | Outcome::Broken(_)) {
                assert!(self.yes.contains(&end.job), "nothing is applied without a yes");
            }
        }
    }

    fn check_writes(&mut self, reply: &Message) {
        for command in &reply.commands {
            match command {
                Command::Atomic(block) => {
                    block.commands.iter().for_each(|command| self.check_write(command));
                }
                Command::Alert(alert) if alert.code == Some(AlertCode::ConfirmOrReject) => {
                    let job =
                        self.scene.session.as_ref().and_then(Session::job).expect("a job asks");
                    assert!(self.plan_of(job).ask.is_some());
                    let id = alert.id.clone().expect("an id");
                    self.asked.insert((reply.header.msg_id.0, id), (job, Vec::new()));
                }
                command => self.check_write(command),
            }
        }
    }

    fn check_write(&self, command: &Command) {
        let (item, kind) = match command {
            Command::Add(edit) => (&edit.items[0], "add"),
            Command::Replace(edit) => (&edit.items[0], "replace"),
            Command::Delete(edit) => (&edit.items[0], "delete"),
            Command::Exec(exec) => (&exec.items[0], "exec"),
            _ => return,
        };
        let uri =
            LocUri::parse(&item.target.as_ref().expect("a target").loc_uri).expect("an address");
        let first = uri.segments().next().expect("below the root").into_owned();
        let job = JobRef { seq: first[1..].parse().expect("the tree of a job"), run: 0 };
        assert!(!self.ended.contains(&job), "nothing is written for a job that ended");
        assert_eq!(
            self.scene.session.as_ref().and_then(Session::job),
            Some(job),
            "one job after the other"
        );
        assert!(
            self.plan_of(job).ask.is_none() || self.yes.contains(&job),
            "no write without a yes"
        );
        let data = item.data.as_ref().and_then(Data::as_text).unwrap_or_default();
        let allowed = self.settings_of(job).iter().any(|setting| {
            let itself = setting.uri == uri && setting.value.as_deref().unwrap_or_default() == data;
            let parent = setting.uri.as_str().starts_with(&format!("{}/", uri.as_str()));
            match (kind, setting.verb) {
                ("add", Verb::Ensure) => {
                    itself || (parent && item.meta.format == Some(Format::Node) && data.is_empty())
                }
                ("add", Verb::Add)
                | ("replace", Verb::Ensure | Verb::Replace)
                | ("exec", Verb::Exec) => itself,
                ("delete", Verb::Delete) => setting.uri == uri,
                _ => false,
            }
        });
        assert!(allowed, "{kind} {uri:?} was not asked for");
    }

    fn plan_of(&self, job: JobRef) -> &Plan {
        self.scene.bench.plans.iter().find(|plan| plan.job == job).expect("a job of ours")
    }

    fn settings_of(&self, job: JobRef) -> &[Setting] {
        self.scene.bench.settings[&job].as_ref().expect("a fit job")
    }

    fn message(&self, said: &Said) -> Message {
        let mut talk = Talk { trial: self, ids: CmdIds::default(), commands: Vec::new() };
        for word in &said.words {
            talk.word(word);
        }
        let cred = said.cred.map(|name| {
            let password = if name == "wrong" { "other" } else { PASSWORD };
            digest::md5_cred(&SecretHash::of(USER, password), &nonce(name))
        });
        let header = Header {
            version: Version::Dm12,
            session_id: SessionId::parse(&self.session.to_string()).unwrap(),
            msg_id: MsgId(self.msg_id),
            target: Address::new(URL),
            source: Address::new("IMEI:350000000000017"),
            resp_uri: None,
            no_resp: false,
            cred,
            meta: Meta { max_msg_size: said.max_msg_size, ..Meta::default() },
        };
        Message { header, commands: talk.commands, last: said.last }
    }
}

fn check_nothing_moves(reply: &Message, ends: &[JobEnd]) {
    assert!(reply.commands.iter().all(|command| matches!(command, Command::Status(_))));
    assert!(ends.is_empty());
}

struct Talk<'a> {
    trial: &'a Trial,
    ids: CmdIds,
    commands: Vec<Command>,
}

impl Talk<'_> {
    /// The server's last message number, and the commands in it that want an answer.
    fn open(&self) -> (u32, Vec<&Command>) {
        let Some(heard) = &self.trial.heard else { return (0, Vec::new()) };
        let mut open = Vec::new();
        for command in &heard.commands {
            match command {
                Command::Status(_) => {}
                Command::Atomic(block) => {
                    open.push(command);
                    open.extend(&block.commands);
                }
                command => open.push(command),
            }
        }
        (heard.header.msg_id.0, open)
    }

    fn word(&mut self, word: &Word) {
        match word {
            Word::Header { back, code, nonce: given } => {
                let chal = given.map(|name| digest::chal_md5(&nonce(name)));
                let msg = self.open().0.saturating_sub(*back);
                self.status(msg, StatusTarget::Header, Some(*code), chal);
            }
            Word::Answer { place, back, code, value } => {
                let (msg, open) = self.open();
                let Some(id) = open.get(*place).and_then(|command| command.id()).cloned() else {
                    return;
                };
                let target = open.get(*place).and_then(|command| target(command));
                let msg = msg.saturating_sub(*back);
                self.status(msg, StatusTarget::Command(id.clone()), *code, None);
                if let Some(value) = value {
                    self.results(msg, &id, target.as_deref(), value);
                }
            }
            Word::Cooperate { value } => {
                let (msg, open) = self.open();
                let all: Vec<_> = open
                    .iter()
                    .filter_map(|command| {
                        Some((
                            command.id()?.clone(),
                            target(command),
                            matches!(command, Command::Get(_)),
                        ))
                    })
                    .collect();
                for (id, target, is_get) in all {
                    self.status(msg, StatusTarget::Command(id.clone()), Some(200), None);
                    if is_get {
                        self.results(msg, &id, target.as_deref(), value);
                    }
                }
            }
            Word::Alert(code) => {
                let items = vec![Item {
                    meta: Meta { media_type: Some("org.example".to_owned()), ..Meta::default() },
                    data: Some(Data::text("e".repeat(3000))),
                    ..Item::default()
                }];
                let (id, code) = (Some(self.ids.next_id()), Some(AlertCode::from_code(*code)));
                self.commands.push(Command::Alert(Alert {
                    id,
                    no_resp: false,
                    code,
                    correlator: None,
                    items,
                    other: Vec::new(),
                }));
            }
            Word::DevInfo => {
                let item = |name: &str| Item {
                    source: Some(Address::new(format!("./DevInfo/{name}"))),
                    data: Some(Data::text("m".repeat(200))),
                    ..Item::default()
                };
                let items = ["DevId", "Man", "Mod", "DmV", "Lang"].map(item).to_vec();
                let id = Some(self.ids.next_id());
                self.commands.push(Command::Replace(Edit { id, items, ..Edit::default() }));
            }
            Word::Stray(number) => {
                let id = CmdId::parse(&number.to_string());
                let about = id.clone().map_or(StatusTarget::Header, StatusTarget::Command);
                self.status(*number, about, Some(200), None);
                if let Some(id) = id {
                    self.results(*number, &id, Some("./J1/A"), &Value::Right);
                }
            }
        }
    }

    fn status(&mut self, msg: u32, about: StatusTarget, code: Option<u16>, chal: Option<Meta>) {
        self.commands.push(Command::Status(Status {
            id: Some(self.ids.next_id()),
            msg_ref: Some(MsgId(msg)),
            about,
            cmd: "Get".to_owned(),
            target_refs: Vec::new(),
            source_refs: Vec::new(),
            cred: None,
            chal,
            code: code.map(StatusCode::from_code),
            code_attributes: Vec::new(),
            items: Vec::new(),
            other: Vec::new(),
        }));
    }

    fn results(&mut self, msg: u32, id: &CmdId, uri: Option<&str>, value: &Value) {
        let wanted = uri.and_then(|uri| {
            self.trial
                .scene
                .bench
                .settings
                .values()
                .flatten()
                .flatten()
                .find(|s| s.uri.as_str() == uri)
        });
        let wanted = wanted.and_then(|setting| setting.value.clone()).unwrap_or_default();
        let mut results = Results { id: Some(self.ids.next_id()), ..Results::default() };
        let mut item = Item { source: uri.map(Address::new), ..Item::default() };
        if !matches!(value, Value::Unreferenced) {
            results.msg_ref = Some(MsgId(msg));
            results.cmd_ref = Some(id.clone());
        }
        let text = match value {
            Value::Right | Value::Unreferenced => wanted,
            Value::Other(text) => (*text).to_owned(),
            Value::Long(octets) => "v".repeat(*octets),
            Value::Partial => {
                item.more = true;
                "part".to_owned()
            }
        };
        item.data = Some(Data::text(text));
        results.items.push(item);
        self.commands.push(Command::Results(results));
    }
}

fn target(command: &Command) -> Option<String> {
    match command {
        Command::Get(edit) => {
            edit.items.first()?.target.as_ref().map(|target| target.loc_uri.clone())
        }
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// R7, C3; invariants 5 and 6.
    #[test]
    fn nothing_a_device_says_breaks_the_rules(bench in bench(), server in any::<bool>(), talk in vec(said(), 1..30)) {
        let mut trial = Trial::new(bench, server);
        trial.open();
        for said in &talk {
            trial.say(said);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// A device that goes on for ever, always with the same few phrases.
    #[test]
    fn every_conversation_ends(bench in bench(), talk in vec(said(), 1..4)) {
        let mut trial = Trial::new(bench, true);
        trial.open();
        let mut rounds = 0_u32;
        while !trial.is_over() {
            for said in &talk {
                // Messages that prove nothing move nothing, so they cannot end anything either.
                trial.say(&Said { proven: true, cred: None, ahead: 1, ..said.clone() });
            }
            rounds += 1;
            prop_assert!(rounds <= u32::from(Session::MOST_MESSAGES));
        }
        prop_assert!(trial.accepted <= u32::from(Session::MOST_MESSAGES) + 4);
    }
}
