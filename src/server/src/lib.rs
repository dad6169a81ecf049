//! Everything of Reveille that touches the world: the store, the network, the clock, and the loops between them.
//!
//! A job's way through here: [`campaigns`] accepts the campaign, [`enroll`] puts jobs into devices' rows, [`dispatch`]
//! claims them and notifies, [`http`] takes the device's messages, [`advance`] is where a conversation meets the
//! campaign, and [`controller`] ends what is done.

pub mod clock;
pub mod config;
pub mod rows;
pub mod security;
pub mod store;
