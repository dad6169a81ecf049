//! The simulated carriers: what stands between a server and the devices when notifications do not go straight to an address.
//!
//! Like the devices they are written from the protocol's notes, look at every octet, and report what is wrong as breaches.
//! What they read of a push is read here once more, not with the code that wrote it.
//!
//! | module | about |
//! | --- | --- |
//! | [`smsc`] | a short message centre: SMPP 3.4 over TCP |
//! | `rush` | how much came in which second, so that a limit can be judged where it counts |
//! | `agenda` | what is to be done later |

mod agenda;
mod rush;
pub mod smsc;

pub use rush::PerSecond;
