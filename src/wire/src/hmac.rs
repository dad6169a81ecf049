//! The `x-syncml-hmac` header: a digest over the octets of the body, beside the message instead of in it
//! (DM Security 1.2).
//!
//! It can be checked before the body is parsed. Once a side has used it, it comes with every message of the session.

use crate::digest::{self, Nonce, SecretHash, base64_octets, base64_text};
use std::fmt;

/// The name of the header.
pub const HEADER: &str = "x-syncml-hmac";

/// What the header says.
#[derive(Clone, PartialEq, Eq)]
pub struct Hmac {
    /// The user name, equal to `LocName` of the message's source.
    pub user: String,
    mac: [u8; 16],
}

/// Why a header cannot be read; all of them are answered like a wrong credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HmacError {
    #[error("the header is longer than {LONGEST} octets")]
    TooLong,
    #[error("the header is no list of names and values")]
    Malformed,
    #[error("the header asks for another algorithm than MD5")]
    Algorithm,
    #[error("the header names no user")]
    NoUser,
    #[error("the header holds no digest of 16 octets")]
    NoMac,
}

const LONGEST: usize = 1024;

impl Hmac {
    /// The header for a body.
    pub fn of(user: &str, secret: &SecretHash, nonce: &Nonce, body: &[u8]) -> Self {
        Self { user: user.to_owned(), mac: digest::mac(secret, nonce, body) }
    }

    /// Reads the value of the header: `algorithm=MD5, username="…", mac=…` in any order, the algorithm optional.
    pub fn parse(value: &str) -> Result<Self, HmacError> {
        if value.len() > LONGEST {
            return Err(HmacError::TooLong);
        }
        let (mut user, mut mac) = (None, None);
        let mut rest = value.trim();
        while !rest.is_empty() {
            // The digest ends in equals signs: only the first one separates.
            let (name, after) = rest.split_once('=').ok_or(HmacError::Malformed)?;
            let (value, after) = taken(after.trim_start()).ok_or(HmacError::Malformed)?;
            match name.trim() {
                name if name.eq_ignore_ascii_case("algorithm")
                    && !value.eq_ignore_ascii_case("MD5") =>
                {
                    return Err(HmacError::Algorithm);
                }
                name if name.eq_ignore_ascii_case("username") => user = Some(value),
                name if name.eq_ignore_ascii_case("mac") => {
                    mac = Some(digest_of(&value).ok_or(HmacError::NoMac)?);
                }
                _ => {}
            }
            rest = after;
        }
        let user = user.filter(|user| !user.is_empty()).ok_or(HmacError::NoUser)?;
        Ok(Self { user, mac: mac.ok_or(HmacError::NoMac)? })
    }

    /// Whether the sender knows the secret and the nonce, and the body is the one it sent.
    pub fn proves(&self, secret: &SecretHash, nonce: &Nonce, body: &[u8]) -> bool {
        digest::same(&self.mac, &digest::mac(secret, nonce, body))
    }

    /// The value to send.
    pub fn value(&self) -> String {
        let user = self.user.replace('\\', "\\\\").replace('"', "\\\"");
        format!("algorithm=MD5, username=\"{user}\", mac={}", base64_text(&self.mac))
    }
}

impl fmt::Debug for Hmac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hmac").field("user", &self.user).finish_non_exhaustive()
    }
}

/// One value, quoted or plain, and what follows its comma.
fn taken(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(',').unwrap_or((text, ""));
        return Some((value.trim_end().to_owned(), rest.trim_start()));
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
    let rest = characters.as_str().trim_start();
    match rest.strip_prefix(',') {
        Some(rest) => Some((value, rest.trim_start())),
        None => rest.is_empty().then_some((value, rest)),
    }
}

/// Base64 of the digest; the specification's own example has base64 of its hexadecimal digits.
fn digest_of(text: &str) -> Option<[u8; 16]> {
    let octets = base64_octets(text)?;
    if octets.len() == 32 {
        let digits = std::str::from_utf8(&octets).ok()?;
        return digits
            .chars()
            .all(|digit| digit.is_ascii_hexdigit())
            .then(|| u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes))?;
    }
    octets.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let secret = SecretHash::of("a \"b\" \\c", "password");
        let nonce = Nonce::new(b"nonce").unwrap();
        let hmac = Hmac::of("a \"b\" \\c", &secret, &nonce, b"body");
        let read = Hmac::parse(&hmac.value()).unwrap();
        assert_eq!(read, hmac);
        assert!(read.proves(&secret, &nonce, b"body") && !read.proves(&secret, &nonce, b"bodies"));
        assert!(!read.proves(&secret, &Nonce::default(), b"body"));
    }

    #[test]
    fn a_digest_in_hexadecimal_or_without_padding_is_understood() {
        let secret = SecretHash::of("u", "p");
        let nonce = Nonce::default();
        let octets = digest::mac(&secret, &nonce, b"");
        let digits = hex::encode(octets);
        for mac in [base64_text(&octets), base64_text(digits.as_bytes())] {
            let header = format!("mac={} ,username=\"u\"", mac.trim_end_matches('='));
            assert!(Hmac::parse(&header).unwrap().proves(&secret, &nonce, b""), "{header}");
        }
    }

    #[test]
    fn a_header_that_lacks_something_says_what() {
        for (header, why) in [
            ("", HmacError::NoUser),
            ("username", HmacError::Malformed),
            ("username=\"u", HmacError::Malformed),
            ("username=\"u\" x", HmacError::Malformed),
            ("username=\"\", mac=AAAAAAAAAAAAAAAAAAAAAA", HmacError::NoUser),
            ("username=\"u\", mac=AAAA", HmacError::NoMac),
            ("username=\"u\", mac=AAAAAAAAAAAAAAAAAAAAAA, algorithm=SHA1", HmacError::Algorithm),
        ] {
            assert_eq!(Hmac::parse(header), Err(why), "{header}");
        }
        assert_eq!(Hmac::parse(&"x".repeat(2000)), Err(HmacError::TooLong));
    }
}
