//! The narrow store: five primitives, each within one shard, are all that persistence offers.
//!
//! Rows carry a revision, and whoever writes names the revision it read; counters add up; queues hold members by the
//! instant they are due, and a claim hides what it takes for a while; the log keeps events in order; a scan walks a
//! table. A [`Change`] mixes them and applies whole or not at all. All domain logic stands above, once, so that a
//! backend can be read in one sitting. What every backend promises is written down as tests in `contract`.

pub mod change;
#[cfg(test)]
mod contract;
pub mod embedded;
pub mod error;
pub mod redis;
pub mod shard;
#[cfg(test)]
pub(crate) mod unsteady;
pub mod words;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use campaign::time::Instant;
pub use change::{Add, Change, Guard, Key, NEVER, Put, QueueName, QueueOp, Table};
pub use error::StoreError;
pub use shard::{SHARDS, Shard};

/// What the engine asks of persistence. Every call stays within one shard and is safe to drop half-way: a commit that
/// was handed in may then still happen.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// The store's own time. Never goes backwards, neither between two calls nor over a restart.
    async fn now(&self) -> Result<Instant, StoreError>;

    /// The rows under these keys, in their order; a row that is absent or has expired is `None`. At most
    /// [`change::MOST_KEYS`] keys. All rows are from one moment, and every commit answered before the call is seen.
    async fn read(&self, shard: Shard, keys: &[Key]) -> Result<Vec<Option<Row>>, StoreError>;

    /// Applies the changes one after another, each whole or not at all, and answers each; a later change sees what
    /// the earlier ones did. At most [`change::MOST_CHANGES`]. What is answered [`Verdict::Done`] is durable.
    ///
    /// On an error nothing is known: each change may or may not have happened (whole, in any case). Read again.
    async fn commit(&self, shard: Shard, changes: Vec<Change>) -> Result<Vec<Verdict>, StoreError>;

    /// Applies one change as [`Self::commit`] does, and answers the revisions of the rows that it put, in their order: none
    /// where they are not known any more. `None` is [`Verdict::Conflict`].
    async fn commit_one(
        &self,
        shard: Shard,
        change: Change,
    ) -> Result<Option<Vec<u64>>, StoreError>;

    /// Takes up to `most` members that are due, from the first queue on, within a queue by due instant, and hides them
    /// until `now + lease`, or until a change puts or removes them. What was claimed and neither put nor removed comes
    /// back by itself, also after a crash of the claimer.
    async fn claim(
        &self,
        shard: Shard,
        queues: &[QueueName],
        most: usize,
        lease: Duration,
    ) -> Result<Vec<Claimed>, StoreError>;

    /// The earliest instant in milliseconds at which a member of these queues is due that nobody holds a lease on; in the
    /// past when one is waiting to be claimed. `None` when there is none. A look: nothing is claimed. A backend may say
    /// of a leased member that it is due when its lease ends.
    async fn earliest(&self, shard: Shard, queues: &[QueueName])
    -> Result<Option<u64>, StoreError>;

    /// All counters of a set that were ever added to, in no order.
    async fn counters(&self, shard: Shard, set: u64) -> Result<Vec<(String, i64)>, StoreError>;

    /// Up to `most` events of the shard after `after`, oldest first.
    async fn events(
        &self,
        shard: Shard,
        after: EventId,
        most: usize,
    ) -> Result<Vec<(EventId, Bytes)>, StoreError>;

    /// Forgets the events of the shard up to and with `through`. Ids are never given again.
    async fn trim(&self, shard: Shard, through: EventId) -> Result<(), StoreError>;

    /// A page of a table's rows in this shard. A row that is there during the whole walk is met at least once, whatever
    /// else is written meanwhile. A page holds about `most` rows, perhaps none though more follow; `next` tells.
    /// Sessions, answers and parts of objects live too short a time to be walked: those tables are refused.
    async fn scan(
        &self,
        shard: Shard,
        table: Table,
        cursor: Option<Cursor>,
        most: usize,
    ) -> Result<Page, StoreError>;

    /// How often each primitive was called since the start.
    fn calls(&self) -> Calls;
}

/// A row as it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Greater than that of any earlier state of this key, also one before a delete. Never 0.
    pub revision: u64,
    pub bytes: Bytes,
}

impl fmt::Debug for Row {
    // Rows hold numbers of people and sealed secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row(revision {}, {} octets)", self.revision, self.bytes.len())
    }
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Done,
    /// A guard did not hold; nothing of the change was applied. Read again and decide again.
    Conflict,
}

/// A member of a queue that this caller may work on until its lease ends.
#[derive(Clone, PartialEq, Eq)]
pub struct Claimed {
    pub queue: QueueName,
    pub member: Vec<u8>,
    /// The instant it was due in milliseconds; after an abandoned lease a backend may say the end of that lease.
    pub due: u64,
}

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claimed({:?}, {} octets, due {})", self.queue, self.member.len(), self.due)
    }
}

/// The place of an event in its shard's log. Ids increase, with gaps; 0 stands before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub u64);

/// Where a scan goes on. Means something only to the backend, table and shard that gave it.
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor(pub Vec<u8>);

impl fmt::Debug for Cursor {
    // The embedded store continues after a key, and keys hold numbers of people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({} octets)", self.0.len())
    }
}

/// A part of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub rows: Vec<(Key, Row)>,
    /// `None` at the end of the table.
    pub next: Option<Cursor>,
}

/// How often each primitive was called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    pub now: u64,
    pub read: u64,
    pub commit: u64,
    /// Changes in those commits.
    pub changes: u64,
    pub claim: u64,
    pub earliest: u64,
    pub counters: u64,
    pub events: u64,
    pub trim: u64,
    pub scan: u64,
}

impl Calls {
    /// All calls together; the changes of a commit are one call.
    pub fn total(&self) -> u64 {
        self.now
            + self.read
            + self.commit
            + self.claim
            + self.earliest
            + self.counters
            + self.events
            + self.trim
            + self.scan
    }
}

/// The counters behind [`Calls`], shared by the backends.
#[derive(Debug, Default)]
struct Counted {
    now: AtomicU64,
    read: AtomicU64,
    commit: AtomicU64,
    changes: AtomicU64,
    claim: AtomicU64,
    earliest: AtomicU64,
    counters: AtomicU64,
    events: AtomicU64,
    trim: AtomicU64,
    scan: AtomicU64,
}

impl Counted {
    fn calls(&self) -> Calls {
        Calls {
            now: self.now.load(Ordering::Relaxed),
            read: self.read.load(Ordering::Relaxed),
            commit: self.commit.load(Ordering::Relaxed),
            changes: self.changes.load(Ordering::Relaxed),
            claim: self.claim.load(Ordering::Relaxed),
            earliest: self.earliest.load(Ordering::Relaxed),
            counters: self.counters.load(Ordering::Relaxed),
            events: self.events.load(Ordering::Relaxed),
            trim: self.trim.load(Ordering::Relaxed),
            scan: self.scan.load(Ordering::Relaxed),
        }
    }
}

/// Counts one call.
fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
