//! Everything of Reveille that touches the world: the store, the network, the clock, and the loops between them.
pub mod clock;
pub mod config;
pub mod registry;
pub mod rows;
pub mod security;
pub mod store;

mod notify;
mod update;
