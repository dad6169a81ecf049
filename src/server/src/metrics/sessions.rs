//! How many sessions are open, without a list of them.
//!
//! A session may be opened at one worker and end at another, and one whose device fell silent ends nowhere. So each worker
//! counts, by the moment at which a session *began*, those opened less those ended: summed over all workers that is right,
//! and what began longer ago than a session's row lives is over, however it went.

use crate::clock;
use campaign::time::Instant;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Slots that the life of a session is cut into.
const SLOTS: u64 = 128;

/// Sessions opened less those ended, by when they began.
#[derive(Debug)]
pub(super) struct OpenSessions {
    slots: Mutex<VecDeque<(u64, i64)>>,
    width: u64,
}

impl OpenSessions {
    /// For sessions whose rows live so long.
    pub(super) fn new(life: Duration) -> Self {
        let life = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        Self { slots: Mutex::default(), width: (life / SLOTS).max(1) }
    }

    pub(super) fn opened(&self, started: Instant) {
        self.add(started, 1);
    }

    pub(super) fn ended(&self, started: Instant) {
        self.add(started, -1);
    }

    /// By this worker's count, as of now by its clock; negative where sessions of others end.
    pub(super) fn count(&self) -> i64 {
        self.count_at(clock::wall())
    }

    fn count_at(&self, now: Instant) -> i64 {
        let mut slots = self.lock();
        forget(&mut slots, now.0 / self.width);
        slots.iter().map(|(_, count)| count).sum()
    }

    fn add(&self, started: Instant, by: i64) {
        let slot = started.0 / self.width;
        let mut slots = self.lock();
        if let Some((_, count)) = slots.iter_mut().rev().find(|(known, _)| *known == slot) {
            *count += by;
        } else {
            let place = slots.partition_point(|(known, _)| *known < slot);
            slots.insert(place, (slot, by));
        }
        let newest = slots.back().map_or(slot, |(newest, _)| *newest);
        forget(&mut slots, newest);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(u64, i64)>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget(slots: &mut VecDeque<(u64, i64)>, now: u64) {
    while slots.front().is_some_and(|(slot, _)| slot + SLOTS < now) {
        slots.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(1280);
    const NOW: Instant = Instant(100_000_000);

    #[test]
    fn what_one_worker_opens_and_another_ends_is_open_nowhere() {
        let (one, other) = (OpenSessions::new(LIFE), OpenSessions::new(LIFE));
        one.opened(NOW);
        one.opened(NOW);
        other.ended(NOW);
        assert_eq!((one.count_at(NOW), other.count_at(NOW)), (2, -1));
    }

    #[test]
    fn a_session_that_ends_nowhere_is_forgotten_with_its_row() {
        let open = OpenSessions::new(LIFE);
        open.opened(NOW);
        open.opened(NOW.plus(LIFE / 2));
        assert_eq!(open.count_at(NOW.plus(LIFE / 2)), 2);
        assert_eq!(open.count_at(NOW.plus(LIFE).plus(LIFE / 4)), 1);
        assert_eq!(open.count_at(NOW.plus(LIFE * 3)), 0);
        assert!(open.lock().is_empty());
    }

    #[test]
    fn memory_does_not_grow_with_time() {
        let open = OpenSessions::new(LIFE);
        for minute in 0..10_000 {
            open.opened(NOW.plus(Duration::from_mins(minute)));
        }
        assert!(open.lock().len() as u64 <= SLOTS + 1);
    }
}
