//! What is to be done later, in the order in which it becomes due.

use std::{collections::BTreeMap, time::Instant};

/// Things with their times. Two of the same time keep their order.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    things: BTreeMap<(Instant, u64), T>,
    added: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { things: BTreeMap::new(), added: 0 }
    }
}

impl<T> Agenda<T> {
    pub(crate) fn add(&mut self, at: Instant, thing: T) {
        self.added += 1;
        self.things.insert((at, self.added), thing);
    }

    pub(crate) fn len(&self) -> usize {
        self.things.len()
    }

    /// When the first is due.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.things.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the first, when it is due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<T> {
        let first = self.things.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::time::Duration;

    #[test]
    fn things_come_when_they_are_due_and_in_their_order() {
        let now = clock::now();
        let mut agenda = Agenda::default();
        for (after, what) in [(20, "last"), (10, "first"), (10, "second")] {
            agenda.add(now + Duration::from_millis(after), what);
        }
        assert_eq!(agenda.take_due(now), None);
        assert_eq!(agenda.first(), Some(now + Duration::from_millis(10)));
        let later = now + Duration::from_millis(10);
        assert_eq!(
            [agenda.take_due(later), agenda.take_due(later)],
            [Some("first"), Some("second")]
        );
        assert_eq!(agenda.take_due(later), None);
        assert_eq!(agenda.len(), 1);
    }
}
