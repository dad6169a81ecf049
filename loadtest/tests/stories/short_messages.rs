//! Notifications go out as short messages, through a centre that reads every octet of them and is not always in a good mood.

use crate::{
    hand_over::a_fleet,
    process::{Redis, Site},
    world::{AUTHORITY, Plan, World, a_world, at_rest, import, no_breach},
};
use loadtest::{
    Manners, Mix, Smsc, SmscPlan, SmscReport,
    carrier::smsc::{ReceiptForm, ReceiptIds, ReceiptRoute, Receipts},
};
use std::time::Duration;

/// Messages a second that the route may send.
const LIMIT: u32 = 100;

pub(crate) fn document(deliver: &str) -> String {
    format!(
        "
campaign: notified
authority: {AUTHORITY}
devices: {{group: demo}}
settings: [{{uri: ./AP/GW/Addr, value: 10.20.0.1}}]
deliver: {{{deliver}}}
"
    )
}

/// A route to the centre: two binds, a hundred messages a second.
pub(crate) fn route(smsc: &Smsc, more: &str) -> String {
    format!(
        "
[[route]]
kind = \"smpp\"
name = \"smsc\"
hosts = [\"{}\"]
system_id = \"reveille\"
password = \"secret\"
source = \"DMSRV\"
per_second = {LIMIT}
binds = 2
window = 20
{more}
",
        smsc.address()
    )
}

async fn a_centre(manners: Manners) -> Smsc {
    Smsc::start(SmscPlan { manners, ..SmscPlan::default() }).await.unwrap()
}

async fn a_world_behind(smsc: &Smsc, devices: u64, more: &str) -> World {
    let plan = Plan { authorities: route(smsc, more), ..Plan::new(Mix::healthy(), devices) };
    let world = a_world(plan).await;
    smsc.serve(world.fleet.ears());
    world
}

/// The end: neither a device nor the centre saw anything that must not be.
async fn ends_well(world: World, smsc: Smsc) -> SmscReport {
    world.ends_well().await;
    let report = smsc.stop().await;
    assert_eq!(report.breaches.count, 0, "{:#?}", report.breaches.first);
    report
}

/// R1, R16, C2: the whole of it. Every device is woken by a short message of which every octet is right, once, and in no second
/// do more of them leave than the contract allows; each is told of by a receipt.
#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_goes_through_a_short_message_centre_within_its_limit() {
    let smsc = a_centre(Manners::default()).await;
    let world = a_world_behind(&smsc, 300, "").await;
    let ending = world.run(&document("attempts: 2, answer_within: 1m")).await;
    assert_eq!(ending.count("applied"), 300);
    assert_eq!(ending.view.progress.notified, 300);
    let report = ends_well(world, smsc).await;
    assert_eq!((report.submitted, report.delivered, report.answers["ESME_ROK"]), (300, 300, 300));
    assert_eq!(report.binds, 2);
    // What is read late, because others have the processor, looks as if it came together.
    assert!(report.per_second.busiest <= LIMIT + LIMIT / 10, "{:?}", report.per_second);
    assert!(report.most_unanswered <= 20, "{}", report.most_unanswered);
}

/// C2: a centre that takes less than its contract says. The whole route slows down, nothing is lost and nobody pays with an
/// attempt: what was refused for want of room did not count.
#[tokio::test(flavor = "multi_thread")]
async fn a_centre_that_is_too_busy_slows_the_route_down_and_every_job_ends() {
    let smsc = a_centre(Manners { per_second: Some(10), ..Manners::default() }).await;
    let world = a_world_behind(&smsc, 80, "").await;
    let ending = world.run(&document("attempts: 1, answer_within: 1m")).await;
    assert_eq!(ending.count("applied"), 80);
    let report = ends_well(world, smsc).await;
    let refused = report.answers["ESME_RTHROTTLED"];
    assert_eq!((report.answers["ESME_ROK"], report.submitted), (80, 80 + refused));
    // At an even hundred a second nine in ten would be refused, for as long as it takes.
    assert!(refused < 5 * 80, "{:?}", report.per_second);
}

/// R16: connections are cut in the middle of messages, again and again. They come back, and so does what was on them: a message
/// whose answer was cut off may have been delivered, so it waits for the device first.
#[tokio::test(flavor = "multi_thread")]
async fn a_bind_that_is_dropped_comes_back_and_no_device_is_forgotten() {
    let manners = Manners {
        drops_after: Some(40),
        answers_after: Duration::from_millis(20),
        enquires_every: Some(Duration::from_millis(100)),
        ..Manners::default()
    };
    let smsc = a_centre(manners).await;
    let world = a_world_behind(&smsc, 150, "").await;
    let view = world.submit(&document("attempts: 9, answer_within: 3s")).await;
    world.until(&view.id, "under way", |view| view.progress.notified > 0).await;
    smsc.hang_up();
    let ending = world.end_of(&view.id).await;
    assert_eq!(ending.count("applied"), 150);
    let report = ends_well(world, smsc).await;
    assert!(report.dropped >= 2 && report.binds > 2 + report.dropped, "{report:?}");
}

/// R16, R23: receipts in another spelling, in text alone, late, and never on the bind that the message went out on. A
/// notification that the centre gave up is sent again soon, long before its device's time is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_of_failure_brings_the_next_attempt_forward_whichever_bind_it_comes_on() {
    let receipts = Receipts {
        form: ReceiptForm::Text,
        ids: ReceiptIds::HexThenDecimal,
        route: ReceiptRoute::Another,
        after: Duration::from_millis(300),
        missing: 0.0,
    };
    let smsc = a_centre(Manners { undelivered: 0.4, receipts, ..Manners::default() }).await;
    let world = a_world_behind(&smsc, 60, "receipt_id = \"hex_to_dec\"").await;
    // Nobody could wait for this answer.
    let ending = world.run(&document("attempts: 12, answer_within: 10m")).await;
    assert_eq!(ending.count("applied"), 60);
    let report = ends_well(world, smsc).await;
    assert_eq!(report.submitted, report.delivered + report.undelivered);
    assert!(report.undelivered > 10, "{report:?}");
}

/// D4: a receipt that never comes costs nothing but waiting for the device, and a device that answers is not waited for.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_depends_on_receipts() {
    let receipts = Receipts { missing: 1.0, ..Receipts::default() };
    let smsc = a_centre(Manners { undelivered: 0.2, receipts, ..Manners::default() }).await;
    let world = a_world_behind(&smsc, 60, "").await;
    let ending = world.run(&document("attempts: 12, answer_within: 2s")).await;
    assert_eq!(ending.count("applied"), 60);
    let report = ends_well(world, smsc).await;
    assert_eq!(report.receipts, 0);
    assert!(report.undelivered > 0, "{report:?}");
}

/// C2, D4: two servers over one store, one bind each, and every receipt comes to the server that did not send the message.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_finds_its_job_on_whichever_server_it_comes() {
    let receipts = Receipts { route: ReceiptRoute::Another, ..Receipts::default() };
    let smsc = a_centre(Manners { undelivered: 0.4, receipts, ..Manners::default() }).await;
    let redis = Redis::start();
    let one_bind = route(&smsc, "").replace("binds = 2", "binds = 1");
    let sites = [Site::over_with(&redis, &one_bind), Site::over_with(&redis, &one_bind)];
    let servers = [sites[0].start().await, sites[1].start().await];
    let fleet = a_fleet(&sites, 60, Mix::healthy(), 7).await;
    smsc.serve(fleet.ears());
    let operator = sites[0].operator();
    import(&operator, &fleet, 0..60, "", |_| String::new()).await;
    // Nobody could wait for this answer.
    let view = operator.submit(&document("attempts: 12, answer_within: 10m")).await.unwrap();
    let ending = operator.end_of(AUTHORITY, &view.id).await;
    at_rest(&fleet).await;
    assert_eq!(ending.count("applied"), 60);
    no_breach(&fleet.stop().await);
    for server in servers {
        server.terminate().await;
    }
    let report = smsc.stop().await;
    assert_eq!(report.breaches.count, 0, "{:#?}", report.breaches.first);
    assert!(report.undelivered > 10, "{report:?}");
}

/// R23: a number that the centre does not serve ends its job at once, with the reason; one that it refuses for the moment is
/// tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_good_ends_the_job_and_one_for_now_does_not() {
    let manners = Manners { barred: 0.3, refused_for_now: 0.2, ..Manners::default() };
    let smsc = a_centre(manners).await;
    let world = a_world_behind(&smsc, 60, "").await;
    let ending = world.run(&document("attempts: 12, answer_within: 1m")).await;
    let barred = ending.count("unreachable");
    assert!((8..30).contains(&barred), "{barred}");
    assert_eq!(ending.count("applied"), 60 - barred);
    for (index, result) in world.each(&ending) {
        if result.outcome == "unreachable" {
            assert_eq!(world.fleet.sessions_of(index), 0, "device {index}: {result:?}");
        }
    }
    let report = ends_well(world, smsc).await;
    assert_eq!(report.answers["ESME_RINVDSTADR"], barred, "each is asked for once");
    assert!(report.answers["ESME_RSYSERR"] > 0);
}
