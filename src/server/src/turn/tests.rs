//! What a turn writes: everything that hangs on a device's row, and nothing else.

use super::*;
use crate::{
    store::Verdict,
    workbench::{Workbench, id, sums},
};
use campaign::document::Lane;

const LINE: &str = r#"{"device":"IMEI:1","secret":"s"}"#;
const NOW: Instant = Instant(1_000_000);

fn terms() -> campaign::job::Terms {
    campaign::job::Terms {
        retry: campaign::retry::Retry {
            attempts: 2,
            base: Duration::from_mins(1),
            cap: Duration::from_hours(1),
        },
        answer_within: Duration::from_mins(10),
        pull: false,
        pull_until: None,
    }
}

/// What a change does to queues: the name, and the instant or none.
fn places_of(change: &Change) -> Vec<(String, Option<u64>)> {
    let place = |op: &QueueOp| match op {
        QueueOp::Put { queue, due, .. } => (queue.as_str().to_owned(), Some(*due)),
        QueueOp::Remove { queue, .. } => (queue.as_str().to_owned(), None),
    };
    change.queue.iter().map(place).collect()
}

fn fields_of(change: &Change) -> Vec<&str> {
    change.adds.iter().map(|add| add.field.as_str()).collect()
}

/// A device's row, as the last turn left it.
struct Walk {
    bench: Workbench,
    device: Device,
    revision: u64,
}

impl Walk {
    async fn new() -> Self {
        let bench = Workbench::new().await;
        bench.register(&[LINE]).await;
        let (device, revision) = bench.device(&id("IMEI:1")).await;
        Self { bench, device, revision }
    }

    fn turn(&self) -> Turn {
        Turn::new(id("IMEI:1"), self.device.clone(), self.revision, NOW)
    }

    /// Commits one turn and answers what it wrote.
    async fn step(&mut self, step: impl FnOnce(&mut Turn)) -> Change {
        let mut turn = self.turn();
        step(&mut turn);
        let change = turn.into_change();
        assert_eq!(self.bench.commit(&id("IMEI:1"), change.clone()).await, Verdict::Done);
        (self.device, self.revision) = self.bench.device(&id("IMEI:1")).await;
        change
    }
}

fn job(seq: u64, route: &str) -> ActiveJob {
    enrolled(JobRef { seq, run: 0 }, Lane::Mass, route, NOW)
}

#[tokio::test]
async fn a_turn_that_moves_nothing_writes_nothing() {
    let walk = Walk::new().await;
    let change = walk.turn().into_change();
    let key = id("IMEI:1").key(Table::Device);
    assert_eq!(change, Change::new().guard(Guard::Is(key, walk.revision)));
}

/// D3: one place for each waiting job, one for the earliest deadline; only what changes is written.
#[tokio::test]
async fn a_device_stands_where_its_jobs_want_it() {
    let mut walk = Walk::new().await;
    let (udp, deadline) = ("q:mass:7:0:udp".to_owned(), "t".to_owned());
    let answer_by = NOW.plus(terms().answer_within).0;

    let change = walk.step(|turn| turn.device.jobs.push(job(7, "udp"))).await;
    assert_eq!(places_of(&change), [(udp.clone(), Some(NOW.0))]);
    assert_eq!(fields_of(&change), [progress::ENROLLED]);

    let change = walk.step(|turn| turn.step(7, |job| job.on_notified(1, NOW, &terms()))).await;
    assert_eq!(places_of(&change), [(udp.clone(), None), (deadline.clone(), Some(answer_by))]);
    assert_eq!(fields_of(&change), [progress::NOTIFIED]);

    let change = walk.step(|turn| turn.device.jobs.push(job(8, PULL))).await;
    assert_eq!(places_of(&change), [("q:mass:8:0:pull".to_owned(), Some(NEVER))]);

    let later = Instant(answer_by);
    let change = walk.step(|turn| turn.step(7, |job| job.on_deadline(later, 0, &terms()))).await;
    let places = places_of(&change);
    assert_eq!(places[0], (deadline, None));
    assert!(places[1].0 == udp && places[1].1 > Some(answer_by), "{places:?}");
    assert_eq!(fields_of(&change), [progress::SILENT]);

    // What a claim hid must be placed anew, even where it stood.
    let due = places[1].1;
    let change = walk.step(|turn| turn.claimed(QueueName::new(udp.as_str()))).await;
    assert_eq!(places_of(&change), [(udp.clone(), due)]);
    let change = walk.step(|turn| turn.claimed(QueueName::new("q:mass:9:0:udp"))).await;
    assert_eq!(places_of(&change), [("q:mass:9:0:udp".to_owned(), None)], "an orphan is taken out");
}

/// Invariant 1: exactly one outcome, counted once.
#[tokio::test]
async fn an_ended_job_leaves_the_row_and_becomes_one_result() {
    let mut walk = Walk::new().await;
    walk.step(|turn| turn.device.jobs.push(job(7, "udp"))).await;
    let stale = walk.turn();
    let detail = Detail { uri: Some("./A".to_owned()), status: None, phase: None, why: None };
    let change = walk
        .step(|turn| {
            turn.end(7, Outcome::Failed, Some(detail.clone()));
            turn.end(7, Outcome::Applied, None);
        })
        .await;
    assert!(walk.device.jobs.is_empty());
    assert_eq!(places_of(&change), [("q:mass:7:0:udp".to_owned(), None)]);
    assert_eq!(change.events.len(), 1);
    let (result, _) =
        walk.bench.row::<ResultRow>(&id("IMEI:1"), id("IMEI:1").result_key(7, 0)).await.unwrap();
    assert_eq!((result.outcome, result.detail), (Outcome::Failed, Some(detail)));

    // Somebody who saw the device before ends the job as well: too late.
    let mut stale = stale;
    stale.end(7, Outcome::Cancelled, None);
    assert_eq!(walk.bench.commit(&id("IMEI:1"), stale.into_change()).await, Verdict::Conflict);
    assert_eq!(walk.bench.counters(7).await, sums(&[("enrolled", 1), ("o.failed", 1)]));
}

#[tokio::test]
async fn a_device_that_nobody_knows_gets_one_result() {
    let walk = Walk::new().await;
    let stranger = id("IMEI:404");
    let change = unknown_device(&stranger, 7, 0, NOW);
    assert_eq!(walk.bench.commit(&stranger, change.clone()).await, Verdict::Done);
    assert_eq!(walk.bench.commit(&stranger, change).await, Verdict::Conflict);
    let known = unknown_device(&id("IMEI:1"), 7, 0, NOW);
    assert_eq!(
        walk.bench.commit(&id("IMEI:1"), known).await,
        Verdict::Conflict,
        "it is registered"
    );
    assert_eq!(walk.bench.counters(7).await, sums(&[("enrolled", 1), ("o.unknown_device", 1)]));
}

#[tokio::test]
async fn a_device_is_overdue_while_a_deadline_has_passed() {
    let mut walk = Walk::new().await;
    walk.step(|turn| turn.device.jobs.push(job(7, "udp"))).await;
    assert!(!walk.turn().overdue(), "waiting has no deadline");
    walk.step(|turn| turn.step(7, |job| job.on_notified(1, NOW, &terms()))).await;
    assert!(!walk.turn().overdue());
    let late = NOW.plus(terms().answer_within);
    assert!(Turn::new(id("IMEI:1"), walk.device.clone(), walk.revision, late).overdue());
}

/// R24: the last sixteen sessions are remembered.
#[test]
fn the_history_of_a_device_is_a_ring() {
    let mut history = HistoryRow::default();
    for n in 0..40 {
        history.push(SessionRecord {
            id: n.to_string(),
            session_id: String::new(),
            started: NOW,
            ended: NOW,
            messages: 0,
            octets_in: 0,
            octets_out: 0,
            end: String::new(),
            jobs: Vec::new(),
        });
    }
    let ids: Vec<_> = history.sessions.iter().map(|record| record.id.clone()).collect();
    assert_eq!(ids.len(), HistoryRow::MOST);
    assert_eq!((ids[0].as_str(), ids[15].as_str()), ("24", "39"));
}
