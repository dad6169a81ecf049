//! Deadlines of single devices: a notification that nobody answered, a session that went silent (R23).

#[cfg(test)]
mod tests;

use crate::{
    care,
    engine::Engine,
    rows::DeviceId,
    store::{Change, Shard, StoreError, Table, Verdict, change::MOST_CHANGES},
    turn::{self, Turn},
};
use std::{sync::Arc, time::Duration};

/// When a care job is looked at again whose time was over while its device was at work.
const AGAIN: Duration = Duration::from_secs(30);
/// How often the shards are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Watches deadlines until `engine.stop`. They pass whether a campaign is paused or not.
pub(crate) async fn run(engine: Arc<Engine>) {
    while !engine.stop.is_cancelled() {
        for shard in Shard::all() {
            if !engine.looks_after(shard.number().into()).await {
                continue;
            }
            if let Err(error) = look(&engine, shard).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "deadlines could not be looked at"
                );
                break;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = engine.stop.cancelled() => {}
        }
    }
}

async fn look(engine: &Engine, shard: Shard) -> Result<(), StoreError> {
    loop {
        let claimed = engine
            .store
            .claim(
                shard,
                &[turn::deadlines(), care::ends()],
                MOST_CHANGES,
                engine.config.dispatch.lease,
            )
            .await?;
        if claimed.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = claimed
            .iter()
            .filter_map(|claimed| Some((DeviceId::from_root(&claimed.member)?, &claimed.queue)))
            .collect();
        let keys: Vec<_> = ids.iter().map(|(id, _)| id.key(Table::Device)).collect();
        let rows = engine.store.read(shard, &keys).await?;
        let now = engine.store.now().await?;
        let live = engine.live.snapshot();
        let mut changes = Vec::with_capacity(ids.len());
        let mut lost = Vec::with_capacity(ids.len());
        let mut of_care = false;
        for ((id, queue), row) in ids.into_iter().zip(rows) {
            let Some(row) = row else {
                lost.push(None);
                changes.push(
                    Change::new()
                        .if_absent(id.key(Table::Device))
                        .queue_remove(queue.clone(), id.root()),
                );
                continue;
            };
            // It comes back after its lease.
            let Some(device) = turn::readable(&id, &row) else { continue };
            let mut turn = Turn::new(id, device, row.revision, now);
            of_care |= turn.device.job(care::SEQ).is_some();
            turn.stop(&live);
            if *queue == care::ends() {
                care::give_up(&mut turn);
                // What was written goes on to its proof; if that takes long, it is looked at again.
                let again = turn.now().plus(AGAIN).0;
                let member = turn.id().root();
                let goes_on = turn.device.job(care::SEQ).is_some_and(|active| !active.job.ended());
                turn.beside(|change| {
                    if goes_on {
                        change.queue_put(care::ends(), member, again)
                    } else {
                        change.queue_remove(care::ends(), member)
                    }
                });
            } else {
                turn.claimed(turn::deadlines());
            }
            let was_in_session = turn.in_session();
            turn.pass_deadlines(&live);
            if !turn.moved() && turn.overdue() {
                // Its campaign is not to be had at the moment. Put back now it would be claimed again at once, for ever.
                continue;
            }
            let over = was_in_session && !turn.in_session();
            lost.push(turn.device.encoding.filter(|_| over));
            changes.push(turn.into_change());
        }
        let verdicts = engine.store.commit(shard, changes).await?;
        if of_care {
            engine.care.news.tell(shard);
        }
        for (encoding, verdict) in lost.iter().zip(&verdicts) {
            if let (Some(encoding), Verdict::Done) = (encoding, verdict) {
                engine.metrics.session_lost(*encoding);
            }
        }
        if verdicts.contains(&Verdict::Conflict) {
            tracing::debug!(
                "a device moved as its deadline passed; it is looked at again after its lease"
            );
        }
    }
}
