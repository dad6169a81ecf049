//! What the shards' logs keep: results, sessions, faults, alerts. At least once, under ids by which a repeat is known (D8).

use crate::rows::{Detail, DeviceId, ResultRow, SessionRecord, Stored};
use serde::{Deserialize, Serialize};

/// One entry of a shard's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A job ended. Its id is (campaign sequence, device, run).
    Result { seq: u64, run: u16, device: DeviceId, result: ResultRow },
    /// A session ended (R24).
    Session { device: DeviceId, record: SessionRecord },
    /// Something is wrong with a device, such as that it refuses the server's credentials.
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
    /// A device reported something by itself: a client event (1224) or a generic alert (1226).
    Alert { device: DeviceId, at: campaign::time::Instant, alert: DeviceAlert },
    /// Something happened to a care job of a device, or a node could not be read by it.
    Care {
        device: DeviceId,
        run: u16,
        at: campaign::time::Instant,
        step: String,
        attempt: u8,
        error: bool,
        outcome: Option<campaign::Outcome>,
        detail: Option<Detail>,
    },
}

/// What a device reported by itself. Data at most [`session::Event::LONGEST_DATA`] octets, every other text at most
/// [`session::Event::LONGEST`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAlert {
    /// 1224 or 1226.
    pub code: u32,
    /// What it means, as `org.openmobilealliance.dm.firmwareupdate.download`; some client events have none.
    pub kind: Option<String>,
    /// How much it matters to the device: `fatal`, `critical`, `warning`, `informational`, …
    pub mark: Option<String>,
    /// The node that it is about.
    pub source: Option<String>,
    pub format: Option<String>,
    pub data: Option<String>,
    /// That of the command which it answers.
    pub correlator: Option<String>,
}

impl From<&session::Event> for DeviceAlert {
    fn from(event: &session::Event) -> Self {
        Self {
            code: event.code.code(),
            kind: event.kind.clone(),
            mark: event.mark.clone(),
            source: event.source.clone(),
            format: event.format.clone(),
            data: event.data.clone(),
            correlator: event.correlator.clone(),
        }
    }
}

impl Stored for Event {}
