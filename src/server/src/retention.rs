//! Forgetting what was kept long enough: the results of campaigns that ended, and the campaigns' documents with them.
//!
//! What stays of a campaign is a tombstone: its id is taken for good, so that a late chunk or a repeated submit cannot
//! start it again (D2).

use crate::{
    campaigns::rows::{CampaignId, CampaignRow},
    engine::Engine,
    rows::{RowError, Sealed, Stored, read_result_key, read_runs_key},
    store::{Change, Cursor, Shard, StoreError, Table, change::MOST_CHANGES},
    update::{self, UpdateError},
};
use campaign::time::Instant;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// How often ended campaigns are looked at.
const LOOK: Duration = Duration::from_hours(1);
/// Rows looked at in one step.
const PAGE: usize = 1024;

/// Why nothing could be forgotten.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForgetError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Update(#[from] UpdateError),
    #[error(transparent)]
    Row(#[from] RowError),
}

/// Forgets until `engine.stop`.
pub(crate) async fn run(engine: Arc<Engine>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = engine.stop.cancelled() => return,
        }
        if !engine.looks_after(0).await {
            continue;
        }
        let forgotten = match engine.store.now().await {
            Ok(now) => forget(&engine, now).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = forgotten {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "old results could not be forgotten"
            );
        }
    }
}

/// Forgets the results of every campaign that ended longer than its `keep_results` before `now`.
async fn forget(engine: &Engine, now: Instant) -> Result<(), ForgetError> {
    let mut over = BTreeSet::new();
    let mut ids = Vec::new();
    for shard in Shard::all() {
        let mut cursor = None;
        loop {
            let page =
                engine.store.scan(shard, Table::Campaign, cursor.take().map(Cursor), PAGE).await?;
            for (key, row) in page.rows {
                let Some(id) = CampaignId::from_root(&key.id) else { continue };
                let row = CampaignRow::from_octets(&row.bytes)?;
                // A document that this version cannot read keeps its results until one that can.
                let Ok(campaign) = row.campaign(&engine.vault, &id) else { continue };
                if row.state.is_over() && now.since(row.changed) > campaign.keep_results() {
                    over.insert(row.seq);
                    ids.push(id);
                }
            }
            match page.next {
                Some(next) => cursor = Some(next.0),
                None => break,
            }
        }
    }
    if over.is_empty() {
        return Ok(());
    }
    for shard in Shard::all() {
        let of = |id: &[u8]| read_result_key(id).map(|(seq, ..)| seq);
        forget_rows(engine, shard, Table::Result, of, &over).await?;
        forget_rows(engine, shard, Table::Lookup, read_runs_key, &over).await?;
    }
    for id in ids {
        update::update::<CampaignRow>(engine.store(), id.shard(), &id.key(), |row| {
            row.map(|row| CampaignRow { document: Sealed(Vec::new()), ..row.clone() })
        })
        .await?;
    }
    tracing::info!(campaigns = over.len(), "old results were forgotten");
    Ok(())
}

/// Deletes the rows of a table that belong to these campaigns; `seq` reads the campaign from a key.
async fn forget_rows(
    engine: &Engine,
    shard: Shard,
    table: Table,
    seq: impl Fn(&[u8]) -> Option<u64>,
    over: &BTreeSet<u64>,
) -> Result<(), StoreError> {
    let mut cursor = None;
    loop {
        let page = engine.store.scan(shard, table, cursor.take().map(Cursor), PAGE).await?;
        let mut old: Vec<_> = page
            .rows
            .into_iter()
            .filter(|(key, _)| seq(&key.id).is_some_and(|seq| over.contains(&seq)))
            .map(|(key, _)| Change::new().delete(key))
            .collect();
        while !old.is_empty() {
            let rest = old.split_off(old.len().min(MOST_CHANGES));
            engine.store.commit(shard, std::mem::replace(&mut old, rest)).await?;
        }
        match page.next {
            Some(next) => cursor = Some(next.0),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        campaigns::{Asked, Control, control, results, submit},
        controller, enroll,
        workbench::{Workbench, document},
    };

    const DAY: Duration = Duration::from_hours(24);

    async fn results_of(bench: &Workbench) -> usize {
        results(bench, "operator", "old", None, 10).await.unwrap().results.len()
    }

    #[tokio::test]
    async fn results_go_when_they_were_kept_long_enough_and_the_id_stays_taken() {
        let bench = Workbench::new().await;
        let live = bench.launch("old", "keep_results: 7d\n").await;
        // A device that nobody registered is a result at once.
        enroll::enrol_names(&bench, &live, &["IMEI:1".to_owned()]).await.unwrap();
        let now = bench.store.now().await.unwrap();
        end(&bench).await;

        forget(&bench, now.plus(6 * DAY)).await.unwrap();
        assert_eq!(results_of(&bench).await, 1, "kept for seven days");
        forget(&bench, now.plus(8 * DAY)).await.unwrap();
        assert_eq!(results_of(&bench).await, 0);
        let again = submit(&bench, &document("old", "keep_results: 7d\n"), false).await;
        assert!(again.is_err(), "the id is taken for good");
    }

    async fn end(bench: &Workbench) {
        control(bench, "operator", "old", Control::Abort, Asked::at_the_door("over"))
            .await
            .unwrap();
        while let Some(live) = bench.live.snapshot().all().next().cloned() {
            controller::judge(bench, &live).await.unwrap();
        }
    }
}
