//! The one reader of the clock: when something was heard, and how long an answer took.

use std::time::Instant;

/// Now, on the monotonic clock of this machine.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulated world measures real time, and here is its only clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
