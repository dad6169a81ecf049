//! What is kept of a care job beside its device, in the device's shard: what was asked, each step, the values; a day, then
//! it is forgotten. Values, and what is to be written, are sealed.

use crate::{
    rows::{Detail, DeviceId, Sealed, Stored},
    store::{Key, Shard, Table},
};
use campaign::{Outcome, time::Instant};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{fmt, time::Duration};

/// The number of the campaign of all care jobs; the first that anybody submits has the number 1.
pub(crate) const SEQ: u64 = 0;
/// How long everything is kept after a care job was given up at the latest.
pub(crate) const KEEP: Duration = Duration::from_hours(24);
/// How long the last run of a device is known: until nothing of any run is left.
pub(crate) const KEEP_RUN: Duration = Duration::from_hours(31 * 24);

/// Names a care job: its shard, and a digest of its device and run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CareId([u8; 12]);

impl CareId {
    pub(crate) fn of(device: &DeviceId, run: u16) -> Self {
        let root = device.root();
        let mut hash = Sha256::new();
        hash.update(b"care\0");
        hash.update(run.to_be_bytes());
        hash.update(&root);
        let mut id: [u8; 12] = hash.finalize().first_chunk().copied().unwrap_or_default();
        if let Some(first) = id.first_mut() {
            *first = Shard::of(&root).number();
        }
        Self(id)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 12];
        hex::decode_to_slice(text, &mut id).ok()?;
        Some(Self(id))
    }

    /// Where its rows are.
    pub(crate) fn shard(self) -> Shard {
        let [shard, ..] = self.0;
        Shard::from(shard)
    }

    /// The row that says whose it is.
    pub(crate) fn key(self) -> Key {
        Key::new(Table::Control, [b"care\0i".as_slice(), &self.0].concat())
    }
}

impl fmt::Display for CareId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

fn key(kind: &[u8], device: &DeviceId, run: u16) -> Key {
    let id = [b"care\0", kind, &run.to_be_bytes(), &device.root()].concat();
    Key::new(Table::Control, id)
}

/// Under the id of a care job: whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WhoseRow {
    pub(crate) device: DeviceId,
    pub(crate) run: u16,
}

impl Stored for WhoseRow {}

/// The last run of a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LastRow {
    pub(crate) run: u16,
}

impl Stored for LastRow {}

impl LastRow {
    pub(crate) fn key(device: &DeviceId) -> Key {
        key(b"l", device, 0)
    }
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CareRow {
    pub(crate) purpose: String,
    pub(crate) submitted: Instant,
    /// When it is given up.
    pub(crate) until: Instant,
    /// How many of the document's settings are nodes to read; the others, so many, are to be written.
    pub(crate) reads: u8,
    pub(crate) writes: u8,
    /// A campaign's document, sealed.
    pub(crate) document: Sealed,
}

impl Stored for CareRow {}

impl CareRow {
    pub(crate) fn key(device: &DeviceId, run: u16) -> Key {
        key(b"r", device, run)
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepRow {
    pub(crate) at: Instant,
    pub(crate) attempt: u8,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) detail: Option<Detail>,
}

impl Stored for StepRow {}

impl StepRow {
    /// The row of the last step of its kind.
    pub(crate) fn key(device: &DeviceId, run: u16, kind: u8) -> Key {
        key(&[b's', kind], device, run)
    }
}

/// What was read, and what could not be; inside a [`Sealed`].
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Values {
    pub(crate) values: Vec<Value>,
    pub(crate) unread: Vec<Detail>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Value {
    pub(crate) uri: String,
    pub(crate) now: String,
    pub(crate) before: Option<String>,
    pub(crate) at: Instant,
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values({} read, {} unread)", self.values.len(), self.unread.len())
    }
}

/// The row of [`Values`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ValuesRow(pub(crate) Sealed);

impl Stored for ValuesRow {}

impl ValuesRow {
    pub(crate) fn key(device: &DeviceId, run: u16) -> Key {
        key(b"v", device, run)
    }
}

impl Values {
    /// Values of one care job.
    const MOST: usize = 512;
    /// Octets of all of them, addresses included.
    const OCTETS: usize = 128 * 1024;

    /// Takes down a value; `proof`: as it was read after the write. False when there is no room.
    pub(crate) fn keep(&mut self, uri: &str, value: &str, proof: bool, at: Instant) -> bool {
        if let Some(known) = self.values.iter_mut().find(|known| known.uri == uri) {
            let old = std::mem::replace(&mut known.now, value.to_owned());
            if proof && known.before.is_none() {
                known.before = Some(old);
            }
            known.at = at;
            return true;
        }
        let octets: usize = self
            .values
            .iter()
            .map(|known| {
                known.uri.len() + known.now.len() + known.before.as_ref().map_or(0, String::len)
            })
            .sum();
        if self.values.len() >= Self::MOST || octets + uri.len() + value.len() > Self::OCTETS {
            return false;
        }
        let (uri, value) = (uri.to_owned(), value.to_owned());
        self.values.push(Value { uri, now: value, before: None, at });
        true
    }

    /// Takes down a node that could not be read; true when that is new.
    pub(crate) fn lack(&mut self, detail: Detail) -> bool {
        let known = self.unread.iter().any(|known| known.uri == detail.uri);
        let new = !known && self.unread.len() < Self::MOST;
        if new {
            self.unread.push(detail);
        }
        new
    }
}
