//! Whether a route is to be tried at all: after a few refusals that no repetition helps against it rests, and then one message
//! after the other finds out whether somebody mended it.

use campaign::time::Instant;
use std::time::Duration;

/// Refusals in a row after which a route rests.
const MOST: u32 = 5;
const FIRST_REST: Duration = Duration::from_secs(15);
const LONGEST_REST: Duration = Duration::from_mins(5);

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Breaker {
    /// Refusals since something last passed.
    failed: u32,
    rests_until: Option<Instant>,
    rest: Duration,
}

impl Breaker {
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.rests_until.is_none_or(|until| until <= now)
    }

    /// Something passed: all is well.
    pub(super) fn passed(&mut self) {
        *self = Self::default();
    }

    /// Something was refused in a way that only a person can mend.
    pub(super) fn failed(&mut self, now: Instant) {
        if !self.is_open(now) {
            // It was on its way before the rest began.
            return;
        }
        self.failed = self.failed.saturating_add(1);
        // After a first rest one refusal is enough: nothing has changed.
        if self.failed >= MOST || self.rests_until.is_some() {
            self.rest =
                if self.rest.is_zero() { FIRST_REST } else { (self.rest * 2).min(LONGEST_REST) };
            self.rests_until = Some(now.plus(self.rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_rests_after_five_refusals_and_longer_when_nothing_changed() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failed(Instant(0));
        }
        assert!(breaker.is_open(Instant(0)));
        breaker.failed(Instant(0));
        breaker.failed(Instant(1));
        assert!(!breaker.is_open(Instant(14_999)) && breaker.is_open(Instant(15_000)));
        breaker.failed(Instant(15_000));
        assert!(!breaker.is_open(Instant(44_999)) && breaker.is_open(Instant(45_000)));
        breaker.passed();
        breaker.failed(Instant(45_001));
        assert!(breaker.is_open(Instant(45_001)), "one refusal among many that pass is nothing");
    }
}
