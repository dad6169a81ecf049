//! What a record makes of a device: a new one, a changed one, or nothing.
//!
//! Only what the line names is changed. Nonces are the devices' own business: a line sets them for a new device, with a
//! changed secret, or when it is asked to (D13).

mod server;
#[cfg(test)]
mod tests;

use super::{
    RegistryError,
    line::Fault,
    lookup::Number,
    record::{MOST_ATTRIBUTES, Record, Said},
};
use crate::{
    config::Authority,
    resync::Resync,
    rows::{Auth, Device, Sealed},
    security::vault::{Binding, Purpose, SealError, Vault},
};
use campaign::time::Instant;
use std::time::Duration;
use wire::digest::SecretHash;

/// Octets of all attributes and groups of a device together: its row is read and written with every message.
pub const MOST_ATTRIBUTE_OCTETS: usize = 4096;

/// How far an `as_of` may lie ahead of our clock.
const CLOCKS_DIFFER: Duration = Duration::from_hours(1);

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
    /// The line says what is known.
    Unchanged,
    /// The line is older than what is known.
    Older,
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
pub fn upsert(
    record: Record,
    known: Option<&Device>,
    grounds: &Grounds<'_>,
) -> Result<Upsert, UpsertError> {
    let known_as_of = known.and_then(|device| device.as_of);
    if let Some(as_of) = record.as_of {
        if as_of > grounds.now.plus(CLOCKS_DIFFER) {
            return Err(Fault::new(
                "as_of",
                "lies in the future",
                "set the clock of the system that wrote it",
            )
            .into());
        }
        if known_as_of.is_some_and(|known| known > as_of) {
            return Ok(Upsert::Older);
        }
    }
    let mut device = match known {
        Some(known) => known.clone(),
        None => new_device(&record, grounds)?,
    };
    lay_over_account(&mut device, &record, known.is_none(), grounds)?;
    server::lay_over(&mut device, &record, grounds)?;
    let secret = |device: &Device| device.server.as_ref().map(|server| server.secret.clone());
    if known.is_none_or(|known| secret(known) != secret(&device)) {
        device.resync = Resync::default();
    }
    let as_of = record.as_of;
    lay_over_rest(&mut device, record)?;
    if let Some(as_of) = as_of {
        device.as_of = Some(as_of);
    }
    if known == Some(&device) {
        return Ok(Upsert::Unchanged);
    }
    // News without an instant are of now; clocks may differ, so never older than what they replace.
    device.as_of = Some(
        as_of.unwrap_or_else(|| known_as_of.map_or(grounds.now, |known| known.max(grounds.now))),
    );
    Ok(Upsert::Write(Box::new(device)))
}

fn new_device(record: &Record, grounds: &Grounds<'_>) -> Result<Device, UpsertError> {
    let Some(secret) = &record.secret else {
        return Err(Fault::new(
            "secret",
            "is missing, and this device is new",
            "give the secret of its account",
        )
        .into());
    };
    let user = record.user.clone().unwrap_or_else(|| record.id.device.clone());
    let hash = SecretHash::of(&user, secret.reveal());
    Ok(Device {
        auth: record.auth.unwrap_or(Auth::Md5),
        user,
        secret: grounds
            .vault
            .seal_hash(&Binding::device(Purpose::DeviceSecret, &record.id), &hash)?,
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
        learnt: session::Learnt::default(),
        resync: Resync::default(),
    })
}

/// How the device proves itself.
fn lay_over_account(
    device: &mut Device,
    record: &Record,
    new: bool,
    grounds: &Grounds<'_>,
) -> Result<(), UpsertError> {
    if let Some(auth) = record.auth {
        device.auth = auth;
    }
    let renamed = record.user.as_ref().is_some_and(|user| *user != device.user);
    if renamed && record.secret.is_none() {
        return Err(Fault::new(
            "user",
            "changes, and the stored digest is of the old one",
            "give `secret` in the same line",
        )
        .into());
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

/// `plain` sealed, unless `stored` holds it already. What no longer opens is replaced, too.
fn resealed(
    vault: &Vault,
    binding: &Binding<'_>,
    stored: &Sealed,
    plain: &[u8],
) -> Result<Option<Sealed>, SealError> {
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
    let kind = |device: &Device| {
        (device.manufacturer.clone(), device.model.clone(), device.firmware.clone())
    };
    let before = kind(device);
    record.manufacturer.lay_over_text(&mut device.manufacturer);
    record.model.lay_over_text(&mut device.model);
    record.firmware.lay_over_text(&mut device.firmware);
    record.dm_version.lay_over_text(&mut device.dm_version);
    // Other software, other habits.
    if kind(device) != before {
        device.learnt = session::Learnt::default();
    }
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
        return Err(
            Fault::new("attributes", what, "take some away: in JSON lines `null` does").into()
        );
    }
    let octets: usize =
        device.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    let octets = octets + device.groups.iter().map(String::len).sum::<usize>();
    if octets > MOST_ATTRIBUTE_OCTETS {
        let what = format!(
            "and groups would be {octets} octets together, more than {MOST_ATTRIBUTE_OCTETS}"
        );
        return Err(Fault::new("attributes", what, "shorten them").into());
    }
    Ok(())
}
