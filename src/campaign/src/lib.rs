//! Campaigns: what shall be so, for whom, when, how fast, and when to stop.
//!
//! Nothing here does I/O, reads a clock or throws dice. The map:
//!
//! | module | about |
//! | --- | --- |
//! | [`document`], [`limits`] | the campaign document as types, out of YAML or JSON |
//! | [`check`] | what is checked at launch; a [`Campaign`] is a document that passed |
//! | [`expression`] | conditions on a device (CEL); templates are [`Setting::render`]'s affair |
//! | [`target`] | what is known of a device |
//! | [`scope`] | what an authority may touch, and what nobody may |
//! | [`job`], [`retry`] | one device's part: its states, what moves it on, when it is tried again |
//! | [`control`], [`progress`] | a campaign's states, and the counters that they are decided from |
//! | [`pace`] | a rate kept exactly |
//! | [`schedule`] | windows, days left out, and whose clock they are read by |
//! | [`time`] | instants and durations as people write them |

mod campaign;
pub mod check;
mod compile;
pub mod control;
pub mod document;
pub mod expression;
pub mod job;
pub mod limits;
mod outcome;
pub mod pace;
mod problem;
pub mod progress;
pub mod retry;
pub mod schedule;
pub mod scope;
mod setting;
pub mod target;
mod template;
pub mod time;

pub use campaign::{Campaign, Part, StoredError};
pub use document::Document;
pub use expression::{Expression, ExpressionError};
pub use job::{Job, Outcome};
pub use problem::Problem;
pub use scope::{Scope, Verb};
pub use setting::{Rendered, Setting, reads_of};
pub use template::{RenderError, TemplateError};
pub use time::Instant;
