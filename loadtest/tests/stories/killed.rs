//! The server is killed again and again in the middle of campaigns, and nobody is the worse for it.

use crate::{
    operator::{Operator, Refusal},
    process::{Serving, Site, seed},
    world::{AUTHORITY, at_rest, import, no_breach},
};
use api::ResultLine;
use loadtest::{Fleet, FleetPlan, Mix};
use rand::{Rng, SeedableRng, rngs::StdRng};
use server::{
    events::Event,
    rows::Stored,
    store::{
        EventId, Shard, Store,
        embedded::{Embedded, EmbeddedConfig},
    },
};
use std::{collections::BTreeMap, time::Duration};

const DEVICES: u64 = 240;
const CAMPAIGNS: u64 = 5;
const KILLS: u64 = 4;

/// Each campaign wants other values, so each has work on every device.
fn document(campaign: u64) -> String {
    format!(
        "
campaign: kill-{campaign}
authority: {AUTHORITY}
devices: {{group: demo}}
settings:
  - {{uri: ./AP/GW/Addr, value: 10.20.{campaign}.1}}
  - {{uri: ./ConnMO/QoS/MaxDownlink, format: int, value: {}}}
  - {{uri: ./AP/MMS/Addr, value: mms{campaign}.operator.example}}
deliver: {{attempts: 12, answer_within: 3s}}
pace: {{per_second: 60}}
",
        50_000 + campaign
    )
}

/// R16, R24 and the first two invariants: `kill -9` at twenty random moments of five campaigns. Every job ends with exactly
/// one outcome, counted once, reported under one id; what was accepted is not forgotten; no device sees anything wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_at_twenty_random_moments_loses_nothing_and_counts_nothing_twice() {
    let seed = seed();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let site = Site::new();
    let mut serving = site.start().await;
    let operator = site.operator();
    let mix = Mix {
        lost_answer: 0.05,
        stale_nonce: 0.05,
        missing_nodes: 0.1,
        dies_mid_session: 0.03,
        ..Mix::healthy()
    };
    let server_id = "reveille.local".to_owned();
    let fleet = FleetPlan { mix, server_id, ..FleetPlan::new(DEVICES, site.dm_url(AUTHORITY)) };
    let fleet = Fleet::start(fleet).await.unwrap();
    import(&operator, &fleet, 0..DEVICES, "", |_| String::new()).await;

    for campaign in 0..CAMPAIGNS {
        let submitted = tokio::spawn(submit(operator.clone(), document(campaign)));
        for _ in 0..KILLS {
            serving =
                killed_after(Duration::from_millis(dice.random_range(20..900)), serving, &site)
                    .await;
        }
        submitted.await.unwrap();
        let ending = operator.end_of(AUTHORITY, &format!("kill-{campaign}")).await;
        at_rest(&fleet).await;
        assert_eq!(ending.view.progress.enrolled, DEVICES);
        // A device that was written to before a kill is found as wanted after it, and was not so before.
        let others = ending.results.values().filter(|result| result.outcome != "applied");
        assert_eq!(others.collect::<Vec<_>>(), Vec::<&ResultLine>::new());
        for index in 0..DEVICES {
            assert_eq!(
                fleet.node(index, "./AP/GW/Addr"),
                Some(format!("10.20.{campaign}.1")),
                "device {index}"
            );
        }
    }
    serving.terminate().await;
    no_breach(&fleet.stop().await);
    every_result_was_reported(&site).await;
}

/// Lets the program work for a while, kills it and starts it again.
async fn killed_after(pause: Duration, serving: Serving, site: &Site) -> Serving {
    tokio::time::sleep(pause).await;
    serving.kill().await;
    site.start().await
}

/// Submits until it is accepted, as a client does that hears no answer.
async fn submit(operator: Operator, document: String) {
    loop {
        match operator.submit(&document).await {
            Ok(_) => return,
            Err(Refusal::Problem(problem)) => panic!("{problem}"),
            Err(Refusal::Unanswered) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn every_result_was_reported(site: &Site) {
    let store = Embedded::open(&EmbeddedConfig::new(site.store())).unwrap();
    assert_eq!(reported(&store).await, DEVICES * CAMPAIGNS);
}

/// How many jobs the log of events holds the outcome of; never two different ones under one id.
pub(crate) async fn reported(store: &dyn Store) -> u64 {
    let mut reported = BTreeMap::new();
    for shard in Shard::all() {
        let mut after = EventId::default();
        loop {
            let page = store.events(shard, after, 500).await.unwrap();
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (_, octets) in &page {
                if let Event::Result { seq, run, device, result } =
                    Event::from_octets(octets).unwrap()
                {
                    let first = reported.insert((seq, run, device), result.outcome);
                    assert!(first.is_none_or(|first| first == result.outcome));
                }
            }
        }
    }
    reported.len() as u64
}
