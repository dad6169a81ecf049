//! The contract, and what only the embedded store promises: recovery after a kill, sweeping, poisoning.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::store::contract::{self, Shared};

fn fresh() -> (Shared, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Arc::new(Embedded::open(&EmbeddedConfig::new(directory.path())).unwrap()), directory)
}

contract::promises!(fresh());
