//! The operator's hand on a running campaign: hold, go on, stop; and the end that was set at the start.

use crate::{
    operator::Refusal,
    world::{AUTHORITY, a_world_with},
};
use campaign::time::Instant;
use loadtest::{Fault, Mix};
use std::time::Duration;

fn campaign(id: &str, uri: &str, more: &str) -> String {
    format!(
        "
campaign: {id}
authority: {AUTHORITY}
devices: {{group: demo}}
settings: [{{uri: {uri}, value: changed}}]
{more}
"
    )
}

/// C4: a paused campaign begins nothing, also on devices that another campaign brings into a session; resumed, it goes on
/// where it was. Each command twice is as once.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_campaign_holds_and_a_resumed_one_goes_on() {
    let world = a_world_with(Mix::healthy(), 60).await;
    world.submit(&campaign("held", "./AP/GW/Addr", "pace: {per_second: 20}")).await;
    world.until("held", "under way", |view| view.progress.ended > 5).await;
    for _ in 0..2 {
        let view = world.operator.control(AUTHORITY, "held", "pause").await.unwrap();
        assert_eq!(
            (view.state.as_str(), view.why.as_deref()),
            ("paused", Some("operator: the story says so"))
        );
    }
    // Whoever was notified before the pause may still come, and finds nothing to do.
    let at_pause = world.operator.view(AUTHORITY, "held").await.unwrap().progress;
    let others = world.run(&campaign("other", "./AP/WAP/Addr", "")).await;
    assert_eq!(others.count("applied"), 60);
    let held = world.operator.view(AUTHORITY, "held").await.unwrap();
    assert_eq!(held.state, "paused");
    assert!(
        held.progress.notified <= at_pause.notified + 6,
        "20/s x 0.3 s: {at_pause:?} {:?}",
        held.progress
    );
    assert!(held.progress.connected <= at_pause.notified + 6, "{at_pause:?} {:?}", held.progress);
    let untouched =
        (0..60).filter(|index| world.node(*index, "./AP/GW/Addr").as_deref() == Some("10.0.0.1"));
    assert_eq!(untouched.count() as u64, 60 - held.progress.ended);

    for _ in 0..2 {
        assert_ne!(
            world.operator.control(AUTHORITY, "held", "resume").await.unwrap().state,
            "paused"
        );
    }
    assert_eq!(world.end_of("held").await.count("applied"), 60);
    let late = world
        .operator
        .control(AUTHORITY, "held", "pause")
        .await
        .map_err(Refusal::problem)
        .unwrap_err();
    assert_eq!(late.status, 409, "{late}");
    world.ends_well().await;
}

/// C4: an abort ends what nothing was sent to as cancelled, at once, and lets come to its end what was begun.
#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_campaign_leaves_the_rest_untouched() {
    let world = a_world_with(Mix::healthy(), 60).await;
    world.submit(&campaign("wrong", "./AP/GW/Addr", "pace: {per_second: 20}")).await;
    world.until("wrong", "under way", |view| view.progress.ended > 5).await;
    for _ in 0..2 {
        world.operator.control(AUTHORITY, "wrong", "abort").await.unwrap();
    }
    let ending = world.end_of("wrong").await;
    assert_eq!(ending.view.why.as_deref(), Some("operator: the story says so"));
    assert!(ending.count("cancelled") > 0 && ending.count("applied") > 5);
    for (index, result) in world.each(&ending) {
        let expected = if result.outcome == "cancelled" { "10.0.0.1" } else { "changed" };
        assert_eq!(world.node(index, "./AP/GW/Addr").as_deref(), Some(expected), "{result:?}");
    }
    assert_eq!(
        ending.count("cancelled") + ending.count("applied"),
        60,
        "{:?}",
        ending.view.progress
    );
    world.ends_well().await;
}

/// A campaign that waits for its start is aborted before anybody hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_aborted_before_its_start_is_never_sent() {
    let world = a_world_with(Mix::healthy(), 10).await;
    world.submit(&campaign("early", "./AP/GW/Addr", "when: {start: 2099-01-01T00:00:00Z}")).await;
    world.until("early", "enrolled", |view| view.progress.enrolled == 10).await;
    world.operator.control(AUTHORITY, "early", "abort").await.unwrap();
    assert_eq!(world.end_of("early").await.count("cancelled"), 10);
    assert_eq!(world.ends_well().await.notifications, 0);
}

/// R23: what has not come to an end when the campaign's own end comes is expired; what was served before stays served.
#[tokio::test(flavor = "multi_thread")]
async fn the_rest_expires_with_its_campaign() {
    let world = a_world_with(Mix { silent: 0.5, ..Mix::healthy() }, 20).await;
    let now: Instant = world.running.engine().store().now().await.unwrap();
    let expires = now.plus(Duration::from_secs(3));
    let more =
        format!("deliver: {{attempts: 9, answer_within: 1h}}\nwhen: {{expires: \"{expires}\"}}");
    world.submit(&campaign("short", "./AP/GW/Addr", &more)).await;
    let ending = world.end_of("short").await;
    assert_eq!(ending.view.why.as_deref(), Some("expired"));
    for (index, result) in world.each(&ending) {
        let served = world.node(index, "./AP/GW/Addr").as_deref() == Some("changed");
        assert_eq!(result.outcome, if served { "applied" } else { "expired" }, "{result:?}");
        assert!(!served || world.fleet.expected(index).fault != Fault::Silent);
    }
    assert!(ending.count("applied") > 0 && ending.count("expired") > 0);
    world.ends_well().await;
}
