//! The store, watched: how long its calls take, how often they fail, and what its commits count.
//!
//! Every change of the server passes here with its verdict, so what is added to a campaign's counters is added to the
//! metrics in the same breath: once, when it is stored, whoever did it.

use super::{
    Metrics,
    labels::{Milestone, Operation},
};
use crate::{
    clock,
    store::{
        Calls, Change, Claimed, Cursor, EventId, Key, Page, QueueName, Row, Shard, Store,
        StoreError, Table, Verdict,
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use campaign::{job::Outcome, progress, time::Instant};
use std::{sync::Arc, time::Duration};

/// A store behind a stopwatch.
#[derive(Debug)]
pub(crate) struct Watched {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
}

/// What a change counts, beyond its own campaign.
#[derive(Debug, Clone, Copy)]
enum Step {
    Milestone(Milestone),
    Silent,
    Ended(Outcome),
}

impl Watched {
    pub(crate) fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Self {
        Self { store, metrics }
    }

    async fn watch<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let since = clock::stopwatch();
        let answer = call.await;
        let store = &self.metrics.store;
        store.seconds.at(operation).record(since.elapsed().as_secs_f64());
        if answer.is_err() {
            store.errors.at(operation).increment(1);
        }
        answer
    }
}

/// What a change counts once it is stored.
#[derive(Debug)]
struct Counts {
    steps: Vec<(Step, u64)>,
    events: u64,
}

impl Counts {
    fn of(change: &Change) -> Self {
        let counted = change.adds.iter().filter_map(|add| {
            let by = u64::try_from(add.by).ok().filter(|by| *by > 0)?;
            Some((Step::of(&add.field)?, by))
        });
        Self { steps: counted.collect(), events: change.events.len() as u64 }
    }

    fn count(&self, metrics: &Metrics, verdict: Verdict) {
        match verdict {
            Verdict::Done => {
                self.steps.iter().for_each(|(step, by)| step.count(metrics, *by));
                metrics.store.changes.increment(1);
                metrics.store.events.increment(self.events);
            }
            Verdict::Conflict => metrics.store.conflicts.increment(1),
        }
    }
}

impl Step {
    fn of(field: &str) -> Option<Self> {
        match field {
            progress::ENROLLED => Some(Self::Milestone(Milestone::Enrolled)),
            progress::NOTIFIED => Some(Self::Milestone(Milestone::Notified)),
            progress::WRITTEN => Some(Self::Milestone(Milestone::Written)),
            progress::SILENT => Some(Self::Silent),
            other => other.strip_prefix("o.").and_then(Outcome::from_name).map(Self::Ended),
        }
    }

    fn count(self, metrics: &Metrics, by: u64) {
        match self {
            Self::Milestone(milestone) => metrics.milestones.at(milestone).increment(by),
            Self::Silent => metrics.silent.increment(by),
            Self::Ended(outcome) => {
                metrics.ended.at(outcome).increment(by);
                metrics.milestones.at(Milestone::Reported).increment(by);
                if outcome.is_proven() {
                    metrics.milestones.at(Milestone::Proven).increment(by);
                }
            }
        }
    }
}

#[async_trait]
impl Store for Watched {
    /// Not watched: the store's time is asked for several times in every message.
    async fn now(&self) -> Result<Instant, StoreError> {
        self.store.now().await
    }

    async fn read(&self, shard: Shard, keys: &[Key]) -> Result<Vec<Option<Row>>, StoreError> {
        self.watch(Operation::Read, self.store.read(shard, keys)).await
    }

    async fn commit(&self, shard: Shard, changes: Vec<Change>) -> Result<Vec<Verdict>, StoreError> {
        let counts: Vec<_> = changes.iter().map(Counts::of).collect();
        let verdicts = self.watch(Operation::Commit, self.store.commit(shard, changes)).await?;
        for (counts, verdict) in counts.iter().zip(&verdicts) {
            counts.count(&self.metrics, *verdict);
        }
        Ok(verdicts)
    }

    async fn commit_one(
        &self,
        shard: Shard,
        change: Change,
    ) -> Result<Option<Vec<u64>>, StoreError> {
        let counts = Counts::of(&change);
        let put = self.watch(Operation::Commit, self.store.commit_one(shard, change)).await?;
        let verdict = if put.is_some() { Verdict::Done } else { Verdict::Conflict };
        counts.count(&self.metrics, verdict);
        Ok(put)
    }

    async fn claim(
        &self,
        shard: Shard,
        queues: &[QueueName],
        most: usize,
        lease: Duration,
    ) -> Result<Vec<Claimed>, StoreError> {
        self.watch(Operation::Claim, self.store.claim(shard, queues, most, lease)).await
    }

    async fn earliest(
        &self,
        shard: Shard,
        queues: &[QueueName],
    ) -> Result<Option<u64>, StoreError> {
        self.watch(Operation::Earliest, self.store.earliest(shard, queues)).await
    }

    async fn counters(&self, shard: Shard, set: u64) -> Result<Vec<(String, i64)>, StoreError> {
        self.watch(Operation::Counters, self.store.counters(shard, set)).await
    }

    async fn events(
        &self,
        shard: Shard,
        after: EventId,
        most: usize,
    ) -> Result<Vec<(EventId, Bytes)>, StoreError> {
        self.watch(Operation::Events, self.store.events(shard, after, most)).await
    }

    async fn trim(&self, shard: Shard, through: EventId) -> Result<(), StoreError> {
        self.watch(Operation::Trim, self.store.trim(shard, through)).await
    }

    async fn scan(
        &self,
        shard: Shard,
        table: Table,
        cursor: Option<Cursor>,
        most: usize,
    ) -> Result<Page, StoreError> {
        self.watch(Operation::Scan, self.store.scan(shard, table, cursor, most)).await
    }

    fn calls(&self) -> Calls {
        self.store.calls()
    }
}
