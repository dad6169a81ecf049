//! The messages that the benches read and write.

use std::{fs, path::PathBuf};
use wire::{Encoding, Limits, message::Message};

/// A message in its three forms; both encodings as we write them.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) message: Message,
    pub(crate) xml: Vec<u8>,
    pub(crate) wbxml: Vec<u8>,
}

/// Every valid vector, in order.
pub(crate) fn samples() -> Vec<Sample> {
    let folder: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "tests", "vectors", "syncml"].iter().collect();
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the vectors are beside the source")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|end| end == "xml"))
        .collect();
    files.sort();
    files.iter().map(sample).collect()
}

fn sample(path: &PathBuf) -> Sample {
    let indented = fs::read(path).expect("a readable file");
    let message = Encoding::Xml.read(&indented, &Limits::default()).expect("a valid message");
    Sample {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        xml: Encoding::Xml.write(&message).expect("it came as XML"),
        wbxml: Encoding::Wbxml.write(&message).expect("WBXML carries all"),
        message,
    }
}
