//! Reads the files under `tests/vectors`.

use serde_json::Value;
use std::{fs, path::PathBuf};
use wire::{Encoding, Limits, message::Message};

pub(crate) fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "vectors", name].iter().collect()
}

pub(crate) fn octets(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn hex(name: &str) -> Vec<u8> {
    let text = String::from_utf8(octets(name)).unwrap();
    hex::decode(text.trim()).unwrap()
}

/// One JSON value a line.
pub(crate) fn lines(name: &str) -> Vec<Value> {
    let text = String::from_utf8(octets(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn text<'a>(line: &'a Value, key: &str) -> &'a str {
    line[key].as_str().unwrap_or_else(|| panic!("no {key} in {line}"))
}

/// A valid message in its three forms.
pub(crate) struct Vector {
    pub(crate) id: String,
    pub(crate) xml: Vec<u8>,
    /// By an independent encoder, where it differs from libwbxml.
    pub(crate) reference: Option<Vec<u8>>,
    pub(crate) libwbxml: Vec<u8>,
}

impl Vector {
    pub(crate) fn message(&self) -> Message {
        Encoding::Xml
            .read(&self.xml, &Limits::default())
            .unwrap_or_else(|error| panic!("{}: {error}", self.id))
    }

    /// Where libwbxml rewrites the type of a management tree to `…+wbxml`, right or wrong.
    pub(crate) fn has_tree(&self) -> bool {
        ["40-", "41-", "52-"].iter().any(|number| self.id.starts_with(number))
    }
}

/// The message as it is without attributes, which WBXML cannot carry.
pub(crate) fn without_attributes(mut message: Message) -> Message {
    for command in &mut message.commands {
        if let wire::message::Command::Status(status) = command {
            status.code_attributes.clear();
        }
    }
    message
}

pub(crate) fn messages() -> Vec<Vector> {
    let index = lines("index.jsonl");
    let valid = index.iter().filter(|line| line["kind"] == "syncml");
    let vectors: Vec<_> = valid
        .map(|line| Vector {
            id: text(line, "id").to_owned(),
            xml: octets(text(line, "xml")),
            reference: text(line, "ref")
                .strip_suffix(".ref.hex")
                .map(|name| hex(&format!("{name}.ref.hex"))),
            libwbxml: hex(text(line, "libwbxml")),
        })
        .collect();
    assert_eq!(vectors.len(), 53);
    vectors
}
