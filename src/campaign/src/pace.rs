//! A rate that is kept in every second, not only on average.
//!
//! The generic cell rate algorithm (ITU-T I.371) with one number of state: the instant at which the flow is on time again.

use crate::time::Instant;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
/// How far a flow may run ahead, in nanoseconds: a fiftieth of a second.
const EARLY: u64 = SECOND / 50;

/// One limit of so many per second. The state is an instant in nanoseconds, so that rates above a thousand keep their
/// evenness although the clock counts milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gcra {
    /// Nanoseconds between two permits.
    interval: u64,
    /// How far the flow may run ahead, in nanoseconds.
    ahead: u64,
    /// When the next permit would be exactly on time, in nanoseconds since 1970.
    due: u64,
}

impl Gcra {
    /// The highest rate that a limit can have.
    pub const FASTEST: u32 = 1_000_000;

    /// At most `per_second` (1 to [`Self::FASTEST`]) in any second, wherever that second begins.
    ///
    /// A caller looks at the clock in steps and is late at times: a permit may come 20 ms before its time, so that what was
    /// late is made up for, and what is due within that time may come at once. The interval is stretched by it, so that the
    /// promise holds.
    pub fn new(per_second: u32) -> Self {
        let per_second = u64::from(per_second.clamp(1, Self::FASTEST));
        Self { interval: (SECOND + EARLY).div_ceil(per_second), ahead: EARLY, due: 0 }
    }

    /// A limit that begins with nothing saved up: its first permit comes after one interval.
    pub fn empty(per_second: u32, now: Instant) -> Self {
        let new = Self::new(per_second);
        Self { due: nanoseconds(now).saturating_add(new.ahead).saturating_add(new.interval), ..new }
    }

    /// Takes `n` permits at once, or none and says how long to wait. More than a burst are granted once the flow is on time
    /// and are paid for afterwards: they are one act of the caller.
    pub fn take(&mut self, now: Instant, n: u32) -> Result<(), Duration> {
        self.check(now, n)?;
        self.due = self.due.max(nanoseconds(now)).saturating_add(self.cost(n));
        Ok(())
    }

    /// Whether `n` permits could be taken at once; otherwise how long to wait.
    pub fn check(&self, now: Instant, n: u32) -> Result<(), Duration> {
        let now = nanoseconds(now);
        let cost = self.cost(n);
        let start = self.due.max(now);
        // The last of the n may be early by `ahead`; a lone batch larger than that is measured from its first.
        let early = start.saturating_add(cost.saturating_sub(self.interval)).saturating_sub(now);
        let allowed = self.ahead.max(cost.saturating_sub(self.interval));
        if early > allowed {
            return Err(Duration::from_nanos(early - allowed));
        }
        Ok(())
    }

    /// How many could be taken now, one by one.
    pub fn available(&self, now: Instant) -> u32 {
        let lead = self.due.saturating_sub(nanoseconds(now));
        let free = self.ahead.checked_sub(lead).map_or(0, |rest| rest / self.interval + 1);
        u32::try_from(free).unwrap_or(u32::MAX)
    }

    /// Whether more was taken than the flow allows by now: what came at once is not paid for yet.
    pub fn owes(&self, now: Instant) -> bool {
        self.due > nanoseconds(now).saturating_add(self.ahead).saturating_add(self.interval)
    }

    /// The same debt under another rate: a change of the rate gives nothing away, neither by what it forgets nor by a larger
    /// burst.
    pub fn at_rate(self, per_second: u32, now: Instant) -> Self {
        let new = Self::new(per_second);
        let saved = u64::from(self.available(now)).min(new.ahead / new.interval + 1);
        let full = nanoseconds(now).saturating_add(new.ahead).saturating_add(new.interval);
        Self { due: self.due.max(full.saturating_sub(saved * new.interval)), ..new }
    }

    fn cost(&self, n: u32) -> u64 {
        self.interval.saturating_mul(n.into())
    }
}

fn nanoseconds(at: Instant) -> u64 {
    at.0.saturating_mul(1_000_000)
}

/// The moments that are taken under one limit, booked ahead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// The first moment that nobody has, in nanoseconds since 1970.
    free: u64,
}

impl Calendar {
    /// How late somebody may be for a moment. The moments are further apart by it, so that those who are late and those who are
    /// on time never are more than the limit in any second.
    pub const LATE: Duration = Duration::from_millis(250);

    /// The first moment from `now` on that nobody has.
    pub fn free(&self, now: Instant) -> Instant {
        Instant(self.free.div_ceil(1_000_000).max(now.0))
    }

    /// Takes a moment that is free.
    pub fn book(&mut self, per_second: u32, at: Instant) {
        let late = u64::try_from(Self::LATE.as_nanos()).unwrap_or(SECOND);
        // A moment is told in whole milliseconds: it may be later by one.
        let interval =
            (SECOND + late + 1_000_000).div_ceil(per_second.clamp(1, Gcra::FASTEST).into());
        // What is told is rounded up; what is kept is not, or fast limits would be slow.
        self.free = self.free.max(nanoseconds(at).saturating_sub(999_999)).saturating_add(interval);
    }
}

/// A pace that begins low and doubles, as long as what was done holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ramp {
    /// Devices a second at the beginning.
    pub from: u32,
    /// How long each pace is kept.
    pub double_every: Duration,
}

/// How far a ramp is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Climb {
    /// Devices a second.
    pub rate: u32,
    /// Since when.
    pub since: Instant,
    /// Jobs that were proven, and that failed, by then.
    proven: u64,
    failed: u64,
}

impl Ramp {
    /// Of the jobs that came to an end at one pace, at most one in so many may have failed for the next pace.
    const ONE_FAILED_IN: u64 = 20;

    /// The first pace, from `now` on.
    pub fn begin(&self, now: Instant) -> Climb {
        Climb { rate: self.from, since: now, proven: 0, failed: 0 }
    }

    /// The next pace, when it is due: the present one was kept for [`Self::double_every`], at least one job was proven under
    /// it and no more than one in twenty failed. `most` is the pace at which a ramp ends.
    pub fn climb(
        &self,
        climb: &Climb,
        most: u32,
        proven: u64,
        failed: u64,
        now: Instant,
    ) -> Option<Climb> {
        let kept = now.since(climb.since) >= self.double_every;
        let (good, bad) =
            (proven.saturating_sub(climb.proven), failed.saturating_sub(climb.failed));
        let holds = good > 0 && bad.saturating_mul(Self::ONE_FAILED_IN) <= good.saturating_add(bad);
        (climb.rate < most && kept && holds).then(|| Climb {
            rate: climb.rate.saturating_mul(2).min(most),
            since: now,
            proven,
            failed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken_in(gcra: &mut Gcra, from: u64, to: u64) -> Vec<u64> {
        let mut taken = Vec::new();
        for now in from..to {
            while gcra.take(Instant(now), 1).is_ok() {
                taken.push(now);
            }
        }
        taken
    }

    #[test]
    fn a_greedy_caller_gets_nearly_the_rate() {
        for rate in [1, 2, 10, 49, 50, 90, 100, 2_000, 20_000] {
            let taken = taken_in(&mut Gcra::new(rate), 1_000_000, 1_010_000).len() as u64;
            let full = u64::from(rate) * 10;
            assert!(taken <= full && taken * 100 >= full * 97, "{taken} of {full}");
        }
    }

    #[test]
    fn a_ramp_doubles_while_what_was_done_holds_and_stands_still_otherwise() {
        let ramp = Ramp { from: 10, double_every: Duration::from_mins(1) };
        let minute = |n: u64| Instant(n * 60_000);
        let first = ramp.begin(minute(0));
        assert_eq!(first.rate, 10);
        assert_eq!(ramp.climb(&first, 35, 500, 0, Instant(59_999)), None, "too soon");
        assert_eq!(ramp.climb(&first, 35, 0, 0, minute(9)), None, "nothing was proven");
        let second = ramp.climb(&first, 35, 400, 20, minute(1)).unwrap();
        assert_eq!((second.rate, second.since), (20, minute(1)));
        assert_eq!(
            ramp.climb(&second, 35, 494, 26, minute(2)),
            None,
            "6 of 100 at this pace failed"
        );
        let third = ramp.climb(&second, 35, 900, 26, minute(3)).unwrap();
        assert_eq!(third.rate, 35, "no faster than the pace");
        assert_eq!(ramp.climb(&third, 35, 9_000, 26, minute(30)), None, "it has arrived");
    }

    #[test]
    fn the_wait_is_true() {
        let mut gcra = Gcra::new(4);
        gcra.take(Instant(1_000), 1).unwrap();
        assert_eq!(gcra.take(Instant(1_000), 1), Err(Duration::from_millis(235)));
        assert!(gcra.take(Instant(1_234), 1).is_err());
        assert!(gcra.take(Instant(1_235), 1).is_ok());
    }

    #[test]
    fn a_new_rate_keeps_the_debt() {
        let mut gcra = Gcra::new(1);
        gcra.take(Instant(5_000), 1).unwrap();
        assert!(gcra.at_rate(10, Instant(5_000)).take(Instant(5_000), 1).is_err());
    }

    #[test]
    fn a_faster_rate_comes_without_a_larger_burst() {
        let slow = Gcra::new(100);
        let now = Instant(9_000);
        assert_eq!(slow.available(now), 2);
        let fast = slow.at_rate(10_000, now);
        assert_eq!(fast.available(now), 2);
        assert!(fast.at_rate(100, now).available(now) <= 2);
    }

    #[test]
    fn what_begins_empty_lets_the_first_through_after_one_interval() {
        let mut gcra = Gcra::empty(10, Instant(1_000));
        assert_eq!(gcra.take(Instant(1_000), 1), Err(Duration::from_millis(102)));
        assert!(gcra.take(Instant(1_102), 1).is_ok());
    }

    #[test]
    fn several_at_once_are_paid_for_afterwards() {
        let mut gcra = Gcra::new(1);
        gcra.take(Instant(1_000), 3).unwrap();
        assert!(gcra.owes(Instant(2_900)) && !gcra.owes(Instant(3_100)));
    }

    #[test]
    fn what_is_available_can_be_taken_and_no_more() {
        let mut gcra = Gcra::new(1_000);
        for now in [10, 12, 500, 501, 502] {
            let available = gcra.available(Instant(now));
            for _ in 0..available {
                gcra.take(Instant(now), 1).unwrap();
            }
            assert!(gcra.take(Instant(now), 1).is_err());
        }
    }

    #[test]
    fn moments_are_given_one_after_the_other() {
        let mut calendar = Calendar::default();
        let now = Instant(50_000);
        let mut given = Vec::new();
        for _ in 0..4 {
            let at = calendar.free(now);
            calendar.book(10, at);
            given.push(at.0 - now.0);
        }
        assert_eq!(given, [0, 125, 250, 375]);
        assert_eq!(calendar.free(Instant(90_000)), Instant(90_000), "what is past is nobody's");
    }

    proptest! {
        /// However late somebody is for a moment, within what is allowed.
        #[test]
        fn no_second_sees_more_devices_than_were_to_be(
            rate in 1_u32..200,
            asks in proptest::collection::vec((0_u64..300, 0_u64..=250), 1..400),
        ) {
            let mut calendar = Calendar::default();
            let mut now = Instant(10_000);
            let mut used = Vec::new();
            for (pause, late) in asks {
                now = now.plus(Duration::from_millis(pause));
                let at = calendar.free(now);
                calendar.book(rate, at);
                used.push(at.0 + late);
            }
            used.sort_unstable();
            for (i, first) in used.iter().enumerate() {
                let within = used[i..].iter().take_while(|at| **at < first + 1_000).count();
                prop_assert!(within <= rate as usize, "{} in the second from {}", within, first);
            }
        }

        #[test]
        fn no_second_holds_more_than_the_limit(rate in 1_u32..500, pauses in proptest::collection::vec(0_u64..400, 1..40)) {
            let mut gcra = Gcra::new(rate);
            let mut now = 10_000;
            let mut taken = Vec::new();
            for pause in pauses {
                now += pause;
                while gcra.take(Instant(now), 1).is_ok() {
                    taken.push(now);
                }
            }
            for (i, first) in taken.iter().enumerate() {
                let within = taken[i..].iter().take_while(|at| **at < first + 1_000).count();
                prop_assert!(within <= rate as usize, "{} in the second from {}", within, first);
            }
        }
    }
}
