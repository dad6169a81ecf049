//! Triggers: a network entity says that a device uses settings that are not right, and standing campaigns take it in (R2, R21).
//!
//! What a trigger does is one change of the device's shard: the job, the count of the device's runs, and the mark of the
//! message that it came in. A storm of triggers is as many small changes, each decided by the device's own rows; what they
//! wait for is the lane and the pace of their campaign.

#[cfg(test)]
mod tests;

use crate::{
    advance,
    campaigns::live::LiveCampaign,
    engine::Engine,
    enroll::{self, EnrolError},
    registry::{self, RegistryError, lookup::Number},
    rows::{Device, DeviceId, RowError, RunsRow, Stored},
    store::{Guard, Key, Shard, StoreError, Table, Verdict},
    turn::Turn,
    update::{MessageId, UpdateError},
};
use api::{TriggerAnswer, TriggerReport, TriggerRequest};
use campaign::{document::On, time::Instant};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How often a device is decided anew when others keep moving it.
const TRIES: usize = 8;
/// Standing campaigns of one reason that a trigger is offered to, the oldest first.
const MOST_CAMPAIGNS: usize = 8;
/// How far ahead the clock of a network entity may be.
const AHEAD: Duration = Duration::from_mins(5);

/// Why a trigger did nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TriggerError {
    #[error("`{key}` {what}")]
    Bad { key: &'static str, what: &'static str },
    #[error("the registry of `{0}` has no device under this name")]
    NoDevice(String),
    #[error("no standing campaign of `{authority}` takes the reason `{reason}`")]
    NoCampaign { authority: String, reason: String },
    #[error("the device has as many jobs as a device may have")]
    Later,
    #[error("too many events wait for the broker; no devices are taken in until it takes them")]
    Behind,
    #[error("the device was moved by others {TRIES} times in a row")]
    Contended,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Row(#[from] RowError),
    #[error(transparent)]
    Update(#[from] UpdateError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Enrol(#[from] EnrolError),
}

/// Offers a device to the standing campaigns of its authority. With a `message`, the same again changes nothing.
pub(crate) async fn trigger(
    engine: &Engine,
    authority: &str,
    request: &TriggerRequest,
    message: Option<&MessageId>,
) -> Result<TriggerReport, TriggerError> {
    let now = engine.store.now().await?;
    let at = check(request, now)?;
    if engine.backlog.full() {
        return Err(TriggerError::Behind);
    }
    let campaigns = standing(engine, authority, &request.reason);
    if campaigns.is_empty() {
        // It may have been submitted a moment ago, elsewhere.
        engine.refresh().await?;
    }
    let campaigns = standing(engine, authority, &request.reason);
    if campaigns.is_empty() {
        let (authority, reason) = (authority.to_owned(), request.reason.clone());
        return Err(TriggerError::NoCampaign { authority, reason });
    }
    let unknown = || TriggerError::NoDevice(authority.to_owned());
    let id = registry::resolve(engine.store(), authority, &request.device).await?;
    let id = id.ok_or_else(unknown)?;
    for _ in 0..TRIES {
        match attempt(engine, &id, &campaigns, at, request, message).await? {
            Attempt::Done(report) => return Ok(report),
            Attempt::NoDevice => return Err(unknown()),
            Attempt::Conflict => {}
        }
    }
    Err(TriggerError::Contended)
}

/// Judges a trigger by itself; answers when it was seen.
fn check(request: &TriggerRequest, now: Instant) -> Result<Instant, TriggerError> {
    let bad = |key, what| Err(TriggerError::Bad { key, what });
    if request.reason.is_empty() || request.reason.len() > TriggerRequest::LONGEST_REASON {
        return bad("reason", "is not 1 to 64 octets");
    }
    if request.observed.as_ref().is_some_and(|seen| seen.len() > TriggerRequest::LONGEST_OBSERVED) {
        return bad("observed", "is longer than 512 octets");
    }
    let Some(at) = &request.at else { return Ok(now) };
    match Instant::parse(at) {
        Ok(at) if at > now.plus(AHEAD) => bad("at", "has not come yet"),
        Ok(at) => Ok(at),
        Err(_) => bad("at", "is no instant such as 2026-11-25T01:02:03Z"),
    }
}

/// The standing campaigns that take this reason, the oldest first.
fn standing(engine: &Engine, authority: &str, reason: &str) -> Vec<Arc<LiveCampaign>> {
    let live = engine.live.snapshot();
    let takes = |live: &&Arc<LiveCampaign>| {
        live.id.authority == authority
            && live.state.may_enrol()
            && live.campaign.on().is_some_and(|on| on.reason == reason)
    };
    live.all().filter(takes).take(MOST_CAMPAIGNS).cloned().collect()
}

enum Attempt {
    Done(TriggerReport),
    NoDevice,
    Conflict,
}

async fn attempt(
    engine: &Engine,
    id: &DeviceId,
    campaigns: &[Arc<LiveCampaign>],
    at: Instant,
    request: &TriggerRequest,
    message: Option<&MessageId>,
) -> Result<Attempt, TriggerError> {
    let shard = Shard::of(&id.root());
    let now = engine.store.now().await?;
    let keys: Vec<Key> = [id.key(Table::Device)]
        .into_iter()
        .chain(campaigns.iter().map(|live| id.runs_key(live.seq)))
        .chain(message.map(MessageId::mark))
        .collect();
    let mut rows = engine.store.read(shard, &keys).await?.into_iter();
    let Some(row) = rows.next().flatten() else { return Ok(Attempt::NoDevice) };
    let runs: Vec<_> = rows.by_ref().take(campaigns.len()).collect();
    let mut report =
        TriggerReport { device: id.device.clone(), campaigns: Vec::with_capacity(campaigns.len()) };
    if rows.next().flatten().is_some() {
        return Ok(Attempt::Done(report));
    }
    let mut turn = Turn::new(id.clone(), Device::from_octets(&row.bytes)?, row.revision, now);
    for (live, stored) in campaigns.iter().zip(runs) {
        let Some(on) = live.campaign.on() else { continue };
        let revision = stored.as_ref().map(|row| row.revision);
        let runs = match stored {
            Some(row) => RunsRow::from_octets(&row.bytes)?,
            None => RunsRow::default(),
        };
        let answer = if meant(engine, live, &turn, shard).await? {
            answer(on, &runs, turn.device.job(live.seq).is_some(), at, now)
        } else {
            Answer::NotMeant
        };
        let changed = match answer {
            Answer::NotMeant
            | Answer::UnderWay
            | Answer::Quiet
            | Answer::TooOften { told: true } => None,
            Answer::TooOften { told: false } => {
                turn.fault("named_too_often", too_often(live, on, request));
                Some(RunsRow { told: Some(now), ..runs.clone() })
            }
            Answer::TakenIn if turn.device.jobs.len() >= Device::MOST_JOBS => {
                return Err(TriggerError::Later);
            }
            Answer::TakenIn => {
                enroll::enlist(&mut turn, live, runs.next, &engine.config);
                Some(taken_in(&runs, on, now))
            }
        };
        if let Some(changed) = changed {
            let key = id.runs_key(live.seq);
            let guard = match revision {
                Some(revision) => Guard::Is(key.clone(), revision),
                None => Guard::Absent(key.clone()),
            };
            turn.beside(|change| change.guard(guard).put(key, changed.to_octets()));
        }
        report.campaigns.push(TriggerAnswer {
            campaign: live.id.id.clone(),
            answer: answer.name().to_owned(),
            run: (answer == Answer::TakenIn).then_some(runs.next),
        });
    }
    let change = turn.into_change();
    if change.is_empty() {
        return Ok(Attempt::Done(report));
    }
    let change = match message {
        Some(message) => message.marked(change),
        None => change,
    };
    if engine.store.commit(shard, vec![change]).await?.first() != Some(&Verdict::Done) {
        return Ok(Attempt::Conflict);
    }
    engine.dispatch.notify_one();
    Ok(Attempt::Done(report))
}

/// Whether the campaign is for this device.
async fn meant(
    engine: &Engine,
    live: &LiveCampaign,
    turn: &Turn,
    shard: Shard,
) -> Result<bool, TriggerError> {
    let settings = if live.looks_at_settings {
        enroll::settings(engine, shard, turn.id()).await?
    } else {
        BTreeMap::new()
    };
    let fields = advance::fields(turn.id(), &turn.device, None, settings);
    let numbers: Vec<_> = Number::all_of(&turn.device).map(|number| number.name()).collect();
    Ok(live.campaign.takes_in(&fields, &numbers).unwrap_or_else(|error| {
        tracing::debug!(
            seq = live.seq,
            error = &error as &dyn std::error::Error,
            "`where` failed on a device"
        );
        false
    }))
}

/// What a standing campaign answers to a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    TakenIn,
    /// The device has a job of the campaign.
    UnderWay,
    /// It was taken in a short while ago, or after what was seen.
    Quiet,
    /// It was taken in as often as it may be; `told`: a fault said so already.
    TooOften {
        told: bool,
    },
    /// The campaign's `devices` leave it out.
    NotMeant,
}

impl Answer {
    fn name(self) -> &'static str {
        match self {
            Self::TakenIn => "taken_in",
            Self::UnderWay => "under_way",
            Self::Quiet => "quiet",
            Self::TooOften { .. } => "too_often",
            Self::NotMeant => "not_meant",
        }
    }
}

/// What becomes of a device that is meant, was seen `at`, and was taken in as `runs` says.
fn answer(on: &On, runs: &RunsRow, under_way: bool, at: Instant, now: Instant) -> Answer {
    let lately = |then: &Instant| now.since(*then) < on.per;
    let last = runs.taken.last();
    if under_way {
        Answer::UnderWay
    } else if last.is_some_and(|last| at < *last || now.since(*last) < on.quiet) {
        Answer::Quiet
    } else if runs.taken.iter().filter(|then| lately(then)).count() >= on.most as usize
        || runs.next == u16::MAX
    {
        Answer::TooOften { told: runs.told.is_some_and(|told| lately(&told)) }
    } else {
        Answer::TakenIn
    }
}

/// The runs of a device that is taken in now.
fn taken_in(runs: &RunsRow, on: &On, now: Instant) -> RunsRow {
    let mut taken: Vec<_> =
        runs.taken.iter().filter(|then| now.since(**then) < on.per).copied().collect();
    taken.push(now);
    RunsRow { next: runs.next + 1, taken, told: runs.told }
}

/// What a person needs to know about a device whose settings go wrong again and again.
fn too_often(live: &LiveCampaign, on: &On, request: &TriggerRequest) -> String {
    let mut text = format!(
        "campaign {} took the device in {} times and its settings are reported as `{}` again",
        live.id.id, on.most, on.reason
    );
    if let Some(observed) = &request.observed {
        text.push_str(": ");
        text.extend(observed.chars().take(128));
    }
    text
}
