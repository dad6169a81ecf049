//! Puts changes into the arguments of `commit.lua`; the order of everything here is the order there.

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
    numbers: HashMap<Vec<u8>, usize>,
    /// What its rows stand on, as arguments: for each word its key, its code and the word.
    words: Vec<Vec<u8>>,
    arguments: Vec<Vec<u8>>,
    changes: usize,
    /// Revisions and event ids it will need.
    drawn: usize,
    /// One of its changes must be on replicas before it counts as done.
    replicated: bool,
}

impl Call {
    /// `time` is the store's, in milliseconds; where the commit is remembered goes by it.
    pub(super) fn new(shard: Shard, shape: Shape, time: u64) -> Self {
        let mut call = Self {
            shard,
            shape,
            keys: Vec::new(),
            numbers: HashMap::new(),
            words: Vec::new(),
            arguments: Vec::new(),
            changes: 0,
            drawn: 0,
            replicated: false,
        };
        call.number(keys::sequence_key(shard));
        call.number(keys::operations_key(shard, time));
        call
    }

    pub(super) fn change(&mut self, change: Change) {
        self.changes += 1;
        self.replicated |= change.replicated;
        self.count(change.guards.len());
        for guard in change.guards {
            let (key, wanted) = match guard {
                // No row has such a revision; an octet too few never equals one either.
                Guard::Is(key, revision) => {
                    (key, keys::revision_octets(revision).map_or_else(|| vec![0; 5], Vec::from))
                }
                Guard::Absent(key) => (key, Vec::new()),
            };
            self.row(&key);
            self.arguments.push(wanted);
        }
        self.writes(|writes| {
            change.deletes.iter().for_each(|key| writes.delete(key));
            change.puts.into_iter().for_each(|put| writes.put(put));
            for add in change.adds {
                let key = keys::counters_key(writes.call.shard, add.set);
                writes.write("a", key, [add.field.into_bytes(), add.by.to_string().into_bytes()]);
            }
            change.queue.into_iter().for_each(|op| writes.queue(op));
            for event in change.events {
                writes.call.drawn += 1;
                writes.write("l", keys::log_key(writes.call.shard), [event]);
            }
        });
    }

    /// Words that rows of the changes stand on.
    pub(super) fn words(&mut self, used: &Used) {
        for (code, word) in used {
            let key = self.number(keys::words_key(self.shard, words::hash_of(*code)));
            let key = key.to_string().into_bytes();
            self.words.extend([key, code.to_be_bytes().to_vec(), word.to_vec()]);
        }
    }

    /// A change that sweeps a noted row if it has expired.
    pub(super) fn sweep(&mut self, key: &Key) {
        self.changes += 1;
        self.count(0);
        self.writes(|writes| {
            let RowKey { key: place, field } = writes.call.shape.row(writes.call.shard, key);
            writes.write("x", place, [field.unwrap_or_default()]);
            writes.call.key(keys::notes_key(writes.call.shard));
            let note = writes.call.shape.note(key);
            writes.call.arguments.push(note);
        });
    }

    /// A call that changes nothing but the shard's sequence, and so keeps the time that it is now.
    pub(super) fn tick(&mut self) {
        self.drawn += 1;
    }

    pub(super) fn changes(&self) -> usize {
        self.changes
    }

    pub(super) fn replicated(&self) -> bool {
        self.replicated
    }

    pub(super) fn shard(&self) -> Shard {
        self.shard
    }

    /// The command that sends it under the name of this operation.
    pub(super) fn command(&self, script: &Script, operation: &Operation<'_>) -> Cmd {
        let mut command = script.command();
        command.arg(self.keys.len());
        for key in &self.keys {
            command.arg(key.as_slice());
        }
        command.arg(operation.place()).arg(operation.number().as_slice());
        command.arg(self.drawn).arg(self.words.len() / 3);
        for argument in &self.words {
            command.arg(argument.as_slice());
        }
        command.arg(self.changes);
        for argument in &self.arguments {
            command.arg(argument.as_slice());
        }
        command
    }

    /// Says before some writes how many arguments and writes follow.
    fn writes(&mut self, write: impl FnOnce(&mut Writes<'_>)) {
        let start = self.arguments.len();
        self.arguments.extend([Vec::new(), Vec::new()]);
        let mut writes = Writes { call: self, count: 0 };
        write(&mut writes);
        let count = writes.count;
        let follow = self.arguments.len() - start - 2;
        for (place, number) in self.arguments.iter_mut().skip(start).zip([follow, count]) {
            *place = number.to_string().into_bytes();
        }
    }

    fn row(&mut self, key: &Key) {
        let RowKey { key, field } = self.shape.row(self.shard, key);
        self.key(key);
        self.arguments.push(field.unwrap_or_default());
    }

    fn key(&mut self, key: Vec<u8>) {
        let number = self.number(key);
        self.count(number);
    }

    fn count(&mut self, number: usize) {
        self.arguments.push(number.to_string().into_bytes());
    }

    /// The number of a key in KEYS, from 1 on.
    fn number(&mut self, key: Vec<u8>) -> usize {
        let next = self.keys.len() + 1;
        let number = *self.numbers.entry(key.clone()).or_insert(next);
        if number == next {
            self.keys.push(key);
        }
        number
    }
}

/// The writes of a change.
struct Writes<'a> {
    call: &'a mut Call,
    count: usize,
}

impl Writes<'_> {
    fn write<const N: usize>(&mut self, letter: &str, key: Vec<u8>, arguments: [Vec<u8>; N]) {
        self.count += 1;
        self.call.arguments.push(letter.into());
        self.call.key(key);
        self.call.arguments.extend(arguments);
    }

    fn delete(&mut self, key: &Key) {
        let RowKey { key, field } = self.call.shape.row(self.call.shard, key);
        self.write("d", key, [field.unwrap_or_default()]);
    }

    fn put(&mut self, put: Put) {
        self.call.drawn += 1;
        let RowKey { key, field } = self.call.shape.row(self.call.shard, &put.key);
        match (field, put.keep) {
            (None, keep) => {
                self.write("s", key, [put.bytes, keep.map(keep_text).unwrap_or_default()]);
            }
            (Some(field), None) => self.write("h", key, [field, put.bytes]),
            (Some(field), Some(keep)) => {
                self.write("e", key, [field, put.bytes, keep_text(keep)]);
                self.call.key(keys::notes_key(self.call.shard));
                self.call.arguments.push(self.call.shape.note(&put.key));
            }
        }
    }

    fn queue(&mut self, op: QueueOp) {
        match op {
            QueueOp::Put { queue, member, due } => {
                let key = keys::queue_key(self.call.shard, &queue);
                let member = self.call.shape.pack(&member);
                self.write("q", key, [due.min(NEVER).to_string().into_bytes(), member]);
            }
            QueueOp::Remove { queue, member } => {
                let member = self.call.shape.pack(&member);
                self.write("r", keys::queue_key(self.call.shard, &queue), [member]);
            }
        }
    }
}

/// Redis takes no expiry of nothing; a millisecond is the least.
fn keep_text(keep: Duration) -> Vec<u8> {
    milliseconds(keep).clamp(1, NEVER >> 5).to_string().into_bytes()
}
