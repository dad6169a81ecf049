//! Sums of counters in memory, so that looking at a running campaign is not a walk over every addition it ever made.
//!
//! The disk has the truth. A set of a shard is read from there when somebody first asks for it, and from then on the
//! writer puts each new sum here after it is on the disk. Sums are whole values, not additions: putting one twice, or
//! one that the reading had already seen, changes nothing.

use crate::store::{Shard, StoreError};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sets of shards held at a time: some sixty campaigns. Beyond that all are forgotten and read again when asked for.
const MOST_HELD: usize = 16 * 1024;

type Sums = BTreeMap<String, i64>;

#[derive(Default)]
pub(super) struct Counters {
    held: Mutex<HashMap<(Shard, u64), Sums>>,
}

impl Counters {
    /// All sums of a set, from memory or by `read`, which sees the disk as it is at the time of its call.
    pub(super) fn all(
        &self,
        shard: Shard,
        set: u64,
        read: impl FnOnce() -> Result<Sums, StoreError>,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let mut held = self.held();
        if !held.contains_key(&(shard, set)) {
            // Read under the lock: what the writer commits meanwhile it puts here afterwards.
            let sums = read()?;
            if held.len() >= MOST_HELD {
                held.clear();
            }
            held.insert((shard, set), sums);
        }
        let sums = held.get(&(shard, set));
        Ok(sums.into_iter().flatten().map(|(field, sum)| (field.clone(), *sum)).collect())
    }

    /// The sum of one counter, if its set is held.
    pub(super) fn sum(&self, shard: Shard, set: u64, field: &str) -> Option<i64> {
        self.held().get(&(shard, set)).map(|sums| sums.get(field).copied().unwrap_or_default())
    }

    /// Puts a sum that is on the disk.
    pub(super) fn put(&self, shard: Shard, set: u64, field: &str, sum: i64) {
        if let Some(sums) = self.held().get_mut(&(shard, set)) {
            sums.insert(field.to_owned(), sum);
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<(Shard, u64), Sums>> {
        // Nothing is half done under this lock.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(sum: i64) -> Sums {
        BTreeMap::from([("enrolled".to_owned(), sum)])
    }

    #[test]
    fn a_set_is_read_once_and_then_kept_true_by_the_writer() {
        let counters = Counters::default();
        let shard = Shard::from(3);
        counters.put(shard, 1, "enrolled", 5);
        assert_eq!(counters.sum(shard, 1, "enrolled"), None, "nobody asked for the set yet");
        assert_eq!(counters.all(shard, 1, || Ok(one(5))).unwrap(), [("enrolled".to_owned(), 5)]);
        counters.put(shard, 1, "enrolled", 6);
        counters.put(shard, 1, "enrolled", 6);
        assert_eq!(counters.all(shard, 1, || Ok(one(99))).unwrap(), [("enrolled".to_owned(), 6)]);
        assert_eq!(counters.sum(shard, 1, "o.applied"), Some(0));
    }

    #[test]
    fn what_is_held_has_a_bound() {
        let counters = Counters::default();
        for set in 0..MOST_HELD as u64 + 10 {
            counters.all(Shard::from(0), set, || Ok(one(1))).unwrap();
        }
        assert!(counters.held().len() <= MOST_HELD);
    }
}
