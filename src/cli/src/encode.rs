//! `encode`: a SyncML message or a provisioning document in the other encoding, octets on standard output. Offline.

use crate::{
    console::{Console, Misuse},
    decode::{
        LARGEST,
        layer::{Look, Packet},
        packet::From,
    },
    input, octets,
};
use anyhow::Context;
use clap::ValueEnum;
use std::{path::PathBuf, process::ExitCode};
use wire::{Encoding, Limits, WriteError, message::Message};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing is hidden and nothing added: the message is what it was, secrets included. A message in a push message or in
captured HTTP is taken out of it.

Examples:
  reveille encode --to wbxml message.xml > message.wbxml
  reveille encode --to xml message.hex")]
pub struct Args {
    /// A message or provisioning document, raw or as hexadecimal text; - for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The encoding to write
    #[arg(long)]
    to: To,
    /// Write hexadecimal text
    #[arg(long)]
    hex: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    Wbxml,
    Xml,
}

pub(crate) fn run(args: &Args, console: &mut Console<'_>) -> anyhow::Result<ExitCode> {
    let name = input::name(&args.file);
    let found = octets::find(input::read(&args.file, LARGEST)?);
    let packet = Packet::read(&found, From::Auto, Look::OPEN)
        .with_context(|| format!("cannot read {name}"))?;
    if let Some(problem) = packet.problem() {
        return Err(problem.clone()).with_context(|| format!("{name} is damaged"));
    }
    let Some(octets) = encoded(&packet, args.to)
        .with_context(|| format!("cannot write {name} in this encoding"))?
    else {
        return Err(Misuse(format!(
            "{name} is no document that has this encoding; `reveille decode` shows what it is"
        ))
        .into());
    };
    if let Some(Packet::Message(whole)) = packet.document()
        && !says_all(&octets, args.to, &whole.message)
    {
        writeln!(
            console.err,
            "note: this encoding cannot say all of {name}: what has no place in it, such as attributes of Data, is left out"
        )?;
    }
    let is_text = args.to == To::Xml;
    if args.hex {
        writeln!(console.out, "{}", hex::encode(octets))?;
    } else if console.live && !is_text {
        return Err(Misuse(
            "WBXML would garble the terminal; add --hex, or send it to a file".to_owned(),
        )
        .into());
    } else {
        console.out.write_all(&octets)?;
        if console.live {
            console.out.write_all(b"\n")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a reader of the octets gets the same message.
fn says_all(octets: &[u8], to: To, message: &Message) -> bool {
    let encoding = match to {
        To::Wbxml => Encoding::Wbxml,
        To::Xml => Encoding::Xml,
    };
    encoding.read(octets, &Limits::default()).is_ok_and(|read| read == *message)
}

/// The document in the packet in another encoding; `None` when it has none, or there is no document.
fn encoded(packet: &Packet, to: To) -> Result<Option<Vec<u8>>, WriteError> {
    Ok(match (packet.document(), to) {
        (Some(Packet::Message(whole)), To::Wbxml) => Some(Encoding::Wbxml.write(&whole.message)?),
        (Some(Packet::Message(whole)), To::Xml) => Some(Encoding::Xml.write(&whole.message)?),
        (Some(Packet::Layer(layer)), To::Wbxml) => layer.wbxml.clone(),
        (Some(Packet::Layer(layer)), To::Xml) => layer.xml.clone().map(String::into_bytes),
        (None, _) => None,
    })
}
