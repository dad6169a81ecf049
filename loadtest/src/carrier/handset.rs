//! A push message as a handset's push client reads it: whatever encoding of the headers a gateway has chosen
//! (notification.md section 2).
//!
//! The strict reading is that of the simulated device: what the product itself makes must have the short codes. This one is for
//! pushes that a gateway of somebody else has made from ours.

const NOTIFICATION: &[u8] = b"application/vnd.syncml.notification";
const APPLICATION_ID: &[u8] = b"x-wap-application-id";

/// Package #0, when the push is a notification for the DM client.
pub(crate) fn package(push: &[u8]) -> Option<&[u8]> {
    let [_transaction, 0x06, rest @ ..] = push else { return None };
    let (length, rest) = number(rest)?;
    let (headers, package) = rest.split_at_checked(length)?;
    let (kind, mut headers) = value(headers)?;
    // The short code, or the text; either may be at the beginning of a longer value.
    if !matches!(kind, [0xC4, ..]) && !kind.to_ascii_lowercase().starts_with(NOTIFICATION) {
        return None;
    }
    let mut for_us = false;
    while !headers.is_empty() {
        let (name, rest) = value(headers)?;
        let (content, rest) = value(rest)?;
        headers = rest;
        if matches!(name, [0xAF]) || name.eq_ignore_ascii_case(APPLICATION_ID) {
            let text = String::from_utf8_lossy(content).to_ascii_lowercase();
            for_us = matches!(content, [0x87]) || text == "7" || text.contains("syncml.dm");
        }
    }
    for_us.then_some(package)
}

/// A field name or value, and what follows it: a length and octets, a text, or one octet (WAP-230, section 8.4.1).
fn value(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    match octets {
        [length @ 0..=30, rest @ ..] => rest.split_at_checked(usize::from(*length)),
        [31, rest @ ..] => {
            let (length, rest) = number(rest)?;
            rest.split_at_checked(length)
        }
        [32..=127, ..] => {
            let end = octets.iter().position(|octet| *octet == 0)?;
            let (text, rest) = octets.split_at_checked(end)?;
            // A text that begins with an octet above 127 is quoted.
            Some((text.strip_prefix(b"\x7F").unwrap_or(text), rest.get(1..)?))
        }
        [_, ..] => octets.split_at_checked(1),
        [] => None,
    }
}

/// Seven bits an octet, the first bit says that more follows.
fn number(octets: &[u8]) -> Option<(usize, &[u8])> {
    let mut sum = 0_usize;
    for (place, octet) in octets.iter().enumerate().take(4) {
        sum = sum << 7 | usize::from(octet & 0x7F);
        if octet & 0x80 == 0 {
            return Some((sum, octets.get(place + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_codes_and_texts_are_the_same_to_it() {
        assert_eq!(package(b"\x01\x06\x03\xC4\xAF\x87package"), Some(&b"package"[..]));
        // As a gateway wrote it that does not know the code: a text, other headers, and a length of two octets.
        let mut headers = NOTIFICATION.to_vec();
        headers
            .extend(b"\x00\xA9Reveille\x00\xAF\x87Content-Transfer-Encoding\x00binary\x00\x8D\xAB");
        headers.extend([0x88, 0x04, 1, 2, 3, 4].repeat(12));
        headers.extend(b"\xC3\x93");
        let length = headers.len();
        assert!(length > 127);
        let high = 0x80 | u8::try_from(length >> 7).unwrap();
        let low = u8::try_from(length & 0x7F).unwrap();
        let push = [&[9, 6, high, low][..], &headers, b"package"].concat();
        assert_eq!(package(&push), Some(&b"package"[..]));
        for end in 0..length {
            assert_eq!(package(&push[..end]), None, "{end}");
        }
    }

    #[test]
    fn what_is_for_somebody_else_is_left_alone() {
        assert_eq!(package(b"\x01\x06\x03\xC4\xAF\x84package"), None, "another application");
        assert_eq!(package(b"\x01\x06\x03\xAE\xAF\x87package"), None, "another type");
        assert_eq!(package(b"\x01\x06\x01\xC4package"), None, "for the browser, by default");
        assert_eq!(package(b"\x01\x07\x03\xC4\xAF\x87package"), None, "a confirmed push");
    }
}
