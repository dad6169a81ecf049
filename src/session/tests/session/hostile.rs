//! A session driven by octets that mean anything: what the fuzz target (`src/wire/fuzz`) invents, and what it found.
//!
//! The octets are a device's half of a conversation: for each message four octets (two of switches, two of length) and
//! then the message in WBXML. Switches put right what no mutation would ever hit, such as credentials and references, so
//! that the words get past the door. Around it stands the [`Scene`], which holds every reply against the rules.

use crate::{
    bench::Bench,
    scene::{Came, Scene, nonce},
};
use session::{Atomic, JobRef, Plan, Prove, Question, Session, Setting, Verb};
use wire::{
    Encoding, Limits,
    digest::{self, SecretHash},
    ids::{CmdId, MsgId, SessionId, StatusTarget},
    message::{Command, Message},
    meta::Format,
    status::StatusCode,
    uri::LocUri,
};

/// Octets of a message's own frame.
const FRAME: usize = 4;
const MOST_MESSAGES: usize = 24;

/// What is done to a message before the server hears it.
struct Switches(u16);

impl Switches {
    const fn is_set(&self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }
    /// The right credentials; unless it is set, they stay as they came.
    const fn credentials(&self) -> bool {
        self.is_set(0)
    }
    /// The token of the session.
    const fn token(&self) -> bool {
        self.is_set(1)
    }
    /// The `MsgID` stays as it came.
    const fn own_number(&self) -> bool {
        self.is_set(2)
    }
    /// Statuses and results refer to our last commands, one after the other.
    const fn refers(&self) -> bool {
        self.is_set(3)
    }
    /// The session's own `SessionID`.
    const fn own_session(&self) -> bool {
        self.is_set(4)
    }
    /// Every open command that the message leaves out is answered too, with this code.
    const fn answers_all(&self) -> Option<u16> {
        match self.0 >> 5 & 7 {
            0..=2 => None,
            3..=5 => Some(200),
            6 => Some(404),
            _ => Some(407),
        }
    }
    /// The last message is said for ever.
    const fn again(&self) -> bool {
        self.is_set(8)
    }
}

/// Lets the device say what the octets hold, and checks that nothing but the bench's work is ever written.
pub(crate) fn drive(octets: &[u8]) {
    let Some((&variant, mut rest)) = octets.split_first() else { return };
    let mut scene = Scene::new(bench(variant));
    scene.encoding = if variant & 1 == 0 { Encoding::Wbxml } else { Encoding::Xml };
    if variant & 2 != 0 {
        scene.reply_octets = 1_500;
    }
    let mut device = Device { scene, msg_id: 0, heard: None, yes: false };
    for _ in 0..MOST_MESSAGES {
        let Some((&[high, low, long, short], after)) = rest.split_first_chunk::<FRAME>() else {
            return;
        };
        let length = usize::from(u16::from_be_bytes([long, short])).min(after.len());
        let (message, after) = after.split_at(length);
        rest = after;
        let switches = Switches(u16::from_be_bytes([high, low]));
        let Ok(message) = Encoding::Wbxml.read(message, &Limits::default()) else { continue };
        device.say(&switches, message.clone());
        if switches.again() {
            device.insist(&switches, &message);
            return;
        }
    }
}

/// Work of every kind, below one node.
fn bench(variant: u8) -> Bench {
    let job = JobRef { seq: 1, run: 0 };
    let uri = |name: &str| LocUri::parse(&format!("./J/{name}")).expect("an address");
    let plan = Plan {
        job,
        query: vec![LocUri::parse("./DevDetail/SwV").expect("an address")],
        keep: Vec::new(),
        conditional: variant & 4 == 0,
        atomic: match variant >> 3 & 3 {
            0 => Atomic::Required,
            1 => Atomic::WhenSupported,
            _ => Atomic::Never,
        },
        prove: if variant & 32 == 0 { Prove::ReadBack } else { Prove::Status },
        ask: (variant & 64 != 0)
            .then(|| Question { text: "Apply now?".to_owned(), wait_seconds: 60 }),
        skip: None,
        tell: false,
    };
    let setting = |verb, name: &str, format, value: Option<&str>| Setting {
        verb,
        uri: uri(name),
        format,
        value: value.map(str::to_owned),
        from: None,
        within_seconds: 60,
        secret: name == "S",
        readable: true,
    };
    let settings = vec![
        setting(Verb::Ensure, "A/B", Format::Chr, Some("7")),
        setting(Verb::Ensure, "N", Format::Node, None),
        setting(Verb::Replace, "S", Format::Chr, Some("secret")),
        setting(Verb::Read, "R", Format::Chr, None),
        setting(Verb::Delete, "D", Format::Chr, None),
        setting(Verb::Exec, "E", Format::Chr, Some("go")),
    ];
    Bench { plans: vec![plan], settings: [(job, Ok(settings))].into() }
}

struct Device {
    scene: Scene,
    msg_id: u32,
    heard: Option<Message>,
    /// Some command of ours was ever answered with a plain yes.
    yes: bool,
}

impl Device {
    fn say(&mut self, switches: &Switches, mut message: Message) {
        self.msg_id = self.msg_id.saturating_add(1);
        if !switches.own_number() {
            message.header.msg_id = MsgId(self.msg_id);
        }
        if switches.own_session() || self.scene.session.is_none() {
            message.header.session_id = SessionId::parse("1").expect("an id");
        }
        if switches.credentials() {
            let secret = SecretHash::of(crate::scene::USER, crate::scene::PASSWORD);
            message.header.cred = Some(digest::md5_cred(&secret, &nonce("stored")));
        }
        if switches.refers() {
            self.refer(&mut message);
        }
        if let Some(code) = switches.answers_all() {
            self.answer_all(&mut message, code);
        }
        // What a device cannot write it cannot say.
        let Ok(body) = self.scene.encoding.write(&message) else { return };
        if self.scene.encoding.read(&body, &Limits::default()).is_err() {
            return;
        }
        self.yes |= message.commands.iter().any(says_yes);
        let session = self.scene.session.clone();
        let Came::Reply { reply, ends, .. } = self.scene.receive(&body, switches.token()) else {
            return;
        };
        assert!(
            switches.token() || message.header.cred.is_some() || self.scene.session == session,
            "a message without any proof moves nothing"
        );
        assert!(ends.len() <= 1, "there is one job");
        reply.commands.iter().for_each(|command| self.check(command));
        self.heard = Some(reply);
    }

    /// The same message for ever: it ends.
    fn insist(&mut self, switches: &Switches, message: &Message) {
        let over = |device: &Self| device.scene.session.as_ref().is_none_or(Session::over);
        let proven = Switches(switches.0 & !0b101 | 0b10010);
        for _ in 0..=Session::MOST_MESSAGES {
            if over(self) {
                return;
            }
            self.say(&proven, message.clone());
        }
        let version = &message.header.version;
        assert!(
            over(self) || matches!(version, wire::message::Version::Other { .. }),
            "a conversation ends"
        );
    }

    /// What we wrote that wants an answer.
    fn open(&self) -> Vec<(MsgId, CmdId)> {
        let Some(heard) = &self.heard else { return Vec::new() };
        let mut open = Vec::new();
        for command in &heard.commands {
            let inside: &[Command] = match command {
                Command::Status(_) => continue,
                Command::Atomic(block) => &block.commands,
                _ => &[],
            };
            open.extend([command].into_iter().chain(inside).filter_map(Command::id).cloned());
        }
        open.into_iter().map(|id| (heard.header.msg_id, id)).collect()
    }

    fn refer(&self, message: &mut Message) {
        let open = self.open();
        let (mut statuses, mut results) = (open.iter().cycle(), open.iter().cycle());
        for command in &mut message.commands {
            match command {
                Command::Status(status) if status.about != StatusTarget::Header => {
                    let Some((msg, id)) = statuses.next() else { return };
                    (status.msg_ref, status.about) =
                        (Some(*msg), StatusTarget::Command(id.clone()));
                }
                Command::Results(answer) => {
                    let Some((msg, id)) = results.next() else { return };
                    (answer.msg_ref, answer.cmd_ref) = (Some(*msg), Some(id.clone()));
                }
                _ => {}
            }
        }
    }

    fn answer_all(&self, message: &mut Message, code: u16) {
        let mut utterance = crate::device::Utterance::default();
        for (msg, id) in self.open() {
            utterance.status(msg.0, StatusTarget::Command(id), Some(code), None);
        }
        let said = utterance.message(self.msg_id, None, wire::meta::Meta::default(), true);
        message.commands.extend(said.commands);
    }

    fn check(&self, command: &Command) {
        let items = match command {
            Command::Atomic(block) => {
                return block.commands.iter().for_each(|command| self.check(command));
            }
            Command::Add(edit) | Command::Replace(edit) | Command::Delete(edit) => &edit.items,
            Command::Exec(exec) => &exec.items,
            _ => return,
        };
        let asks = self.scene.bench.plans.iter().any(|plan| plan.ask.is_some());
        assert!(self.yes || !asks, "no write without a yes");
        for item in items {
            let target = &item.target.as_ref().expect("a target").loc_uri;
            assert!(target.starts_with("./J/"), "{target} is outside the job's tree");
        }
    }
}

fn says_yes(command: &Command) -> bool {
    matches!(command, Command::Status(status) if status.code.is_some_and(StatusCode::is_success))
}
