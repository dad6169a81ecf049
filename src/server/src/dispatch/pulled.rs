//! Jobs that waited for their devices to connect by themselves, and whose time for that is over.

use crate::{
    campaigns::live::LiveCampaign,
    engine::Engine,
    routing,
    rows::{DeviceId, PULL_UNTIL},
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
            if turn.device.job(live.seq).is_some_and(|active| active.route == PULL_UNTIL) {
                match routing::choose(&engine.config, turn.id(), &turn.device).map(str::to_owned) {
                    Some(route) => routing::move_to(&mut turn, live.seq, &route),
                    None => routing::end(&mut turn, live.seq),
                }
            }
            changes.push(turn.into_change());
        }
        // A device that moved at this moment comes back after its lease.
        engine.store.commit(shard, changes).await?;
    }
}
