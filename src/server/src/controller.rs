//! What moves campaigns on: their start, their end, and the end of the last job. Anybody may decide; who writes first wins.

use crate::{
    campaigns::{
        live::{LiveCampaign, strike, touch},
        progress,
        rows::{CampaignRow, EnrolmentRow},
    },
    engine::Engine,
    rows::DeviceId,
    store::{Cursor, Shard, StoreError, Table, change::MOST_CHANGES},
    turn::{self, Turn},
    update::{self, UpdateError},
};
use campaign::{
    control::{self, CampaignState, Facts},
    pace::Gcra,
    progress::Progress,
    time::Instant,
};
use std::{sync::Arc, time::Duration};

/// How often campaigns are judged.
const LOOK: Duration = Duration::from_millis(500);
/// Devices looked at in one step of a sweep.
const PAGE: usize = 1024;

/// Why a campaign could not be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JudgeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Update(#[from] UpdateError),
}

/// Judges campaigns until `engine.stop`.
pub(crate) async fn run(engine: Arc<Engine>) {
    while !engine.stop.is_cancelled() {
        let snapshot = engine.live.snapshot();
        for live in snapshot.all() {
            if !engine.looks_after(live.seq).await {
                continue;
            }
            if let Err(error) = judge(&engine, live).await {
                tracing::warn!(
                    seq = live.seq,
                    error = &error as &dyn std::error::Error,
                    "a campaign could not be judged"
                );
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = engine.stop.cancelled() => {}
        }
    }
}

pub(crate) async fn judge(engine: &Engine, live: &Arc<LiveCampaign>) -> Result<(), JudgeError> {
    if matches!(live.state, CampaignState::Ending { .. }) {
        sweep(engine, live).await?;
    }
    // Enrolment before the counters: a sum taken while devices still come could balance by chance.
    let enrolment =
        update::load::<EnrolmentRow>(engine.store(), live.id.shard(), &live.id.enrolment_key())
            .await?;
    let enrolment_complete =
        // A standing campaign waits for the next trigger.
        live.campaign.on().is_none()
            && enrolment
                .is_some_and(|(row, _)| row.complete(live.campaign.devices().file.is_some()));
    let progress = progress(engine, live.seq).await?;
    engine.metrics.campaigns.saw(live, &progress);
    let now = engine.store.now().await?;
    let facts = Facts {
        state: live.state.clone(),
        enrolment_complete,
        start: live.campaign.start(),
        expires: live.campaign.expires(),
    };
    let Some(next) = control::decide(&facts, &progress, now) else {
        return climb(engine, live, &progress, now).await;
    };
    let (_, moved) = update::update_beside::<CampaignRow>(
        engine.store(),
        live.id.shard(),
        &live.id.key(),
        None,
        |found| {
            // Judged by the state in memory: if the row has moved on, the next look decides.
            let (row, revision) = found.filter(|(row, _)| row.state == live.state)?;
            let event = row.moved(&live.id, revision, &next, now);
            Some((CampaignRow { state: next.clone(), changed: now, ..row.clone() }, event))
        },
    )
    .await?;
    if moved {
        tracing::info!(
            seq = live.seq,
            state = next.name(),
            enrolled = progress.enrolled,
            ended = progress.ended(),
            "a campaign moved on"
        );
    }
    if next.is_over() {
        strike(engine.store(), live.seq).await?;
    }
    touch(engine.store()).await?;
    engine.refresh().await?;
    engine.dispatch.notify_one();
    Ok(())
}

/// Lets a running campaign go faster, where it has a ramp and what was done so far holds.
async fn climb(
    engine: &Engine,
    live: &LiveCampaign,
    progress: &Progress,
    now: Instant,
) -> Result<(), JudgeError> {
    let Some(ramp) = live.campaign.ramp().filter(|_| live.may_notify(now)) else { return Ok(()) };
    let most = live.campaign.per_second().unwrap_or(Gcra::FASTEST);
    let next = match &live.climb {
        None => Some(ramp.begin(now)),
        Some(climb) => ramp.climb(climb, most, progress.proven(), progress.failed(), now),
    };
    let Some(next) = next else { return Ok(()) };
    let (_, moved) =
        update::update::<CampaignRow>(engine.store(), live.id.shard(), &live.id.key(), |row| {
            // Judged by what is in memory: if another controller was faster, the next look decides.
            row.filter(|row| row.state == live.state && row.climb == live.climb)
                .map(|row| CampaignRow { climb: Some(next), ..row.clone() })
        })
        .await?;
    if moved {
        tracing::info!(seq = live.seq, per_second = next.rate, "a campaign goes on at this pace");
        touch(engine.store()).await?;
        engine.refresh().await?;
    }
    Ok(())
}

/// Ends the jobs of a campaign that is ending, wherever their devices are.
async fn sweep(engine: &Engine, live: &LiveCampaign) -> Result<(), JudgeError> {
    let snapshot = engine.live.snapshot();
    for shard in Shard::all() {
        let mut cursor = None;
        loop {
            let page =
                engine.store.scan(shard, Table::Device, cursor.take().map(Cursor), PAGE).await?;
            let now = engine.store.now().await?;
            let mut changes = Vec::new();
            for (key, row) in page.rows {
                let Some(id) =
                    DeviceId::from_root(&key.id).filter(|id| id.authority == live.id.authority)
                else {
                    continue;
                };
                let Some(device) = turn::readable(&id, &row) else { continue };
                if device.job(live.seq).is_none() {
                    continue;
                }
                let mut turn = Turn::new(id, device, row.revision, now);
                turn.stop(&snapshot);
                if turn.moved() {
                    changes.push(turn.into_change());
                }
            }
            while !changes.is_empty() {
                let rest = changes.split_off(changes.len().min(MOST_CHANGES));
                // A conflict is a device that moves at this moment: the next sweep finds it.
                engine.store.commit(shard, std::mem::replace(&mut changes, rest)).await?;
            }
            match page.next {
                Some(next) => cursor = Some(next.0),
                None => break,
            }
        }
    }
    Ok(())
}
