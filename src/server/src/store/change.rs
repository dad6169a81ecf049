//! What is written: keys, guards, and changes that apply whole or not at all, with the limits they keep.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::StoreError;

/// Changes in one commit, so that care never waits behind a batch.
pub const MOST_CHANGES: usize = 64;
/// Guards, writes, additions, queue operations and events in one change, all together.
pub const MOST_PARTS: usize = 256;
/// Keys in one read.
pub const MOST_KEYS: usize = 256;
/// Octets of an id, a member of a queue, or the name of a counter.
pub const MOST_ID_OCTETS: usize = 512;
/// Octets of a row or an event. The largest row is a campaign's document (256 KiB) or a part of a large object.
pub const MOST_ROW_OCTETS: usize = 512 * 1024;
/// Octets of all rows and events of one commit.
pub const MOST_COMMIT_OCTETS: usize = 8 * 1024 * 1024;
/// Octets of a queue's name.
pub const MOST_NAME_OCTETS: usize = 128;
/// Queues in one claim.
pub const MOST_QUEUES: usize = 1024;
/// A due instant that never comes. Later ones are taken as this one: Redis keeps scores as doubles.
pub const NEVER: u64 = (1 << 53) - 1;

/// The tables. A row lives in one of them, in the shard of its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    Device,
    Result,
    Values,
    Lookup,
    Session,
    /// Answers, as they were kept before sessions held their own.
    Answer,
    Object,
    Campaign,
    Control,
    Part,
    History,
    Receipt,
}

impl Table {
    pub const ALL: [Self; 12] = [
        Self::Device,
        Self::Result,
        Self::Values,
        Self::Lookup,
        Self::Session,
        Self::Answer,
        Self::Object,
        Self::Campaign,
        Self::Control,
        Self::Part,
        Self::History,
        Self::Receipt,
    ];

    /// The letter of the table in keys.
    pub const fn letter(self) -> char {
        match self {
            Self::Device => 'd',
            Self::Result => 'r',
            Self::Values => 'v',
            Self::Lookup => 'i',
            Self::Session => 's',
            Self::Answer => 'a',
            Self::Object => 'o',
            Self::Campaign => 'c',
            Self::Control => 'k',
            Self::Part => 'p',
            Self::History => 'h',
            Self::Receipt => 'x',
        }
    }

    /// Whether [`super::Store::scan`] walks it: sessions, answers, parts of objects and
    /// what receipts are matched by live too short a time.
    pub const fn is_scanned(self) -> bool {
        !matches!(self, Self::Session | Self::Answer | Self::Object | Self::Receipt)
    }
}

/// The name of a row: a table, and an id of 1 to 512 octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub table: Table,
    pub id: Vec<u8>,
}

impl Key {
    pub fn new(table: Table, id: impl Into<Vec<u8>>) -> Self {
        Self { table, id: id.into() }
    }
}

impl fmt::Debug for Key {
    // Ids of look-ups are numbers of people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {} octets)", self.table.letter(), self.id.len())
    }
}

/// What must hold for a change to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// The row is there with exactly this revision.
    Is(Key, u64),
    /// There is no such row, or it has expired.
    Absent(Key),
}

/// A row to write.
#[derive(Clone, PartialEq, Eq)]
pub struct Put {
    pub key: Key,
    pub bytes: Vec<u8>,
    /// The row is gone after this time; `None` keeps it until it is deleted.
    pub keep: Option<Duration>,
}

impl fmt::Debug for Put {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Put({:?}, {} octets, keep {:?})", self.key, self.bytes.len(), self.keep)
    }
}

/// An addition to a counter. Counters are grouped in sets, one for each campaign sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    pub set: u64,
    pub field: String,
    pub by: i64,
}

/// The name of a queue, 1 to 128 octets; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(Arc<str>);

impl QueueName {
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for QueueName {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

/// What to do with a member of a queue. Either way a lease on the member ends.
#[derive(Clone, PartialEq, Eq)]
pub enum QueueOp {
    /// Places the member at this instant (milliseconds), wherever in the queue it was before.
    Put { queue: QueueName, member: Vec<u8>, due: u64 },
    /// Takes the member out; nothing happens if it is not there.
    Remove { queue: QueueName, member: Vec<u8> },
}

impl fmt::Debug for QueueOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { queue, member, due } => {
                write!(f, "Put({queue:?}, {} octets, due {due})", member.len())
            }
            Self::Remove { queue, member } => {
                write!(f, "Remove({queue:?}, {} octets)", member.len())
            }
        }
    }
}

/// Guards, and what to write if all of them hold. Deletes come first, then puts; of two puts of a row, or two
/// operations on a member, the later wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    pub guards: Vec<Guard>,
    pub puts: Vec<Put>,
    pub deletes: Vec<Key>,
    pub adds: Vec<Add>,
    pub queue: Vec<QueueOp>,
    pub events: Vec<Vec<u8>>,
    /// It counts as done only when as many replicas have it as the store was told to wait for: what ends a job or stores
    /// what a user said must survive the loss of a server. Means nothing where there are no replicas.
    pub replicated: bool,
}

impl Change {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn guard(mut self, guard: Guard) -> Self {
        self.guards.push(guard);
        self
    }

    /// Only if the row still has this revision.
    pub fn if_is(self, key: Key, revision: u64) -> Self {
        self.guard(Guard::Is(key, revision))
    }

    /// Only if there is no such row.
    pub fn if_absent(self, key: Key) -> Self {
        self.guard(Guard::Absent(key))
    }

    pub fn put(mut self, key: Key, bytes: impl Into<Vec<u8>>) -> Self {
        self.puts.push(Put { key, bytes: bytes.into(), keep: None });
        self
    }

    /// Writes a row that is gone after `keep`.
    pub fn put_for(mut self, key: Key, bytes: impl Into<Vec<u8>>, keep: Duration) -> Self {
        self.puts.push(Put { key, bytes: bytes.into(), keep: Some(keep) });
        self
    }

    pub fn delete(mut self, key: Key) -> Self {
        self.deletes.push(key);
        self
    }

    pub fn add(mut self, set: u64, field: impl Into<String>, by: i64) -> Self {
        self.adds.push(Add { set, field: field.into(), by });
        self
    }

    pub fn queue_put(mut self, queue: QueueName, member: impl Into<Vec<u8>>, due: u64) -> Self {
        self.queue.push(QueueOp::Put { queue, member: member.into(), due });
        self
    }

    pub fn queue_remove(mut self, queue: QueueName, member: impl Into<Vec<u8>>) -> Self {
        self.queue.push(QueueOp::Remove { queue, member: member.into() });
        self
    }

    pub fn event(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.events.push(bytes.into());
        self
    }

    /// Counts as done only when it is on replicas too, where the store has them.
    pub fn on_replicas(mut self) -> Self {
        self.replicated = true;
        self
    }

    /// Whether nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty()
            && self.deletes.is_empty()
            && self.adds.is_empty()
            && self.queue.is_empty()
            && self.events.is_empty()
    }

    fn parts(&self) -> usize {
        self.guards.len()
            + self.puts.len()
            + self.deletes.len()
            + self.adds.len()
            + self.queue.len()
            + self.events.len()
    }

    /// Refuses a change beyond the limits; answers the octets of its rows and events.
    fn check(&self) -> Result<usize, StoreError> {
        at_most("parts of a change", self.parts(), MOST_PARTS)?;
        for guard in &self.guards {
            let (Guard::Is(key, _) | Guard::Absent(key)) = guard;
            check_id("octets of an id", &key.id)?;
        }
        for key in &self.deletes {
            check_id("octets of an id", &key.id)?;
        }
        for op in &self.queue {
            let (QueueOp::Put { queue, member, .. } | QueueOp::Remove { queue, member }) = op;
            check_id("octets of a member", member)?;
            check_queue(queue)?;
        }
        for add in &self.adds {
            check_id("octets of the name of a counter", add.field.as_bytes())?;
        }
        let mut octets = 0;
        for put in &self.puts {
            check_id("octets of an id", &put.key.id)?;
            at_most("octets of a row", put.bytes.len(), MOST_ROW_OCTETS)?;
            octets += put.bytes.len();
        }
        for event in &self.events {
            at_most("octets of an event", event.len(), MOST_ROW_OCTETS)?;
            octets += event.len();
        }
        Ok(octets)
    }
}

/// Refuses a commit beyond the limits; answers the octets of its rows and events.
pub(super) fn check_commit(changes: &[Change]) -> Result<usize, StoreError> {
    at_most("changes in a commit", changes.len(), MOST_CHANGES)?;
    let mut octets = 0;
    for change in changes {
        octets += change.check()?;
    }
    at_most("octets of a commit", octets, MOST_COMMIT_OCTETS)?;
    Ok(octets)
}

/// Refuses a read beyond the limits.
pub(super) fn check_read(keys: &[Key]) -> Result<(), StoreError> {
    at_most("keys in a read", keys.len(), MOST_KEYS)?;
    keys.iter().try_for_each(|key| check_id("octets of an id", &key.id))
}

/// Refuses a claim beyond the limits.
pub(super) fn check_claim(queues: &[QueueName]) -> Result<(), StoreError> {
    at_most("queues in a claim", queues.len(), MOST_QUEUES)?;
    queues.iter().try_for_each(check_queue)
}

/// A time in whole milliseconds.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn check_queue(name: &QueueName) -> Result<(), StoreError> {
    if name.as_str().is_empty() {
        return Err(StoreError::Refused("the name of a queue is empty"));
    }
    at_most("octets of the name of a queue", name.as_str().len(), MOST_NAME_OCTETS)
}

fn check_id(what: &'static str, id: &[u8]) -> Result<(), StoreError> {
    if id.is_empty() {
        return Err(StoreError::Refused("an id, a member or the name of a counter is empty"));
    }
    at_most(what, id.len(), MOST_ID_OCTETS)
}

fn at_most(what: &'static str, is: usize, most: usize) -> Result<(), StoreError> {
    if is > most { Err(StoreError::TooMuch { what, is, most }) } else { Ok(()) }
}
