//! Everything of Reveille that touches the world: the store, the network, the clock, and the loops between them.
//!
//! A job's way through here: [`campaigns`] accepts the campaign, `enroll` puts jobs into devices' rows, `dispatch`
//! claims them and notifies, [`http`] takes the device's messages to the `door`, `advance` is where a conversation meets
//! the campaign, `reports` hears what devices say later of work they took up, `deadlines` notices silence, `resync` helps
//! devices that believe nothing they hear, and the `controller` ends what is done. `turn` is what they all write with.

#[doc(hidden)]
pub mod bench;
pub mod broker;
pub mod campaigns;
pub mod clock;
pub mod config;
pub mod engine;
pub mod events;
pub mod http;
pub mod metrics;
pub mod readiness;
mod receipts;
pub mod registry;
pub mod rows;
pub mod security;
pub mod store;

mod account;
mod advance;
mod care;
mod compact;
mod controller;
mod deadlines;
mod deployment;
mod dispatch;
mod door;
mod enroll;
mod gate;
mod kept;
mod load;
mod notify;
mod parts;
mod reports;
mod resync;
mod retention;
mod routing;
mod run;
mod sinks;
mod trigger;
mod trim;
mod turn;
mod update;
#[cfg(test)]
mod workbench;

pub use load::Load;
pub use run::{Running, start};
