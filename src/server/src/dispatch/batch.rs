//! One claim's devices: read, notified together, committed together.

use super::{
    booking::{self, Answer, Wanted},
    notice,
    permits::{Leave, Pass, Place},
};
use crate::{
    campaigns::live::LiveCampaign,
    care,
    engine::Engine,
    enroll,
    gate::Closing,
    metrics::labels::{Milestone, NotSent, Resync},
    notify::{Attempt, Channel, Next, Push, SendError},
    receipts::Expected,
    resync, routing,
    rows::{Detail, DeviceId},
    store::{Change, Claimed, QueueName, Shard, StoreError, Table, Verdict},
    turn::{self, Turn},
};
use campaign::{
    document::Lane,
    job::{Job, Outcome},
    time::Instant,
};
use futures_util::future::join_all;
use std::sync::Arc;
use wire::wap_push;

/// How often a device is decided anew when others keep moving it.
const TRIES: usize = 8;

/// Why a batch failed as a whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A device of a batch, and what became of its notification: kept over the rounds of a conflict, so that nothing is sent
/// twice here.
struct Claim {
    id: DeviceId,
    tried: Option<Tried>,
    /// Where it was claimed.
    queue: QueueName,
    /// Until it has a permit.
    place: Option<Place>,
    /// It may leave until then, by the paces of its cell or region.
    by: Option<Instant>,
    /// Which attempt it was.
    attempt: u8,
}

/// What a claim took up.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) shard: Shard,
    /// The route whose queue they come from …
    pub(super) of: String,
    /// … and what they need to leave on the one that carries for it.
    pub(super) leave: Arc<Leave>,
    pub(super) devices: Vec<Claimed>,
    pub(super) places: Vec<Place>,
}

type Tried = Result<Sent, SendError>;

/// A notification that left.
struct Sent {
    /// Of the messages that it went out in, as receipts will give them.
    ids: Vec<String>,
    /// The session for which the device was called under the nonce that everybody knows.
    under_zeros: Option<u16>,
}

/// Notifies the devices of one claim: all of them are sent together, then committed together.
pub(super) async fn notify(
    engine: &Engine,
    live: &LiveCampaign,
    taken: Taken,
) -> Result<(), BatchError> {
    let Taken { shard, of, leave, devices, places } = taken;
    let via = leave.route();
    // Only queues of configured routes are claimed.
    let counted = engine.metrics.route(via);
    let stands_in = engine.metrics.route(&of).filter(|_| of != via);
    let Some(channel) = engine.routes.get(via) else { return Ok(()) };
    let mut claims: Vec<Claim> = devices
        .iter()
        .zip(places)
        .filter_map(|(claimed, place)| {
            let id = DeviceId::from_root(&claimed.member)?;
            let (queue, place) = (claimed.queue.clone(), Some(place));
            Some(Claim { id, tried: None, queue, place, by: None, attempt: 0 })
        })
        .collect();
    let closing = Closing::new(&engine.gate, shard);
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
                    Change::new()
                        .if_absent(claim.id.key(Table::Device))
                        .queue_remove(claim.queue.clone(), claim.id.root()),
                );
                orphans.push(claim);
                continue;
            };
            let Some(device) = turn::readable(&claim.id, &row) else { continue };
            let mut turn = Turn::new(claim.id.clone(), device, row.revision, now);
            turn.claimed(claim.queue.clone());
            turn.stop(&current);
            turns.push((claim, turn));
        }
        if may {
            book(engine, live, &of, &mut turns).await?;
        }
        let sends = turns.iter_mut().map(async |(claim, turn)| {
            if claim.tried.is_none()
                && may
                && is_due(turn, live)
                && routing::stays(turn, live.seq, &engine.config)
                && in_time(turn, live)
            {
                count_due(engine, turn, live.seq);
                let pass = Pass::of_job(engine, &leave, claim.place.take(), claim.by, &closing);
                let (tried, left) = send(engine, turn, live, channel, &pass).await;
                if let Some(stands_in) = stands_in.filter(|_| matches!(left, Some(Ok(())))) {
                    stands_in.carried_by_another();
                }
                if let (Some(counted), Some(left)) = (counted, left) {
                    counted.count(left);
                }
                if live.seq == care::SEQ && tried.as_ref().is_some_and(Result::is_ok) {
                    called(engine, turn).await;
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
        let verdicts = commit(engine, live, (shard, via), changes, &claims).await?;
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

/// Commits, and leaves word of the messages that went out for these. What failed may be committed all the same; a notice of an
/// attempt that was not moves nothing.
async fn commit(
    engine: &Engine,
    live: &LiveCampaign,
    (shard, via): (Shard, &str),
    changes: Vec<Change>,
    claims: &[Claim],
) -> Result<Vec<Verdict>, StoreError> {
    let committed = engine.store.commit(shard, changes).await;
    for (place, claim) in claims.iter().enumerate() {
        let verdict = committed.as_ref().ok().and_then(|verdicts| verdicts.get(place));
        if verdict != Some(&Verdict::Conflict) {
            expect(engine, claim, live, via);
        }
    }
    committed
}

/// Books moments for the devices of a campaign that has a pace for each cell or region; those that get a later one wait for it.
async fn book(
    engine: &Engine,
    live: &LiveCampaign,
    of: &str,
    turns: &mut [(Claim, Turn)],
) -> Result<(), StoreError> {
    if live.campaign.per().is_empty() {
        return Ok(());
    }
    let (mut due, mut wanted) = (Vec::new(), Vec::new());
    for (claim, turn) in turns {
        let now = turn.now();
        let is_due = claim.tried.is_none() && claim.by.is_none() && is_due(turn, live);
        let Some(active) = turn.device.job_mut(live.seq) else { continue };
        // Whatever becomes of it, the moment that it had is over.
        let route = std::mem::replace(&mut active.route, of.to_owned());
        if let Job::Waiting { not_before, .. } = active.job
            && is_due
        {
            wanted.push(Wanted::new(live, &turn.device, &route, not_before, now));
            due.push((claim, turn));
        }
    }
    let answers = booking::book(engine, live, &wanted).await?;
    for ((claim, turn), answer) in due.into_iter().zip(answers) {
        match answer {
            Answer::Now(until) => claim.by = Some(until),
            Answer::At(at, place) => {
                turn.step(live.seq, |job| job.on_postponed(at));
                if let Some(active) = turn.device.job_mut(live.seq) {
                    active.route = booking::name(of, place);
                }
            }
            Answer::Later(at) => turn.step(live.seq, |job| job.on_postponed(at)),
        }
    }
    Ok(())
}

/// What a claim became is stored: leaves word of the messages that a notification went out in, so that their receipts find it.
fn expect(engine: &Engine, claim: &Claim, live: &LiveCampaign, route: &str) {
    if live.seq == care::SEQ {
        engine.care.news.tell(Shard::of(&claim.id.root()));
    }
    let Some(Ok(sent)) = &claim.tried else { return };
    if sent.under_zeros.is_some() {
        engine.metrics.resyncs.at(Resync::Called).increment(1);
    }
    for message_id in sent.ids.iter().filter(|id| !id.is_empty()) {
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
    let next = tried.as_ref().map_or_else(SendError::next, |_sent| Next::Notified);
    if let Some(sid) = tried.as_ref().ok().and_then(|sent| sent.under_zeros) {
        turn.device.resync.called(now, sid);
    }
    if let (care::SEQ, Err(error)) = (live.seq, tried) {
        turn.explain(
            live.seq,
            Detail { uri: None, status: None, phase: None, why: Some(error.to_string()) },
        );
    }
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
pub(super) fn in_time(turn: &mut Turn, live: &LiveCampaign) -> bool {
    let now = turn.now();
    let why = match live.campaign.first_chance(now, &turn.device.time_zone) {
        Ok(Some(at)) if at <= now => return true,
        Ok(Some(at)) => {
            let lot = enroll::lot(turn, live.seq);
            let turned = live.campaign.first_turn(now, &turn.device.time_zone, lot);
            let at = turned.ok().flatten().unwrap_or(at);
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

/// Counts a job that is taken for its first notification.
fn count_due(engine: &Engine, turn: &Turn, seq: u64) {
    if turn.device.job(seq).is_some_and(|active| active.job.so_far().attempts == 0) {
        engine.metrics.milestones.at(Milestone::Due).increment(1);
    }
}

/// Tells how long an agent waited for the first notification to leave.
async fn called(engine: &Engine, turn: &Turn) {
    if let Some(active) = turn.device.job(care::SEQ)
        && let Job::Waiting { not_before: asked, so_far } = active.job
        && so_far.attempts == 0
        && let Ok(now) = engine.store.now().await
    {
        engine.metrics.care_notify.record(now.since(asked).as_secs_f64());
    }
}

/// Whether the device has believed nothing that it heard, for so long that it is to be called under zeros.
fn under_zeros(engine: &Engine, turn: &Turn) -> bool {
    engine.config.session.resync
        && resync::concerns(&turn.device)
        && turn.device.resync.is_due(turn.now())
}

/// Sends the notification of one job; ends the job when none can be made for its device.
async fn send(
    engine: &Engine,
    turn: &mut Turn,
    live: &LiveCampaign,
    channel: &Channel,
    pass: &Pass<'_>,
) -> (Option<Tried>, Option<Result<(), NotSent>>) {
    let under_zeros = under_zeros(engine, turn);
    let octets = match notice::prepare(engine, turn, live, under_zeros) {
        Ok(octets) => octets,
        Err(unfit) => {
            let detail =
                Detail { uri: None, status: None, phase: None, why: Some(unfit.to_string()) };
            turn.end(live.seq, Outcome::Unreachable, Some(detail));
            return (None, Some(Err(unfit.reason())));
        }
    };
    let (run, so_far) = turn
        .device
        .job(live.seq)
        .map_or((0, 0), |active| (active.run, active.job.so_far().attempts));
    let push = Push {
        octets: &octets,
        package0: octets.get(wap_push::BEFORE_PACKAGE..).unwrap_or_default(),
        reference: turn.device.next_sid,
        validity: live.terms.answer_within,
        urgent: live.campaign.lane() != Lane::Mass,
        attempt: Attempt {
            device: turn.id(),
            seq: live.seq,
            run,
            sid: turn.device.next_sid,
            number: so_far.saturating_add(1),
        },
    };
    let sent = channel.send(&turn.device, &push, turn.now(), pass).await;
    let under_zeros = under_zeros.then_some(turn.device.next_sid);
    let tried = sent.map(|ids| Sent { ids, under_zeros });
    if tried.as_ref().is_err_and(SendError::is_held) {
        // It goes back to its queue as it was.
        return (None, None);
    }
    if let Err(error) = &tried {
        tracing::debug!(error = error as &dyn std::error::Error, "a notification did not leave");
    }
    let left = tried.as_ref().map(|_sent| ()).map_err(SendError::reason);
    (Some(tried), Some(left))
}
