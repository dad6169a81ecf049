//! A device's account, opened for one message: sealed digests become what a session or a notification is made with.

use crate::{
    config::Integrity,
    rows::{Auth, Device, DeviceId},
    security::{
        nonce,
        vault::{Binding, Purpose, SealError, Vault},
    },
};
use session::{Account, AuthKind, ServerCredential, ServerSecret};
use wire::digest::{Nonce, SecretHash};

/// Why an account cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("a sealed password is not text")]
    Password(#[source] std::string::FromUtf8Error),
    /// The registry refuses such devices; a row of another version may hold one.
    #[error("the device authenticates by {0:?}, which sessions of this version do not")]
    Kind(Auth),
}

/// What a session with the device is judged by. Where the authority asks for HMAC, so does every account of it: the digest
/// that is stored serves all kinds.
pub(crate) fn account(
    vault: &Vault,
    id: &DeviceId,
    device: &Device,
    integrity: Integrity,
) -> Result<Account, AccountError> {
    let secret = vault.open_hash(&Binding::device(Purpose::DeviceSecret, id), &device.secret)?;
    let server = match &device.server {
        None => None,
        Some(server) => {
            let binding = Binding::device(Purpose::ServerSecret, id);
            let kind = kind(server.auth)?;
            let secret = match kind {
                AuthKind::Md5 | AuthKind::Hmac => {
                    ServerSecret::Hash(vault.open_hash(&binding, &server.secret)?)
                }
                AuthKind::Basic => ServerSecret::Password(
                    String::from_utf8(vault.open(&binding, &server.secret)?)
                        .map_err(AccountError::Password)?,
                ),
            };
            Some(ServerCredential {
                kind,
                user: server.user.clone(),
                secret,
                nonce: server.nonce.clone(),
            })
        }
    };
    let mut account = Account { kind: kind(device.auth)?, secret, server };
    if integrity == Integrity::Hmac {
        account.kind = AuthKind::Hmac;
        if let Some(server) = &mut account.server {
            server.kind = AuthKind::Hmac;
        }
    }
    Ok(account)
}

fn kind(auth: Auth) -> Result<AuthKind, AccountError> {
    match auth {
        Auth::Md5 => Ok(AuthKind::Md5),
        Auth::Basic => Ok(AuthKind::Basic),
        Auth::Hmac => Ok(AuthKind::Hmac),
        Auth::Tls => Err(AccountError::Kind(auth)),
    }
}

/// The account of a device that nobody registered: the same code, with a secret that nobody knows.
pub(crate) fn stranger(vault: &Vault, id: &DeviceId, integrity: Integrity) -> Account {
    let kind = match integrity {
        Integrity::Hmac => AuthKind::Hmac,
        Integrity::Tls | Integrity::None => AuthKind::Md5,
    };
    Account { kind, secret: nonce::strangers_secret(vault, id), server: None }
}

/// What a notification to the device is sealed with: H(server id:password) and the nonce that the device gave last.
///
/// A device for which the server has no secret cannot check a notification; it gets one under an empty password, which
/// proves nothing and wakes those that do not look.
pub(crate) fn notification(
    vault: &Vault,
    id: &DeviceId,
    device: &Device,
    server_id: &str,
) -> Result<(SecretHash, Nonce), AccountError> {
    let Some(server) = &device.server else {
        return Ok((SecretHash::of(server_id, ""), Nonce::default()));
    };
    let secret = match &server.notification {
        Some(sealed) => {
            vault.open_hash(&Binding::device(Purpose::NotificationSecret, id), sealed)?
        }
        None => vault.open_hash(&Binding::device(Purpose::ServerSecret, id), &server.secret)?,
    };
    Ok((secret, server.nonce.clone()))
}
