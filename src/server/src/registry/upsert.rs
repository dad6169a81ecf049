//! What a record makes of a device: a new one, a changed one, or nothing.
//!
//! Only what the line names is changed. Nonces are the devices' own business: a line sets them for a new device, with a
//! changed secret, or when it is asked to (D13).

use super::{
    RegistryError,
    line::Fault,
    lookup::Number,
    record::{MOST_ATTRIBUTES, Password, Record, Said},
};
use crate::{
    config::Authority,
    rows::{Auth, Device, DeviceId, Sealed, ServerAccount},
    security::vault::{Binding, Purpose, SealError, Vault},
};
use campaign::time::Instant;
use std::time::Duration;
use wire::digest::{Nonce, SecretHash};

/// Octets of all attributes and groups of a device together: its row is read and written with every message.
pub const MOST_ATTRIBUTE_OCTETS: usize = 4096;

/// How far an `as_of` may lie ahead of our clock.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60 * 60);

/// What an upsert goes by, apart from the device and the record.
#[derive(Debug, Clone, Copy)]
pub struct Grounds<'a> {
    pub vault: &'a Vault,
    pub authority: &'a Authority,
    pub reset_nonces: bool,
    pub now: Instant,
}

/// What becomes of a device.
#[derive(Debug, PartialEq)]
pub enum Upsert {
    Write(Box<Device>),
    /// The line says what is known, or is older than what is known.
    Unchanged,
}

/// Why there is no upsert.
#[derive(Debug, thiserror::Error)]
pub enum UpsertError {
    #[error("{}: {}", .0.key, .0.what)]
    Fault(Fault),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<Fault> for UpsertError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<SealError> for UpsertError {
    fn from(error: SealError) -> Self {
        Self::Registry(error.into())
    }
}

/// Lays `record` over `known`.
pub fn upsert(record: Record, known: Option<&Device>, grounds: &Grounds<'_>) -> Result<Upsert, UpsertError> {
    let known_as_of = known.and_then(|device| device.as_of);
    if let Some(as_of) = record.as_of {
        if as_of > grounds.now.plus(CLOCKS_DIFFER) {
            return Err(Fault::new("as_of", "lies in the future", "set the clock of the system that wrote it").into());
        }
        if known_as_of.is_some_and(|known| known > as_of) {
            return Ok(Upsert::Unchanged);
        }
    }
    let mut device = match known {
        Some(known) => known.clone(),
        None => new_device(&record, grounds)?,
    };
    lay_over_account(&mut device, &record, known.is_none(), grounds)?;
    lay_over_server(&mut device, &record, grounds)?;
    let as_of = record.as_of;
    lay_over_rest(&mut device, record)?;
    if let Some(as_of) = as_of {
        device.as_of = Some(as_of);
    }
    if known == Some(&device) {
        return Ok(Upsert::Unchanged);
    }
    // News without an instant are of now; clocks may differ, so never older than what they replace.
    device.as_of = Some(as_of.unwrap_or_else(|| known_as_of.map_or(grounds.now, |known| known.max(grounds.now))));
    Ok(Upsert::Write(Box::new(device)))
}

fn new_device(record: &Record, grounds: &Grounds<'_>) -> Result<Device, UpsertError> {
    let Some(secret) = &record.secret else {
        return Err(Fault::new("secret", "is missing, and this device is new", "give the secret of its account").into());
    };
    let user = record.user.clone().unwrap_or_else(|| record.id.device.clone());
    let hash = SecretHash::of(&user, secret.reveal());
    Ok(Device {
        auth: record.auth.unwrap_or(Auth::Md5),
        user,
        secret: grounds.vault.seal_hash(&Binding::device(Purpose::DeviceSecret, &record.id), &hash)?,
        server: None,
        issued: None,
        issued_used: false,
        imported: None,
        auth_count: 0,
        next_sid: rand::random_range(1..=u16::MAX),
        msisdn: None,
        imsi: None,
        address: None,
        cert_sha256: None,
        encoding: None,
        manufacturer: String::new(),
        model: String::new(),
        firmware: String::new(),
        dm_version: String::new(),
        time_zone: String::new(),
        groups: Vec::new(),
        attributes: std::collections::BTreeMap::new(),
        as_of: None,
        jobs: Vec::new(),
        seen: None,
    })
}

/// How the device proves itself.
fn lay_over_account(device: &mut Device, record: &Record, new: bool, grounds: &Grounds<'_>) -> Result<(), UpsertError> {
    if let Some(auth) = record.auth {
        device.auth = auth;
    }
    let renamed = record.user.as_ref().is_some_and(|user| *user != device.user);
    if renamed && record.secret.is_none() {
        return Err(Fault::new("user", "changes, and the stored digest is of the old one", "give `secret` in the same line").into());
    }
    if let Some(user) = &record.user {
        device.user.clone_from(user);
    }
    let mut changed = new;
    if let Some(secret) = &record.secret {
        let hash = SecretHash::of(&device.user, secret.reveal());
        let binding = Binding::device(Purpose::DeviceSecret, &record.id);
        if let Some(sealed) = resealed(grounds.vault, &binding, &device.secret, hash.octets())? {
            device.secret = sealed;
            changed = true;
        }
    }
    if changed || grounds.reset_nonces {
        match &record.nonce {
            Said::Nothing => {}
            Said::Gone => {
                device.imported = None;
                device.issued = None;
            }
            Said::Is(nonce) => {
                device.imported = Some(nonce.clone());
                device.issued = None;
                device.issued_used = false;
            }
        }
    }
    Ok(())
}

/// How the server proves itself to the device.
fn lay_over_server(device: &mut Device, record: &Record, grounds: &Grounds<'_>) -> Result<(), UpsertError> {
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
                    "give `server_auth` (md5 or basic) with it",
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
    let user = record.server_user.clone().or_else(|| known.as_ref().map(|known| known.user.clone())).unwrap_or_else(own_user);
    let stays = known.as_ref().is_some_and(|known| known.auth == auth && known.user == user);
    let sealed = match (&record.server_secret, known.as_ref().filter(|_| stays)) {
        (Some(secret), known) => server_secrets(auth, &user, secret, id, known, grounds)?,
        (None, Some(_)) => None,
        (None, None) => {
            let key = if record.server_user.is_some() && known.is_some() { "server_user" } else { "server_secret" };
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
        (Some((secret, notification)), _) => Some(ServerAccount { auth, user, secret, notification, nonce }),
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
    let plain = if auth == Auth::Basic { secret.reveal().as_bytes() } else { hash.octets().as_slice() };
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

/// `plain` sealed, unless `stored` holds it already. What no longer opens is replaced, too.
fn resealed(vault: &Vault, binding: &Binding<'_>, stored: &Sealed, plain: &[u8]) -> Result<Option<Sealed>, SealError> {
    match vault.open(binding, stored) {
        Ok(known) if known == plain => Ok(None),
        _ => vault.seal(binding, plain).map(Some),
    }
}

/// Everything that is no secret.
fn lay_over_rest(device: &mut Device, record: Record) -> Result<(), UpsertError> {
    let digits = |said| match said {
        Said::Nothing => Said::Nothing,
        Said::Gone => Said::Gone,
        Said::Is(number) => Said::Is(Number::digits(&number).to_owned()),
    };
    digits(record.msisdn).lay_over(&mut device.msisdn);
    digits(record.imsi).lay_over(&mut device.imsi);
    record.address.lay_over(&mut device.address);
    record.cert_sha256.lay_over(&mut device.cert_sha256);
    record.encoding.lay_over(&mut device.encoding);
    record.manufacturer.lay_over_text(&mut device.manufacturer);
    record.model.lay_over_text(&mut device.model);
    record.firmware.lay_over_text(&mut device.firmware);
    record.dm_version.lay_over_text(&mut device.dm_version);
    record.time_zone.lay_over_text(&mut device.time_zone);
    if let Some(groups) = record.groups {
        device.groups = groups;
    }
    for (name, value) in record.attributes {
        match value {
            Some(value) => drop(device.attributes.insert(name, value)),
            None => drop(device.attributes.remove(&name)),
        }
    }
    if device.attributes.len() > MOST_ATTRIBUTES {
        let what = format!("would be more than {MOST_ATTRIBUTES} with those that the device has");
        return Err(Fault::new("attributes", what, "take some away: in JSON lines `null` does").into());
    }
    let octets: usize = device.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    let octets = octets + device.groups.iter().map(String::len).sum::<usize>();
    if octets > MOST_ATTRIBUTE_OCTETS {
        let what = format!("and groups would be {octets} octets together, more than {MOST_ATTRIBUTE_OCTETS}");
        return Err(Fault::new("attributes", what, "shorten them").into());
    }
    Ok(())
}
