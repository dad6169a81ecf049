//! Where commits wait for the writer: bounded, and read in groups.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fjall::UserKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::store::StoreError;

use super::group::{Applied, Prepared};

/// How long a group waits to be as large as the one before. A pause of 300 to 500 microseconds saves two thirds of the
/// syncs at the same speed (decision D15); a caller who is alone never waits.
const PAUSE: Duration = Duration::from_micros(400);
/// Changes in a group.
const MOST_CHANGES: usize = 2048;
/// What may wait for the writer: each commit weighs 1 for each change and 1 for each KiB.
const MOST_WAITING: usize = 32 * 1024;

/// What the writer is asked to do.
pub(super) enum Work {
    Commit(Vec<Prepared>),
    ForgetEvents(Vec<UserKey>),
    /// Sweep expired rows, and store the clock.
    Sweep(Vec<UserKey>),
}

/// A piece of work, and whom to answer.
pub(super) struct Request {
    pub(super) work: Work,
    pub(super) answer: Answer,
}

/// Somebody who waits.
pub(super) struct Answer {
    to: oneshot::Sender<Result<Vec<Applied>, StoreError>>,
    /// Gives its room in the inbox back when the request is answered.
    _room: OwnedSemaphorePermit,
}

impl Answer {
    /// Whoever no longer waits has lost interest; what was written stays written.
    pub(super) fn send(self, result: Result<Vec<Applied>, StoreError>) {
        drop(self.to.send(result));
    }
}

impl Work {
    fn changes(&self) -> usize {
        match self {
            Self::Commit(changes) => changes.len(),
            Self::ForgetEvents(keys) | Self::Sweep(keys) => keys.len(),
        }
    }
}

pub(super) struct Inbox {
    room: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    closing: Condvar,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    closed: bool,
    /// The writer sleeps until so many requests wait; 0 while it works.
    wake_at: usize,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            room: Arc::new(Semaphore::new(MOST_WAITING)),
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            closing: Condvar::new(),
        }
    }

    /// Waits for room, hands the work to the writer, and waits for its answer.
    pub(super) async fn ask(&self, work: Work, octets: usize) -> Result<Vec<Applied>, StoreError> {
        let weight = u32::try_from(work.changes().max(1) + octets / 1024).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(weight).await;
        let answered = self.push(work, room.map_err(|_closed| StoreError::Closing)?)?;
        answered.await.unwrap_or(Err(StoreError::Closing))
    }

    /// The same from a thread of its own, for work that can as well be done later: `None` when there is no room.
    pub(super) fn ask_from_thread(&self, work: Work) -> Option<Result<Vec<Applied>, StoreError>> {
        let room = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let answer = self.push(work, room).map(oneshot::Receiver::blocking_recv);
        Some(answer.and_then(|answer| answer.unwrap_or(Err(StoreError::Closing))))
    }

    /// Refuses all further work; what waits is still done.
    pub(super) fn close(&self) {
        self.room.close();
        self.lock().closed = true;
        self.arrived.notify_all();
        self.closing.notify_all();
    }

    /// Closes the inbox and drops what waits; whoever asked is told that the store is closing.
    pub(super) fn abandon(&self) {
        self.close();
        self.lock().requests.clear();
    }

    /// Waits for this time, or until the inbox is closed; answers whether it is still open.
    pub(super) fn is_open_after(&self, pause: Duration) -> bool {
        let waited = self.closing.wait_timeout_while(self.lock(), pause, |waiting| !waiting.closed);
        let (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !waiting.closed
    }

    /// The next group in the order of arrival; `None` once the inbox is closed and empty. Waits up to [`PAUSE`] until
    /// as many requests are there as `last` time, for those callers are the likeliest to come again.
    pub(super) fn next_group(&self, last: usize) -> Option<Vec<Request>> {
        let mut waiting = self.lock();
        waiting.wake_at = 1;
        while waiting.requests.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.requests.len() < last {
            waiting.wake_at = last;
            let few = |waiting: &mut Waiting| waiting.requests.len() < last && !waiting.closed;
            let waited = self.arrived.wait_timeout_while(waiting, PAUSE, few);
            (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        waiting.wake_at = 0;
        let mut changes = 0;
        let mut group = Vec::with_capacity(waiting.requests.len());
        while let Some(request) = waiting.requests.pop_front() {
            changes += request.work.changes();
            group.push(request);
            if changes >= MOST_CHANGES {
                break;
            }
        }
        Some(group)
    }

    fn push(
        &self,
        work: Work,
        room: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Result<Vec<Applied>, StoreError>>, StoreError> {
        let (to, answered) = oneshot::channel();
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(StoreError::Closing);
        }
        waiting.requests.push_back(Request { work, answer: Answer { to, _room: room } });
        let enough = waiting.wake_at != 0 && waiting.requests.len() >= waiting.wake_at;
        drop(waiting);
        if enough {
            self.arrived.notify_one();
        }
        Ok(answered)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
