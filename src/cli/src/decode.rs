//! `decode`: any message or packet, for a person (`text`) or a program (`json`, `xml`). Offline.
//!
//! | module | about |
//! | --- | --- |
//! | `packet` | what octets are, found out from themselves |
//! | `layer` | what everything is printed from, but for messages |
//! | `documents` | XML and WBXML, by their root |
//! | `push`, `short_message`, `smpp` | what carries a notification, from the inside to the outside |
//! | `gateway`, `http` | documents of a push proxy gateway; captured requests and responses |
//! | `provisioning` | provisioning documents |
//! | `mask` | what must not be seen is taken out before anything is printed |
//! | `text`, `tree`, `words` | a message in words; a management tree in it; text made safe for a terminal |
//! | `json` | a message as JSON |

mod documents;
mod gateway;
mod http;
mod json;
pub(crate) mod layer;
mod mask;
pub(crate) mod packet;
mod provisioning;
mod push;
mod short_message;
mod smpp;
mod text;
mod tree;
mod words;

use crate::{
    console::{Console, Misuse},
    input, octets,
};
use anyhow::Context;
use clap::ValueEnum;
use layer::{Look, Packet, Problem};
use packet::From;
use std::{path::PathBuf, process::ExitCode};
use wire::Encoding;

/// The largest input, in octets, hexadecimal text included: more than twice the largest message that is read.
pub(crate) const LARGEST: u64 = 4 * 1024 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The input may be raw octets, or hexadecimal text as xxd, a packet analyser, a log or a program's source has it. It may be
a SyncML message, a management tree or a provisioning document (XML or WBXML), a notification, a WAP push message, short
messages (one a line), SMPP PDUs, a document or push of a push proxy gateway, or captured HTTP with any of these.
Credentials, nonces, digests and the values of nodes that are named like secrets are hidden; in XML and JSON too.
What is damaged is printed as far as it can be read; the error says at which octet it ends, and the exit code is 1.

Examples:
  reveille decode message.wbxml
  echo 010603c4af87f917…6c65 | reveille decode
  reveille decode message.xml --to json --show-secrets
  reveille decode bootstrap.hex --imsi 234159876543210")]
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
    /// Do not hide credentials, nonces, digests and secret values
    #[arg(long)]
    show_secrets: bool,
    /// The IMSI of the device, to check the MAC of a bootstrap message
    #[arg(long, value_name = "DIGITS")]
    imsi: Option<String>,
    /// The PIN of the user, to check the MAC of a bootstrap message
    #[arg(long, value_name = "DIGITS")]
    pin: Option<String>,
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
    let found = octets::find(input::read(&args.file, LARGEST)?);
    let look = Look {
        show_secrets: args.show_secrets,
        imsi: args.imsi.as_deref(),
        pin: args.pin.as_deref(),
    };
    let packet = Packet::read(&found, args.from, look)
        .map_err(|problem| refused("cannot decode", &name, &problem, look))?;
    match to {
        To::Text => {
            let mut out = String::new();
            packet.text(&mut out)?;
            console.out.write_all(out.as_bytes())?;
        }
        To::Json => console.line_of_json(&packet.json())?,
        To::Xml => console.out.write_all(as_xml(&packet)?.as_bytes())?,
    }
    match packet.problem() {
        None => Ok(ExitCode::SUCCESS),
        Some(problem) => Err(refused("damaged:", &name, problem, look)),
    }
}

/// What is wrong with the input, and where.
fn refused(what: &str, name: &str, problem: &Problem, look: Look<'_>) -> anyhow::Error {
    anyhow::anyhow!("{what} {name}: {problem}{}", problem.place(look))
}

/// The document in the packet, whatever it came in.
fn as_xml(packet: &Packet) -> anyhow::Result<String> {
    match packet.document() {
        Some(Packet::Message(whole)) => xml_of(whole),
        Some(Packet::Layer(layer)) if layer.xml.is_some() => {
            Ok(layer.xml.clone().unwrap_or_default())
        }
        Some(Packet::Layer(_)) | None => Err(Misuse(
            "this is a packet and no XML can say it; use --to text or --to json".to_owned(),
        )
        .into()),
    }
}

fn xml_of(whole: &layer::Whole) -> anyhow::Result<String> {
    let xml = Encoding::Xml
        .write(&whole.message)
        .context("this message cannot be written as XML; --to json can say it")?;
    Ok(String::from_utf8(xml)? + "\n")
}
