//! Somebody watches: a real Prometheus beside a server with a fleet, loaded with the rules and asked what the panels ask.

use crate::{
    operator::{LOOK, PATIENCE},
    process::a_port,
    world::{AUTHORITY, World, a_world_with},
};
use loadtest::Mix;
use serde_json::Value;
use server::metrics::list::{self, Kind, Metric};
use std::{collections::BTreeSet, fs, path::PathBuf, process::Stdio};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Metrics that stand still while all is well, or for good. They must be there; the rest must move, too.
const STILL: &[&str] = &[
    // Facts.
    "reveille_build_info",
    "reveille_connections_max",
    "reveille_memory_limit_bytes",
    "reveille_store_disk_size_bytes",
    "process_max_fds",
    "process_start_time_seconds",
    "reveille_campaign_state",
    // What goes wrong, and does not here.
    "reveille_ready",
    "reveille_store_errors_total",
    "reveille_store_conflicts_total",
    "reveille_nonce_resyncs_total",
    "reveille_notifications_refused_total",
    // No route is away here.
    "reveille_route_condition",
    "reveille_notifications_carried_by_another_total",
    // Nobody asks for care.
    "reveille_care_notify_seconds_count",
    // Only carriers tell it.
    "reveille_receipts_total",
    "reveille_deadlines_lag_seconds",
    "reveille_messages_repeated_total",
    "reveille_answers_slowed_total",
    "reveille_campaigns_hidden",
    "reveille_events_lag_seconds",
    "reveille_events_backlog_full",
    "reveille_clock_skew_seconds",
    // What a story of seconds may not see between two looks.
    "reveille_requests_in_flight",
    "reveille_store_disk_free_bytes",
    "process_threads",
    "process_virtual_memory_bytes",
];

/// A Prometheus of the story.
struct Prometheus {
    base: String,
    client: reqwest::Client,
    _server: Child,
    _home: TempDir,
}

fn repository(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)
}

impl Prometheus {
    /// As `deploy/prometheus.yml` has it, but faster, and watching this world.
    async fn watching(world: &World) -> Self {
        let home = tempfile::tempdir().unwrap();
        let rules = format!("{}/", repository("dashboards").display());
        let config = fs::read_to_string(repository("deploy/prometheus.yml")).unwrap();
        let config = config
            .replace("10s", "250ms")
            .replace("../dashboards/", &rules)
            .replace("127.0.0.1:8081", &world.running.admin.to_string());
        assert!(config.contains(&world.running.admin.to_string()));
        fs::write(home.path().join("prometheus.yml"), config).unwrap();
        let port = a_port();
        let log = fs::File::create(home.path().join("log")).unwrap();
        let server = Command::new("prometheus")
            .arg(format!("--config.file={}", home.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", home.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus is installed; scripts/test does that");
        let prometheus = Self {
            base: format!("http://127.0.0.1:{port}"),
            client: reqwest::Client::new(),
            _server: server,
            _home: home,
        };
        prometheus.until("up{job=\"reveille\"} == 1").await;
        prometheus
    }

    /// The series that a question has for an answer; `None` while nobody answers.
    async fn ask(&self, question: &str) -> Option<Vec<Value>> {
        let url = reqwest::Url::parse_with_params(
            &format!("{}/api/v1/query", self.base),
            [("query", question)],
        );
        let answer = self.client.get(url.unwrap()).send().await.ok()?;
        if answer.status() == reqwest::StatusCode::SERVICE_UNAVAILABLE {
            return None;
        }
        let answer: Value = answer.json().await.ok()?;
        assert_eq!(answer["status"], "success", "{question}: {answer}");
        Some(answer["data"]["result"].as_array().unwrap().clone())
    }

    /// Waits until a question has an answer.
    async fn until(&self, question: &str) {
        let answered = tokio::time::timeout(PATIENCE, async {
            while self.ask(question).await.is_none_or(|series| series.is_empty()) {
                tokio::time::sleep(LOOK).await;
            }
        });
        assert!(answered.await.is_ok(), "nothing answers `{question}`");
    }
}

/// What the panels and the variables of a dashboard ask, of every campaign and every worker.
fn questions(dashboard: &str) -> Vec<String> {
    let text = fs::read_to_string(repository(&format!("dashboards/grafana/{dashboard}.json")));
    let dashboard: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let mut questions: Vec<String> =
        targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let Some(definition) = variable["definition"].as_str() else { continue };
        let inner = definition.trim_start_matches("label_values(");
        questions.push(inner.rsplit_once(", ").unwrap().0.to_owned());
    }
    for question in &mut questions {
        for variable in ["$authority", "$campaign", "$instance"] {
            *question = question.replace(variable, ".*");
        }
    }
    questions
}

/// C5, C9: every question that a panel asks has an answer, every series that the rules compute is there, every metric of
/// the list is there, and all but those that have no reason to move do move.
#[tokio::test(flavor = "multi_thread")]
async fn every_series_that_a_panel_or_a_rule_names_exists_and_moves() {
    let mix = Mix {
        silent: 0.1,
        wrong_password: 0.1,
        dies_mid_session: 0.1,
        reports: 0.2,
        ..Mix::demo()
    };
    let world = a_world_with(mix, 150).await;
    let prometheus = Prometheus::watching(&world).await;
    // Somebody at the wrong door, and somebody with the wrong question.
    let client = reqwest::Client::new();
    let devices = format!("http://{}/dm/{AUTHORITY}", world.running.devices);
    let admin = format!("http://{}/v1/nothing", world.running.admin);
    // Each counter stands at zero before it moves, so that its first step is seen.
    for counter in ["reveille_requests_rejected_total", "reveille_admin_requests_total"] {
        prometheus.until(&format!("count({counter})")).await;
    }
    client.post(devices).body("no message").send().await.unwrap();
    client.get(admin).send().await.unwrap();
    world
        .submit(
            "
campaign: watched
authority: operator
devices: {group: demo}
settings:
  - {uri: ./ConnMO/QoS/MaxDownlink, format: int, value: 50000}
deliver: {attempts: 2, answer_within: 2s}
pace: {per_second: 15}
when: {expires: 2099-01-01T00:00:00Z}
",
        )
        .await;
    world.operator.end_of(AUTHORITY, "watched").await;

    let mut asked = BTreeSet::new();
    for question in ["campaign", "fleet"].into_iter().flat_map(questions) {
        if asked.insert(question.clone()) {
            prometheus.until(&question).await;
        }
    }
    let recording = fs::read_to_string(repository("dashboards/rules/recording.yml")).unwrap();
    let recorded = recording.lines().filter_map(|line| line.trim().strip_prefix("- record: "));
    for name in recorded {
        prometheus.until(name).await;
    }
    let mut standing: Vec<String> = Vec::new();
    for name in
        list::all().map(first_series).chain(list::OF_THE_PROCESS.iter().copied().map(str::to_owned))
    {
        prometheus.until(&name).await;
        let moved = prometheus.ask(&format!("changes({name}[10m]) > 0")).await.unwrap();
        if moved.is_empty() && !STILL.contains(&name.as_str()) {
            standing.push(name);
        }
    }
    assert!(standing.is_empty(), "they stand still: {standing:?}");
    let calling = prometheus.ask("ALERTS{severity=\"page\", alertstate=\"firing\"}").await.unwrap();
    assert!(calling.is_empty(), "nobody is to be woken: {calling:?}");
    world.ends_well().await;
}

/// The series that tells whether a metric moves.
fn first_series(metric: &Metric) -> String {
    match metric.kind {
        Kind::Counter | Kind::Gauge => metric.name.to_owned(),
        Kind::Histogram(_) => format!("{}_count", metric.name),
    }
}
