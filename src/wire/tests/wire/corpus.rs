//! What fuzzing found worth keeping (`src/wire/fuzz/corpus`), and every vector, through the doors of [`hostile`].

use crate::{hostile, vectors};
use std::{fs, path::PathBuf};

/// The files of one target's corpus.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fuzz", "corpus", target].iter().collect();
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn what_fuzzing_found_stays_found() {
    for (target, door) in hostile::DOORS {
        let files = corpus(target);
        assert!(files.len() > 2, "{target} has a corpus");
        for octets in &files {
            door(octets);
        }
    }
}

#[test]
fn every_vector_keeps_what_holds_for_any_octets() {
    for vector in vectors::messages() {
        hostile::xml(&vector.xml);
        hostile::wbxml(&vector.libwbxml);
        vector.reference.iter().for_each(|octets| hostile::wbxml(octets));
    }
    for line in vectors::lines("bad/xml.jsonl") {
        hostile::xml(&vectors::octets(vectors::text(&line, "file")));
    }
    for line in vectors::lines("bad/wbxml.jsonl") {
        hostile::wbxml(&hex::decode(vectors::text(&line, "hex")).unwrap());
    }
}
