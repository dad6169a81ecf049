//! A group of commits: each change is decided against what is on disk and what the group has written so far, and all of
//! it then becomes one batch. Nothing here waits or answers; the writer does.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use fjall::{OwnedWriteBatch, PersistMode, UserKey, UserValue};

use crate::store::change::{Add, Change, Guard, NEVER, QueueOp, Table, milliseconds};
use crate::store::{QueueName, Shard, StoreError};

use super::counters::Counters;
use super::failed;
use super::layout::{self, Space, Spaces, State, Stored};
use super::queues::{Move, Moves};

/// A change with its keys and values laid out as on disk; made by the caller, so that the one writer has less to do.
pub(super) struct Prepared {
    shard: Shard,
    guards: Vec<(Space, UserKey, Wanted)>,
    deletes: Vec<(Space, UserKey)>,
    puts: Vec<Putting>,
    adds: Vec<Add>,
    moves: Vec<Moving>,
    events: Vec<UserValue>,
}

enum Wanted {
    Absent,
    Revision(u64),
}

struct Putting {
    table: Table,
    key: UserKey,
    value: Vec<u8>,
    keep: Option<Duration>,
}

struct Moving {
    queue: QueueName,
    member: Vec<u8>,
    to: Option<u64>,
}

impl Prepared {
    pub(super) fn new(shard: Shard, change: Change) -> Self {
        let place = |key: &_| layout::row_key(shard, key);
        Self {
            shard,
            guards: change
                .guards
                .iter()
                .map(|guard| match guard {
                    Guard::Is(key, revision) => {
                        (Space::Rows(key.table), place(key), Wanted::Revision(*revision))
                    }
                    Guard::Absent(key) => (Space::Rows(key.table), place(key), Wanted::Absent),
                })
                .collect(),
            deletes: change
                .deletes
                .iter()
                .map(|key| (Space::Rows(key.table), place(key)))
                .collect(),
            puts: change
                .puts
                .into_iter()
                .map(|put| Putting {
                    table: put.key.table,
                    key: place(&put.key),
                    value: Stored::prepare(&put.bytes),
                    keep: put.keep,
                })
                .collect(),
            adds: change.adds,
            moves: change.queue.into_iter().map(Moving::from).collect(),
            events: change.events.into_iter().map(UserValue::from).collect(),
        }
    }
}

impl From<QueueOp> for Moving {
    fn from(op: QueueOp) -> Self {
        match op {
            QueueOp::Put { queue, member, due } => Self { queue, member, to: Some(due.min(NEVER)) },
            QueueOp::Remove { queue, member } => Self { queue, member, to: None },
        }
    }
}

/// The revisions of the rows that a change put, in their order; `None` of one that was not applied.
pub(super) type Applied = Option<Range<u64>>;

/// A counter: its shard, its set, its name.
type Counter = (Shard, u64, String);

/// The writes of a group so far.
pub(super) struct Group<'a> {
    spaces: &'a Spaces,
    now: u64,
    sequence: u64,
    /// What the batch will hold: each key once, for fjall gives all of a batch the same place in time.
    written: HashMap<(Space, UserKey), Option<UserValue>>,
    moves: HashMap<Shard, Moves>,
    counters: &'a Counters,
    /// The sums that this group leaves behind.
    sums: HashMap<Counter, i64>,
    /// Whether the clock is worth a write of its own.
    keeps_clock: bool,
}

impl<'a> Group<'a> {
    pub(super) fn new(spaces: &'a Spaces, counters: &'a Counters, now: u64, sequence: u64) -> Self {
        Self {
            spaces,
            now,
            sequence,
            written: HashMap::new(),
            moves: HashMap::new(),
            counters,
            sums: HashMap::new(),
            keeps_clock: false,
        }
    }

    /// Applies a change if its guards hold.
    pub(super) fn apply(&mut self, change: Prepared) -> Result<Applied, StoreError> {
        for (space, key, wanted) in change.guards {
            if !self.holds(space, &key, &wanted)? {
                return Ok(None);
            }
        }
        for (space, key) in change.deletes {
            self.written.insert((space, key), None);
        }
        let before = self.sequence;
        for put in change.puts {
            self.put(put);
        }
        let revisions = before + 1..self.sequence + 1;
        for add in change.adds {
            self.add(change.shard, add)?;
        }
        for moving in change.moves {
            self.move_member(change.shard, moving)?;
        }
        for event in change.events {
            let id = self.next();
            self.written.insert((Space::Event, layout::event_key(change.shard, id)), Some(event));
        }
        Ok(Some(revisions))
    }

    /// Takes events off the log.
    pub(super) fn forget_events(&mut self, keys: Vec<UserKey>) {
        self.written.extend(keys.into_iter().map(|key| ((Space::Event, key), None)));
    }

    /// Removes the rows that have expired out of those noted, and the notes; stores the clock in any case.
    pub(super) fn sweep(&mut self, notes: Vec<UserKey>) -> Result<(), StoreError> {
        self.keeps_clock = true;
        for note in notes {
            let (table, key) = layout::expiring_row(&note)?;
            let space = Space::Rows(table);
            // A row that was written again since has a later note of its own, or stays for good.
            if let Some(value) = self.get(space, &key)?
                && Stored::read(&value, self.now)?.is_none()
            {
                self.written.insert((space, key), None);
            }
            self.written.insert((Space::Expiry, note), None);
        }
        Ok(())
    }

    /// Whether there is nothing to write: all changes were refused or said nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.written.is_empty() && self.sums.is_empty() && !self.keeps_clock
    }

    /// The last revision or event id given.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The members that move, by shard; for the memory of the queues.
    pub(super) fn moves(&mut self) -> HashMap<Shard, Moves> {
        std::mem::take(&mut self.moves)
    }

    /// Writes everything as one batch and waits until it is on the disk. It cannot be seen by readers before.
    pub(super) fn write(self) -> Result<(), fjall::Error> {
        let mut batch =
            OwnedWriteBatch::with_capacity(self.spaces.database.clone(), self.written.len() + 1)
                .durability(Some(PersistMode::SyncData));
        for ((space, key), value) in self.written {
            match value {
                Some(value) => batch.insert(self.spaces.of(space), key, value),
                None => batch.remove(self.spaces.of(space), key),
            }
        }
        for ((shard, set, field), sum) in &self.sums {
            let key = layout::counter_key(*shard, *set, field);
            batch.insert(self.spaces.of(Space::Counter), key, sum.to_be_bytes());
        }
        let state = State { sequence: self.sequence, clock: self.now };
        batch.insert(self.spaces.of(Space::State), State::KEY, state.write());
        batch.commit()?;
        for ((shard, set, field), sum) in self.sums {
            self.counters.put(shard, set, &field, sum);
        }
        Ok(())
    }

    fn holds(&self, space: Space, key: &UserKey, wanted: &Wanted) -> Result<bool, StoreError> {
        let value = self.get(space, key)?;
        let stored =
            value.as_ref().map(|value| Stored::read(value, self.now)).transpose()?.flatten();
        Ok(match (stored, wanted) {
            (None, Wanted::Absent) => true,
            (Some(stored), Wanted::Revision(revision)) => stored.revision == *revision,
            (None, Wanted::Revision(_)) | (Some(_), Wanted::Absent) => false,
        })
    }

    fn put(&mut self, put: Putting) {
        let revision = self.next();
        let expires = put.keep.map_or(0, |keep| self.now.saturating_add(milliseconds(keep)).max(1));
        if expires != 0 && !layout::is_short_lived(put.table) {
            let note = layout::expiry_key(expires, put.table, &put.key);
            self.written.insert((Space::Expiry, note), Some(UserValue::from(&b""[..])));
        }
        let value = Stored::seal(put.value, revision, expires);
        self.written.insert((Space::Rows(put.table), put.key), Some(value));
    }

    fn add(&mut self, shard: Shard, add: Add) -> Result<(), StoreError> {
        let Add { set, field, by } = add;
        let counter = (shard, set, field);
        let sum = match self.sums.get(&counter) {
            Some(sum) => *sum,
            None => self.sum(&counter)?,
        };
        self.sums.insert(counter, sum.saturating_add(by));
        Ok(())
    }

    /// A sum as it was before this group.
    fn sum(&self, (shard, set, field): &Counter) -> Result<i64, StoreError> {
        if let Some(sum) = self.counters.sum(*shard, *set, field) {
            return Ok(sum);
        }
        let key = layout::counter_key(*shard, *set, field);
        let stored = self.spaces.of(Space::Counter).get(key).map_err(failed("read"))?;
        stored.map_or(Ok(0), |value| layout::sum(&value))
    }

    fn move_member(&mut self, shard: Shard, moving: Moving) -> Result<(), StoreError> {
        let Moving { queue, member, to } = moving;
        let key = layout::member_key(shard, &queue, &member);
        let from =
            self.get(Space::Member, &key)?.map(|value| layout::number(&value)).transpose()?;
        if from != to {
            let prefix = layout::queue_prefix(shard, &queue);
            if let Some(from) = from {
                self.written.insert((Space::Due, layout::due_key(&prefix, from, &member)), None);
            }
            if let Some(to) = to {
                let place = layout::due_key(&prefix, to, &member);
                self.written.insert((Space::Due, place), Some(UserValue::from(&b""[..])));
            }
            self.written
                .insert((Space::Member, key), to.map(|to| UserValue::from(to.to_be_bytes())));
        }
        let moves = self.moves.entry(shard).or_default();
        moves.entry((queue, member)).and_modify(|moved| moved.to = to).or_insert(Move { from, to });
        Ok(())
    }

    fn get(&self, space: Space, key: &UserKey) -> Result<Option<UserValue>, StoreError> {
        // A tuple key cannot be looked up by reference; cloning a short key is cheaper than a map for each space.
        if let Some(written) = self.written.get(&(space, key.clone())) {
            return Ok(written.clone());
        }
        self.spaces.of(space).get(key).map_err(failed("read"))
    }

    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }
}
