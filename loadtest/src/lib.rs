//! The simulated world: devices, how they are reached, what is wrong with them, and what they think of the server.
//!
//! The device half of OMA DM is written from the protocol notes and shares with the product only `wire`, its vocabulary:
//! two halves with one understanding would agree on every mistake. The map:
//!
//! | module | about |
//! | --- | --- |
//! | [`device`] | one device: octets in, octets out, no sockets |
//! | [`tree`] | its management tree |
//! | [`identity`] | its names, secrets and first nonces, all from a seed |
//! | [`faults`] | what may be wrong with it, and how common that is |
//! | [`verdict`] | the rules that a server has to keep, and their breaches |
//! | [`broker`], [`redis`] | a private `RabbitMQ`, a private Redis |
//! | [`usage`] | what processes use of the machine |
//! | [`carrier`] | a short message centre and a push proxy gateway between the server and the devices |
//! | [`fleet`] | any number of devices on real sockets, and what they report |

pub mod broker;
pub mod carrier;
mod clock;
pub mod device;
mod dice;
mod digest;
pub mod faults;
pub mod fleet;
pub mod identity;
pub mod redis;
#[cfg(test)]
mod scripted;
pub mod tree;
pub mod usage;
pub mod verdict;

pub use carrier::{
    gateway::{Courtesy, GatewayPlan, GatewayReport, PushGateway},
    smsc::{Manners, Smsc, SmscPlan, SmscReport},
};
pub use faults::{Answer, Auth, Fault, Habits, Kind, Mix, MixError, Model, ServerNonce};
pub use fleet::{Ears, Fleet, FleetPlan, FleetReport};
pub use verdict::{Breach, Rule};
