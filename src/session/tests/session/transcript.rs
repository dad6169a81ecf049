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
//! > maxobj 9000                its MaxObjSize
//! > hdr 212 nonce fresh        status for the server's last message, with a challenge that gives a nonce
//! > 4 404                      status for command 4 of the server's last message
//! > 4 200 = int 5              the same, with results;  `4 = chr x`: results alone;  `4@2 200`: of message 2
//! > 4 = first 90 chr x*40      results in parts: the first one says the size of all; then `part chr x*40`, then the last
//! > alert 1201 / > devinfo / > event 1226 some.type 5 / > replace ./X v / > get ./X
//! > more                       no Final
//! > lose parts                 the stored parts of the device's large object are gone
//! > again                      the last message once more, octet for octet
//! > mac next-1                 `x-syncml-hmac` over the message under that nonce; `mac wrong`; also beside XML
//! > report rv.7.0.0 some.type 200      a generic alert with a correlator
//! > session 2B                 another SessionID, from here on
//! ```
//!
//! `client a` (or `b`, `windows`) in the header has all of it said as that client says it; in a value, `\0` is a zero octet.
//!
//! Every transcript is replayed in XML and in WBXML, and has to read the same; one that is about an encoding says
//! `encoding xml` or `encoding wbxml`, and is replayed in that alone.

use crate::{
    bench::Bench,
    device::Utterance,
    habits::Client,
    say::{self, SERVER_PASSWORD, SERVER_USER},
    scene::{Came, Scene, nonce},
    script,
};
use session::{AuthKind, JobRef, Learnt, ServerCredential, ServerSecret, Unfit};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use wire::{Encoding, Limits, digest::SecretHash, ids::SessionId, message::Message, meta::Meta};

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
    for encoding in encodings(&text) {
        compare(name, encoding, &text);
    }
}

fn encodings(text: &str) -> Vec<Encoding> {
    let says = |line: &str| text.lines().any(|other| other == line);
    match (says("encoding xml"), says("encoding wbxml")) {
        (true, false) => vec![Encoding::Xml],
        (false, true) => vec![Encoding::Wbxml],
        _ => vec![Encoding::Xml, Encoding::Wbxml],
    }
}

fn compare(name: &str, encoding: Encoding, text: &str) {
    let actual = Stage { encoding: Some(encoding), ..Stage::default() }.play(text);
    if actual != text {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.txt"));
        std::fs::write(&path, &actual).expect("the target directory can be written");
        let line = text.lines().zip(actual.lines()).position(|(one, other)| one != other);
        let line = line.unwrap_or_else(|| text.lines().count().min(actual.lines().count()));
        let at = |text: &str| text.lines().nth(line).unwrap_or("nothing").to_owned();
        panic!(
            "{encoding:?}, line {}: wanted {:?}, got {:?}; the whole is in {}",
            line + 1,
            at(text),
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
    client: Option<Client>,
    reply_octets: Option<usize>,
    /// What earlier sessions taught.
    large_objects: Option<bool>,
    only_nonces: bool,
    scene: Option<Scene>,
    /// The device's last `MsgID`.
    msg_id: u32,
    /// The `MsgID` of the server's last message.
    heard: u32,
    /// The server's messages in this session.
    replies: BTreeMap<u32, Message>,
    session_id: Option<SessionId>,
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
            ["account", kind] => self.account = Some(script::auth_kind(kind)),
            ["nonces"] => self.only_nonces = true,
            ["server", kind] => self.server = Some(script::auth_kind(kind)),
            ["encoding", _] => {}
            ["client", name] => self.client = Some(Client::parse(name)),
            ["large_objects", takes] => self.large_objects = Some(*takes == "yes"),
            ["reply_octets", octets] => self.reply_octets = Some(octets.parse().expect("octets")),
            ["job", seq, ..] => {
                let plan = script::plan(seq.parse().expect("a sequence number"), line);
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
                settings.expect("a fit job").push(script::setting(line));
            }
        }
    }

    fn exchange(&mut self, said: &[String]) -> Vec<String> {
        let proven = !said.iter().any(|line| line == "unproven");
        let mac = said.iter().find_map(|line| line.strip_prefix("mac ").map(str::to_owned));
        let said: Vec<String> = said
            .iter()
            .filter(|line| *line != "unproven" && !line.starts_with("mac "))
            .cloned()
            .collect();
        let body = match said.first().map(String::as_str) {
            Some("again") => self.last_body.clone(),
            Some(xml) if xml.starts_with('<') => self.xml(&said.concat()),
            _ => {
                let mut message = self.message(&said);
                let encoding = self.scene().encoding;
                if let Some(client) = self.client {
                    client.dress(&mut message, &self.replies);
                }
                if let Some(id) = &self.session_id {
                    message.header.session_id = id.clone();
                }
                match self.client {
                    Some(client) => client.write(&message, encoding),
                    None => encoding.write(&message).expect("the message can be written"),
                }
            }
        };
        self.last_body.clone_from(&body);
        let mac = mac.map(|name| script::mac(&name, &body));
        let came = self.scene().receive_sealed(&body, proven, mac.as_deref());
        if let Came::Reply { reply, .. } = &came {
            self.heard = reply.header.msg_id.0;
            self.replies.insert(self.heard, reply.clone());
        }
        say::lines(&came, &self.server_nonces)
    }

    fn scene(&mut self) -> &mut Scene {
        let (bench, account, server) = (&self.bench, self.account, self.server);
        let (encoding, reply_octets) = (self.encoding, self.reply_octets);
        let learnt = Learnt { large_objects: self.large_objects, ..Learnt::default() };
        self.scene.get_or_insert_with(|| {
            let mut scene = Scene::new(bench.clone());
            scene.account.kind = account.unwrap_or(AuthKind::Md5);
            scene.account.server = server.map(|kind| ServerCredential {
                kind,
                user: SERVER_USER.to_owned(),
                secret: match kind {
                    AuthKind::Basic => ServerSecret::Password(SERVER_PASSWORD.to_owned()),
                    AuthKind::Md5 | AuthKind::Hmac => {
                        ServerSecret::Hash(SecretHash::of(SERVER_USER, SERVER_PASSWORD))
                    }
                },
                nonce: nonce("server-stored"),
            });
            scene.learnt = learnt;
            scene.only_nonces = self.only_nonces;
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
                    filled.push_str(script::cred("md5", name).data.as_text().expect("base64"));
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
        let encoding = self.scene().encoding;
        if encoding == Encoding::Xml {
            return filled.into_bytes();
        }
        let message = Encoding::Xml.read(filled.as_bytes(), &Limits::default());
        encoding.write(&message.expect("a message")).expect("a message can be written")
    }

    fn message(&mut self, said: &[String]) -> Message {
        let (mut utterance, mut cred, mut meta, mut last) =
            (Utterance::default(), None, Meta::default(), true);
        self.msg_id += 1;
        for line in said {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["id", id] => self.msg_id = id.parse().unwrap(),
                ["cred", kind, name] => cred = Some(script::cred(kind, name)),
                ["maxmsg", octets] => meta.max_msg_size = Some(octets.parse().unwrap()),
                ["maxobj", octets] => meta.max_obj_size = Some(octets.parse().unwrap()),
                ["more"] => last = false,
                ["session", id] => self.session_id = SessionId::parse(id),
                ["lose", "parts"] => self.scene().shelf.lose(),
                _ => {
                    if let ["hdr", _, "nonce" | "mac", name] = words.as_slice() {
                        self.server_nonces.push((*name).to_owned());
                    }
                    script::say(&mut utterance, self.heard, line, &words);
                }
            }
        }
        utterance.message(self.msg_id, cred, meta, last)
    }
}
