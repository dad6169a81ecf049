//! What octets are, found out from themselves, the surest signs first.

use super::{
    documents, gateway, http,
    layer::{Look, Packet, Problem},
    push, short_message, smpp,
};
use crate::octets::{self, Found};
use clap::ValueEnum;

/// What the user says the input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    /// Found out from the octets
    Auto,
    /// A message, a management tree or a provisioning document as WBXML
    Wbxml,
    /// Any of the documents as XML
    Xml,
    /// Package #0 by itself
    Notification,
    /// A WAP push message
    Push,
    /// The user data of short messages, one a line
    Sms,
    /// One or more SMPP PDUs
    Smpp,
    /// A document of a push proxy gateway, or the body of a push to it
    Pap,
    /// A provisioning document or a bootstrap message, in a push message or by itself
    Bootstrap,
    /// A captured HTTP request or response, headers included
    Http,
}

impl Packet {
    pub(crate) fn read(found: &Found, from: From, look: Look<'_>) -> Result<Self, Problem> {
        let octets = found.octets.as_slice();
        if octets.is_empty() {
            return Err(Problem::new("it is empty"));
        }
        match from {
            From::Auto if short_message::are(&found.lines) => {
                short_message::read(&found.lines, look)
            }
            From::Auto => recognise(octets, look),
            From::Wbxml => documents::wbxml(octets, look),
            From::Xml => documents::xml(octets, look),
            From::Notification => push::notification(octets, look),
            From::Push => push::push(octets, look),
            From::Sms if found.lines.is_empty() => short_message::read(&[octets.to_vec()], look),
            From::Sms => short_message::read(&found.lines, look),
            From::Smpp => smpp::read(octets, look),
            From::Pap => gateway::read(octets, look),
            From::Bootstrap => bootstrap(octets, found, look),
            From::Http => http::read(octets, look),
        }
    }

    /// What is inside something else, when it is anything that is known.
    pub(crate) fn inside(octets: &[u8], look: Look<'_>) -> Option<Self> {
        recognise(octets, look).ok()
    }
}

/// Finds out what octets are, and reads them.
pub(super) fn recognise(octets: &[u8], look: Look<'_>) -> Result<Packet, Problem> {
    match octets {
        // `<` after blanks or a byte order mark: no packet begins so.
        _ if documents::is_xml(octets) => documents::xml(octets, look),
        _ if http::is(octets) => http::read(octets, look),
        _ if gateway::is_multipart(octets) => gateway::read(octets, look),
        _ if is_text(octets) => Err(no_packet(octets)),
        // A length that is right, and a command: nothing else begins with both.
        _ if smpp::is(octets) => smpp::read(octets, look),
        _ if short_message::is(octets) => short_message::read(&[octets.to_vec()], look),
        // A push: any transaction number, then the type of the PDU. WBXML has its public identifier there, never 6.
        [_, 0x06, ..] => push::push(octets, look).or_else(|problem| {
            push::likely_notification(octets, look).map_err(|_no_notification| problem)
        }),
        [0x00..=0x03, ..] if documents::is_wbxml(octets) => documents::wbxml(octets, look),
        [0x00..=0x03, ..] => push::likely_notification(octets, look).or_else(|other| {
            documents::wbxml(octets, look).map_err(|problem| {
                Problem::new(format!(
                    "it is no message or packet that is known here (as WBXML: {problem}; as a notification: {other}); \
                     say what it is with --from"
                ))
            })
        }),
        _ => push::likely_notification(octets, look).map_err(|problem| {
            Problem::new(format!(
                "it is no message or packet that is known here (as a notification: {problem}); say what it is with --from"
            ))
        }),
    }
}

fn bootstrap(octets: &[u8], found: &Found, look: Look<'_>) -> Result<Packet, Problem> {
    match octets {
        _ if documents::is_xml(octets) => documents::xml(octets, look),
        _ if short_message::are(&found.lines) => short_message::read(&found.lines, look),
        _ if short_message::is(octets) => short_message::read(&[octets.to_vec()], look),
        [_, 0x06, ..] => push::push(octets, look),
        _ => documents::wbxml(octets, look),
    }
}

/// Whether a person wrote it: every packet has an octet that no text has.
fn is_text(octets: &[u8]) -> bool {
    let allowed = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    std::str::from_utf8(octets).is_ok_and(|text| text.chars().all(allowed))
}

fn no_packet(octets: &[u8]) -> Problem {
    let text = String::from_utf8_lossy(octets);
    Problem::new(match octets::nearly(&text) {
        Some(why) => format!("it looks like hexadecimal text, but {why}"),
        None => "it is text, and neither XML nor an HTTP message nor hexadecimal digits; if it is one of the packets all the \
                 same, say which with --from"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_taken_for_a_packet() {
        for text in [
            "hello",
            "The quick brown fox jumps over the lazy dog and on and on.",
            "2026-11-22 20:32 device=IMEI:352099001761481 status=200 and so it went",
            "{\"job\": 42, \"state\": \"notified\"}",
            "Grüße aus Zürich, und noch ein paar Wörter mehr",
            "x-syncml-hmac: algorithm=MD5",
        ] {
            let found = Found { octets: text.as_bytes().to_vec(), lines: Vec::new() };
            let problem = Packet::read(&found, From::Auto, Look::default()).unwrap_err();
            assert!(problem.to_string().starts_with("it is text"), "{text}: {problem}");
        }
    }
}
