//! Permits: what routes, authorities and paces let through together, in one process and in several.

mod together;

use super::*;
use crate::{campaigns::live, gate::Closing, store::Shard, workbench::Workbench};
use std::time::Duration;

const NOW: Instant = Instant(1_000_000);

fn route(name: &str, per_second: u32) -> Route {
    Route::Udp {
        name: name.to_owned(),
        per_second,
        bind: "127.0.0.1:0".parse().unwrap(),
        port: 2948,
        when: None,
        fallback: Vec::new(),
        fallback_after: Duration::from_secs(30),
    }
}

/// Takes all there is for these in each millisecond of a second, in turn; answers what each got.
fn in_a_second<const N: usize>(bench: &Workbench, leaves: [&Leave; N], from: u64) -> [u32; N] {
    let mut taken = [0; N];
    for now in (from..from + 1000).map(Instant) {
        for (leave, taken) in leaves.iter().zip(&mut taken) {
            while bench.permits.grant(bench, leave, 1, true, now).is_ok() {
                *taken += 1;
            }
        }
    }
    taken
}

/// Invariant 4: no limit is exceeded.
#[tokio::test]
async fn the_tighter_of_two_limits_holds() {
    let bench = Workbench::new().await;
    let slow = bench.launch("slow", "pace: {per_second: 50}").await;
    let free = bench.launch("free", "").await;
    let one = bench.permits.leave(&bench, &slow, &route("one", 200));
    assert!((45..=50).contains(&in_a_second(&bench, [&one], NOW.0)[0]));
    // Two campaigns share their route: nine tenths of it, the rest is kept for care.
    let route = route("two", 200);
    let leaves = [&slow, &free].map(|live| bench.permits.leave(&bench, live, &route));
    let [slow, free] = in_a_second(&bench, [&leaves[0], &leaves[1]], NOW.0 + 10_000);
    assert!((45..=50).contains(&slow) && (170..=180).contains(&(slow + free)), "{slow} {free}");
}

#[tokio::test]
async fn nothing_is_charged_when_one_of_several_limits_refuses() {
    let bench = Workbench::new().await;
    let slow = bench.launch("slow", "pace: {per_second: 1}").await;
    let free = bench.launch("free", "").await;
    let route = route("one", 100);
    let [slow, free] = [&slow, &free].map(|live| bench.permits.leave(&bench, live, &route));
    bench.permits.grant(&bench, &slow, 1, true, NOW).unwrap();
    for now in NOW.0 + 100..NOW.0 + 300 {
        bench.permits.grant(&bench, &slow, 1, true, Instant(now)).unwrap_err();
    }
    let later = Instant(NOW.0 + 300);
    assert!(bench.permits.grant(&bench, &free, 1, true, later).is_ok(), "the route is unused");
}

/// C2: limits of routes count segments, a pace counts devices.
#[tokio::test]
async fn a_push_of_three_segments_counts_thrice_for_the_route_and_once_for_the_pace() {
    let bench = Workbench::new().await;
    let live = bench.launch("a", "pace: {per_second: 20}").await;
    let leave = bench.permits.leave(&bench, &live, &route("one", 34));
    let mut pushes = 0;
    for now in (NOW.0..NOW.0 + 1_000).map(Instant) {
        while bench.permits.grant(&bench, &leave, 3, true, now).is_ok() {
            pushes += 1;
        }
    }
    assert!((9..=11).contains(&pushes), "{pushes} of 31 segments");
}

/// R12: a mass campaign that uses up its route leaves a tenth of it to care, at any moment.
#[tokio::test]
async fn care_passes_while_a_mass_campaign_uses_up_the_route() {
    let bench = Workbench::new().await;
    let mass = bench.launch("mass", "").await;
    let care = bench.launch("care", "lane: care").await;
    let route = route("one", 100);
    let [mass, care] = [&mass, &care].map(|live| bench.permits.leave(&bench, live, &route));
    let [taken] = in_a_second(&bench, [&mass], NOW.0);
    assert!((85..=90).contains(&taken), "{taken}");
    let at = NOW.0 + 1_000;
    assert!(bench.permits.grant(&bench, &mass, 1, true, Instant(at)).is_err());
    assert!(bench.permits.grant(&bench, &care, 1, true, Instant(at)).is_ok());
    // And it comes first where both want the same.
    let [with_care, by_care] = in_a_second(&bench, [&mass, &care], at);
    assert!(by_care >= 90 && with_care + by_care <= 100, "{with_care} {by_care}");
}

/// A storm of triggers starves nobody.
#[tokio::test]
async fn urgent_campaigns_have_three_tenths_of_a_route() {
    let bench = Workbench::new().await;
    let mass = bench.launch("mass", "").await;
    let urgent = bench.launch("urgent", "lane: urgent").await;
    let route = route("one", 100);
    let [mass, urgent] = [&mass, &urgent].map(|live| bench.permits.leave(&bench, live, &route));
    let [by_mass, by_urgent] = in_a_second(&bench, [&mass, &urgent], NOW.0);
    assert!((27..=30).contains(&by_urgent), "{by_urgent}");
    assert!(by_mass >= 55 && by_mass + by_urgent <= 90, "{by_mass}");
}

#[tokio::test]
async fn as_much_is_taken_up_as_will_have_permits_soon() {
    let bench = Workbench::new().await;
    let live = bench.launch("a", "pace: {per_second: 100}").await;
    let leave = bench.permits.leave(&bench, &live, &route("one", 1_000));
    assert_eq!(bench.permits.room(&bench, &leave, NOW), 2, "at nearly the same time");
    let places = Permits::take_up(&leave, 8);
    assert_eq!(bench.permits.room(&bench, &leave, NOW), 2);
    let last = Permits::take_up(&leave, 1);
    assert_eq!(bench.permits.room(&bench, &leave, NOW), 0, "the work of a tenth of a second");
    drop((places, last));
    assert_eq!(bench.permits.room(&bench, &leave, NOW), 2);
}

#[tokio::test]
async fn the_permits_of_ended_campaigns_are_forgotten() {
    let bench = Workbench::new().await;
    let live = bench.launch("a", "pace: {per_second: 100}").await;
    let leave = bench.permits.leave(&bench, &live, &route("one", 1_000));
    bench.permits.grant(&bench, &leave, 1, true, NOW).unwrap();
    let known = |limit| bench.permits.state().buckets.contains_key(&limit);
    bench.permits.forget_ended(&bench.live.snapshot());
    assert!(known(Limit::Pace(live.seq)));
    bench.permits.forget_ended(&Snapshot::default());
    assert!(!known(Limit::Pace(live.seq)) && known(Limit::Route("one".into())));
    assert!(bench.permits.state().queues.is_empty());
}

/// R12: whether a campaign was paused a moment ago may be unknown for want of the processor; for care it does not matter.
#[tokio::test]
async fn care_leaves_although_nobody_could_look_at_the_campaigns_for_a_while() {
    let bench = Workbench::new().await;
    let mass = bench.launch("mass", "").await;
    let closing = Closing::new(&bench.gate, Shard::from(1));
    let route = route("one", 100);
    bench.live.is_blind();
    let passes = async |live| {
        let leave = bench.permits.leave(&bench, live, &route);
        Pass::of_job(&bench, &leave, None, None, &closing).segments(1).await
    };
    assert_eq!(passes(&mass).await, Err(Held));
    assert_eq!(passes(live::care()).await, Ok(()));
}
