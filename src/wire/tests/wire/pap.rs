//! The documents between us and a push proxy gateway, octet for octet (C2).

use crate::vectors;
use std::path::Path;
use wire::pap::{
    Address, BadMessage, Class, Code, Content, Document, MessageState, Pap, PapError, Parts,
    Priority, PushMessage, QualityOfService, StatusQuery,
};

const PUSH_ID: &str = "dm-1a2-447700900123@dm.operator.example";

fn read(name: &str) -> Document {
    Pap::parse(&vectors::octets(&format!("pap/{name}.xml"))).unwrap().document
}

fn push() -> PushMessage {
    PushMessage {
        push_id: PUSH_ID.to_owned(),
        addresses: vec![Address::of_number("447700900123", "ppg.operator.example")],
        deliver_before: Some("2024-05-01T11:00:00Z".to_owned()),
        deliver_after: Some("2024-05-01T10:00:00Z".to_owned()),
        source_reference: Some("dm".to_owned()),
        progress_notes: Some(false),
        notify_requested_to: Some("https://dm.operator.example/pap/notify".to_owned()),
        quality: Some(QualityOfService::short_message(Priority::High)),
    }
}

fn package0() -> Vec<u8> {
    let lines = vectors::lines("notify/notification.jsonl");
    let line = lines.iter().find(|line| line["id"] == "ntf-02-server-initiated").unwrap();
    hex::decode(vectors::text(line, "package0_hex")).unwrap()
}

#[test]
fn a_push_is_composed_octet_for_octet_and_comes_apart_again() {
    let package = package0();
    let content = Content::notification(&package);
    let body = push().compose(Some("dm-server"), &content, "dm-boundary-7f3a").unwrap();
    let expected = vectors::hex("pap/01-push-message.http-body.hex");
    assert_eq!(String::from_utf8_lossy(&body.octets), String::from_utf8_lossy(&expected));
    assert_eq!(body.octets, expected);
    assert_eq!(
        body.content_type,
        "multipart/related; boundary=dm-boundary-7f3a; type=\"application/xml\""
    );
    let parts = Parts::parse(&expected).unwrap();
    let [control, pushed] = parts.parts.as_slice() else { panic!("{parts:?}") };
    assert_eq!(pushed.octets, package);
    assert_eq!(pushed.header("X-WAP-Application-Id"), Some("x-wap-application:syncml.dm"));
    assert_eq!(Pap::parse(control.octets).unwrap().document, Document::Push(push()));
}

#[test]
fn every_document_is_read_and_written_again_octet_for_octet() {
    let mut documents = 0;
    for line in vectors::lines("index.jsonl") {
        let file = line["file"].as_str().unwrap_or_default();
        if line["kind"] != "pap" || Path::new(file).extension() == Some("hex".as_ref()) {
            continue;
        }
        let octets = vectors::octets(file);
        let document = Pap::parse(&octets).unwrap_or_else(|error| panic!("{file}: {error}"));
        // The files end their lines as files do, the wire as mail does.
        let expected = String::from_utf8(octets).unwrap().replace('\n', "\r\n");
        assert_eq!(document.write().unwrap(), expected, "{file}");
        assert_eq!(Pap::parse(expected.as_bytes()).unwrap(), document, "{file}");
        documents += 1;
    }
    assert_eq!(documents, 13);
}

#[test]
fn an_answer_says_what_became_of_the_push() {
    let Document::PushResponse(accepted) = read("02-push-response-accepted") else { panic!() };
    assert_eq!((accepted.push_id.as_str(), accepted.code), (PUSH_ID, Code::Accepted));
    assert_eq!(accepted.code.class(), Class::Success);
    let Document::PushResponse(refused) = read("03-push-response-address-error") else { panic!() };
    assert_eq!((refused.code, refused.code.class()), (Code::AddressError, Class::RequestError));
    assert_eq!(refused.progress[0].note.as_deref(), Some("bad msisdn"));
    let Document::Bad(BadMessage { code, fragment, .. }) = read("04-badmessage-response") else {
        panic!()
    };
    assert_eq!((code, fragment.as_deref()), (Code::BadRequest, Some("<push-messag")));
}

#[test]
fn a_result_is_told_and_the_answer_to_it_is_known() {
    for (name, state, code) in [
        ("05-resultnotification-delivered", MessageState::Delivered, 1000),
        ("06-resultnotification-expired", MessageState::Expired, 4000),
        ("07-resultnotification-undeliverable", MessageState::Undeliverable, 3010),
        ("08-resultnotification-aborted", MessageState::Aborted, 5028),
    ] {
        let Document::Result(result) = read(name) else { panic!("{name}") };
        assert_eq!((&result.state, result.code.code()), (&state, code), "{name}");
        assert_eq!(
            Document::ResultResponse(result.heard()),
            read("09-resultnotification-response")
        );
        assert!(!format!("{result:?}").contains("+447700900123"), "numbers are not printed");
    }
    let Document::StatusQueryResponse(response) = read("13-statusquery-response") else { panic!() };
    assert_eq!(response.results[0].state, Some(MessageState::Pending));
    let query = StatusQuery { push_id: PUSH_ID.to_owned(), addresses: Vec::new() };
    assert_eq!(read("12-statusquery-message"), Document::StatusQuery(query));
}

/// C3: a gateway, or who says it is one, gets nothing but an error.
#[test]
fn what_is_no_document_is_refused_with_its_reason() {
    let of = |text: &str| Pap::parse(text.as_bytes()).map_err(|error| error.to_string());
    let many = "<address address-value=\"a\"/>".repeat(300);
    for (text, told) in [
        ("<pap/>", "pap holds no document"),
        ("<html/>", "the root element is \"html\" and not pap"),
        ("<pap><ccq-message/></pap>", "\"ccq-message\" is no document that is known here"),
        ("<pap><push-message push-id=\"1\"/></pap>", "push-message lacks address"),
        ("<pap><push-response push-id=\"1\"/></pap>", "push-response lacks response-result"),
        ("<pap><badmessage-response/></pap>", "badmessage-response lacks code"),
        (
            "<pap><badmessage-response code=\"2OOO\"/></pap>",
            "code of badmessage-response is no number of four digits",
        ),
        (
            &format!("<pap><cancel-message push-id=\"1\">{many}</cancel-message></pap>"),
            "more than 256 addresses, notes or results",
        ),
    ] {
        assert_eq!(of(text), Err(told.to_owned()), "{text}");
    }
    let xxe = "<!DOCTYPE pap [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><pap><badmessage-response code=\"&x;\"/></pap>";
    assert!(matches!(Pap::parse(xxe.as_bytes()), Err(PapError::Xml(_))));
    assert!(matches!(Pap::parse(&vec![b' '; 1024 * 1024]), Err(PapError::Xml(_))));
    let deep = format!("<pap>{}", "<a>".repeat(10_000));
    assert!(matches!(Pap::parse(deep.as_bytes()), Err(PapError::Xml(_))));
}

#[test]
fn a_damaged_document_is_read_or_refused() {
    let octets = vectors::octets("pap/05-resultnotification-delivered.xml");
    for at in 0..octets.len() {
        let _verdict = Pap::parse(&octets[..at]);
        let mut damaged = octets.clone();
        damaged[at] ^= 0x15;
        let _verdict = Pap::parse(&damaged);
        let _verdict = Parts::parse(&damaged[at..]);
    }
}
