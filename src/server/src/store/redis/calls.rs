//! One call from beginning to end: room is taken, the right server is asked, and what failed is tried again for a while.

use std::time::{Duration, Instant as Moment};

use redis::{Pipeline, RedisError, Value};
use tokio::sync::Semaphore;

use crate::clock::stopwatch;
use crate::store::{Shard, StoreError};

use super::node::{Asked, Failure, Node};
use super::nodes::Nodes;
use super::script::Script;
use super::trouble::Trouble;

/// The first pause before a call is tried again; it doubles up to the last one, and chance takes up to half of it away.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_millis(300);

/// Calls on their way to the servers.
pub(super) struct Calls {
    nodes: Nodes,
    room: Semaphore,
    timeout: Duration,
}

/// A call.
pub(super) struct Plea<'a> {
    pub(super) shard: Shard,
    pub(super) asked: Asked,
    /// The script that it calls, for a server that does not know it.
    pub(super) script: Option<&'a Script>,
    /// As in "nothing was …".
    pub(super) doing: &'static str,
    /// Whether it matters if a call that brought no answer happened: reads may be repeated at will.
    pub(super) changes: bool,
}

impl Calls {
    pub(super) fn new(nodes: Nodes, in_flight: usize, timeout: Duration) -> Self {
        Self { nodes, room: Semaphore::new(in_flight), timeout }
    }

    /// How often the servers may have become others ([`Nodes::changes`]).
    pub(super) fn changes(&self) -> u64 {
        self.nodes.changes()
    }

    /// For how long the first try of a call listens for its answer, at least as seen from its beginning.
    pub(super) fn listens(&self) -> Duration {
        self.timeout / 2
    }

    /// Makes the call. A plea that changes something must be one that the script knows again when it comes twice.
    pub(super) async fn make(&self, plea: &Plea<'_>) -> Result<Vec<Value>, StoreError> {
        let began = stopwatch();
        let waiting = tokio::time::timeout(self.timeout, self.room.acquire());
        let Ok(Ok(_room)) = waiting.await else {
            return Err(StoreError::Unavailable {
                doing: plea.doing,
                source: "too many calls are on their way".into(),
            });
        };
        let mut unknown = false;
        let mut pause = FIRST_PAUSE;
        loop {
            let failure = match self.once(plea, began).await {
                Ok(values) => return Ok(values),
                Err(failure) => failure,
            };
            unknown |= failure.trouble == Trouble::Unknown && plea.changes;
            let left = self.timeout.saturating_sub(began.elapsed());
            if failure.trouble == Trouble::Refused || left <= pause {
                return Err(given_up(plea.doing, unknown, failure));
            }
            tracing::debug!(error = %failure.error, trouble = ?failure.trouble, "a call of Redis is tried again");
            if failure.trouble != Trouble::NoScript {
                tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }

    async fn once(&self, plea: &Plea<'_>, began: Moment) -> Result<Vec<Value>, Failure> {
        let elsewhere = |error| Failure { trouble: Trouble::Elsewhere, error };
        let node = self.nodes.of(plea.shard).await.map_err(elsewhere)?;
        // Half of what is left: a connection that died without a word leaves time for another try.
        let left = self.timeout.saturating_sub(began.elapsed());
        let answered = node.ask(&plea.asked, (left / 2).max(FIRST_PAUSE)).await;
        if let Err(failure) = &answered {
            match failure.trouble {
                Trouble::NoScript => teach(&node, plea.script).await?,
                // If nobody can be found it shows at the next try.
                Trouble::Elsewhere | Trouble::Unknown => drop(self.nodes.find().await),
                Trouble::Later | Trouble::Refused => {}
            }
        }
        answered
    }
}

async fn teach(node: &Node, script: Option<&Script>) -> Result<(), Failure> {
    let Some(script) = script else { return Ok(()) };
    let mut pipeline = Pipeline::new();
    pipeline.add_command(script.load());
    let loaded = node.ask(&Asked::each(pipeline, 1), Duration::from_secs(1)).await;
    // Whatever became of it, the script itself was not run.
    loaded.map(drop).map_err(|failure| Failure { trouble: Trouble::Elsewhere, ..failure })
}

fn given_up(doing: &'static str, unknown: bool, failure: Failure) -> StoreError {
    let source: Box<RedisError> = Box::new(failure.error);
    if unknown {
        StoreError::Backend { doing, source }
    } else {
        StoreError::Unavailable { doing, source }
    }
}
