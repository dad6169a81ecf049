//! Permits: what a route and a campaign's pace let through together.

use super::*;
use crate::workbench::Workbench;
use std::time::Duration;

const NOW: Instant = Instant(1_000_000);

fn route(per_second: u32) -> Route {
    Route::Udp {
        name: "udp".to_owned(),
        per_second,
        bind: "127.0.0.1:0".parse().unwrap(),
        port: 2948,
        when: None,
        fallback: Vec::new(),
        fallback_after: Duration::from_secs(30),
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
    permits.forget_ended(&Snapshot::default());
    assert!(permits.campaigns.is_empty());
}
