//! Package #0 and its push message, octet for octet (C2).

use crate::vectors::{self, text};
use serde_json::Value;
use wire::{
    digest::{Nonce, SecretHash},
    notification::{Initiator, Notification, NotificationError, UiMode},
    sms::{self, Reference, Segment},
    wap_push,
};

fn octets(line: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(line, key)).unwrap()
}

/// What the vector's parameters ask for; the generator's defaults are a background session caused by the server.
fn notification(line: &Value) -> Notification {
    let number = |key: &str, default: u64| {
        u16::try_from(line["params"][key].as_u64().unwrap_or(default)).unwrap()
    };
    Notification {
        version: number("ver", 11),
        ui: match number("ui", 1) {
            0 => UiMode::NotSpecified,
            1 => UiMode::Background,
            2 => UiMode::Informative,
            _ => UiMode::Interactive,
        },
        initiator: if number("ini", 1) == 0 { Initiator::User } else { Initiator::Server },
        session_id: number("sess", 0),
        server_id: text(line, "server_id").to_owned(),
        vendor: line["params"]["vendor"]
            .as_str()
            .map(|vendor| hex::decode(vendor).unwrap())
            .unwrap_or_default(),
    }
}

fn keys(line: &Value) -> (SecretHash, Nonce) {
    let secret = SecretHash::of(text(line, "server_id"), text(line, "password"));
    (secret, Nonce::new(&octets(line, "nonce_raw_hex")).unwrap())
}

#[test]
fn every_notification_is_built_and_pushed_octet_for_octet() {
    let mut built = 0;
    for line in vectors::lines("notify/notification.jsonl") {
        // A sender writes zero into the reserved bits, so that one vector is for receivers only.
        if line["expect"] != "accept" || line["params"].get("future").is_some() {
            continue;
        }
        let (secret, nonce) = keys(&line);
        let package = notification(&line).seal(&secret, &nonce).unwrap();
        assert_eq!(hex::encode(&package), text(&line, "package0_hex"), "{}", text(&line, "id"));
        assert_eq!(hex::encode(wap_push::push(1, &package)), text(&line, "wsp_push_hex"));
        built += 1;
    }
    assert_eq!(built, 17);
}

#[test]
fn every_notification_is_accepted_or_refused_as_a_device_must() {
    let (mut accepted, mut refused) = (0, 0);
    for line in vectors::lines("notify/notification.jsonl") {
        let id = text(&line, "id");
        let pushed = octets(&line, "wsp_push_hex");
        let push = wap_push::parse(&pushed).unwrap();
        assert_eq!(push.content_type, Some(wap_push::NOTIFICATION));
        assert_eq!(push.application_id, Some(wap_push::DM_APPLICATION));
        assert_eq!(hex::encode(push.body), text(&line, "package0_hex"));
        let (secret, nonce) = keys(&line);
        let received = Notification::parse(push.body);
        if line["expect"] == "accept" {
            let received = received.unwrap_or_else(|error| panic!("{id}: {error}"));
            assert_eq!(received.notification, notification(&line), "{id}");
            assert!(received.proves(&secret, &nonce), "{id}");
            accepted += 1;
        } else {
            match (id, received) {
                ("ntf-17-bad-digest", Ok(received)) => assert!(!received.proves(&secret, &nonce)),
                ("ntf-18-length-overrun", Err(NotificationError::ServerLength { .. }))
                | ("ntf-19-too-short", Err(NotificationError::TooShort))
                | ("ntf-20-zero-length-id", Err(NotificationError::ServerName)) => {}
                (id, received) => panic!("{id}: {received:?}"),
            }
            refused += 1;
        }
    }
    assert_eq!((accepted, refused), (18, 4));
}

#[test]
fn every_push_is_cut_into_short_messages_octet_for_octet() {
    for line in vectors::lines("notify/notification.jsonl") {
        let expected: Vec<&str> = line["sms_user_data_hex"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_str().unwrap())
            .collect();
        let source = u16::try_from(line["source_port"].as_u64().unwrap()).unwrap();
        let reference = match text(&line, "id") {
            "ntf-16-three-segments-16bit" => Reference::Long(0xBEEF),
            _ => Reference::Short(0x5A),
        };
        let cut = sms::segments(&octets(&line, "wsp_push_hex"), source, reference).unwrap();
        assert_eq!(cut.iter().map(hex::encode).collect::<Vec<_>>(), expected);
        let joined: Vec<u8> = cut
            .iter()
            .flat_map(|segment| Segment::parse(segment).unwrap().payload)
            .copied()
            .collect();
        assert_eq!(joined, octets(&line, "wsp_push_hex"));
    }
}

/// The PDUs are a carrier's; what they carry is ours.
#[test]
fn the_short_messages_in_the_smpp_vectors_are_those_of_their_notifications() {
    let notifications = vectors::lines("notify/notification.jsonl");
    let mut found = 0;
    for line in vectors::lines("notify/smpp.jsonl") {
        let Some(id) = line["notification"].as_str() else { continue };
        let notification = notifications.iter().find(|line| line["id"] == id).unwrap();
        let (secret, nonce) = keys(notification);
        let push =
            wap_push::push(1, &self::notification(notification).seal(&secret, &nonce).unwrap());
        let cut = sms::segments(&push, sms::SOURCE_PORT, Reference::Short(0x5A)).unwrap();
        let pdu = octets(&line, "pdu_hex");
        assert!(cut.iter().any(|segment| pdu.ends_with(segment)), "{}", text(&line, "id"));
        found += 1;
    }
    assert_eq!(found, 4);
}

#[test]
fn a_notification_that_no_device_can_take_is_not_sent() {
    let secret = SecretHash::of("server", "secret");
    let nonce = Nonce::default();
    let good = Notification::new("server", 1, UiMode::Background);
    assert!(good.seal(&secret, &nonce).is_ok());
    for (bad, why) in [
        (Notification { session_id: 0, ..good.clone() }, NotificationError::SessionId),
        (Notification { server_id: String::new(), ..good.clone() }, NotificationError::ServerName),
        (
            Notification { server_id: "x".repeat(256), ..good.clone() },
            NotificationError::ServerName,
        ),
        (Notification { version: 1024, ..good.clone() }, NotificationError::Version(1024)),
    ] {
        assert_eq!(bad.seal(&secret, &nonce), Err(why));
    }
}
