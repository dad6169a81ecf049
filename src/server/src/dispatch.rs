//! Notifying devices: due jobs are claimed within the permits, package #0 is pushed, and the attempt is committed.
//!
//! Send, then commit (D4): a crash in between repeats the same octets, because the session id in them moves only when a
//! session with it has ended. A campaign that may not notify is not asked for, so nothing is rewritten to hold it back.

mod batch;
mod care;
mod notice;
mod permits;
mod pulled;
#[cfg(test)]
mod tests;

use crate::{
    engine::Engine,
    metrics::labels::HeldBy,
    store::{Shard, StoreError, change::MOST_CHANGES},
    turn,
};
use permits::Permits;
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// Batches on their way at one time.
const BATCHES: usize = 8;
/// Devices in one batch: what one commit takes.
#[expect(clippy::cast_possible_truncation, reason = "a commit takes a few dozen changes")]
const BATCH: u32 = MOST_CHANGES as u32;
/// How long to wait when every limit is used up for the moment.
const BREATH: Duration = Duration::from_millis(2);
/// Starts what notifies devices: care by itself, everything else in turn.
pub(crate) fn start(engine: &Arc<Engine>, tasks: &mut JoinSet<()>) {
    tasks.spawn(run(Arc::clone(engine)));
    tasks.spawn(care::run(Arc::clone(engine)));
}

/// Dispatches until `engine.stop`.
async fn run(engine: Arc<Engine>) {
    let mut permits = Permits::default();
    let mut batches = JoinSet::new();
    let mut first = 0;
    while !engine.stop.is_cancelled() {
        let found = match round(&engine, &mut permits, &mut batches, &mut first).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the store does not answer; nothing is dispatched"
                );
                Round::Idle
            }
        };
        let pause = match found {
            Round::Idle => engine.config.dispatch.poll,
            Round::Limited => BREATH,
            Round::Busy => continue,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = engine.dispatch.notified(), if matches!(found, Round::Idle) => {}
            () = engine.stop.cancelled() => {}
        }
    }
    // What was sent is committed before the process goes.
    while batches.join_next().await.is_some() {}
}

/// What one look at all shards found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// Nothing was due.
    Idle,
    /// More is due, and a limit or the load holds it back.
    Limited,
    /// Something was dispatched.
    Busy,
}

async fn round(
    engine: &Arc<Engine>,
    permits: &mut Permits,
    batches: &mut JoinSet<()>,
    first: &mut usize,
) -> Result<Round, StoreError> {
    let live = engine.live.snapshot();
    let now = engine.store.now().await?;
    permits.forget_ended(&live);
    if !engine.live.fresh(now) {
        return Ok(Round::Idle);
    }
    let mut campaigns: Vec<_> = live.all().filter(|live| live.may_notify(now)).cloned().collect();
    campaigns.sort_by_key(|live| (live.campaign.lane(), live.seq));
    let mut found = Round::Idle;
    // Each round begins where the last one stopped, so that no shard is always served first.
    for shard in Shard::all().skip(*first).chain(Shard::all().take(*first)) {
        for live in &campaigns {
            if live.terms.pull_until.is_some() {
                pulled::switch(engine, live, shard).await?;
            }
            for route in &engine.config.routes {
                if engine.load.full() {
                    // Whoever is woken now would only wait at the door.
                    *first = shard.number().into();
                    engine.metrics.held.at(HeldBy::Load).increment(1);
                    return Ok(Round::Limited);
                }
                let now = engine.store.now().await?;
                // A route that is away keeps its queue as it is: what is claimed from it is what another one can carry.
                let Some(way) = engine.routes.way(&engine.config, route, now) else { continue };
                let per_second = way.channel.per_second(way.route.per_second(), now);
                let share = |of| engine.deployment.share(of, now);
                let most = permits.available(live, way.route, per_second, share, now);
                let most = most.min(BATCH).min(way.most);
                if most == 0 {
                    found = Round::Limited;
                    continue;
                }
                let queue = turn::waiting(live.campaign.lane(), live.seq, route.name());
                let claimed = engine
                    .store
                    .claim(
                        shard,
                        std::slice::from_ref(&queue),
                        most as usize,
                        engine.config.dispatch.lease,
                    )
                    .await?;
                if claimed.is_empty() {
                    continue;
                }
                permits.take(live, way.route, now, claimed.len());
                way.channel.took_up(claimed.len(), now);
                if found == Round::Idle {
                    found = Round::Busy;
                }
                while batches.len() >= BATCHES {
                    batches.join_next().await;
                }
                let (engine, live) = (Arc::clone(engine), Arc::clone(live));
                let taken = batch::Taken {
                    shard,
                    of: route.name().to_owned(),
                    via: way.route.name().to_owned(),
                    devices: claimed,
                };
                batches.spawn(async move {
                    if let Err(error) = batch::notify(&engine, &live, taken).await {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "a batch of notifications was not committed; its jobs come back"
                        );
                    }
                });
            }
        }
    }
    if found == Round::Limited {
        engine.metrics.held.at(HeldBy::Limit).increment(1);
    }
    Ok(found)
}
