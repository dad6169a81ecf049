//! Whoever sends events out is told in which shards there is news of care jobs, so that it does not wait for its next round (R20).
//!
//! Like the bell it is a hint within one process: the next round finds what nobody told of.

use crate::store::Shard;
use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// Shards with news: never more than there are.
#[derive(Debug, Default)]
pub(crate) struct News {
    shards: Mutex<BTreeSet<Shard>>,
    ring: Notify,
}

impl News {
    /// There is an event of a care job in this shard's log.
    pub(crate) fn tell(&self, shard: Shard) {
        self.shards().insert(shard);
        self.ring.notify_one();
    }

    /// Waits until there is news; it is told once.
    pub(crate) async fn hear(&self) -> BTreeSet<Shard> {
        loop {
            let shards = std::mem::take(&mut *self.shards());
            if !shards.is_empty() {
                return shards;
            }
            self.ring.notified().await;
        }
    }

    fn shards(&self) -> MutexGuard<'_, BTreeSet<Shard>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;

    #[tokio::test]
    async fn news_is_heard_once_whoever_came_first() {
        let news = News::default();
        news.tell(Shard::from(7));
        news.tell(Shard::from(9));
        news.tell(Shard::from(7));
        assert_eq!(news.hear().await, [Shard::from(7), Shard::from(9)].into());
        let mut next = std::pin::pin!(news.hear());
        assert!(poll!(next.as_mut()).is_pending());
        news.tell(Shard::from(3));
        assert_eq!(next.await, [Shard::from(3)].into());
    }
}
