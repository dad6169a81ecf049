//! When devices are notified: windows, their own clocks, jobs that were waited for, ramps.

use super::{batch::in_time, pulled};
use crate::{
    campaigns::live::LiveCampaign,
    enroll,
    rows::PULL_UNTIL,
    store::{Shard, Verdict},
    turn::{self, Turn},
    workbench::{Workbench, id},
};
use campaign::{
    job::{Job, Outcome},
    time::Instant,
};
use std::{sync::Arc, time::Duration};

/// A time of day, `hours` from the hour in which `now` lies, by UTC.
fn clock(now: Instant, hours: u64) -> String {
    let minutes = (now.0 / 60_000 + hours * 60) % 1_440;
    format!("\"{:02}:{:02}\"", minutes / 60, minutes % 60)
}

/// The beginning of a document's `when` with one window.
fn window(now: Instant, from: u64, to: u64, zone: &str) -> String {
    format!(
        "when: {{expires: 2099-01-01T00:00:00Z, time_zone: {zone}, windows: [{{from: {}, to: {}}}]}}",
        clock(now, from),
        clock(now, to)
    )
}

async fn enrolled(bench: &Workbench, live: &Arc<LiveCampaign>, device: &str) -> Turn {
    enroll::enrol_names(bench, live, &[device.to_owned()]).await.unwrap();
    let (row, revision) = bench.device(&id(device)).await;
    Turn::new(id(device), row, revision, bench.store.now().await.unwrap())
}

/// The campaign once it runs.
async fn running(bench: &Workbench, campaign: &str, more: &str) -> Arc<LiveCampaign> {
    bench.launch(campaign, more).await;
    for _ in 0..2 {
        crate::controller::judge(bench, &bench.live_campaign(campaign)).await.unwrap();
    }
    let live = bench.live_campaign(campaign);
    assert!(live.state.may_notify(), "{:?}", live.state);
    live
}

/// R16: inside the window and nowhere else.
#[tokio::test]
async fn a_campaign_whose_window_is_closed_is_not_dispatched() {
    let bench = Workbench::new().await;
    let now = bench.store.now().await.unwrap();
    let open = running(&bench, "open", &window(now, 23, 2, "UTC")).await;
    let closed = running(&bench, "closed", &window(now, 2, 4, "UTC")).await;
    assert!(open.may_notify(now) && !closed.may_notify(now));
    assert!(!open.may_notify(now.plus(Duration::from_hours(3))));
    assert!(closed.may_notify(now.plus(Duration::from_hours(3))));
}

#[tokio::test]
async fn a_device_whose_night_it_is_not_waits_for_it() {
    let bench = Workbench::new().await;
    bench
        .register(&[
            r#"{"device":"IMEI:1","secret":"s","time_zone":"+00:00"}"#,
            r#"{"device":"IMEI:2","secret":"s","time_zone":"+05:00"}"#,
            r#"{"device":"IMEI:3","secret":"s"}"#,
        ])
        .await;
    let now = bench.store.now().await.unwrap();
    let live = running(&bench, "a", &window(now, 23, 2, "device")).await;
    assert!(live.may_notify(now), "somewhere it is open");
    let mut here = enrolled(&bench, &live, "IMEI:1").await;
    assert!(in_time(&mut here, &live));
    let waits = enrolled(&bench, &live, "IMEI:2").await;
    let Job::Waiting { not_before, .. } = waits.device.job(live.seq).unwrap().job else { panic!() };
    assert!(
        not_before > now.plus(Duration::from_hours(17)),
        "five hours ahead, it was open at our 18:00"
    );
    // Claimed too early all the same, as after the window closed in between: it goes back.
    let mut early = waits;
    early.step(live.seq, |job| job.on_postponed(now));
    assert!(!in_time(&mut early, &live));
    let Job::Waiting { not_before: again, .. } = early.device.job(live.seq).unwrap().job else {
        panic!()
    };
    assert_eq!(again, not_before);
    let unknown = enrolled(&bench, &live, "IMEI:3").await;
    assert!(unknown.device.job(live.seq).is_none(), "better not at all than in the afternoon");
    let counted = bench.counters(live.seq).await;
    assert_eq!(counted.get(Outcome::NotApplicable.field()), Some(&1));
    assert_eq!(counted.get("enrolled"), Some(&3));
}

/// R11: until the instant the device may come by itself; from then on it is notified.
#[tokio::test]
async fn a_job_that_waited_for_its_device_goes_to_a_route_when_its_time_is_over() {
    let bench = Workbench::new().await;
    bench.register(&[r#"{"device":"IMEI:1","secret":"s"}"#]).await;
    let live = running(&bench, "a", "deliver: {mode: {pull_until: 2098-01-01T00:00:00Z}}").await;
    let now = bench.store.now().await.unwrap();
    assert!(!live.may_notify(now) && live.may_notify(live.terms.pull_until.unwrap()));
    let mut turn = enrolled(&bench, &live, "IMEI:1").await;
    let job = turn.device.job(live.seq).unwrap();
    assert_eq!(job.route, PULL_UNTIL);
    assert!(
        matches!(job.job, Job::Waiting { not_before, .. } if Some(not_before) == live.terms.pull_until)
    );
    let shard = Shard::of(&id("IMEI:1").root());
    pulled::switch(&bench, &live, shard).await.unwrap();
    assert_eq!(
        bench.device(&id("IMEI:1")).await.0.job(live.seq).unwrap().route,
        PULL_UNTIL,
        "not yet"
    );
    turn.step(live.seq, |job| job.on_postponed(now));
    assert_eq!(bench.commit(&id("IMEI:1"), turn.into_change()).await, Verdict::Done);
    pulled::switch(&bench, &live, shard).await.unwrap();
    assert_eq!(bench.device(&id("IMEI:1")).await.0.job(live.seq).unwrap().route, "udp");
    let queue = turn::waiting(live.campaign.lane(), live.seq, "udp");
    let claimed = bench.store.claim(shard, &[queue], 9, Duration::from_secs(1)).await.unwrap();
    assert_eq!(claimed.len(), 1);
}

/// C2: a ramp begins low and is not left behind by a campaign that proves nothing.
#[tokio::test]
async fn a_campaign_with_a_ramp_begins_at_its_first_pace() {
    let bench = Workbench::new().await;
    let document = "pace: {per_second: 1000, ramp: {from: 7, double_every: 1s}}";
    let live = running(&bench, "a", document).await;
    crate::controller::judge(&bench, &live).await.unwrap();
    let live = bench.live_campaign("a");
    assert_eq!((live.per_second(), live.climb.is_some()), (Some(7), true), "{:?}", live.state);
}

/// Devices that were named together are not called together.
#[tokio::test]
async fn a_campaign_with_a_spread_gives_each_device_a_moment_of_its_own() {
    let bench = Workbench::new().await;
    bench
        .register(&[
            r#"{"device":"IMEI:1","secret":"s"}"#,
            r#"{"device":"IMEI:2","secret":"s"}"#,
            r#"{"device":"IMEI:3","secret":"s"}"#,
        ])
        .await;
    let live = running(&bench, "a", "pace: {spread: 1h}").await;
    let now = bench.store.now().await.unwrap();
    let mut moments = Vec::new();
    for device in ["IMEI:1", "IMEI:2", "IMEI:3"] {
        let turn = enrolled(&bench, &live, device).await;
        let Job::Waiting { not_before, .. } = turn.device.job(live.seq).unwrap().job else {
            panic!()
        };
        moments.push(not_before.since(now));
    }
    assert!(moments.iter().all(|moment| *moment <= Duration::from_mins(61)), "{moments:?}");
    let (first, last) = (moments.iter().min().unwrap(), moments.iter().max().unwrap());
    assert!(last.saturating_sub(*first) > Duration::from_mins(1), "{moments:?}");
}
