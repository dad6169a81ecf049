//! Receipts: to the right attempt, early or late, and nothing else moved.

use super::*;
use crate::{
    campaigns::live::LiveCampaign,
    enroll,
    workbench::{Workbench, id},
};

/// A device that was notified once, and its campaign.
async fn notified(bench: &Workbench) -> Arc<LiveCampaign> {
    bench.register(&[r#"{"device":"IMEI:1","secret":"s","msisdn":"447700900123"}"#]).await;
    bench.launch("a", "").await;
    for _ in 0..2 {
        crate::controller::judge(bench, &bench.live_campaign("a")).await.unwrap();
    }
    let live = bench.live_campaign("a");
    enroll::enrol_names(bench, &live, &["IMEI:1".to_owned()]).await.unwrap();
    let now = bench.store.now().await.unwrap();
    let (device, revision) = bench.device(&id("IMEI:1")).await;
    let mut turn = Turn::new(id("IMEI:1"), device, revision, now);
    turn.step(live.seq, |job| job.on_notified(1, now, &live.terms));
    assert_eq!(bench.commit(&id("IMEI:1"), turn.into_change()).await, Verdict::Done);
    live
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

/// R23: a notification that the SMSC gave up is sent again before its time is over.
#[tokio::test]
async fn a_lost_notification_makes_its_job_wait_for_the_next_attempt() {
    let bench = Workbench::new().await;
    let live = notified(&bench).await;
    assert!(!take_in(&bench, "smsc", &receipt(Fate::Lost)).await.unwrap(), "nobody expects it yet");
    keep(&bench, [expected(&live, 1)].into_iter()).await;
    assert!(
        !take_in(&bench, "other", &receipt(Fate::Lost)).await.unwrap(),
        "ids are a route's own"
    );
    assert!(take_in(&bench, "smsc", &receipt(Fate::Delivered)).await.unwrap());
    assert!(
        matches!(job(&bench, &live).await, Job::Notified { .. }),
        "delivered: the device may still come"
    );
    assert!(take_in(&bench, "smsc", &receipt(Fate::Lost)).await.unwrap());
    let Job::Waiting { not_before, so_far } = job(&bench, &live).await else { panic!() };
    assert_eq!(
        (so_far.attempts, so_far.silent),
        (1, false),
        "nobody knows whether the device is silent"
    );
    assert!(not_before > bench.store.now().await.unwrap(), "after the usual pause");
    // Told again, it is nothing new.
    assert!(take_in(&bench, "smsc", &receipt(Fate::Lost)).await.unwrap());
    assert!(matches!(job(&bench, &live).await, Job::Waiting { .. }));
}

#[tokio::test]
async fn the_receipt_of_an_earlier_attempt_moves_nothing() {
    let bench = Workbench::new().await;
    let live = notified(&bench).await;
    keep(&bench, [expected(&live, 2)].into_iter()).await;
    assert!(take_in(&bench, "smsc", &receipt(Fate::Lost)).await.unwrap());
    assert!(matches!(job(&bench, &live).await, Job::Notified { .. }));
}
