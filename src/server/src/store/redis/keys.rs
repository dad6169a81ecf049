//! How the store lies in Redis: the names of keys, and the octets before a row.
//!
//! Every key starts with its shard's hash tag. Rows of most tables are fields of bucketed hashes, which Redis keeps as
//! listpacks: a third less memory than a key for each row, and one bucket is one page of a scan. Sessions, answers and
//! parts of objects are plain keys with PX.

use bytes::Bytes;

use crate::compact;
use crate::store::change::Table;
use crate::store::shard::stable_hash;
use crate::store::{Key, QueueName, Row, SHARDS, Shard, StoreError};

/// Rows of devices in a bucket when the deployment has as many as expected.
pub(super) const BUCKET_ROWS: u64 = 32;
/// Buckets of the tables of campaigns, however many devices there are.
const CAMPAIGN_BUCKETS: u64 = 16;

/// How the rows of a shard are spread over buckets: fixed when the deployment is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Buckets of the table of devices in a shard.
    pub(super) buckets: u64,
    pub(super) layout: Layout,
}

/// How ids are written, and how many rows share a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Ids as they are. Deployments that were made so stay so.
    Plain,
    /// Ids are packed ([`compact`]), and rows of devices hold codes for words ([`super::words`]).
    Packed,
}

/// Where a row lies.
pub(super) struct RowKey {
    pub(super) key: Vec<u8>,
    /// The field of a hash; `None` for a plain key.
    pub(super) field: Option<Vec<u8>>,
}

impl Shape {
    pub(super) fn for_devices(devices: u64) -> Self {
        let buckets = devices.div_ceil(u64::from(SHARDS) * BUCKET_ROWS).max(1);
        Self { buckets, layout: Layout::Packed }
    }

    /// The buckets of a table in a shard; 0 for the tables of plain keys.
    pub(super) fn buckets_of(self, table: Table) -> u64 {
        match (table, self.layout) {
            (Table::Device, _) | (Table::Values | Table::History, Layout::Plain) => self.buckets,
            // Two look-ups a device, MSISDN and IMSI; results of a few campaigns each; longer rows than a device's.
            (Table::Lookup, _)
            | (Table::Result | Table::Values | Table::History, Layout::Packed) => self.buckets * 2,
            (Table::Result, Layout::Plain) => self.buckets * 4,
            (Table::Campaign | Table::Control | Table::Part, _) => CAMPAIGN_BUCKETS,
            (Table::Session | Table::Answer | Table::Object | Table::Receipt, _) => 0,
        }
    }

    pub(super) fn row(self, shard: Shard, key: &Key) -> RowKey {
        if let Some(bucket) = stable_hash(&key.id).checked_rem(self.buckets_of(key.table)) {
            return RowKey {
                key: bucket_key(shard, key.table, bucket),
                field: Some(self.pack(&key.id)),
            };
        }
        let start = format!("{{{}}}{}:", shard.tag(), key.table.letter());
        RowKey { key: [start.as_bytes(), &self.pack(&key.id)].concat(), field: None }
    }

    /// An id, or a member of a queue, as it is written.
    pub(super) fn pack(self, id: &[u8]) -> Vec<u8> {
        match self.layout {
            Layout::Plain => id.to_vec(),
            Layout::Packed => compact::pack(id),
        }
    }

    /// Reads what [`Self::pack`] wrote.
    pub(super) fn unpack(self, packed: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        match self.layout {
            Layout::Plain => Ok(packed),
            Layout::Packed => compact::unpack(&packed).ok_or(StoreError::Corrupt("id")),
        }
    }

    /// Whether rows of this table are written with codes for their words.
    pub(super) fn codes_words(self, table: Table) -> bool {
        table == Table::Device && self.layout == Layout::Packed
    }

    /// The note of a row: the letter of its table, and its id.
    pub(super) fn note(self, key: &Key) -> Vec<u8> {
        let letter = u8::try_from(key.table.letter()).unwrap_or(b'?');
        [&[letter], self.pack(&key.id).as_slice()].concat()
    }

    /// The row that a note stands for.
    pub(super) fn noted(self, note: &[u8]) -> Result<Key, StoreError> {
        let (letter, id) =
            note.split_first().ok_or(StoreError::Corrupt("note of an expiring row"))?;
        let table = Table::ALL.into_iter().find(|table| table.letter() == char::from(*letter));
        let table = table.ok_or(StoreError::Corrupt("note of an expiring row"))?;
        Ok(Key::new(table, self.unpack(id.to_vec())?))
    }
}

pub(super) fn bucket_key(shard: Shard, table: Table, bucket: u64) -> Vec<u8> {
    format!("{{{}}}{}:{bucket}", shard.tag(), table.letter()).into_bytes()
}

/// Revisions and event ids of the shard are drawn from here.
pub(super) fn sequence_key(shard: Shard) -> Vec<u8> {
    format!("{{{}}}sequence", shard.tag()).into_bytes()
}

/// How the deployment lies in Redis; in the first shard.
pub(super) fn deployment_key() -> Vec<u8> {
    format!("{{{}}}store", Shard::from(0).tag()).into_bytes()
}

/// One of the hashes that hold the words of the shard.
pub(super) fn words_key(shard: Shard, hash: u16) -> Vec<u8> {
    format!("{{{}}}w:{hash}", shard.tag()).into_bytes()
}

/// The stamps that say how far the words of the shard are known.
pub(super) fn stamps_key(shard: Shard) -> Vec<u8> {
    format!("{{{}}}w", shard.tag()).into_bytes()
}

/// Where the shard remembers the commits of its last ten minutes; gone by itself.
pub(super) fn operations_key(shard: Shard, time: u64) -> Vec<u8> {
    const TEN_MINUTES: u64 = 600_000;
    format!("{{{}}}o:{}", shard.tag(), time / TEN_MINUTES).into_bytes()
}

pub(super) fn log_key(shard: Shard) -> Vec<u8> {
    format!("{{{}}}log", shard.tag()).into_bytes()
}

/// The sorted set of rows that expire, by instant.
pub(super) fn notes_key(shard: Shard) -> Vec<u8> {
    format!("{{{}}}notes", shard.tag()).into_bytes()
}

pub(super) fn counters_key(shard: Shard, set: u64) -> Vec<u8> {
    format!("{{{}}}n:{set}", shard.tag()).into_bytes()
}

pub(super) fn queue_key(shard: Shard, queue: &QueueName) -> Vec<u8> {
    format!("{{{}}}z:{}", shard.tag(), queue.as_str()).into_bytes()
}

/// A revision as it stands in a row and in a guard; `None` if no row can have it.
pub(super) fn revision_octets(revision: u64) -> Option<[u8; 6]> {
    let [0, 0, octets @ ..] = revision.to_be_bytes() else { return None };
    Some(octets)
}

/// Reads a row as `commit.lua` wrote it; `None` if it had expired by `now`.
pub(super) fn row(stored: Vec<u8>, now: u64) -> Result<Option<Row>, StoreError> {
    let stored = Bytes::from(stored);
    let corrupt = || StoreError::Corrupt("row");
    let (revision, rest) = stored.split_first_chunk().ok_or_else(corrupt)?;
    let (kind, rest) = rest.split_first_chunk().ok_or_else(corrupt)?;
    let (expires, bytes) = match kind {
        [0] => (None, rest),
        [1] => {
            let (expires, bytes) = rest.split_first_chunk().ok_or_else(corrupt)?;
            (Some(number(*expires)), bytes)
        }
        _ => return Err(corrupt()),
    };
    let row = Row { revision: number(*revision), bytes: stored.slice_ref(bytes) };
    Ok(expires.is_none_or(|expires| expires > now).then_some(row))
}

/// Reads a number of 6 octets.
pub(super) fn number(octets: [u8; 6]) -> u64 {
    octets.into_iter().fold(0, |number, octet| number << 8 | u64::from(octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buckets_of_a_million_devices_hold_about_thirty_two_rows() {
        let shape = Shape::for_devices(1_000_000);
        assert_eq!(shape.buckets, 123);
        assert_eq!(Shape::for_devices(0).buckets, 1);
        let rows = (0..3936).map(|device: u32| {
            shape.row(Shard::from(1), &Key::new(Table::Device, device.to_string()))
        });
        let mut buckets = std::collections::BTreeMap::new();
        for row in rows {
            *buckets.entry(row.key).or_insert(0) += 1;
        }
        // Beyond 128 Redis no longer keeps a hash as a listpack.
        assert!(buckets.values().all(|rows| *rows < 64), "{buckets:?}");
    }

    #[test]
    fn a_deployment_of_plain_ids_keeps_them() {
        let (plain, key) =
            (Shape { buckets: 3, layout: Layout::Plain }, Key::new(Table::Result, "7"));
        assert_eq!(plain.row(Shard::from(0), &key).field, Some(b"7".to_vec()));
        assert_eq!(plain.buckets_of(Table::Result), 12);
        for shape in [plain, Shape::for_devices(1)] {
            let key = Key::new(Table::Device, "a\0IMEI:350000000000017");
            assert_eq!(shape.noted(&shape.note(&key)).unwrap(), key);
        }
    }

    #[test]
    fn every_key_carries_the_tag_of_its_shard() {
        let (shard, shape) = (Shard::from(200), Shape::for_devices(1));
        let keys = [
            shape.row(shard, &Key::new(Table::Device, "a")).key,
            shape.row(shard, &Key::new(Table::Session, "a{b}")).key,
            sequence_key(shard),
            words_key(shard, 1),
            stamps_key(shard),
            operations_key(shard, 1),
            log_key(shard),
            notes_key(shard),
            counters_key(shard, 1),
            queue_key(shard, &QueueName::from("{x}")),
        ];
        let tag = format!("{{{}}}", shard.tag());
        assert!(keys.iter().all(|key| key.starts_with(tag.as_bytes())));
    }

    #[test]
    fn a_row_is_read_as_it_was_written_until_it_expires() {
        assert_eq!(row(b"\0\0\0\0\x01\x02\0abc".to_vec(), 9).unwrap().unwrap().revision, 258);
        let expiring = b"\0\0\0\0\0\x01\x01\0\0\0\0\0\x64abc".to_vec();
        assert_eq!(row(expiring.clone(), 99).unwrap().unwrap().bytes, Bytes::from("abc"));
        assert_eq!(row(expiring, 100).unwrap(), None);
        assert!(row(b"\0\0\0\0\0\x01\x07abc".to_vec(), 0).is_err());
        assert!(row(b"\0\0\0".to_vec(), 0).is_err());
    }
}
