//! What an upsert promises: only what is named changes, nonces stay, rows stay bounded.

use super::{
    super::{line::json_cells, record::Record},
    *,
};
use crate::{config::Config, rows::DeviceId};
use wire::digest::Nonce;

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
        let cells = json_cells(json.replacen('{', r#"{"device":"IMEI:1","#, 1).as_bytes()).unwrap();
        let record = Record::read(cells, Some("operator")).unwrap();
        let authority = self.config.authority("operator").unwrap();
        let grounds =
            Grounds { vault: &self.vault, authority, reset_nonces: self.reset_nonces, now: NOW };
        upsert(record, known, &grounds).map_err(|error| match error {
            UpsertError::Fault(fault) => fault,
            UpsertError::Registry(error) => panic!("{error}"),
        })
    }

    fn write(&self, json: &str, known: Option<&Device>) -> Device {
        match self.upsert(json, known).unwrap() {
            Upsert::Write(device) => *device,
            Upsert::Unchanged | Upsert::Older => panic!("not written"),
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
    let third = desk
        .write(r#"{"firmware":null,"groups":""}"#.replace("\"\"", "null").as_str(), Some(&second));
    assert!(third.firmware.is_empty() && third.groups.is_empty() && third.model == "B");
}

#[test]
fn the_same_line_again_changes_nothing_not_even_what_is_sealed() {
    let desk = Desk::new();
    let line =
        r#"{"secret":"s","server_auth":"basic","server_secret":"t","model":"A","nonce":"AAEC"}"#;
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
        Ok(Upsert::Older)
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
    assert_eq!(desk.opened(Purpose::NotificationSecret, notification), hash("reveille.local", "t"));

    let other = desk
        .write(r#"{"secret":"s","server_auth":"md5","server_user":"v","server_secret":"t"}"#, None)
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
        let all: Vec<_> = (from..from + 40).map(|n| format!(r#""attributes.a{n}":"x""#)).collect();
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
