//! Transcripts: a conversation as text, replayed against the session.
//!
//! A header says what work waits; then `>` lines are a message of the device, `<` lines the server's reply, `=` lines
//! what the server learns. A message of the device is XML (where a client's habits matter), or a line for each thing it
//! says:
//!
//! ```text
//! > id 3                       its MsgID, when it is not the next
//! > cred md5 challenge         credentials, made with that nonce; `cred md5 wrong`, `cred basic right`, `… wrong`
//! > unproven                   the request does not carry the session's token
//! > maxmsg 2000                its MaxMsgSize
//! > hdr 212 nonce fresh        status for the server's last message, with a challenge that gives a nonce
//! > 4 404                      status for command 4 of the server's last message
//! > 4 200 = int 5              the same, with results;  `4 = chr x`: results alone;  `4@2 200`: of message 2
//! > alert 1201 / > devinfo / > event 1226 some.type 5 / > replace ./X v / > get ./X
//! > more                       no Final
//! > again                      the last message once more, octet for octet
//! ```

use crate::{
    bench::Bench,
    say::{self, SERVER_PASSWORD, SERVER_USER},
    scene::{Came, PASSWORD, Scene, URL, USER, nonce},
};
use session::{
    Atomic, AuthKind, JobRef, Plan, Prove, Question, ServerCredential, ServerSecret, Setting,
    Unfit, Verb,
};
use std::path::{Path, PathBuf};
use wire::{
    Encoding,
    alert::AlertCode,
    digest::{self, SecretHash},
    ids::{CmdId, CmdIds, MsgId, SessionId, StatusTarget},
    message::{
        Address, Alert, Command, Cred, Data, Edit, Header, Item, Message, Results, Status, Version,
    },
    meta::{Format, Meta},
    status::StatusCode,
    uri::LocUri,
};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

/// The transcripts that there are, sorted.
pub(crate) fn files() -> Vec<String> {
    let entries = std::fs::read_dir(directory()).expect("transcripts stand beside the tests");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("readable").file_name().into_string().expect("a plain name"))
        .collect();
    names.sort();
    names
}

/// Replays a transcript and compares what the server says. What it said instead is left in the target directory.
pub(crate) fn replay(name: &str) {
    let text = std::fs::read_to_string(directory().join(format!("{name}.txt")))
        .expect("the transcript is there");
    let actual = Stage::default().play(&text);
    if actual != text {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.txt"));
        std::fs::write(&path, &actual).expect("the target directory can be written");
        let line = text.lines().zip(actual.lines()).position(|(one, other)| one != other);
        let line = line.unwrap_or_else(|| text.lines().count().min(actual.lines().count()));
        let at = |text: &str| text.lines().nth(line).unwrap_or("nothing").to_owned();
        panic!(
            "line {}: wanted {:?}, got {:?}; the whole is in {}",
            line + 1,
            at(&text),
            at(&actual),
            path.display()
        );
    }
}

/// A transcript being replayed.
#[derive(Default)]
struct Stage {
    bench: Bench,
    account: Option<AuthKind>,
    server: Option<AuthKind>,
    encoding: Option<Encoding>,
    reply_octets: Option<usize>,
    scene: Option<Scene>,
    /// The device's last `MsgID`.
    msg_id: u32,
    /// The `MsgID` of the server's last message.
    heard: u32,
    last_body: Vec<u8>,
    server_nonces: Vec<String>,
}

impl Stage {
    fn play(mut self, text: &str) -> String {
        self.server_nonces.push("server-stored".to_owned());
        let mut played: Vec<String> = Vec::new();
        let mut said: Vec<String> = Vec::new();
        for line in text.lines().chain([""]) {
            let is_message = line.starts_with('>');
            if !is_message && !said.is_empty() {
                played.extend(self.exchange(&said));
                said.clear();
            }
            match line.split_at_checked(1) {
                Some((">", words)) => said.push(words.trim_start().to_owned()),
                Some(("<" | "=", _)) => continue,
                Some(("#", _)) | None => {}
                Some(_) => self.lay_out(line),
            }
            played.push(line.to_owned());
        }
        played.pop();
        played.join("\n") + "\n"
    }

    fn lay_out(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["account", kind] => self.account = Some(auth_kind(kind)),
            ["server", kind] => self.server = Some(auth_kind(kind)),
            ["encoding", "wbxml"] => self.encoding = Some(Encoding::Wbxml),
            ["reply_octets", octets] => self.reply_octets = Some(octets.parse().expect("octets")),
            ["job", seq, ..] => {
                let plan = plan(seq.parse().expect("a sequence number"), line);
                self.bench.settings.insert(plan.job, Ok(Vec::new()));
                self.bench.plans.push(plan);
            }
            ["unfit", ..] => {
                let job = self.bench.plans.last().expect("a job before it").job;
                let unfit = match words.get(1).copied() {
                    Some("gone") => Unfit::Gone,
                    Some("superseded") => Unfit::Superseded,
                    Some("refused") => {
                        Unfit::Refused { uri: words[2].to_owned(), why: words[3..].join(" ") }
                    }
                    _ => Unfit::NotApplicable(words[1..].join(" ")),
                };
                self.bench.settings.insert(job, Err(unfit));
            }
            // From here on, the first setting of the job has another value.
            ["change", seq, value] => {
                let job = JobRef { seq: seq.parse().expect("a sequence number"), run: 0 };
                let bench = &mut self.scene.as_mut().expect("a change comes in the middle").bench;
                let settings =
                    bench.settings.get_mut(&job).and_then(|settings| settings.as_mut().ok());
                settings.expect("the job is there")[0].value = Some((*value).to_owned());
            }
            _ => {
                let job = self.bench.plans.last().expect("settings follow their job").job;
                let settings =
                    self.bench.settings.get_mut(&job).and_then(|settings| settings.as_mut().ok());
                settings.expect("a fit job").push(setting(line));
            }
        }
    }

    fn exchange(&mut self, said: &[String]) -> Vec<String> {
        let proven = !said.iter().any(|line| line == "unproven");
        let body = match said.first().map(String::as_str) {
            Some("again") => self.last_body.clone(),
            Some(xml) if xml.starts_with('<') => self.xml(&said.concat()),
            _ => {
                let message = self.message(said);
                self.scene().encoding.write(&message).expect("the message can be written")
            }
        };
        self.last_body.clone_from(&body);
        let came = self.scene().receive(&body, proven);
        if let Came::Reply { reply, .. } = &came {
            self.heard = reply.header.msg_id.0;
        }
        say::lines(&came, &self.server_nonces)
    }

    fn scene(&mut self) -> &mut Scene {
        let (bench, account, server) = (&self.bench, self.account, self.server);
        let (encoding, reply_octets) = (self.encoding, self.reply_octets);
        self.scene.get_or_insert_with(|| {
            let mut scene = Scene::new(bench.clone());
            scene.account.kind = account.unwrap_or(AuthKind::Md5);
            scene.account.server = server.map(|kind| ServerCredential {
                kind,
                user: SERVER_USER.to_owned(),
                secret: match kind {
                    AuthKind::Basic => ServerSecret::Password(SERVER_PASSWORD.to_owned()),
                    AuthKind::Md5 => {
                        ServerSecret::Hash(SecretHash::of(SERVER_USER, SERVER_PASSWORD))
                    }
                },
                nonce: nonce("server-stored"),
            });
            scene.encoding = encoding.unwrap_or(Encoding::Xml);
            scene.reply_octets = reply_octets.unwrap_or(16_000);
            scene
        })
    }

    /// XML as it stands, with `{md5 nonce}` as the digest under that nonce and `{b64 text}` as base64.
    fn xml(&mut self, xml: &str) -> Vec<u8> {
        let mut filled = String::new();
        let mut rest = xml;
        while let Some((before, after)) = rest.split_once('{') {
            let (words, after) = after.split_once('}').expect("a brace is closed");
            filled.push_str(before);
            match words.split_once(' ') {
                Some(("md5", name)) => {
                    filled.push_str(md5_cred(name).data.as_text().expect("base64"));
                }
                Some(("b64", text)) => {
                    self.server_nonces.push(text.to_owned());
                    filled.push_str(&nonce(text).to_base64());
                }
                _ => panic!("{{{words}}} means nothing"),
            }
            rest = after;
        }
        filled.push_str(rest);
        filled.into_bytes()
    }

    fn message(&mut self, said: &[String]) -> Message {
        let mut talk = Talk { ids: CmdIds::default(), heard: self.heard, commands: Vec::new() };
        let mut cred = None;
        let mut meta = Meta::default();
        let mut last = true;
        self.msg_id += 1;
        for line in said {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["id", id] => self.msg_id = id.parse().expect("a number"),
                ["cred", "md5", "wrong"] => {
                    cred =
                        Some(digest::md5_cred(&SecretHash::of(USER, "other"), &nonce("challenge")));
                }
                ["cred", "md5", name] => cred = Some(md5_cred(name)),
                ["cred", "basic", "right"] => cred = Some(digest::basic_cred(USER, PASSWORD)),
                ["cred", "basic", _] => cred = Some(digest::basic_cred(USER, "other")),
                ["unproven"] => {}
                ["maxmsg", octets] => meta.max_msg_size = Some(octets.parse().expect("octets")),
                ["more"] => last = false,
                ["hdr", code, chal @ ..] => {
                    if let ["nonce", name] = chal {
                        self.server_nonces.push((*name).to_owned());
                    }
                    talk.header_status(code, chal);
                }
                _ => talk.say(line, &words),
            }
        }
        let header = Header {
            version: Version::Dm12,
            session_id: SessionId::parse("1").expect("an id"),
            msg_id: MsgId(self.msg_id),
            target: Address::new(URL),
            source: Address::new("IMEI:350000000000017"),
            resp_uri: None,
            no_resp: false,
            cred,
            meta,
        };
        Message { header, commands: talk.commands, last }
    }
}

fn md5_cred(name: &str) -> Cred {
    digest::md5_cred(&SecretHash::of(USER, PASSWORD), &nonce(name))
}

fn auth_kind(word: &str) -> AuthKind {
    if word == "basic" { AuthKind::Basic } else { AuthKind::Md5 }
}

/// `job 7 overwrite atomic=required prove=status ask=Apply? keep=./A query=./B skip=why`
fn plan(seq: u64, line: &str) -> Plan {
    let mut plan = Plan {
        job: JobRef { seq, run: 0 },
        query: Vec::new(),
        keep: Vec::new(),
        conditional: true,
        atomic: Atomic::Never,
        prove: Prove::ReadBack,
        ask: None,
        skip: None,
    };
    for word in line.split_whitespace().skip(2) {
        let text = |value: &str| value.replace('_', " ");
        match word.split_once('=') {
            None if word == "overwrite" => plan.conditional = false,
            Some(("atomic", "required")) => plan.atomic = Atomic::Required,
            Some(("atomic", "supported")) => plan.atomic = Atomic::WhenSupported,
            Some(("prove", "status")) => plan.prove = Prove::Status,
            Some(("ask", question)) => {
                plan.ask = Some(Question { text: text(question), wait_seconds: 60 });
            }
            Some(("keep", uri)) => plan.keep.push(LocUri::parse(uri).expect("an address")),
            Some(("query", uri)) => plan.query.push(LocUri::parse(uri).expect("an address")),
            Some(("skip", why)) => plan.skip = Some(text(why)),
            _ => panic!("{word} means nothing"),
        }
    }
    plan
}

/// `ensure [secret|unreadable] ./A/B [int 5]`
fn setting(line: &str) -> Setting {
    let mut words = line.split_whitespace().peekable();
    let verb = match words.next() {
        Some("ensure") => Verb::Ensure,
        Some("replace") => Verb::Replace,
        Some("add") => Verb::Add,
        Some("delete") => Verb::Delete,
        Some("read") => Verb::Read,
        Some("exec") => Verb::Exec,
        other => panic!("{other:?} is no verb"),
    };
    let secret = words.next_if_eq(&"secret").is_some();
    let unreadable = words.next_if_eq(&"unreadable").is_some();
    let uri = LocUri::parse(words.next().expect("an address")).expect("an address");
    let format = Format::from_name(words.next().unwrap_or("chr"));
    let rest: Vec<&str> = words.collect();
    let value = match rest.join(" ") {
        nothing if nothing.is_empty() => None,
        repeated if repeated.starts_with("x*") => {
            Some("x".repeat(repeated[2..].parse().expect("a count")))
        }
        value => Some(value.replace("\\r", "\r")),
    };
    Setting { verb, uri, format, value, secret, readable: !unreadable }
}

/// What the device says in one message.
struct Talk {
    ids: CmdIds,
    heard: u32,
    commands: Vec<Command>,
}

impl Talk {
    fn header_status(&mut self, code: &str, chal: &[&str]) {
        let meta = match chal {
            ["nonce", name] => Some(digest::chal_md5(&nonce(name))),
            ["basic"] => Some(digest::chal_basic()),
            ["empty"] => Some(Meta { next_nonce: Some(String::new()), ..digest::chal_basic() }),
            _ => None,
        };
        let status =
            Status { chal: meta, ..self.status(self.heard, StatusTarget::Header, "SyncHdr", code) };
        self.commands.push(Command::Status(status));
    }

    fn status(&mut self, msg: u32, about: StatusTarget, cmd: &str, code: &str) -> Status {
        Status {
            id: Some(self.ids.next_id()),
            msg_ref: Some(MsgId(msg)),
            about,
            cmd: cmd.to_owned(),
            target_refs: Vec::new(),
            source_refs: Vec::new(),
            cred: None,
            chal: None,
            code: code.parse().ok().map(StatusCode::from_code),
            code_attributes: Vec::new(),
            items: Vec::new(),
            other: Vec::new(),
        }
    }

    fn say(&mut self, line: &str, words: &[&str]) {
        match words {
            ["alert", code] => self.alert(code, Vec::new()),
            ["event", code, kind, data @ ..] => {
                let meta = Meta { media_type: Some((*kind).to_owned()), ..Meta::default() };
                self.alert(
                    code,
                    vec![Item { meta, data: Some(Data::text(data.join(" "))), ..Item::default() }],
                );
            }
            ["devinfo"] => {
                let nodes = [
                    ("DevId", "IMEI:350000000000017"),
                    ("Man", "Acme"),
                    ("Mod", "RV-100"),
                    ("DmV", "1.2"),
                    ("Lang", "en"),
                ];
                let items =
                    nodes.map(|(name, value)| from(&format!("./DevInfo/{name}"), value)).to_vec();
                let id = Some(self.ids.next_id());
                self.commands.push(Command::Replace(Edit { id, items, ..Edit::default() }));
            }
            ["replace", uri, value] => {
                let id = Some(self.ids.next_id());
                self.commands.push(Command::Replace(Edit {
                    id,
                    items: vec![from(uri, value)],
                    ..Edit::default()
                }));
            }
            ["get", uri] => {
                let id = Some(self.ids.next_id());
                self.commands.push(Command::Get(Edit {
                    id,
                    items: vec![Item::at(*uri)],
                    ..Edit::default()
                }));
            }
            [reference, ..] => {
                let (cmd, msg) = match reference.split_once('@') {
                    Some((cmd, msg)) => (cmd, msg.parse().expect("a message")),
                    None => (*reference, self.heard),
                };
                let (statuses, value) = match line.split_once(" =") {
                    Some((statuses, value)) => (statuses, Some(value.trim_start())),
                    None => (line, None),
                };
                let cmd = CmdId::parse(cmd).expect("a command");
                for code in statuses.split_whitespace().skip(1) {
                    let about = StatusTarget::Command(cmd.clone());
                    let status = self.status(msg, about, "Get", code);
                    self.commands.push(Command::Status(status));
                }
                if let Some(value) = value {
                    self.results(msg, cmd, value);
                }
            }
            [] => panic!("an empty line says nothing"),
        }
    }

    fn alert(&mut self, code: &str, items: Vec<Item>) {
        let code = Some(AlertCode::from_code(code.parse().expect("an alert")));
        let id = Some(self.ids.next_id());
        self.commands.push(Command::Alert(Alert {
            id,
            no_resp: false,
            code,
            correlator: None,
            items,
            other: Vec::new(),
        }));
    }

    fn results(&mut self, msg: u32, cmd: CmdId, value: &str) {
        let (format, data) = value.split_once(' ').unwrap_or((value, ""));
        let data = match data.strip_prefix("x*") {
            Some(count) => "x".repeat(count.parse().expect("a count")),
            None => data.to_owned(),
        };
        let meta = Meta::with_format(Format::from_name(format));
        let items = vec![Item { meta, data: Some(Data::text(data)), ..Item::default() }];
        let (id, msg_ref) = (Some(self.ids.next_id()), Some(MsgId(msg)));
        self.commands.push(Command::Results(Results {
            id,
            msg_ref,
            cmd_ref: Some(cmd),
            items,
            ..Results::default()
        }));
    }
}

fn from(uri: &str, value: &str) -> Item {
    Item { source: Some(Address::new(uri)), data: Some(Data::text(value)), ..Item::default() }
}
