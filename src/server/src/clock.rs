//! The one reader of this machine's clocks.
//!
//! Whatever decides takes `now` as an argument, and the instants of jobs and rows come from the store. What is left is
//! how long something took, and where an embedded store's time begins.

use campaign::time::Instant;

/// The moment by the monotonic clock, for measuring how long something took.
#[expect(clippy::disallowed_methods, reason = "this file is the one reader of the clock")]
pub fn stopwatch() -> std::time::Instant {
    std::time::Instant::now()
}

/// The time by this machine's wall clock. It may be set back at any moment: anchor it, never compare two of them.
#[expect(clippy::disallowed_methods, reason = "this file is the one reader of the clock")]
pub fn wall() -> Instant {
    let since_1970 =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Instant(0).plus(since_1970)
}
