//! What holds for any octets at all, one function for each door by which they come in.
//!
//! The fuzz targets (`src/wire/fuzz`) call these with what they invent, and the test `corpus` with what they found: so a
//! finding stays found. Every function may do anything but panic, run on, or take what it then cannot give back.

use wire::{
    Encoding, Limits,
    bootstrap::{Protection, Provisioning},
    digest::{Nonce, SecretHash},
    hmac::Hmac,
    message::{Command, Data, Item, Message},
    meta::Format,
    notification::{Notification, Received},
    pap::{Pap, Parts},
    sms::{Reference, Segment, segments},
    tnds::Tree,
    value::{self, Found},
    wap_push,
};

/// A door for octets, by the name of its fuzz target.
pub(crate) type Door = (&'static str, fn(&[u8]));

pub(crate) const DOORS: [Door; 7] = [
    ("xml", xml),
    ("wbxml", wbxml),
    ("notification", notification),
    ("wap_push", wap_push),
    ("hmac_header", hmac_header),
    ("pap", pap),
    ("bootstrap", bootstrap),
];

/// Limits that nothing written from a message within the default ones exceeds.
const WIDE: Limits =
    Limits { octets: 1 << 24, depth: 256, elements: 1 << 20, string_table: 1 << 20 };

/// A message as XML.
pub(crate) fn xml(octets: &[u8]) {
    message(Encoding::Xml, octets);
}

/// A message as WBXML.
pub(crate) fn wbxml(octets: &[u8]) {
    message(Encoding::Wbxml, octets);
}

fn message(encoding: Encoding, octets: &[u8]) {
    let limits = Limits::default();
    let read = encoding.read(octets, &limits);
    let salvaged = encoding.salvage(octets, &limits);
    let Ok(message) = read else { return };
    assert!(salvaged.is_none(), "nothing is wrong with it");
    assert!(!format!("{message:?}").is_empty());
    for item in message.commands.iter().flat_map(items) {
        look_at(item);
    }
    // XML has characters that it cannot carry.
    if let Ok(written) = Encoding::Xml.write(&message) {
        let again = Encoding::Xml.read(&written, &WIDE).expect("what we write in XML can be read");
        let twice = Encoding::Xml.write(&again).expect("it was written before");
        assert!(twice == written, "XML written twice differs");
        sizes(Encoding::Xml, &message, written.len());
    }
    // WBXML has no attributes, and no names with a zero octet; XML that was read has none either.
    let written = Encoding::Wbxml.write(&message).expect("WBXML carries all that can be read");
    let again = Encoding::Wbxml.read(&written, &WIDE).expect("what we write in WBXML can be read");
    let twice = Encoding::Wbxml.write(&again).expect("it was written before");
    let twice = Encoding::Wbxml.read(&twice, &WIDE).expect("what we write in WBXML can be read");
    if !holds_documents(&message) {
        assert!(twice == again, "WBXML read again differs");
    }
    sizes(Encoding::Wbxml, &message, written.len());
}

/// Commands never take more than was said before.
fn sizes(encoding: Encoding, message: &Message, whole: usize) {
    let commands: usize = message
        .commands
        .iter()
        .map(|command| encoding.command_octets(command).expect("it was written"))
        .sum();
    let empty = Message { commands: Vec::new(), ..message.clone() };
    let empty = encoding.write(&empty).expect("it was written").len();
    // The string table has a length, which grows with it.
    assert!(whole <= empty + commands + 4, "{whole} octets, {empty} and {commands} foretold");
}

/// What people and sessions do with an item.
fn look_at(item: &Item) {
    let found = Found { format: item.meta.format.clone(), data: item.data.clone() };
    let text = value::text(&found).unwrap_or_default();
    // A zero octet at the end of a list is no part of it: one client writes it.
    let text = text.trim_end_matches('\0');
    for name in ["chr", "int", "bool", "b64", "bin", "float", "date", "time", "xml", "node"] {
        let format = Format::from_name(name);
        if value::valid(&format, text).is_ok() {
            let itself = Found { format: None, data: Some(Data::text(text)) };
            assert!(
                value::same(&format, Some(text), &itself),
                "{name} {text:?} is the same as itself"
            );
        }
        let _whether = value::same(&format, Some("1"), &found);
    }
    if let Some(data) = &item.data
        && let Ok(tree) = Tree::of(data)
    {
        assert!(tree.walk().len() <= Tree::MOST_NODES);
    }
}

fn items(command: &Command) -> &[Item] {
    match command {
        Command::Add(edit)
        | Command::Replace(edit)
        | Command::Delete(edit)
        | Command::Copy(edit)
        | Command::Get(edit) => &edit.items,
        Command::Exec(exec) => &exec.items,
        Command::Alert(alert) => &alert.items,
        Command::Status(status) => &status.items,
        Command::Results(results) => &results.items,
        Command::Atomic(_) | Command::Sequence(_) | Command::Unknown(_) => &[],
    }
}

/// Whether text or octets somewhere may be a document of their own, which reading opens.
fn holds_documents(message: &Message) -> bool {
    let document = |octets: &[u8]| matches!(octets, [0..=0x0F, _, _, ..]);
    let held = |item: &Item| match &item.data {
        Some(Data::Text(text)) => document(text.as_bytes()),
        Some(Data::Opaque(octets)) => document(octets),
        Some(Data::Elements(_)) | None => false,
    };
    within(&message.commands, &held)
}

fn within(commands: &[Command], held: &impl Fn(&Item) -> bool) -> bool {
    commands.iter().any(|command| match command {
        Command::Atomic(block) | Command::Sequence(block) => within(&block.commands, held),
        command => items(command).iter().any(held),
    })
}

fn nonce() -> Nonce {
    Nonce::new(b"nonce").expect("short")
}

/// Package #0.
pub(crate) fn notification(octets: &[u8]) {
    let Ok(Received { notification, .. }) = Notification::parse(octets) else { return };
    let secret = SecretHash::of("server", "password");
    let sealed = notification.seal(&secret, &nonce()).expect("what was read can be written");
    let again = Notification::parse(&sealed).expect("what we write can be read");
    assert_eq!(again.notification, notification);
    assert!(again.proves(&secret, &nonce()));
}

/// A WSP push message, and the short messages that carry it.
pub(crate) fn wap_push(octets: &[u8]) {
    short_messages(octets);
    let Ok(push) = wap_push::parse(octets) else { return };
    assert!(push.parameters().count() + push.headers().count() <= octets.len());
    if let Ok(Some(protection)) = Protection::of_push(&push) {
        assert!(protection.mac().is_none_or(|mac| mac.len() == 40));
    }
    let again = wap_push::push(push.tid, push.body);
    let again = wap_push::parse(&again).expect("what we write can be read");
    assert_eq!((again.tid, again.body), (push.tid, push.body));
    assert_eq!(again.content_type, Some(wap_push::NOTIFICATION));
}

/// The user data of a short message; and any octets cut into short messages.
fn short_messages(octets: &[u8]) {
    if let Ok(segment) = Segment::parse(octets) {
        assert!(segment.payload.len() < octets.len());
    }
    for reference in [Reference::Short(7), Reference::Long(700)] {
        let Ok(cut) = segments(octets, 9200, reference) else { continue };
        let mut whole: Vec<u8> = Vec::new();
        for (number, octets) in (1..).zip(&cut) {
            assert!(octets.len() <= 140);
            let segment = Segment::parse(octets).expect("what we write can be read");
            assert!(segment.part.is_none_or(|part| part.number == number));
            whole.extend(segment.payload);
        }
        assert_eq!(whole, octets);
    }
}

/// The value of `x-syncml-hmac`.
pub(crate) fn hmac_header(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(hmac) = Hmac::parse(text) else { return };
    // Written, every backslash and quote takes two octets, and the bound may be passed.
    if hmac.user.len() < 400 {
        assert_eq!(Hmac::parse(&hmac.value()).expect("what we write can be read"), hmac);
    }
    assert!(!hmac.proves(&SecretHash::of("user", "password"), &nonce(), b"body"));
}

/// A document of the push access protocol, or a multipart body with one.
pub(crate) fn pap(octets: &[u8]) {
    if let Ok(parts) = Parts::parse(octets) {
        let taken: usize = parts.parts.iter().map(|part| part.octets.len()).sum();
        assert!(taken < octets.len());
    }
    let Ok(document) = Pap::parse(octets) else { return };
    // Some characters come in by reference only, and cannot leave.
    let Ok(written) = document.write() else { return };
    let again = Pap::parse(written.as_bytes()).expect("what we write can be read");
    assert_eq!(again, document);
}

/// A provisioning document, in either encoding.
pub(crate) fn bootstrap(octets: &[u8]) {
    let read = match std::str::from_utf8(octets) {
        Ok(text) if text.trim_start().starts_with('<') => Provisioning::from_xml(text),
        _ => Provisioning::from_wbxml(octets),
    };
    let Ok(document) = read else { return };
    let written = document.to_wbxml();
    if written.len() <= 32 * 1024 {
        let again = Provisioning::from_wbxml(&written).expect("what we write can be read");
        assert_eq!(again, document);
    }
    if let Ok(written) = document.to_xml()
        && written.len() <= 32 * 1024
    {
        let again = Provisioning::from_xml(&written).expect("what we write can be read");
        assert_eq!(again, document);
    }
}
