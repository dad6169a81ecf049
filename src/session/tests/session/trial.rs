//! A device that says anything, and the rules that are held against every answer it gets.

use crate::{
    babble::{Said, Value, Word},
    bench::Bench,
    device::{Utterance, from},
    scene::{Came, PASSWORD, Scene, USER, nonce},
    script,
};
use proptest::{prelude::*, sample::select};
use session::{
    AuthKind, JobEnd, JobRef, Learnt, News, Outcome, Plan, ServerCredential, ServerSecret, Session,
    Setting, Verb,
};
use std::collections::{BTreeMap, BTreeSet};
use wire::{
    Encoding, Limits,
    alert::AlertCode,
    digest::{self, SecretHash},
    hmac::Hmac,
    ids::{CmdId, StatusTarget},
    message::{Address, Command, Data, Item, Message, Status},
    meta::{Format, Meta},
    status::StatusCode,
    uri::LocUri,
};

/// How the two prove themselves, and in what they speak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Make {
    kind: AuthKind,
    server: Option<AuthKind>,
    encoding: Encoding,
}

pub(crate) const PLAIN: Make = Make { kind: AuthKind::Md5, server: None, encoding: Encoding::Xml };

pub(crate) fn make() -> impl Strategy<Value = Make> {
    let kind = select(vec![AuthKind::Md5, AuthKind::Hmac]);
    let server = select(vec![None, Some(AuthKind::Md5), Some(AuthKind::Hmac)]);
    let encoding = select(vec![Encoding::Xml, Encoding::Wbxml]);
    (kind, server, encoding).prop_map(|(kind, server, encoding)| Make { kind, server, encoding })
}

/// The device's side, and what the test knows of the rules.
pub(crate) struct Trial {
    scene: Scene,
    msg_id: u32,
    /// The server's last message.
    heard: Option<Message>,
    /// Questions that are open: message, command, and the codes given to them.
    asked: BTreeMap<(u32, CmdId), (JobRef, Vec<u16>)>,
    yes: BTreeSet<JobRef>,
    /// Jobs with work that the device reports on, as done in a session of which nothing is left here: what asked then was
    /// answered then, and nothing is asked or written again.
    reported: BTreeSet<JobRef>,
    pub(crate) ended: BTreeSet<JobRef>,
    pub(crate) accepted: u32,
}

impl Trial {
    pub(crate) fn new(bench: Bench, make: Make) -> Self {
        let Make { kind, server, encoding } = make;
        let mut scene = Scene::new(bench);
        scene.learnt = Learnt { large_objects: Some(server.is_none()), ..Learnt::default() };
        (scene.account.kind, scene.encoding) = (kind, encoding);
        scene.account.server = server.map(|kind| ServerCredential {
            kind,
            user: "srv".to_owned(),
            secret: ServerSecret::Hash(SecretHash::of("srv", "srv-secret")),
            nonce: nonce("server-stored"),
        });
        let (yes, reported, ended) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let asked = BTreeMap::new();
        Self { scene, msg_id: 0, heard: None, asked, yes, reported, ended, accepted: 0 }
    }

    pub(crate) fn open(&mut self) {
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

    pub(crate) fn is_over(&self) -> bool {
        self.scene.session.as_ref().is_some_and(Session::over)
    }

    pub(crate) fn say(&mut self, said: &Said) {
        self.msg_id += said.ahead;
        let message = self.message(said);
        let body = self.scene.encoding.write(&message).expect("what a device says can be written");
        if body.len() > Limits::default().octets {
            return;
        }
        let mac = self.mac(said, &body);
        let Came::Reply { reply, ends, news, .. } =
            self.scene.receive_sealed(&body, said.proven, mac.as_deref())
        else {
            return;
        };
        if self.scene.session.is_none()
            || news.contains(&News::Refused)
            || reply.header.resp_uri.is_none()
        {
            check_nothing_moves(&reply, &ends);
            return;
        }
        let proves = match self.scene.account.kind {
            AuthKind::Hmac => mac.is_some() && said.cred != Some("wrong"),
            AuthKind::Basic | AuthKind::Md5 => {
                said.cred.map_or(said.proven, |name| name != "wrong")
            }
        };
        assert!(proves, "only a message that proves its sender moves anything");
        if news.contains(&News::Authenticated) {
            // A new session: what was asked and answered in the one before does not count.
            (self.asked, self.yes, self.ended, self.accepted) = Default::default();
            self.reported.clear();
        }
        self.accepted += 1;
        self.take_reports(said);
        self.take_answers(&message);
        self.check_ends(&ends);
        self.check_awaited(&news);
        self.check_writes(&reply);
        assert!(
            !self.is_over()
                || reply.commands.iter().all(|command| matches!(command, Command::Status(_)))
        );
        self.heard = Some(reply);
    }

    /// What stands beside the message where every body is proven: nothing for one that is to prove nothing.
    fn mac(&self, said: &Said, body: &[u8]) -> Option<String> {
        let is_sealed = self.scene.account.kind == AuthKind::Hmac;
        let password = if said.cred == Some("wrong") { "other" } else { PASSWORD };
        let nonce = self.scene.candidates.last().expect("a nonce was given");
        (is_sealed && (said.proven || said.cred.is_some()))
            .then(|| Hmac::of(USER, &SecretHash::of(USER, password), nonce, body).value())
    }

    fn take_reports(&mut self, said: &Said) {
        for word in &said.words {
            if let Word::Report { seq, place, data: "200" | "1200" | "0" } = word {
                let job = JobRef { seq: *seq, run: 0 };
                let Some(Ok(settings)) = self.scene.bench.settings.get(&job) else { continue };
                let awaits =
                    |setting: &Setting| setting.verb == Verb::Exec && setting.within_seconds > 0;
                if settings.get(usize::from(*place)).is_some_and(awaits) {
                    self.reported.insert(job);
                }
            }
        }
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
                assert!(
                    self.yes.contains(&end.job) || self.reported.contains(&end.job),
                    "nothing is applied without a yes"
                );
            }
        }
    }

    /// A job that waits for its device's report is done with in this session.
    fn check_awaited(&mut self, news: &[News]) {
        for item in news {
            if let News::Awaits(awaited) = item {
                assert!(self.ended.insert(awaited.job), "a job ends once");
                let asks = self.plan_of(awaited.job).ask.is_some();
                assert!(!asks || self.yes.contains(&awaited.job), "nothing is begun without a yes");
                assert!(!awaited.places.is_empty() && awaited.seconds > 0);
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
            Command::Copy(edit) => (&edit.items[0], "copy"),
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
        // Of a long value a part; or what was there before, when the device took a part for the whole.
        let is_long = |setting: &Setting| setting.value.as_ref().is_some_and(|it| it.len() > 1000);
        if self.settings_of(job).iter().any(|setting| {
            let writes = matches!(setting.verb, Verb::Ensure | Verb::Replace | Verb::Add);
            setting.uri == uri && writes && is_long(setting)
        }) {
            return;
        }
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
                ("copy", Verb::Copy) => {
                    let from = item.source.as_ref().map(|source| source.loc_uri.as_str());
                    setting.uri == uri && from == setting.from.as_ref().map(LocUri::as_str)
                }
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
        let mut utterance = Utterance::default();
        for word in &said.words {
            self.say_word(&mut utterance, word);
        }
        let cred = said.cred.map(|name| script::cred("md5", name));
        let meta = Meta { max_msg_size: said.max_msg_size, ..Meta::default() };
        utterance.message(self.msg_id, cred, meta, said.last)
    }

    /// The server's last message, and the commands in it that want an answer.
    fn open_commands(&self) -> (u32, Vec<&Command>) {
        let Some(heard) = &self.heard else { return (0, Vec::new()) };
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

    fn say_word(&self, utterance: &mut Utterance, word: &Word) {
        let (msg, open) = self.open_commands();
        match word {
            Word::Header { back, code, nonce: given } => {
                let chal = given.map(|name| digest::chal_md5(&nonce(name)));
                utterance.status(
                    msg.saturating_sub(*back),
                    StatusTarget::Header,
                    Some(*code),
                    chal,
                );
            }
            Word::Answer { place, back, code, value } => {
                if let Some(command) = open.get(*place) {
                    self.answer(
                        utterance,
                        msg.saturating_sub(*back),
                        command,
                        *code,
                        value.as_ref(),
                    );
                }
            }
            Word::AnswerAll { code, value } => {
                for command in open {
                    let is_get = matches!(command, Command::Get(_)) && *code == 200;
                    self.answer(
                        utterance,
                        msg,
                        command,
                        Some(*code),
                        Some(value).filter(|_| is_get),
                    );
                }
            }
            Word::Alert(code) => utterance.event(*code, "org.example", "e".repeat(3000)),
            Word::DevInfo => {
                let item = |name| from(&format!("./DevInfo/{name}"), &"m".repeat(200));
                utterance.replace(["DevId", "Man", "Mod", "DmV", "Lang"].map(item).to_vec());
            }
            Word::Report { seq, place, data } => {
                let correlator = format!("rv.{seq}.0.{place}");
                utterance.report(&correlator, "org.example", (*data).to_owned());
            }
            Word::Stray(number) => {
                let id = CmdId::parse(&number.to_string());
                let about = id.clone().map_or(StatusTarget::Header, StatusTarget::Command);
                utterance.status(*number, about, Some(200), None);
                utterance.results(id.map(|id| (*number, id)), from("./J1/A", "5"));
            }
        }
    }

    fn answer(
        &self,
        utterance: &mut Utterance,
        msg: u32,
        command: &Command,
        code: Option<u16>,
        value: Option<&Value>,
    ) {
        let id = command.id().expect("our commands have ids").clone();
        utterance.status(msg, StatusTarget::Command(id.clone()), code, None);
        let node = match command {
            Command::Get(edit) => {
                edit.items[0].target.as_ref().map(|target| target.loc_uri.as_str())
            }
            _ => None,
        };
        let Some(value) = value else { return };
        let text = match value {
            Value::Right | Value::Unreferenced | Value::Below => self.wanted(node),
            Value::Other(text) => (*text).to_owned(),
            Value::Long(octets) => "v".repeat(*octets),
            Value::Partial => "part".to_owned(),
            Value::First => "abc".to_owned(),
            Value::Rest => "def".to_owned(),
        };
        let source = node.map(|node| match value {
            Value::Below => Address::new(format!("{}/B", node.split('?').next().unwrap())),
            _ => Address::new(node),
        });
        let more = matches!(value, Value::Partial | Value::First);
        let size = matches!(value, Value::First).then_some(6);
        let meta = Meta { size, ..Meta::default() };
        let data = Some(Data::text(text));
        let item = Item { source, meta, data, more, ..Item::default() };
        utterance.results(Some((msg, id)).filter(|_| !matches!(value, Value::Unreferenced)), item);
    }

    /// The value that some job wants at a node.
    fn wanted(&self, node: Option<&str>) -> String {
        let mut settings = self.scene.bench.settings.values().flatten().flatten();
        let setting = settings.find(|setting| Some(setting.uri.as_str()) == node);
        setting.and_then(|setting| setting.value.clone()).unwrap_or_default()
    }
}

fn check_nothing_moves(reply: &Message, ends: &[JobEnd]) {
    assert!(reply.commands.iter().all(|command| matches!(command, Command::Status(_))));
    assert!(ends.is_empty());
}
