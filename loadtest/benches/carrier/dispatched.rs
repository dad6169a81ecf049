//! The floor of dispatching: for each device the commit and the submission that the dispatcher makes, and nothing else. Nobody
//! claims, reads, builds a notification, or asks whether it may leave.

use crate::floor::{self, Bare};
use anyhow::ensure;
use futures_util::future::try_join_all;
use loadtest::{Mix, identity::Identity};
use rusmpp::pdus::SubmitSm;
use server::{
    Running,
    store::{Change, Key, NEVER, QueueName, Shard, Store, Table, Verdict},
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::JoinSet;

/// Connections, each with one batch on its way.
const LINKS: usize = 32;
/// Devices of a batch, and messages on a connection that wait for their answer: as many as a batch of the dispatcher has.
const BATCH: usize = 52;
/// What is counted is nobody's.
const SEQ: u64 = u64::MAX;
/// When the places are due: they are never asked for.
const DUE: u64 = 1;
/// How long a notice of a message is kept: its validity, and an hour.
const KEPT: Duration = Duration::from_hours(3);

/// Devices of one shard.
pub(crate) struct Batch {
    shard: Shard,
    jobs: Vec<Job>,
}

/// What is done for one of them.
struct Job {
    change: Change,
    notice: Option<(Shard, Change)>,
    message: SubmitSm,
}

/// All devices with their rows as the dispatcher left them, at places in queues such as it found them at, by batches.
pub(crate) async fn jobs(store: &dyn Store, receipts: bool) -> anyhow::Result<Vec<Batch>> {
    let (from, to) = (QueueName::from("floor:from"), QueueName::from("floor:to"));
    let user_data = floor::user_data(&floor::push()?)?;
    let mut batches = Vec::new();
    let mut count = 0_u64;
    for shard in Shard::all() {
        let (mut rows, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.scan(shard, Table::Device, cursor, BATCH).await?;
            rows.extend(page.rows);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        for rows in rows.chunks(BATCH) {
            let places = rows
                .iter()
                .map(|(key, _)| Change::new().queue_put(from.clone(), key.id.clone(), DUE));
            store.commit(shard, places.collect()).await?;
            let mut jobs = Vec::with_capacity(BATCH);
            for (key, row) in rows {
                let change = Change::new()
                    .if_is(key.clone(), row.revision)
                    .put(key.clone(), row.bytes.to_vec())
                    .queue_remove(from.clone(), key.id.clone())
                    .queue_put(to.clone(), key.id.clone(), NEVER)
                    .add(SEQ, "m.notified", 1);
                let notice = receipts.then(|| notice(count, key));
                let number = Identity::of(1, count, &Mix::healthy(), "reveille.local").msisdn;
                jobs.push(Job { change, notice, message: floor::message(&number, &user_data)? });
                count += 1;
            }
            batches.push(Batch { shard, jobs });
        }
    }
    Ok(batches)
}

/// Word of a message, as it is left for its receipt.
fn notice(count: u64, device: &Key) -> (Shard, Change) {
    let id = format!("smsc\0floor{count:08x}").into_bytes();
    let row = [device.id.as_slice(), &[0; 3]].concat();
    (Shard::of(&id), Change::new().put_for(Key::new(Table::Receipt, id), row, KEPT))
}

/// Does it: each batch is submitted together, then committed together.
pub(crate) async fn work(
    running: &Running,
    to: SocketAddr,
    batches: Vec<Batch>,
) -> anyhow::Result<()> {
    let batches = Arc::new(Mutex::new(batches));
    let mut links = JoinSet::new();
    for _ in 0..LINKS {
        let (engine, batches) = (Arc::clone(running.engine()), Arc::clone(&batches));
        let mut link = Bare::bind(to).await?;
        links.spawn(async move {
            loop {
                let next = batches.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some(Batch { shard, jobs }) = next else { return anyhow::Ok(()) };
                let (mut changes, mut messages) = (Vec::new(), Vec::new());
                let mut notices: BTreeMap<Shard, Vec<Change>> = BTreeMap::new();
                for Job { change, notice, message } in jobs {
                    changes.push(change);
                    messages.push(message);
                    if let Some((shard, change)) = notice {
                        notices.entry(shard).or_default().push(change);
                    }
                }
                link.submit(messages.into_iter(), BATCH).await?;
                let verdicts = engine.store().commit(shard, changes).await?;
                ensure!(verdicts.iter().all(|verdict| *verdict == Verdict::Done), "a conflict");
                let written = notices
                    .into_iter()
                    .map(|(shard, notices)| engine.store().commit(shard, notices));
                try_join_all(written).await?;
            }
        });
    }
    while let Some(link) = links.join_next().await {
        link??;
    }
    Ok(())
}
