//! Who notifies is woken when a care job comes, and looks for nothing (R12).
//!
//! Whoever takes a request rings in its own process. Where the job's route is not open in that process, the device's name is
//! left in one queue of the deployment, which every process with an open route looks at a few times a second. Both are hints:
//! a bell that nobody heard costs the time until the next look at all shards.

use crate::{
    rows::DeviceId,
    store::{Change, QueueName, Shard, Store, StoreError},
};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

/// Care jobs that may wait to be noticed.
const MOST: usize = 4 * 1024;

/// The bell of one process.
#[derive(Debug)]
pub(crate) struct Bell {
    rope: mpsc::Sender<Shard>,
    heard: Mutex<Option<mpsc::Receiver<Shard>>>,
}

impl Default for Bell {
    fn default() -> Self {
        let (rope, heard) = mpsc::channel(MOST);
        Self { rope, heard: Mutex::new(Some(heard)) }
    }
}

impl Bell {
    /// There is a care job in this shard.
    pub(crate) fn ring(&self, shard: Shard) {
        if self.rope.try_send(shard).is_err() {
            tracing::debug!("the bell is busy; the next look finds the care job");
        }
    }

    /// The ear, once.
    pub(crate) fn listen(&self) -> Option<mpsc::Receiver<Shard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The shard with the bells of all processes.
pub(crate) fn square() -> Shard {
    Shard::of(b"care")
}

/// The bell of a route.
pub(crate) fn of_route(route: &str) -> QueueName {
    QueueName::new(format!("bell:{route}"))
}

/// Calls whoever has the route.
pub(crate) async fn call(store: &dyn Store, route: &str, id: &DeviceId) -> Result<(), StoreError> {
    let now = store.now().await?;
    let change = Change::new().queue_put(of_route(route), id.root(), now.0);
    store.commit(square(), vec![change]).await.map(drop)
}
