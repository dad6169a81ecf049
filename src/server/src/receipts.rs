//! What became of notifications, as carriers tell it, brought back to the attempts they are about (D4).
//!
//! Whoever sent a message learns its id and writes down whose it is; what became of it is told on any bind, to any worker, and
//! may be told first. The two meet in one row of the store, under the route and the id: whoever comes second finds what the
//! first has left, and acts. Nothing of it is on the way of a notification, and a receipt that is lost all the same costs
//! nothing but waiting for `answer_within`.
//!
//! | module | about |
//! | --- | --- |
//! | [`notices`] | messages that were taken, written down behind their attempts |
//! | [`incoming`] | receipts: brought to their attempts, or left for their notices |

pub(crate) mod incoming;
pub(crate) mod notices;
#[cfg(test)]
mod tests;

pub(crate) use notices::{Awaited, Expected};

use crate::{
    engine::Engine,
    metrics::labels::ReceiptFate,
    notify::Fate,
    rows::{DeviceId, Stored},
    store::{Key, Row, Shard, StoreError, Table, Verdict, change::MOST_CHANGES},
    turn::{self, Turn},
    update::UpdateError,
};
use campaign::job::Job;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How often a row is decided anew when others keep changing it.
const TRIES: usize = 8;
/// The last characters of an id that do not decide its shard: messages that leave together have ids that follow each other,
/// and so they are written and looked for in a few calls.
const COUNTED: usize = 2;

/// The `x` row: what one side has left for the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Meeting {
    /// Whose message it is.
    Sent(Attempt),
    /// What became of it. Whose it is has not been said yet.
    Told(Fate),
}

impl Stored for Meeting {
    const VERSION: u8 = 2;
}

/// An attempt to notify a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Attempt {
    device: DeviceId,
    seq: u64,
    /// Counts from 1.
    number: u8,
}

/// Why what became of an attempt could not be written down now.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the campaigns could not be read")]
    Campaigns(#[from] UpdateError),
    #[error("others changed the row {TRIES} times in a row")]
    Contended,
}

/// Where the two meet.
fn place(route: &str, message_id: &str) -> (Shard, Key) {
    let id = format!("{route}\0{message_id}").into_bytes();
    let together = id.len() - COUNTED.min(message_id.len());
    (Shard::of(id.get(..together).unwrap_or_default()), Key::new(Table::Receipt, id))
}

/// What was left there. A row that another version left is none: it is written over, or its time runs out.
fn found(row: Option<Row>) -> (Option<Meeting>, Option<u64>) {
    let revision = row.as_ref().map(|row| row.revision);
    (row.and_then(|row| Meeting::from_octets(&row.bytes).ok()), revision)
}

impl Fate {
    fn label(self) -> ReceiptFate {
        match self {
            Self::Delivered => ReceiptFate::Delivered,
            Self::Lost => ReceiptFate::Lost,
            Self::Held => ReceiptFate::Held,
        }
    }
}

/// What is at hand for each shard, as much together as one commit takes.
fn calls<T>(by_shard: BTreeMap<Shard, Vec<T>>) -> Vec<(Shard, Vec<T>)> {
    let mut calls = Vec::with_capacity(by_shard.len());
    for (shard, mut all) in by_shard {
        while !all.is_empty() {
            let rest = all.split_off(all.len().min(MOST_CHANGES));
            calls.push((shard, std::mem::replace(&mut all, rest)));
        }
    }
    calls
}

fn count(engine: &Engine, route: &str, fate: ReceiptFate) {
    if let Some(counted) = engine.metrics.route(route) {
        counted.receipt(fate);
    }
}

/// Tells an attempt what became of it. The same may be told again.
async fn bring(engine: &Engine, attempt: &Attempt, fate: Fate) -> Result<(), Trouble> {
    match fate {
        Fate::Delivered if !engine.config.session.resync => Ok(()),
        Fate::Delivered | Fate::Lost => take_down(engine, attempt, fate).await,
        Fate::Held => Ok(()),
    }
}

/// Brings what the carrier says to the job, if it still waits for this attempt's answer. When the notification was given up,
/// the next one need not wait until this one's time is over; when it was delivered, the device may be one that believes none.
async fn take_down(engine: &Engine, attempt: &Attempt, told: Fate) -> Result<(), Trouble> {
    let Attempt { device: id, seq, number } = attempt;
    let shard = Shard::of(&id.root());
    let key = id.key(Table::Device);
    for _ in 0..TRIES {
        let rows = engine.store.read(shard, std::slice::from_ref(&key)).await?;
        let Some(row) = rows.into_iter().next().flatten() else { return Ok(()) };
        let Some(device) = turn::readable(id, &row) else { return Ok(()) };
        let Some(Job::Notified { so_far, deadline, .. }) =
            device.job(*seq).map(|active| active.job)
        else {
            return Ok(());
        };
        if so_far.attempts != *number {
            return Ok(());
        }
        let now = engine.store.now().await?;
        if engine.live.snapshot().get(*seq).is_none() {
            // Whoever sent it may have heard of the campaign a moment before this process.
            engine.refresh_since(now).await?;
        }
        let snapshot = engine.live.snapshot();
        let Some(live) = snapshot.get(*seq) else { return Ok(()) };
        let mut turn = Turn::new(id.clone(), device, row.revision, now);
        match told {
            Fate::Delivered => turn.device.resync.delivered(now, deadline),
            Fate::Lost => {
                turn.step(*seq, |job| job.on_undelivered(now, rand::random(), &live.terms));
            }
            Fate::Held => return Ok(()),
        }
        if !turn.moved() {
            return Ok(());
        }
        let verdicts = engine.store.commit(shard, vec![turn.into_change()]).await?;
        if verdicts.first() == Some(&Verdict::Done) {
            return Ok(());
        }
    }
    Err(Trouble::Contended)
}
