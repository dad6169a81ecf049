//! Receipts: to the right attempt, whichever of the two comes first, wherever, and nothing else moved.

use super::{
    incoming::{self, Incoming},
    notices::keep,
    *,
};
use crate::{
    campaigns::live::LiveCampaign,
    enroll,
    notify::Receipt,
    store::unsteady::Unsteady,
    workbench::{Workbench, id},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};

/// A campaign that runs.
async fn running(bench: &Workbench) -> Arc<LiveCampaign> {
    bench.launch("a", "").await;
    for _ in 0..2 {
        crate::controller::judge(bench, &bench.live_campaign("a")).await.unwrap();
    }
    bench.live_campaign("a")
}

/// A device that was notified once, and its campaign.
async fn notified(bench: &Workbench) -> Arc<LiveCampaign> {
    bench.register(&[r#"{"device":"IMEI:1","secret":"s","msisdn":"447700900123"}"#]).await;
    let live = running(bench).await;
    enroll::enrol_names(bench, &live, &["IMEI:1".to_owned()]).await.unwrap();
    notify(bench, &live, &id("IMEI:1")).await;
    live
}

/// Notifies a device, the first time or once more.
async fn notify(bench: &Workbench, live: &LiveCampaign, id: &DeviceId) {
    let now = bench.store.now().await.unwrap();
    let (device, revision) = bench.device(id).await;
    let mut turn = Turn::new(id.clone(), device, revision, now);
    turn.step(live.seq, |job| job.on_notified(1, now, &live.terms));
    assert_eq!(bench.commit(id, turn.into_change()).await, Verdict::Done);
}

fn expected(live: &LiveCampaign, attempt: u8) -> Expected {
    Expected {
        route: "smsc".into(),
        message_id: "1f".into(),
        device: id("IMEI:1"),
        seq: live.seq,
        attempt,
        validity: Duration::from_mins(10),
    }
}

fn receipt(fate: Fate) -> Receipt {
    Receipt { message_id: "1f".into(), fate }
}

async fn job(bench: &Workbench, live: &LiveCampaign) -> Job {
    bench.device(&id("IMEI:1")).await.0.job(live.seq).unwrap().job
}

async fn waits(bench: &Workbench, live: &LiveCampaign) -> bool {
    matches!(job(bench, live).await, Job::Waiting { .. })
}

/// The receipts of a route at a process.
struct Desk<'b>(&'b Workbench, Incoming);

impl<'b> Desk<'b> {
    fn at(bench: &'b Workbench) -> Self {
        Self(bench, Incoming::new("smsc".to_owned()))
    }

    async fn takes(&mut self, fate: Fate) {
        self.takes_in(receipt(fate)).await;
    }

    async fn takes_in(&mut self, receipt: Receipt) {
        let Self(bench, incoming) = self;
        incoming.look(bench, std::iter::once(receipt), Instant::now()).await;
    }

    /// Looks again at the next moment at which there is a reason to.
    async fn looks(&mut self) {
        let Self(bench, incoming) = self;
        if let Some(due) = incoming.due() {
            incoming.look(bench, std::iter::empty(), due).await;
        }
    }

    fn is_done(&self) -> bool {
        self.1.due().is_none()
    }
}

/// R23: a notification that the SMSC gave up is sent again before its time is over.
#[tokio::test]
async fn a_lost_notification_makes_its_job_wait_for_the_next_attempt() {
    let bench = Workbench::new().await;
    let live = notified(&bench).await;
    assert!(keep(&bench, vec![expected(&live, 1)]).await.is_empty());
    let mut desk = Desk::at(&bench);
    desk.takes(Fate::Held).await;
    desk.takes(Fate::Delivered).await;
    assert!(!waits(&bench, &live).await, "delivered: the device may still come");
    desk.takes(Fate::Lost).await;
    let Job::Waiting { not_before, so_far } = job(&bench, &live).await else { panic!() };
    assert_eq!(
        (so_far.attempts, so_far.silent),
        (1, false),
        "nobody knows whether the device is silent"
    );
    assert!(not_before > bench.store.now().await.unwrap(), "after the usual pause");
    // Told again, it is nothing new.
    desk.takes(Fate::Lost).await;
    assert!(waits(&bench, &live).await && desk.is_done());
}

#[tokio::test]
async fn the_receipt_of_an_earlier_attempt_moves_nothing() {
    let bench = Workbench::new().await;
    let live = notified(&bench).await;
    keep(&bench, vec![expected(&live, 2)]).await;
    Desk::at(&bench).takes(Fate::Lost).await;
    assert!(!waits(&bench, &live).await);
}

#[tokio::test]
async fn ids_are_a_route_s_own() {
    let bench = Workbench::new().await;
    let live = notified(&bench).await;
    keep(&bench, vec![Expected { route: "other".into(), ..expected(&live, 1) }]).await;
    let mut desk = Desk::at(&bench);
    desk.takes(Fate::Lost).await;
    for _ in 0..3 {
        desk.looks().await;
    }
    assert!(!waits(&bench, &live).await && desk.is_done(), "it was looked for, and given up");
}

/// D4: the carrier may be faster than the notice of the message, by any time and at any process.
#[tokio::test]
async fn a_receipt_finds_its_attempt_whenever_and_wherever_it_comes() {
    // Before the notice: nobody looked again, somebody did, it stands in the store.
    for looks_before in 0..3 {
        let one = Workbench::new().await;
        let live = notified(&one).await;
        // It has not even heard of the campaign.
        let other = one.beside().await;
        let mut desk = Desk::at(&other);
        desk.takes(Fate::Held).await;
        desk.takes(Fate::Lost).await;
        for _ in 0..2 * looks_before {
            desk.looks().await;
        }
        assert!(!waits(&one, &live).await);
        assert!(keep(&one, vec![expected(&live, 1)]).await.is_empty());
        while !desk.is_done() {
            desk.looks().await;
        }
        assert!(waits(&one, &live).await, "{looks_before}");
    }
}

/// After a word on the way and its notice, how it ends still finds the attempt.
#[tokio::test]
async fn what_is_told_in_two_receipts_is_told_whole() {
    let bench = Workbench::new().await;
    let live = notified(&bench).await;
    let mut desk = Desk::at(&bench);
    desk.takes(Fate::Held).await;
    desk.looks().await;
    keep(&bench, vec![expected(&live, 1)]).await;
    assert!(!waits(&bench, &live).await);
    desk.takes(Fate::Lost).await;
    assert!(waits(&bench, &live).await);
}

/// A carrier counts its ids up and begins again: the later message is meant.
#[tokio::test]
async fn an_id_that_is_given_again_means_the_later_message() {
    let bench = Workbench::new().await;
    let live = notified(&bench).await;
    keep(&bench, vec![expected(&live, 1)]).await;
    notify(&bench, &live, &id("IMEI:1")).await;
    keep(&bench, vec![expected(&live, 2)]).await;
    Desk::at(&bench).takes(Fate::Lost).await;
    assert!(waits(&bench, &live).await);
}

/// Whichever call of the store fails, and whether or not it was done all the same.
#[tokio::test]
async fn a_store_that_fails_loses_no_receipt() {
    let cases = (0..8).flat_map(|call| [(call, true), (call, false)]);
    let cases = cases.flat_map(|(call, done)| [(call, done, true), (call, done, false)]);
    let cases: Vec<_> = cases.collect();
    let one = Workbench::new().await;
    let lines: Vec<_> = (0..cases.len())
        .map(|n| format!(r#"{{"device":"IMEI:{n}","secret":"s","msisdn":"4477009{n:05}"}}"#))
        .collect();
    one.register(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let live = running(&one).await;
    for (n, (call, done, early)) in cases.into_iter().enumerate() {
        let id = id(&format!("IMEI:{n}"));
        enroll::enrol_names(&one, &live, std::slice::from_ref(&id.device)).await.unwrap();
        notify(&one, &live, &id).await;
        let unsteady = Arc::new(Unsteady::over(one.own_store()));
        let other = one.beside_on(Arc::<Unsteady>::clone(&unsteady)).await;
        other.refresh().await.unwrap();
        let mut desk = Desk::at(&other);
        unsteady.fail_at(call, done);
        let notice = Expected { device: id.clone(), ..expected(&live, 1) };
        let mut notices = vec![Expected { message_id: format!("{n}-1f"), ..notice }];
        let lost = Receipt { message_id: format!("{n}-1f"), fate: Fate::Lost };
        if early {
            desk.takes_in(lost.clone()).await;
            desk.looks().await;
        }
        while !notices.is_empty() {
            notices = keep(&other, notices).await;
        }
        if !early {
            desk.takes_in(lost).await;
        }
        while !desk.is_done() {
            desk.looks().await;
        }
        let job = one.device(&id).await.0.job(live.seq).unwrap().job;
        assert!(
            matches!(job, Job::Waiting { .. }),
            "early: {early}, call {call}, done: {done}: {job:?}"
        );
    }
}

/// What a carrier was told is taken outlives the process that took it, when it is stopped in good order.
#[tokio::test]
async fn what_was_taken_before_a_stop_is_left_for_others() {
    let one = Workbench::new().await;
    let live = notified(&one).await;
    let other = one.beside().await;
    let (receipts, taken) = mpsc::channel(4);
    receipts.send(receipt(Fate::Lost)).await.unwrap();
    other.stop.cancel();
    incoming::read(Arc::clone(&other), "smsc".to_owned(), taken).await;
    assert!(
        receipts.send(receipt(Fate::Lost)).await.is_err(),
        "what comes later the carrier keeps"
    );
    drop(other);
    keep(&one, vec![expected(&live, 1)]).await;
    assert!(waits(&one, &live).await);
}

/// A process that is stopped writes the notices of what its last batches sent.
#[tokio::test]
async fn a_notice_that_is_left_after_the_stop_is_written() {
    let bench = Workbench::new().await;
    let live = notified(&bench).await;
    let author = bench.awaited.author();
    bench.stop.cancel();
    let writing = tokio::spawn(notices::write(Arc::clone(&bench)));
    tokio::task::yield_now().await;
    bench.awaited.expect(expected(&live, 1));
    drop(author);
    writing.await.unwrap();
    Desk::at(&bench).takes(Fate::Lost).await;
    assert!(waits(&bench, &live).await);
}
