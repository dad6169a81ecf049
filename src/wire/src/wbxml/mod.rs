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

/// The place of the first zero octet. Texts are short: eight octets at a time find it sooner than what is made for long
/// ones.
#[inline]
fn zero(octets: &[u8]) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = octets.as_chunks::<8>();
    let mut passed = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // The lowest bit that is set belongs to the first zero octet; above it there may be false ones.
        let zeros = word.wrapping_sub(LOW) & !word & HIGH;
        if zeros != 0 {
            return Some(passed + zeros.trailing_zeros() as usize / 8);
        }
        passed += 8;
    }
    rest.iter().position(|&octet| octet == 0).map(|place| passed + place)
}

#[cfg(test)]
#[test]
fn the_first_zero_octet_is_found_wherever_it_stands() {
    for length in 0..40 {
        assert_eq!(zero(&vec![b'a'; length]), None);
        for place in 0..length {
            // What follows a zero octet must not mislead: 01 is the one that could.
            let mut octets = vec![1; length];
            octets[..place].fill(0x80);
            octets[place] = 0;
            assert_eq!(zero(&octets), Some(place));
        }
    }
}

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
