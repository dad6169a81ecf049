//! Holds a device back for the moment between its notification and the commit of it.
//!
//! Send, then commit (D4): a device that answers within that moment, as those on the same machine do, would meet a row
//! that is about to change, and everything would be decided twice. Correctness does not need the gate, and other
//! processes do not see it.

use crate::store::{SHARDS, Shard};
use tokio::sync::{RwLock, RwLockWriteGuard};

/// One lock for each shard: taken by the dispatcher while notifications are on their way to being committed.
#[derive(Debug)]
pub(crate) struct Gate(Vec<RwLock<()>>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self((0..SHARDS).map(|_| RwLock::new(())).collect())
    }

    /// Closes the shard until the guard is dropped.
    pub(crate) async fn close(&self, shard: Shard) -> Option<RwLockWriteGuard<'_, ()>> {
        match self.0.get(usize::from(shard.number())) {
            Some(lock) => Some(lock.write().await),
            None => None,
        }
    }

    /// Closes the shard if that can be done at once.
    pub(crate) fn try_close(&self, shard: Shard) -> Option<RwLockWriteGuard<'_, ()>> {
        self.0.get(usize::from(shard.number()))?.try_write().ok()
    }

    /// Waits until the shard is open. It may close again at once: nothing is promised.
    pub(crate) async fn pass(&self, shard: Shard) {
        if let Some(lock) = self.0.get(usize::from(shard.number())) {
            drop(lock.read().await);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_device_waits_while_its_shard_is_closed_and_no_other_does() {
        let gate = Gate::new();
        let closed = gate.close(Shard::from(7)).await;
        gate.pass(Shard::from(8)).await;
        let mut waiting = std::pin::pin!(gate.pass(Shard::from(7)));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        drop(closed);
        waiting.await;
    }
}
