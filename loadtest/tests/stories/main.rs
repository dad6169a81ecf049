//! Stories: tests of the whole, one file a story. The server, real sockets, simulated devices, an operator at the admin door.
//!
//! | module | about |
//! | --- | --- |
//! | `world` | a server and a fleet in this process |
//! | `operator` | the admin API, as an operator's program uses it |
//! | `rabbit` | a private broker, and an upstream system at it |
//! | `process` | the real program, to be killed |
//!
//! The others are the stories, in the order in which a reader may want them.

// `cfg(test)` tells clippy that these are tests throughout, helpers too.
#[cfg(test)]
mod operator;
#[cfg(test)]
mod process;
#[cfg(test)]
mod rabbit;
#[cfg(test)]
mod world;

#[cfg(test)]
mod asked;
#[cfg(test)]
mod atomic;
#[cfg(test)]
mod bookings;
#[cfg(test)]
mod broker_full;
#[cfg(test)]
mod broker_lost;
#[cfg(test)]
mod captured;
#[cfg(test)]
mod care;
#[cfg(test)]
mod care_shared;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod cluster_up;
#[cfg(test)]
mod composed;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod control;
#[cfg(test)]
mod customised;
#[cfg(test)]
mod encrypted;
#[cfg(test)]
mod every_make;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod foreign_peers;
#[cfg(test)]
mod hand_over;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod large_values;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod normal_flow;
#[cfg(test)]
mod off_limits;
#[cfg(test)]
mod out_of_step;
#[cfg(test)]
mod overwrite;
#[cfg(test)]
mod own_account;
#[cfg(test)]
mod pull;
#[cfg(test)]
mod push_gateway;
#[cfg(test)]
mod rejected;
#[cfg(test)]
mod reported;
#[cfg(test)]
mod restarted;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod sealed;
#[cfg(test)]
mod short_messages;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod simulated_carriers;
#[cfg(test)]
mod targeting;
#[cfg(test)]
mod triggered;
#[cfg(test)]
mod upstream;
#[cfg(test)]
mod watched;
