//! A master of Redis is lost in the middle of a campaign, and Sentinel makes one of its replicas the master.

use crate::{
    hand_over::a_fleet,
    operator::{LOOK, PATIENCE},
    process::{Site, a_port, key_file, text},
    world::{AUTHORITY, at_rest, import},
};
use loadtest::{Answer, Mix, Rule};
use std::{path::Path, process::Stdio};
use tempfile::TempDir;
use tokio::process::{Child, Command};

const DEVICES: u64 = 120;

/// A master, two replicas, and a Sentinel that watches them, with the settings that operators are given.
struct Watched {
    home: TempDir,
    replicas: [u16; 2],
    servers: [Child; 3],
    sentinel: (u16, Child),
}

impl Watched {
    async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (master, replicas) = (a_port(), [a_port(), a_port()]);
        let servers = [
            serve(home.path(), master, None),
            serve(home.path(), replicas[0], Some(master)),
            serve(home.path(), replicas[1], Some(master)),
        ];
        let port = a_port();
        let file = home.path().join("sentinel.conf");
        let config = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor reveille 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds reveille 500\nsentinel failover-timeout reveille 3000\n",
            home.path().display(),
            master
        );
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel").stdout(Stdio::null()).kill_on_drop(true);
        let watched = Self { home, replicas, servers, sentinel: (port, command.spawn().unwrap()) };
        for replica in replicas {
            watched.until(&[replica], "replication", "master_link_status:up").await;
        }
        watched.until(&[port], "sentinel", "slaves=2").await;
        watched
    }

    fn settings(&self) -> String {
        let key = self.home.path().join("vault.key");
        key_file(&key, "5e");
        format!(
            "[store]\nkind = \"redis\"\nurls = [\"redis://127.0.0.1:{}\"]\nsentinel = {{ master = \"reveille\" }}\n\
             replicas = 1\nexpected_devices = 1000\n[vault]\nkey_file = {}\n",
            self.sentinel.0,
            text(&key)
        )
    }

    /// `kill -9` of the master, until one of its replicas leads.
    async fn fail_over(&mut self) {
        self.servers[0].kill().await.unwrap();
        self.until(&self.replicas, "replication", "role:master").await;
    }

    /// Waits until one of these servers tells something of itself.
    async fn until(&self, ports: &[u16], about: &str, wanted: &str) {
        let waiting = async {
            for port in ports.iter().cycle() {
                let asked = Command::new("redis-cli")
                    .args(["-p", &port.to_string(), "INFO", about])
                    .output()
                    .await;
                if String::from_utf8_lossy(&asked.unwrap().stdout).contains(wanted) {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "{ports:?} never say {wanted}");
    }
}

fn serve(home: &Path, port: u16, follows: Option<u16>) -> Child {
    let directory = home.join(port.to_string());
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("redis.conf"), include_str!("../../../deploy/redis.conf"))
        .unwrap();
    let mut command = Command::new("redis-server");
    command.args(["redis.conf", "--logfile", "redis.log", "--port", &port.to_string()]);
    if let Some(master) = follows {
        command.args(["--replicaof", &format!("127.0.0.1 {master}")]);
    }
    command
        .current_dir(directory)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server is there; install it with: apt-get install redis-server")
}

/// C1, C3 and the first, third and fifth invariants: with `replicas = 1` a failover costs no outcome and doubles none. What it may
/// cost is work: a device is notified or asked again, and one that was written to before is found to be as wanted. Nobody
/// who said no is written to.
#[tokio::test(flavor = "multi_thread")]
async fn a_failover_in_the_middle_of_a_campaign_costs_no_outcome_and_writes_to_nobody_who_said_no()
{
    let mut watched = Watched::start().await;
    let settings = watched.settings();
    let sites = [Site::over_store(&settings), Site::over_store(&settings)];
    let servers = [sites[0].start().await, sites[1].start().await];
    let operators = [sites[0].operator(), sites[1].operator()];
    let fleet = a_fleet(&sites, DEVICES, Mix { says_no: 0.2, ..Mix::healthy() }, 23).await;
    import(&operators[0], &fleet, 0..DEVICES, "", |_| String::new()).await;
    let document = format!(
        "
campaign: failover
authority: {AUTHORITY}
devices: {{group: demo}}
settings: [{{uri: ./AP/GW/Addr, value: 10.50.0.1}}]
confirm: {{ask: May we change your gateway?, default: no, wait: 5s}}
confirm_mass: true
deliver: {{attempts: 12, answer_within: 3s}}
pace: {{per_second: 20}}
"
    );
    operators[0].submit(&document).await.map_err(|_refused| "the campaign was refused").unwrap();
    let going = |view: &api::CampaignView| view.progress.ended > DEVICES / 4;
    operators[1].until(AUTHORITY, "failover", "going on", going).await;
    let before = operators[1].results(AUTHORITY, "failover").await.unwrap();

    watched.fail_over().await;
    let ending = operators[1].end_of(AUTHORITY, "failover").await;
    at_rest(&fleet).await;
    assert_eq!(ending.view.progress.ended, DEVICES, "{:?}", ending.view);
    for line in before {
        // What was told to be so stays so: it had waited for the replica.
        assert_eq!(ending.of(&line.device), &line);
    }
    for index in 0..DEVICES {
        let device = fleet.identity(index).device;
        let outcome = ending.of(&device).outcome.as_str();
        let value = fleet.node(index, "./AP/GW/Addr").unwrap();
        if fleet.expected(index).answer == Answer::Yes {
            assert!(matches!(outcome, "applied" | "unchanged"), "device {index}: {outcome}");
            assert_eq!(value, "10.50.0.1", "device {index}");
        } else {
            assert_eq!((outcome, value.as_str()), ("declined", "10.0.0.1"), "device {index}");
        }
        let view = operators[0].device(AUTHORITY, &device).await.unwrap();
        assert!(view.jobs.is_empty(), "{device} still has a job: {view:?}");
    }
    // What a lost master alone knew are nonces too: a device may have to prove itself again, and the server to it.
    let mut breaches = fleet.stop().await.breaches;
    for rule in [Rule::RightCredentialsRefused, Rule::ServerCredentialsWrong] {
        breaches.by_rule.remove(&rule);
    }
    assert!(breaches.by_rule.is_empty(), "{breaches:#?}");
    for server in servers {
        server.terminate().await;
    }
}
