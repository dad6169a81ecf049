//! The octets of a document as text: its character set, and the characters that XML has no place for.
//!
//! One of these is taken all the same: one client ends texts with a zero octet. Right before the tag that ends an element,
//! such octets are read as they would be in WBXML; anywhere else they are refused.

use crate::encoding::ReadError;
use std::borrow::Cow;

/// The document as text: without byte order mark and leading white space, from the character set it declares.
pub(super) fn decode(octets: &[u8]) -> Result<Cow<'_, str>, ReadError> {
    let octets = octets.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(octets).trim_ascii_start();
    if octets.starts_with(b"\xFE\xFF") || octets.starts_with(b"\xFF\xFE") {
        return Err(ReadError::Charset);
    }
    match declared_charset(octets) {
        Some(name)
            if [b"iso-8859-1".as_slice(), b"latin1"]
                .iter()
                .any(|latin| name.eq_ignore_ascii_case(latin)) =>
        {
            Ok(octets.iter().copied().map(char::from).collect::<String>().into())
        }
        Some(name)
            if ![b"utf-8".as_slice(), b"utf8", b"us-ascii"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known)) =>
        {
            Err(ReadError::Charset)
        }
        _ => match std::str::from_utf8(octets) {
            Ok(text) => Ok(text.into()),
            Err(no_text) => Err(ReadError::Text { at: no_text.valid_up_to() }),
        },
    }
}

/// The value of `encoding` in the XML declaration.
fn declared_charset(octets: &[u8]) -> Option<&[u8]> {
    /// No declaration is longer.
    const LONGEST: usize = 256;
    const KEY: &[u8] = b"encoding";
    let declaration = octets.strip_prefix(b"<?xml")?;
    let declaration = declaration.get(..LONGEST).unwrap_or(declaration);
    let declaration = declaration.split(|&octet| octet == b'>').next()?;
    let key = declaration.windows(KEY.len()).position(|window| window == KEY)?;
    let value = declaration
        .get(key + KEY.len()..)?
        .trim_ascii_start()
        .strip_prefix(b"=")?
        .trim_ascii_start();
    let (&quote, value) = value.split_first()?;
    value.split(|&octet| octet == quote).next()
}

/// Refuses what XML 1.0 has no place for, in one pass. True when zero octets end texts.
pub(super) fn check_characters(text: &str) -> Result<bool, ReadError> {
    const fn is_control(octet: u8) -> bool {
        octet < b' ' && !matches!(octet, b'\t' | b'\n' | b'\r')
    }
    let mut zeros = false;
    for (index, chunk) in text.as_bytes().chunks(256).enumerate() {
        // Without an early exit the compiler looks at many octets at a time.
        if chunk.iter().fold(false, |found, &octet| found | is_control(octet)) {
            let controls = (index * 256..).zip(chunk).filter(|(_, octet)| is_control(**octet));
            for (at, octet) in controls {
                if *octet != 0 || !ends_text(text, at) {
                    return Err(ReadError::Character { at });
                }
                zeros = true;
            }
        }
    }
    if !text.is_ascii()
        && let Some(at) = text.find(['\u{FFFE}', '\u{FFFF}'])
    {
        return Err(ReadError::Character { at });
    }
    Ok(zeros)
}

/// The most zero octets that end one text.
const MOST_ZEROS: usize = 4;

/// Whether the zero octets from `at` on, a few at most, end the text of an element: before its end tag, which the end of
/// a CDATA section may precede.
fn ends_text(text: &str, at: usize) -> bool {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    let zeros = rest.iter().take(MOST_ZEROS).take_while(|&&octet| octet == 0).count();
    let rest = rest.get(zeros..).unwrap_or_default();
    rest.strip_prefix(b"]]>").unwrap_or(rest).starts_with(b"</")
}
