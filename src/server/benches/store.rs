//! Commits a second of the embedded store, beside the floor: fjall alone, one batch and one sync at a time.
//!
//! A small commit writes a row of 300 octets; a commit of a message reads and guards two rows and writes a device's row, its session and its answer, moves its deadline and counts. One sync serves a whole
//! group, so the figure to compare with is the floor of batches as large as there are callers.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use mimalloc::MiMalloc;
use server::store::embedded::{Embedded, EmbeddedConfig};
use server::store::{Change, Key, Shard, Store, Table, Verdict};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// As in the program.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Devices, shared out among the callers.
const DEVICES: usize = 1 << 15;
/// Messages of a session: the commits for a device before the next has its turn.
const MESSAGES: usize = 4;
/// Commits in one measured round, whatever the number of callers.
const ROUND: usize = 2048;
const CALLERS: [usize; 3] = [1, 64, 512];
const ROW: [u8; 300] = [7; 300];
/// With its last answer in it.
const SESSION: [u8; 2400] = [7; 2400];

/// One caller with devices of its own, who always knows the revisions.
struct Caller {
    store: Arc<Embedded>,
    devices: Vec<(Shard, Key)>,
    commits: usize,
    deadline: u64,
}

impl Caller {
    fn new(store: &Arc<Embedded>, number: usize, callers: usize) -> Self {
        let device = |device: usize| {
            let id = format!("acme IMEI:{device:015}");
            (Shard::of(id.as_bytes()), Key::new(Table::Device, id))
        };
        let devices = (number..DEVICES).step_by(callers).map(device).collect();
        Self { store: Arc::clone(store), devices, commits: 0, deadline: 1 << 50 }
    }

    fn device(&mut self) -> (Shard, Key) {
        self.deadline += 1;
        self.commits += 1;
        let next = self.commits / MESSAGES % self.devices.len();
        self.devices.get(next).expect("it is always within").clone()
    }

    async fn small(&mut self) {
        let (shard, key) = self.device();
        self.commit(shard, Change::new().put(key, ROW)).await;
    }

    /// What an HTTP worker does for one message of a device.
    async fn message(&mut self) {
        let (shard, key) = self.device();
        let session = Key::new(Table::Session, key.id.clone());
        let rows =
            self.store.read(shard, &[key.clone(), session.clone()]).await.expect("the store reads");
        let half_an_hour = Duration::from_mins(30);
        let guarded =
            rows.iter().zip([&key, &session]).fold(Change::new(), |change, (row, key)| match row {
                Some(row) => change.if_is(key.clone(), row.revision),
                None => change.if_absent(key.clone()),
            });
        let change = guarded
            .queue_put("t".into(), key.id.clone(), self.deadline)
            .put(key, ROW)
            .put_for(session, SESSION, half_an_hour)
            .add(42, "connected", 1);
        self.commit(shard, change).await;
    }

    async fn commit(&self, shard: Shard, change: Change) {
        let verdicts = self.store.commit(shard, vec![change]).await.expect("the store writes");
        assert_eq!(black_box(verdicts), [Verdict::Done]);
    }
}

fn commits(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let directory = tempfile::tempdir().expect("a directory can be made");
    let store =
        Arc::new(Embedded::open(&EmbeddedConfig::new(directory.path())).expect("the store opens"));
    let mut group = criterion.benchmark_group("embedded");
    group.throughput(Throughput::Elements(ROUND as u64)).sample_size(10);
    for (name, is_message) in [("small", false), ("message", true)] {
        for callers in CALLERS {
            let mut all: Vec<_> =
                (0..callers).map(|number| Caller::new(&store, number, callers)).collect();
            group.bench_function(format!("{name} commits, {callers} callers"), |bench| {
                bench.iter(|| all = runtime.block_on(round(std::mem::take(&mut all), is_message)));
            });
        }
    }
    group.finish();
}

/// Lets all callers make their share of commits at the same time.
async fn round(callers: Vec<Caller>, is_message: bool) -> Vec<Caller> {
    let share = ROUND / callers.len();
    let mut running = JoinSet::new();
    for mut caller in callers {
        running.spawn(async move {
            for _ in 0..share {
                if is_message {
                    caller.message().await;
                } else {
                    caller.small().await;
                }
            }
            caller
        });
    }
    running.join_all().await
}

/// The same rows written by fjall alone, so many in a batch and a sync for each batch.
fn floor(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let database = Database::builder(directory.path()).open().expect("fjall opens");
    let rows = database.keyspace("rows", KeyspaceCreateOptions::default).expect("a keyspace opens");
    let mut group = criterion.benchmark_group("floor");
    group.throughput(Throughput::Elements(ROUND as u64)).sample_size(10);
    for at_once in CALLERS {
        let mut number = 0;
        group.bench_function(format!("rows alone, {at_once} in a batch"), |bench| {
            bench.iter(|| {
                for _ in 0..ROUND / at_once {
                    let mut batch = database.batch().durability(Some(PersistMode::SyncData));
                    for _ in 0..at_once {
                        number = (number + 1) % DEVICES;
                        batch.insert(&rows, format!("acme IMEI:{number:015}"), ROW.as_slice());
                    }
                    batch.commit().expect("fjall writes");
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, floor, commits);
criterion_main!(benches);
