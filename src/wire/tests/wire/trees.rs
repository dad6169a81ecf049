//! Management trees as values, in every form they travel in (R6).

use crate::vectors;
use base64::{Engine, engine::general_purpose::STANDARD};
use wire::{
    Encoding, Limits,
    message::{Command, Data, Message},
    meta::Format,
    tnds::{Kind, Node, Tree},
};

/// The tree that the first `Add` of a message carries.
fn carried(message: &Message) -> Tree {
    let data = message.commands.iter().find_map(|command| match command {
        Command::Add(edit) => edit.items.first()?.data.clone(),
        _ => None,
    });
    Tree::of(&data.unwrap()).unwrap()
}

#[test]
fn a_tree_is_the_same_in_line_as_text_and_as_a_document_in_octets() {
    let vectors = vectors::messages();
    let of = |number: &str| {
        let vector = vectors.iter().find(|vector| vector.id.starts_with(number)).unwrap();
        let read = |encoding: Encoding, octets: &[u8]| {
            carried(&encoding.read(octets, &Limits::default()).unwrap())
        };
        let forms = [
            // In line (40, 52) or in CDATA (41).
            read(Encoding::Xml, &vector.xml),
            // A document in OPAQUE (40, 52), or XML text in OPAQUE under a wrong type (41).
            read(Encoding::Wbxml, &vector.libwbxml),
            // On page 02 in line (40, 52), or as text (41).
            read(Encoding::Wbxml, vector.reference.as_ref().unwrap()),
        ];
        let [one, two, three] = forms;
        assert_eq!((&one, &one), (&two, &three), "{number}");
        one
    };
    assert_eq!(of("40-"), of("41-"), "the two vectors carry the same tree");
    let all = of("52-");
    let account = all.walk();
    let value =
        |uri: &str| account.iter().find(|(found, _)| found == uri).map(|(_, node)| (*node).clone());
    let Some(Node { value: Some(server), properties, .. }) = value("./OperatorX/ServerID") else {
        panic!("{account:#?}")
    };
    assert_eq!((server.as_str(), properties.format), ("dm.operator.example", Some(Format::Chr)));
    assert_eq!(
        value("./OperatorX").unwrap().properties.kind,
        Some(Kind::Object("urn:oma:mo:oma-dm-dmacc:1.0".into()))
    );
}

#[test]
fn a_document_in_wbxml_is_read_from_octets_and_from_their_base64_text() {
    let vectors = vectors::messages();
    let vector = vectors.iter().find(|vector| vector.id.starts_with("40-")).unwrap();
    // The document begins with its version and a public identifier that stands in its own string table.
    let start = vector.libwbxml.windows(5).position(|it| it == b"\x02\x00\x00\x6a\x1b").unwrap();
    let whole = &vector.libwbxml[start..];
    let tree = carried(&vector.message());
    assert_eq!(Tree::read(whole).unwrap(), tree);
    assert_eq!(Tree::of(&Data::Opaque(whole.to_vec())).unwrap(), tree);
    assert_eq!(Tree::of(&Data::text(STANDARD.encode(whole))).unwrap(), tree);
}

/// C3: whatever a value holds, the answer is a tree or a reason.
#[test]
fn a_damaged_tree_is_read_or_refused() {
    let vectors = vectors::messages();
    let vector = vectors.iter().find(|vector| vector.id.starts_with("40-")).unwrap();
    let start = vector.libwbxml.windows(5).position(|it| it == b"\x02\x00\x00\x6a\x1b").unwrap();
    for at in start..vector.libwbxml.len() {
        let mut octets = vector.libwbxml[start..].to_vec();
        let _verdict = Tree::read(&octets[..at - start]);
        octets[at - start] ^= 0x55;
        let _verdict = Tree::read(&octets);
    }
}
