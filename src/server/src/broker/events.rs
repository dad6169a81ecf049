//! Events out: the logs of the shards, drained into the exchange of events.
//!
//! One round takes what is new in the shards that are ours, sends it, waits until the broker has confirmed all of it, and
//! only then moves the cursors. Results of a campaign travel together, whatever shards they come from. States of campaigns
//! go first and one by one, so that they arrive in their order.

use super::{
    cloud::{Job, Telling, batch, telling},
    link::{Trouble, answered, connect, publishing},
    supervise::Post,
    topology,
};
use crate::{
    campaigns::rows::NameRow,
    config::Broker,
    engine::Engine,
    events::Event,
    rows::Stored,
    sinks::{self, AMQP, Held},
    store::{EventId, Shard},
    update,
};
use api::events::Results;
use futures_util::{StreamExt, TryStreamExt, stream};
use lapin::{Channel, Connection};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// Events of one shard in one round.
const MOST_OF_SHARD: usize = 256;
/// Events of one round.
const MOST: usize = 8 * 1024;
/// Shards looked at side by side.
const SIDE_BY_SIDE: usize = 32;
/// Messages that wait for their confirmation at one time.
const UNCONFIRMED: usize = 64;
/// Between two rounds while few events come; with nothing to do it grows.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two rounds with nothing to do, or with so much that moving the cursors of many shards costs more than it brings.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Events of a round that are few.
const FEW: usize = 64;
/// Names of campaigns kept in memory.
const MOST_NAMES: usize = 4096;

/// Sends events until `engine.stop` or until something is wrong with the broker.
pub(super) async fn run(post: Post) -> Result<(), Trouble> {
    let engine = Arc::clone(&post.engine);
    let Broker::RabbitMq(broker) = &engine.config.broker else { return Ok(()) };
    let connection = connect(broker, "events").await?;
    let channel = answered(connection.create_channel()).await?;
    answered(topology::events(broker.keep_events).declare(&channel)).await?;
    let mut drainer = Drainer {
        engine: Arc::clone(&engine),
        out: publishing(&connection).await?,
        me: post.me,
        known: BTreeMap::new(),
        names: BTreeMap::new(),
        first: 0,
    };
    post.up();
    let mut pause = PAUSE;
    while !engine.stop.is_cancelled() {
        let round = drainer.round();
        let took = watched(&post, &connection, round).await?;
        // With nothing to send nothing fails: the connection is looked at by itself.
        if !connection.status().connected() || !drainer.out.status().connected() {
            return Err(Trouble::Closed);
        }
        pause = match took {
            0 => (pause * 2).min(LONGEST_PAUSE),
            1..=FEW => PAUSE,
            _ => LONGEST_PAUSE,
        };
        if took < MOST {
            rest(&post, &connection, &mut drainer, pause).await?;
        }
    }
    for shard in drainer.known.keys() {
        sinks::release(engine.store(), *shard, AMQP, post.me).await?;
    }
    Ok(())
}

/// Waits for the next round. What somebody waits for on the telephone is sent meanwhile.
async fn rest(
    post: &Post,
    connection: &Connection,
    drainer: &mut Drainer,
    pause: Duration,
) -> Result<(), Trouble> {
    let engine = Arc::clone(&post.engine);
    let mut over = std::pin::pin!(tokio::time::sleep(pause));
    loop {
        tokio::select! {
            biased;
            () = engine.stop.cancelled() => return Ok(()),
            () = &mut over => return Ok(()),
            shards = engine.care.news.hear() => {
                watched(post, connection, drainer.round_of(&shards)).await?;
            }
        }
    }
}

/// Does a round, and tells meanwhile when the broker holds it up.
async fn watched<T>(
    post: &Post,
    connection: &Connection,
    round: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    tokio::pin!(round);
    loop {
        tokio::select! {
            done = &mut round => {
                // Said again each time: what was held up works when something got through.
                if done.is_ok() && connection.status().connected() && !connection.status().blocked() {
                    post.up();
                }
                return done;
            }
            () = tokio::time::sleep(LONGEST_PAUSE) => {
                if connection.status().blocked() {
                    post.held_up(&Trouble::Blocked);
                }
            }
        }
    }
}

struct Drainer {
    engine: Arc<Engine>,
    out: Channel,
    /// Whose leases are ours.
    me: [u8; 16],
    /// Through which event the shards were delivered, as far as we know: most have nothing new, and one look tells.
    known: BTreeMap<Shard, EventId>,
    names: BTreeMap<u64, Option<NameRow>>,
    /// The shard that a round begins with, so that none is always last.
    first: usize,
}

/// What one shard has for a round.
struct Taken {
    shard: Shard,
    held: Held,
    events: Vec<(EventId, Event)>,
    through: EventId,
}

impl Drainer {
    /// Sends what is new; answers how many events that were.
    async fn round(&mut self) -> Result<usize, Trouble> {
        let mut shards = self.ours().await?;
        let first = self.first.checked_rem(shards.len()).unwrap_or_default();
        shards.rotate_left(first);
        let (took, looked_at) = self.drain(shards).await?;
        self.first = first + looked_at;
        Ok(took)
    }

    /// Sends what is new in those of these shards that are ours.
    async fn round_of(&mut self, shards: &BTreeSet<Shard>) -> Result<usize, Trouble> {
        let ours = self.ours().await?.into_iter().filter(|shard| shards.contains(shard));
        let (took, _) = self.drain(ours.collect()).await?;
        Ok(took)
    }

    /// Sends what is new in these shards, until it is enough for once; answers how many events that were, and in how many of them.
    async fn drain(&mut self, shards: Vec<Shard>) -> Result<(usize, usize), Trouble> {
        let mut looks = Vec::with_capacity(shards.len());
        for shard in shards {
            let after = self.known.get(&shard).copied();
            looks.push(look(&self.engine, shard, self.me, after));
        }
        let mut looks = stream::iter(looks).buffered(SIDE_BY_SIDE);
        let (mut taken, mut took, mut looked_at) = (Vec::new(), 0, 0);
        while took < MOST
            && let Some(found) = looks.try_next().await?
        {
            looked_at += 1;
            if let Some(found) = found {
                took += found.events.len();
                taken.push(found);
            }
        }
        drop(looks);
        if !taken.is_empty() {
            self.send(&mut taken).await?;
            self.advance(taken).await?;
        }
        Ok((took, looked_at))
    }

    /// The shards that this process looks after; those that it does so no more are given back.
    async fn ours(&mut self) -> Result<Vec<Shard>, Trouble> {
        let now = self.engine.store().now().await?;
        let (ours, others): (Vec<_>, Vec<_>) = Shard::all()
            .partition(|shard| self.engine.deployment.looks_after(shard.number().into(), now));
        for shard in others {
            if self.known.remove(&shard).is_some() {
                sinks::release(self.engine.store(), shard, AMQP, self.me).await?;
            }
        }
        Ok(ours)
    }

    /// Sends all events of a round; when this returns, the broker has them safe.
    async fn send(&mut self, taken: &mut [Taken]) -> Result<(), Trouble> {
        let (mut states, mut others) = (Vec::new(), Vec::new());
        let mut jobs: BTreeMap<u64, Vec<Job>> = BTreeMap::new();
        for Taken { shard, events, .. } in taken {
            for (place, event) in std::mem::take(events) {
                let is_state = matches!(event, Event::Campaign { .. });
                match telling(*shard, place, event) {
                    Telling::Alone(told) if is_state => states.push(*told),
                    Telling::Alone(told) => others.push(*told),
                    Telling::InBatches(job) => jobs.entry(job.seq).or_default().push(job),
                }
            }
        }
        for (seq, jobs) in jobs {
            let Some(row) = self.name(seq).await? else { continue };
            let mut jobs = jobs
                .into_iter()
                .filter(|job| crate::campaigns::reported(row.report, job.result.outcome))
                .peekable();
            while jobs.peek().is_some() {
                let part = jobs.by_ref().take(Results::MOST).collect();
                others.push(batch(&row.id.authority, &row.id.id, seq, part));
            }
        }
        for told in states {
            told.tell(&self.out).await?;
        }
        let mut sending = Vec::with_capacity(others.len());
        for told in others {
            sending.push(told.tell(&self.out));
        }
        stream::iter(sending).buffer_unordered(UNCONFIRMED).try_collect().await
    }

    /// Moves the cursors of what was confirmed.
    async fn advance(&mut self, taken: Vec<Taken>) -> Result<(), Trouble> {
        let mut moves = Vec::with_capacity(taken.len());
        for one in &taken {
            moves.push(advance(&self.engine, self.me, one));
        }
        let moved: Vec<_> =
            stream::iter(moves).buffer_unordered(SIDE_BY_SIDE).try_collect().await?;
        for (shard, through) in moved {
            match through {
                Some(through) => self.known.insert(shard, through),
                None => self.known.remove(&shard),
            };
        }
        Ok(())
    }

    /// The campaign of a sequence; none when nothing is known of it, which a log that outlived its store may do.
    async fn name(&mut self, seq: u64) -> Result<Option<NameRow>, Trouble> {
        if let Some(known) = self.names.get(&seq) {
            return Ok(known.clone());
        }
        let row =
            update::load::<NameRow>(self.engine.store(), NameRow::shard(seq), &NameRow::key(seq))
                .await?;
        let name = row.map(|(row, _)| row);
        if name.is_none() {
            tracing::error!(seq, "results of a campaign without a name are not told");
        }
        if self.names.len() >= MOST_NAMES {
            self.names.clear();
        }
        self.names.insert(seq, name.clone());
        Ok(name)
    }
}

/// Moves the cursor of one shard; `None`: it went to somebody else.
async fn advance(
    engine: &Engine,
    me: [u8; 16],
    taken: &Taken,
) -> Result<(Shard, Option<EventId>), Trouble> {
    let Taken { shard, held, through, .. } = taken;
    let moved = sinks::delivered(engine.store(), *shard, AMQP, me, held, *through).await?;
    Ok((*shard, moved.then_some(*through)))
}

/// What is new in a shard, if it is ours.
async fn look(
    engine: &Engine,
    shard: Shard,
    me: [u8; 16],
    after: Option<EventId>,
) -> Result<Option<Taken>, Trouble> {
    let store = engine.store();
    let after = match after {
        Some(after) => after,
        None => sinks::through(store, shard, AMQP).await?,
    };
    let mut found = store.events(shard, after, MOST_OF_SHARD).await?;
    if found.is_empty() {
        return Ok(None);
    }
    let Some(held) = sinks::hold(store, shard, AMQP, me).await? else { return Ok(None) };
    if held.through != after {
        found = store.events(shard, held.through, MOST_OF_SHARD).await?;
    }
    let Some((through, _)) = found.last() else { return Ok(None) };
    let through = *through;
    let events = found.into_iter().filter_map(|(place, octets)| {
        Event::from_octets(&octets)
            .inspect_err(|error| {
                tracing::error!(error = error as &dyn std::error::Error, "an event cannot be read");
            })
            .ok()
            .map(|event| (place, event))
    });
    Ok(Some(Taken { shard, held, events: events.collect(), through }))
}
