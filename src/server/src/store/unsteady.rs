//! For tests: a store that fails once, at the call that a test says.

use super::{
    Calls, Change, Claimed, Cursor, EventId, Instant, Key, Page, QueueName, Row, Shard, Store,
    StoreError, Table, Verdict,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// Another store, with one failure.
#[derive(Debug)]
pub(crate) struct Unsteady {
    store: Arc<dyn Store>,
    /// Reads and commits until the one that fails.
    left: AtomicU64,
    /// That one is done all the same.
    done: AtomicBool,
}

impl Unsteady {
    pub(crate) fn over(store: Arc<dyn Store>) -> Self {
        Self { store, left: AtomicU64::new(u64::MAX), done: AtomicBool::new(false) }
    }

    /// The read or commit after the next `n` fails, whether it is done or not.
    pub(crate) fn fail_at(&self, n: u64, done: bool) {
        self.done.store(done, Ordering::Relaxed);
        self.left.store(n, Ordering::Relaxed);
    }

    /// Whether this call fails.
    fn fails(&self) -> bool {
        self.left.fetch_sub(1, Ordering::Relaxed) == 0
    }

    /// A call that writes: the one that fails may be done all the same.
    async fn write<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let fails = self.fails();
        if fails && !self.done.load(Ordering::Relaxed) {
            return Err(AWAY);
        }
        let done = call.await?;
        if fails { Err(AWAY) } else { Ok(done) }
    }
}

const AWAY: StoreError = StoreError::Refused("the store is away, for a test");

#[async_trait]
impl Store for Unsteady {
    async fn now(&self) -> Result<Instant, StoreError> {
        self.store.now().await
    }

    async fn read(&self, shard: Shard, keys: &[Key]) -> Result<Vec<Option<Row>>, StoreError> {
        if self.fails() {
            return Err(AWAY);
        }
        self.store.read(shard, keys).await
    }

    async fn commit(&self, shard: Shard, changes: Vec<Change>) -> Result<Vec<Verdict>, StoreError> {
        self.write(self.store.commit(shard, changes)).await
    }

    async fn commit_one(
        &self,
        shard: Shard,
        change: Change,
    ) -> Result<Option<Vec<u64>>, StoreError> {
        self.write(self.store.commit_one(shard, change)).await
    }

    async fn claim(
        &self,
        shard: Shard,
        queues: &[QueueName],
        most: usize,
        lease: Duration,
    ) -> Result<Vec<Claimed>, StoreError> {
        self.store.claim(shard, queues, most, lease).await
    }

    async fn earliest(
        &self,
        shard: Shard,
        queues: &[QueueName],
    ) -> Result<Option<u64>, StoreError> {
        self.store.earliest(shard, queues).await
    }

    async fn counters(&self, shard: Shard, set: u64) -> Result<Vec<(String, i64)>, StoreError> {
        self.store.counters(shard, set).await
    }

    async fn events(
        &self,
        shard: Shard,
        after: EventId,
        most: usize,
    ) -> Result<Vec<(EventId, Bytes)>, StoreError> {
        self.store.events(shard, after, most).await
    }

    async fn trim(&self, shard: Shard, through: EventId) -> Result<(), StoreError> {
        self.store.trim(shard, through).await
    }

    async fn scan(
        &self,
        shard: Shard,
        table: Table,
        cursor: Option<Cursor>,
        most: usize,
    ) -> Result<Page, StoreError> {
        self.store.scan(shard, table, cursor, most).await
    }

    fn calls(&self) -> Calls {
        self.store.calls()
    }
}
