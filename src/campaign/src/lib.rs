//! Campaigns: what shall be so, for whom, when, how fast, and when to stop.
//!
//! Nothing here does I/O, reads a clock or throws dice. The map:
//!
//! | module | about |
//! | --- | --- |
//! | [`job`], [`retry`] | one device's part: its states, what moves it on, when it is tried again |
//! | [`control`], [`progress`] | a campaign's states, and the counters that they are decided from |
//! | [`pace`] | a rate kept exactly |
//! | [`target`] | what is known of a device |
//! | [`time`] | instants and durations as people write them |

pub mod control;
pub mod job;
mod outcome;
pub mod pace;
pub mod progress;
pub mod retry;
pub mod scope;
pub mod target;
pub mod time;

pub use job::{Job, Outcome};
pub use scope::{Scope, Verb};
pub use time::Instant;
