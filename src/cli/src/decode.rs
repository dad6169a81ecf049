//! `decode`: any message or packet, for a person (`text`) or a program (`json`, `xml`). Offline.
//!
//! | module | about |
//! | --- | --- |
//! | `packet` | what octets are, found out from themselves |
//! | `mask` | what must not be seen is taken out before anything is printed |
//! | `text`, `tree`, `words` | a message in words; a management tree in it; text made safe for a terminal |
//! | `json` | a message as JSON |

mod json;
mod mask;
pub(crate) mod packet;
mod text;
mod tree;
mod words;

use crate::{
    console::{Console, Misuse},
    input,
};
use anyhow::Context;
use clap::ValueEnum;
use packet::{From, Packet, Pushed};
use serde_json::{Value, json};
use std::{fmt::Write, path::PathBuf, process::ExitCode};
use wire::{
    Encoding,
    message::Message,
    notification::{Initiator, Notification, UiMode},
};

/// The largest input, in octets, hexadecimal text included: more than twice the largest message that is read.
pub(crate) const LARGEST: u64 = 4 * 1024 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The input may be raw octets or hexadecimal text, as xxd -p, a packet analyser or a log writes it.
Credentials, nonces and the values of nodes that are named like secrets are hidden; in XML and JSON too.

Examples:
  reveille decode message.wbxml
  echo 010603c4af87f917…6c65 | reveille decode
  reveille decode message.xml --to json --show-secrets")]
pub struct Args {
    /// A file, or - for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// What the input is
    #[arg(long, default_value = "auto")]
    from: From,
    /// What to print; text is for people
    #[arg(long)]
    to: Option<To>,
    /// Do not hide credentials, nonces and secret values
    #[arg(long)]
    show_secrets: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    Text,
    Xml,
    Json,
}

pub(crate) fn run(args: &Args, console: &mut Console<'_>) -> anyhow::Result<ExitCode> {
    let to = match (args.to, console.json) {
        (None | Some(To::Json), true) | (Some(To::Json), false) => To::Json,
        (Some(_), true) => {
            return Err(
                Misuse("--json and --to contradict each other; leave one out".to_owned()).into()
            );
        }
        (to, false) => to.unwrap_or(To::Text),
    };
    let name = input::name(&args.file);
    let octets = input::unhex(input::read(&args.file, LARGEST)?);
    let mut packet =
        Packet::read(&octets, args.from).with_context(|| format!("cannot decode {name}"))?;
    if let Packet::Message { message, .. } = &mut packet {
        mask::prepare(message, args.show_secrets);
    }
    match to {
        To::Text => write!(console.out, "{}", in_words(&packet, octets.len())?)?,
        To::Json => console.line_of_json(&as_json(&packet))?,
        To::Xml => console.out.write_all(&as_xml(&packet)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(packet: &Packet, octets: usize) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    match packet {
        Packet::Message { encoding, message } => {
            let version = words::plain(message.header.version.protocol());
            writeln!(
                out,
                "SyncML {version}, {}, {}",
                encoding_name(*encoding),
                words::count(octets, "octet")
            )?;
            text::message(message, &mut out)?;
        }
        Packet::Notification { digest, notification } => {
            writeln!(out, "notification (package #0), {}", words::count(octets, "octet"))?;
            notification_in_words(digest, notification, &mut out)?;
        }
        Packet::Push { tid, content_type, application_id, body } => {
            writeln!(out, "WAP push, {}", words::count(octets, "octet"))?;
            writeln!(out, "transaction  {tid:#04x}")?;
            writeln!(out, "content      {}", content_type_name(*content_type))?;
            writeln!(out, "application  {}", application_name(*application_id))?;
            writeln!(out)?;
            match body {
                Pushed::Notification { octets, digest, notification } => {
                    writeln!(out, "notification (package #0), {}", words::count(*octets, "octet"))?;
                    notification_in_words(digest, notification, &mut out)?;
                }
                Pushed::Other(octets) => writeln!(out, "body         {}", words::octets(octets))?,
            }
        }
    }
    Ok(out)
}

fn notification_in_words(
    digest: &[u8],
    notification: &Notification,
    out: &mut impl Write,
) -> std::fmt::Result {
    let Notification { version, ui, initiator, session_id, server_id, vendor } = notification;
    writeln!(out, "server       {}", words::plain(server_id))?;
    writeln!(out, "session      {session_id:#06x}; the device writes {session_id:X}")?;
    writeln!(out, "user         {}", ui_name(*ui))?;
    writeln!(out, "caused by    {}", initiator_name(*initiator))?;
    writeln!(out, "version      {}.{}", version / 10, version % 10)?;
    if !vendor.is_empty() {
        writeln!(out, "vendor       {}", words::octets(vendor))?;
    }
    writeln!(out, "digest       {}", hex::encode(digest))
}

fn as_json(packet: &Packet) -> Value {
    match packet {
        Packet::Message { encoding, message } => {
            json!({"kind": "message", "encoding": encoding_name(*encoding), "message": json::message(message)})
        }
        Packet::Notification { digest, notification } => {
            json!({"kind": "notification", "notification": notification_as_json(digest, notification)})
        }
        Packet::Push { tid, content_type, application_id, body } => {
            let (key, body) = match body {
                Pushed::Notification { digest, notification, .. } => {
                    ("notification", notification_as_json(digest, notification))
                }
                Pushed::Other(octets) => ("hex", json!(hex::encode(octets))),
            };
            json!({"kind": "push", "tid": tid, "content_type": content_type, "application_id": application_id, key: body})
        }
    }
}

fn notification_as_json(digest: &[u8], notification: &Notification) -> Value {
    json!({
        "server_id": notification.server_id,
        "session_id": notification.session_id,
        "ui": ui_name(notification.ui),
        "initiator": initiator_name(notification.initiator),
        "version": notification.version,
        "vendor": hex::encode(&notification.vendor),
        "digest": hex::encode(digest),
    })
}

fn as_xml(packet: &Packet) -> anyhow::Result<Vec<u8>> {
    match packet {
        Packet::Message { message, .. } => xml_of(message),
        Packet::Notification { .. } | Packet::Push { .. } => Err(Misuse(
            "this is a packet and no XML can say it; use --to text or --to json".to_owned(),
        )
        .into()),
    }
}

fn xml_of(message: &Message) -> anyhow::Result<Vec<u8>> {
    let mut xml = Encoding::Xml
        .write(message)
        .context("this message cannot be written as XML; --to json can say it")?;
    xml.push(b'\n');
    Ok(xml)
}

fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Xml => "XML",
        Encoding::Wbxml => "WBXML",
    }
}

fn ui_name(ui: UiMode) -> &'static str {
    match ui {
        UiMode::NotSpecified => "not specified",
        UiMode::Background => "background",
        UiMode::Informative => "informative",
        UiMode::Interactive => "interactive",
    }
}

fn initiator_name(initiator: Initiator) -> &'static str {
    match initiator {
        Initiator::User => "the user",
        Initiator::Server => "the server",
    }
}

/// Registered numbers of media types that DM and its neighbours use (WSP, content type assignments).
fn content_type_name(code: Option<u16>) -> String {
    let name = match code {
        None => return "named by text".to_owned(),
        Some(0x35) => "text/vnd.wap.connectivity-xml",
        Some(0x36) => "application/vnd.wap.connectivity-wbxml",
        Some(0x42) => "application/vnd.syncml.dm+wbxml",
        Some(0x43) => "application/vnd.syncml.dm+xml",
        Some(wire::wap_push::NOTIFICATION) => "application/vnd.syncml.notification",
        Some(0x4E) => "application/vnd.syncml.ds.notification",
        Some(0x58) => "application/vnd.syncml.dm.notification",
        Some(other) => return format!("type number {other:#04x}"),
    };
    name.to_owned()
}

fn application_name(code: Option<u16>) -> String {
    match code {
        None => "not named by a number".to_owned(),
        Some(0x05) => "x-wap-application:push.syncml".to_owned(),
        Some(wire::wap_push::DM_APPLICATION) => "x-wap-application:syncml.dm".to_owned(),
        Some(other) => format!("number {other:#04x}"),
    }
}
