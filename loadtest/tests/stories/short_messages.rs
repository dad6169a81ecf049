//! Notifications go out as short messages, through a centre that reads every octet of them and is not always in a good mood.

use crate::world::{Plan, World, a_world};
use api::CampaignView;
use loadtest::{Manners, Mix, Smsc, SmscPlan};

const LIMIT: u32 = 100;

fn document(name: &str, deliver: &str) -> String {
    format!(
        "
campaign: {name}
authority: operator
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
    let plan = SmscPlan { manners, arrivals_kept: 10_000, ..SmscPlan::default() };
    Smsc::start(plan).await.unwrap()
}

async fn a_world_behind(smsc: &Smsc, devices: u64, more: &str) -> World {
    let plan = Plan { authorities: route(smsc, more), ..Plan::new(Mix::healthy(), devices) };
    let world = a_world(plan).await;
    smsc.serve(world.fleet.ears());
    world
}

fn attempts(view: &CampaignView) -> u64 {
    view.progress.notified
}

/// R1, R16, C2: the whole of it. Every device is woken by a short message of which every octet is right, once, and in no second
/// do more of them leave than the contract allows; each is told of by a receipt.
#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_goes_through_a_short_message_centre_within_its_limit() {
    let smsc = a_centre(Manners::default()).await;
    let world = a_world_behind(&smsc, 300, "").await;
    let ending = world.run(&document("sms", "attempts: 2, answer_within: 20s")).await;
    assert_eq!(ending.count("applied"), 300);
    assert_eq!(attempts(&ending.view), 300);
    world.ends_well().await;
    let report = smsc.stop().await;
    assert_eq!(report.breaches.count, 0, "{:#?}", report.breaches.first);
    assert_eq!((report.submitted, report.delivered, report.answers["ESME_ROK"]), (300, 300, 300));
    assert_eq!(report.binds, 2);
    // What is read late looks as if it came together.
    println!("{:?}", report.per_second);
    assert!(report.per_second.busiest <= LIMIT + LIMIT / 10, "{:?}", report.per_second);
    assert!(report.most_unanswered <= 20, "{}", report.most_unanswered);
}
