//! The store's time: the time of Redis, as heard with its answers, and carried on by this machine's monotonic clock.
//!
//! Asking Redis for the time before every decision would double the calls. An answer was on its way for a while when it
//! is heard, so what is carried on lags behind Redis by the fastest of the last answers and never runs ahead.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant as Moment};

use crate::clock::stopwatch;

/// Answers older than two of these no longer say how the clocks differ: clocks drift.
const WINDOW: Duration = Duration::from_secs(10);

/// The time of Redis.
#[derive(Debug)]
pub(super) struct Clock {
    start: Moment,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How far Redis is ahead of our own count of milliseconds, at least: in this window and in the one before.
    ahead: Option<i64>,
    ahead_before: Option<i64>,
    window_began: Duration,
    /// When something was last heard.
    heard: Duration,
    /// What was last told.
    told: u64,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { start: stopwatch(), state: Mutex::default() }
    }

    /// Takes note of a time, in milliseconds, that Redis said just now.
    pub(super) fn heard(&self, time: u64) {
        self.heard_at(self.start.elapsed(), time);
    }

    /// The time, in milliseconds; `None` when nothing was heard for longer than `most`.
    pub(super) fn now(&self, most: Duration) -> Option<u64> {
        self.now_at(self.start.elapsed(), most)
    }

    fn heard_at(&self, own: Duration, time: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = i64::try_from(time).unwrap_or(i64::MAX) - milliseconds(own);
        if own.saturating_sub(state.window_began) >= WINDOW {
            state.ahead_before = state.ahead.take();
            state.window_began = own;
        }
        state.ahead = Some(state.ahead.map_or(ahead, |known| known.max(ahead)));
        state.heard = state.heard.max(own);
    }

    fn now_at(&self, own: Duration, most: Duration) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = state.ahead.max(state.ahead_before)?;
        if own.saturating_sub(state.heard) > most {
            return None;
        }
        let time = u64::try_from(milliseconds(own) + ahead).unwrap_or_default();
        // A new master's clock may be behind: then time stands still until it has caught up.
        state.told = state.told.max(time);
        Some(state.told)
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(1);

    fn after(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn time_is_carried_on_and_never_runs_ahead_of_the_fastest_answer() {
        let clock = Clock::new();
        assert_eq!(clock.now_at(after(0), MOST), None, "nothing was heard yet");
        clock.heard_at(after(10), 1_000_000);
        assert_eq!(clock.now_at(after(30), MOST), Some(1_000_020));
        // This answer took long; it changes nothing.
        clock.heard_at(after(100), 1_000_040);
        assert_eq!(clock.now_at(after(100), MOST), Some(1_000_090));
        assert_eq!(clock.now_at(after(1_200), MOST), None, "too long ago");
    }

    #[test]
    fn a_clock_that_is_behind_after_a_failover_lets_time_stand_still_until_it_has_caught_up() {
        let clock = Clock::new();
        let hear = |own: u64, time: u64| clock.heard_at(after(own), time);
        hear(0, 50_000);
        assert_eq!(clock.now_at(after(900), MOST), Some(50_900));
        // The new master is two seconds behind; windows pass, and the old answers are forgotten.
        for own in (1_000..40_000).step_by(500) {
            hear(own, own + 48_000);
            let now = clock.now_at(after(own), MOST).unwrap();
            assert!(now >= 50_900, "{own}");
        }
        assert_eq!(clock.now_at(after(39_500), MOST), Some(87_500));
    }
}
