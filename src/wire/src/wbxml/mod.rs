//! Messages as WBXML 1.x (WAP-192) with the code pages of SyncML DM.
//!
//! | module | about |
//! | --- | --- |
//! | `read` | octets to events: every legal form, nothing allocated on the word of a length |
//! | `write` | the one form that every known client takes |

mod read;
mod write;

pub use read::read;
pub(crate) use read::{outline, read_element, salvage};
pub use write::{command_octets, write};

/// Global tokens (WAP-192, "Global tokens").
mod global {
    pub(super) const SWITCH_PAGE: u8 = 0x00;
    pub(super) const END: u8 = 0x01;
    pub(super) const ENTITY: u8 = 0x02;
    pub(super) const STR_I: u8 = 0x03;
    pub(super) const LITERAL: u8 = 0x04;
    pub(super) const PI: u8 = 0x43;
    pub(super) const STR_T: u8 = 0x83;
    pub(super) const OPAQUE: u8 = 0xC3;
    /// Beside the tag: content follows.
    pub(super) const CONTENT: u8 = 0x40;
    /// Beside the tag: attributes follow.
    pub(super) const ATTRIBUTES: u8 = 0x80;
    /// The tag itself.
    pub(super) const TOKEN: u8 = 0x3F;
}
