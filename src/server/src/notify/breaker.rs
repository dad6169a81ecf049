//! Whether a route is to be tried at all: after a few refusals that no repetition helps against it rests, and then a few
//! messages find out whether somebody mended it, before all the others follow.

use campaign::time::Instant;
use std::time::Duration;

/// Refusals in a row after which a route rests.
const MOST: u32 = 5;
const FIRST_REST: Duration = Duration::from_secs(15);
const LONGEST_REST: Duration = Duration::from_mins(5);
/// Messages that find out, after a rest, whether the route carries again.
const PROBES: u32 = 3;
/// Probes of which nothing was heard for so long are lost, and others go out.
const PROBE_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Breaker {
    /// Refusals since something last passed.
    failed: u32,
    rest: Option<Rest>,
}

#[derive(Debug, Clone, Copy)]
struct Rest {
    /// When the route was first found wanting.
    since: Instant,
    until: Instant,
    length: Duration,
    probes: u32,
    /// When the last probe went out.
    probed: Instant,
}

/// What may be given to a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    All,
    /// So many, to find out whether it carries.
    Probes(u32),
    None,
}

impl Breaker {
    pub(super) fn admits(&self, now: Instant) -> Admission {
        match &self.rest {
            None => Admission::All,
            Some(_) if self.is_resting(now) => Admission::None,
            Some(rest) if now.since(rest.probed) >= PROBE_PATIENCE => Admission::Probes(PROBES),
            Some(rest) => match PROBES.saturating_sub(rest.probes) {
                0 => Admission::None,
                left => Admission::Probes(left),
            },
        }
    }

    /// Whether nothing at all is to be tried.
    pub(super) fn is_resting(&self, now: Instant) -> bool {
        self.rest.is_some_and(|rest| now < rest.until)
    }

    /// Since when it has been found wanting.
    pub(super) fn since(&self) -> Option<Instant> {
        self.rest.map(|rest| rest.since)
    }

    /// Something is about to be given to the route.
    pub(super) fn took_up(&mut self, messages: u32, now: Instant) {
        if let Some(rest) = &mut self.rest {
            if now.since(rest.probed) >= PROBE_PATIENCE {
                rest.probes = 0;
            }
            rest.probes = rest.probes.saturating_add(messages);
            rest.probed = now;
        }
    }

    /// Something passed: all is well. True when it was not before.
    pub(super) fn passed(&mut self) -> bool {
        std::mem::take(self).rest.is_some()
    }

    /// Something was refused in a way that only a person can mend. True when the route rests from now on.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        if self.is_resting(now) {
            // It was on its way before the rest began.
            return false;
        }
        self.failed = self.failed.saturating_add(1);
        // After a first rest one refusal is enough: nothing has changed.
        let (since, length) = match &self.rest {
            Some(rest) => (rest.since, (rest.length * 2).min(LONGEST_REST)),
            None if self.failed >= MOST => (now, FIRST_REST),
            None => return false,
        };
        let until = now.plus(length);
        self.rest = Some(Rest { since, until, length, probes: 0, probed: Instant(0) });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resting() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..MOST {
            breaker.failed(Instant(100_000));
        }
        breaker
    }

    #[test]
    fn a_route_rests_after_five_refusals_and_longer_when_nothing_changed() {
        let at = |ms: u64| Instant(100_000 + ms);
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert!(!breaker.failed(at(0)));
        }
        assert_eq!(breaker.admits(at(0)), Admission::All);
        assert!(breaker.failed(at(0)));
        assert!(!breaker.failed(at(1)), "that was on its way");
        assert_eq!(breaker.admits(at(14_999)), Admission::None);
        assert_eq!(breaker.admits(at(15_000)), Admission::Probes(3));
        assert!(breaker.failed(at(15_000)));
        assert_eq!(breaker.since(), Some(at(0)), "it has been away all the time");
        assert_eq!(breaker.admits(at(44_999)), Admission::None);
        assert_eq!(breaker.admits(at(45_000)), Admission::Probes(3));
        assert!(breaker.passed());
        assert!(!breaker.failed(at(45_001)));
        assert_eq!(breaker.admits(at(45_001)), Admission::All, "one refusal among many is nothing");
    }

    #[test]
    fn after_a_rest_a_few_find_out_and_all_others_wait_for_them() {
        let at = |ms: u64| Instant(115_000 + ms);
        let mut breaker = resting();
        assert_eq!(breaker.admits(at(0)), Admission::Probes(3));
        breaker.took_up(2, at(0));
        assert_eq!(breaker.admits(at(1)), Admission::Probes(1));
        breaker.took_up(1, at(1));
        assert_eq!(breaker.admits(at(2)), Admission::None);
        assert_eq!(breaker.admits(at(30_001)), Admission::Probes(3), "nothing was heard of them");
        breaker.took_up(1, at(30_001));
        assert_eq!(breaker.admits(at(30_002)), Admission::Probes(2));
        assert!(breaker.passed());
        assert_eq!(breaker.admits(at(30_003)), Admission::All);
        breaker.took_up(64, at(30_003));
        assert_eq!(breaker.admits(at(30_003)), Admission::All, "nobody counts while all is well");
    }
}
