//! Bootstrap messages and provisioning documents, octet for octet (R27: who sent them is proven).

use crate::vectors::{self, text};
use serde_json::Value;
use wire::{
    Encoding, Limits, ReadError,
    bootstrap::{
        self, Key, Parm, Protection, Provisioning, ProvisioningError, Security, proves_typed,
    },
    message::Command,
    sms::{self, Reference},
    tnds::Tree,
    wap_push,
};

fn line(id: &str) -> Value {
    let lines = vectors::lines("bootstrap/bootstrap.jsonl");
    lines.into_iter().find(|line| line["id"] == id).unwrap()
}

fn document() -> Vec<u8> {
    vectors::hex("bootstrap/cp-w7.wbxml.hex")
}

/// The key that the vector describes in words, made from what it gives.
fn key(line: &Value) -> Key {
    let security = Security::from_name(text(line, "sec_name")).unwrap();
    let (imsi, pin) = (line["imsi"].as_str(), line["pin"].as_str());
    Key::candidates(security, imsi, pin).swap_remove(0)
}

#[test]
fn a_provisioning_document_is_the_same_in_wbxml_and_in_xml() {
    let xml = String::from_utf8(vectors::octets("bootstrap/cp-w7.xml")).unwrap();
    let document = Provisioning::from_wbxml(&document()).unwrap();
    assert_eq!(document, Provisioning::from_xml(&xml).unwrap());
    assert_eq!(document.to_xml().unwrap().trim_end(), xml.trim_end());
    let application = document.characteristics.iter().find(|it| it.kind == "APPLICATION").unwrap();
    assert_eq!(application.parm("APPID"), Some("w7"));
    assert_eq!(application.parm("PROVIDER-ID"), Some("dm.operator.example"));
    let auth: Vec<_> = application.inner.iter().filter(|it| it.kind == "APPAUTH").collect();
    assert_eq!(auth[0].parm("AAUTHLEVEL"), Some("APPSRV"));
    assert_eq!(auth[1].parm("AAUTHNAME"), Some("dm.operator.example"));
    assert!(!format!("{document:?}").contains("Kq7-client-secret"));
}

#[test]
fn a_provisioning_document_is_written_as_devices_know_it() {
    let read = Provisioning::from_wbxml(&document()).unwrap();
    let written = read.to_wbxml();
    assert_eq!(Provisioning::from_wbxml(&written).unwrap(), read);
    // The vector's DIGEST is a token of page 01 that older tables number otherwise; we write it as text and switch the
    // page for the next name again.
    let expected = hex::encode(document())
        .replace("06000193018731", &format!("0603{}000187000131", hex::encode("DIGEST")));
    assert_eq!(hex::encode(written), expected);
}

#[test]
fn every_provisioning_push_is_built_proven_and_cut_octet_for_octet() {
    for id in ["boot-cp-netwpin", "boot-cp-userpin", "boot-cp-usernetwpin"] {
        let line = line(id);
        let key = key(&line);
        let security = Security::from_name(text(&line, "sec_name")).unwrap();
        assert_eq!(u64::from(security.number()), line["sec"].as_u64().unwrap());
        let protection = Protection::new(security, &key, &document());
        assert_eq!(protection.mac().as_deref(), line["mac_hex_text"].as_str(), "{id}");
        let octets = bootstrap::push(1, &protection, &document());
        assert_eq!(hex::encode(&octets), text(&line, "wsp_push_hex"), "{id}");

        let push = wap_push::parse(&octets).unwrap();
        assert_eq!((push.content_type, push.body), (Some(0x36), document().as_slice()));
        let read = Protection::of_push(&push).unwrap().unwrap();
        assert_eq!(read, protection);
        assert!(read.proves(&key, push.body), "{id}");
        assert!(!read.proves(&Key::of_text("0000"), push.body), "{id}");
        assert!(!read.proves(&key, &push.body[1..]), "{id}");

        let cut = sms::segments(&octets, sms::SOURCE_PORT, Reference::Short(0x21)).unwrap();
        let cut: Vec<_> = cut.iter().map(hex::encode).collect();
        assert_eq!(serde_json::to_value(cut).unwrap(), line["sms_user_data_hex"], "{id}");
    }
}

#[test]
fn the_user_types_a_pin_and_the_digits_that_belong_to_it() {
    let line = line("boot-cp-userpinmac");
    let body = document();
    assert_eq!(Key::of_text(text(&line, "k")).digits(&body), text(&line, "derived_digits"));
    assert_eq!(proves_typed(text(&line, "user_types"), &body), Ok(true));
    assert_eq!(proves_typed("83420463", &body), Ok(false));
}

#[test]
fn every_bootstrap_message_is_proven_by_its_key_and_read() {
    for line in vectors::lines("bootstrap/bootstrap.jsonl") {
        if line["profile"] != "OMA DM" {
            continue;
        }
        let id = text(&line, "id");
        let body = vectors::hex(text(&line, "body"));
        let protection = Protection::of_content_type(text(&line, "content_type")).unwrap().unwrap();
        assert_eq!(protection.mac().as_deref(), line["mac_hex_text"].as_str());
        let keys = Key::candidates(protection.security, Some("234159876543210"), Some("4711"));
        // The octets of the network's id differ between operators, so more than one key may be tried.
        assert!(keys.iter().any(|key| protection.proves(key, &body)), "{id}");
        let secret = hex::decode(text(&line, "key_hex")).unwrap();
        if let Ok(secret) = std::str::from_utf8(&secret).map(Key::of_text) {
            assert_eq!(protection.proves(&secret, &body), !id.ends_with("semioctet"), "{id}");
        }
        let message = Encoding::Wbxml.read(&body, &Limits::default()).unwrap();
        let [Command::Add(add), ..] = message.commands.as_slice() else { panic!("{message:?}") };
        assert!(Tree::of(add.items[0].data.as_ref().unwrap()).is_ok());
    }
}

/// C3
#[test]
fn a_hostile_document_is_refused_with_the_place() {
    let of = |octets: &[u8]| Provisioning::from_wbxml(octets).unwrap_err().to_string();
    let cause = |octets: &[u8]| match Provisioning::from_wbxml(octets).unwrap_err() {
        ProvisioningError::Document(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!(
        of(b"\x03\xA4\x01\x6A\x00"),
        "the public identifier 0x1201 is not that of a provisioning document"
    );
    assert_eq!(
        of(b"\x03\x0B\x6A\x00\x46\x01"),
        "the root element is \"characteristic\" and not wap-provisioningdoc"
    );
    assert_eq!(
        of(b"\x03\x0B\x6A\x00\x00\x02\x45\x01"),
        "at octet 5: code page 2 is not of provisioning documents"
    );
    assert!(matches!(cause(b"\x03\x0B\x6A\x00\x45\x3F"), ReadError::Token { at: 5, token: 0x3F }));
    assert!(matches!(cause(b"\x03\x0B\x6A\x00\xC5\x45\x03"), ReadError::Truncated));
    let deep = [b"\x03\x0B\x6A\x00\x45".as_slice(), &[0x46; 1000]].concat();
    assert!(matches!(cause(&deep), ReadError::TooDeep { limit: 16, .. }));
    // 4 KiB of table, referred to as often as the document allows
    let mut bomb = b"\x03\x0B\x6A\x9F\x7F".to_vec();
    bomb.extend([b'a'; 0xFFF]);
    bomb.extend(b"\xC5\x45");
    bomb.extend(b"\x83\x00".repeat(1000));
    assert!(matches!(cause(&bomb), ReadError::TooMuchText { .. }));
    let whole = document();
    for at in 0..whole.len() {
        assert!(Provisioning::from_wbxml(&whole[..at]).is_err(), "{at}");
        let mut damaged = whole.clone();
        damaged[at] ^= 0x41;
        let _verdict = Provisioning::from_wbxml(&damaged);
    }
}

#[test]
fn what_a_document_holds_survives_being_written() {
    let mut document = Provisioning::from_wbxml(&document()).unwrap();
    document.version = None;
    document.characteristics[1].kind = "X-OWN".to_owned();
    document.characteristics[1].parms.push(Parm { name: "INIT".to_owned(), value: None });
    let odd = Parm { name: "X-\u{e9}".to_owned(), value: Some("a\0\"<&>b".to_owned()) };
    document.characteristics[0].parms.push(odd);
    assert_eq!(Provisioning::from_wbxml(&document.to_wbxml()).unwrap(), document);
    assert!(matches!(document.to_xml(), Err(ProvisioningError::Character('\0'))));
    document.characteristics[0].parms.pop();
    assert_eq!(Provisioning::from_xml(&document.to_xml().unwrap()).unwrap(), document);
    assert_eq!(
        Provisioning::from_wbxml(&Provisioning::default().to_wbxml()).unwrap(),
        Provisioning::default()
    );
}
