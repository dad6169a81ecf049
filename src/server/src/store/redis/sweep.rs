//! What the store does by itself: rows of hashes that have expired are taken away, and the time is kept.

use std::sync::Arc;
use std::time::Duration;

use crate::store::{Shard, StoreError};

use super::call::Call;
use super::{Inner, keys};

/// Rows swept in one call.
const AT_ONCE: usize = 64;
/// Between the sweeps of two shards; all shards have their turn in ten seconds.
const PAUSE: Duration = Duration::from_millis(40);
/// Sweeps between two ticks: about a second.
const TICK: usize = 25;

/// Sweeps shard after shard until it is aborted. Workers do so side by side; a claim keeps them from each other.
pub(super) async fn run(inner: Arc<Inner>) {
    let mut turn = tokio::time::interval(PAUSE);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for (count, shard) in Shard::all().cycle().enumerate() {
        turn.tick().await;
        let swept = inner.sweep(shard).await.map(drop);
        let kept = if count % TICK == 0 { inner.tick().await } else { Ok(()) };
        if let Err(error) = swept.and(kept) {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "expired rows could not be swept"
            );
        }
    }
}

impl Inner {
    /// Sweeps noted rows of a shard that have expired; answers how many notes there were.
    pub(super) async fn sweep(&self, shard: Shard) -> Result<usize, StoreError> {
        let lease = Duration::from_mins(1);
        let notes =
            self.claim(shard, std::iter::once(keys::notes_key(shard)), AT_ONCE, lease).await?;
        if !notes.is_empty() {
            let mut call = self.call(shard);
            for (_, note, _) in &notes {
                call.sweep(&self.shape.noted(note)?);
            }
            self.commit(call).await?;
        }
        Ok(notes.len())
    }

    /// Lets the first shard keep the time that it is now: whoever comes later, to whatever master, is not told an earlier
    /// one.
    pub(super) async fn tick(&self) -> Result<(), StoreError> {
        let mut call: Call = self.call(Shard::from(0));
        call.tick();
        self.commit(call).await.map(drop)
    }
}
