//! Where the parts of a device's large object are kept between its messages, as a store would.

use session::{Part, Parts};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct Shelf(BTreeMap<u16, Vec<u8>>);

impl Shelf {
    /// The first so many parts; what is lost is missing.
    pub(crate) fn read(&self, wanted: u16) -> Vec<Vec<u8>> {
        (0..wanted).map_while(|number| self.0.get(&number).cloned()).collect()
    }

    pub(crate) fn store(&mut self, parts: Parts) {
        let Parts { done, keep } = parts;
        (0..done).for_each(|number| drop(self.0.remove(&number)));
        if let Some(Part { number, octets }) = keep {
            assert!(number < Part::MOST && octets.len() <= Part::LONGEST);
            self.0.insert(number, octets);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything is lost.
    pub(crate) fn lose(&mut self) {
        self.0.clear();
    }
}
