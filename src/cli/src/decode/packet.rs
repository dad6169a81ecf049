//! What octets are: a SyncML message in one of its encodings, a push message, or a notification by itself.

use anyhow::{Context, bail};
use clap::ValueEnum;
use wire::{
    Encoding, Limits,
    message::Message,
    notification::Notification,
    wap_push::{self, NOTIFICATION},
};

/// What the user says the input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    /// Found out from the octets
    Auto,
    Wbxml,
    Xml,
    /// Package #0 by itself
    Notification,
    /// A WAP push message
    Push,
}

#[derive(Debug)]
pub(crate) enum Packet {
    Message { encoding: Encoding, message: Box<Message> },
    Notification { digest: Vec<u8>, notification: Notification },
    Push { tid: u8, content_type: Option<u16>, application_id: Option<u16>, body: Pushed },
}

/// The body of a push message.
#[derive(Debug)]
pub(crate) enum Pushed {
    Notification { octets: usize, digest: Vec<u8>, notification: Notification },
    Other(Vec<u8>),
}

/// One way to read octets.
type Attempt = fn(&[u8]) -> anyhow::Result<Packet>;

impl Packet {
    pub(crate) fn read(octets: &[u8], from: From) -> anyhow::Result<Self> {
        if octets.is_empty() {
            bail!("it is empty");
        }
        match from {
            From::Auto => Self::recognise(octets),
            From::Wbxml => message(octets, Encoding::Wbxml),
            From::Xml => message(octets, Encoding::Xml),
            From::Notification => notification(octets),
            From::Push => push(octets),
        }
    }

    /// Tries what the first octets allow, the surest first; when nothing fits, says what each found wrong.
    fn recognise(octets: &[u8]) -> anyhow::Result<Self> {
        let attempts: &[(&str, Attempt)] = match octets {
            // `<` after blanks or a byte order mark: no packet begins so.
            _ if is_xml(octets) => return message(octets, Encoding::Xml),
            // A push: any transaction number, then the type of the PDU. WBXML has its public identifier there, never 6.
            [_, 0x06, ..] => &[("a push message", push), ("a notification", notification)],
            [0x00..=0x03, ..] => &[
                ("WBXML", |octets| message(octets, Encoding::Wbxml)),
                ("a notification", notification),
            ],
            _ => &[("a notification", notification)],
        };
        let mut told = Vec::new();
        for (name, attempt) in attempts {
            match attempt(octets) {
                Ok(packet) => return Ok(packet),
                Err(error) => told.push(format!("as {name}: {error:#}")),
            }
        }
        bail!(
            "it is no message or packet that this version knows ({}); say what it is with --from",
            told.join("; ")
        )
    }
}

fn is_xml(octets: &[u8]) -> bool {
    octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets).trim_ascii_start().starts_with(b"<")
}

fn message(octets: &[u8], encoding: Encoding) -> anyhow::Result<Packet> {
    // An operator's own file may be larger than what a device may send, not deeper.
    let limits = Limits { octets: 1024 * 1024, ..Limits::default() };
    let message = encoding.read(octets, &limits)?;
    Ok(Packet::Message { encoding, message: Box::new(message) })
}

fn notification(octets: &[u8]) -> anyhow::Result<Packet> {
    let (digest, notification) = package0(octets)?;
    // Nearly any octets have the shape of a notification; what no sender writes is taken for something else.
    if !(1..=20).contains(&notification.version) {
        bail!(
            "no notification has version {}.{}",
            notification.version / 10,
            notification.version % 10
        );
    }
    Ok(Packet::Notification { digest, notification })
}

fn package0(octets: &[u8]) -> anyhow::Result<(Vec<u8>, Notification)> {
    let received = Notification::parse(octets)?;
    let digest = octets.iter().copied().take(16).collect();
    Ok((digest, received.notification))
}

fn push(octets: &[u8]) -> anyhow::Result<Packet> {
    let push = wap_push::parse(octets)?;
    let body = if push.content_type == Some(NOTIFICATION) {
        let (digest, notification) =
            package0(push.body).context("the notification in it cannot be read")?;
        Pushed::Notification { octets: push.body.len(), digest, notification }
    } else {
        Pushed::Other(push.body.to_vec())
    };
    Ok(Packet::Push {
        tid: push.tid,
        content_type: push.content_type,
        application_id: push.application_id,
        body,
    })
}
