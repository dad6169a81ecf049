//! The one thread that writes: it takes a group of commits, decides each, writes all with one sync, and answers.

use crate::store::StoreError;

use super::group::{Applied, Group};
use super::inbox::{Request, Work};
use super::{Inner, failed};

/// Writes groups until the inbox is closed and empty, or until the first failure.
///
/// After a failed write nobody knows what is on the disk, so nothing is tried again: the store is poisoned, everybody
/// is told, and the process is expected to end. Opening the store again recovers exactly what was acknowledged.
pub(super) fn run(inner: &Inner, mut sequence: u64) {
    let _nobody_waits_for_a_writer_that_is_gone = Leaves(inner);
    let mut last = 0;
    while let Some(requests) = inner.inbox.next_group(last) {
        last = requests.len();
        let (works, answers): (Vec<_>, Vec<_>) =
            requests.into_iter().map(|Request { work, answer }| (work, answer)).unzip();
        match write(inner, &mut sequence, works) {
            Ok(verdicts) => {
                for (answer, verdicts) in answers.into_iter().zip(verdicts) {
                    answer.send(Ok(verdicts));
                }
            }
            Err(error) => {
                inner.poison(&error);
                for answer in answers {
                    answer.send(Err(inner.poisoned()));
                }
            }
        }
    }
}

fn write(
    inner: &Inner,
    sequence: &mut u64,
    works: Vec<Work>,
) -> Result<Vec<Vec<Applied>>, StoreError> {
    if inner.is_poisoned() {
        return Err(inner.poisoned());
    }
    let now = inner.clock.now();
    let mut group = Group::new(&inner.spaces, &inner.counters, now, *sequence);
    let mut verdicts = Vec::with_capacity(works.len());
    for work in works {
        verdicts.push(match work {
            Work::Commit(changes) => changes
                .into_iter()
                .map(|change| group.apply(change))
                .collect::<Result<_, StoreError>>()?,
            Work::ForgetEvents(keys) => {
                group.forget_events(keys);
                Vec::new()
            }
            Work::Sweep(notes) => {
                group.sweep(notes)?;
                Vec::new()
            }
        });
    }
    if group.is_empty() {
        return Ok(verdicts);
    }
    *sequence = group.sequence();
    let moves = group.moves();
    for (shard, moves) in &moves {
        inner.queues.moving(*shard, moves);
    }
    group.write().map_err(failed("wrote a group of commits"))?;
    inner.clock.is_stored(now);
    for (shard, moves) in moves {
        inner.queues.moved(shard, moves);
    }
    Ok(verdicts)
}

/// Tells everybody when the writer leaves, also by a panic.
struct Leaves<'a>(&'a Inner);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison(&StoreError::Refused("the writer panicked"));
        }
        self.0.inbox.abandon();
    }
}
