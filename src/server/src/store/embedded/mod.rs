//! The embedded store: one process, on its own disk (fjall), nothing acknowledged lost by `kill -9`.
//!
//! Reads go straight to fjall from the caller; they may wait for the disk when a block is not in the cache, which takes
//! well under a millisecond. Commits go through an inbox to one writer thread, which syncs once for a whole group. What
//! a reader sees is on disk: fjall shows a batch only after its sync.

mod clock;
mod counters;
mod filter;
mod group;
mod inbox;
mod layout;
mod queues;
mod sweep;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fjall::{Readable, Snapshot, UserKey, UserValue};
use tokio::sync::SetOnce;

use super::change::{check_claim, check_commit, check_read, milliseconds};
use super::{
    Calls, Change, Claimed, Counted, Cursor, EventId, Instant, Key, Page, QueueName, Row, SHARDS,
    Shard, Store, StoreError, Table, Verdict, count,
};
use clock::Clock;
use counters::Counters;
use group::{Applied, Prepared};
use inbox::{Inbox, Work};
use layout::{Space, Spaces, State, Stored};
use queues::{Place, Queues};

/// Where the store lies and how much memory and disk it may use.
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// The directory; made if it is not there. One process at a time may have it open.
    pub path: PathBuf,
    /// Memory for blocks that were read.
    pub cache_octets: u64,
    /// Memory of each of the keyspaces before it is written out, but for the next two. Half a dozen are in much use.
    pub memtable_octets: u64,
    /// The same for sessions and for answers each: the more seconds of them it holds, the fewer become a file. While
    /// fjall is busy writing out, up to five times this is in use.
    pub session_octets: u64,
    /// The journal on disk; opening the store after a crash reads it all (about 3 ms a MiB).
    pub journal_octets: u64,
}

impl EmbeddedConfig {
    /// fjall takes no less.
    const SMALLEST_JOURNAL: u64 = 64 << 20;

    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            cache_octets: 64 << 20,
            memtable_octets: 8 << 20,
            session_octets: 16 << 20,
            journal_octets: 256 << 20,
        }
    }
}

/// The embedded store. Dropping it finishes what is being written and closes the files.
pub struct Embedded {
    inner: Arc<Inner>,
    threads: Vec<JoinHandle<()>>,
    counted: Counted,
}

/// What the callers, the writer and the sweeper share.
struct Inner {
    spaces: Spaces,
    clock: Clock,
    inbox: Inbox,
    queues: Queues,
    counters: Counters,
    /// For each shard the last event known to be trimmed: a walk over the log need not start before.
    trimmed: Vec<AtomicU64>,
    failure: SetOnce<String>,
}

impl Embedded {
    async fn apply(&self, shard: Shard, changes: Vec<Change>) -> Result<Vec<Applied>, StoreError> {
        count(&self.counted.commit);
        let octets = check_commit(&changes)?;
        self.counted.changes.fetch_add(changes.len() as u64, Ordering::Relaxed);
        let changes = changes.into_iter().map(|change| Prepared::new(shard, change)).collect();
        self.inner.inbox.ask(Work::Commit(changes), octets).await
    }

    /// Opens or makes a store and starts its threads.
    pub fn open(config: &EmbeddedConfig) -> Result<Self, StoreError> {
        let latest = Arc::new(AtomicU64::new(0));
        let spaces = Spaces::open(config, &latest).map_err(failed("opened its files"))?;
        let state = spaces.of(Space::State).get(State::KEY).map_err(failed("read its state"))?;
        let state = state.map(|octets| State::read(&octets)).transpose()?.unwrap_or_default();
        latest.store(state.clock, Ordering::Relaxed);
        let inner = Arc::new(Inner {
            spaces,
            clock: Clock::start(latest),
            inbox: Inbox::new(),
            queues: Queues::new(),
            counters: Counters::default(),
            trimmed: (0..SHARDS).map(|_| AtomicU64::new(0)).collect(),
            failure: SetOnce::new(),
        });
        let mut store = Self { inner, threads: Vec::new(), counted: Counted::default() };
        store.start("store-writer", move |inner| writer::run(inner, state.sequence))?;
        store.start("store-sweeper", sweep::run)?;
        Ok(store)
    }

    /// Waits until the store has failed for good, and says why. The process should then end: every further call
    /// answers [`StoreError::Poisoned`], and only opening the store again recovers it.
    pub async fn failed(&self) -> &str {
        self.inner.failure.wait().await
    }

    fn start(
        &mut self,
        name: &str,
        run: impl FnOnce(&Inner) + Send + 'static,
    ) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.inner);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&inner));
        self.threads.push(thread.map_err(failed("started its threads"))?);
        Ok(())
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.inner.inbox.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("counted", &self.counted).finish_non_exhaustive()
    }
}

impl Inner {
    fn poison(&self, error: &StoreError) {
        tracing::error!(%error, "the store failed; the process must end");
        // Only the first failure says why.
        drop(self.failure.set(error.to_string()));
    }

    fn is_poisoned(&self) -> bool {
        self.failure.initialized()
    }

    fn poisoned(&self) -> StoreError {
        StoreError::Poisoned(self.failure.get().cloned().unwrap_or_default())
    }

    /// What may be read, unless a write failed: then what can be seen may not be on disk.
    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        if self.is_poisoned() { Err(self.poisoned()) } else { Ok(self.spaces.database.snapshot()) }
    }

    /// The events of a shard after one of them, but not those known to be trimmed.
    fn log(
        &self,
        shard: Shard,
        after: u64,
    ) -> Result<impl Iterator<Item = Result<(UserKey, UserValue), StoreError>> + use<>, StoreError>
    {
        let after = after.max(self.trimmed(shard).load(Ordering::Relaxed));
        let from = Bound::Excluded(layout::event_key(shard, after).to_vec());
        Ok(self.walk(&self.snapshot()?, Space::Event, from, &[shard.number()]))
    }

    fn trimmed(&self, shard: Shard) -> &AtomicU64 {
        self.trimmed.get(usize::from(shard.number())).expect("there are as many as shards")
    }

    /// The pairs of a keyspace from a key on, within a prefix.
    fn walk(
        &self,
        snapshot: &Snapshot,
        space: Space,
        from: Bound<Vec<u8>>,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(UserKey, UserValue), StoreError>> + use<> {
        let end = layout::after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        let range = snapshot.range(self.spaces.of(space), (from, end));
        range.map(|pair| pair.into_inner().map_err(failed("read")))
    }

    fn claim(
        &self,
        shard: Shard,
        queue: &QueueName,
        most: usize,
        lease: Duration,
    ) -> Result<impl Iterator<Item = Claimed> + use<>, StoreError> {
        let now = self.clock.now();
        let until = now.saturating_add(milliseconds(lease));
        if self.is_poisoned() {
            return Err(self.poisoned());
        }
        let prefix = layout::queue_prefix(shard, queue);
        // Looked at only now that nobody can take note of a move: an older view lacks what was noted since, and the walk
        // would forget it.
        let places = |from: &Place| self.places(&self.spaces.database.snapshot(), &prefix, from);
        let places = self.queues.claim(shard, queue, (now, until), most, places)?;
        let queue = queue.clone();
        Ok(places.into_iter().map(move |Place { due, member }| Claimed {
            queue: queue.clone(),
            member,
            due,
        }))
    }

    fn earliest(&self, shard: Shard, queue: &QueueName) -> Result<Option<u64>, StoreError> {
        let snapshot = self.snapshot()?;
        let prefix = layout::queue_prefix(shard, queue);
        let places = |from: &Place| self.places(&snapshot, &prefix, from);
        self.queues.earliest(shard, queue, self.clock.now(), places)
    }

    /// The members of a queue on disk from a place on, in their order.
    fn places<'a>(
        &self,
        snapshot: &Snapshot,
        prefix: &'a [u8],
        from: &Place,
    ) -> impl Iterator<Item = Result<Place, StoreError>> + use<'a> {
        let from = Bound::Included(layout::due_key(prefix, from.due, &from.member).to_vec());
        self.walk(snapshot, Space::Due, from, prefix).map(move |pair| {
            layout::due_and_member(prefix, &pair?.0).map(|(due, member)| Place { due, member })
        })
    }
}

#[async_trait]
impl Store for Embedded {
    async fn now(&self) -> Result<Instant, StoreError> {
        count(&self.counted.now);
        Ok(Instant(self.inner.clock.now()))
    }

    async fn read(&self, shard: Shard, keys: &[Key]) -> Result<Vec<Option<Row>>, StoreError> {
        count(&self.counted.read);
        check_read(keys)?;
        let now = self.inner.clock.now();
        let snapshot = self.inner.snapshot()?;
        keys.iter()
            .map(|key| {
                let space = self.inner.spaces.of(Space::Rows(key.table));
                let value =
                    snapshot.get(space, layout::row_key(shard, key)).map_err(failed("read"))?;
                value.map_or(Ok(None), |value| row(&value, now))
            })
            .collect()
    }

    async fn commit(&self, shard: Shard, changes: Vec<Change>) -> Result<Vec<Verdict>, StoreError> {
        let applied = self.apply(shard, changes).await?;
        let verdict = |applied: Applied| applied.map_or(Verdict::Conflict, |_| Verdict::Done);
        Ok(applied.into_iter().map(verdict).collect())
    }

    async fn commit_one(
        &self,
        shard: Shard,
        change: Change,
    ) -> Result<Option<Vec<u64>>, StoreError> {
        let applied = self.apply(shard, vec![change]).await?;
        Ok(applied.into_iter().next().flatten().map(Iterator::collect))
    }

    async fn claim(
        &self,
        shard: Shard,
        queues: &[QueueName],
        most: usize,
        lease: Duration,
    ) -> Result<Vec<Claimed>, StoreError> {
        count(&self.counted.claim);
        check_claim(queues)?;
        let mut claimed = Vec::new();
        for queue in queues {
            if claimed.len() >= most {
                break;
            }
            claimed.extend(self.inner.claim(shard, queue, most - claimed.len(), lease)?);
        }
        Ok(claimed)
    }

    async fn earliest(
        &self,
        shard: Shard,
        queues: &[QueueName],
    ) -> Result<Option<u64>, StoreError> {
        count(&self.counted.earliest);
        check_claim(queues)?;
        let mut earliest = None;
        for queue in queues {
            let due = self.inner.earliest(shard, queue)?;
            earliest = due.into_iter().chain(earliest).min();
        }
        Ok(earliest)
    }

    async fn counters(&self, shard: Shard, set: u64) -> Result<Vec<(String, i64)>, StoreError> {
        count(&self.counted.counters);
        if self.inner.is_poisoned() {
            return Err(self.inner.poisoned());
        }
        self.inner.counters.all(shard, set, || {
            let prefix = layout::counter_key(shard, set, "");
            let from = Bound::Included(prefix.to_vec());
            let pairs = self.inner.walk(&self.inner.snapshot()?, Space::Counter, from, &prefix);
            pairs
                .map(|pair| {
                    let (key, value) = pair?;
                    Ok((layout::counter_field(&key)?, layout::sum(&value)?))
                })
                .collect()
        })
    }

    async fn events(
        &self,
        shard: Shard,
        after: EventId,
        most: usize,
    ) -> Result<Vec<(EventId, Bytes)>, StoreError> {
        count(&self.counted.events);
        self.inner
            .log(shard, after.0)?
            .take(most)
            .map(|pair| {
                let (key, value) = pair?;
                Ok((EventId(layout::event_id(&key)?), Bytes::copy_from_slice(&value)))
            })
            .collect()
    }

    async fn trim(&self, shard: Shard, through: EventId) -> Result<(), StoreError> {
        /// Events forgotten in one piece of work, so that commits never wait long behind it.
        const STEP: usize = 512;
        count(&self.counted.trim);
        loop {
            let mut keys = Vec::new();
            let mut last = EventId::default();
            for pair in self.inner.log(shard, 0)?.take(STEP) {
                let (key, _) = pair?;
                let id = EventId(layout::event_id(&key)?);
                if id > through {
                    break;
                }
                last = id;
                keys.push(key);
            }
            let is_last = keys.len() < STEP;
            if !keys.is_empty() {
                self.inner.inbox.ask(Work::ForgetEvents(keys), 0).await?;
                self.inner.trimmed(shard).fetch_max(last.0, Ordering::Relaxed);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    async fn scan(
        &self,
        shard: Shard,
        table: Table,
        cursor: Option<Cursor>,
        most: usize,
    ) -> Result<Page, StoreError> {
        count(&self.counted.scan);
        if !table.is_scanned() {
            return Err(StoreError::Refused("sessions and answers cannot be walked"));
        }
        let now = self.inner.clock.now();
        let snapshot = self.inner.snapshot()?;
        let from = match cursor {
            Some(Cursor(key)) => Bound::Excluded(key),
            None => Bound::Included(vec![shard.number()]),
        };
        let mut page = Page { rows: Vec::new(), next: None };
        for pair in self
            .inner
            .walk(&snapshot, Space::Rows(table), from, &[shard.number()])
            .take(most.max(1))
        {
            let (key, value) = pair?;
            if let Some(row) = row(&value, now)? {
                page.rows.push((Key::new(table, layout::row_id(&key)), row));
            }
            page.next = Some(Cursor(key.to_vec()));
        }
        Ok(page)
    }

    fn calls(&self) -> Calls {
        self.counted.calls()
    }
}

fn row(value: &[u8], now: u64) -> Result<Option<Row>, StoreError> {
    let stored = Stored::read(value, now)?;
    Ok(stored.map(|stored| Row {
        revision: stored.revision,
        bytes: Bytes::copy_from_slice(stored.bytes),
    }))
}

/// Says what the store was doing when the disk, or a thread, failed.
fn failed<E: std::error::Error + Send + Sync + 'static>(
    doing: &'static str,
) -> impl FnOnce(E) -> StoreError {
    move |source| StoreError::Backend { doing, source: Box::new(source) }
}
