//! One Redis server: connections that many calls share, made anew when they were lost.
//!
//! Many tasks on one connection are pipelined by themselves. A commit that waits for replicas has connections of its own,
//! since WAIT holds up whatever comes behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisError, Value};
use tokio::sync::Mutex;

use crate::clock;

use super::trouble::Trouble;

/// How long a connection may take to be made. A server that does not answer within it is as good as away.
const CONNECT: Duration = Duration::from_secs(1);
/// Connections for commits that wait for replicas.
const WAITING_LINES: usize = 4;

/// A server.
pub(super) struct Node {
    address: String,
    client: Client,
    shared: Line,
    waiting: [Line; WAITING_LINES],
    turn: AtomicUsize,
}

/// What goes to a server in one piece.
pub(super) struct Asked {
    pipeline: Pipeline,
    /// Answers that are skipped: those of MULTI and of what was queued.
    skip: usize,
    answers: usize,
    /// It ends with WAIT.
    waits: bool,
}

impl Asked {
    /// Commands one after another, each with its answer.
    pub(super) fn each(pipeline: Pipeline, answers: usize) -> Self {
        Self { pipeline, skip: 0, answers, waits: false }
    }

    /// It ends with WAIT, which holds up whatever comes behind it.
    pub(super) fn that_waits(self) -> Self {
        Self { waits: true, ..self }
    }

    /// So many commands in one transaction, whose answers come as one.
    pub(super) fn at_once(mut pipeline: Pipeline, commands: usize) -> Self {
        pipeline.atomic();
        Self { pipeline, skip: commands + 1, answers: 1, waits: false }
    }
}

/// A call that brought no answer.
pub(super) struct Failure {
    pub(super) trouble: Trouble,
    pub(super) error: RedisError,
}

impl Node {
    pub(super) fn new(client: Client) -> Self {
        Self {
            address: client.get_connection_info().addr().to_string(),
            client,
            shared: Line::default(),
            waiting: Default::default(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Host and port.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends, and waits for the answers, at most `most`.
    pub(super) async fn ask(&self, asked: &Asked, most: Duration) -> Result<Vec<Value>, Failure> {
        let turn = self.turn.fetch_add(usize::from(asked.waits), Ordering::Relaxed);
        let line = match self.waiting.get(turn % WAITING_LINES) {
            Some(line) if asked.waits => line,
            _ => &self.shared,
        };
        let open = line.open(&self.client).await.map_err(|error| Failure {
            // Nothing left this machine; who refuses us here will go on doing so.
            trouble: match Trouble::of(&error) {
                Trouble::Refused => Trouble::Refused,
                _ => Trouble::Elsewhere,
            },
            error,
        })?;
        let mut connection = open.connection.clone();
        let answered = connection.req_packed_commands(&asked.pipeline, asked.skip, asked.answers);
        let error = match tokio::time::timeout(most, answered).await {
            Ok(Ok(values)) => {
                let refused = values.iter().find_map(|value| match value {
                    Value::ServerError(error) => Some(RedisError::from(error.clone())),
                    _ => None,
                });
                match refused {
                    None => return Ok(values),
                    Some(error) => error,
                }
            }
            Ok(Err(error)) => error,
            Err(_elapsed) => RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)),
        };
        let trouble = Trouble::of(&error);
        if trouble == Trouble::Unknown {
            // A server that died without a word would go on being asked over this connection.
            line.forget(&open);
        }
        Err(Failure { trouble, error })
    }
}

/// One connection, made when it is needed.
#[derive(Default)]
struct Line {
    open: ArcSwapOption<Open>,
    /// Held while a connection is made; when that last failed, and why.
    making: Mutex<Option<(std::time::Instant, RedisError)>>,
}

struct Open {
    connection: MultiplexedConnection,
}

impl Line {
    async fn open(&self, client: &Client) -> Result<Arc<Open>, RedisError> {
        if let Some(open) = self.open.load_full() {
            return Ok(open);
        }
        let asked = clock::stopwatch();
        let mut failed = self.making.lock().await;
        if let Some(open) = self.open.load_full() {
            return Ok(open);
        }
        // Somebody tried while this call waited: whoever stands in line does not try one after the other.
        if let Some((_, error)) = failed.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(error.clone());
        }
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            // Calls have their own limit.
            .set_response_timeout(None);
        let made = client.get_multiplexed_async_connection_with_config(&settings);
        let made = match tokio::time::timeout(CONNECT * 2, made).await {
            Ok(made) => made,
            Err(_elapsed) => {
                Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)))
            }
        };
        match made {
            Ok(connection) => {
                let open = Arc::new(Open { connection });
                self.open.store(Some(Arc::clone(&open)));
                Ok(open)
            }
            Err(error) => {
                *failed = Some((clock::stopwatch(), error.clone()));
                Err(error)
            }
        }
    }

    /// Makes a new connection next time, unless somebody did already.
    fn forget(&self, lost: &Arc<Open>) {
        let current = self.open.load();
        if current.as_ref().is_some_and(|open| Arc::ptr_eq(open, lost)) {
            self.open.compare_and_swap(&*current, None);
        }
    }
}
