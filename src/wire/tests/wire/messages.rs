//! Every valid message (C3): SyncML DM 1.1.2, 1.2 and 1.3, XML and WBXML.

use crate::vectors::{self, without_attributes};
use wire::{
    Encoding, Limits,
    message::{Command, Data, Message, Version},
};

fn wbxml(id: &str, octets: &[u8]) -> Message {
    Encoding::Wbxml.read(octets, &Limits::default()).unwrap_or_else(|error| panic!("{id}: {error}"))
}

#[test]
fn every_message_survives_xml() {
    for vector in vectors::messages() {
        let message = vector.message();
        let written = Encoding::Xml.write(&message).unwrap();
        let again = Encoding::Xml.read(&written, &Limits::default()).unwrap();
        assert_eq!(again, message, "{}", vector.id);
    }
}

#[test]
fn every_message_is_the_same_in_wbxml_whoever_encoded_it() {
    for vector in vectors::messages() {
        let message = without_attributes(vector.message());
        if let Some(reference) = &vector.reference {
            assert_eq!(wbxml(&vector.id, reference), message, "{}, reference", vector.id);
        }
        let mut by_libwbxml = wbxml(&vector.id, &vector.libwbxml);
        if vector.has_tree() {
            restore_type(&mut by_libwbxml);
        }
        assert_eq!(by_libwbxml, message, "{}, libwbxml", vector.id);
    }
}

#[test]
fn every_message_is_written_in_wbxml_octet_for_octet_as_the_reference() {
    for vector in vectors::messages() {
        let written = Encoding::Wbxml.write(&vector.message()).unwrap();
        let expected = vector.reference.as_ref().unwrap_or(&vector.libwbxml);
        assert_eq!(hex::encode(&written), hex::encode(expected), "{}", vector.id);
    }
}

#[test]
fn the_versions_of_the_protocol_are_told_apart() {
    for (id, version) in [("01", Version::Dm12), ("42", Version::Dm11), ("43", Version::Dm13)] {
        let vector =
            vectors::messages().into_iter().find(|vector| vector.id.starts_with(id)).unwrap();
        assert_eq!(vector.message().header.version, version);
    }
}

#[test]
fn a_failed_windows_status_keeps_its_original_error() {
    let vector =
        vectors::messages().into_iter().find(|vector| vector.id.starts_with("48")).unwrap();
    let message = vector.message();
    let attributes = message.commands.iter().find_map(|command| match command {
        Command::Status(status) if !status.code_attributes.is_empty() => {
            Some(&status.code_attributes)
        }
        _ => None,
    });
    let expected = [
        ("msft:originalerror", "0x86000002"),
        ("xmlns:msft", "http://schemas.microsoft.com/MobileDevice/MDM"),
    ];
    assert_eq!(
        attributes.unwrap(),
        &expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    let written = String::from_utf8(Encoding::Xml.write(&message).unwrap()).unwrap();
    assert!(written.contains(r#"<Data msft:originalerror="0x86000002" xmlns:msft="http://schemas.microsoft.com/MobileDevice/MDM">404</Data>"#));
}

/// The size that a command adds is never told too small, and close.
#[test]
fn the_size_of_a_command_is_known_before_it_is_sent() {
    for vector in vectors::messages() {
        let mut message = vector.message();
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let whole = encoding.write(&message).unwrap().len();
            let commands: usize =
                message.commands.iter().map(|each| encoding.command_octets(each).unwrap()).sum();
            let all = std::mem::take(&mut message.commands);
            let empty = encoding.write(&message).unwrap().len();
            message.commands = all;
            assert!(whole <= empty + commands, "{} {encoding:?}", vector.id);
            assert!(
                empty + commands <= whole + 2 * message.commands.len() + 2,
                "{} {encoding:?}",
                vector.id
            );
        }
    }
}

fn restore_type(message: &mut Message) {
    for command in &mut message.commands {
        let Command::Add(edit) = command else { continue };
        for item in &mut edit.items {
            assert!(matches!(item.data, Some(Data::Elements(_) | Data::Text(_))));
            let media_type = item.meta.media_type.as_mut().unwrap();
            *media_type = media_type.replace("+wbxml", "+xml").into();
        }
    }
}
