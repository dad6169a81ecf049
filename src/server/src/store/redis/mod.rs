//! The store on Redis: one standalone server, many workers.
//!
//! A commit is one call of `commit.lua`, a claim one of `claim.lua`; there is no other logic in Redis. One connection
//! carries everything: many tasks on it are pipelined by themselves, and it connects again when it was lost. What a
//! crash of Redis keeps is decided by its persistence: with `appendfsync always` all that was answered.

mod call;
mod keys;
mod settings;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{FromRedisValue, Pipeline, RedisError, Script, Value};
use tokio::task::AbortHandle;

use super::change::{check_claim, check_commit, check_read, milliseconds};
use super::{
    Calls, Change, Claimed, Counted, Cursor, EventId, Instant, Key, NEVER, Page, QueueName, Row,
    Shard, Store, StoreError, Table, Verdict, count,
};
use call::Call;
use keys::{RowKey, Shape};

/// Members that one claim takes at most, whatever is asked.
const MOST_CLAIMED: usize = 10_000;
/// Rows swept in one call.
const SWEPT_AT_ONCE: usize = 64;
/// Between the sweeps of two shards; all shards have their turn in ten seconds.
const SWEEP_PAUSE: Duration = Duration::from_millis(40);

/// Where Redis is, and how the store behaves towards it.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// As in `redis://host:port/`.
    pub url: String,
    /// Decides the number of buckets when the deployment is made; later it changes nothing.
    pub expected_devices: u64,
    /// How long a call may take. The client's own default is 500 ms.
    pub response_timeout: Duration,
    pub connection_timeout: Duration,
}

impl RedisConfig {
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            expected_devices: 1_000_000,
            response_timeout: Duration::from_secs(5),
            connection_timeout: Duration::from_secs(2),
        }
    }
}

/// The store on Redis.
pub struct RedisStore {
    inner: Arc<Inner>,
    counted: Counted,
    sweeper: AbortHandle,
}

struct Inner {
    connection: ConnectionManager,
    shape: Shape,
    commit: Script,
    claim: Script,
}

impl RedisStore {
    /// Connects, makes the deployment if Redis is empty, and checks the settings that the store relies on. Starts a task
    /// that sweeps expired rows while the store lives.
    pub async fn connect(config: &RedisConfig) -> Result<Self, StoreError> {
        let manager = ConnectionManagerConfig::new()
            .set_response_timeout(Some(config.response_timeout))
            .set_connection_timeout(Some(config.connection_timeout));
        let client = redis::Client::open(config.url.as_str())
            .map_err(failed("read the address of Redis"))?;
        let connection = ConnectionManager::new_with_config(client, manager)
            .await
            .map_err(failed("connected"))?;
        settings::check(&connection).await?;
        let shape =
            settings::shape(&connection, Shape::for_devices(config.expected_devices)).await?;
        let inner = Arc::new(Inner {
            connection,
            shape,
            commit: Script::new(include_str!("commit.lua")),
            claim: Script::new(include_str!("claim.lua")),
        });
        let sweeper = tokio::spawn(sweep(Arc::clone(&inner))).abort_handle();
        Ok(Self { inner, counted: Counted::default(), sweeper })
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("counted", &self.counted).finish_non_exhaustive()
    }
}

impl Inner {
    async fn commit(&self, call: Call) -> Result<Vec<Verdict>, StoreError> {
        let verdicts: Vec<u8> = call
            .invocation(&self.commit)
            .invoke_async(&mut self.connection.clone())
            .await
            .map_err(failed("committed"))?;
        Ok(verdicts
            .iter()
            .map(|octet| if *octet == b'1' { Verdict::Done } else { Verdict::Conflict })
            .collect())
    }

    /// Claims from these keys: the number of the key from 0 on, the member, and when it was due.
    async fn claim(
        &self,
        keys: impl Iterator<Item = Vec<u8>>,
        most: usize,
        lease: Duration,
    ) -> Result<Vec<(usize, Vec<u8>, u64)>, StoreError> {
        let mut invocation = self.claim.prepare_invoke();
        for key in keys {
            invocation.key(key);
        }
        invocation.arg(most.min(MOST_CLAIMED)).arg(milliseconds(lease).min(NEVER >> 5));
        let claimed: Vec<(usize, Vec<u8>, u64)> = invocation
            .invoke_async(&mut self.connection.clone())
            .await
            .map_err(failed("claimed"))?;
        Ok(claimed
            .into_iter()
            .map(|(queue, member, due)| (queue.saturating_sub(1), member, due))
            .collect())
    }

    /// Sweeps noted rows of a shard that have expired; answers how many notes there were.
    async fn sweep(&self, shard: Shard) -> Result<usize, StoreError> {
        let lease = Duration::from_mins(1);
        let notes =
            self.claim(std::iter::once(keys::notes_key(shard)), SWEPT_AT_ONCE, lease).await?;
        if !notes.is_empty() {
            let mut call = Call::new(shard, self.shape);
            for (_, note, _) in &notes {
                call.sweep(&keys::noted(note)?);
            }
            self.commit(call).await?;
        }
        Ok(notes.len())
    }

    /// Sends commands in one piece, with TIME before them; answers the time and the answers.
    async fn ask(&self, ask: impl FnOnce(&mut Pipeline)) -> Result<(u64, Vec<Value>), StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.atomic().cmd("TIME");
        ask(&mut pipeline);
        let mut answers: Vec<Value> =
            pipeline.query_async(&mut self.connection.clone()).await.map_err(failed("read"))?;
        let rest = answers.split_off(1.min(answers.len()));
        let time = answers.pop().ok_or(StoreError::Corrupt("answer of Redis"))?;
        Ok((instant(time)?, rest))
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn now(&self) -> Result<Instant, StoreError> {
        count(&self.counted.now);
        let time = redis::cmd("TIME").query_async(&mut self.inner.connection.clone()).await;
        Ok(Instant(instant(time.map_err(failed("told the time"))?)?))
    }

    async fn read(&self, shard: Shard, keys: &[Key]) -> Result<Vec<Option<Row>>, StoreError> {
        count(&self.counted.read);
        check_read(keys)?;
        let (now, rows) = self
            .inner
            .ask(|pipeline| {
                for key in keys {
                    match self.inner.shape.row(shard, key) {
                        RowKey { key, field: Some(field) } => {
                            pipeline.cmd("HGET").arg(key).arg(field)
                        }
                        RowKey { key, field: None } => pipeline.cmd("GET").arg(key),
                    };
                }
            })
            .await?;
        rows.into_iter()
            .map(|row| parse::<Option<Vec<u8>>>(row)?.map_or(Ok(None), |row| keys::row(row, now)))
            .collect()
    }

    async fn commit(&self, shard: Shard, changes: Vec<Change>) -> Result<Vec<Verdict>, StoreError> {
        count(&self.counted.commit);
        check_commit(&changes)?;
        self.counted.changes.fetch_add(changes.len() as u64, std::sync::atomic::Ordering::Relaxed);
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let mut call = Call::new(shard, self.inner.shape);
        for change in changes {
            call.change(change);
        }
        self.inner.commit(call).await
    }

    async fn claim(
        &self,
        shard: Shard,
        queues: &[QueueName],
        most: usize,
        lease: Duration,
    ) -> Result<Vec<Claimed>, StoreError> {
        count(&self.counted.claim);
        check_claim(queues)?;
        if queues.is_empty() {
            return Ok(Vec::new());
        }
        let keys = queues.iter().map(|queue| keys::queue_key(shard, queue));
        let claimed = self.inner.claim(keys, most, lease).await?;
        let claimed = claimed.into_iter().map(|(queue, member, due)| {
            let queue = queues.get(queue).ok_or(StoreError::Corrupt("answer of Redis"))?.clone();
            Ok(Claimed { queue, member, due })
        });
        claimed.collect()
    }

    async fn earliest(
        &self,
        shard: Shard,
        queues: &[QueueName],
    ) -> Result<Option<u64>, StoreError> {
        count(&self.counted.earliest);
        check_claim(queues)?;
        let (_, firsts) = self
            .inner
            .ask(|pipeline| {
                for queue in queues {
                    let key = keys::queue_key(shard, queue);
                    pipeline.cmd("ZRANGE").arg(key).arg(0).arg(0).arg("WITHSCORES");
                }
            })
            .await?;
        let mut earliest = None;
        for first in firsts {
            let scored = parse::<Vec<(Vec<u8>, u64)>>(first)?;
            earliest = scored.into_iter().map(|(_, due)| due).chain(earliest).min();
        }
        Ok(earliest)
    }

    async fn counters(&self, shard: Shard, set: u64) -> Result<Vec<(String, i64)>, StoreError> {
        count(&self.counted.counters);
        let mut command = redis::cmd("HGETALL");
        command.arg(keys::counters_key(shard, set));
        let counters: HashMap<String, i64> = command
            .query_async(&mut self.inner.connection.clone())
            .await
            .map_err(failed("read counters"))?;
        Ok(counters.into_iter().collect())
    }

    async fn events(
        &self,
        shard: Shard,
        after: EventId,
        most: usize,
    ) -> Result<Vec<(EventId, Bytes)>, StoreError> {
        count(&self.counted.events);
        if most == 0 {
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("XRANGE");
        command
            .arg(keys::log_key(shard))
            .arg(format!("({}-0", after.0))
            .arg("+")
            .arg("COUNT")
            .arg(most);
        let events: Vec<(String, (String, Vec<u8>))> = command
            .query_async(&mut self.inner.connection.clone())
            .await
            .map_err(failed("read events"))?;
        let events = events.into_iter().map(|(id, (_, event))| {
            let id = id
                .split_once('-')
                .and_then(|(id, _)| id.parse().ok())
                .ok_or(StoreError::Corrupt("event id"))?;
            Ok((EventId(id), Bytes::from(event)))
        });
        events.collect()
    }

    async fn trim(&self, shard: Shard, through: EventId) -> Result<(), StoreError> {
        count(&self.counted.trim);
        let mut command = redis::cmd("XTRIM");
        command
            .arg(keys::log_key(shard))
            .arg("MINID")
            .arg("=")
            .arg(format!("{}-0", through.0.min(NEVER) + 1));
        command
            .query_async::<()>(&mut self.inner.connection.clone())
            .await
            .map_err(failed("trimmed events"))
    }

    async fn scan(
        &self,
        shard: Shard,
        table: Table,
        cursor: Option<Cursor>,
        most: usize,
    ) -> Result<Page, StoreError> {
        count(&self.counted.scan);
        if !table.is_scanned() {
            return Err(StoreError::Refused("sessions and answers cannot be walked"));
        }
        let buckets = self.inner.shape.buckets_of(table);
        let first = match cursor {
            Some(Cursor(octets)) => {
                octets.try_into().map_or(Err(StoreError::Refused("not a cursor")), |octets| {
                    Ok(u64::from_be_bytes(octets))
                })?
            }
            None => 0,
        };
        let last = buckets
            .min(first.saturating_add((most as u64).div_ceil(keys::BUCKET_ROWS).clamp(1, 256)));
        let (now, found) = self
            .inner
            .ask(|pipeline| {
                for bucket in first..last {
                    pipeline.cmd("HGETALL").arg(keys::bucket_key(shard, table, bucket));
                }
            })
            .await?;
        let mut rows = Vec::new();
        for bucket in found {
            for (id, row) in parse::<Vec<(Vec<u8>, Vec<u8>)>>(bucket)? {
                rows.extend(keys::row(row, now)?.map(|row| (Key::new(table, id), row)));
            }
        }
        Ok(Page { rows, next: (last < buckets).then(|| Cursor(last.to_be_bytes().to_vec())) })
    }

    fn calls(&self) -> Calls {
        self.counted.calls()
    }
}

/// Sweeps shard after shard until it is aborted. Workers do so side by side; a claim keeps them from each other.
async fn sweep(inner: Arc<Inner>) {
    let mut turn = tokio::time::interval(SWEEP_PAUSE);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for shard in Shard::all().cycle() {
        turn.tick().await;
        if let Err(error) = inner.sweep(shard).await {
            tracing::debug!(%error, "expired rows could not be swept");
        }
    }
}

/// The milliseconds of an answer to TIME.
fn instant(time: Value) -> Result<u64, StoreError> {
    let (seconds, microseconds): (u64, u64) = parse(time)?;
    Ok(seconds * 1000 + microseconds / 1000)
}

fn parse<T: FromRedisValue>(value: Value) -> Result<T, StoreError> {
    redis::from_redis_value(value).map_err(|error| failed("read an answer of Redis")(error.into()))
}

/// Says what the store was doing when Redis failed or could not be reached.
fn failed(doing: &'static str) -> impl FnOnce(RedisError) -> StoreError {
    move |source| StoreError::Backend { doing, source: Box::new(source) }
}
