//! Care: one device, looked at and mended while its user waits (R12, R19, R20).
//!
//! A care job is a job of the device like any other, in the lane that goes first, so that everything that holds for jobs holds
//! for it: one outcome, any worker goes on with it, a write that was sent is brought to its proof. Its campaign is the
//! internal one of the number [`SEQ`], which is in no directory and ends never; what is to be done stands beside the device, a
//! row for each run. A device has one care job at a time.
//!
//! | module | about |
//! | --- | --- |
//! | [`submit`] | a request becomes a job, at once |
//! | [`rows`] | what is kept of a care job, and its id |
//! | [`work`] | what it does with its device, for the session |
//! | [`steps`] | what happens to it, told as it happens |
//! | [`view`] | how it is, and waiting for its end |
//! | [`bell`] | the wake-up of whoever notifies |
//! | [`news`] | the wake-up of whoever sends events |

pub(crate) mod bell;
pub(crate) mod news;
pub(crate) mod rows;
pub(crate) mod steps;
mod submit;
mod view;
pub(crate) mod work;

pub(crate) use bell::Bell;
pub(crate) use news::News;
pub(crate) use rows::{CareId, SEQ};
pub(crate) use submit::{CareError, submit};
pub(crate) use view::{LONGEST_WAIT, detail, wait};

use crate::{resync, rows::Detail, store::QueueName, turn::Turn};
use campaign::{Outcome, job::Terms, retry::Retry, time::Instant};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;

/// The longest that anything is tried.
pub(crate) const LONGEST: Duration = Duration::from_hours(1);

/// What every care job is granted: somebody waits on the telephone, so a notification that nobody answered is repeated soon,
/// for as long as the request says.
pub(crate) const TERMS: Terms = Terms {
    retry: Retry { attempts: 200, base: Duration::from_secs(2), cap: Duration::from_secs(5) },
    answer_within: Duration::from_secs(20),
    pull: false,
    pull_until: None,
};

/// Why a secret was not written.
pub(crate) const LISTENABLE: &str =
    "it writes a secret, and the device came in a session that can be listened to (plain HTTP)";

/// The queue of a shard that says when care jobs are given up.
pub(crate) fn ends() -> QueueName {
    QueueName::new("care")
}

/// The time of the device's care job is over: untouched it ends, and what was written to it is brought to its proof.
pub(crate) fn give_up(turn: &mut Turn) {
    let Some(active) = turn.device.job(SEQ) else { return };
    let so_far = active.job.so_far();
    let now = turn.now();
    if so_far.written {
        turn.step(SEQ, |job| job.on_expire(now, &TERMS));
    } else if so_far.connected {
        turn.end(SEQ, Outcome::Expired, Some(why("the time was over before the device was done")));
    } else {
        let why = match so_far.attempts {
            _ if turn.device.resync.is_in_vain() => why(resync::IN_VAIN),
            0 => why("no notification could be sent in time"),
            n => why(&format!("no session came, after {n} notifications")),
        };
        turn.end(SEQ, Outcome::Unreachable, Some(why));
    }
}

fn why(text: &str) -> Detail {
    Detail { uri: None, status: None, phase: None, why: Some(text.to_owned()) }
}

/// The first 120 characters.
fn cut(text: &str) -> String {
    text.chars().take(120).collect()
}

/// What a process has for care: its bell, places for those who wait, and how much it has taken.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) bell: Bell,
    pub(crate) news: News,
    waiting: Semaphore,
    /// When the care jobs that were taken here are over at the latest, soonest first.
    taken: Mutex<BinaryHeap<Reverse<Instant>>>,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            bell: Bell::default(),
            news: News::default(),
            waiting: Semaphore::new(Self::MOST_WAITING),
            taken: Mutex::default(),
        }
    }
}

impl Desk {
    /// Care jobs of one process that may be under way.
    pub(crate) const MOST: usize = 10_000;
    /// Requests that may wait for their ends.
    const MOST_WAITING: usize = 512;

    /// Makes room for one more that ends within this time; false when there is none.
    fn room(&self, now: Instant, within: Duration) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while taken.peek().is_some_and(|Reverse(over)| *over <= now) {
            taken.pop();
        }
        let room = taken.len() < Self::MOST;
        if room {
            taken.push(Reverse(now.plus(within)));
        }
        room
    }
}
