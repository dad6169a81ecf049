//! libwbxml's own programs as judges of our octets: a codec that reads its own mistakes passes every round trip.
//!
//! What they do differently is known: attributes are lost, the type of a management tree is rewritten, and a tree in
//! line (code page 02) is not understood by their decoder.

use crate::{any_message, vectors};
use proptest::{
    prelude::ProptestConfig,
    strategy::{Strategy, ValueTree},
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use std::{fs, process::Command as Program};
use wire::{Encoding, Limits, message::Message};

/// Runs a program of libwbxml over a document.
fn converted(program: &str, options: &[&str], document: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("in"), folder.path().join("out"));
    fs::write(&from, document).unwrap();
    let output =
        Program::new(program).args(options).arg("-o").arg(&to).arg(&from).output().unwrap_or_else(
            |error| {
                panic!("{program}: {error}. Install it with `apt-get install libwbxml2-utils`.")
            },
        );
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    fs::read(to).unwrap_or_else(|error| panic!("{program} wrote nothing: {error}"))
}

fn decoded(message: &Message) -> Message {
    let octets = Encoding::Wbxml.write(message).unwrap();
    let xml = converted("wbxml2xml", &["-k", "-m", "0"], &octets);
    Encoding::Xml.read(&xml, &Limits::default()).unwrap()
}

/// Whether it has management trees in line.
fn has_trees(message: &Message) -> bool {
    let xml = String::from_utf8(Encoding::Xml.write(message).unwrap()).unwrap();
    xml.contains("<MgmtTree")
}

#[test]
fn libwbxml_reads_our_wbxml() {
    for vector in vectors::messages().into_iter().filter(|vector| !has_trees(&vector.message())) {
        let message = vectors::without_attributes(vector.message());
        assert_eq!(decoded(&message), message, "{}", vector.id);
    }
}

#[test]
fn we_read_what_libwbxml_makes_of_our_xml() {
    for vector in vectors::messages().into_iter().filter(|vector| !vector.has_tree()) {
        let message = vectors::without_attributes(vector.message());
        let xml = Encoding::Xml.write(&message).unwrap();
        // Without and with a string table.
        for options in [["-k", "-n"].as_slice(), &["-k"]] {
            let octets = converted("xml2wbxml", options, &xml);
            assert_eq!(
                Encoding::Wbxml.read(&octets, &Limits::default()).unwrap(),
                message,
                "{} {options:?}",
                vector.id
            );
        }
    }
}

#[test]
fn libwbxml_reads_generated_messages() {
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, b"thirty-two octets, the same ever");
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), seed);
    let mut any = || any_message::message().new_tree(&mut runner).unwrap().current();
    let without_trees = std::iter::repeat_with(&mut any).filter(|message| !has_trees(message));
    for message in without_trees.take(32) {
        assert_eq!(decoded(&message), message);
    }
}
