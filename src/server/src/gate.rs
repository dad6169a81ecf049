//! Holds a device back for the moment between its notification and the commit of it.
//!
//! Send, then commit (D4): a device that answers within that moment, as those on the same machine do, would meet a row
//! that is about to change, and everything would be decided twice. Correctness does not need the gate, and other
//! processes do not see it.

use crate::store::{SHARDS, Shard};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

/// One lock for each shard: taken by the dispatcher while notifications are on their way to being committed.
#[derive(Debug)]
pub(crate) struct Gate(Vec<Arc<RwLock<()>>>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self((0..SHARDS).map(|_| Arc::default()).collect())
    }

    /// Waits until the shard is open. It may close again at once: nothing is promised.
    pub(crate) async fn pass(&self, shard: Shard) {
        if let Some(lock) = self.0.get(usize::from(shard.number())) {
            drop(lock.read().await);
        }
    }
}

/// A shard that is closed from the first notification of a batch on, until this is dropped.
#[derive(Debug)]
pub(crate) struct Closing {
    lock: Option<Arc<RwLock<()>>>,
    closed: Mutex<Option<OwnedRwLockWriteGuard<()>>>,
}

impl Closing {
    pub(crate) fn new(gate: &Gate, shard: Shard) -> Self {
        let lock = gate.0.get(usize::from(shard.number())).cloned();
        Self { lock, closed: Mutex::default() }
    }

    /// Something is about to be sent. Where another batch has closed the shard, nobody waits for that.
    pub(crate) fn close(&self) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if closed.is_none() {
            *closed = self.lock.clone().and_then(|lock| lock.try_write_owned().ok());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_device_waits_while_its_shard_is_closed_and_no_other_does() {
        let gate = Gate::new();
        let closed = Closing::new(&gate, Shard::from(7));
        gate.pass(Shard::from(7)).await;
        closed.close();
        closed.close();
        gate.pass(Shard::from(8)).await;
        let mut waiting = std::pin::pin!(gate.pass(Shard::from(7)));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        drop(closed);
        waiting.await;
    }
}
