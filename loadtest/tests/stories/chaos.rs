//! Three processes over Redis and RabbitMQ, in the middle of campaigns: whoever dies or stands still, nothing is lost, nothing
//! is counted twice, and every result is told. `scripts/chaos` plays more rounds of it.

use crate::{
    broker_lost::{back, send_until_taken},
    hand_over::a_fleet,
    operator::{LOOK, Operator},
    process::{Redis, Serving, Site, rounds, seed},
    rabbit::{Told, Upstream, ready, settings, shared},
    world::{AUTHORITY, at_rest, import, no_breach},
};
use api::MessageType::{Chunk, Submit};
use lapin::Consumer;
use loadtest::{Answer, Fleet, Mix, broker::Broker};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

const DEVICES: u64 = 120;
/// Of their users, so many say no whenever they are asked.
const SAY_NO: f64 = 0.2;
/// Devices in one message.
const OF: u64 = 30;
/// Of the route, for all processes together.
const PER_SECOND: u64 = 15;
/// How long notifications are counted, and how many may come in that time: a busy machine may hear those of another second late.
/// All that are left when somebody has stood still would be more.
const A_WHILE: Duration = Duration::from_secs(3);
const MOST_IN_A_WHILE: u64 = 4 * PER_SECOND;

/// What happens in the middle of each campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    OneServerDies,
    AllServersDie,
    RedisDies,
    BrokerDies,
    RedisStandsStill,
    BrokerStandsStill,
}

/// C1, C6, R16 and the first four invariants; so too below.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_processes_killed_at_random_moments_loses_nothing_and_counts_nothing_twice() {
    struck_again_and_again(Blow::OneServerDies).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_processes_killed_at_once_lose_nothing_and_count_nothing_twice() {
    struck_again_and_again(Blow::AllServersDie).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_killed_under_three_processes_loses_nothing_and_counts_nothing_twice() {
    struck_again_and_again(Blow::RedisDies).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_killed_beside_three_processes_loses_nothing_and_tells_every_result() {
    struck_again_and_again(Blow::BrokerDies).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_stands_still_loses_no_job_doubles_none_and_lets_no_limit_be_exceeded() {
    struck_again_and_again(Blow::RedisStandsStill).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stands_still_loses_no_job_doubles_none_and_lets_no_limit_be_exceeded() {
    struck_again_and_again(Blow::BrokerStandsStill).await;
}

/// Rounds of a blow, and how long who stands still does so: longer than any device waits here, and in the long run longer than
/// every timeout and heartbeat.
fn measure(blow: Blow) -> (u64, Duration) {
    match blow {
        Blow::RedisStandsStill | Blow::BrokerStandsStill if rounds(1) > 1 => {
            (rounds(1), Duration::from_secs(30))
        }
        _ => (rounds(1), Duration::from_secs(7)),
    }
}

/// The virtual host of a blow: each has its own, since those that leave the broker alone share one.
fn vhost(blow: Blow) -> usize {
    match blow {
        Blow::OneServerDies => 8,
        Blow::AllServersDie => 9,
        Blow::RedisDies => 10,
        Blow::RedisStandsStill => 11,
        Blow::BrokerDies | Blow::BrokerStandsStill => 12,
    }
}

async fn struck_again_and_again(blow: Blow) {
    let (rounds, still) = measure(blow);
    let seed = seed();
    println!("{blow:?}: seed {seed}, {rounds} rounds");
    let mut dice = StdRng::seed_from_u64(seed);
    let home = tempfile::tempdir().unwrap();
    let broker = match blow {
        Blow::BrokerDies | Blow::BrokerStandsStill => Broker::start(home.path()).await.unwrap(),
        _ => shared().await,
    };
    let mut cluster = Cluster::start(&broker.url("reveille", vhost(blow))).await;
    let mix = Mix { says_no: SAY_NO, ..Mix::healthy() };
    let fleet = a_fleet(&cluster.sites, DEVICES, mix, seed).await;
    import(&cluster.operators[0], &fleet, 0..DEVICES, "", |_| String::new()).await;
    let mut listener = back(&broker, "noc", vhost(blow)).await;
    let mut events = listener.listen().await;
    let mut told = Told::default();

    for round in 0..rounds {
        let name = format!("round-{round}");
        let moment = Duration::from_millis(dice.random_range(100..2_500));
        let one = dice.random_range(0..cluster.servers.len());
        let names = (0..DEVICES).map(|index| fleet.identity(index).device).collect();
        let playing = async {
            let striking = async {
                tokio::time::sleep(moment).await;
                cluster.strike(blow, one, still, &broker).await;
            };
            tokio::join!(submit((&broker, vhost(blow)), &name, round, names), striking);
            cluster.operators[one].end_of(AUTHORITY, &name).await
        };
        let ending = tokio::select! {
            ending = playing => ending,
            most = too_many(&fleet) => panic!("round {round} of {blow:?}: {most} notifications in {A_WHILE:?}"),
        };
        at_rest(&fleet).await;
        for index in 0..DEVICES {
            let device = fleet.identity(index).device;
            let agrees = fleet.expected(index).answer == Answer::Yes;
            let outcome = &ending.of(&device).outcome;
            let value = fleet.node(index, "./AP/GW/Addr").unwrap();
            let is = (outcome.as_str(), value.as_str());
            let new = format!("10.40.{round}.1");
            let wanted = if agrees { ("applied", new.as_str()) } else { ("declined", "10.0.0.1") };
            assert_eq!(is, wanted, "device {index} in round {round} of {blow:?}");
            let view = cluster.operators[one].device(AUTHORITY, &device).await.unwrap();
            assert!(view.jobs.is_empty(), "{device} still has a job: {view:?}");
        }
        // A result that came again under another id would be one more.
        let all =
            |told: &Told| told.results.len() as u64 == DEVICES * (round + 1) && told.ended(&name);
        while !told.until(&mut events, all).await {
            (listener, events) = heard_again(&broker, vhost(blow)).await;
        }
        for (device, result) in &ending.results {
            let id = format!("{}/0/{device}", ending.view.seq);
            assert_eq!(told.results.get(&id), Some(&result.outcome), "{id}");
        }
    }
    println!("{blow:?}: {} results were told, {} told again", told.results.len(), told.repeats);
    for queue in ["campaigns", "chunks", "rejected"] {
        assert_eq!(listener.waiting_in(&format!("reveille.{queue}")).await, 0, "{queue}");
    }
    no_breach(&fleet.stop().await);
    for server in cluster.servers {
        server.terminate().await;
    }
}

/// The campaign and its devices as messages, each sent until the broker says that it has it.
async fn submit((broker, vhost): (&Broker, usize), name: &str, value: u64, devices: Vec<String>) {
    let document = format!(
        "
campaign: {name}
authority: {AUTHORITY}
devices: {{file: chunks}}
settings:
  - {{uri: ./AP/GW/Addr, value: 10.40.{value}.1}}
  - {{uri: ./ConnMO/QoS/MaxDownlink, format: int, value: {}}}
confirm: {{ask: May we change your gateway?, default: no, wait: 5s}}
confirm_mass: true
deliver: {{attempts: 12, answer_within: 3s}}
",
        70_000 + value
    );
    let mut sender = back(broker, "billing", vhost).await;
    send_until_taken(broker, &mut sender, (Submit, vhost), name, &document).await;
    let parts = u32::try_from(DEVICES / OF).unwrap();
    for (part, devices) in (0..).zip(devices.chunks(usize::try_from(OF).unwrap())) {
        let chunk = api::ChunkMessage {
            campaign: name.to_owned(),
            part,
            parts: Some(parts),
            devices: devices.to_vec(),
        };
        let body = serde_json::to_string(&chunk).unwrap();
        let id = format!("{name}-{part}");
        send_until_taken(broker, &mut sender, (Chunk, vhost), &id, &body).await;
        // Long enough for the moment of the blow to be anywhere among the parts and the sessions.
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
}

/// The listener's queue outlives the broker; the connection does not.
async fn heard_again(broker: &Broker, vhost: usize) -> (Upstream, Consumer) {
    loop {
        let listener = back(broker, "noc", vhost).await;
        if let Some(events) = listener.try_hear().await {
            return (listener, events);
        }
    }
}

/// Watches how many notifications come, and returns when they were too many.
async fn too_many(fleet: &Fleet) -> u64 {
    let mut seen = VecDeque::new();
    loop {
        let now = (Instant::now(), fleet.report().notifications);
        seen.push_back(now);
        while seen.front().is_some_and(|(then, _)| now.0 - *then > A_WHILE) {
            seen.pop_front();
        }
        let most = seen.front().map_or(0, |(_, then)| now.1 - then);
        if most > MOST_IN_A_WHILE {
            return most;
        }
        tokio::time::sleep(LOOK).await;
    }
}

struct Cluster {
    redis: Redis,
    sites: Vec<Site>,
    servers: Vec<Serving>,
    operators: Vec<Operator>,
}

impl Cluster {
    async fn start(broker: &str) -> Self {
        let redis = Redis::start();
        let more = format!(
            "{}\n[[route]]\nname = \"udp\"\nkind = \"udp\"\nper_second = {PER_SECOND}\n",
            settings(broker, "")
        );
        let sites: Vec<_> = (0..3).map(|_| Site::over_with(&redis, &more)).collect();
        let operators: Vec<_> = sites.iter().map(Site::operator).collect();
        let mut servers = Vec::new();
        for site in &sites {
            servers.push(site.start().await);
        }
        for operator in &operators {
            ready(operator).await;
        }
        Self { redis, sites, servers, operators }
    }

    async fn strike(&mut self, blow: Blow, one: usize, still: Duration, broker: &Broker) {
        match blow {
            Blow::OneServerDies => {
                self.servers.remove(one).kill().await;
                self.servers.insert(one, self.sites[one].start().await);
            }
            Blow::AllServersDie => {
                for server in self.servers.drain(..) {
                    server.kill().await;
                }
                for site in &self.sites {
                    self.servers.push(site.start().await);
                }
            }
            Blow::RedisDies => self.redis.crash().await,
            Blow::BrokerDies => {
                broker.kill();
                broker.restart().await.unwrap();
            }
            Blow::RedisStandsStill => {
                self.redis.stand_still().await;
                tokio::time::sleep(still).await;
                self.redis.go_on().await;
            }
            Blow::BrokerStandsStill => {
                broker.stand_still();
                tokio::time::sleep(still).await;
                broker.go_on();
            }
        }
    }
}
