//! What this crate promises on the wire, against vectors, an independent codec, and generated messages.
//!
//! | module | about |
//! | --- | --- |
//! | `vectors` | the files under `tests/vectors`; its README says where each is from |
//! | `messages` | every valid message, in both encodings |
//! | `written` | the form that clients need |
//! | `bad` | malformed, hostile and merely unusual messages |
//! | `credentials` | published and computed digests |
//! | `notifications` | package #0 and its push message |
//! | `bootstrap` | provisioning documents and bootstrap messages, and who sent them |
//! | `pap` | documents to and from a push proxy gateway |
//! | `trees` | management trees as values |
//! | `any_message` | generated messages |
//! | `round_trips` | model to octets to model; octets that are nothing |
//! | `hostile` | what holds for any octets; the fuzz targets call it |
//! | `corpus` | what fuzzing found |
//! | `oracle` | libwbxml, which is not ours |

// `cfg(test)` tells clippy that these are tests throughout, helpers too.
#[cfg(test)]
mod any_message;
#[cfg(test)]
mod bad;
#[cfg(test)]
mod bootstrap;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod notifications;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod pap;
#[cfg(test)]
mod round_trips;
#[cfg(test)]
mod trees;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod written;
