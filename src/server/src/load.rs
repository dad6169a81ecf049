//! What the devices' door has done and is doing: figures for people, and the hint by which the dispatcher holds back.

use crate::clock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What the door has done, and what it is doing.
#[derive(Debug, Default)]
pub struct Load {
    /// Messages answered with a SyncML document.
    pub messages: AtomicU64,
    /// Calls to the store made for them.
    pub store_calls: AtomicU64,
    /// Requests being worked on.
    pub in_flight: AtomicUsize,
    /// Running mean of the time from a whole request to its answer, in microseconds.
    pub answer_micros: AtomicU64,
    /// Challenges and refusals.
    pub refused: AtomicU64,
    /// Messages answered from what was stored.
    pub repeats: AtomicU64,
    /// Answers of devices to what was no longer asked, or never was.
    pub strays: AtomicU64,
}

impl Load {
    /// Requests in work at which the door has as much to do as it can do well: more would only wait for the store.
    const FULL: usize = 96;

    /// Counts one request in work until what is returned is dropped, also when the device leaves before its answer.
    pub(crate) fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight { load: self, since: clock::stopwatch() }
    }

    /// The mean time of an answer above which the door has as much to do as it can do well.
    const SLOW_MICROS: u64 = 25_000;

    /// Whether nobody should be woken now.
    pub(crate) fn full(&self) -> bool {
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let slow = self.answer_micros.load(Ordering::Relaxed) > Self::SLOW_MICROS;
        // With nothing in work the mean says what was, not what is.
        in_flight >= Self::FULL || (slow && in_flight > 0)
    }

    /// Takes one request into the running mean. Two at once may lose one: it is a hint.
    fn answered(&self, micros: u64) {
        let mean = self.answer_micros.load(Ordering::Relaxed);
        self.answer_micros.store(mean - mean / 32 + micros / 32, Ordering::Relaxed);
    }
}

/// A request in work.
#[derive(Debug)]
pub(crate) struct InFlight<'a> {
    load: &'a Load,
    since: std::time::Instant,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.load.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.load.answered(u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_door_wakes_nobody_until_it_has_caught_up() {
        let load = Load::default();
        for _ in 0..200 {
            load.answered(100_000);
        }
        assert!(!load.full(), "nothing is in work: what was slow is over");
        let request = load.enter();
        assert!(load.full());
        for _ in 0..200 {
            load.answered(1_000);
        }
        assert!(!load.full());
        drop(request);
        assert_eq!(load.in_flight.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_door_with_all_hands_full_wakes_nobody() {
        let load = Load::default();
        let requests: Vec<_> = (0..Load::FULL).map(|_| load.enter()).collect();
        assert!(load.full());
        drop(requests);
        assert!(!load.full());
    }
}
