//! Where events go: how far each sink has come in the log of each shard, and whether so many wait that no more work may
//! be taken (D8).
//!
//! A cursor row for each sink and shard says through which event all were delivered; whoever drains the shard holds the
//! row under a lease. A row is written only after everything up to it was confirmed, so an event may be told twice and is
//! never lost.

use crate::{
    config::Broker,
    engine::Engine,
    rows::Stored,
    store::{Change, EventId, Guard, Key, SHARDS, Shard, Store, StoreError, Table, Verdict},
    update::{self, UpdateError},
};
use campaign::time::Instant;
use serde::{Deserialize, Serialize};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The sink that is the broker.
pub(crate) const AMQP: &str = "amqp";
/// How long a shard belongs to a drainer that says nothing more.
const LEASE: Duration = Duration::from_secs(10);
/// How often the length of the logs is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Shards looked at each time: all of them within eight seconds.
const LOOKED_AT: usize = 32;

/// How far a sink has come in a shard, and who is at it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CursorRow {
    /// Everything up to and with this event was delivered.
    pub through: u64,
    holder: [u8; 16],
    until: Instant,
}

impl Stored for CursorRow {}

fn key(sink: &str) -> Key {
    Key::new(Table::Control, format!("sink\0{sink}"))
}

/// Through which event the sink has delivered.
pub(crate) async fn through(
    store: &dyn Store,
    shard: Shard,
    sink: &str,
) -> Result<EventId, UpdateError> {
    let row = update::load::<CursorRow>(store, shard, &key(sink)).await?;
    Ok(EventId(row.map_or(0, |(row, _)| row.through)))
}

/// A shard that is ours for a while.
#[derive(Debug)]
pub(crate) struct Held {
    pub through: EventId,
    revision: u64,
}

/// Takes or keeps the shard for `me`; `None` while it belongs to somebody else.
pub(crate) async fn hold(
    store: &dyn Store,
    shard: Shard,
    sink: &str,
    me: [u8; 16],
) -> Result<Option<Held>, UpdateError> {
    let key = key(sink);
    let now = store.now().await?;
    let found = update::load::<CursorRow>(store, shard, &key).await?;
    if let Some((row, revision)) = &found {
        if row.holder != me && row.until > now {
            return Ok(None);
        }
        if row.holder == me && row.until > now.plus(LEASE / 2) {
            return Ok(Some(Held { through: EventId(row.through), revision: *revision }));
        }
    }
    let guard = match &found {
        Some((_, revision)) => Guard::Is(key.clone(), *revision),
        None => Guard::Absent(key.clone()),
    };
    let row = CursorRow {
        holder: me,
        until: now.plus(LEASE),
        ..found.map(|(row, _)| row).unwrap_or_default()
    };
    let change = Change::new().guard(guard).put(key.clone(), row.to_octets());
    if store.commit(shard, vec![change]).await?.first() != Some(&Verdict::Done) {
        return Ok(None);
    }
    let taken = update::load::<CursorRow>(store, shard, &key).await?;
    let ours = taken.filter(|(row, _)| row.holder == me);
    Ok(ours.map(|(row, revision)| Held { through: EventId(row.through), revision }))
}

/// Everything up to `through` was delivered. False: the shard went to somebody else meanwhile, who delivers it again.
pub(crate) async fn delivered(
    store: &dyn Store,
    shard: Shard,
    sink: &str,
    me: [u8; 16],
    held: &Held,
    through: EventId,
) -> Result<bool, StoreError> {
    let key = key(sink);
    let until = store.now().await?.plus(LEASE);
    let row = CursorRow { through: through.0, holder: me, until };
    let change = Change::new().if_is(key.clone(), held.revision).put(key, row.to_octets());
    Ok(store.commit(shard, vec![change]).await?.first() == Some(&Verdict::Done))
}

/// Gives a shard back, so that others need not wait for the end of the lease.
pub(crate) async fn release(
    store: &dyn Store,
    shard: Shard,
    sink: &str,
    me: [u8; 16],
) -> Result<(), UpdateError> {
    update::update::<CursorRow>(store, shard, &key(sink), |row| {
        let row = row.filter(|row| row.holder == me)?;
        Some(CursorRow { until: Instant(0), ..row.clone() })
    })
    .await
    .map(drop)
}

/// Whether so many events wait that no more devices may be enrolled.
#[derive(Debug, Default)]
pub(crate) struct Backlog(AtomicBool);

impl Backlog {
    pub(crate) fn full(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, full: bool) {
        if self.0.swap(full, Ordering::Relaxed) != full {
            if full {
                tracing::warn!("too many events wait for the broker; no more devices are enrolled");
            } else {
                tracing::info!("events have left; devices are enrolled again");
            }
        }
    }
}

/// Looks at the length of the logs until `engine.stop`.
pub(crate) async fn watch_backlog(engine: Arc<Engine>) {
    let Broker::RabbitMq(broker) = &engine.config.broker else { return };
    let mut watch = Watch::new(broker.most_waiting);
    loop {
        watch.look(&engine).await;
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = engine.stop.cancelled() => return,
        }
    }
}

/// Whoever looks at the length of the logs, some shards at a time.
///
/// Devices are spread evenly over the shards, so each may hold its part of the whole. A shard with more is enough to stop,
/// and all of them must be well below it to go on.
#[derive(Debug)]
struct Watch {
    /// Events that a shard may hold.
    most: usize,
    next: usize,
    /// Shards in a row that were well below it.
    calm: usize,
}

impl Watch {
    fn new(most_waiting: u64) -> Self {
        let most = usize::try_from(most_waiting / u64::from(SHARDS)).unwrap_or(usize::MAX);
        Self { most, next: 0, calm: 0 }
    }

    async fn look(&mut self, engine: &Engine) {
        let mut longest = 0;
        for shard in Shard::all().cycle().skip(self.next).take(LOOKED_AT) {
            match waiting(engine, shard, self.most.saturating_add(1)).await {
                Ok(waiting) => longest = longest.max(waiting),
                Err(error) => tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the length of a log is not known"
                ),
            }
        }
        self.next = (self.next + LOOKED_AT) % usize::from(SHARDS);
        self.calm = if longest * 4 <= self.most * 3 { self.calm + LOOKED_AT } else { 0 };
        if longest > self.most {
            engine.backlog.set(true);
        } else if self.calm >= usize::from(SHARDS) {
            engine.backlog.set(false);
        }
    }
}

/// Events of the shard that the broker has not got, counted up to `most`.
async fn waiting(engine: &Engine, shard: Shard, most: usize) -> Result<usize, UpdateError> {
    /// Events counted in one call.
    const PAGE: usize = 1024;
    let mut after = through(engine.store(), shard, AMQP).await?;
    let mut waiting = 0;
    while waiting < most {
        let page = engine.store.events(shard, after, PAGE.min(most - waiting)).await?;
        let Some((last, _)) = page.last() else { break };
        (after, waiting) = (*last, waiting + page.len());
    }
    Ok(waiting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workbench::Workbench;

    const US: [u8; 16] = [1; 16];
    const THEM: [u8; 16] = [2; 16];

    #[tokio::test]
    async fn a_shard_belongs_to_one_drainer_until_it_is_given_back() {
        let bench = Workbench::new().await;
        let (store, shard) = (bench.store(), Shard::from(7));
        let held = hold(store, shard, AMQP, US).await.unwrap().unwrap();
        assert!(hold(store, shard, AMQP, THEM).await.unwrap().is_none(), "it is ours");
        assert!(delivered(store, shard, AMQP, US, &held, EventId(5)).await.unwrap());
        assert!(
            !delivered(store, shard, AMQP, US, &held, EventId(9)).await.unwrap(),
            "what we hold is what we read"
        );
        release(store, shard, AMQP, THEM).await.unwrap();
        assert!(hold(store, shard, AMQP, THEM).await.unwrap().is_none(), "not theirs to give");
        release(store, shard, AMQP, US).await.unwrap();
        let theirs = hold(store, shard, AMQP, THEM).await.unwrap().unwrap();
        assert_eq!(theirs.through, EventId(5), "they go on where we were");
    }

    /// D8: the broker away costs log length, which is bounded and then slows intake.
    #[tokio::test]
    async fn too_many_waiting_events_hold_enrolment_back_until_they_have_left() {
        let bench = Workbench::new().await;
        bench.register(&[r#"{"device":"IMEI:1","secret":"s"}"#]).await;
        bench.launch("a", "devices: {file: chunks}").await;
        let names = vec!["IMEI:1".to_owned()];
        let enrol = async || {
            crate::campaigns::enroll_part(&bench, "operator", "a", 0, None, names.clone()).await
        };
        let (store, shard) = (bench.store(), Shard::from(255));
        let change = (0..5).fold(Change::new(), |change, _| change.event([1]));
        store.commit(shard, vec![change]).await.unwrap();

        let mut watch = Watch::new(4 * u64::from(SHARDS));
        let rounds = usize::from(SHARDS) / LOOKED_AT;
        for _ in 0..rounds {
            watch.look(&bench).await;
        }
        assert!(matches!(enrol().await, Err(crate::campaigns::Error::Behind)));
        let last = store.events(shard, EventId::default(), 8).await.unwrap().pop().unwrap().0;
        let held = hold(store, shard, AMQP, US).await.unwrap().unwrap();
        assert!(delivered(store, shard, AMQP, US, &held, last).await.unwrap());
        for _ in 1..rounds {
            watch.look(&bench).await;
            assert!(bench.backlog.full(), "not all shards were seen well below");
        }
        watch.look(&bench).await;
        assert_eq!(enrol().await.unwrap().enrolled, 1);
    }

    #[tokio::test]
    async fn only_what_was_not_delivered_is_counted_and_never_more_than_asked() {
        let bench = Workbench::new().await;
        let (store, shard) = (bench.store(), Shard::from(9));
        let mut change = Change::new();
        for _ in 0..20 {
            change = change.event([1]);
        }
        store.commit(shard, vec![change]).await.unwrap();
        assert_eq!(waiting(&bench, shard, 100).await.unwrap(), 20);
        assert_eq!(waiting(&bench, shard, 8).await.unwrap(), 8);
        let events = store.events(shard, EventId::default(), 5).await.unwrap();
        let held = hold(store, shard, AMQP, US).await.unwrap().unwrap();
        delivered(store, shard, AMQP, US, &held, events[4].0).await.unwrap();
        assert_eq!(waiting(&bench, shard, 100).await.unwrap(), 15);
    }
}
