//! Several processes over one Redis: successive messages of one session get to different ones, and any of them may die.

use crate::{
    killed::reported,
    operator::{Operator, Refusal},
    process::{Redis, Serving, Site, rounds},
    world::{AUTHORITY, at_rest, import, no_breach},
};
use loadtest::{Fleet, FleetPlan, Mix};
use rand::{Rng, SeedableRng, rngs::StdRng};
use server::store::redis::{RedisConfig, RedisStore};
use std::{collections::BTreeMap, time::Duration};

/// What is wanted; a campaign each.
fn document(name: &str, value: u64) -> String {
    format!(
        "
campaign: {name}
authority: {AUTHORITY}
devices: {{group: demo}}
settings:
  - {{uri: ./AP/GW/Addr, value: 10.30.{value}.1}}
  - {{uri: ./ConnMO/QoS/MaxDownlink, format: int, value: {}}}
deliver: {{attempts: 12, answer_within: 3s}}
pace: {{per_second: 60}}
",
        60_000 + value
    )
}

async fn a_fleet(sites: &[Site], devices: u64, mix: Mix, seed: u64) -> Fleet {
    let plan = FleetPlan {
        mix,
        seed,
        server_id: "reveille.local".to_owned(),
        fronts: sites.iter().map(Site::front).collect(),
        round_robin: true,
        ..FleetPlan::new(devices, format!("http://dm.operator.example/dm/{AUTHORITY}"))
    };
    Fleet::start(plan).await.unwrap()
}

/// Submits through whoever answers.
async fn submit(operators: &[Operator], document: &str) -> String {
    for operator in operators.iter().cycle().take(600) {
        match operator.submit(document).await {
            Ok(view) => return view.id,
            Err(Refusal::Problem(problem)) => panic!("the campaign was refused: {problem}"),
            Err(Refusal::Unanswered) => tokio::time::sleep(crate::operator::LOOK).await,
        }
    }
    panic!("nobody took the campaign")
}

/// C3: any worker can take the next message of a session.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_messages_get_to_two_processes_in_turn_ends_as_with_one() {
    const DEVICES: u64 = 40;
    let redis = Redis::start();
    let sites = [Site::over(&redis), Site::over(&redis)];
    let servers = [sites[0].start().await, sites[1].start().await];
    let fleet = a_fleet(&sites, DEVICES, Mix::healthy(), 7).await;
    let operators = [sites[0].operator(), sites[1].operator()];
    import(&operators[0], &fleet, 0..DEVICES, "", |_| String::new()).await;

    let id = submit(&operators, &document("hand-over", 1)).await;
    let ending = operators[1].end_of(AUTHORITY, &id).await;
    at_rest(&fleet).await;
    assert_eq!(ending.view.progress.outcomes, BTreeMap::from([("applied".to_owned(), DEVICES)]));
    for index in 0..DEVICES {
        assert_eq!(
            fleet.node(index, "./AP/GW/Addr").as_deref(),
            Some("10.30.1.1"),
            "device {index}"
        );
        assert_eq!(fleet.sessions_of(index), 1, "one session was enough for device {index}");
    }
    no_breach(&fleet.stop().await);
    for server in servers {
        let messages = server.messages().await;
        assert!(
            messages > DEVICES,
            "each process had about half of the messages, this one {messages}"
        );
    }
}

/// Who is killed.
#[derive(Clone, Copy)]
enum Victim {
    OneServer,
    AllServers,
    Redis,
}

/// C1, R16 and the first two invariants; so too below. `REVEILLE_ROUNDS` says how often; the long run is `scripts/chaos`.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_processes_killed_at_random_moments_loses_nothing_and_counts_nothing_twice() {
    killed_again_and_again(Victim::OneServer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_processes_killed_at_once_lose_nothing_and_count_nothing_twice() {
    killed_again_and_again(Victim::AllServers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_killed_under_three_processes_loses_nothing_and_counts_nothing_twice() {
    killed_again_and_again(Victim::Redis).await;
}

async fn killed_again_and_again(victim: Victim) {
    const DEVICES: u64 = 90;
    let rounds = rounds(2);
    let seed = rand::random();
    println!("seed {seed}, {rounds} rounds");
    let mut dice = StdRng::seed_from_u64(seed);
    let mut redis = Redis::start();
    let sites = [Site::over(&redis), Site::over(&redis), Site::over(&redis)];
    let operators: Vec<_> = sites.iter().map(Site::operator).collect();
    let mut servers: Vec<Serving> = Vec::new();
    for site in &sites {
        servers.push(site.start().await);
    }
    let fleet = a_fleet(&sites, DEVICES, Mix::healthy(), seed).await;
    import(&operators[0], &fleet, 0..DEVICES, "", |_| String::new()).await;

    for round in 0..rounds {
        let id = submit(&operators, &document(&format!("round-{round}"), round)).await;
        tokio::time::sleep(Duration::from_millis(dice.random_range(200..3_000))).await;
        match victim {
            Victim::OneServer => {
                let one = dice.random_range(0..servers.len());
                servers.remove(one).kill().await;
                servers.insert(one, sites[one].start().await);
            }
            Victim::AllServers => {
                for server in servers.drain(..) {
                    server.kill().await;
                }
                for site in &sites {
                    servers.push(site.start().await);
                }
            }
            Victim::Redis => redis.crash().await,
        }
        let one = dice.random_range(0..operators.len());
        let ending = operators[one].end_of(AUTHORITY, &id).await;
        at_rest(&fleet).await;
        let progress = &ending.view.progress;
        let counted: u64 = progress.outcomes.values().sum();
        assert_eq!((progress.enrolled, counted), (DEVICES, DEVICES), "round {round}");
        assert_eq!(ending.results.len() as u64, DEVICES, "every device has one outcome");
        let applied = BTreeMap::from([("applied".to_owned(), DEVICES)]);
        assert_eq!(progress.outcomes, applied, "round {round}");
        for index in 0..DEVICES {
            let value = fleet.node(index, "./AP/GW/Addr");
            assert_eq!(value, Some(format!("10.30.{round}.1")), "device {index}");
        }
    }
    no_breach(&fleet.stop().await);
    let store = RedisStore::connect(&RedisConfig::new(redis.url())).await.unwrap();
    assert_eq!(reported(&store).await, DEVICES * rounds, "every result is among the events");
}
