//! Deadlines that pass, with a row that is in order, one that is not, and one whose campaign is gone.

use super::*;
use crate::workbench::{Workbench, id, shard, sums};
use campaign::{job::Job, time::Instant};
use session::JobRef;

const LONG_AGO: Instant = Instant(1_000_000);

/// Gives a device a job that was notified long ago.
async fn notified(bench: &Workbench, device: &str, seq: u64) {
    let (row, revision) = bench.device(&id(device)).await;
    let mut turn = Turn::new(id(device), row, revision, LONG_AGO);
    let lane = campaign::document::Lane::Mass;
    turn.device.jobs.push(turn::enrolled(JobRef { seq, run: 0 }, lane, "udp", LONG_AGO));
    bench.commit(&id(device), turn.into_change()).await;
    let (row, revision) = bench.device(&id(device)).await;
    let mut turn = Turn::new(id(device), row, revision, LONG_AGO);
    let terms = bench.live.snapshot().all().next().unwrap().terms;
    turn.step(seq, |job| job.on_notified(1, LONG_AGO, &terms));
    bench.commit(&id(device), turn.into_change()).await;
}

/// Names of two more devices that live where the first one does.
fn neighbours() -> [String; 2] {
    let home = shard(&id("IMEI:0"));
    let mut near = (1..).map(|n| format!("IMEI:{n}")).filter(|name| shard(&id(name)) == home);
    [near.next().unwrap(), near.next().unwrap()]
}

/// R15, R23: silence is noticed, counted once, and tried again.
#[tokio::test]
async fn a_notification_without_an_answer_is_tried_again() {
    let bench = Workbench::new().await;
    bench.register(&[r#"{"device":"IMEI:0","secret":"s"}"#]).await;
    let live = bench.launch("a", "").await;
    notified(&bench, "IMEI:0", live.seq).await;
    look(&bench, shard(&id("IMEI:0"))).await.unwrap();
    let (device, _) = bench.device(&id("IMEI:0")).await;
    assert!(matches!(device.jobs[0].job, Job::Waiting { .. }), "{device:?}");
    assert_eq!(
        bench.counters(live.seq).await,
        sums(&[("enrolled", 1), ("m.notified", 1), ("m.silent", 1)])
    );
}

/// Invariant 3: what cannot be decided holds up nothing else, and comes back.
#[tokio::test]
async fn a_row_that_nobody_can_decide_holds_up_nothing_else() {
    let bench = Workbench::new().await;
    let [orphan, damaged] = neighbours();
    for device in ["IMEI:0", &orphan, &damaged] {
        bench.register(&[&format!(r#"{{"device":"{device}","secret":"s"}}"#)]).await;
    }
    let live = bench.launch("a", "").await;
    notified(&bench, &orphan, live.seq + 50).await;
    notified(&bench, &damaged, live.seq).await;
    let broken = Change::new().put(id(&damaged).key(Table::Device), vec![9, 9, 9]);
    bench.commit(&id(&damaged), broken).await;
    notified(&bench, "IMEI:0", live.seq).await;
    let before = bench.device(&id(&orphan)).await;
    look(&bench, shard(&id("IMEI:0"))).await.unwrap();
    let (device, _) = bench.device(&id("IMEI:0")).await;
    assert!(matches!(device.jobs[0].job, Job::Waiting { .. }), "{device:?}");
    assert_eq!(bench.device(&id(&orphan)).await, before, "left as it is until its lease is over");
}
