//! The lines of a transcript: jobs, their settings, and what the device says.

use crate::{
    device::{Utterance, from},
    scene::{PASSWORD, USER, nonce},
};
use session::{Atomic, AuthKind, JobRef, Plan, Prove, Question, Setting, Verb};
use wire::{
    digest::{self, SecretHash},
    hmac::Hmac,
    ids::{CmdId, StatusTarget},
    message::{Address, Cred, Data, Item},
    meta::{Format, Meta},
    uri::LocUri,
};

pub(crate) fn auth_kind(word: &str) -> AuthKind {
    match word {
        "basic" => AuthKind::Basic,
        "hmac" => AuthKind::Hmac,
        _ => AuthKind::Md5,
    }
}

/// `job 7 overwrite tell atomic=required prove=status ask=Apply? keep=./A query=./B skip=why`
pub(crate) fn plan(seq: u64, line: &str) -> Plan {
    let mut plan = Plan {
        job: JobRef { seq, run: 0 },
        query: Vec::new(),
        keep: Vec::new(),
        conditional: true,
        atomic: Atomic::Never,
        prove: Prove::ReadBack,
        ask: None,
        skip: None,
        tell: false,
    };
    for word in line.split_whitespace().skip(2) {
        let text = |value: &str| value.replace('_', " ");
        match word.split_once('=') {
            None if word == "overwrite" => plan.conditional = false,
            None if word == "tell" => plan.tell = true,
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

/// `ensure [secret|unreadable] ./A/B [int 5]`, `exec [within=3600] ./A`, `copy from=./A ./B`
pub(crate) fn setting(line: &str) -> Setting {
    let mut words = line.split_whitespace().peekable();
    let verb = match words.next() {
        Some("ensure") => Verb::Ensure,
        Some("replace") => Verb::Replace,
        Some("add") => Verb::Add,
        Some("delete") => Verb::Delete,
        Some("read") => Verb::Read,
        Some("exec") => Verb::Exec,
        Some("copy") => Verb::Copy,
        other => panic!("{other:?} is no verb"),
    };
    let secret = words.next_if_eq(&"secret").is_some();
    let unreadable = words.next_if_eq(&"unreadable").is_some();
    let (mut from, mut within_seconds) = (None, 0);
    while let Some((key, value)) = words.peek().and_then(|word| word.split_once('=')) {
        match key {
            "from" => from = Some(LocUri::parse(value).expect("an address")),
            "within" => within_seconds = value.parse().expect("seconds"),
            _ => break,
        }
        words.next();
    }
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
    Setting { verb, uri, format, value, from, within_seconds, secret, readable: !unreadable }
}

/// `cred md5 challenge`: made with the nonce of that name; `cred … wrong`: with another password.
pub(crate) fn cred(kind: &str, name: &str) -> Cred {
    let password = if name == "wrong" { "other" } else { PASSWORD };
    match auth_kind(kind) {
        AuthKind::Basic => digest::basic_cred(USER, password),
        AuthKind::Md5 => digest::md5_cred(&SecretHash::of(USER, password), &nonce(name)),
        AuthKind::Hmac => panic!("write `mac {name}`: it stands beside the message"),
    }
}

/// `mac challenge`: the header over `body` under the nonce of that name; `mac wrong`: with another password.
pub(crate) fn mac(name: &str, body: &[u8]) -> String {
    let password = if name == "wrong" { "other" } else { PASSWORD };
    Hmac::of(USER, &SecretHash::of(USER, password), &nonce(name), body).value()
}

/// One thing that the device says; `heard` is the server's last message.
pub(crate) fn say(utterance: &mut Utterance, heard: u32, line: &str, words: &[&str]) {
    match words {
        ["hdr", code, chal @ ..] => {
            let chal = match chal {
                ["nonce", name] => Some(digest::chal_md5(&nonce(name))),
                ["mac", name] => Some(digest::chal_mac(&nonce(name))),
                ["basic"] => Some(digest::chal_basic()),
                ["empty"] => {
                    Some(Meta { next_nonce: Some(String::new().into()), ..digest::chal_basic() })
                }
                _ => None,
            };
            utterance.status(heard, StatusTarget::Header, code.parse().ok(), chal);
        }
        ["alert", code] => utterance.alert(code.parse().unwrap(), Vec::new()),
        ["event", code, kind, data @ ..] => {
            utterance.event(code.parse().unwrap(), kind, data.join(" "));
        }
        ["report", correlator, kind, data @ ..] => {
            utterance.report(correlator, kind, data.join(" "));
        }
        ["devinfo"] => {
            let values = [
                ("DevId", "IMEI:350000000000017"),
                ("Man", "Acme"),
                ("Mod", "RV-100"),
                ("DmV", "1.2"),
                ("Lang", "en"),
            ];
            utterance.replace(
                values.map(|(name, value)| from(&format!("./DevInfo/{name}"), value)).to_vec(),
            );
        }
        ["replace", uri, value] => utterance.replace(vec![from(uri, value)]),
        ["get", uri] => utterance.get(uri),
        [reference, ..] => {
            let (cmd, msg) = match reference.split_once('@') {
                Some((cmd, msg)) => (cmd, msg.parse().unwrap()),
                None => (*reference, heard),
            };
            let cmd = CmdId::parse(cmd).unwrap();
            let (statuses, value) = match line.split_once(" =") {
                Some((statuses, value)) => (statuses, Some(value.trim_start())),
                None => (line, None),
            };
            for code in statuses.split_whitespace().skip(1) {
                utterance.status(msg, StatusTarget::Command(cmd.clone()), code.parse().ok(), None);
            }
            if let Some(value) = value {
                utterance.results(Some((msg, cmd)), result(value));
            }
        }
        [] => panic!("an empty line says nothing"),
    }
}

/// `int 5`, `chr x*300`, `first 600 chr x*300`, `part chr x*300`; with an address, `at ./X int 5`.
fn result(value: &str) -> Item {
    if let Some(rest) = value.strip_prefix("at ") {
        let (uri, value) = rest.split_once(' ').expect("an address and a value");
        return Item { source: Some(Address::new(uri)), ..result(value) };
    }
    if let Some(rest) = value.strip_prefix("first ") {
        let (size, value) = rest.split_once(' ').expect("a size and a value");
        let mut item = result(value);
        item.meta.size = Some(size.parse().expect("octets"));
        return Item { more: true, ..item };
    }
    if let Some(value) = value.strip_prefix("part ") {
        return Item { more: true, ..result(value) };
    }
    let (format, data) = value.split_once(' ').unwrap_or((value, ""));
    let data = match data.strip_prefix("x*") {
        Some(count) => "x".repeat(count.parse().unwrap()),
        None => data.replace("\\0", "\u{E000}"),
    };
    Item {
        meta: Meta::with_format(Format::from_name(format)),
        data: Some(Data::Text(data.into())),
        ..Item::default()
    }
}
