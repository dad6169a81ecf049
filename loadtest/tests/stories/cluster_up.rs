//! `scripts/cluster-up`, as the README has it: one command, and what the pages say to do next, word for word.

use crate::{
    operator::{Operator, PATIENCE},
    world::{AUTHORITY, at_rest, import, no_breach},
};
use loadtest::{Fleet, FleetPlan, Mix};
use server::config::Config;
use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

const DEVICES: u64 = 30;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(repository().join(file)).unwrap()
}

/// What the script started.
struct Cluster {
    script: Child,
    /// Where devices connect, where operators do, a worker each.
    workers: Vec<(SocketAddr, SocketAddr)>,
    prometheus: String,
    home: PathBuf,
}

impl Cluster {
    async fn up(home: PathBuf) -> Self {
        let mut script = Command::new(repository().join("scripts/cluster-up"))
            .args(["--devices", "0", "--program", env!("CARGO_BIN_EXE_reveille")])
            .arg(&home)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(script.stdout.take().unwrap()).lines();
        let mut cluster = Self { script, workers: Vec::new(), prometheus: String::new(), home };
        let telling = async {
            while let Some(line) = said.next_line().await.unwrap() {
                let urls: Vec<_> = line
                    .split_whitespace()
                    .filter_map(|word| word.strip_prefix("http://"))
                    .collect();
                match (line.split_whitespace().next(), &urls[..]) {
                    (Some(name), [devices, admin, _]) if name.starts_with("worker-") => {
                        cluster.workers.push((devices.parse().unwrap(), admin.parse().unwrap()));
                    }
                    (Some("Prometheus"), [at]) => cluster.prometheus = format!("http://{at}"),
                    (Some("Ctrl-C"), _) => return,
                    _ => {}
                }
            }
            panic!("it ended instead of being up");
        };
        tokio::time::timeout(PATIENCE, telling).await.expect("it is up in time");
        cluster
    }

    /// Runs what a page says, with what the script says to take along.
    async fn shell(&self, commands: &str) -> String {
        let home = self.home.display();
        let script = format!("HOME_OF_IT='{home}'\n. \"$HOME_OF_IT/env\"\n{commands}");
        let Output { status, stdout, stderr } = Command::new("bash")
            .args(["-euc", &script])
            .current_dir(repository())
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "{commands}\n{stdout}\n{stderr}");
        stdout.into_owned()
    }

    async fn stop(mut self) {
        assert!(self.ask_to_stop());
        assert!(self.script.wait().await.unwrap().success());
    }

    fn ask_to_stop(&self) -> bool {
        let mut stop = std::process::Command::new(repository().join("scripts/cluster-up"));
        stop.arg("--stop").arg(&self.home).status().unwrap().success()
    }
}

/// A story that fails leaves nobody behind.
impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.ask_to_stop();
        }
    }
}

/// The blocks of shell commands in a section of a page.
fn blocks(page: &str, section: &str) -> Vec<String> {
    let text = read(page);
    let (_, after) = text.split_once(&format!("\n# {section}\n")).unwrap();
    let mut blocks = Vec::new();
    let mut block = None;
    for line in after.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (None, line) if line.starts_with("# ") => break,
            (None, _) => {}
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(block), line) => *block = format!("{block}{line}\n"),
        }
    }
    blocks
}

/// C1, C6, C7: from the README to two workers over RabbitMQ and Redis with one command; a campaign over HTTP, one over AMQP, its
/// results as events; Prometheus watches both; and all of it ends when it is told to.
#[tokio::test(flavor = "multi_thread")]
async fn one_command_brings_up_two_workers_and_the_pages_say_rightly_what_to_do_next() {
    let home = tempfile::tempdir().unwrap();
    let cluster = Cluster::up(home.path().canonicalize().unwrap().join("a cluster")).await;
    assert_eq!(cluster.workers.len(), 2);
    let plan = FleetPlan {
        mix: Mix::healthy(),
        server_id: "reveille.local".to_owned(),
        fronts: cluster.workers.iter().map(|(devices, _)| *devices).collect(),
        ..FleetPlan::new(DEVICES, format!("http://dm.reveille.example:8080/dm/{AUTHORITY}"))
    };
    let fleet = Fleet::start(plan).await.unwrap();
    let operators =
        cluster.workers.iter().map(|(_, admin)| Operator::at(format!("http://{admin}")));
    let operators: Vec<_> = operators.collect();
    import(&operators[0], &fleet, 0..DEVICES, "", |_| String::new()).await;

    let pages = blocks("docs/running-it.md", "Several processes over Redis and RabbitMQ");
    let [over_http, over_amqp, results] = &pages[..] else { panic!("{pages:#?}") };
    cluster.shell(over_http).await;
    let ending = operators[1].end_of(AUTHORITY, "demo").await;
    assert_eq!(ending.view.progress.ended, DEVICES);
    cluster.shell(over_amqp).await;
    let ending = operators[1].end_of(AUTHORITY, "demo-by-amqp").await;
    assert_eq!((ending.view.progress.ended, ending.count("unchanged")), (DEVICES, DEVICES));
    at_rest(&fleet).await;

    let (post, _) = over_amqp.split_once("\n\n").unwrap();
    let mut told = BTreeSet::new();
    let telling = async {
        while told.len() < ending.results.len() {
            let events = cluster.shell(&format!("{post}\n{results}")).await;
            for name in ending.results.keys().filter(|name| events.contains(name.as_str())) {
                told.insert(name.clone());
            }
        }
    };
    assert!(tokio::time::timeout(PATIENCE, telling).await.is_ok(), "only {} are told", told.len());

    // The program that the page of the broker gives to start from.
    let listed: Vec<_> = (0..DEVICES).map(|index| fleet.identity(index).device).collect();
    fs::write(cluster.home.join("devices.txt"), listed.join("\n")).unwrap();
    let program = cluster
        .shell(
            "sed 's/^campaign: demo$/campaign: by-program/; s/group: demo/file: devices.txt/' \\
               deploy/examples/demo.yaml >\"$HOME_OF_IT/campaign.yaml\"
             deploy/examples/send-campaign.py \"$AMQP\" \"$HOME_OF_IT/campaign.yaml\" \"$HOME_OF_IT/devices.txt\"",
        )
        .await;
    let printed: BTreeSet<_> = program.lines().collect();
    let wanted: Vec<_> = listed.iter().map(|device| format!("{device} unchanged")).collect();
    assert_eq!(printed, wanted.iter().map(String::as_str).collect(), "{program}");

    let up = format!("curl -fsS '{}/api/v1/query?query=sum(up)'", cluster.prometheus);
    let watched = async { while !cluster.shell(&up).await.contains(r#""2"]"#) {} };
    assert!(tokio::time::timeout(PATIENCE, watched).await.is_ok(), "Prometheus sees both");

    let doors: Vec<_> =
        cluster.workers.iter().flat_map(|(devices, admin)| [*devices, *admin]).collect();
    cluster.stop().await;
    for door in doors {
        assert!(std::net::TcpStream::connect(door).is_err(), "somebody is still at {door}");
    }
    no_breach(&fleet.stop().await);
}

/// C7: the files that `deploy/compose.yaml` mounts are there, and what one file names is in the other.
#[test]
fn the_files_of_a_deployment_fit_together() {
    let compose = read("deploy/compose.yaml");
    let mounts =
        compose.lines().filter_map(|line| line.trim().strip_prefix("- .")?.split(':').next());
    let mounts: Vec<_> = mounts.map(|path| format!("deploy/.{path}")).collect();
    assert!(mounts.len() >= 7, "{mounts:?}");
    for file in mounts {
        assert!(repository().join(&file).exists(), "{file}");
    }
    let definitions = read("deploy/rabbitmq-definitions.json");
    for password in ["change-me", "change-me-too"] {
        assert!(definitions.contains(&format!("\"{password}\"")), "{password}");
        assert!(compose.contains(&format!(r#"s/\"{password}\"/"#)), "{password} is replaced");
    }
    let definitions: serde_json::Value = serde_json::from_str(&definitions).unwrap();
    let users = definitions["users"].as_array().unwrap();
    let users: BTreeSet<_> = users.iter().map(|user| user["name"].as_str().unwrap()).collect();
    let config = Config::read("cluster.toml", &read("deploy/cluster.toml"), &[]).unwrap();
    for known in &config.authorities[0].amqp_users {
        assert!(users.contains(known.user.as_str()), "{}", known.user);
    }
    for name in ["reveille-vault-key", "reveille-rabbitmq"] {
        assert!(compose.contains(&format!("target: {name},")), "{name}");
    }
    assert!(compose.contains("aliases: [dm.reveille.example]"));
    assert_eq!(config.http.devices.public_url, "http://dm.reveille.example:8080");
}

/// The settings that the page of the broker shows are settings; and the broker's own name the definitions that lie beside them.
#[test]
fn the_pages_of_the_broker_show_settings_that_are_taken() {
    let page = read("docs/rabbitmq.md");
    let (_, after) = page.split_once("```toml\n").unwrap();
    let (settings, _) = after.split_once("```").unwrap();
    let config = Config::read("rabbitmq.md", settings, &[]).unwrap();
    assert!(!config.authorities[0].amqp_users.is_empty());
    let named = "load_definitions = /etc/rabbitmq/rabbitmq-definitions.json";
    assert!(read("deploy/rabbitmq.conf").lines().any(|line| line == named));
    assert!(repository().join("deploy/rabbitmq-definitions.json").exists());
}

/// Each line of the page "what survives what" names a test, and the test is there.
#[test]
fn what_survives_what_is_held_by_tests_that_exist() {
    let page = read("docs/what-survives-what.md");
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| then"));
    let mut sources = String::new();
    let mut folders = vec![repository().join("src"), repository().join("loadtest")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                sources += &fs::read_to_string(entry).unwrap();
            }
        }
    }
    let mut lines = 0;
    for row in rows.filter(|row| !row.starts_with("| ---")) {
        let held_by = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let tests: Vec<_> = held_by.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "nothing holds: {row}");
        for test in tests {
            let named = format!("fn {test}(");
            let is_there = sources.match_indices(&named).any(|(at, _)| {
                let above = sources[..at].trim_end().trim_end_matches("async").trim_end();
                let attribute = above.lines().last().unwrap().trim_start();
                ["#[test]", "#[tokio::test"].iter().any(|test| attribute.starts_with(test))
            });
            assert!(is_there, "there is no test {test}");
        }
        lines += 1;
    }
    assert!(lines >= 15, "{lines}");
}
