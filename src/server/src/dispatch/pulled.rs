//! Jobs that waited for their devices to connect by themselves, and whose time for that is over.

use crate::{
    campaigns::live::LiveCampaign,
    config::Route,
    engine::Engine,
    rows::{DeviceId, PULL, PULL_UNTIL},
    store::{Change, Shard, StoreError, Table, change::MOST_CHANGES},
    turn::{self, Turn},
};

/// Gives the jobs of a campaign that waited for their devices to a route: their time is over.
pub(super) async fn switch(
    engine: &Engine,
    live: &LiveCampaign,
    shard: Shard,
) -> Result<(), StoreError> {
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
                    Change::new()
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
