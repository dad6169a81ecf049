//! Puts changes into the plan and the texts of `commit.lua`; the order of everything here is the order there.

use std::collections::HashMap;
use std::time::Duration;

use crate::store::change::{Guard, Put, QueueOp, milliseconds};
use crate::store::{Change, Key, NEVER, Shard};

use redis::Cmd;

use super::keys::{self, RowKey, Shape};
use super::operations::Operation;
use super::script::Script;
use super::words::{self, Used};

/// A call of `commit.lua` that is being put together.
pub(super) struct Call {
    shard: Shard,
    shape: Shape,
    keys: Vec<Vec<u8>>,
    numbers: HashMap<Vec<u8>, u16>,
    /// What its rows stand on.
    words: Section,
    changes: Section,
    /// How many changes there are.
    count: usize,
    /// Revisions and event ids it will need.
    drawn: u16,
    /// One of its changes must be on replicas before it counts as done.
    replicated: bool,
}

/// A part of the plan, and the texts that it takes.
#[derive(Default)]
struct Section {
    plan: Vec<u8>,
    texts: Texts,
}

/// Texts one behind the other, and where each ends.
#[derive(Default)]
struct Texts {
    octets: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, text: &[u8]) {
        self.octets.extend_from_slice(text);
        self.ends.push(self.octets.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.octets.get(start..*end).unwrap_or_default())
    }
}

impl Section {
    /// A number of the plan: no commit holds more of anything ([`crate::store::change::MOST_PARTS`]).
    fn number(&mut self, number: usize) {
        let number = u16::try_from(number).unwrap_or(u16::MAX);
        self.plan.extend_from_slice(&number.to_be_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.texts.push(text);
    }
}

impl Call {
    /// `time` is the store's, in milliseconds; where the commit is remembered goes by it.
    pub(super) fn new(shard: Shard, shape: Shape, time: u64) -> Self {
        let mut call = Self {
            shard,
            shape,
            keys: Vec::new(),
            numbers: HashMap::new(),
            words: Section::default(),
            changes: Section::default(),
            count: 0,
            drawn: 0,
            replicated: false,
        };
        call.number(keys::sequence_key(shard));
        call.number(keys::operations_key(shard, time));
        call
    }

    pub(super) fn change(&mut self, change: Change) {
        self.count += 1;
        self.replicated |= change.replicated;
        self.changes.number(change.guards.len());
        for guard in change.guards {
            let (key, wanted) = match guard {
                // No row has such a revision; an octet too few never equals one either.
                Guard::Is(key, revision) => {
                    (key, keys::revision_octets(revision).map_or_else(|| vec![0; 5], Vec::from))
                }
                Guard::Absent(key) => (key, Vec::new()),
            };
            let RowKey { key, field } = self.shape.row(self.shard, &key);
            let key = self.number(key);
            self.changes.number(key);
            self.changes.text(&field.unwrap_or_default());
            self.changes.text(&wanted);
        }
        self.writes(|writes| {
            change.deletes.iter().for_each(|key| writes.delete(key));
            change.puts.iter().for_each(|put| writes.put(put));
            for add in change.adds {
                let key = keys::counters_key(writes.call.shard, add.set);
                writes.write(b'a', key, &[add.field.as_bytes(), add.by.to_string().as_bytes()]);
            }
            change.queue.into_iter().for_each(|op| writes.queue(op));
            for event in change.events {
                writes.call.drawn += 1;
                writes.write(b'l', keys::log_key(writes.call.shard), &[&event]);
            }
        });
    }

    /// What rows of the changes stand on.
    pub(super) fn words(&mut self, used: &Used) {
        if used.is_empty() {
            return;
        }
        let stamps = self.number(keys::stamps_key(self.shard));
        self.words.number(stamps);
        self.words.text(used.stamp.as_ref().map_or(&[], |stamp| stamp.as_slice()));
        // The stamp of those that turn out to be new.
        self.drawn += 1;
        self.words.number(used.words.len());
        for (code, word) in &used.words {
            let key = self.number(keys::words_key(self.shard, words::hash_of(*code)));
            self.words.number(key);
            self.words.text(&code.to_be_bytes());
            self.words.text(word);
        }
    }

    /// A change that sweeps a noted row if it has expired.
    pub(super) fn sweep(&mut self, key: &Key) {
        self.count += 1;
        self.changes.number(0);
        self.writes(|writes| {
            let RowKey { key: place, field } = writes.call.shape.row(writes.call.shard, key);
            let note = writes.call.shape.note(key);
            writes.write(b'x', place, &[&field.unwrap_or_default(), &note]);
            writes.key_of_notes();
        });
    }

    /// A call that changes nothing but the shard's sequence, and so keeps the time that it is now.
    pub(super) fn tick(&mut self) {
        self.drawn += 1;
    }

    pub(super) fn changes(&self) -> usize {
        self.count
    }

    pub(super) fn replicated(&self) -> bool {
        self.replicated
    }

    pub(super) fn shard(&self) -> Shard {
        self.shard
    }

    /// The command that sends it under the name of this operation.
    pub(super) fn command(&self, script: &Script, operation: &Operation<'_>) -> Cmd {
        let mut plan = self.drawn.to_be_bytes().to_vec();
        if self.words.plan.is_empty() {
            plan.extend_from_slice(&[0; 4]);
        }
        plan.extend_from_slice(&self.words.plan);
        plan.extend_from_slice(&u16::try_from(self.count).unwrap_or(u16::MAX).to_be_bytes());
        plan.extend_from_slice(&self.changes.plan);
        let mut command = script.command();
        command.arg(self.keys.len());
        for key in &self.keys {
            command.arg(key.as_slice());
        }
        command.arg(operation.place()).arg(operation.number().as_slice()).arg(plan);
        for text in self.words.texts.iter().chain(self.changes.texts.iter()) {
            command.arg(text);
        }
        command
    }

    /// Says before some writes how much of the plan and of the texts is theirs, and how many they are.
    fn writes(&mut self, write: impl FnOnce(&mut Writes<'_>)) {
        const ROOM: usize = 6;
        let (start, texts) = (self.changes.plan.len(), self.changes.texts.ends.len());
        self.changes.plan.extend_from_slice(&[0; ROOM]);
        let mut writes = Writes { call: self, count: 0 };
        write(&mut writes);
        let count = writes.count;
        let Section { plan, texts: taken } = &mut self.changes;
        let octets = plan.len() - start - ROOM;
        let numbers = [octets, taken.ends.len() - texts, count]
            .map(|number| u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes());
        for (place, octet) in plan.iter_mut().skip(start).zip(numbers.as_flattened()) {
            *place = *octet;
        }
    }

    /// The number of a key in KEYS, from 1 on.
    fn number(&mut self, key: Vec<u8>) -> usize {
        let next = u16::try_from(self.keys.len() + 1).unwrap_or(u16::MAX);
        let number = *self.numbers.entry(key.clone()).or_insert(next);
        if number == next {
            self.keys.push(key);
        }
        number.into()
    }
}

/// The writes of a change.
struct Writes<'a> {
    call: &'a mut Call,
    count: usize,
}

impl Writes<'_> {
    fn write(&mut self, letter: u8, key: Vec<u8>, texts: &[&[u8]]) {
        self.count += 1;
        let key = self.call.number(key);
        let changes = &mut self.call.changes;
        changes.plan.push(letter);
        changes.number(key);
        for text in texts {
            changes.text(text);
        }
    }

    fn key_of_notes(&mut self) {
        let key = self.call.number(keys::notes_key(self.call.shard));
        self.call.changes.number(key);
    }

    fn delete(&mut self, key: &Key) {
        let RowKey { key, field } = self.call.shape.row(self.call.shard, key);
        self.write(b'd', key, &[&field.unwrap_or_default()]);
    }

    fn put(&mut self, put: &Put) {
        self.call.drawn += 1;
        let RowKey { key, field } = self.call.shape.row(self.call.shard, &put.key);
        match (field, put.keep) {
            (None, keep) => {
                self.write(b's', key, &[&put.bytes, &keep.map(keep_text).unwrap_or_default()]);
            }
            (Some(field), None) => self.write(b'h', key, &[&field, &put.bytes]),
            (Some(field), Some(keep)) => {
                let note = self.call.shape.note(&put.key);
                self.write(b'e', key, &[&field, &put.bytes, &keep_text(keep), &note]);
                self.key_of_notes();
            }
        }
    }

    fn queue(&mut self, op: QueueOp) {
        match op {
            QueueOp::Put { queue, member, due } => {
                let key = keys::queue_key(self.call.shard, &queue);
                let member = self.call.shape.pack(&member);
                self.write(b'q', key, &[due.min(NEVER).to_string().as_bytes(), &member]);
            }
            QueueOp::Remove { queue, member } => {
                let member = self.call.shape.pack(&member);
                self.write(b'r', keys::queue_key(self.call.shard, &queue), &[&member]);
            }
        }
    }
}

/// Redis takes no expiry of nothing; a millisecond is the least.
fn keep_text(keep: Duration) -> Vec<u8> {
    milliseconds(keep).clamp(1, NEVER >> 5).to_string().into_bytes()
}
