//! `encode`: a SyncML message in the other encoding, octets on standard output. Offline.

use crate::{
    console::{Console, Misuse},
    decode::{
        LARGEST,
        packet::{From, Packet},
    },
    input,
};
use anyhow::Context;
use clap::ValueEnum;
use std::{path::PathBuf, process::ExitCode};
use wire::Encoding;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing is hidden and nothing added: the message is what it was, secrets included.

Examples:
  reveille encode --to wbxml message.xml > message.wbxml
  reveille encode --to xml message.hex")]
pub struct Args {
    /// A message, raw or as hexadecimal text; - for standard input
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
    let octets = input::unhex(input::read(&args.file, LARGEST)?);
    let packet =
        Packet::read(&octets, From::Auto).with_context(|| format!("cannot read {name}"))?;
    let Packet::Message { message, .. } = packet else {
        return Err(Misuse(format!(
            "{name} is a packet and no SyncML message; `reveille decode` shows it"
        ))
        .into());
    };
    let (encoding, is_text) = match args.to {
        To::Wbxml => (Encoding::Wbxml, false),
        To::Xml => (Encoding::Xml, true),
    };
    let octets = encoding
        .write(&message)
        .with_context(|| format!("cannot write {name} in this encoding"))?;
    if args.hex {
        writeln!(console.out, "{}", hex::encode(octets))?;
    } else if console.live && !is_text {
        return Err(Misuse(
            "WBXML would garble the terminal; add --hex, or send it to a file".to_owned(),
        )
        .into());
    } else {
        console.out.write_all(&octets)?;
    }
    Ok(ExitCode::SUCCESS)
}
