//! The store on Redis: one server, a master that Sentinels watch, or a cluster; many workers.
//!
//! A commit is one call of `commit.lua`, a claim one of `claim.lua`; there is no other logic in Redis. Every call goes to
//! the one server that holds its shard. What a crash of Redis keeps is decided by its persistence: with `appendfsync always`
//! all that was answered.
//!
//! | module | about |
//! | --- | --- |
//! | `config` | where Redis is |
//! | `nodes`, `node` | which server holds a shard; its connections |
//! | `calls`, `trouble` | a call from beginning to end; what an error means |
//! | `operations` | how a commit that comes twice is known |
//! | `call`, `keys`, `script` | changes as arguments; names of keys |
//! | `words` | texts that many devices share, written once |
//! | `clock` | the store's time |
//! | `settings`, `sweep` | what is asked of a Redis at start, and done all the time |

mod call;
mod calls;
mod clock;
mod config;
mod keys;
mod node;
mod nodes;
mod operations;
mod script;
mod settings;
mod sweep;
mod trouble;
mod words;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, Value};
use tokio::task::AbortHandle;

use super::change::{check_claim, check_commit, check_read, milliseconds};
use super::{
    Calls as CallCounts, Change, Claimed, Counted, Cursor, EventId, Instant, Key, NEVER, Page,
    QueueName, Row, Shard, Store, StoreError, Table, Verdict, count,
};
use call::Call;
use calls::{Calls, Plea};
use clock::Clock;
pub use config::{Place, RedisConfig};
use keys::{RowKey, Shape};
use node::Asked;
use nodes::Nodes;
use operations::Operations;
use script::Script;
use words::{Used, Words};

/// Members that one claim takes at most, whatever is asked.
const MOST_CLAIMED: usize = 10_000;
/// Buckets that one call reads at most.
const MOST_BUCKETS: u64 = 256;
/// How long the time is carried on without a word of Redis.
const CARRIED_ON: Duration = Duration::from_secs(1);
/// How long replicas may take to have a commit.
const REPLICAS_ANSWER: Duration = Duration::from_secs(1);

/// The store on Redis.
pub struct RedisStore {
    inner: Arc<Inner>,
    counted: Counted,
    sweeper: AbortHandle,
}

struct Inner {
    calls: Calls,
    shape: Shape,
    clock: Clock,
    operations: Operations,
    words: Words,
    commit: Script,
    claim: Script,
    replicas: u32,
}

impl RedisStore {
    /// Connects, makes the deployment if Redis is empty, and checks the settings that the store relies on. Starts a task
    /// that sweeps expired rows while the store lives.
    pub async fn connect(config: &RedisConfig) -> Result<Self, StoreError> {
        let nodes = Nodes::new(config.clone(), config.clients()?);
        nodes.find().await.map_err(failed("looked for the servers of Redis"))?;
        for node in nodes.all() {
            settings::check(&node).await?;
        }
        let calls = Calls::new(nodes, config.in_flight, config.timeout);
        let shape = settings::shape(&calls, Shape::for_devices(config.expected_devices)).await?;
        let inner = Arc::new(Inner {
            calls,
            shape,
            clock: Clock::new(),
            operations: Operations::new(),
            words: Words::default(),
            commit: Script::new(include_str!("commit.lua")),
            claim: Script::new(include_str!("claim.lua")),
            replicas: config.replicas,
        });
        inner.tick().await?;
        let sweeper = tokio::spawn(sweep::run(Arc::clone(&inner))).abort_handle();
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
    /// The start of a commit.
    fn call(&self, shard: Shard) -> Call {
        // Before anything was heard every time does: the commit is only remembered elsewhere.
        Call::new(shard, self.shape, self.clock.now(Duration::MAX).unwrap_or_default())
    }

    /// Answers the verdicts, and the revision before the first that was drawn, if it is known.
    async fn commit(&self, call: Call) -> Result<(Vec<Verdict>, Option<u64>), StoreError> {
        const DOING: &str = "committed";
        const CORRUPT: StoreError = StoreError::Corrupt("answer of Redis");
        let operation = self.operations.begin();
        let mut pipeline = Pipeline::new();
        pipeline.add_command(call.command(&self.commit, &operation));
        let waits = call.replicated() && self.replicas > 0;
        let asked = if waits {
            pipeline.cmd("WAIT").arg(self.replicas).arg(milliseconds(REPLICAS_ANSWER));
            Asked::each(pipeline, 2).that_waits()
        } else {
            Asked::each(pipeline, 1)
        };
        let script = Some(&self.commit);
        let plea = Plea { shard: call.shard(), asked, script, doing: DOING, changes: true };
        let mut answers = self.calls.make(&plea).await?.into_iter();
        let answer: Vec<u8> = parse(answers.next().unwrap_or(Value::Nil))?;
        let (time, rest) = answer.split_first_chunk().ok_or(CORRUPT)?;
        let (before, verdicts) = rest.split_first_chunk().ok_or(CORRUPT)?;
        self.clock.heard(keys::number(*time));
        if verdicts.len() != call.changes() {
            return Err(StoreError::Corrupt("answer of Redis"));
        }
        if waits && parse::<u32>(answers.next().unwrap_or(Value::Nil))? < self.replicas {
            return Err(StoreError::Backend {
                doing: DOING,
                source: "fewer replicas than are asked for have it".into(),
            });
        }
        if verdicts.contains(&b'2') {
            // Another process was first with the code; the next try writes the word out.
            self.ask_for_words(call.shard()).await?;
        }
        let verdict = |octet: &u8| if *octet == b'1' { Verdict::Done } else { Verdict::Conflict };
        let before = Some(keys::number(*before)).filter(|before| *before > 0);
        Ok((verdicts.iter().map(verdict).collect(), before))
    }

    /// As [`Self::commit`], from the changes on.
    async fn apply(
        &self,
        shard: Shard,
        changes: Vec<Change>,
    ) -> Result<(Vec<Verdict>, Option<u64>), StoreError> {
        let mut call = self.call(shard);
        let servers = self.calls.changes();
        let mut used = Used::default();
        for mut change in changes {
            self.code_words(shard, &mut change, &mut used).await?;
            call.change(change);
        }
        call.words(&used);
        let applied = self.commit(call).await?;
        if applied.0.contains(&Verdict::Done) {
            self.words.learn(shard, servers, used);
        }
        Ok(applied)
    }

    /// Claims from these keys: the number of the key from 0 on, the member, and when it was due.
    async fn claim(
        &self,
        shard: Shard,
        keys: impl ExactSizeIterator<Item = Vec<u8>>,
        most: usize,
        lease: Duration,
    ) -> Result<Vec<(usize, Vec<u8>, u64)>, StoreError> {
        let mut command = self.claim.command();
        command.arg(keys.len());
        for key in keys {
            command.arg(key);
        }
        command.arg(most.min(MOST_CLAIMED)).arg(milliseconds(lease).min(NEVER >> 5));
        // A Redis that stands still finds claims in its buffers afterwards. What they took, nobody would work on.
        let listens = milliseconds(self.calls.listens());
        let now = self.clock.now(Duration::MAX);
        command.arg(now.map_or(NEVER, |now| now.saturating_add(listens).min(NEVER)));
        // What was claimed without an answer all the same comes back after its lease.
        let answer = self.one(shard, command, Some(&self.claim), "claimed").await?;
        let (time, claimed): (u64, Vec<(usize, Vec<u8>, u64)>) = parse(answer)?;
        self.clock.heard(time);
        let from_zero =
            |(queue, member, due): (usize, _, _)| (queue.saturating_sub(1), member, due);
        Ok(claimed.into_iter().map(from_zero).collect())
    }

    /// Sends one command that may be repeated at will.
    async fn one(
        &self,
        shard: Shard,
        command: Cmd,
        script: Option<&Script>,
        doing: &'static str,
    ) -> Result<Value, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command);
        let plea = Plea { shard, asked: Asked::each(pipeline, 1), script, doing, changes: false };
        self.calls.make(&plea).await?.pop().ok_or(StoreError::Corrupt("answer of Redis"))
    }

    /// Sends so many commands in one piece, with TIME before them; answers the time and the answers.
    async fn ask(
        &self,
        shard: Shard,
        commands: usize,
        ask: impl FnOnce(&mut Pipeline),
    ) -> Result<(u64, Vec<Value>), StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("TIME");
        ask(&mut pipeline);
        let asked = Asked::at_once(pipeline, commands + 1);
        let plea = Plea { shard, asked, script: None, doing: "read", changes: false };
        let answer = self.calls.make(&plea).await?.pop().unwrap_or(Value::Nil);
        let mut answers: Vec<Value> = parse(answer)?;
        if answers.len() != commands + 1 {
            return Err(StoreError::Corrupt("answer of Redis"));
        }
        let rest = answers.split_off(1);
        let time = instant(answers.pop().unwrap_or(Value::Nil))?;
        self.clock.heard(time);
        Ok((time, rest))
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn now(&self) -> Result<Instant, StoreError> {
        count(&self.counted.now);
        if let Some(now) = self.inner.clock.now(CARRIED_ON) {
            return Ok(Instant(now));
        }
        let time = self.inner.one(Shard::from(0), redis::cmd("TIME"), None, "told").await?;
        let time = instant(time)?;
        self.inner.clock.heard(time);
        Ok(Instant(self.inner.clock.now(Duration::MAX).unwrap_or(time)))
    }

    async fn read(&self, shard: Shard, keys: &[Key]) -> Result<Vec<Option<Row>>, StoreError> {
        count(&self.counted.read);
        check_read(keys)?;
        let (now, rows) = self
            .inner
            .ask(shard, keys.len(), |pipeline| {
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
        let mut read = Vec::with_capacity(keys.len());
        for (key, row) in keys.iter().zip(rows) {
            let row = match parse::<Option<Vec<u8>>>(row)? {
                Some(row) => keys::row(row, now)?,
                None => None,
            };
            read.push(self.inner.read_words(shard, key.table, row).await?);
        }
        Ok(read)
    }

    async fn commit(&self, shard: Shard, changes: Vec<Change>) -> Result<Vec<Verdict>, StoreError> {
        count(&self.counted.commit);
        check_commit(&changes)?;
        self.counted.changes.fetch_add(changes.len() as u64, std::sync::atomic::Ordering::Relaxed);
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        self.inner.apply(shard, changes).await.map(|(verdicts, _)| verdicts)
    }

    async fn commit_one(
        &self,
        shard: Shard,
        change: Change,
    ) -> Result<Option<Vec<u64>>, StoreError> {
        count(&self.counted.commit);
        check_commit(std::slice::from_ref(&change))?;
        count(&self.counted.changes);
        let puts = change.puts.len() as u64;
        let (verdicts, before) = self.inner.apply(shard, vec![change]).await?;
        // Each row that is put draws one, in their order, and nothing of a change draws before them.
        let revisions =
            || before.map_or(Vec::new(), |before| (before + 1..=before + puts).collect());
        Ok((verdicts.first() == Some(&Verdict::Done)).then(revisions))
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
        let claimed = self.inner.claim(shard, keys, most, lease).await?;
        let claimed = claimed.into_iter().map(|(queue, member, due)| {
            let queue = queues.get(queue).ok_or(StoreError::Corrupt("answer of Redis"))?.clone();
            Ok(Claimed { queue, member: self.inner.shape.unpack(member)?, due })
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
            .ask(shard, queues.len(), |pipeline| {
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
        let counters: HashMap<String, i64> =
            parse(self.inner.one(shard, command, None, "counted").await?)?;
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
        command.arg(keys::log_key(shard)).arg(format!("({}-0", after.0)).arg("+");
        command.arg("COUNT").arg(most);
        let events: Vec<(String, (String, Vec<u8>))> =
            parse(self.inner.one(shard, command, None, "read").await?)?;
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
        command.arg(keys::log_key(shard)).arg("MINID").arg("=");
        command.arg(format!("{}-0", through.0.min(NEVER) + 1));
        self.inner.one(shard, command, None, "trimmed").await.map(drop)
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
        let mut at_once = (most as u64).div_ceil(keys::BUCKET_ROWS).clamp(1, MOST_BUCKETS);
        let (mut rows, mut next) = (Vec::new(), first);
        // There is room for more devices than there are yet: where nothing is, the steps grow.
        while rows.is_empty() && next < buckets {
            let page = next..buckets.min(next.saturating_add(at_once));
            (next, at_once) = (page.end, (2 * at_once).min(MOST_BUCKETS));
            let (now, found) = self
                .inner
                .ask(shard, page.clone().count(), |pipeline| {
                    for bucket in page {
                        pipeline.cmd("HGETALL").arg(keys::bucket_key(shard, table, bucket));
                    }
                })
                .await?;
            for bucket in found {
                for (id, row) in parse::<Vec<(Vec<u8>, Vec<u8>)>>(bucket)? {
                    let id = self.inner.shape.unpack(id)?;
                    let row = self.inner.read_words(shard, table, keys::row(row, now)?).await?;
                    rows.extend(row.map(|row| (Key::new(table, id), row)));
                }
            }
        }
        Ok(Page { rows, next: (next < buckets).then(|| Cursor(next.to_be_bytes().to_vec())) })
    }

    fn calls(&self) -> CallCounts {
        self.counted.calls()
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
