//! Proof in both directions: what a message proves of its sender, and how the server proves itself to the device.

use crate::{Account, AuthKind, Context, Mac, Seal, ServerCredential, ServerSecret};
use serde::{Deserialize, Serialize};
use wire::{
    digest::{self, Credential, Nonce},
    message::{Cred, Message},
    meta::Meta,
    status::StatusCode,
};

/// What a message proves of its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The request itself does, and the message claims nothing else.
    Transport,
    /// Its credentials do.
    Given(AuthKind),
    Missing,
    Wrong,
}

/// Judges the credentials of a message. All candidates are tried, so that the time tells nothing.
pub(crate) fn examine(message: &Message, context: &Context<'_>) -> Proof {
    if context.account.kind == AuthKind::Hmac {
        // Every message proves itself: no token and no weaker credential stands in for that.
        return match context.mac {
            mac if mac.proves(&context.account.secret, context.candidates) => {
                Proof::Given(AuthKind::Hmac)
            }
            Mac::Absent if message.header.cred.is_none() => Proof::Missing,
            Mac::Absent | Mac::Unreadable | Mac::Given { .. } => Proof::Wrong,
        };
    }
    let Some(cred) = &message.header.cred else {
        return if context.proven { Proof::Transport } else { Proof::Missing };
    };
    let (account, candidates) = (context.account, context.candidates);
    let (right, kind) = match (Credential::read(cred), account.kind) {
        (Ok(credential @ Credential::Basic { .. }), AuthKind::Basic) => {
            (credential.proves(&account.secret, &Nonce::default()), AuthKind::Basic)
        }
        // A digest is stronger than a password, so it is good for a Basic account too.
        (Ok(credential @ Credential::Md5(_)), AuthKind::Basic | AuthKind::Md5) => {
            let proves = |nonce: &Nonce| credential.proves(&account.secret, nonce);
            (candidates.iter().fold(false, |right, nonce| proves(nonce) | right), AuthKind::Md5)
        }
        (Ok(Credential::Basic { .. }), AuthKind::Md5)
        | (Ok(_), AuthKind::Hmac)
        | (Ok(Credential::Other(_)) | Err(_), _) => (false, account.kind),
    };
    if right { Proof::Given(kind) } else { Proof::Wrong }
}

/// Whether a message proves its sender by a digest under this nonce, be it in its `Cred` or over its body.
///
/// A password proves nothing under any nonce.
pub fn is_under(nonce: &Nonce, message: &Message, account: &Account, mac: Mac<'_>) -> bool {
    if account.kind == AuthKind::Hmac {
        return mac.proves(&account.secret, std::slice::from_ref(nonce));
    }
    let given = message.header.cred.as_ref().and_then(|cred| Credential::read(cred).ok());
    matches!(given, Some(digest @ Credential::Md5(_)) if digest.proves(&account.secret, nonce))
}

/// What the device is asked for when its message proved too little.
pub(crate) fn demand(account: &Account, challenge: &Nonce) -> Meta {
    match account.kind {
        AuthKind::Basic => digest::chal_basic(),
        AuthKind::Md5 => digest::chal_md5(challenge),
        AuthKind::Hmac => digest::chal_mac(challenge),
    }
}

/// How far the server has proven itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ServerAuth {
    /// The account has no credential for the server. Sending one all the same crashes one client.
    Unneeded,
    /// Credentials go with every reply until the device accepts them.
    Trying { kind: AuthKind, refusals: u8 },
    /// For the whole session (212).
    Accepted { kind: AuthKind },
    /// For one message at a time (200).
    EveryMessage { kind: AuthKind },
}

impl ServerAuth {
    /// Refusals in a row after which the server gives up: the first may be a stale nonce.
    const MOST_REFUSALS: u8 = 2;

    pub(crate) fn begin(account: &Account) -> Self {
        match &account.server {
            Some(server) => Self::Trying { kind: server.kind, refusals: 0 },
            None => Self::Unneeded,
        }
    }

    /// The device's status for a message of ours: `code` as it came, with its `Chal`. False when the server cannot
    /// prove itself.
    #[must_use]
    pub(crate) fn heard(&mut self, code: StatusCode, chal: Option<&Meta>) -> bool {
        let (kind, refusals) = match *self {
            Self::Unneeded => return !code.is_challenge(),
            Self::Trying { kind, refusals } => (kind, refusals),
            Self::Accepted { kind } | Self::EveryMessage { kind } => (kind, 0),
        };
        match code {
            // A digest over each body is due with each body, whatever the device makes of one.
            StatusCode::Authenticated if kind != AuthKind::Hmac => *self = Self::Accepted { kind },
            StatusCode::Ok | StatusCode::Authenticated if matches!(self, Self::Trying { .. }) => {
                *self = Self::EveryMessage { kind }
            }
            code if code.is_challenge() => {
                let Some(kind) = stronger_or_same(kind, chal) else { return false };
                *self = Self::Trying { kind, refusals: refusals + 1 };
                return refusals + 1 < Self::MOST_REFUSALS;
            }
            // Status 0 of client A, and all that is no verdict on credentials.
            _ => {}
        }
        true
    }

    /// What the next reply is sealed with, where the server proves itself by `x-syncml-hmac`.
    pub(crate) fn seal(self, account: &Account, given: Option<&Nonce>) -> Option<Seal> {
        let server = account.server.as_ref()?;
        match self {
            Self::Trying { kind: AuthKind::Hmac, .. }
            | Self::EveryMessage { kind: AuthKind::Hmac } => Some(Seal {
                user: server.user.clone(),
                secret: server.hash(),
                nonce: given.unwrap_or(&server.nonce).clone(),
            }),
            Self::Unneeded
            | Self::Trying { .. }
            | Self::Accepted { .. }
            | Self::EveryMessage { .. } => None,
        }
    }

    /// The credentials that go with the next reply.
    pub(crate) fn cred(self, account: &Account, given: Option<&Nonce>) -> Option<Cred> {
        let server = account.server.as_ref()?;
        match self {
            Self::Unneeded | Self::Accepted { .. } => None,
            Self::Trying { kind, .. } | Self::EveryMessage { kind } => {
                cred(server, kind, given.unwrap_or(&server.nonce))
            }
        }
    }
}

/// The kind of credentials that a challenge leads to: never a weaker one. A password is not given away to one who asks
/// for it instead of a digest, nor a digest over nothing to one who asks for it instead of one over the body.
fn stronger_or_same(kind: AuthKind, chal: Option<&Meta>) -> Option<AuthKind> {
    let wanted = chal.and_then(|chal| chal.media_type.as_deref()).map(str::trim);
    match (kind, wanted) {
        (kind, None) => Some(kind),
        (_, Some(wanted)) if wanted.eq_ignore_ascii_case(digest::MAC) => Some(AuthKind::Hmac),
        (AuthKind::Basic | AuthKind::Md5, Some(wanted))
            if wanted.eq_ignore_ascii_case(digest::MD5) =>
        {
            Some(AuthKind::Md5)
        }
        (AuthKind::Basic, Some(wanted)) if wanted.eq_ignore_ascii_case(digest::BASIC) => {
            Some(AuthKind::Basic)
        }
        (AuthKind::Basic | AuthKind::Md5 | AuthKind::Hmac, Some(_)) => None,
    }
}

fn cred(server: &ServerCredential, kind: AuthKind, nonce: &Nonce) -> Option<Cred> {
    match (kind, &server.secret) {
        (AuthKind::Md5, _) => Some(digest::md5_cred(&server.hash(), nonce)),
        (AuthKind::Basic, ServerSecret::Password(password)) => {
            Some(digest::basic_cred(&server.user, password))
        }
        // The one cannot be made of a digest, the other goes beside the message instead of in it.
        (AuthKind::Basic, ServerSecret::Hash(_)) | (AuthKind::Hmac, _) => None,
    }
}

/// The nonce that a `Chal` gives, when it gives one: client B sends an empty one, which means "go on with the old".
pub(crate) fn given_nonce(chal: &Meta) -> Option<Nonce> {
    let nonce = Nonce::from_base64(chal.next_nonce.as_deref()?).ok()?;
    (!nonce.is_empty()).then_some(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chal(kind: &str) -> Meta {
        Meta { media_type: Some(kind.into()), ..Meta::default() }
    }

    #[test]
    fn a_stale_nonce_is_forgiven_once() {
        let mut auth = ServerAuth::Trying { kind: AuthKind::Md5, refusals: 0 };
        assert!(auth.heard(StatusCode::InvalidCredentials, Some(&chal(digest::MD5))));
        assert!(!auth.heard(StatusCode::InvalidCredentials, Some(&chal(digest::MD5))));
    }

    #[test]
    fn status_200_asks_for_credentials_in_every_message_and_212_for_none() {
        let mut auth = ServerAuth::Trying { kind: AuthKind::Md5, refusals: 0 };
        assert!(auth.heard(StatusCode::Other(0), None));
        assert_eq!(auth, ServerAuth::Trying { kind: AuthKind::Md5, refusals: 0 });
        assert!(auth.heard(StatusCode::Ok, None));
        assert_eq!(auth, ServerAuth::EveryMessage { kind: AuthKind::Md5 });
        assert!(auth.heard(StatusCode::Authenticated, None));
        assert_eq!(auth, ServerAuth::Accepted { kind: AuthKind::Md5 });
        assert!(auth.heard(StatusCode::Ok, None));
        assert_eq!(auth, ServerAuth::Accepted { kind: AuthKind::Md5 });
    }

    #[test]
    fn a_digest_is_never_traded_for_a_password() {
        let mut auth = ServerAuth::Trying { kind: AuthKind::Md5, refusals: 0 };
        assert!(!auth.heard(StatusCode::CredentialsMissing, Some(&chal(digest::BASIC))));
        let mut auth = ServerAuth::Trying { kind: AuthKind::Basic, refusals: 0 };
        assert!(auth.heard(StatusCode::CredentialsMissing, Some(&chal(digest::MD5))));
        assert_eq!(auth, ServerAuth::Trying { kind: AuthKind::Md5, refusals: 1 });
    }

    #[test]
    fn a_device_that_asks_for_what_the_account_lacks_cannot_be_managed() {
        let mut auth = ServerAuth::Unneeded;
        assert!(auth.heard(StatusCode::Ok, None));
        assert!(!auth.heard(StatusCode::CredentialsMissing, Some(&chal(digest::MD5))));
    }

    #[test]
    fn an_empty_nonce_leaves_the_old_one_in_force() {
        assert_eq!(
            given_nonce(&Meta { next_nonce: Some(String::new().into()), ..Meta::default() }),
            None
        );
        assert_eq!(given_nonce(&Meta::default()), None);
        assert!(
            given_nonce(&Meta { next_nonce: Some("AAAA".into()), ..Meta::default() }).is_some()
        );
    }
}
