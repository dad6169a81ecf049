//! What became of notifications, as carriers tell it, brought back to the attempts they are about (D4).
//!
//! A receipt may come on any bind, to any worker: a small row under the route and the message's id says whose it is. Both
//! directions are best effort and go in batches: a lost receipt costs nothing but waiting for `answer_within`.

#[cfg(test)]
mod tests;

use crate::{
    engine::Engine,
    metrics::labels::ReceiptFate,
    notify::{Fate, Receipt},
    rows::{DeviceId, Stored},
    store::{Change, Key, Shard, StoreError, Table, Verdict, change::MOST_CHANGES},
    turn::{self, Turn},
    update,
};
use campaign::{job::Job, time::Instant};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc;

/// Notices of messages that may wait to be written.
const MOST_EXPECTED: usize = 64 * 1024;
/// How long notices are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(20);
/// Receipts worked on together.
const BATCH: usize = 64;
/// A receipt may be faster than the notice of its message: it is looked at once more after this.
const SECOND_LOOK: Duration = Duration::from_secs(5);
/// Receipts that may wait for that.
const MOST_EARLY: usize = 16 * 1024;
/// How long the row of a message outlives its validity.
const AFTERWARDS: Duration = Duration::from_hours(1);
/// How often a device is decided anew when others keep moving it.
const TRIES: usize = 8;

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

/// The `x` row: whose message it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ReceiptRow {
    device: DeviceId,
    seq: u64,
    attempt: u8,
}

impl Stored for ReceiptRow {}

/// Where dispatchers leave their notices.
#[derive(Debug)]
pub(crate) struct Awaited {
    notices: mpsc::Sender<Expected>,
    taken: Mutex<Option<mpsc::Receiver<Expected>>>,
}

impl Default for Awaited {
    fn default() -> Self {
        let (notices, taken) = mpsc::channel(MOST_EXPECTED);
        Self { notices, taken: Mutex::new(Some(taken)) }
    }
}

impl Awaited {
    /// Leaves a notice; when there is no room, its receipt will find no attempt.
    pub(crate) fn expect(&self, expected: Expected) {
        if self.notices.try_send(expected).is_err() {
            tracing::debug!("a notice of a message found no room; its receipt will be in vain");
        }
    }

    fn take(&self) -> Option<mpsc::Receiver<Expected>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn key(route: &str, message_id: &str) -> (Shard, Key) {
    let id = format!("{route}\0{message_id}").into_bytes();
    (Shard::of(&id), Key::new(Table::Receipt, id))
}

/// Writes notices until `engine.stop`.
pub(crate) async fn write(engine: Arc<Engine>) {
    let Some(mut taken) = engine.awaited.take() else { return };
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            n = taken.recv_many(&mut batch, MOST_EXPECTED) => if n == 0 { return },
            () = engine.stop.cancelled() => return,
        }
        tokio::time::sleep(GATHER).await;
        while let Ok(expected) = taken.try_recv() {
            batch.push(expected);
        }
        keep(&engine, batch.drain(..)).await;
    }
}

async fn keep(engine: &Engine, batch: impl Iterator<Item = Expected>) {
    let mut by_shard: BTreeMap<Shard, Vec<Change>> = BTreeMap::new();
    for Expected { route, message_id, device, seq, attempt, validity } in batch {
        let (shard, key) = key(&route, &message_id);
        let row = ReceiptRow { device, seq, attempt };
        let change = Change::new().put_for(key, row.to_octets(), validity + AFTERWARDS);
        by_shard.entry(shard).or_default().push(change);
    }
    let writes = by_shard.into_iter().flat_map(|(shard, mut changes)| {
        let mut calls = Vec::new();
        while !changes.is_empty() {
            let rest = changes.split_off(changes.len().min(MOST_CHANGES));
            calls.push(engine.store.commit(shard, std::mem::replace(&mut changes, rest)));
        }
        calls
    });
    for written in join_all(writes).await {
        if let Err(error) = written {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "notices of messages were not written; their receipts will be in vain"
            );
        }
    }
}

/// Works on the receipts of one route until `engine.stop`.
pub(crate) async fn read(
    engine: Arc<Engine>,
    route: String,
    mut receipts: mpsc::Receiver<Receipt>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut early: VecDeque<(Instant, Receipt)> = VecDeque::new();
    let mut again = tokio::time::interval(Duration::from_secs(1));
    again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            n = receipts.recv_many(&mut batch, BATCH) => if n == 0 { return },
            _ = again.tick(), if !early.is_empty() => {}
            () = engine.stop.cancelled() => return,
        }
        let Ok(now) = engine.store.now().await else { continue };
        let first = batch.drain(..).map(|receipt| (receipt, true));
        let mut looks: Vec<_> = first.collect();
        while early.front().is_some_and(|(due, _)| *due <= now) {
            looks.extend(early.pop_front().map(|(_, receipt)| (receipt, false)));
        }
        let found =
            join_all(looks.iter().map(|(receipt, _)| take_in(&engine, &route, receipt))).await;
        for ((receipt, first), found) in looks.into_iter().zip(found) {
            let fate = match found {
                Ok(true) => receipt.fate.into(),
                Ok(false) if first && early.len() < MOST_EARLY => {
                    early.push_back((now.plus(SECOND_LOOK), receipt));
                    continue;
                }
                Ok(false) => ReceiptFate::Unmatched,
                Err(error) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "a receipt could not be looked at"
                    );
                    continue;
                }
            };
            if let Some(counted) = engine.metrics.route(&route) {
                counted.receipt(fate);
            }
        }
    }
}

impl From<Fate> for ReceiptFate {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Delivered => Self::Delivered,
            Fate::Lost => Self::Lost,
            Fate::Held => Self::Held,
        }
    }
}

/// Brings a receipt to its attempt; false when nobody knows the message (yet).
async fn take_in(
    engine: &Engine,
    route: &str,
    receipt: &Receipt,
) -> Result<bool, update::UpdateError> {
    let (shard, key) = key(route, &receipt.message_id);
    let row = update::load::<ReceiptRow>(engine.store(), shard, &key).await?;
    let Some((ReceiptRow { device, seq, attempt }, _)) = row else { return Ok(false) };
    if receipt.fate == Fate::Lost {
        lost(engine, &device, seq, attempt).await?;
    }
    Ok(true)
}

/// The carrier has given a notification up: the next attempt need not wait until this one's time is over.
async fn lost(engine: &Engine, id: &DeviceId, seq: u64, attempt: u8) -> Result<(), StoreError> {
    let shard = Shard::of(&id.root());
    let key = id.key(Table::Device);
    for _ in 0..TRIES {
        let rows = engine.store.read(shard, std::slice::from_ref(&key)).await?;
        let Some(row) = rows.into_iter().next().flatten() else { return Ok(()) };
        let Some(device) = turn::readable(id, &row) else { return Ok(()) };
        let still = device.job(seq).is_some_and(|active| {
            matches!(active.job, Job::Notified { so_far, .. } if so_far.attempts == attempt)
        });
        let snapshot = engine.live.snapshot();
        let Some(live) = snapshot.get(seq).filter(|_| still) else { return Ok(()) };
        let now = engine.store.now().await?;
        let mut turn = Turn::new(id.clone(), device, row.revision, now);
        turn.step(seq, |job| job.on_undelivered(now, rand::random(), &live.terms));
        let verdicts = engine.store.commit(shard, vec![turn.into_change()]).await?;
        if verdicts.first() == Some(&Verdict::Done) {
            return Ok(());
        }
    }
    Ok(())
}
