//! The one reader of this machine's clocks.
//!
//! Whatever decides takes `now` as an argument. What the store calls now comes from here when the store is embedded; the
//! rest of the program asks the store.

use campaign::time::Instant;
use std::time::Duration;

/// Wall-clock time that never goes backwards while the process lives: read once, then counted on by the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: std::time::Instant,
    wall: Instant,
}

impl Clock {
    /// Anchors the clock at this machine's wall-clock time.
    pub fn start() -> Self {
        Self { started: stopwatch(), wall: wall() }
    }

    /// A clock that starts no earlier than `least`: what a store last said must not be taken back after a restart, though
    /// somebody set the machine's clock back meanwhile.
    pub fn start_at_least(least: Instant) -> Self {
        Self { started: stopwatch(), wall: wall().max(least) }
    }

    pub fn now(&self) -> Instant {
        self.wall.plus(self.started.elapsed())
    }

    /// The time since the clock was started.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The moment by the monotonic clock, for measuring how long something took.
#[expect(clippy::disallowed_methods, reason = "this file is the one reader of the clock")]
pub fn stopwatch() -> std::time::Instant {
    std::time::Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "this file is the one reader of the clock")]
fn wall() -> Instant {
    let since_1970 =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Instant(0).plus(since_1970)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_not_taken_back_below_what_was_said_before() {
        let far = Instant(32_503_680_000_000);
        assert!(Clock::start_at_least(far).now() >= far);
        let clock = Clock::start();
        let first = clock.now();
        assert!(clock.now() >= first && first > Instant(1_600_000_000_000));
    }
}
