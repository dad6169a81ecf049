//! Values that are longer than a message: cut into parts (`MoreData`), sent one part a message, and joined again.
//!
//! ```text
//! first part    Size (octets of the whole, as transported), Data, MoreData      213, Alert 1222: the next, please
//! part          Data, MoreData                                                  213, Alert 1222
//! last part     Data                                                            the status of the whole
//! ```
//!
//! Nothing is resumed: an object that broke begins again with its first part. What is kept between two messages is where
//! the object stands; of a device's object the caller keeps the parts ([`Parts`]) and brings them when the last one comes
//! ([`crate::Context::parts`]), of ours the rendering is cut anew at every message.

mod incoming;
mod outgoing;

pub(crate) use incoming::{Incoming, Kind, Taken};
pub(crate) use outgoing::{Going, Prospect, PuttingBack, Sending};

/// What becomes of the stored parts of a device's large object. Stored in one commit with the session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// So many stored parts, from the first on, are needed no longer. Deleted before anything is kept.
    pub done: u16,
    /// The part that came with this message.
    pub keep: Option<Part>,
}

/// One part of a large object.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// Its place in the object, from 0.
    pub number: u16,
    /// As transported: a character or a group of base64 may begin in one part and end in the next.
    pub octets: Vec<u8>,
}

impl Part {
    /// The longest part, in octets.
    pub const LONGEST: usize = 256 * 1024;
    /// The most parts of one object.
    pub const MOST: u16 = 192;
}

impl std::fmt::Debug for Part {
    // It may be a piece of a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Part({}, {} octets)", self.number, self.octets.len())
    }
}
