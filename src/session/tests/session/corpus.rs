//! What fuzzing found worth keeping (`src/wire/fuzz/corpus/session`): conversations that once did something new.

use crate::hostile;
use std::{fs, path::Path};

/// C3, R7: replies that can be written, writes within the work, and an end.
#[test]
fn what_fuzzing_found_stays_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/fuzz/corpus/session");
    let mut files = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        hostile::drive(&fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files > 3);
}
