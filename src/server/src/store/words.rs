//! Rows that begin with their words: texts that many rows share, which a store may keep once.

/// What such a row of the table of devices begins with; behind it come its words, and the rest.
pub const WORDED: u8 = 3;

/// The words and the rest of a row, given what stands behind its first octet.
pub fn split(row: &[u8]) -> Option<(Vec<&[u8]>, &[u8])> {
    postcard::take_from_bytes(row).ok()
}

/// A whole row of these words and this rest.
pub fn join<W: AsRef<[u8]>>(words: &[W], rest: &[u8]) -> Vec<u8> {
    let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
    let mut row = postcard::to_extend(&words, vec![WORDED]).expect("postcard writes octets");
    row.extend_from_slice(rest);
    row
}
