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
    notify::{Channel, Next, Push, SendError},
    receipts::Expected,
    rows::{Detail, DeviceId, PULL, PULL_UNTIL},
    store::{Claimed, Shard, Table, Verdict, change::MOST_CHANGES},
    turn::{self, Turn},
};
use campaign::{
    document::{self, Lane},
    job::{Job, Outcome},
    pace::Gcra,
    time::Instant,
};
use futures_util::future::join_all;
use std::{collections::HashMap, sync::Arc, time::Duration};
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
    routes: HashMap<String, (u32, Gcra)>,
    /// The part of each route that urgent campaigns may use: a storm of triggers starves nobody.
    urgent: HashMap<String, (u32, Gcra)>,
}

/// Of a hundred notifications of a route, how many may be urgent.
const URGENT_SHARE: u32 = 30;

impl Permits {
    /// How many devices of the campaign may be notified on the route now; `per_second` is what the route bears at the moment.
    /// Limits are for all processes together: this one keeps to its `share`.
    fn available(
        &mut self,
        live: &LiveCampaign,
        route: &Route,
        per_second: u32,
        share: impl Fn(u32) -> u32,
        now: Instant,
    ) -> u32 {
        let urgent_rate = share((per_second.saturating_mul(URGENT_SHARE) / 100).max(1));
        let per_second = share(per_second);
        let pace = live.per_second().map(&share);
        if per_second == 0 || pace == Some(0) {
            return 0;
        }
        let (known, limit) = self
            .routes
            .entry(route.name().to_owned())
            .or_insert_with(|| (per_second, Gcra::new(per_second)));
        if *known != per_second {
            (*known, *limit) = (per_second, limit.at_rate(per_second));
        }
        let on_route = limit.available(now);
        let on_route = match live.campaign.lane() {
            Lane::Care | Lane::Mass => on_route,
            Lane::Urgent if urgent_rate == 0 => 0,
            Lane::Urgent => {
                let rate = urgent_rate;
                let (known, urgent) = self
                    .urgent
                    .entry(route.name().to_owned())
                    .or_insert_with(|| (rate, Gcra::new(rate)));
                if *known != rate {
                    (*known, *urgent) = (rate, urgent.at_rate(rate));
                }
                on_route.min(urgent.available(now))
            }
        };
        match pace {
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
        let urgent = match live.campaign.lane() {
            Lane::Urgent => self.urgent.get_mut(route.name()).map(|(_, limit)| limit),
            Lane::Care | Lane::Mass => None,
        };
        for limit in self
            .routes
            .get_mut(route.name())
            .map(|(_, limit)| limit)
            .into_iter()
            .chain(self.campaigns.get_mut(&live.seq).map(|(_, pace)| pace))
            .chain(urgent)
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
                // A route that is away keeps its queue as it is: nothing is claimed for it.
                let Some(channel) =
                    engine.routes.get(route.name()).filter(|channel| channel.is_open(now))
                else {
                    continue;
                };
                let per_second = channel.per_second(route.per_second(), now);
                let share = |of| engine.deployment.share(of, now);
                let most = permits.available(live, route, per_second, share, now).min(BATCH);
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

/// A device of a batch, and what became of its notification: kept over the rounds of a conflict, so that nothing is sent
/// twice here.
struct Claim {
    id: DeviceId,
    tried: Option<Tried>,
    /// Which attempt it was.
    attempt: u8,
}

type Tried = Result<Vec<String>, SendError>;

/// Notifies the devices of one claim: all of them are sent together, then committed together.
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
    let Some(channel) = engine.routes.get(route) else { return Ok(()) };
    let mut claims: Vec<Claim> = claimed
        .iter()
        .filter_map(|claimed| DeviceId::from_root(&claimed.member))
        .map(|id| Claim { id, tried: None, attempt: 0 })
        .collect();
    let _closed = engine.gate.close(shard).await;
    for _ in 0..TRIES {
        let keys: Vec<_> = claims.iter().map(|claim| claim.id.key(Table::Device)).collect();
        let rows = engine.store.read(shard, &keys).await?;
        let now = engine.store.now().await?;
        let current = engine.live.snapshot();
        // As it is now: a campaign that was paused since the claim sends nothing more.
        let may = current.get(live.seq).is_some_and(|live| live.state.may_notify());
        let mut changes = Vec::with_capacity(claims.len());
        let mut orphans = Vec::new();
        let mut turns = Vec::with_capacity(claims.len());
        for (claim, row) in claims.into_iter().zip(rows) {
            let Some(row) = row else {
                // The device is gone: its place in the queue is an orphan.
                changes.push(
                    crate::store::Change::new()
                        .if_absent(claim.id.key(Table::Device))
                        .queue_remove(queue.clone(), claim.id.root()),
                );
                orphans.push(claim);
                continue;
            };
            let Some(device) = turn::readable(&claim.id, &row) else { continue };
            let mut turn = Turn::new(claim.id.clone(), device, row.revision, now);
            turn.claimed(queue.clone());
            turn.stop(&current);
            turns.push((claim, turn));
        }
        let sends = turns.iter_mut().map(async |(claim, turn)| {
            if claim.tried.is_none() && may && is_due(turn, live) && in_time(turn, live) {
                count_due(engine, turn, live.seq);
                let (tried, left) = send(engine, turn, live, channel).await;
                if let Some(counted) = counted {
                    counted.count(left);
                }
                claim.tried = tried;
            }
            if let Some(tried) = &claim.tried {
                conclude(turn, live, tried);
                claim.attempt =
                    turn.device.job(live.seq).map_or(0, |active| active.job.so_far().attempts);
            }
        });
        join_all(sends).await;
        claims = orphans;
        for (claim, turn) in turns {
            changes.push(turn.into_change());
            claims.push(claim);
        }
        let verdicts = engine.store.commit(shard, changes).await?;
        for (claim, _) in
            claims.iter().zip(&verdicts).filter(|(_, verdict)| **verdict == Verdict::Done)
        {
            expect(engine, claim, live, route);
        }
        claims = claims
            .into_iter()
            .zip(verdicts)
            .filter(|(_, verdict)| *verdict == Verdict::Conflict)
            .map(|(claim, _)| claim)
            .collect();
        if claims.is_empty() {
            return Ok(());
        }
    }
    tracing::warn!(
        devices = claims.len(),
        "devices were moved by others again and again; their jobs come back"
    );
    Ok(())
}

/// Leaves word of the messages that a notification went out in, so that their receipts find it.
fn expect(engine: &Engine, claim: &Claim, live: &LiveCampaign, route: &str) {
    let Some(Ok(ids)) = &claim.tried else { return };
    for message_id in ids.iter().filter(|id| !id.is_empty()) {
        engine.awaited.expect(Expected {
            route: route.to_owned(),
            message_id: message_id.clone(),
            device: claim.id.clone(),
            seq: live.seq,
            attempt: claim.attempt,
            validity: live.terms.answer_within,
        });
    }
}

fn is_due(turn: &Turn, live: &LiveCampaign) -> bool {
    let now = turn.now();
    turn.device.job(live.seq).is_some_and(
        |active| matches!(active.job, Job::Waiting { not_before, .. } if not_before <= now),
    )
}

/// What a notification that was tried makes of its job.
fn conclude(turn: &mut Turn, live: &LiveCampaign, tried: &Tried) {
    let (now, sid) = (turn.now(), turn.device.next_sid);
    let next = tried.as_ref().map_or_else(SendError::next, |_ids| Next::Notified);
    match next {
        Next::Notified => turn.step(live.seq, |job| job.on_notified(sid, now, &live.terms)),
        Next::Refused => {
            turn.step(live.seq, |job| job.on_refused(now, rand::random(), &live.terms));
        }
        Next::Postponed(pause) => {
            let pause = pause.mul_f64(rand::random_range(0.5..1.5));
            turn.step(live.seq, |job| job.on_postponed(now.plus(pause)));
        }
        Next::GivenUp => {
            let why = tried.as_ref().err().map(ToString::to_string);
            let detail = Detail { uri: None, status: None, phase: None, why };
            turn.end(live.seq, Outcome::Unreachable, Some(detail));
        }
    }
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

/// Sends the notification of one job; ends the job when none can be made for its device.
async fn send(
    engine: &Engine,
    turn: &mut Turn,
    live: &LiveCampaign,
    channel: &Channel,
) -> (Option<Tried>, Result<(), NotSent>) {
    let octets = match prepare(engine, turn, live) {
        Ok(octets) => octets,
        Err(unfit) => {
            let detail =
                Detail { uri: None, status: None, phase: None, why: Some(unfit.to_string()) };
            turn.end(live.seq, Outcome::Unreachable, Some(detail));
            return (None, Err(unfit.reason()));
        }
    };
    let push = Push {
        octets: &octets,
        reference: turn.device.next_sid,
        validity: live.terms.answer_within,
        urgent: live.campaign.lane() != Lane::Mass,
    };
    let tried = channel.send(&turn.device, &push, turn.now()).await;
    if let Err(error) = &tried {
        tracing::debug!(error = error as &dyn std::error::Error, "a notification did not leave");
    }
    let left = tried.as_ref().map(drop).map_err(SendError::reason);
    (Some(tried), left)
}

/// Why no notification can be made for a device.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("the server's credentials for the device cannot be opened")]
    Account(#[source] account::AccountError),
    #[error("the notification cannot be written")]
    Write(#[source] NotificationError),
}

impl Unfit {
    fn reason(&self) -> NotSent {
        match self {
            Self::Account(_) => NotSent::Credentials,
            Self::Write(_) => NotSent::Unwritable,
        }
    }
}

fn prepare(engine: &Engine, turn: &Turn, live: &LiveCampaign) -> Result<Vec<u8>, Unfit> {
    let id = turn.id();
    let device = &turn.device;
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
    Ok(wire::wap_push::push(tid, &package0))
}
