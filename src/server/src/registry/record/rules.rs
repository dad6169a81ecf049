//! The rule of each key: from text to value, or what is wrong with the text and what to do.

use super::{
    super::{
        line::{Fault, Text},
        lookup::{Kind, Number},
    },
    LONGEST_NAME, LONGEST_TEXT, MOST_GROUPS, Password,
};
use crate::{notify::udp, rows::Auth};
use campaign::time::Instant;
use wire::{Encoding, digest::Nonce};

/// What is wrong with a text, and what to do.
pub(super) type Wrong = (&'static str, &'static str);

pub(super) fn plain(text: &str, longest: usize) -> Result<String, Wrong> {
    if text.is_empty() || text.chars().any(char::is_control) {
        Err(("is empty or holds control characters", "write plain text"))
    } else if text.len() > longest {
        Err(("is too long", "64 octets for names, 128 for users, 256 for other texts"))
    } else {
        Ok(text.to_owned())
    }
}

pub(super) fn name(text: &str) -> Result<String, Wrong> {
    plain(text, LONGEST_NAME)
}

pub(super) fn password(text: &str) -> Result<Password, Wrong> {
    plain(text, LONGEST_TEXT).map(Password)
}

pub(super) fn auth(text: &str) -> Result<Auth, Wrong> {
    match text {
        "md5" => Ok(Auth::Md5),
        "basic" => Ok(Auth::Basic),
        "hmac" => Ok(Auth::Hmac),
        "tls" => Err(("is not served by this version", "write md5, basic or hmac")),
        _ => Err(("is not a way to authenticate", "write md5, basic or hmac")),
    }
}

pub(super) fn nonce(text: &str) -> Result<Nonce, Wrong> {
    match Nonce::from_base64(text) {
        Ok(nonce) if !nonce.is_empty() => Ok(nonce),
        _ => Err((
            "is not base64 of 1 to 128 octets",
            "write the nonce as the device has it, in base64",
        )),
    }
}

pub(super) fn number(kind: Kind, text: &str) -> Result<Number, Wrong> {
    Number::parse(kind, text).ok_or((
        "is not a number of 5 to 15 digits",
        "write digits only, international form, as 447700900123",
    ))
}

pub(super) fn address(text: &str) -> Result<String, Wrong> {
    match udp::address(text, 1).map(|address| (address.ip().is_unspecified(), address.port())) {
        Ok((false, 1..)) => Ok(text.to_owned()),
        _ => Err((
            "is not an address",
            "write host:port with a literal address, as 192.0.2.7:2948 or [2001:db8::7]:2948",
        )),
    }
}

pub(super) fn digest(text: &str) -> Result<[u8; 32], Wrong> {
    let mut octets = [0; 32];
    let wrong = |_| ("is not a SHA-256", "write 64 hexadecimal digits");
    hex::decode_to_slice(text.replace(':', ""), &mut octets).map_err(wrong)?;
    Ok(octets)
}

pub(super) fn encoding(text: &str) -> Result<Encoding, Wrong> {
    match text {
        "wbxml" => Ok(Encoding::Wbxml),
        "xml" => Ok(Encoding::Xml),
        _ => Err(("is not an encoding", "write wbxml or xml, or leave it out: it is learnt")),
    }
}

pub(super) fn groups(text: &str) -> Result<Vec<String>, Wrong> {
    let mut groups: Vec<String> = Vec::new();
    for group in text.split(';').map(str::trim).filter(|group| !group.is_empty()) {
        let group = name(group)?;
        if !groups.contains(&group) {
            groups.push(group);
        }
        if groups.len() > MOST_GROUPS {
            return Err((
                "are more than 64",
                "use attributes for what differs from device to device",
            ));
        }
    }
    Ok(groups)
}

pub(super) fn attribute(key: &str, text: Text<'_>) -> Result<Option<String>, Fault> {
    match text {
        Text::Gone => Ok(None),
        Text::Is(text) => {
            plain(&text, LONGEST_TEXT).map(Some).map_err(|(what, help)| Fault::new(key, what, help))
        }
    }
}

pub(super) fn as_of(text: &str) -> Result<Instant, Wrong> {
    Instant::parse(text).map_err(|_error| ("is not an instant", "write it as 2026-11-25T01:00:00Z"))
}
