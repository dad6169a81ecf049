//! How the embedded store lies on disk: one keyspace per table and per primitive, and the octets of keys and values.
//!
//! Keys start with the shard (but for expiry), so that a shard's part of anything is one range. Numbers are big-endian: the order
//! of octets is then the order of numbers. Names of queues carry their length, so that no name runs into what follows.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use fjall::compaction::filter::Factory;
use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, UserKey, UserValue};

use crate::store::change::Table;
use crate::store::shard::stable_hash;
use crate::store::{Key, QueueName, Shard, StoreError};

use super::EmbeddedConfig;
use super::filter::Expired;

/// A keyspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Space {
    Rows(Table),
    /// Members in the order of their due instants: shard, queue, due, member.
    Due,
    /// Where each member stands: shard, queue, member -> due.
    Member,
    /// Shard, set, field -> sum.
    Counter,
    /// Shard, id -> event.
    Event,
    /// Rows to be swept: instant, table, key of the row.
    Expiry,
    /// One row, see [`State`].
    State,
}

/// The open database and its keyspaces.
pub(super) struct Spaces {
    pub(super) database: Database,
    rows: Vec<Keyspace>,
    due: Keyspace,
    member: Keyspace,
    counter: Keyspace,
    event: Keyspace,
    expiry: Keyspace,
    state: Keyspace,
}

impl Spaces {
    /// Opens the files; `latest` is to hold the latest instant that was written, for expired rows to be told.
    pub(super) fn open(
        config: &EmbeddedConfig,
        latest: &Arc<AtomicU64>,
    ) -> Result<Self, fjall::Error> {
        let expired: Arc<dyn Factory> = Arc::new(Expired { latest: Arc::clone(latest) });
        let short_lived = |name: &str| {
            Table::ALL.iter().any(|table| is_short_lived(*table) && table_name(*table) == name)
        };
        let database = Database::builder(&config.path)
            .cache_size(config.cache_octets)
            // Of two, one spins while the other compacts: 10 us more of processor time for a message's commit.
            .worker_threads(1)
            .max_journaling_size(config.journal_octets.max(EmbeddedConfig::SMALLEST_JOURNAL))
            // Compression costs more processor time than the disk time it saves (decision D15).
            .journal_compression(CompressionType::None)
            .with_compaction_filter_factories(Arc::new(move |name| {
                short_lived(name).then(|| Arc::clone(&expired))
            }))
            .open()?;
        let keyspace = |name: &str, memtable| {
            database.keyspace(name, || {
                KeyspaceCreateOptions::default()
                    .max_memtable_size(memtable)
                    .data_block_compression_policy(CompressionPolicy::disabled())
            })
        };
        let table = |table: &Table| {
            let memtable =
                if is_short_lived(*table) { config.session_octets } else { config.memtable_octets };
            keyspace(&table_name(*table), memtable)
        };
        let memtable = config.memtable_octets;
        Ok(Self {
            rows: Table::ALL.iter().map(table).collect::<Result<_, fjall::Error>>()?,
            due: keyspace("due", memtable)?,
            member: keyspace("member", memtable)?,
            counter: keyspace("counter", memtable)?,
            event: keyspace("event", memtable)?,
            expiry: keyspace("expiry", memtable)?,
            state: keyspace("state", memtable)?,
            database,
        })
    }

    pub(super) fn of(&self, space: Space) -> &Keyspace {
        match space {
            Space::Rows(table) => {
                self.rows.get(table as usize).expect("one keyspace was opened for each table")
            }
            Space::Due => &self.due,
            Space::Member => &self.member,
            Space::Counter => &self.counter,
            Space::Event => &self.event,
            Space::Expiry => &self.expiry,
            Space::State => &self.state,
        }
    }
}

/// Tables whose rows all expire soon. They are written again and again: with more memory most of that never becomes a
/// file. Their expired rows are dropped by a filter instead of being noted and swept.
pub(super) fn is_short_lived(table: Table) -> bool {
    !table.is_scanned()
}

fn table_name(table: Table) -> String {
    table.letter().to_string()
}

/// What the store knows of itself. Written with every group of commits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The last revision or event id given.
    pub(super) sequence: u64,
    /// An instant not before any that was given out when this was written.
    pub(super) clock: u64,
}

impl State {
    pub(super) const KEY: &[u8] = b"state";

    pub(super) fn read(octets: &[u8]) -> Result<Self, StoreError> {
        let state = take::<1>(octets)
            .filter(|(version, _)| *version == [VERSION])
            .and_then(|(_, rest)| take(rest))
            .and_then(|(sequence, rest)| Some((sequence, take(rest)?.0)));
        let (sequence, clock) = state.ok_or(StoreError::Corrupt("state of the store"))?;
        Ok(Self { sequence: u64::from_be_bytes(sequence), clock: u64::from_be_bytes(clock) })
    }

    pub(super) fn write(self) -> UserValue {
        joined(&[&[VERSION], &self.sequence.to_be_bytes(), &self.clock.to_be_bytes()])
    }
}

/// The version of everything written here; the first octet of the state and of every row.
const VERSION: u8 = 1;

/// Octets that stand before a row: version, revision, expiry.
const ROW_HEADER: usize = 17;

/// A row with what the store keeps beside it.
pub(super) struct Stored<'a> {
    pub(super) revision: u64,
    /// The instant from which the row is gone; 0 when it stays.
    pub(super) expires: u64,
    pub(super) bytes: &'a [u8],
}

impl<'a> Stored<'a> {
    /// Room for the header, and the row: what [`Self::seal`] completes.
    pub(super) fn prepare(bytes: &[u8]) -> Vec<u8> {
        let mut value = Vec::with_capacity(ROW_HEADER + bytes.len());
        value.resize(ROW_HEADER, 0);
        value.extend_from_slice(bytes);
        value
    }

    /// Writes the header into the room that was left for it.
    pub(super) fn seal(mut prepared: Vec<u8>, revision: u64, expires: u64) -> UserValue {
        if let Some(header) = prepared.first_chunk_mut::<ROW_HEADER>() {
            let octets =
                std::iter::once(VERSION).chain(revision.to_be_bytes()).chain(expires.to_be_bytes());
            header.iter_mut().zip(octets).for_each(|(place, octet)| *place = octet);
        }
        UserValue::from(prepared)
    }

    /// Reads a row; `None` if it had expired by `now`.
    pub(super) fn read(value: &'a [u8], now: u64) -> Result<Option<Self>, StoreError> {
        let stored = take::<1>(value)
            .filter(|(version, _)| *version == [VERSION])
            .and_then(|(_, rest)| take(rest))
            .and_then(|(revision, rest)| Some((revision, take(rest)?)));
        let (revision, (expires, bytes)) = stored.ok_or(StoreError::Corrupt("row"))?;
        let stored = Self {
            revision: u64::from_be_bytes(revision),
            expires: u64::from_be_bytes(expires),
            bytes,
        };
        Ok((stored.expires == 0 || stored.expires > now).then_some(stored))
    }
}

/// Octets of a hash that stand between the shard and what a row or a member is called. fjall keeps the first four
/// octets of a key beside it: most comparisons then end there, without following a pointer to names that all begin
/// alike. A third of the writer's time went into those.
const SPREAD: usize = 3;

fn spread(name: &[u8]) -> [u8; SPREAD] {
    let [.., a, b, c] = stable_hash(name).to_be_bytes();
    [a, b, c]
}

pub(super) fn row_key(shard: Shard, key: &Key) -> UserKey {
    joined(&[&[shard.number()], &spread(&key.id), &key.id])
}

/// The row id in a key of a table's keyspace.
pub(super) fn row_id(key: &[u8]) -> Vec<u8> {
    key.get(1 + SPREAD..).unwrap_or_default().to_vec()
}

pub(super) fn counter_key(shard: Shard, set: u64, field: &str) -> UserKey {
    joined(&[&[shard.number()], &set.to_be_bytes(), field.as_bytes()])
}

pub(super) fn counter_field(key: &[u8]) -> Result<String, StoreError> {
    let field = key.get(9..).unwrap_or_default();
    std::str::from_utf8(field)
        .map(str::to_owned)
        .map_err(|_not_text| StoreError::Corrupt("name of a counter"))
}

pub(super) fn event_key(shard: Shard, id: u64) -> UserKey {
    joined(&[&[shard.number()], &id.to_be_bytes()])
}

pub(super) fn event_id(key: &[u8]) -> Result<u64, StoreError> {
    last_number(key).ok_or(StoreError::Corrupt("event id"))
}

/// What all places of a queue in [`Space::Due`] start with.
pub(super) fn queue_prefix(shard: Shard, queue: &QueueName) -> Vec<u8> {
    let name = queue.as_str().as_bytes();
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    [&[shard.number(), length], name].concat()
}

pub(super) fn due_key(prefix: &[u8], due: u64, member: &[u8]) -> UserKey {
    joined(&[prefix, &due.to_be_bytes(), member])
}

pub(super) fn member_key(shard: Shard, queue: &QueueName, member: &[u8]) -> UserKey {
    let name = queue.as_str().as_bytes();
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    joined(&[&[shard.number()], &spread(member), &[length], name, member])
}

/// The due instant and the member of a key in [`Space::Due`] with this prefix.
pub(super) fn due_and_member(prefix: &[u8], key: &[u8]) -> Result<(u64, Vec<u8>), StoreError> {
    let (due, member) =
        key.get(prefix.len()..).and_then(take).ok_or(StoreError::Corrupt("place in a queue"))?;
    Ok((u64::from_be_bytes(due), member.to_vec()))
}

pub(super) fn number(value: &[u8]) -> Result<u64, StoreError> {
    last_number(value).filter(|_| value.len() == 8).ok_or(StoreError::Corrupt("number"))
}

pub(super) fn sum(value: &[u8]) -> Result<i64, StoreError> {
    number(value).map(u64::cast_signed)
}

/// Instants in [`Space::Expiry`] are full minutes, so that a row that is written again and again is noted once.
const EXPIRY_STEP: u64 = 60_000;

pub(super) fn expiry_key(expires: u64, table: Table, row_key: &[u8]) -> UserKey {
    let minute = expires.div_ceil(EXPIRY_STEP).saturating_mul(EXPIRY_STEP);
    joined(&[&minute.to_be_bytes(), &[table as u8], row_key])
}

pub(super) fn expiry_instant(key: &[u8]) -> Result<u64, StoreError> {
    take(key).map(|(instant, _)| u64::from_be_bytes(instant)).ok_or(StoreError::Corrupt("expiry"))
}

/// The table and the key of the row that a key of [`Space::Expiry`] stands for.
pub(super) fn expiring_row(key: &[u8]) -> Result<(Table, UserKey), StoreError> {
    let (_, rest) = take::<8>(key).ok_or(StoreError::Corrupt("expiry"))?;
    let ([table], row_key) = take::<1>(rest).ok_or(StoreError::Corrupt("expiry"))?;
    let table = Table::ALL.get(usize::from(table)).ok_or(StoreError::Corrupt("expiry"))?;
    Ok((*table, UserKey::from(row_key)))
}

/// The end of the range of all keys with this prefix; `None` if it has none.
pub(super) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

fn last_number(octets: &[u8]) -> Option<u64> {
    octets.last_chunk().map(|number| u64::from_be_bytes(*number))
}

fn take<const N: usize>(octets: &[u8]) -> Option<([u8; N], &[u8])> {
    octets.split_first_chunk().map(|(first, rest)| (*first, rest))
}

fn joined(parts: &[&[u8]]) -> UserKey {
    UserKey::from(parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back_with_its_revision_until_it_expires() {
        let value = Stored::seal(Stored::prepare(b"octets"), 7, 100);
        let stored = Stored::read(&value, 99).unwrap().unwrap();
        assert_eq!((stored.revision, stored.expires, stored.bytes), (7, 100, &b"octets"[..]));
        assert!(Stored::read(&value, 100).unwrap().is_none());
    }

    #[test]
    fn a_row_of_an_unknown_version_is_refused_instead_of_misread() {
        assert!(matches!(
            Stored::read(b"\x02aaaaaaaabbbbbbbb", 0),
            Err(StoreError::Corrupt("row"))
        ));
        assert!(matches!(Stored::read(b"\x01short", 0), Err(StoreError::Corrupt("row"))));
    }

    #[test]
    fn places_of_a_queue_sort_by_due_and_keep_apart_from_queues_with_longer_names() {
        let shard = Shard::from(9);
        let prefix = queue_prefix(shard, &QueueName::from("q"));
        assert!(due_key(&prefix, 255, b"z") < due_key(&prefix, 256, b"a"));
        assert!(!queue_prefix(shard, &QueueName::from("qq")).starts_with(&prefix));
        assert_eq!(
            due_and_member(&prefix, &due_key(&prefix, 77, b"m")).unwrap(),
            (77, b"m".to_vec())
        );
    }

    #[test]
    fn the_end_of_a_prefix_carries_over() {
        assert_eq!(after_prefix(&[1, 255]), Some(vec![2]));
        assert_eq!(after_prefix(&[255]), None);
    }
}
