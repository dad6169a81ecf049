//! How much slower than configured a route is to be used: halved when the other side says it is too fast, and raised again bit by
//! bit while it does not.

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

    /// The pace to use now.
    pub(super) fn of(&self, configured: u32, now: Instant) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a u32 is one"
        )]
        let pace = (f64::from(configured) * self.share(now)) as u32;
        pace.clamp(1, configured.max(1))
    }

    fn share(&self, now: Instant) -> f64 {
        (self.share + RAISE * now.since(self.since).as_secs_f64()).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_halves_the_pace_and_time_raises_it() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.of(1_000, Instant(0)), 1_000);
        throttle.slow_down(Instant(10_000));
        throttle.slow_down(Instant(10_400));
        assert_eq!(throttle.of(1_000, Instant(10_400)), 520, "two complaints at once are one");
        throttle.slow_down(Instant(10_500));
        assert!((255..270).contains(&throttle.of(1_000, Instant(10_500))));
        assert_eq!(throttle.of(1_000, Instant(60_000)), 1_000);
    }

    #[test]
    fn a_route_is_never_given_up_by_its_throttle() {
        let mut throttle = Throttle::default();
        for n in 0..100 {
            throttle.slow_down(Instant(n * 600));
        }
        assert!(throttle.of(1_000, Instant(60_000)) >= 15);
        assert_eq!(throttle.of(1, Instant(60_000)), 1);
    }
}
