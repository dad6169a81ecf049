//! Every key of a line: what is understood, what is refused and how it is blamed.

use super::{
    super::line::{Header, json_cells},
    *,
};
use proptest::prelude::*;

fn read(json: &str) -> Result<Record, Fault> {
    json_cells(json.as_bytes()).and_then(|cells| Record::read(cells, Some("operator")))
}

#[test]
fn a_line_with_every_key_is_understood() {
    let record = read(
        r#"{"device":"IMEI:1","authority":"operator","auth":"basic","user":"u","secret":"s","nonce":"AAEC",
            "server_auth":"md5","server_user":"v","server_secret":"t","server_nonce":"AwQF","msisdn":"+447700900123",
            "imsi":"234150999999999","address":"192.0.2.7:2948","cert_sha256":"AB:CD","encoding":"xml",
            "manufacturer":"Acme","model":"RV-100","firmware":"1.2","dm_version":"1.2","time_zone":"Europe/Berlin",
            "groups":"gold; test","attributes.plan":"gold","as_of":"2026-11-25T01:00:00Z"}"#
            .replace("AB:CD", &"ab".repeat(32))
            .as_str(),
    )
    .unwrap();
    assert_eq!(record.id, DeviceId::new("operator", "IMEI:1"));
    assert_eq!(record.auth, Some(Auth::Basic));
    assert_eq!(
        record.numbers().map(Number::digits).collect::<Vec<_>>(),
        ["447700900123", "234150999999999"]
    );
    assert_eq!(record.groups, Some(vec!["gold".to_owned(), "test".into()]));
    assert_eq!(record.cert_sha256, Said::Is([0xAB; 32]));
    assert_eq!(record.attributes.get("plan"), Some(&Some("gold".into())));
}

#[test]
fn each_wrong_key_is_named_with_what_to_do() {
    for (key, value) in [
        ("device", r#""msisdn:447700900123""#),
        ("authority", r#""other""#),
        ("auth", r#""tls""#),
        ("auth", r#""MD5""#),
        ("user", r#""""#),
        ("secret", "null"),
        ("nonce", r#""not base64!""#),
        ("server_auth", r#""none""#),
        ("server_nonce", r#""""#),
        ("msisdn", r#""44 7700""#),
        ("imsi", "[]"),
        ("address", r#""phone.example:2948""#),
        ("address", r#""0.0.0.0:2948""#),
        ("cert_sha256", r#""abcd""#),
        ("encoding", r#""json""#),
        ("model", r#""a\u0000b""#),
        ("groups", "[1]"),
        ("attributes.1st", r#""x""#),
        ("attributes.plan", "{}"),
        ("as_of", r#""yesterday""#),
        ("modell", r#""x""#),
    ] {
        let device = if key == "device" { "" } else { r#""device":"IMEI:1","# };
        let fault = read(&format!("{{{device}\"{key}\":{value}}}")).unwrap_err();
        assert_eq!(fault.key, key, "{fault:?}");
        assert!(!fault.what.is_empty() && !fault.help.is_empty(), "{fault:?}");
    }
    assert_eq!(read("{}").unwrap_err().key, "device");
    let cells = json_cells(br#"{"device":"IMEI:1"}"#).unwrap();
    assert_eq!(Record::read(cells, None).unwrap_err().key, "authority");
}

#[test]
fn a_record_shows_neither_secrets_nor_numbers() {
    let record = read(r#"{"device":"IMEI:1","secret":"geheim","msisdn":"447700900123"}"#).unwrap();
    let shown = format!("{record:?} {:?} {:?}", record.secret, record.msisdn);
    assert!(!shown.contains("geheim") && !shown.contains("447700900123"), "{shown}");
}

/// What lines may say of a key that is not text alone.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just(r#""md5""#.to_owned()),
    ]
}

proptest! {
    /// Bad input: any line at all yields a record, or an error that names its key or the whole line.
    #[test]
    fn any_line_is_a_record_or_an_error(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(fault) = json_cells(&line).and_then(|cells| Record::read(cells, Some("a"))) {
            prop_assert!(!fault.what.is_empty());
        }
        let header = Header::parse(b"device,secret,groups,attributes.x", is_known).unwrap();
        if let Err(fault) = header.cells(&line).and_then(|cells| Record::read(cells, Some("a"))) {
            prop_assert!(!fault.what.is_empty());
        }
    }

    #[test]
    fn a_bad_value_is_blamed_on_its_key(key in prop::sample::select(KEYS.to_vec()), value in value()) {
        let line = if key == "device" {
            format!(r#"{{"device":{value}}}"#)
        } else {
            format!(r#"{{"device":"IMEI:1","{key}":{value}}}"#)
        };
        match read(&line) {
            Ok(record) => prop_assert!(is_device_name(&record.id.device)),
            Err(fault) => prop_assert_eq!(fault.key, key),
        }
    }
}
