//! Notifications are handed to a push proxy gateway, which makes the push messages itself and is not always in a good mood.

use crate::{
    short_messages::document,
    world::{Plan, World, a_world},
};
use loadtest::{Courtesy, GatewayPlan, GatewayReport, Mix, PushGateway};
use std::time::Duration;

const LIMIT: u32 = 100;

async fn a_gateway(courtesy: Courtesy) -> PushGateway {
    let account = Some(("reveille".to_owned(), "gateway-secret".to_owned()));
    PushGateway::start(GatewayPlan { account, courtesy, ..GatewayPlan::default() }).await.unwrap()
}

async fn a_world_behind(gateway: &PushGateway, devices: u64) -> World {
    let authorities = format!(
        "
[[route]]
kind = \"pap\"
name = \"ppg\"
urls = [\"{}\"]
user = \"reveille\"
password = \"gateway-secret\"
receipts_token = \"0123456789abcdef\"
per_second = {LIMIT}
",
        gateway.url()
    );
    let world = a_world(Plan { authorities, ..Plan::new(Mix::healthy(), devices) }).await;
    gateway.serve(world.fleet.ears());
    gateway.post_to(vec![world.running.devices]);
    world
}

/// The end: neither a device nor the gateway saw anything that must not be.
async fn ends_well(world: World, gateway: PushGateway) -> GatewayReport {
    world.ends_well().await;
    let report = gateway.stop().await;
    assert_eq!(report.breaches.count, 0, "{:#?}", report.breaches.first);
    report
}

/// R1, R16, C2: every device is woken by a push of which every octet is right, once, within the limit.
#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_goes_through_a_push_gateway_within_its_limit() {
    let gateway = a_gateway(Courtesy::default()).await;
    let world = a_world_behind(&gateway, 200).await;
    let ending = world.run(&document("attempts: 2, answer_within: 1m")).await;
    assert_eq!(ending.count("applied"), 200);
    assert_eq!(ending.view.progress.notified, 200);
    let report = ends_well(world, gateway).await;
    assert_eq!((report.pushes, report.delivered, report.answers[&1001]), (200, 200, 200));
    // What is read late, because others have the processor, looks as if it came together.
    assert!(report.per_second.busiest <= LIMIT + LIMIT / 10, "{:?}", report.per_second);
}

/// R23, R16: pushes that never reach a handset, and refusals for the moment. A result of failure brings the next attempt forward.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_of_failure_brings_the_next_attempt_forward() {
    let courtesy = Courtesy {
        undelivered: 0.3,
        refused_for_now: 0.1,
        results_after: Duration::from_millis(100),
        ..Courtesy::default()
    };
    let gateway = a_gateway(courtesy).await;
    let world = a_world_behind(&gateway, 60).await;
    // Without results nobody could wait for this answer.
    let ending = world.run(&document("attempts: 12, answer_within: 10m")).await;
    assert_eq!(ending.count("applied"), 60);
    let report = ends_well(world, gateway).await;
    assert!(report.undelivered > 5 && report.answers[&3000] > 0, "{report:?}");
}

/// R16: pushes whose answers never come. They may have been delivered, so the device is waited for first; and every job ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_without_an_answer_costs_time_and_no_job() {
    let courtesy =
        Courtesy { unanswered: 0.3, undelivered: 0.2, results_missing: 1.0, ..Courtesy::default() };
    let gateway = a_gateway(courtesy).await;
    let world = a_world_behind(&gateway, 40).await;
    let ending = world.run(&document("attempts: 12, answer_within: 2s")).await;
    assert_eq!(ending.count("applied"), 40);
    let report = ends_well(world, gateway).await;
    assert!(report.unanswered > 0 && report.results == 0, "{report:?}");
}

/// C2: a gateway that takes less than agreed slows the whole route down; R23: a subscriber that it does not know ends at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_gateway_slows_the_route_down_and_an_unknown_subscriber_ends_the_job() {
    let courtesy = Courtesy { per_second: Some(4), unknown: 0.3, ..Courtesy::default() };
    let gateway = a_gateway(courtesy).await;
    let world = a_world_behind(&gateway, 50).await;
    let ending = world.run(&document("attempts: 1, answer_within: 1m")).await;
    let unknown = ending.count("unreachable");
    assert!((5..35).contains(&unknown), "{unknown}");
    assert_eq!(ending.count("applied"), 50 - unknown);
    let report = ends_well(world, gateway).await;
    assert_eq!(report.answers[&2003], unknown, "each is asked for once");
    assert!(report.answers[&4001] > 0, "{report:?}");
}
