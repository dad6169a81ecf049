//! Names for commits, by which a shard knows one that comes a second time.
//!
//! An answer can be lost while its commit was done, and a commit that was given up can still be on its way. So each is
//! called by this process, one of its places, and a number that grows: the shard keeps the last number of each place with
//! what was answered. The same number again gets the same answer, an earlier one is too late and does nothing.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

/// The commits of this process.
pub(super) struct Operations {
    process: [u8; 6],
    last: AtomicU64,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    /// The one last used is used next, so that few are in use.
    free: Vec<u32>,
    made: u32,
}

/// One commit. Its place is free again when this is dropped.
pub(super) struct Operation<'a> {
    of: &'a Operations,
    place: u32,
    number: u64,
}

impl Operations {
    pub(super) fn new() -> Self {
        Self { process: rand::random(), last: AtomicU64::new(0), places: Mutex::default() }
    }

    /// Names a commit. There are as many places as there ever were commits at one time.
    pub(super) fn begin(&self) -> Operation<'_> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.free.pop().unwrap_or_else(|| {
            places.made += 1;
            places.made
        });
        Operation { of: self, place, number: self.last.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

impl Operation<'_> {
    /// Process and place.
    pub(super) fn place(&self) -> Vec<u8> {
        [self.of.process.as_slice(), &self.place.to_be_bytes()].concat()
    }

    pub(super) fn number(&self) -> [u8; 6] {
        let [_, _, octets @ ..] = self.number.to_be_bytes();
        octets
    }
}

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        self.of.places.lock().unwrap_or_else(PoisonError::into_inner).free.push(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_used_by_one_commit_at_a_time_and_its_numbers_grow() {
        let operations = Operations::new();
        let first = operations.begin();
        let second = operations.begin();
        assert_ne!(first.place(), second.place());
        let (place, number) = (first.place(), first.number());
        drop(first);
        let third = operations.begin();
        assert_eq!(third.place(), place);
        assert!(third.number() > number);
    }
}
