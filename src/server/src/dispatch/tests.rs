//! Permits: what a route and a campaign's pace let through together.

use super::*;
use crate::workbench::{Workbench, id};

const NOW: Instant = Instant(1_000_000);

fn route(per_second: u32) -> Route {
    Route::Udp {
        name: "udp".to_owned(),
        per_second,
        bind: "127.0.0.1:0".parse().unwrap(),
        port: 2948,
    }
}

/// Takes all there is in each millisecond of a second.
fn in_a_second(permits: &mut Permits, live: &LiveCampaign, route: &Route, from: u64) -> usize {
    let mut taken = 0;
    for now in (from..from + 1000).map(Instant) {
        let n = permits.available(live, route, route.per_second(), |of| of, now) as usize;
        permits.take(live, route, now, n);
        taken += n;
    }
    taken
}

/// Invariant 4: no limit is exceeded.
#[tokio::test]
async fn the_tighter_of_two_limits_holds() {
    let bench = Workbench::new().await;
    let slow = bench.launch("slow", "pace: {per_second: 50}").await;
    let free = bench.launch("free", "").await;
    let route = route(200);
    assert!((45..=50).contains(&in_a_second(&mut Permits::default(), &slow, &route, NOW.0)));
    assert!((180..=200).contains(&in_a_second(&mut Permits::default(), &free, &route, NOW.0)));
    // Two campaigns share their route.
    let mut permits = Permits::default();
    let both = (0..1000).map(|step| {
        let now = Instant(NOW.0 + step);
        let mut taken = 0;
        for live in [&slow, &free] {
            let n = permits.available(live, &route, route.per_second(), |of| of, now) as usize;
            permits.take(live, &route, now, n);
            taken += n;
        }
        taken
    });
    assert!(both.sum::<usize>() <= 200);
}

#[tokio::test]
async fn what_is_not_taken_is_not_used_up() {
    let bench = Workbench::new().await;
    let live = bench.launch("a", "pace: {per_second: 100}").await;
    let mut permits = Permits::default();
    let there = permits.available(&live, &route(1000), 1000, |of| of, NOW);
    assert!(there > 0);
    assert_eq!(permits.available(&live, &route(1000), 1000, |of| of, NOW), there);
    permits.take(&live, &route(1000), NOW, there as usize);
    assert_eq!(permits.available(&live, &route(1000), 1000, |of| of, NOW), 0);
}

#[tokio::test]
async fn the_permits_of_ended_campaigns_are_forgotten() {
    let bench = Workbench::new().await;
    let live = bench.launch("a", "pace: {per_second: 100}").await;
    let mut permits = Permits::default();
    permits.available(&live, &route(1000), 1000, |of| of, NOW);
    permits.forget_ended(&bench.live.snapshot());
    assert_eq!(permits.campaigns.len(), 1);
    permits.forget_ended(&crate::campaigns::live::Snapshot::default());
    assert!(permits.campaigns.is_empty());
}

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
    switch(&bench, &live, shard).await.unwrap();
    assert_eq!(
        bench.device(&id("IMEI:1")).await.0.job(live.seq).unwrap().route,
        PULL_UNTIL,
        "not yet"
    );
    turn.step(live.seq, |job| job.on_postponed(now));
    assert_eq!(bench.commit(&id("IMEI:1"), turn.into_change()).await, Verdict::Done);
    switch(&bench, &live, shard).await.unwrap();
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
