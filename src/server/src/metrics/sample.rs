//! What is not counted but looked at: how much waits and since when, the clock, the disk.

use super::{
    Metrics, float,
    labels::{JobState, Label, Sink, State},
};
use crate::{
    campaigns::live::Snapshot,
    clock,
    config::Broker,
    engine::Engine,
    events::Event,
    routing,
    rows::Stored,
    sinks,
    store::{QueueName, Shard, StoreError, change::MOST_QUEUES},
    turn,
    update::UpdateError,
};
use campaign::{document::Lane, job::Outcome, progress::Progress, time::Instant};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How often one looks: as often as Prometheus is likely to ask.
const LOOK: Duration = Duration::from_secs(5);

/// When one looked last.
#[derive(Debug)]
pub(super) struct Sampled(Mutex<std::time::Instant>);

impl Default for Sampled {
    fn default() -> Self {
        Self(Mutex::new(clock::stopwatch()))
    }
}

impl Sampled {
    pub(super) fn age(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    fn done(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = clock::stopwatch();
    }
}

/// Looks until `engine.stop`.
pub(crate) async fn run(engine: Arc<Engine>) {
    while !engine.stop.is_cancelled() {
        if let Err(error) = sample(&engine).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the backlog could not be looked at"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = engine.stop.cancelled() => {}
        }
    }
}

/// Looks once.
pub(super) async fn sample(engine: &Engine) -> Result<(), UpdateError> {
    let metrics = &engine.metrics;
    if let Some(disk) = metrics.machine.disk() {
        metrics.disk_free.set(disk.free);
        metrics.disk_size.set(disk.size);
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    metrics.sessions_open.set(metrics.open.count() as f64);
    let now = engine.store.now().await?;
    let wall = clock::wall();
    metrics.clock.set(wall.since(now).as_secs_f64() - now.since(wall).as_secs_f64());
    let live = engine.live.snapshot();
    for state in State::ALL {
        let there = live.all().filter(|live| State::from(&live.state) == *state).count();
        metrics.campaigns_by_state.at(*state).set(float(there as u64));
    }
    backlog(engine, metrics, &live, now);
    for route in &engine.config.routes {
        if let Some(handles) = metrics.route(route.name()) {
            let channel = engine.routes.get(route.name());
            handles.is(channel.map(|channel| channel.condition(now)));
        }
    }
    oldest(engine, metrics, &live, now).await?;
    metrics.events_full.set(if engine.backlog.full() { 1.0 } else { 0.0 });
    match &engine.config.broker {
        Broker::None {} => {}
        Broker::RabbitMq(_) => events_lag(engine, metrics, now).await?,
    }
    metrics.sampled.done();
    Ok(())
}

/// How much of a lane waits on a route, and how long it takes.
#[derive(Debug, Default)]
struct Waiting {
    jobs: u64,
    /// The longest time that one campaign needs by its own pace.
    seconds: f64,
}

/// How many jobs wait, and how long they take at the rates that are allowed.
fn backlog(engine: &Engine, metrics: &Metrics, live: &Snapshot, now: Instant) {
    let (mut waiting, mut under_way) = (0, 0);
    let mut sums: BTreeMap<(Lane, String), Waiting> = BTreeMap::new();
    metrics.campaigns.for_each(live, |live, progress| {
        let waits = unsent(progress);
        waiting += waits;
        under_way += progress.active() - waits;
        if !live.may_notify(now) {
            return;
        }
        let lane = live.campaign.lane();
        let route = routing::of_most(&engine.config).to_owned();
        let sum = sums.entry((lane, route)).or_default();
        sum.jobs += waits;
        if let Some(pace) = live.per_second() {
            sum.seconds = sum.seconds.max(float(waits) / f64::from(pace));
        }
    });
    metrics.jobs.at(JobState::Waiting).set(float(waiting));
    metrics.jobs.at(JobState::UnderWay).set(float(under_way));
    for route in &engine.config.routes {
        let Some(handles) = metrics.route(route.name()) else { continue };
        for lane in Lane::ALL {
            let sum = sums.remove(&(*lane, route.name().to_owned())).unwrap_or_default();
            let by_route = float(sum.jobs) / f64::from(route.per_second());
            handles.backlog.at(*lane).jobs.set(float(sum.jobs));
            handles.backlog.at(*lane).seconds.set(sum.seconds.max(by_route));
        }
    }
}

/// Jobs that wait for their first notification: at most so many, since the counters do not tell which of those that ended
/// had none.
fn unsent(progress: &Progress) -> u64 {
    let begun = progress.notified.max(progress.connected);
    let unknown = progress.outcome(Outcome::UnknownDevice);
    progress.enrolled.saturating_sub(begun + unknown).min(progress.active())
}

/// Since when the first job of each lane and route has been due, and the first deadline.
async fn oldest(
    engine: &Engine,
    metrics: &Metrics,
    live: &Snapshot,
    now: Instant,
) -> Result<(), StoreError> {
    let mut queues: Vec<(Lane, &str, Vec<QueueName>)> = Vec::new();
    for route in &engine.config.routes {
        for lane in Lane::ALL {
            let of_lane =
                live.all().filter(|live| live.may_notify(now) && live.campaign.lane() == *lane);
            let names = of_lane.map(|live| turn::waiting(*lane, live.seq, route.name()));
            queues.push((*lane, route.name(), names.collect()));
        }
    }
    let mut earliest = vec![u64::MAX; queues.len()];
    let mut deadline = u64::MAX;
    for shard in Shard::all() {
        for ((_, _, names), earliest) in queues.iter().zip(&mut earliest) {
            for names in names.chunks(MOST_QUEUES) {
                let first = engine.store.earliest(shard, names).await?;
                *earliest = first.map_or(*earliest, |first| first.min(*earliest));
            }
        }
        let first = engine.store.earliest(shard, &[turn::deadlines()]).await?;
        deadline = first.map_or(deadline, |first| first.min(deadline));
    }
    let now = engine.store.now().await?;
    let late = |due| now.since(Instant(due)).as_secs_f64();
    for ((lane, route, _), earliest) in queues.iter().zip(earliest) {
        if let Some(route) = metrics.route(route) {
            route.backlog.at(*lane).oldest_due.set(late(earliest));
        }
    }
    metrics.deadlines_lag.set(late(deadline));
    Ok(())
}

/// How old the oldest event is that the broker has not confirmed.
async fn events_lag(engine: &Engine, metrics: &Metrics, now: Instant) -> Result<(), UpdateError> {
    let mut lag = Duration::ZERO;
    for shard in Shard::all() {
        let through = sinks::through(engine.store(), shard, sinks::AMQP).await?;
        let first = engine.store.events(shard, through, 1).await?.into_iter().next();
        let event = first.and_then(|(_, octets)| Event::from_octets(&octets).ok());
        lag = lag.max(event.map_or(Duration::ZERO, |event| now.since(event.at())));
    }
    metrics.events_lag.at(Sink::Amqp).set(lag.as_secs_f64());
    Ok(())
}
