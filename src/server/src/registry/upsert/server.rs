//! How the server proves itself to a device: an account that is whole, or none.

use super::{
    super::{
        line::Fault,
        record::{Password, Record, Said},
    },
    Grounds, UpsertError, resealed,
};
use crate::{
    rows::{Auth, Device, DeviceId, Sealed, ServerAccount},
    security::vault::{Binding, Purpose},
};
use wire::digest::{Nonce, SecretHash};

/// How the server proves itself to the device.
pub(super) fn lay_over(
    device: &mut Device,
    record: &Record,
    grounds: &Grounds<'_>,
) -> Result<(), UpsertError> {
    let about_server = [
        ("server_user", record.server_user.is_some()),
        ("server_secret", record.server_secret.is_some()),
        ("server_nonce", matches!(record.server_nonce, Said::Is(_))),
    ];
    let known = match (&record.server_auth, device.server.take()) {
        (Said::Gone, _) => return Ok(()),
        (Said::Nothing, None) => {
            return match about_server.into_iter().find(|(_, said)| *said) {
                None => Ok(()),
                Some((key, _)) => Err(Fault::new(
                    key,
                    "says how the server proves itself to this device, but not by what means",
                    "give `server_auth` (md5, basic or hmac) with it",
                )
                .into()),
            };
        }
        (_, known) => known,
    };
    let auth = match (&record.server_auth, &known) {
        (Said::Is(auth), _) => *auth,
        (_, Some(known)) => known.auth,
        (_, None) => Auth::Md5,
    };
    let id = &record.id;
    let own_user = || grounds.authority.server_id.clone();
    let user = record
        .server_user
        .clone()
        .or_else(|| known.as_ref().map(|known| known.user.clone()))
        .unwrap_or_else(own_user);
    let stays = known.as_ref().is_some_and(|known| known.auth == auth && known.user == user);
    let sealed = match (&record.server_secret, known.as_ref().filter(|_| stays)) {
        (Some(secret), known) => server_secrets(auth, &user, secret, id, known, grounds)?,
        (None, Some(_)) => None,
        (None, None) => {
            let key = if record.server_user.is_some() && known.is_some() {
                "server_user"
            } else {
                "server_secret"
            };
            return Err(Fault::new(
                key,
                "cannot be without the server's secret: what is stored of it is of no use here",
                "give `server_secret` in the same line",
            )
            .into());
        }
    };
    let changed = sealed.is_some();
    let nonce = match &record.server_nonce {
        Said::Is(nonce) if changed || grounds.reset_nonces => nonce.clone(),
        Said::Gone if changed || grounds.reset_nonces => Nonce::default(),
        _ => known.as_ref().map(|known| known.nonce.clone()).unwrap_or_default(),
    };
    device.server = match (sealed, known) {
        (Some((secret, notification)), _) => {
            Some(ServerAccount { auth, user, secret, notification, nonce })
        }
        (None, Some(known)) => Some(ServerAccount { nonce, ..known }),
        (None, None) => None,
    };
    Ok(())
}

/// The sealed secrets of the server towards this device; `None` when they are the ones that are stored.
fn server_secrets(
    auth: Auth,
    user: &str,
    secret: &Password,
    id: &DeviceId,
    known: Option<&ServerAccount>,
    grounds: &Grounds<'_>,
) -> Result<Option<(Sealed, Option<Sealed>)>, UpsertError> {
    let server_id = &grounds.authority.server_id;
    let hash = SecretHash::of(user, secret.reveal());
    // Basic shows the password itself; everything else needs no more than the digest.
    let plain =
        if auth == Auth::Basic { secret.reveal().as_bytes() } else { hash.octets().as_slice() };
    let serves_notifications = auth != Auth::Basic && user == server_id;
    let binding = Binding::device(Purpose::ServerSecret, id);
    let sealed = match known {
        Some(known) => match resealed(grounds.vault, &binding, &known.secret, plain)? {
            None if known.notification.is_none() == serves_notifications => return Ok(None),
            sealed => sealed,
        },
        None => None,
    };
    let sealed = sealed.map_or_else(|| grounds.vault.seal(&binding, plain), Ok)?;
    let notification = if serves_notifications {
        None
    } else {
        let hash = SecretHash::of(server_id, secret.reveal());
        Some(grounds.vault.seal_hash(&Binding::device(Purpose::NotificationSecret, id), &hash)?)
    };
    Ok(Some((sealed, notification)))
}
