//! What the shards' logs keep: results, sessions, faults. At least once, under ids by which a repeat is known (D8).

use crate::rows::{DeviceId, ResultRow, SessionRecord, Stored};
use serde::{Deserialize, Serialize};

/// One entry of a shard's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A job ended. Its id is (campaign sequence, device, run).
    Result { seq: u64, run: u16, device: DeviceId, result: ResultRow },
    /// A session ended (R24).
    Session { device: DeviceId, record: SessionRecord },
    /// A device reported something by itself, or refused the server's credentials.
    Fault { device: DeviceId, at: campaign::time::Instant, kind: String, detail: String },
    /// A campaign went to another state. `sequence` is the revision of the row that it left; 0 when it was accepted.
    Campaign {
        authority: String,
        id: String,
        seq: u64,
        sequence: u64,
        at: campaign::time::Instant,
        state: String,
        why: Option<String>,
    },
}

impl Stored for Event {}
