//! Asks for this process's parts of the limits it has work for, and gives them back when it has none.
//!
//! Four reads and four writes a second for each limit that is in use, none for others. What is to be given back is used no
//! more before that is written; what is gained is used when it is known to be written.

use super::{
    Limit,
    bucket::Due,
    lease::{Holder, Lease, LimitRow},
};
use crate::{
    engine::Engine,
    rows::Stored,
    store::{Change, Key, Shard, StoreError, Table, Verdict},
};
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};

/// A lease is asked for again after this, as long as there is work.
const RENEW: Duration = Duration::from_millis(250);
/// Looks for leases that are due, while there are any.
const LOOK: Duration = Duration::from_millis(25);
/// How often a row is decided anew when others keep changing it.
const TRIES: usize = 16;
/// How long the row of a limit is kept that nobody asks for.
const KEEP: Duration = Duration::from_mins(1);

impl Stored for LimitRow {}

/// Leases until `engine.stop`, and gives everything back then.
pub(crate) async fn run(engine: Arc<Engine>) {
    let mut working = false;
    loop {
        tokio::select! {
            () = engine.permits.ring.notified() => {}
            () = tokio::time::sleep(LOOK), if working => {}
            () = engine.stop.cancelled() => break,
        }
        working = look(&engine, RENEW).await;
    }
    // Others need not wait until the leases end. What is still on its way out has its permits.
    let leased = engine.permits.state().leased();
    join_all(leased.iter().map(|limit| act(&engine, limit, Due::Leave))).await;
}

/// Asks for what is due; answers whether there is anything to look after.
async fn look(engine: &Engine, renew: Duration) -> bool {
    let Ok(now) = engine.store.now().await else { return true };
    // Who has other settings than the others must not work.
    if !engine.deployment.takes_part(now) {
        return true;
    }
    let due = engine.permits.state().due(now, renew);
    join_all(due.iter().map(|(limit, due)| act(engine, limit, *due))).await;
    !engine.permits.state().leased().is_empty()
}

async fn act(engine: &Engine, limit: &Limit, due: Due) {
    let acted = match due {
        Due::Lease { wish } => lease(engine, limit, wish).await,
        Due::Leave => leave(engine, limit).await,
        Due::Nothing => Ok(()),
    };
    if let Err(error) = acted {
        tracing::warn!(
            ?limit,
            error = &error as &dyn std::error::Error,
            "a part of a limit could not be leased; what is leased holds until its end"
        );
    }
}

async fn lease(engine: &Engine, limit: &Limit, wish: u32) -> Result<(), StoreError> {
    let permits = &engine.permits;
    let leased = change(engine, limit, |row, holder, now| {
        let all = permits.state().limit(limit)?;
        let lease = row.lease(holder, wish, all, now);
        permits.state().shrink(limit, lease.rate, now);
        if let Limit::Route(route) = limit
            && let Some(channel) = engine.routes.get(route)
        {
            row.slow(channel.learnt());
            channel.learn(row.slowed);
        }
        Some(lease)
    })
    .await?;
    if let Some(lease) = leased {
        let now = engine.store.now().await?;
        permits.state().leased_now(limit, lease, now);
    }
    Ok(())
}

async fn leave(engine: &Engine, limit: &Limit) -> Result<(), StoreError> {
    let now = engine.store.now().await?;
    engine.permits.state().shrink(limit, 0, now);
    change(engine, limit, |row, holder, now| {
        row.leave(holder, now);
        Some(())
    })
    .await
    .map(drop)
}

/// Changes the row of a limit. `None`: nothing is to be changed, or others kept changing it.
async fn change<T>(
    engine: &Engine,
    limit: &Limit,
    decide: impl Fn(&mut LimitRow, Holder, campaign::time::Instant) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let key = Key::new(Table::Control, name(limit));
    let shard = Shard::of(&key.id);
    for _ in 0..TRIES {
        let rows = engine.store.read(shard, std::slice::from_ref(&key)).await?;
        let now = engine.store.now().await?;
        let found = rows.into_iter().next().flatten();
        let mut row = match found.as_ref().map(|row| LimitRow::from_octets(&row.bytes)) {
            None => LimitRow::default(),
            Some(Ok(row)) => row,
            Some(Err(error)) => {
                // Another version's leases hold, whatever they are; the row goes when nobody renews it.
                tracing::warn!(
                    ?limit,
                    error = &error as &dyn std::error::Error,
                    "a limit cannot be read"
                );
                return Ok(None);
            }
        };
        let Some(decided) = decide(&mut row, engine.permits.holder, now) else { return Ok(None) };
        let change = match found {
            Some(found) => Change::new().if_is(key.clone(), found.revision),
            None => Change::new().if_absent(key.clone()),
        };
        // A server that is lost must not take leases along that others then give again.
        let change = change.put_for(key.clone(), row.to_octets(), KEEP).on_replicas();
        if engine.store.commit(shard, vec![change]).await?.first() == Some(&Verdict::Done) {
            return Ok(Some(decided));
        }
        tokio::time::sleep(Duration::from_micros(rand::random_range(0..2_000))).await;
    }
    Ok(None)
}

/// What the row of a limit is called.
fn name(limit: &Limit) -> String {
    match limit {
        Limit::Route(route) => format!("limit\0route\0{route}"),
        Limit::Care(route) => format!("limit\0care\0{route}"),
        Limit::Urgent(route) => format!("limit\0urgent\0{route}"),
        Limit::Authority(authority) => format!("limit\0authority\0{authority}"),
        Limit::Pace(seq) => format!("limit\0pace\0{seq}"),
    }
}

impl super::State {
    fn due(&mut self, now: campaign::time::Instant, pause: Duration) -> Vec<(Limit, Due)> {
        let due =
            self.buckets.iter_mut().map(|(limit, bucket)| (limit.clone(), bucket.due(now, pause)));
        due.filter(|(_, due)| *due != Due::Nothing).collect()
    }

    /// The limits that this process stands in the rows of.
    fn leased(&self) -> Vec<Limit> {
        let leased = self.buckets.iter().filter(|(_, bucket)| bucket.is_asked_for());
        leased.map(|(limit, _)| limit.clone()).collect()
    }

    fn limit(&self, limit: &Limit) -> Option<u32> {
        self.buckets.get(limit).map(|bucket| bucket.limit)
    }

    fn shrink(&mut self, limit: &Limit, to: u32, now: campaign::time::Instant) {
        if let Some(bucket) = self.buckets.get_mut(limit) {
            bucket.shrink(to, now);
        }
    }

    fn leased_now(&mut self, limit: &Limit, lease: Lease, now: campaign::time::Instant) {
        if let Some(bucket) = self.buckets.get_mut(limit) {
            bucket.leased(lease, now);
        }
    }
}
