//! What a fleet has to say when it is asked: how much happened, how long it took, and what the server did wrong.

use crate::{
    device::End,
    verdict::{Breach, Rule},
};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What happened to the fleet so far.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FleetReport {
    pub breaches: Breaches,
    /// Sessions that ended, in whichever way.
    pub sessions: u64,
    pub sessions_by_end: BTreeMap<&'static str, u64>,
    /// Messages that devices sent and got an answer to.
    pub messages: u64,
    /// Messages that were sent again because no answer came.
    pub repeats: u64,
    /// Requests answered with 503.
    pub busy: u64,
    /// Push messages that reached a device, heard or not.
    pub notifications: u64,
    /// Of them, those that had been answered already, or came in the middle of a session.
    pub notifications_again: u64,
    /// Writes that took effect in a device.
    pub writes: u64,
    /// Octets of messages, from devices and to them.
    pub octets_sent: u64,
    pub octets_received: u64,
    /// From the notification's arrival to the first reply that accepts the device.
    pub notified_to_session: Percentiles,
    /// From sending a message to having its whole reply.
    pub message: Percentiles,
}

/// All breaches as a number, the first ones whole.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Breaches {
    pub count: u64,
    pub by_rule: BTreeMap<Rule, u64>,
    pub first: Vec<Breach>,
}

impl Breaches {
    /// So many are kept whole.
    pub const KEPT: usize = 20;

    pub(crate) fn add(&mut self, breach: Breach) {
        self.count += 1;
        *self.by_rule.entry(breach.rule).or_default() += 1;
        if self.first.len() < Self::KEPT {
            self.first.push(breach);
        }
    }
}

/// A distribution of times, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    pub count: u64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Percentiles {
    fn of(histogram: &Histogram<u64>) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds of minutes are far below 2^53"
        )]
        let milliseconds = |micros: u64| micros as f64 / 1_000.0;
        let at = |quantile| milliseconds(histogram.value_at_quantile(quantile));
        Self {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: milliseconds(histogram.max()),
        }
    }
}

/// Counts and times while they happen.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) repeats: AtomicU64,
    pub(crate) busy: AtomicU64,
    pub(crate) notifications: AtomicU64,
    pub(crate) notifications_again: AtomicU64,
    breaches: Mutex<Breaches>,
    sums: Mutex<Sums>,
}

#[derive(Debug)]
struct Sums {
    sessions_by_end: BTreeMap<&'static str, u64>,
    messages: u64,
    writes: u64,
    octets_sent: u64,
    octets_received: u64,
    notified_to_session: Histogram<u64>,
    message: Histogram<u64>,
}

/// What one session adds.
#[derive(Debug, Default)]
pub(crate) struct SessionTally {
    pub(crate) messages: Vec<Duration>,
    pub(crate) octets_sent: usize,
    pub(crate) octets_received: usize,
    pub(crate) notified_to_session: Option<Duration>,
}

impl Default for Tally {
    fn default() -> Self {
        // Microseconds up to an hour, in steps of 1 %.
        let histogram =
            || Histogram::new_with_bounds(1, 3_600_000_000, 2).expect("the bounds are in order");
        Self {
            repeats: AtomicU64::default(),
            busy: AtomicU64::default(),
            notifications: AtomicU64::default(),
            notifications_again: AtomicU64::default(),
            breaches: Mutex::default(),
            sums: Mutex::new(Sums {
                sessions_by_end: BTreeMap::new(),
                messages: 0,
                writes: 0,
                octets_sent: 0,
                octets_received: 0,
                notified_to_session: histogram(),
                message: histogram(),
            }),
        }
    }
}

impl Tally {
    pub(crate) fn breaches(&self, found: Vec<Breach>) {
        if found.is_empty() {
            return;
        }
        let mut breaches = self.breaches.lock().unwrap_or_else(PoisonError::into_inner);
        for breach in found {
            breaches.add(breach);
        }
    }

    pub(crate) fn session(&self, end: End, writes: u32, session: &SessionTally) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        *sums.sessions_by_end.entry(name(end)).or_default() += 1;
        sums.messages += u64::try_from(session.messages.len()).unwrap_or_default();
        sums.writes += u64::from(writes);
        sums.octets_sent += u64::try_from(session.octets_sent).unwrap_or_default();
        sums.octets_received += u64::try_from(session.octets_received).unwrap_or_default();
        for time in &session.messages {
            sums.message.saturating_record(micros(*time));
        }
        if let Some(time) = session.notified_to_session {
            sums.notified_to_session.saturating_record(micros(time));
        }
    }

    pub(crate) fn report(&self) -> FleetReport {
        let breaches = self.breaches.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        FleetReport {
            breaches,
            sessions: sums.sessions_by_end.values().sum(),
            sessions_by_end: sums.sessions_by_end.clone(),
            messages: sums.messages,
            repeats: self.repeats.load(Ordering::Relaxed),
            busy: self.busy.load(Ordering::Relaxed),
            notifications: self.notifications.load(Ordering::Relaxed),
            notifications_again: self.notifications_again.load(Ordering::Relaxed),
            writes: sums.writes,
            octets_sent: sums.octets_sent,
            octets_received: sums.octets_received,
            notified_to_session: Percentiles::of(&sums.notified_to_session),
            message: Percentiles::of(&sums.message),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)
}

fn name(end: End) -> &'static str {
    match end {
        End::Complete => "complete",
        End::Aborted => "aborted",
        End::Withdrew => "withdrew",
        End::Left => "left",
        End::Died => "died",
        End::Refused => "refused",
        End::ServerRefused => "server_refused",
        End::Broken => "broken",
        End::GaveUp => "gave_up",
    }
}
