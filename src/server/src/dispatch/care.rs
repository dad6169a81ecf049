//! Care goes first: a loop of its own, woken when a care job comes, so that it never waits behind a batch of anything else.

use super::{batch, permits::Permits};
use crate::{
    campaigns::live,
    care::bell,
    config::Route,
    engine::Engine,
    rows::DeviceId,
    store::{Change, Claimed, QueueName, Shard, StoreError},
    turn,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinSet, time::MissedTickBehavior};

/// How often all shards are looked at, for jobs that are to be notified again and for bells that nobody heard.
const LOOK: Duration = Duration::from_secs(1);
/// How often the bells of other processes are listened for.
const LISTEN: Duration = Duration::from_millis(50);
/// Devices of one shard that are notified at one time.
const MOST: usize = 16;
/// Batches on their way at one time.
const BATCHES: usize = 64;

/// Notifies devices that have a care job until `engine.stop`.
pub(crate) async fn run(engine: Arc<Engine>) {
    let Some(mut rung) = engine.care.bell.listen() else { return };
    let _author = engine.awaited.author();
    let mut care = Care { engine: Arc::clone(&engine), batches: JoinSet::new() };
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut listen = tokio::time::interval(LISTEN);
    listen.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let shared = engine.deployment.is_shared();
    while !engine.stop.is_cancelled() {
        let done = tokio::select! {
            biased;
            () = engine.stop.cancelled() => break,
            shard = rung.recv() => match shard {
                Some(shard) => care.serve(shard).await,
                None => break,
            },
            _ = listen.tick(), if shared => care.hear().await,
            _ = look.tick() => care.look(&mut rung).await,
        };
        if let Err(error) = done {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the store does not answer; care waits"
            );
        }
    }
    // What was sent is committed before the process goes.
    while care.batches.join_next().await.is_some() {}
}

struct Care {
    engine: Arc<Engine>,
    batches: JoinSet<()>,
}

impl Care {
    /// Looks at all shards; whoever rings meanwhile goes before.
    async fn look(&mut self, rung: &mut mpsc::Receiver<Shard>) -> Result<(), StoreError> {
        for shard in Shard::all() {
            while let Ok(first) = rung.try_recv() {
                self.serve(first).await?;
            }
            self.serve(shard).await?;
        }
        Ok(())
    }

    /// Serves whoever was called by a process that does not have the route.
    async fn hear(&mut self) -> Result<(), StoreError> {
        let now = self.engine.store.now().await?;
        let bells: Vec<QueueName> =
            self.open(now).map(|(route, _)| bell::of_route(route.name())).collect();
        if bells.is_empty() {
            return Ok(());
        }
        let called = self.engine.store.claim(bell::square(), &bells, MOST, LOOK).await?;
        let mut heard = Vec::with_capacity(called.len());
        for Claimed { queue, member, .. } in called {
            if DeviceId::from_root(&member).is_some() {
                self.serve(Shard::of(&member)).await?;
            }
            heard.push(Change::new().queue_remove(queue, member));
        }
        if !heard.is_empty() {
            self.engine.store.commit(bell::square(), heard).await?;
        }
        Ok(())
    }

    /// The routes whose devices can be notified now, and who carries for each.
    fn open(&self, now: campaign::time::Instant) -> impl Iterator<Item = (&Route, &Route)> {
        let (routes, config) = (&self.engine.routes, &self.engine.config);
        let way = move |route| Some((route, routes.way(config, route, now)?.route));
        config.routes.iter().filter_map(way)
    }

    /// Notifies the devices of a shard whose care jobs are due.
    async fn serve(&mut self, shard: Shard) -> Result<(), StoreError> {
        let live = live::care();
        let now = self.engine.store.now().await?;
        let mut queues: BTreeMap<QueueName, (String, Route)> = BTreeMap::new();
        for (of, via) in self.open(now) {
            let queue = turn::waiting(live.campaign.lane(), live.seq, of.name());
            queues.insert(queue, (of.name().to_owned(), via.clone()));
        }
        let names: Vec<QueueName> = queues.keys().cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        let lease = self.engine.config.dispatch.lease;
        let claimed = self.engine.store.claim(shard, &names, MOST, lease).await?;
        for (queue, (of, via)) in queues {
            let of_route: Vec<Claimed> =
                claimed.iter().filter(|claimed| claimed.queue == queue).cloned().collect();
            if !of_route.is_empty() {
                if let Some(channel) = self.engine.routes.get(via.name()) {
                    channel.took_up(of_route.len(), now);
                }
                self.notify(shard, of, &via, of_route).await;
            }
        }
        Ok(())
    }

    async fn notify(&mut self, shard: Shard, of: String, via: &Route, claimed: Vec<Claimed>) {
        while self.batches.len() >= BATCHES {
            self.batches.join_next().await;
        }
        while self.batches.try_join_next().is_some() {}
        let engine = Arc::clone(&self.engine);
        let leave = Arc::new(engine.permits.leave(&engine, live::care(), via));
        let places = Permits::take_up(&leave, claimed.len());
        let taken = batch::Taken { shard, of, leave, devices: claimed, places };
        self.batches.spawn(async move {
            if let Err(error) = batch::notify(&engine, live::care(), taken).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "care jobs were not committed as notified; they come back"
                );
            }
        });
    }
}
