//! Receipts: brought to their attempts, or left in the store for whoever knows them.
//!
//! What was taken from a carrier is worked on, or stands in the store; when too much waits here, no more is taken, and the
//! carrier keeps it.

use super::{Meeting, TRIES, Trouble, bring, calls, count, found, place};
use crate::{
    engine::Engine,
    metrics::labels::ReceiptFate,
    notify::{Fate, Receipt},
    rows::Stored,
    store::{Change, Key, Shard, Verdict},
};
use futures_util::future::join_all;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};

/// Receipts worked on together.
const BATCH: usize = 64;
/// Receipts that may wait to be looked at again.
const MOST_HELD: usize = 16 * 1024;
/// A receipt may be a little faster than the notice of its message: before anything is written, it is looked at once more
/// after this.
const SOON: Duration = Duration::from_millis(100);
/// After this a receipt is about no message of ours. A notice is written when all messages of its batch have their permits and
/// their answers.
const UNMATCHED: Duration = Duration::from_secs(30);
/// How long what was left in the store is kept; much longer than a batch takes, whoever is slow.
const LEFT: Duration = Duration::from_mins(2);
/// When the store does not answer.
const AGAIN: Duration = Duration::from_secs(1);
/// So often; by then its job's own time does more.
const MOST_FAILURES: u8 = 60;

/// A receipt, and how far it is.
#[derive(Debug)]
struct Held {
    receipt: Receipt,
    stage: Stage,
    failures: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It came just now.
    New,
    /// Nobody knew it a moment ago.
    Early,
    /// It stands in the store.
    Left,
}

/// What a look brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    /// Its attempt has been told.
    Attempt,
    /// Its attempt was told by whoever wrote the notice, and it was counted there.
    Elsewhere,
    /// Nobody knows it yet.
    Nobody,
    /// It stands in the store now.
    Left,
    /// The store did not answer, or others were faster.
    Failed,
}

/// Receipts of one route.
#[derive(Debug)]
pub(super) struct Incoming {
    route: String,
    /// By when they are looked at again; the number tells those of one moment apart.
    held: BTreeMap<(Instant, u64), Held>,
    number: u64,
}

/// Works on the receipts of one route until `engine.stop`.
pub(crate) async fn read(
    engine: Arc<Engine>,
    route: String,
    mut receipts: mpsc::Receiver<Receipt>,
) {
    let mut incoming = Incoming::new(route);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let due = incoming.due();
        tokio::select! {
            n = receipts.recv_many(&mut batch, BATCH), if incoming.has_room() => if n == 0 { break },
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            () = engine.stop.cancelled() => break,
        }
        incoming.look(&engine, batch.drain(..), Instant::now()).await;
    }
    // What the carrier was told is taken is not forgotten; what comes from now on it keeps.
    receipts.close();
    while receipts.recv_many(&mut batch, BATCH).await > 0 {
        incoming.look(&engine, batch.drain(..), Instant::now()).await;
    }
    incoming.leave_all(&engine).await;
}

impl Incoming {
    pub(super) fn new(route: String) -> Self {
        Self { route, held: BTreeMap::new(), number: 0 }
    }

    fn has_room(&self) -> bool {
        self.held.len() < MOST_HELD
    }

    /// When the first of those that wait is looked at again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.held.first_key_value().map(|((due, _), _)| *due)
    }

    /// Looks at these, and at those whose time has come.
    pub(super) async fn look(
        &mut self,
        engine: &Engine,
        came: impl Iterator<Item = Receipt>,
        now: Instant,
    ) {
        let mut looks: Vec<_> =
            came.map(|receipt| Held { receipt, stage: Stage::New, failures: 0 }).collect();
        while looks.len() < 2 * BATCH
            && let Some(first) = self.held.first_entry()
            && first.key().0 <= now
        {
            looks.push(first.remove());
        }
        self.work(engine, looks).await;
    }

    /// Leaves in the store what waits here.
    async fn leave_all(&mut self, engine: &Engine) {
        for _ in 0..TRIES {
            let waiting = std::mem::take(&mut self.held).into_values();
            let waiting: Vec<_> = waiting.filter(|held| held.stage != Stage::Left).collect();
            if waiting.is_empty() {
                return;
            }
            let early = waiting.into_iter().map(|held| Held { stage: Stage::Early, ..held });
            self.work(engine, early.collect()).await;
        }
    }

    async fn work(&mut self, engine: &Engine, looks: Vec<Held>) {
        let mut by_shard: BTreeMap<Shard, Vec<(Key, Held)>> = BTreeMap::new();
        for held in looks {
            let (shard, key) = place(&self.route, &held.receipt.message_id);
            by_shard.entry(shard).or_default().push((key, held));
        }
        let calls = calls(by_shard).into_iter().map(|(shard, held)| meet(engine, shard, held));
        for (held, met) in join_all(calls).await.into_iter().flatten() {
            self.go_on(engine, held, met);
        }
    }

    fn go_on(&mut self, engine: &Engine, held: Held, met: Met) {
        match (met, held.stage) {
            (Met::Attempt, _) => count(engine, &self.route, held.receipt.fate.label()),
            (Met::Elsewhere, _) => {}
            (Met::Nobody, Stage::Left) => count(engine, &self.route, ReceiptFate::Unmatched),
            (Met::Nobody, Stage::New | Stage::Early) => {
                self.hold(Held { stage: Stage::Early, ..held }, SOON);
            }
            (Met::Left, _) => self.hold(Held { stage: Stage::Left, ..held }, UNMATCHED),
            (Met::Failed, _) if held.failures < MOST_FAILURES => {
                self.hold(Held { failures: held.failures + 1, ..held }, AGAIN);
            }
            (Met::Failed, _) => {
                tracing::warn!(
                    route = self.route,
                    "a receipt could not be worked on; its job waits out its time"
                );
            }
        }
    }

    fn hold(&mut self, held: Held, pause: Duration) {
        self.number += 1;
        self.held.insert((Instant::now() + pause, self.number), held);
    }
}

/// Looks for the notices of these, all of one shard; what has none for the second time is left there.
async fn meet(engine: &Engine, shard: Shard, looks: Vec<(Key, Held)>) -> Vec<(Held, Met)> {
    let keys: Vec<_> = looks.iter().map(|(key, _)| key.clone()).collect();
    let rows = match engine.store.read(shard, &keys).await {
        Ok(rows) => rows,
        Err(error) => {
            told_again(&error.into());
            return looks.into_iter().map(|(_, held)| (held, Met::Failed)).collect();
        }
    };
    let (mut done, mut changes, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for ((key, held), row) in looks.into_iter().zip(rows) {
        let fate = held.receipt.fate;
        let (meeting, revision) = found(row);
        match (meeting, held.stage) {
            (Some(Meeting::Sent(_)), Stage::Left) => done.push((held, Met::Elsewhere)),
            (Some(Meeting::Sent(attempt)), _) => {
                let brought = bring(engine, &attempt, fate).await;
                let met = brought.map_or_else(
                    |error| {
                        told_again(&error);
                        Met::Failed
                    },
                    |()| Met::Attempt,
                );
                done.push((held, met));
            }
            (Some(Meeting::Told(_)) | None, Stage::Left) | (None, Stage::New) => {
                done.push((held, Met::Nobody));
            }
            (told, Stage::New | Stage::Early) => {
                // What the carrier says on the way does not stand for how it ends.
                let fate = match told {
                    Some(Meeting::Told(before)) if fate == Fate::Held => before,
                    _ => fate,
                };
                let change = match revision {
                    Some(revision) => Change::new().if_is(key.clone(), revision),
                    None => Change::new().if_absent(key.clone()),
                };
                changes.push(change.put_for(key, Meeting::Told(fate).to_octets(), LEFT));
                left.push(held);
            }
        }
    }
    if !changes.is_empty() {
        let verdicts = engine.store.commit(shard, changes).await.unwrap_or_else(|error| {
            told_again(&error.into());
            Vec::new()
        });
        let verdicts = verdicts.into_iter().map(Some).chain(std::iter::repeat(None));
        done.extend(left.into_iter().zip(verdicts).map(|(held, verdict)| match verdict {
            Some(Verdict::Done) => (held, Met::Left),
            // The notice came meanwhile, or another receipt of the message.
            Some(Verdict::Conflict) => (held, Met::Nobody),
            None => (held, Met::Failed),
        }));
    }
    done
}

fn told_again(error: &Trouble) {
    let error = error as &dyn std::error::Error;
    tracing::debug!(error, "a receipt could not be looked at; it is again");
}
