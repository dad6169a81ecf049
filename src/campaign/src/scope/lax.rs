//! Addresses as a careless device might read them.

use super::Denied;

/// How a careless device might read an address: decoding until nothing is left to decode, then splitting at slashes of both
/// kinds. `None` when that is the plain reading.
pub(super) fn reading(segments: &[Option<String>]) -> Result<Option<Vec<Option<String>>>, Denied> {
    let mut lax = Vec::with_capacity(segments.len());
    for segment in segments {
        let Some(text) = segment else {
            lax.push(None);
            continue;
        };
        for part in decoded_wholly(text).split(['/', '\\']) {
            if part == "." || part == ".." || part.is_empty() {
                return Err(Denied::Ambiguous);
            }
            lax.push(Some(part.to_owned()));
        }
    }
    Ok((lax != segments).then_some(lax))
}

fn decoded_wholly(text: &str) -> String {
    let mut text = text.to_owned();
    // Each round is shorter than the one before, so this ends.
    while let Some(decoded) = decoded_once(&text) {
        text = decoded;
    }
    text
}

/// The text with its percent-encoded octets decoded; `None` when there are none.
fn decoded_once(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut changed = false;
    while let Some((first, after)) = rest.split_first() {
        let escape = (*first == b'%').then(|| after.split_at_checked(2)).flatten();
        let octet = escape
            .and_then(|(digits, _)| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        if let (Some(octet), Some((_, behind))) = (octet, escape) {
            octets.push(octet);
            rest = behind;
            changed = true;
        } else {
            octets.push(*first);
            rest = after;
        }
    }
    changed.then(|| String::from_utf8_lossy(&octets).into_owned())
}
