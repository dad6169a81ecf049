//! Messages that were taken, written down behind the commit of their attempts, many together.

use super::{Attempt, Meeting, TRIES, Trouble, bring, calls, count, found, place};
use crate::{
    engine::Engine,
    rows::{DeviceId, Stored},
    store::{Change, Key, Shard, Verdict},
};
use futures_util::future::join_all;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

/// Notices that may wait to be written.
const MOST_EXPECTED: usize = 64 * 1024;
/// How long notices are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(20);
/// Before what could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long the row of a message outlives its validity.
const AFTERWARDS: Duration = Duration::from_hours(1);

/// A message that was taken, and the attempt that it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) route: String,
    /// As its receipt will give it.
    pub(crate) message_id: String,
    pub(crate) device: DeviceId,
    pub(crate) seq: u64,
    pub(crate) attempt: u8,
    pub(crate) validity: Duration,
}

impl Expected {
    fn attempt(&self) -> Attempt {
        Attempt { device: self.device.clone(), seq: self.seq, number: self.attempt }
    }

    /// Writes it down, where `change` says that it may be.
    fn written(&self, change: Change, key: Key) -> Change {
        change.put_for(key, Meeting::Sent(self.attempt()).to_octets(), self.validity + AFTERWARDS)
    }
}

/// Where dispatchers leave their notices.
#[derive(Debug)]
pub(crate) struct Awaited {
    notices: mpsc::Sender<Expected>,
    taken: Mutex<Option<mpsc::Receiver<Expected>>>,
    authors: TaskTracker,
}

impl Default for Awaited {
    fn default() -> Self {
        let (notices, taken) = mpsc::channel(MOST_EXPECTED);
        Self { notices, taken: Mutex::new(Some(taken)), authors: TaskTracker::new() }
    }
}

impl Awaited {
    /// Leaves a notice; when there is no room, its receipt will find no attempt.
    pub(crate) fn expect(&self, expected: Expected) {
        if self.notices.try_send(expected).is_err() {
            tracing::debug!("a notice of a message found no room; its receipt will be in vain");
        }
    }

    /// Whoever leaves notices holds this for as long as there may be more.
    pub(crate) fn author(&self) -> TaskTrackerToken {
        self.authors.token()
    }

    /// Nobody will leave a notice any more.
    async fn complete(&self, stop: &CancellationToken) {
        stop.cancelled().await;
        self.authors.close();
        self.authors.wait().await;
    }

    fn take(&self) -> Option<mpsc::Receiver<Expected>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Writes notices until `engine.stop`, and then those that are still left.
pub(crate) async fn write(engine: Arc<Engine>) {
    let Some(mut taken) = engine.awaited.take() else { return };
    let complete = engine.awaited.complete(&engine.stop);
    tokio::pin!(complete);
    let mut batch = Vec::new();
    let mut last = false;
    while !last {
        tokio::select! {
            n = taken.recv_many(&mut batch, MOST_EXPECTED), if batch.len() < MOST_EXPECTED => {
                if n == 0 {
                    return;
                }
                tokio::time::sleep(GATHER).await;
            }
            () = tokio::time::sleep(AGAIN), if !batch.is_empty() => {}
            () = &mut complete => last = true,
        }
        while batch.len() < MOST_EXPECTED
            && let Ok(expected) = taken.try_recv()
        {
            batch.push(expected);
        }
        batch = keep(&engine, std::mem::take(&mut batch)).await;
    }
    if !batch.is_empty() {
        let lost = batch.len();
        tracing::warn!(lost, "notices were not written; their receipts will be in vain");
    }
}

/// Writes notices, and brings to the attempts what was told of them before. Answers those that could not be written.
pub(super) async fn keep(engine: &Engine, batch: Vec<Expected>) -> Vec<Expected> {
    let mut by_shard: BTreeMap<Shard, Vec<(Key, Expected)>> = BTreeMap::new();
    for expected in batch {
        let (shard, key) = place(&expected.route, &expected.message_id);
        by_shard.entry(shard).or_default().push((key, expected));
    }
    let calls = calls(by_shard);
    let calls = calls.into_iter().map(|(shard, notices)| keep_some(engine, shard, notices));
    join_all(calls).await.concat()
}

async fn keep_some(engine: &Engine, shard: Shard, notices: Vec<(Key, Expected)>) -> Vec<Expected> {
    let write = |(key, expected): &(Key, Expected)| {
        expected.written(Change::new().if_absent(key.clone()), key.clone())
    };
    let verdicts = match engine.store.commit(shard, notices.iter().map(write).collect()).await {
        Ok(verdicts) => verdicts,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "notices of messages were not written; they are again");
            return notices.into_iter().map(|(_, expected)| expected).collect();
        }
    };
    let early = notices.into_iter().zip(verdicts);
    let early = early.filter(|(_, verdict)| *verdict == Verdict::Conflict);
    let met = early.map(async |((key, expected), _)| {
        let met = meet(engine, shard, &key, &expected).await;
        met.err().map(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "an early receipt was not brought to its attempt; it is again");
            expected
        })
    });
    join_all(met).await.into_iter().flatten().collect()
}

/// Something is there already: a receipt that was faster, or a notice under the same id.
async fn meet(
    engine: &Engine,
    shard: Shard,
    key: &Key,
    expected: &Expected,
) -> Result<(), Trouble> {
    for _ in 0..TRIES {
        let rows = engine.store.read(shard, std::slice::from_ref(key)).await?;
        let (meeting, revision) = found(rows.into_iter().next().flatten());
        let told = match meeting {
            Some(Meeting::Sent(attempt)) if attempt == expected.attempt() => return Ok(()),
            Some(Meeting::Told(fate)) => Some(fate),
            // A carrier gives ids again after a while: the message of the newer notice is meant from now on.
            Some(Meeting::Sent(_)) | None => None,
        };
        if let Some(fate) = told {
            bring(engine, &expected.attempt(), fate).await?;
        }
        // What is told later finds the attempt.
        let change = match revision {
            Some(revision) => Change::new().if_is(key.clone(), revision),
            None => Change::new().if_absent(key.clone()),
        };
        let change = expected.written(change, key.clone());
        if engine.store.commit(shard, vec![change]).await?.first() == Some(&Verdict::Done) {
            if let Some(fate) = told {
                count(engine, &expected.route, fate.label());
            }
            return Ok(());
        }
    }
    Err(Trouble::Contended)
}
