//! A network entity sees devices use settings that are not right: that word alone starts the transfer.

use crate::{
    operator::LOOK,
    rabbit::{Told, Upstream, plan, ready, shared},
    world::{AUTHORITY, a_world, a_world_with},
};
use api::{MessageType::Trigger, TriggerRequest};
use loadtest::Mix;

const VHOST: usize = 2;

fn standing(more: &str) -> String {
    format!(
        "
campaign: standing
authority: {AUTHORITY}
on: {{reason: stale_gateway}}
settings: [{{uri: ./AP/GW/Addr, value: 10.20.0.1}}]
deliver: {{attempts: 3, answer_within: 5s}}
{more}
"
    )
}

fn seen(device: &str) -> TriggerRequest {
    TriggerRequest {
        device: device.to_owned(),
        reason: "stale_gateway".into(),
        observed: Some("10.0.0.1".into()),
        at: None,
    }
}

/// R2, R21: over HTTP, by device and by telephone number; the campaign goes on, and a second run has its own result. A
/// device that is named again and again is told as a fault and is not notified any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_word_of_the_network_brings_a_device_in_line() {
    let world = a_world_with(Mix::healthy(), 10).await;
    world.submit(&standing("quiet: 1s\nruns: {most: 2, per: 1d}")).await;
    let number = format!("msisdn:{}", world.fleet.identity(3).msisdn);
    let report = world.operator.trigger(&seen(&number)).await.unwrap();
    assert_eq!(report.device, world.name(3));
    assert_eq!(report.campaigns[0].answer, "taken_in");
    world.until("standing", "one is done", |view| view.progress.ended == 1).await;
    assert_eq!(world.node(3, "./AP/GW/Addr").as_deref(), Some("10.20.0.1"));
    assert_ne!(world.node(4, "./AP/GW/Addr").as_deref(), Some("10.20.0.1"));

    let mut answers = Vec::new();
    while answers.last().is_none_or(|answer| answer != "too_often") {
        let report = world.operator.trigger(&seen(&number)).await.unwrap();
        answers.push(report.campaigns[0].answer.clone());
        tokio::time::sleep(LOOK).await;
    }
    assert_eq!(answers.iter().filter(|answer| *answer == "taken_in").count(), 1, "{answers:?}");
    let view = world.until("standing", "both are done", |view| view.progress.ended == 2).await;
    assert_eq!(view.state, "running", "it waits for the next");
    let results = world.operator.results(AUTHORITY, "standing").await.unwrap();
    let mut runs: Vec<_> = results.iter().map(|line| (line.run, line.outcome.as_str())).collect();
    runs.sort_unstable();
    assert_eq!(runs, [(0, "applied"), (1, "unchanged")]);
    world.ends_well().await;
}

/// R2: a storm of triggers, many for each device, beside a mass campaign. Each device is taken in once, the mass campaign
/// gets the better part of the route, and the queue of triggers empties.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_triggers_takes_each_device_in_once_and_starves_nobody() {
    let broker = shared().await;
    let route = "[[route]]\nkind = \"udp\"\nname = \"udp\"\nper_second = 100\n";
    let mut plan = plan(&broker, VHOST, "", 600);
    plan.authorities += route;
    let world = a_world(plan).await;
    ready(&world.operator).await;
    let gateway = Upstream::at(&broker, "gateway", VHOST).await;
    let mut events = gateway.listen().await;
    // Two in three devices are stormed about, the others have their turn in the mass campaign.
    world.submit(&standing("runs: {most: 1, per: 1d}")).await;
    let sending = (0..4_000_u64).map(|n| {
        let gateway = &gateway;
        let body = serde_json::to_string(&seen(&world.name(n % 400))).unwrap();
        async move { gateway.send(Trigger, &format!("t{n}"), body).await }
    });
    let mass = format!(
        "
campaign: mass
authority: {AUTHORITY}
devices: {{list: [{}]}}
settings: [{{uri: ./AP/WAP/Addr, value: changed}}]
deliver: {{attempts: 3, answer_within: 5s}}
",
        (400..600).map(|index| world.name(index)).collect::<Vec<_>>().join(", ")
    );
    futures_util::future::join_all(sending).await;
    world.until("standing", "under way", |view| view.progress.notified > 0).await;
    world.submit(&mass).await;
    let mass = world.until("mass", "over", |view| view.state == "ended").await;
    assert_eq!(mass.progress.outcomes["applied"], 200);
    let storm = world.operator.view(AUTHORITY, "standing").await.unwrap();
    assert!(
        storm.progress.notified <= storm.progress.enrolled.min(200),
        "at most three in ten notifications of the route are urgent: {storm:?}"
    );
    let storm = world.until("standing", "done", |view| view.progress.ended == 400).await;
    assert_eq!(storm.progress.enrolled, 400, "each device once");
    assert_eq!(gateway.waiting_in("reveille.triggers").await, 0);
    let mut told = Told::default();
    told.until(&mut events, |told| told.results.len() == 600).await;
    let abort = world.operator.control(AUTHORITY, "standing", "abort").await.unwrap();
    assert_eq!(abort.state, "ending");
    world.until("standing", "ended", |view| view.state == "ended").await;
    world.ends_well().await;
}
