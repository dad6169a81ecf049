//! Notifying devices: due jobs are claimed within the permits, package #0 is pushed, and the attempt is committed.
//!
//! Send, then commit (D4): a crash in between repeats the same octets, because the session id in them moves only when a
//! session with it has ended. A campaign that may not notify is not asked for, so nothing is rewritten to hold it back.

mod batch;
pub(crate) mod booking;
mod care;
mod notice;
pub(crate) mod permits;
mod pulled;
#[cfg(test)]
mod tests;

use crate::{
    campaigns::live::LiveCampaign,
    engine::Engine,
    metrics::labels::HeldBy,
    store::{Shard, StoreError, change::MOST_CHANGES},
    turn,
};
use permits::Permits;
pub(crate) use permits::{Held, Pass, lease::Slowed};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// Batches on their way at one time: what they hold waits for permits, or for the other side's answers.
const BATCHES: usize = 64;
/// Notifications on their way at one time.
const MOST_UNDER_WAY: usize = 2_048;
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
    let _author = engine.awaited.author();
    let mut batches = Batches::default();
    let mut first = 0;
    while !engine.stop.is_cancelled() {
        let found = match round(&engine, &mut batches, &mut first).await {
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
    // What was sent is committed before the process goes; what has no permit yet is left to others.
    while batches.tasks.join_next().await.is_some() {}
}

/// Batches on their way.
#[derive(Debug, Default)]
struct Batches {
    /// Each answers how many devices it had.
    tasks: JoinSet<usize>,
    devices: usize,
}

impl Batches {
    /// Waits until there is room for another.
    async fn room(&mut self) {
        while self.tasks.len() >= BATCHES || self.devices >= MOST_UNDER_WAY {
            match self.tasks.join_next().await {
                Some(Ok(devices)) => self.devices = self.devices.saturating_sub(devices),
                // Its number is not known: all others are counted anew.
                Some(Err(error)) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a batch ended badly"
                    );
                    self.devices = self.devices.saturating_sub(BATCH as usize);
                }
                None => self.devices = 0,
            }
        }
    }

    fn begin(&mut self, engine: &Arc<Engine>, live: &Arc<LiveCampaign>, taken: batch::Taken) {
        let (engine, live) = (Arc::clone(engine), Arc::clone(live));
        let devices = taken.devices.len();
        self.devices += devices;
        self.tasks.spawn(async move {
            if let Err(error) = batch::notify(&engine, &live, taken).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a batch of notifications was not committed; its jobs come back"
                );
            }
            devices
        });
    }
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
    batches: &mut Batches,
    first: &mut usize,
) -> Result<Round, StoreError> {
    let live = engine.live.snapshot();
    let now = engine.store.now().await?;
    engine.permits.forget_ended(&live);
    if !engine.live.fresh(now) {
        return Ok(Round::Idle);
    }
    let mut campaigns: Vec<_> = live.all().filter(|live| live.may_notify(now)).cloned().collect();
    campaigns.sort_by_key(|live| (live.campaign.lane(), live.seq));
    let leave = |live, route| Arc::new(engine.permits.leave(engine, live, route));
    let leaves: Vec<Vec<_>> = campaigns
        .iter()
        .map(|live| engine.config.routes.iter().map(|route| leave(live, route)).collect())
        .collect();
    let mut found = Round::Idle;
    // Each round begins where the last one stopped, so that no shard is always served first.
    for shard in Shard::all().skip(*first).chain(Shard::all().take(*first)) {
        let mut room_left = false;
        for (live, leaves) in campaigns.iter().zip(&leaves) {
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
                let via = way.route.name();
                let Some(leave) = leaves.iter().find(|leave| leave.route() == via) else {
                    continue;
                };
                let most = engine.permits.room(engine, leave, now).min(BATCH).min(way.most);
                if most == 0 {
                    found = Round::Limited;
                    continue;
                }
                room_left = true;
                let names = booking::names(live, route.name());
                let queue = |name: &String| turn::waiting(live.campaign.lane(), live.seq, name);
                let queues: Vec<_> = names.iter().map(queue).collect();
                let lease = engine.config.dispatch.lease;
                let claimed = engine.store.claim(shard, &queues, most as usize, lease).await?;
                if claimed.is_empty() {
                    continue;
                }
                way.channel.took_up(claimed.len(), now);
                if found == Round::Idle {
                    found = Round::Busy;
                }
                let (of, leave) = (route.name().to_owned(), Arc::clone(leave));
                let places = Permits::take_up(&leave, claimed.len());
                let taken = batch::Taken { shard, of, leave, devices: claimed, places };
                batches.room().await;
                batches.begin(engine, live, taken);
            }
        }
        if !room_left && found == Round::Limited {
            // Nothing more can be taken up; the next round goes on here.
            *first = shard.number().into();
            break;
        }
    }
    if found == Round::Limited {
        engine.metrics.held.at(HeldBy::Limit).increment(1);
    }
    Ok(found)
}
