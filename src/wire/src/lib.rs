//! Bytes and vocabulary of OMA DM: what devices and servers say to each other, and its two spellings.
//!
//! Nothing here does I/O, reads a clock or throws dice. The map:
//!
//! | module | about |
//! | --- | --- |
//! | [`message`] | the SyncML DM message as types: header, commands, statuses, results |
//! | [`ids`], [`status`], [`alert`], [`meta`] | its small vocabulary |
//! | [`xml`], [`wbxml`] | the two encodings, both directions, bounded |
//! | [`uri`], [`value`] | addresses in a device's tree; values and their canonical comparison |
//! | [`tnds`] | a whole management tree as one value |
//! | [`digest`], [`hmac`] | Basic and MD5 credentials; digests over whole bodies |
//! | [`notification`], [`wap_push`], [`sms`] | package #0, the push message that carries it, and its short messages |
//! | [`bootstrap`] | what gives a device its first account, and the MAC over it |
//! | [`pap`] | a push through the gateway of an operator: the documents of both sides |

pub mod alert;
mod assemble;
pub mod bootstrap;
mod compose;
pub mod digest;
mod encoding;
pub mod hmac;
pub mod ids;
pub mod message;
pub mod meta;
pub mod notification;
pub mod pap;
mod salvage;
pub mod sms;
pub mod status;
mod tag;
pub mod tnds;
pub mod uri;
pub mod value;
pub mod wap_push;
pub mod wbxml;
pub mod xml;

pub use encoding::{Encoding, Limits, MediaType, ReadError, WriteError};
pub use salvage::Salvaged;
