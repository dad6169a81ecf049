//! The habits of clients in the field: a plain message, said as each of them says it (client-behaviour 11 to 31,
//! windows-client 2 and 3).
//!
//! | | A | B | Windows |
//! | --- | --- | --- | --- |
//! | `SessionID` | always 1 | random hexadecimal | small decimal |
//! | `Target` | as configured, then `RespURI` | as configured, then our `Source` | as configured, always |
//! | `LocName` | never | both sides, first message | its own, beside credentials |
//! | `MaxMsgSize` | 16384 | 122880, then ours | none |
//! | `CmdID` | from 1 | from 1 | from 2 where there is no status |
//! | references | target, of the header both | target; none of header, Alert, Exec, Copy | none |
//! | order | as it comes | statuses, then the rest | as it comes |
//! | values | Format and Type | Size, and Format unless chr | Format unless chr |
//! | `./DevInfo` | odd order, interior nodes, Meta | no Meta, empty Lang | no Meta, DmV 1.3 |

use crate::{device::from, scene::URL};
use std::collections::BTreeMap;
use wire::{
    Encoding,
    ids::{CmdId, SessionId, StatusTarget},
    message::{Address, Command, Data, Item, Message, Results, Status},
    meta::{Format, Meta},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    A,
    B,
    Windows,
}

/// What stands in XML for a zero octet until it is written: no writer writes one.
const ZERO: char = '\u{E000}';

const WINDOWS_ID: &str = "A1B2C3D4E5F60718293A4B5C6D7E8F90";

impl Client {
    pub(crate) fn parse(word: &str) -> Self {
        match word {
            "a" => Self::A,
            "b" => Self::B,
            "windows" => Self::Windows,
            other => panic!("nobody knows client {other}"),
        }
    }

    /// Says `message` in its way; `heard` holds the server's messages by number.
    pub(crate) fn dress(self, message: &mut Message, heard: &BTreeMap<u32, Message>) {
        self.dress_header(message);
        for command in &mut message.commands {
            match command {
                Command::Status(status) => self.dress_status(status, heard),
                Command::Results(results) => self.dress_results(results, heard),
                Command::Replace(edit) => self.dress_facts(&mut edit.items),
                _ => {}
            }
        }
        if self == Self::B {
            message.commands.sort_by_key(|command| !matches!(command, Command::Status(_)));
        }
        let has_status =
            message.commands.iter().any(|command| matches!(command, Command::Status(_)));
        let first = if self == Self::Windows && !has_status { 2_u32 } else { 1 };
        for (number, command) in (first..).zip(&mut message.commands) {
            let id = CmdId::parse(&number.to_string());
            match command {
                Command::Status(status) => status.id = id,
                Command::Results(results) => results.id = id,
                Command::Alert(alert) => alert.id = id,
                Command::Replace(edit) => edit.id = id,
                other => panic!("no client sends {}", other.name()),
            }
        }
    }

    fn dress_header(self, message: &mut Message) {
        let header = &mut message.header;
        let is_first = header.msg_id.0 == 1;
        let session = match self {
            Self::A => "1",
            Self::B => "3A7F",
            Self::Windows => "12",
        };
        header.session_id = SessionId::parse(session).unwrap();
        match self {
            Self::A => {
                let later = "https://dm.example/dm/operator?s=token&v=1";
                header.target = Address::new(if is_first { URL } else { later });
                header.meta.max_msg_size = Some(16_384);
            }
            Self::B => {
                if is_first {
                    header.target = Address::new("https://configured.example/dm");
                    header.target.loc_name = Some("srv".into());
                    header.source.loc_name = Some("device".into());
                }
                header.meta.max_msg_size = Some(if is_first { 122_880 } else { 64_000 });
            }
            Self::Windows => {
                header.source = Address::new(WINDOWS_ID);
                header.source.loc_name = header.cred.as_ref().map(|_| "device".into());
            }
        }
    }

    fn dress_status(self, status: &mut Status, heard: &BTreeMap<u32, Message>) {
        let StatusTarget::Command(id) = &status.about else {
            status.cmd = "SyncHdr".into();
            if self == Self::A {
                status.target_refs = vec!["IMEI:350000000000017".into()];
                status.source_refs = vec![URL.into()];
            }
            return;
        };
        let msg = status.msg_ref.map_or(0, |msg| msg.0);
        let Some((name, target)) = asked(heard, msg, id) else { return };
        status.cmd = name.into();
        let names_target = match self {
            Self::A => name != "Alert",
            Self::B => !matches!(name, "Alert" | "Exec" | "Copy"),
            Self::Windows => false,
        };
        status.target_refs = target.filter(|_| names_target).map(Into::into).into_iter().collect();
    }

    fn dress_results(self, results: &mut Results, heard: &BTreeMap<u32, Message>) {
        let asked = match (&results.msg_ref, &results.cmd_ref) {
            (Some(msg), Some(id)) => asked(heard, msg.0, id).and_then(|(_, target)| target),
            _ => None,
        };
        for item in &mut results.items {
            if let (None, Some(target)) = (&item.source, asked) {
                item.source = Some(Address::new(target));
            }
            let is_plain = matches!(item.meta.format, None | Some(Format::Chr));
            match self {
                Self::A => item.meta.media_type = Some("text/plain".into()),
                Self::B => {
                    item.meta.size =
                        item.data.as_ref().and_then(Data::as_text).map(|text| text.len() as u64);
                }
                Self::Windows => {}
            }
            if is_plain && self != Self::A {
                item.meta.format = None;
            }
        }
    }

    fn dress_facts(self, items: &mut Vec<Item>) {
        let said = |item: &Item, name: &str| {
            item.source.as_ref().is_some_and(|source| source.loc_uri.ends_with(name))
        };
        match self {
            Self::A => {
                items.reverse();
                let node = |uri: &str, children: &str| Item {
                    meta: Meta::with_format(Format::Node),
                    ..from(uri, children)
                };
                for item in items.iter_mut() {
                    item.meta = Meta {
                        media_type: Some("text/plain".into()),
                        ..Meta::with_format(Format::Chr)
                    };
                }
                items.insert(0, node("./DevInfo/Ext", ""));
                items.insert(1, node("./DevInfo/Bearer", "GPRS/CSD"));
                items.insert(2, from("./DevInfo/Bearer/GPRS", "x"));
                items.push(node("./DevInfo", "Ext/Bearer/Lang/DmV/Mod/Man/DevId"));
            }
            Self::B => {
                for item in items.iter_mut().filter(|item| said(item, "Lang")) {
                    item.data = Some(Data::text(""));
                }
            }
            Self::Windows => {
                for item in items.iter_mut() {
                    if said(item, "DevId") {
                        item.data = Some(Data::text(WINDOWS_ID));
                    } else if said(item, "DmV") {
                        item.data = Some(Data::text("1.3"));
                    }
                }
            }
        }
    }

    /// The octets of a dressed message. Windows writes no declaration; a zero octet stands in XML as it is.
    pub(crate) fn write(self, message: &Message, encoding: Encoding) -> Vec<u8> {
        match encoding {
            Encoding::Xml => {
                let octets = encoding.write(message).expect("the message can be written");
                let text = String::from_utf8(octets).expect("we write UTF-8");
                let text = text.replace(ZERO, "\0");
                let text = match (self, text.split_once("?>")) {
                    (Self::Windows, Some((_declaration, rest))) => rest.to_owned(),
                    _ => text,
                };
                text.into_bytes()
            }
            Encoding::Wbxml => {
                let mut message = message.clone();
                for command in &mut message.commands {
                    let items = match command {
                        Command::Results(results) => &mut results.items,
                        Command::Replace(edit) => &mut edit.items,
                        _ => continue,
                    };
                    for item in items {
                        let text = item.data.as_ref().and_then(Data::as_text);
                        if let Some(text) = text.filter(|text| text.contains(ZERO)) {
                            item.data = Some(Data::text(text.replace(ZERO, "\0")));
                        }
                    }
                }
                encoding.write(&message).expect("the message can be written")
            }
        }
    }
}

/// Name and target of a command of the server.
fn asked<'a>(
    heard: &'a BTreeMap<u32, Message>,
    msg: u32,
    id: &CmdId,
) -> Option<(&'a str, Option<&'a str>)> {
    let commands = heard.get(&msg)?.commands.iter();
    let all = commands.flat_map(|command| {
        let inner = match command {
            Command::Atomic(block) => block.commands.as_slice(),
            _ => &[],
        };
        std::iter::once(command).chain(inner)
    });
    let command = all.into_iter().find(|command| command.id() == Some(id))?;
    let items = match command {
        Command::Add(edit)
        | Command::Replace(edit)
        | Command::Delete(edit)
        | Command::Get(edit)
        | Command::Copy(edit) => &edit.items,
        Command::Exec(exec) => &exec.items,
        _ => return Some((command.name(), None)),
    };
    let target = items.first().and_then(|item| item.target.as_ref());
    Some((command.name(), target.map(|target| target.loc_uri.as_str())))
}
