//! The embedded store's clock: anchored to the wall clock once, at the start, and carried on by the monotonic one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::store::change::milliseconds;

/// Tells milliseconds since 1970 that never go backwards. Someone who sets the wall clock while the store is open
/// changes nothing; if it was set back while the store was closed, time goes on from the last stored instant.
#[derive(Debug)]
pub(super) struct Clock {
    anchor: u64,
    started: Instant,
    /// The latest instant that is on disk: everything stored is from then or before.
    stored: Arc<AtomicU64>,
}

impl Clock {
    /// A clock that starts now, but not before `stored`, and keeps the latest instant that is on disk in there.
    #[expect(
        clippy::disallowed_methods,
        reason = "the embedded store's clock has to read the machine's clocks once"
    )]
    pub(super) fn start(stored: Arc<AtomicU64>) -> Self {
        let wall =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let anchor = milliseconds(wall).max(stored.load(Ordering::Relaxed));
        Self { anchor, started: Instant::now(), stored }
    }

    pub(super) fn now(&self) -> u64 {
        self.anchor.saturating_add(milliseconds(self.started.elapsed()))
    }

    /// Notes that this instant is on disk.
    pub(super) fn is_stored(&self, instant: u64) {
        self.stored.fetch_max(instant, Ordering::Relaxed);
    }

    /// How long ago the instant on disk was.
    pub(super) fn since_stored(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.stored.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_from_the_stored_instant_when_the_wall_clock_was_set_back() {
        let far_ahead = 4_000_000_000_000;
        let clock = Clock::start(Arc::new(AtomicU64::new(far_ahead)));
        assert!(clock.now() >= far_ahead);
        assert!(clock.now() < far_ahead + 60_000);
    }
}
