//! Notifying devices: due jobs are claimed within the permits, package #0 is pushed, and the attempt is committed.
//!
//! Send, then commit (D4): a crash in between repeats the same octets, because the session id in them moves only when a
//! session with it has ended. A campaign that may not notify is not asked for, so nothing is rewritten to hold it back.

#[cfg(test)]
mod tests;

use crate::{
    account,
    campaigns::live::LiveCampaign,
    config::Route,
    engine::Engine,
    enroll,
    metrics::labels::{HeldBy, Milestone, NotSent},
    notify::udp::{self, UdpRoute},
    rows::{Detail, DeviceId, PULL, PULL_UNTIL},
    store::{Claimed, Shard, Table, Verdict, change::MOST_CHANGES},
    turn::{self, Turn},
};
use campaign::{
    document,
    job::{Job, Outcome},
    pace::Gcra,
    time::Instant,
};
use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};
use tokio::task::JoinSet;
use wire::notification::{Notification, NotificationError, UiMode};

/// Batches on their way at one time.
const BATCHES: usize = 8;
/// Devices in one batch: what one commit takes.
#[expect(clippy::cast_possible_truncation, reason = "a commit takes a few dozen changes")]
const BATCH: u32 = MOST_CHANGES as u32;
/// How long to wait when every limit is used up for the moment.
const BREATH: Duration = Duration::from_millis(2);
/// How often a device is decided anew when others keep moving it.
const TRIES: usize = 8;

/// The permits of this process: one limit for each campaign's pace and each route's rate.
#[derive(Debug, Default)]
struct Permits {
    campaigns: HashMap<u64, (u32, Gcra)>,
    routes: HashMap<String, Gcra>,
}

impl Permits {
    /// How many devices of the campaign may be notified on the route now.
    fn available(&mut self, live: &LiveCampaign, route: &Route, now: Instant) -> u32 {
        let on_route = self
            .routes
            .entry(route.name().to_owned())
            .or_insert_with(|| Gcra::new(route.per_second()))
            .available(now);
        match live.per_second() {
            Some(rate) => {
                let (known, pace) =
                    self.campaigns.entry(live.seq).or_insert_with(|| (rate, Gcra::new(rate)));
                if *known != rate {
                    (*known, *pace) = (rate, pace.at_rate(rate));
                }
                on_route.min(pace.available(now))
            }
            None => on_route,
        }
    }

    /// Uses permits that were found available. Nobody else takes from these limits in between.
    fn take(&mut self, live: &LiveCampaign, route: &Route, now: Instant, n: usize) {
        for limit in self
            .routes
            .get_mut(route.name())
            .into_iter()
            .chain(self.campaigns.get_mut(&live.seq).map(|(_, pace)| pace))
        {
            for _ in 0..n {
                if limit.take(now, 1).is_err() {
                    tracing::error!("a permit was found available and could not be taken");
                }
            }
        }
    }

    fn forget_ended(&mut self, live: &crate::campaigns::live::Snapshot) {
        self.campaigns.retain(|seq, _| live.get(*seq).is_some());
    }
}

/// Dispatches until `engine.stop`.
pub(crate) async fn run(engine: Arc<Engine>) {
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
) -> Result<Round, crate::store::StoreError> {
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
                switch(engine, live, shard).await?;
            }
            for route in &engine.config.routes {
                if engine.load.full() {
                    // Whoever is woken now would only wait at the door.
                    *first = shard.number().into();
                    engine.metrics.held.at(HeldBy::Load).increment(1);
                    return Ok(Round::Limited);
                }
                let now = engine.store.now().await?;
                let most = permits.available(live, route, now).min(BATCH);
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
                permits.take(live, route, now, claimed.len());
                if found == Round::Idle {
                    found = Round::Busy;
                }
                while batches.len() >= BATCHES {
                    batches.join_next().await;
                }
                let (engine, live, route) =
                    (Arc::clone(engine), Arc::clone(live), route.name().to_owned());
                batches.spawn(async move {
                    if let Err(error) = notify(&engine, &live, shard, &route, claimed).await {
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

/// Why a batch failed as a whole.
#[derive(Debug, thiserror::Error)]
enum BatchError {
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

/// Notifies the devices of one claim. `sent` survives the rounds of a conflict: nothing is sent twice here.
async fn notify(
    engine: &Engine,
    live: &LiveCampaign,
    shard: Shard,
    route: &str,
    claimed: Vec<Claimed>,
) -> Result<(), BatchError> {
    let queue = turn::waiting(live.campaign.lane(), live.seq, route);
    // Only queues of configured routes are claimed.
    let counted = engine.metrics.route(route);
    let Some(route) = engine.routes.get(route) else { return Ok(()) };
    let mut ids: Vec<(DeviceId, bool)> = claimed
        .iter()
        .filter_map(|claimed| DeviceId::from_root(&claimed.member))
        .map(|id| (id, false))
        .collect();
    let _closed = engine.gate.close(shard).await;
    for _ in 0..TRIES {
        let keys: Vec<_> = ids.iter().map(|(id, _)| id.key(Table::Device)).collect();
        let rows = engine.store.read(shard, &keys).await?;
        let now = engine.store.now().await?;
        let mut changes = Vec::with_capacity(ids.len());
        let mut pending = Vec::with_capacity(ids.len());
        for ((id, mut sent), row) in ids.into_iter().zip(rows) {
            let Some(row) = row else {
                // The device is gone: its place in the queue is an orphan.
                changes.push(
                    crate::store::Change::new()
                        .if_absent(id.key(Table::Device))
                        .queue_remove(queue.clone(), id.root()),
                );
                pending.push((id, sent));
                continue;
            };
            let Some(device) = turn::readable(&id, &row) else { continue };
            let mut turn = Turn::new(id.clone(), device, row.revision, now);
            turn.claimed(queue.clone());
            // As it is now: a campaign that was paused since the claim sends nothing more.
            let current = engine.live.snapshot();
            turn.stop(&current);
            let may = current.get(live.seq).is_some_and(|live| live.state.may_notify());
            let due = turn.device.job(live.seq).is_some_and(
                |active| matches!(active.job, Job::Waiting { not_before, .. } if not_before <= now),
            );
            let may = may && due && !sent && in_time(&mut turn, live);
            if may {
                count_due(engine, &turn, live.seq);
                let left = send(engine, &mut turn, live, route).await;
                if let Some(counted) = counted {
                    counted.count(left);
                }
                // What the network did not take is an attempt all the same: its deadline brings the next one, with a
                // pause in between.
                sent = matches!(left, Ok(()) | Err(NotSent::Network));
            }
            if sent {
                let sid = turn.device.next_sid;
                turn.step(live.seq, |job| job.on_notified(sid, now, &live.terms));
            }
            changes.push(turn.into_change());
            pending.push((id, sent));
        }
        let verdicts = engine.store.commit(shard, changes).await?;
        ids = pending
            .into_iter()
            .zip(verdicts)
            .filter(|(_, verdict)| *verdict == Verdict::Conflict)
            .map(|(id, _)| id)
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
    }
    tracing::warn!(
        devices = ids.len(),
        "devices were moved by others again and again; their jobs come back"
    );
    Ok(())
}

/// Whether the device may be notified now by its own clock; otherwise its job waits for the next opening, or ends when there is
/// none. A window may also have closed since the claim.
fn in_time(turn: &mut Turn, live: &LiveCampaign) -> bool {
    let now = turn.now();
    let why = match live.campaign.first_chance(now, &turn.device.time_zone) {
        Ok(Some(at)) if at <= now => return true,
        Ok(Some(at)) => {
            turn.step(live.seq, |job| job.on_postponed(at));
            return false;
        }
        Ok(None) => enroll::NO_WINDOW.to_owned(),
        Err(unknown) => unknown.to_string(),
    };
    let detail = Detail { uri: None, status: None, phase: None, why: Some(why) };
    turn.end(live.seq, Outcome::NotApplicable, Some(detail));
    false
}

/// Gives the jobs of a campaign that waited for their devices to a route: their time is over.
async fn switch(
    engine: &Engine,
    live: &LiveCampaign,
    shard: Shard,
) -> Result<(), crate::store::StoreError> {
    let queue = turn::waiting(live.campaign.lane(), live.seq, PULL_UNTIL);
    loop {
        let lease = engine.config.dispatch.lease;
        let claimed =
            engine.store.claim(shard, std::slice::from_ref(&queue), MOST_CHANGES, lease).await?;
        if claimed.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> =
            claimed.iter().filter_map(|claimed| DeviceId::from_root(&claimed.member)).collect();
        let keys: Vec<_> = ids.iter().map(|id| id.key(Table::Device)).collect();
        let rows = engine.store.read(shard, &keys).await?;
        let now = engine.store.now().await?;
        let mut changes = Vec::with_capacity(ids.len());
        for (id, row) in ids.into_iter().zip(rows) {
            let Some(row) = row else {
                changes.push(
                    crate::store::Change::new()
                        .if_absent(id.key(Table::Device))
                        .queue_remove(queue.clone(), id.root()),
                );
                continue;
            };
            let Some(device) = turn::readable(&id, &row) else { continue };
            let mut turn = Turn::new(id, device, row.revision, now);
            turn.claimed(queue.clone());
            let route = engine.config.routes.first().map_or(PULL, Route::name);
            if let Some(active) = turn.device.job_mut(live.seq)
                && active.route == PULL_UNTIL
            {
                route.clone_into(&mut active.route);
                active.job = active.job.on_postponed(now);
            }
            changes.push(turn.into_change());
        }
        // A device that moved at this moment comes back after its lease.
        engine.store.commit(shard, changes).await?;
    }
}

/// Counts a job that is taken for its first notification.
fn count_due(engine: &Engine, turn: &Turn, seq: u64) {
    if turn.device.job(seq).is_some_and(|active| active.job.so_far().attempts == 0) {
        engine.metrics.milestones.at(Milestone::Due).increment(1);
    }
}

/// Sends the notification of one job; ends the job when no notification can ever reach the device.
async fn send(
    engine: &Engine,
    turn: &mut Turn,
    live: &LiveCampaign,
    route: &UdpRoute,
) -> Result<(), NotSent> {
    let (to, push) = prepare(engine, turn, live, route).map_err(|unfit| {
        let why = Some(unfit.to_string());
        let detail = Detail { uri: None, status: None, phase: None, why };
        turn.end(live.seq, Outcome::Unreachable, Some(detail));
        unfit.reason()
    })?;
    route.send(to, &push).await.map_err(|error| {
        tracing::debug!(error = &error as &dyn std::error::Error, "a notification did not leave");
        NotSent::Network
    })
}

/// Why no notification can be made for a device.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("the device has no address that the route can use")]
    Address(#[source] udp::UdpError),
    #[error("the device has no address")]
    NoAddress,
    #[error("the server's credentials for the device cannot be opened")]
    Account(#[source] account::AccountError),
    #[error("the notification cannot be written")]
    Write(#[source] NotificationError),
}

impl Unfit {
    fn reason(&self) -> NotSent {
        match self {
            Self::Address(_) | Self::NoAddress => NotSent::Address,
            Self::Account(_) => NotSent::Credentials,
            Self::Write(_) => NotSent::Unwritable,
        }
    }
}

fn prepare(
    engine: &Engine,
    turn: &Turn,
    live: &LiveCampaign,
    route: &UdpRoute,
) -> Result<(SocketAddr, Vec<u8>), Unfit> {
    let id = turn.id();
    let device = &turn.device;
    let to = route
        .address(device.address.as_deref().ok_or(Unfit::NoAddress)?)
        .map_err(Unfit::Address)?;
    let server_id = engine
        .config
        .authority(&id.authority)
        .map(|authority| authority.server_id.clone())
        .unwrap_or_default();
    let (secret, nonce) =
        account::notification(&engine.vault, id, device, &server_id).map_err(Unfit::Account)?;
    let ui = match live.campaign.deliver().ui {
        document::Ui::NotSpecified => UiMode::NotSpecified,
        document::Ui::Background => UiMode::Background,
        document::Ui::Informative => UiMode::Informative,
        document::Ui::Interactive => UiMode::Interactive,
    };
    let notification = Notification::new(server_id, device.next_sid, ui);
    let package0 = notification.seal(&secret, &nonce).map_err(Unfit::Write)?;
    // The transaction id derives from the session id, so that a repeat is the same octets (D4).
    let [_, tid] = device.next_sid.to_be_bytes();
    Ok((to, wire::wap_push::push(tid, &package0)))
}
