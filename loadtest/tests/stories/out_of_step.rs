//! Devices that lost the nonce of their server: they hear every notification and believe none.

use crate::{
    short_messages::{document, route},
    world::{Plan, World, a_world},
};
use loadtest::{Habits, Manners, Mix, ServerNonce, Smsc, SmscPlan, carrier::smsc::Receipts};
use std::time::Duration;

const DEVICES: u64 = 16;

/// Its receipts come when the word of their messages is written down.
async fn a_centre() -> Smsc {
    let receipts = Receipts { after: Duration::from_millis(300), ..Receipts::default() };
    let manners = Manners { receipts, ..Manners::default() };
    Smsc::start(SmscPlan { manners, ..SmscPlan::default() }).await.unwrap()
}

/// Half of the devices have lost their nonce, and receipts say that they get every message.
async fn a_world_out_of_step(smsc: &Smsc, session: &str) -> World {
    let mix = Mix { nonce_lost: 0.5, hmac: 0.3, ..Mix::healthy() };
    let (authorities, session) = (route(smsc, ""), session.to_owned());
    let plan = Plan { authorities, session, ..Plan::new(mix, DEVICES) };
    let world = a_world(plan).await;
    smsc.serve(world.fleet.ears());
    world
}

/// D5: off unless it is asked for. Whoever believes nothing is called as often as the campaign says, and given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_lost_its_nonce_is_given_up_where_nobody_asked_for_zeros() {
    let smsc = a_centre().await;
    let world = a_world_out_of_step(&smsc, "").await;
    let ending = world.run(&document("attempts: 4, answer_within: 1s")).await;
    for (index, result) in world.each(&ending) {
        let lost = world.fleet.expected(index).server_nonce == ServerNonce::Lost;
        let wanted = if lost { ("unreachable", 4, 0) } else { ("applied", 1, 1) };
        let sessions = world.fleet.sessions_of(index);
        assert_eq!((result.outcome.as_str(), result.attempts, sessions), wanted, "device {index}");
    }
    world.ends_well().await;
    assert_eq!(smsc.stop().await.breaches.count, 0);
}

/// D5: three attempts that were delivered and not answered, then one under zeros, once; in the session that comes of it both
/// sides get new nonces and nothing else happens; the campaign's work is done in the next. A device that does not know zeros is
/// given up with the reason. One that answers is never called so (to the simulated device that would be a breach).
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_lost_its_nonce_is_brought_back_into_step() {
    let smsc = a_centre().await;
    let world = a_world_out_of_step(&smsc, "resync = true").await;
    let ending = world.run(&document("attempts: 4, answer_within: 1s")).await;
    let mut healed = 0;
    for (index, result) in world.each(&ending) {
        let kind = world.fleet.expected(index);
        let wanted = match (kind.server_nonce, kind.habits) {
            (ServerNonce::Kept, _) => ("applied", 1, 1),
            // Its fifth goes beyond what the campaign grants: the fourth brought it back.
            (ServerNonce::Lost, Habits::B) => ("applied", 5, 2),
            (ServerNonce::Lost, Habits::A | Habits::Windows) => ("unreachable", 4, 0),
        };
        let sessions = world.fleet.sessions_of(index);
        let came = (result.outcome.as_str(), result.attempts, sessions);
        assert_eq!(came, wanted, "device {index}: {result:?}");
        let detail = result.why.as_deref().unwrap_or_default();
        assert_eq!(detail.contains("bootstrap"), result.outcome == "unreachable", "{result:?}");
        healed += u64::from(wanted.2 == 2);
    }
    assert!((2..DEVICES / 2 + 2).contains(&healed), "{healed}");
    let metrics = reqwest::get(format!("http://{}/metrics", world.running.admin)).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for (step, n) in [("opened", healed), ("healed", healed)] {
        let line = format!("reveille_nonce_resyncs_total{{step=\"{step}\"}} {n}");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    // They stay in step.
    let again = document("attempts: 1, answer_within: 10s")
        .replace("campaign: notified", "campaign: again")
        .replace("10.20.0.1", "10.20.0.2");
    let ending = world.run(&again).await;
    for (index, result) in world.each(&ending) {
        let kind = world.fleet.expected(index);
        let lost_for_good = kind.server_nonce == ServerNonce::Lost && kind.habits == Habits::A;
        assert_eq!(result.outcome == "applied", !lost_for_good, "device {index}: {result:?}");
    }
    world.ends_well().await;
    assert_eq!(smsc.stop().await.breaches.count, 0);
}
