//! Enrolment: devices become jobs of a campaign, each exactly once.
//!
//! A job stands in its device's row; the row's revision and the absence of a result row guard it, so enrolling a device
//! again changes nothing, whoever does it and however often (D2).

#[cfg(test)]
mod tests;
mod together;

pub(crate) use together::Desks;

use crate::{
    advance,
    campaigns::{
        live::LiveCampaign,
        rows::{EnrolmentRow, Scan},
    },
    config::Config,
    engine::Engine,
    metrics::labels::Enrolment,
    registry, routing,
    rows::{Detail, Device, DeviceId, PULL, PULL_UNTIL, RowError, Stored, ValuesRow},
    store::{
        Change, Cursor, Key, Row, SHARDS, Shard, StoreError, Table, Verdict, change::MOST_CHANGES,
    },
    turn::{self, Turn},
    update::{self, UpdateError},
};
use campaign::{job::Outcome, time::Instant};
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use session::JobRef;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use together::Share;

/// Rows of the registry looked at in one step.
const PAGE: usize = 1024;
/// How often a device is decided anew when others keep moving it.
const TRIES: usize = 8;
/// Numbers looked up side by side.
const SIDE_BY_SIDE: usize = 64;
/// How often the enroller looks for work that nobody told it of.
const LOOK: Duration = Duration::from_secs(1);

/// What became of devices that were to be enrolled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) enrolled: u64,
    /// They have the job, or had it and its result stands.
    pub(crate) already: u64,
    /// The registry does not know them: a result of its own.
    pub(crate) unknown: u64,
    /// They have too many jobs at the moment; to be offered again.
    pub(crate) later: u64,
}

impl Tally {
    fn count(self, engine: &Engine) {
        for (result, devices) in [
            (Enrolment::Enrolled, self.enrolled),
            (Enrolment::Already, self.already),
            (Enrolment::Unknown, self.unknown),
            (Enrolment::Later, self.later),
        ] {
            engine.metrics.enrolments.at(result).increment(devices);
        }
    }
}

/// Why devices could not be enrolled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnrolError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Row(#[from] RowError),
    #[error(transparent)]
    Update(#[from] UpdateError),
    #[error(transparent)]
    Registry(#[from] registry::RegistryError),
    #[error("a device was moved by others {TRIES} times in a row")]
    Contended,
}

/// Enrols whatever the campaigns' lists and searches ask for, until `engine.stop`.
pub(crate) async fn run(engine: Arc<Engine>) {
    while !engine.stop.is_cancelled() {
        let live = engine.live.snapshot();
        for campaign in live.all() {
            if !campaign.state.may_enrol() || engine.backlog.full() {
                continue;
            }
            // Two at once would do the same twice and be none the worse for it.
            if !engine.looks_after(campaign.seq).await {
                continue;
            }
            if let Err(error) = advance_enrolment(&engine, campaign).await {
                tracing::warn!(
                    seq = campaign.seq,
                    error = &error as &dyn std::error::Error,
                    "enrolment is interrupted"
                );
            }
        }
        tokio::select! {
            () = engine.enrol.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            () = engine.stop.cancelled() => {}
        }
    }
}

/// Does what is left of one campaign's list and search.
async fn advance_enrolment(engine: &Engine, live: &Arc<LiveCampaign>) -> Result<(), EnrolError> {
    let (shard, key) = (live.id.shard(), live.id.enrolment_key());
    let Some((row, _)) = update::load::<EnrolmentRow>(engine.store(), shard, &key).await? else {
        return Ok(());
    };
    if !row.list_done {
        let tally = enrol_names(engine, live, &live.campaign.devices().list).await?;
        if tally.later == 0 {
            mark(engine, live, |row| row.list_done = true).await?;
        }
    }
    let Scan::At { shard: at, mut cursor } = row.scan else { return Ok(()) };
    for place in at..SHARDS {
        let scanned = Shard::from(u8::try_from(place).unwrap_or(u8::MAX));
        loop {
            if engine.stop.is_cancelled() {
                return Ok(());
            }
            let page =
                engine.store.scan(scanned, Table::Device, cursor.take().map(Cursor), PAGE).await?;
            enrol_rows(engine, live, scanned, page.rows).await?;
            engine.dispatch.notify_one();
            match page.next {
                Some(next) => cursor = Some(next.0),
                None => break,
            }
            let here = Scan::At { shard: place, cursor: cursor.clone() };
            mark(engine, live, |row| row.scan = here.clone()).await?;
        }
        let next = match place + 1 {
            SHARDS => Scan::Done,
            shard => Scan::At { shard, cursor: None },
        };
        // A shard in one page needs no mark of its own; sixteen are marked together.
        if matches!(next, Scan::Done) || place % 16 == 15 {
            mark(engine, live, |row| row.scan = next.clone()).await?;
        }
    }
    tracing::info!(seq = live.seq, "the registry was searched to its end");
    Ok(())
}

async fn mark(
    engine: &Engine,
    live: &LiveCampaign,
    change: impl Fn(&mut EnrolmentRow),
) -> Result<(), EnrolError> {
    update::update::<EnrolmentRow>(
        engine.store(),
        live.id.shard(),
        &live.id.enrolment_key(),
        |row| {
            let mut row = row.cloned().unwrap_or_default();
            change(&mut row);
            Some(row)
        },
    )
    .await?;
    Ok(())
}

/// Enrols the devices of a page of the registry that the campaign wants.
async fn enrol_rows(
    engine: &Engine,
    live: &Arc<LiveCampaign>,
    shard: Shard,
    rows: Vec<(Key, Row)>,
) -> Result<(), EnrolError> {
    let mut wanted = Vec::new();
    for (key, row) in rows {
        let Some(id) = DeviceId::from_root(&key.id).filter(|id| id.authority == live.id.authority)
        else {
            continue;
        };
        let Some(device) = turn::readable(&id, &row) else { continue };
        let settings = if live.looks_at_settings {
            settings(engine, shard, &id).await?
        } else {
            BTreeMap::new()
        };
        match live.campaign.wants(&advance::fields(&id, &device, None, settings)) {
            Ok(true) => wanted.push(id),
            Ok(false) => {}
            // An expression that fails on one device does not fail the others; it is told apart in the log.
            Err(error) => tracing::debug!(
                seq = live.seq,
                error = &error as &dyn std::error::Error,
                "`where` failed on a device"
            ),
        }
    }
    for tally in try_join_all(shares(engine, live, shard, &wanted)).await? {
        tally.count(engine);
    }
    Ok(())
}

pub(crate) async fn settings(
    engine: &Engine,
    shard: Shard,
    id: &DeviceId,
) -> Result<BTreeMap<String, String>, EnrolError> {
    let values = update::load::<ValuesRow>(engine.store(), shard, &id.key(Table::Values)).await?;
    Ok(values.map(|(row, _)| row.into_settings()).unwrap_or_default())
}

/// Enrols devices by name: ids of devices, `msisdn:…` or `imsi:…`.
pub(crate) async fn enrol_names(
    engine: &Engine,
    live: &Arc<LiveCampaign>,
    names: &[String],
) -> Result<Tally, EnrolError> {
    let mut sum = Tally::default();
    // Both doors refuse longer names; no row could be kept under them.
    let (names, unfit): (Vec<_>, Vec<_>) =
        names.iter().partition(|name| name.len() <= DeviceId::LONGEST);
    sum.unknown += unfit.len() as u64;
    let mut by_shard: BTreeMap<Shard, Vec<DeviceId>> = BTreeMap::new();
    let mut resolving = Vec::with_capacity(names.len());
    for name in names {
        resolving.push(resolve(engine, live, name));
    }
    let mut resolved = stream::iter(resolving).buffered(SIDE_BY_SIDE);
    while let Some(id) = resolved.try_next().await? {
        by_shard.entry(Shard::of(&id.root())).or_default().push(id);
    }
    drop(resolved);
    let mut enrolling = Vec::with_capacity(by_shard.len());
    for (shard, ids) in &by_shard {
        enrolling.extend(shares(engine, live, *shard, ids));
    }
    for tally in try_join_all(enrolling).await? {
        sum.enrolled += tally.enrolled;
        sum.already += tally.already;
        sum.unknown += tally.unknown;
        sum.later += tally.later;
    }
    sum.count(engine);
    engine.dispatch.notify_one();
    Ok(sum)
}

/// The device of a name. A number without a device keeps its name: the report then says what was asked for.
async fn resolve(
    engine: &Engine,
    live: &LiveCampaign,
    name: &str,
) -> Result<DeviceId, registry::RegistryError> {
    let id = registry::resolve(engine.store(), &live.id.authority, name).await?;
    Ok(id.unwrap_or_else(|| DeviceId::new(live.id.authority.clone(), name)))
}

/// The enrolments of devices of one shard, in shares that a commit takes.
fn shares<'a>(
    engine: &'a Engine,
    live: &Arc<LiveCampaign>,
    shard: Shard,
    ids: &[DeviceId],
) -> Vec<impl Future<Output = Result<Tally, EnrolError>> + use<'a>> {
    let mut shares = Vec::new();
    for ids in ids.chunks(MOST_CHANGES) {
        let share = Share { live: Arc::clone(live), ids: ids.into() };
        shares.push(together::enrol(engine, shard, share));
    }
    shares
}

/// Enrols at most [`MOST_CHANGES`] devices of one shard; answers what became of each share.
async fn enrol_batch(
    engine: &Engine,
    shard: Shard,
    shares: &[Share],
) -> Result<Vec<Tally>, EnrolError> {
    let mut tallies = vec![Tally::default(); shares.len()];
    let mut left: Vec<(usize, &LiveCampaign, &DeviceId)> = Vec::with_capacity(MOST_CHANGES);
    for (place, share) in shares.iter().enumerate() {
        left.extend(share.ids.iter().map(|id| (place, share.live.as_ref(), id)));
    }
    for _ in 0..TRIES {
        let now = engine.store.now().await?;
        let keys: Vec<Key> = left
            .iter()
            .flat_map(|(_, live, id)| [id.key(Table::Device), id.result_key(live.seq, RUN)])
            .collect();
        let rows = engine.store.read(shard, &keys).await?;
        let mut changes = Vec::with_capacity(left.len());
        let mut pending = Vec::with_capacity(left.len());
        for ((place, live, id), rows) in left.into_iter().zip(rows.chunks(2)) {
            let ([device, result], Some(tally)) = (rows, tallies.get_mut(place)) else { continue };
            match decide(live, id, device.as_ref(), result.is_some(), &engine.config, now)? {
                Decision::Already => tally.already += 1,
                Decision::Later => tally.later += 1,
                Decision::Enrol(change) => {
                    changes.push(*change);
                    pending.push((place, live, id, false));
                }
                Decision::Unknown(change) => {
                    changes.push(*change);
                    pending.push((place, live, id, true));
                }
            }
        }
        if changes.is_empty() {
            return Ok(tallies);
        }
        let verdicts = engine.store.commit(shard, changes).await?;
        left = Vec::new();
        for ((place, live, id, unknown), verdict) in pending.into_iter().zip(verdicts) {
            match (verdict, tallies.get_mut(place)) {
                (Verdict::Done, Some(tally)) if unknown => tally.unknown += 1,
                (Verdict::Done, Some(tally)) => tally.enrolled += 1,
                (Verdict::Done, None) => {}
                (Verdict::Conflict, _) => left.push((place, live, id)),
            }
        }
        if left.is_empty() {
            return Ok(tallies);
        }
    }
    Err(EnrolError::Contended)
}

/// The run of a campaign that takes each device in once.
const RUN: u16 = 0;

/// Where the job of a device waits: under a route, or for the device to come by itself. `None`: no route is for it.
pub(crate) fn route<'a>(
    config: &'a Config,
    live: &LiveCampaign,
    id: &DeviceId,
    device: &Device,
    now: Instant,
) -> Option<&'a str> {
    if live.terms.pull {
        Some(PULL)
    } else if live.terms.pull_until.is_some_and(|until| now < until) {
        Some(PULL_UNTIL)
    } else {
        routing::choose(config, id, device)
    }
}

/// Why a job ends that could never be notified.
pub(crate) const NO_WINDOW: &str = "no window opens for the device any more";

enum Decision {
    Enrol(Box<Change>),
    Unknown(Box<Change>),
    Already,
    Later,
}

fn decide(
    live: &LiveCampaign,
    id: &DeviceId,
    device: Option<&Row>,
    has_result: bool,
    config: &Config,
    now: Instant,
) -> Result<Decision, RowError> {
    if has_result {
        return Ok(Decision::Already);
    }
    let Some(row) = device else {
        return Ok(Decision::Unknown(Box::new(turn::unknown_device(id, live.seq, RUN, now))));
    };
    let device = Device::from_octets(&row.bytes)?;
    if device.job(live.seq).is_some() {
        return Ok(Decision::Already);
    }
    if device.jobs.len() >= Device::MOST_JOBS {
        return Ok(Decision::Later);
    }
    let mut turn = Turn::new(id.clone(), device, row.revision, now);
    enlist(&mut turn, live, RUN, config);
    Ok(Decision::Enrol(Box::new(turn.into_change())))
}

/// Where the device stands in a campaign's spread: another place in each campaign, and no neighbour of the next name's.
pub(crate) fn lot(turn: &Turn, seq: u64) -> u64 {
    let mut hash = Sha256::new();
    hash.update(seq.to_be_bytes());
    hash.update(turn.id().root());
    let digest: [u8; 32] = hash.finalize().into();
    u64::from_be_bytes(digest.first_chunk().copied().unwrap_or_default())
}

/// Gives the device its job; one that could never be notified ends at once.
pub(crate) fn enlist(turn: &mut Turn, live: &LiveCampaign, run: u16, config: &Config) {
    let now = turn.now();
    let from = live.terms.pull_until.map_or(now, |until| until.max(now));
    let chance = live.campaign.first_turn(from, &turn.device.time_zone, lot(turn, live.seq));
    let not_before = chance.as_ref().ok().copied().flatten().unwrap_or(from);
    let job = JobRef { seq: live.seq, run };
    let route = route(config, live, turn.id(), &turn.device, now);
    let place = route.unwrap_or(PULL);
    turn.device.jobs.push(turn::enrolled(job, live.campaign.lane(), place, not_before));
    if route.is_none() {
        routing::end(turn, live.seq);
        return;
    }
    let never = match chance {
        Ok(Some(_)) => None,
        Ok(None) => Some(NO_WINDOW.to_owned()),
        Err(unknown) => Some(unknown.to_string()),
    };
    if let Some(why) = never {
        let detail = Detail { uri: None, status: None, phase: None, why: Some(why) };
        turn.end(live.seq, Outcome::NotApplicable, Some(detail));
    }
}
