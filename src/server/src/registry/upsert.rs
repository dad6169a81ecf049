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

/// How the server proves itself to the device.
fn lay_over_server(
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

#[cfg(test)]
mod tests {
    use super::super::line::json_cells;
    use super::*;
    use crate::config::Config;

    struct Desk {
        vault: Vault,
        config: Config,
        reset_nonces: bool,
    }

    const NOW: Instant = Instant(1_800_000_000_000);

    impl Desk {
        fn new() -> Self {
            Self { vault: Vault::ephemeral(), config: Config::default(), reset_nonces: false }
        }

        fn upsert(&self, json: &str, known: Option<&Device>) -> Result<Upsert, Fault> {
            let cells =
                json_cells(json.replacen('{', r#"{"device":"IMEI:1","#, 1).as_bytes()).unwrap();
            let record = Record::read(cells, Some("operator")).unwrap();
            let authority = self.config.authority("operator").unwrap();
            let grounds = Grounds {
                vault: &self.vault,
                authority,
                reset_nonces: self.reset_nonces,
                now: NOW,
            };
            upsert(record, known, &grounds).map_err(|error| match error {
                UpsertError::Fault(fault) => fault,
                UpsertError::Registry(error) => panic!("{error}"),
            })
        }

        fn write(&self, json: &str, known: Option<&Device>) -> Device {
            match self.upsert(json, known).unwrap() {
                Upsert::Write(device) => *device,
                Upsert::Unchanged => panic!("unchanged"),
            }
        }

        fn opened(&self, purpose: Purpose, sealed: &Sealed) -> Vec<u8> {
            self.vault
                .open(&Binding::device(purpose, &DeviceId::new("operator", "IMEI:1")), sealed)
                .unwrap()
        }
    }

    #[test]
    fn a_new_device_needs_a_secret_which_is_kept_as_a_sealed_digest() {
        let desk = Desk::new();
        assert_eq!(desk.upsert(r#"{"model":"RV-100"}"#, None).unwrap_err().key, "secret");
        let device = desk.write(r#"{"secret":"geheim","nonce":"AAEC"}"#, None);
        assert_eq!((device.auth, device.user.as_str()), (Auth::Md5, "IMEI:1"));
        assert_eq!(
            desk.opened(Purpose::DeviceSecret, &device.secret),
            SecretHash::of("IMEI:1", "geheim").octets()
        );
        assert_eq!(device.imported, Some(Nonce::new(&[0, 1, 2]).unwrap()));
        assert_ne!(device.next_sid, 0);
        assert_eq!(device.as_of, Some(NOW));
    }

    #[test]
    fn an_upsert_changes_what_it_names_and_nothing_else() {
        let desk = Desk::new();
        let first = desk.write(r#"{"secret":"s","model":"A","firmware":"1","attributes":{"a":"1","b":"2"},"groups":["x"]}"#, None);
        let second = desk.write(r#"{"model":"B","attributes":{"a":null,"c":"3"}}"#, Some(&first));
        let mut expected = first.clone();
        expected.model = "B".into();
        expected.attributes = [("b".into(), "2".into()), ("c".into(), "3".into())].into();
        assert_eq!(second, expected);
        let third = desk.write(
            r#"{"firmware":null,"groups":""}"#.replace("\"\"", "null").as_str(),
            Some(&second),
        );
        assert!(third.firmware.is_empty() && third.groups.is_empty() && third.model == "B");
    }

    #[test]
    fn the_same_line_again_changes_nothing_not_even_what_is_sealed() {
        let desk = Desk::new();
        let line = r#"{"secret":"s","server_auth":"basic","server_secret":"t","model":"A","nonce":"AAEC"}"#;
        let device = desk.write(line, None);
        assert_eq!(desk.upsert(line, Some(&device)), Ok(Upsert::Unchanged));
    }

    #[test]
    fn nonces_are_touched_only_with_a_changed_secret_or_on_request() {
        let mut desk = Desk::new();
        let line = r#"{"secret":"s","nonce":"AAEC","server_auth":"md5","server_secret":"t","server_nonce":"AwQF"}"#;
        let mut device = desk.write(line, None);
        // The device has been in a session since.
        device.imported = None;
        device.issued = Some(Nonce::new(b"issued").unwrap());
        device.server.as_mut().unwrap().nonce = Nonce::new(b"theirs").unwrap();
        assert_eq!(desk.upsert(line, Some(&device)), Ok(Upsert::Unchanged));

        let changed = desk.write(&line.replace(r#""s""#, r#""new""#), Some(&device));
        assert_eq!(changed.imported, Some(Nonce::new(&[0, 1, 2]).unwrap()));
        assert_eq!(changed.issued, None);
        assert_eq!(
            changed.server.unwrap().nonce,
            Nonce::new(b"theirs").unwrap(),
            "the server's secret is as it was"
        );

        desk.reset_nonces = true;
        let reset = desk.write(line, Some(&device));
        assert_eq!((reset.imported.is_some(), reset.issued), (true, None));
        assert_eq!(reset.server.unwrap().nonce, Nonce::new(&[3, 4, 5]).unwrap());
    }

    #[test]
    fn older_news_are_ignored_and_news_from_the_future_refused() {
        let desk = Desk::new();
        let device = desk.write(r#"{"secret":"s","as_of":"2026-11-25T01:00:00Z"}"#, None);
        assert_eq!(
            desk.upsert(r#"{"model":"A","as_of":"2026-11-25T00:59:59Z"}"#, Some(&device)),
            Ok(Upsert::Unchanged)
        );
        let newer = desk.write(r#"{"model":"A","as_of":"2026-11-25T01:00:01Z"}"#, Some(&device));
        assert_eq!(newer.model, "A");
        assert_eq!(
            desk.upsert(r#"{"model":"A","as_of":"2400-01-01T00:00:00Z"}"#, Some(&device))
                .unwrap_err()
                .key,
            "as_of"
        );
        assert_eq!(
            desk.write(r#"{"model":"B"}"#, Some(&newer)).as_of,
            Some(NOW),
            "news without an instant are of now"
        );
    }

    #[test]
    fn a_changed_user_needs_its_secret() {
        let desk = Desk::new();
        let device = desk.write(r#"{"secret":"s","user":"u"}"#, None);
        assert_eq!(desk.upsert(r#"{"user":"v"}"#, Some(&device)).unwrap_err().key, "user");
        assert_eq!(desk.upsert(r#"{"user":"u"}"#, Some(&device)), Ok(Upsert::Unchanged));
        let renamed = desk.write(r#"{"user":"v","secret":"s"}"#, Some(&device));
        assert_eq!(
            desk.opened(Purpose::DeviceSecret, &renamed.secret),
            SecretHash::of("v", "s").octets()
        );
    }

    #[test]
    fn the_servers_secret_is_a_digest_for_md5_and_the_password_for_basic() {
        let desk = Desk::new();
        let hash = |user: &str, password: &str| SecretHash::of(user, password).octets().to_vec();
        let md5 = desk
            .write(r#"{"secret":"s","server_auth":"md5","server_secret":"t"}"#, None)
            .server
            .unwrap();
        assert_eq!(md5.user, "reveille.local");
        assert_eq!(desk.opened(Purpose::ServerSecret, &md5.secret), hash("reveille.local", "t"));
        assert!(md5.notification.is_none(), "one digest serves both");

        let basic = desk
            .write(r#"{"secret":"s","server_auth":"basic","server_secret":"t"}"#, None)
            .server
            .unwrap();
        assert_eq!(desk.opened(Purpose::ServerSecret, &basic.secret), b"t");
        let notification = basic.notification.as_ref().unwrap();
        assert_eq!(
            desk.opened(Purpose::NotificationSecret, notification),
            hash("reveille.local", "t")
        );

        let other = desk
            .write(
                r#"{"secret":"s","server_auth":"md5","server_user":"v","server_secret":"t"}"#,
                None,
            )
            .server
            .unwrap();
        assert_eq!(desk.opened(Purpose::ServerSecret, &other.secret), hash("v", "t"));
        assert_eq!(
            desk.opened(Purpose::NotificationSecret, other.notification.as_ref().unwrap()),
            hash("reveille.local", "t")
        );
    }

    #[test]
    fn a_server_account_is_whole_or_refused() {
        let desk = Desk::new();
        for (line, key) in [
            (r#"{"secret":"s","server_secret":"t"}"#, "server_secret"),
            (r#"{"secret":"s","server_user":"v"}"#, "server_user"),
            (r#"{"secret":"s","server_nonce":"AAEC"}"#, "server_nonce"),
            (r#"{"secret":"s","server_auth":"md5"}"#, "server_secret"),
        ] {
            assert_eq!(desk.upsert(line, None).unwrap_err().key, key, "{line}");
        }
        let device = desk.write(r#"{"secret":"s","server_auth":"md5","server_secret":"t"}"#, None);
        assert_eq!(
            desk.upsert(r#"{"server_auth":"basic"}"#, Some(&device)).unwrap_err().key,
            "server_secret"
        );
        assert_eq!(
            desk.upsert(r#"{"server_user":"v"}"#, Some(&device)).unwrap_err().key,
            "server_user"
        );
        assert_eq!(desk.upsert(r#"{"server_auth":"md5"}"#, Some(&device)), Ok(Upsert::Unchanged));
        assert!(desk.write(r#"{"server_auth":null}"#, Some(&device)).server.is_none());
    }

    #[test]
    fn the_row_of_a_device_stays_bounded() {
        let desk = Desk::new();
        let attributes = |from: usize| {
            let all: Vec<_> =
                (from..from + 40).map(|n| format!(r#""attributes.a{n}":"x""#)).collect();
            all.join(",")
        };
        let device = desk.write(&format!(r#"{{"secret":"s",{}}}"#, attributes(0)), None);
        assert_eq!(
            desk.upsert(&format!("{{{}}}", attributes(40)), Some(&device)).unwrap_err().key,
            "attributes"
        );
        let long: Vec<_> =
            (0..20).map(|n| format!(r#""attributes.l{n}":"{}""#, "x".repeat(250))).collect();
        assert_eq!(
            desk.upsert(&format!("{{{}}}", long.join(",")), Some(&device)).unwrap_err().key,
            "attributes"
        );
    }
}
