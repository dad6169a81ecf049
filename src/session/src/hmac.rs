//! The `x-syncml-hmac` header: a digest over each body, in both directions (DM Security 1.2).
//!
//! A device whose account asks for it proves every message by itself; neither the session's token nor a weaker credential
//! stands in for it. Each accepted message is answered with the nonce of the next, so none is good twice. Where the server
//! proves itself this way, the caller seals the reply once its octets are known.

use wire::{
    digest::{Nonce, SecretHash},
    hmac::Hmac,
};

/// What a request says in `x-syncml-hmac`.
#[derive(Debug, Clone, Copy, Default)]
pub enum Mac<'a> {
    #[default]
    Absent,
    /// The header is there, and is none.
    Unreadable,
    /// `body` is what the digest is over: the body of the request, octet for octet.
    Given { hmac: &'a Hmac, body: &'a [u8] },
}

impl Mac<'_> {
    /// Whether the header proves the secret under one of the nonces. All are tried, so that the time tells nothing.
    ///
    /// The user that the header names is not looked at: the secret is a digest over user and password.
    pub(crate) fn proves(self, secret: &SecretHash, candidates: &[Nonce]) -> bool {
        let Self::Given { hmac, body } = self else { return false };
        candidates.iter().fold(false, |right, nonce| hmac.proves(secret, nonce, body) | right)
    }

    pub fn is_absent(self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// What a reply is sealed with, once it is octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    pub(crate) user: String,
    pub(crate) secret: SecretHash,
    pub(crate) nonce: Nonce,
}

impl Seal {
    /// The value of the header that goes with `body`.
    pub fn header(&self, body: &[u8]) -> String {
        Hmac::of(&self.user, &self.secret, &self.nonce, body).value()
    }
}
