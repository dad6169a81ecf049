//! How often a device is notified again, and how long to wait in between.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A retry policy: at most `attempts` notifications, with pauses that double from `base` to `cap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Notifications in all, at least 1.
    pub attempts: u8,
    /// The pause after the first.
    pub base: Duration,
    /// No pause is longer, jitter aside.
    pub cap: Duration,
}

impl Retry {
    /// The pause after attempt `attempt` (from 1): doubled each time up to the cap, then anywhere within 50 % of that, as
    /// `dice` (any number) falls. Devices that were notified together must not come back together.
    pub fn pause(&self, attempt: u8, dice: u64) -> Duration {
        let doubled = self
            .base
            .saturating_mul(1_u32.checked_shl(u32::from(attempt.max(1)) - 1).unwrap_or(u32::MAX));
        let middle = u64::try_from(doubled.min(self.cap).as_millis())
            .unwrap_or(u64::MAX / 4)
            .min(u64::MAX / 4);
        Duration::from_millis(middle / 2 + dice % (middle + 1))
    }

    pub fn is_last(&self, attempt: u8) -> bool {
        attempt >= self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RETRY: Retry =
        Retry { attempts: 5, base: Duration::from_secs(10), cap: Duration::from_mins(1) };

    #[test]
    fn pauses_double_up_to_the_cap() {
        // The lowest dice give half of the middle.
        let middle = |attempt| RETRY.pause(attempt, 0) * 2;
        let middles: Vec<_> = (1..=5).map(|attempt| middle(attempt).as_secs()).collect();
        assert_eq!(middles, [10, 20, 40, 60, 60]);
    }

    proptest! {
        #[test]
        fn a_pause_stays_within_half_of_its_middle(attempt: u8, dice: u64) {
            let pause = RETRY.pause(attempt, dice);
            prop_assert!(pause >= Duration::from_secs(5) && pause <= Duration::from_secs(90));
        }

        #[test]
        fn no_policy_makes_it_panic(attempts: u8, base: u32, cap: u64, attempt: u8, dice: u64) {
            let retry = Retry { attempts, base: Duration::from_millis(base.into()), cap: Duration::from_millis(cap) };
            let _ = retry.pause(attempt, dice);
        }
    }
}
