//! How much came in which second.
//!
//! A limit of so many a second is kept when no window of one second, wherever it begins, holds more. So the busiest of all such
//! windows is looked for, not the busiest second of a clock.

use serde::Serialize;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

const SECOND: Duration = Duration::from_secs(1);
/// Arrivals within so much of each other count as one instant: it bounds what is remembered of a second.
const GRAIN: Duration = Duration::from_micros(500);
/// Seconds that are told one by one: four hours.
const MOST_SECONDS: usize = 4 * 3_600;

/// Counts arrivals.
#[derive(Debug)]
pub(crate) struct Rush {
    began: Instant,
    seconds: Vec<u32>,
    recent: VecDeque<(Instant, u32)>,
    in_recent: u32,
    busiest: u32,
}

/// What came in, second by second.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PerSecond {
    /// The most in any window of one second, wherever it began.
    pub busiest: u32,
    /// Of the first four hours, from the start of the carrier on.
    pub seconds: Vec<u32>,
}

impl Rush {
    pub(crate) fn new(began: Instant) -> Self {
        Self { began, seconds: Vec::new(), recent: VecDeque::new(), in_recent: 0, busiest: 0 }
    }

    /// `n` came at `now`, which does not go back.
    pub(crate) fn came(&mut self, now: Instant, n: u32) {
        self.in_last_second(now);
        match self.recent.back_mut() {
            Some((at, count)) if now.saturating_duration_since(*at) < GRAIN => *count += n,
            _ => self.recent.push_back((now, n)),
        }
        self.in_recent += n;
        self.busiest = self.busiest.max(self.in_recent);
        let second = usize::try_from(now.saturating_duration_since(self.began).as_secs());
        let second = second.unwrap_or(MOST_SECONDS).min(MOST_SECONDS);
        if second < MOST_SECONDS {
            if self.seconds.len() <= second {
                self.seconds.resize(second + 1, 0);
            }
            if let Some(count) = self.seconds.get_mut(second) {
                *count += n;
            }
        }
    }

    /// What came in the second that ends now.
    pub(crate) fn in_last_second(&mut self, now: Instant) -> u32 {
        while let Some((at, count)) = self.recent.front()
            && now.saturating_duration_since(*at) >= SECOND
        {
            self.in_recent -= count;
            self.recent.pop_front();
        }
        self.in_recent
    }

    pub(crate) fn told(&self) -> PerSecond {
        PerSecond { busiest: self.busiest, seconds: self.seconds.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn the_busiest_second_is_found_wherever_it_begins() {
        let began = clock::now();
        let mut rush = Rush::new(began);
        // Ten at the end of one second of the clock and ten at the beginning of the next.
        for (after, n) in [(0, 3), (900, 10), (1_100, 10), (1_900, 1), (4_000, 2)] {
            rush.came(began + Duration::from_millis(after), n);
        }
        let told = rush.told();
        assert_eq!(told.busiest, 20, "the one of 1,900 ms comes a second after those of 900 ms");
        assert_eq!(told.seconds, [13, 11, 0, 0, 2]);
        assert_eq!(rush.in_last_second(began + Duration::from_millis(4_999)), 2);
        assert_eq!(rush.in_last_second(began + Duration::from_secs(5)), 0);
    }

    #[test]
    fn a_long_life_takes_no_more_room() {
        let began = clock::now();
        let mut rush = Rush::new(began);
        for hour in 0..10 {
            rush.came(began + Duration::from_hours(hour), 1);
        }
        assert_eq!(rush.told().seconds.len(), 3 * 3_600 + 1);
        assert_eq!(rush.recent.len(), 1);
    }
}
