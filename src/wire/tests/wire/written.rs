//! The form of what we write: each rule was learnt from a client that fails without it.

use crate::vectors;
use wire::{
    Encoding, Limits, WriteError,
    message::{Command, Data, Edit, Element, Item, Message},
    meta::{Format, Meta},
};

fn any() -> Message {
    vectors::messages().swap_remove(0).message()
}

fn with_value(data: Data) -> Message {
    let meta = Meta::with_format(Format::Chr);
    let item = Item { meta, data: Some(data), ..Item::at("./A") };
    Message {
        commands: vec![Command::Replace(Edit { items: vec![item], ..Edit::default() })],
        ..any()
    }
}

fn xml(message: &Message) -> String {
    String::from_utf8(Encoding::Xml.write(message).unwrap()).unwrap()
}

#[test]
fn nothing_stands_before_the_declaration_or_after_the_root_element() {
    for vector in vectors::messages() {
        let text = xml(&vector.message());
        assert!(text.starts_with(
            r#"<?xml version="1.0" encoding="UTF-8"?><SyncML xmlns="SYNCML:SYNCML1."#
        ));
        assert!(
            text.ends_with("</SyncML>") && !text.contains("> <") && !text.contains("<![CDATA[")
        );
    }
}

#[test]
fn each_child_of_meta_carries_its_namespace() {
    for vector in vectors::messages() {
        let text = xml(&vector.message());
        for name in ["Format", "Type", "Size", "NextNonce", "MaxMsgSize", "MaxObjSize", "Mark"] {
            let (bare, whole) = (format!("<{name}>"), format!("<{name} xmlns=\"syncml:metinf\">"));
            // A management tree has its own elements of these names, declared at its root.
            let below_tree = text.split_once("<MgmtTree").map_or("", |(_, rest)| rest);
            assert_eq!(
                text.matches(&bare).count(),
                below_tree.matches(&bare).count(),
                "{} {name}",
                vector.id
            );
            assert!(!text.contains(&format!("<{name} ")) || text.contains(&whole));
        }
        assert!(!text.contains("<Meta xmlns"));
    }
}

#[test]
fn only_the_references_that_clients_understand_are_used() {
    let text = xml(&with_value(Data::text("a&b <c> \"d\" 'e'\n\tf]]>ü\u{85}")));
    assert!(text.contains("<Data>a&amp;b &lt;c&gt; \"d\" 'e'\n\tf]]&gt;ü\u{85}</Data>"));
    let quoted = Element {
        name: "x".into(),
        attributes: vec![("y".into(), "\"&<>".into())],
        ..Element::default()
    };
    assert!(
        xml(&with_value(Data::Elements(vec![quoted]))).contains(r#"<x y="&quot;&amp;&lt;&gt;"/>"#)
    );
}

#[test]
fn what_xml_cannot_carry_is_refused_and_wbxml_carries_it() {
    for character in ['\r', '\0', '\u{1}', '\u{1F}', '\u{FFFE}'] {
        let message = with_value(Data::text(format!("a{character}b")));
        assert_eq!(Encoding::Xml.write(&message), Err(WriteError::Character(character)));
        let octets = Encoding::Wbxml.write(&message).unwrap();
        assert_eq!(Encoding::Wbxml.read(&octets, &Limits::default()).unwrap(), message);
    }
}

#[test]
fn an_empty_value_is_an_empty_element() {
    let message = with_value(Data::text(""));
    assert!(xml(&message).contains("</Meta><Data/></Item>"));
    let octets = Encoding::Wbxml.write(&message).unwrap();
    assert!(
        octets.windows(4).any(|window| window == [0x00, 0x00, 0x0F, 0x01]),
        "page 00, Data, end of Item"
    );
}

#[test]
fn binary_values_are_octets_in_wbxml_and_base64_in_xml() {
    let mut message = with_value(Data::Opaque(vec![0, 1, 2, 255]));
    let Command::Replace(edit) = &mut message.commands[0] else { unreachable!() };
    edit.items[0].meta.format = Some(Format::Bin);
    assert!(xml(&message).contains("<Data>AAEC/w==</Data>"));
    let octets = Encoding::Wbxml.write(&message).unwrap();
    assert!(octets.windows(7).any(|window| window == [0x4F, 0xC3, 4, 0, 1, 2, 255]));
    assert_eq!(Encoding::Wbxml.read(&octets, &Limits::default()).unwrap(), message);
}

#[test]
fn wbxml_begins_as_every_client_expects() {
    for vector in vectors::messages() {
        let message = vector.message();
        let octets = Encoding::Wbxml.write(&message).unwrap();
        let public_id: [u8; 2] =
            if message.header.version.dtd() == "1.1" { [0x9F, 0x53] } else { [0xA4, 0x01] };
        let beginning = [&[0x02], public_id.as_slice(), &[0x6A, 0x00, 0x6D, 0x6C, 0x71]].concat();
        assert!(octets.starts_with(&beginning), "{}", vector.id);
    }
}

#[test]
fn a_name_that_no_code_page_has_goes_through_a_string_table() {
    let unknown = Element { name: "VendorThing".into(), ..Element::default() };
    let twice = vec![Command::Unknown(unknown.clone()), Command::Unknown(unknown)];
    let message = Message { commands: twice, ..any() };
    let octets = Encoding::Wbxml.write(&message).unwrap();
    assert!(octets.starts_with(b"\x02\xA4\x01\x6A\x0CVendorThing\0\x6D"));
    assert_eq!(Encoding::Wbxml.read(&octets, &Limits::default()).unwrap(), message);
}
