//! The brake against guessed credentials: answers to a device that keeps failing become slow, never a lock-out (D5).
//!
//! A stale nonce costs an honest device one failure a session, so the brake takes hold only after ten in ten minutes.

use campaign::time::Instant;
use std::{collections::HashMap, time::Duration};

/// Failures of each device within the window, in bounded memory.
#[derive(Debug)]
pub(crate) struct Brake {
    failures: HashMap<u64, Failures>,
    most: usize,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Instant,
    count: u32,
}

impl Brake {
    /// Within which failures add up.
    pub(crate) const WINDOW: Duration = Duration::from_mins(10);
    /// How many are free.
    pub(crate) const FREE: u32 = 10;
    /// How long an answer is held back once the brake has taken hold.
    pub(crate) const PAUSE: Duration = Duration::from_secs(2);

    /// A brake that remembers at most `most` devices.
    pub(crate) fn new(most: usize) -> Self {
        Self { failures: HashMap::new(), most }
    }

    /// Notes a failure of the device whose name hashes to `device`; says how long its answer is to be held back.
    pub(crate) fn failed(&mut self, device: u64, now: Instant) -> Duration {
        if self.failures.len() >= self.most && !self.failures.contains_key(&device) {
            self.failures.retain(|_, failures| now.since(failures.since) < Self::WINDOW);
            if self.failures.len() >= self.most {
                // Full of fresh failures: an attack on many names at once. Everybody who fails waits.
                return Self::PAUSE;
            }
        }
        let failures = self.failures.entry(device).or_insert(Failures { since: now, count: 0 });
        if now.since(failures.since) >= Self::WINDOW {
            *failures = Failures { since: now, count: 0 };
        }
        failures.count += 1;
        if failures.count > Self::FREE { Self::PAUSE } else { Duration::ZERO }
    }

    /// Forgets the failures of a device that proved itself.
    pub(crate) fn proved(&mut self, device: u64) {
        self.failures.remove(&device);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant(1_000_000);

    #[test]
    fn ten_failures_in_ten_minutes_are_free_and_the_next_is_slow() {
        let mut brake = Brake::new(8);
        for _ in 0..10 {
            assert_eq!(brake.failed(1, START), Duration::ZERO);
        }
        assert_eq!(brake.failed(1, START), Brake::PAUSE);
        assert_eq!(brake.failed(2, START), Duration::ZERO, "another device is not slowed");
        assert_eq!(
            brake.failed(1, START.plus(Brake::WINDOW)),
            Duration::ZERO,
            "the window has passed"
        );
    }

    #[test]
    fn a_device_that_proves_itself_starts_afresh() {
        let mut brake = Brake::new(8);
        for _ in 0..11 {
            brake.failed(1, START);
        }
        brake.proved(1);
        assert_eq!(brake.failed(1, START), Duration::ZERO);
    }

    #[test]
    fn a_flood_of_names_does_not_grow_memory() {
        let mut brake = Brake::new(100);
        for device in 0..10_000 {
            brake.failed(device, START);
        }
        assert!(brake.failures.len() <= 100);
    }
}
