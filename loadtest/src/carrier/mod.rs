//! The simulated carriers: what stands between a server and the devices when notifications do not go straight to an address.
//!
//! Like the devices they are written from the protocol's notes, look at every octet, and report what is wrong as breaches.
//! What they read of a push is read here once more, not with the code that wrote it.
//!
//! | module | about |
//! | --- | --- |
//! | [`smsc`] | a short message centre: SMPP 3.4 over TCP |
//! | [`gateway`] | a push proxy gateway: PAP over HTTP |
//! | `rush` | how much came in which second, so that a limit can be judged where it counts |
//! | `agenda` | what is to be done later |
//! | `handset` | a push as a handset reads it, whoever made it |
//! | `tap` | what went over the wire, for programs that read captures |

mod agenda;
pub mod gateway;
mod handset;
mod rush;
pub mod smsc;
mod tap;

pub use rush::PerSecond;
