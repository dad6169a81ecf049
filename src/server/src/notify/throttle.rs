//! How much slower than configured a route is to be used: halved when the other side says it is too fast, and raised again bit by
//! bit while it does not.

use crate::dispatch::Slowed;
use campaign::time::Instant;
use std::time::Duration;

/// A share of the configured pace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Throttle {
    /// Between [`LOWEST`] and 1.
    share: f64,
    /// When it was last set.
    since: Instant,
    /// When it was last halved.
    slowed: Option<Instant>,
}

/// A route is never used less than this: it must be found out when the other side has room again.
const LOWEST: f64 = 1.0 / 64.0;
/// Complaints that come together are one: those about messages that were already on their way say nothing new.
const ONE_COMPLAINT: Duration = Duration::from_millis(500);
/// What is won back a second.
const RAISE: f64 = 0.05;

impl Default for Throttle {
    fn default() -> Self {
        Self { share: 1.0, since: Instant(0), slowed: None }
    }
}

impl Throttle {
    /// The other side says that it is too fast.
    pub(super) fn slow_down(&mut self, now: Instant) {
        if self.slowed.is_some_and(|slowed| now.since(slowed) < ONE_COMPLAINT) {
            return;
        }
        *self = Self { share: (self.share(now) / 2.0).max(LOWEST), since: now, slowed: Some(now) };
    }

    /// The part of the configured pace to use now, of a thousand.
    pub(super) fn of_thousand(&self, now: Instant) -> u16 {
        thousandths(self.share(now))
    }

    /// What the other side said last, if it ever complained.
    pub(super) fn learnt(&self) -> Option<Slowed> {
        self.slowed.map(|_| Slowed { share: thousandths(self.share), since: self.since })
    }

    /// What another process was told by the same side; what was said last counts.
    pub(super) fn learn(&mut self, told: Slowed) {
        if told.since > self.since {
            let share = (f64::from(told.share) / 1_000.0).clamp(LOWEST, 1.0);
            *self = Self { share, since: told.since, slowed: Some(told.since) };
        }
    }

    fn share(&self, now: Instant) -> f64 {
        (self.share + RAISE * now.since(self.since).as_secs_f64()).min(1.0)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share is between 0 and 1"
)]
fn thousandths(share: f64) -> u16 {
    (share.clamp(0.0, 1.0) * 1_000.0).ceil() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_halves_the_pace_and_time_raises_it() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.of_thousand(Instant(0)), 1_000);
        throttle.slow_down(Instant(10_000));
        throttle.slow_down(Instant(10_400));
        assert_eq!(throttle.of_thousand(Instant(10_400)), 520, "two complaints at once are one");
        throttle.slow_down(Instant(10_500));
        assert!((255..270).contains(&throttle.of_thousand(Instant(10_500))));
        assert_eq!(throttle.of_thousand(Instant(60_000)), 1_000);
    }

    #[test]
    fn a_route_is_never_given_up_by_its_throttle() {
        let mut throttle = Throttle::default();
        for n in 0..100 {
            throttle.slow_down(Instant(n * 600));
        }
        assert!(throttle.of_thousand(Instant(60_000)) >= 15);
    }

    /// D7: the route slows down, not one process of it.
    #[test]
    fn a_complaint_to_another_process_slows_this_one_down() {
        let (mut a, mut b) = (Throttle::default(), Throttle::default());
        assert_eq!(a.learnt(), None);
        a.slow_down(Instant(10_000));
        b.learn(a.learnt().unwrap());
        assert_eq!(b.of_thousand(Instant(10_000)), 500);
        b.slow_down(Instant(20_000));
        let older = a.learnt().unwrap();
        let slower = b.of_thousand(Instant(20_000));
        b.learn(older);
        assert_eq!(b.of_thousand(Instant(20_000)), slower, "what was said last counts");
    }
}
