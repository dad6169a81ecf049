//! The list is complete, is what the documentation shows, and is what Prometheus is given.

mod dashboards;

use super::{
    campaigns::Campaigns,
    list::{self, Kind, Metric},
    sample,
};
use crate::{
    campaigns::live::Snapshot,
    controller,
    readiness::Part,
    workbench::{Workbench, id},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

impl Workbench {
    fn scrape(&self) -> String {
        let parts = [(Part::Store, None), (Part::Broker, Some("away".to_owned()))];
        self.metrics.render(&self.load, &self.live.snapshot(), &parts).unwrap()
    }

    /// The value of a series, written as in a scrape.
    fn value(&self, series: &str) -> Option<f64> {
        let scrape = self.scrape();
        let line = scrape.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    }
}

async fn bench_with_a_campaign() -> Workbench {
    let bench = Workbench::new().await;
    bench.register(&[r#"{"device":"IMEI:1","authority":"operator","secret":"s"}"#]).await;
    let live = bench.launch("a", "devices: {list: [IMEI:1, IMEI:2]}").await;
    crate::enroll::enrol_names(&bench, &live, &["IMEI:1".into(), "IMEI:2".into()]).await.unwrap();
    controller::judge(&bench, &live).await.unwrap();
    bench
}

#[test]
fn every_metric_is_named_as_prometheus_names_them() {
    let mut names = BTreeSet::new();
    for Metric { name, kind, labels, help, tells } in list::all() {
        assert!(names.insert(name), "{name} stands there twice");
        assert!(name.starts_with("reveille_"), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        let seconds = matches!(kind, Kind::Histogram(_));
        assert!(!seconds || name.ends_with("_seconds"), "{name} measures time");
        assert!(help.ends_with('.') && help.len() > 10 && tells.len() > 10, "{name}");
        let well_formed = |label: &&str| label.bytes().all(|octet| octet.is_ascii_lowercase());
        assert!(labels.iter().all(well_formed), "{name}: {labels:?}");
    }
}

#[test]
fn the_page_of_metrics_is_what_the_list_says() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let text = std::fs::read_to_string(page).unwrap();
    let mark = "<!-- From here on made from the list in src/server/src/metrics/list.rs -->\n";
    let (before, is) = text.split_once(mark).expect("the mark stands there");
    let wanted = list::document();
    if is != wanted && std::env::var_os("REVEILLE_WRITE_DOCS").is_some() {
        std::fs::write(page, format!("{before}{mark}{wanted}")).unwrap();
        return;
    }
    assert!(
        is == wanted,
        "docs/metrics.md is not what the list says; write it with\n  REVEILLE_WRITE_DOCS=1 cargo nextest run -p server the_page_of_metrics"
    );
}

#[tokio::test]
async fn every_metric_of_the_list_is_given_with_its_help_and_nothing_else() {
    let bench = bench_with_a_campaign().await;
    let scrape = bench.scrape();
    let given: BTreeMap<&str, &str> =
        scrape.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' ')).collect();
    for metric in list::all() {
        assert_eq!(given.get(metric.name), Some(&metric.help), "{}", metric.name);
    }
    let listed: BTreeSet<&str> = list::all().map(|metric| metric.name).collect();
    let others: Vec<&str> = given.keys().copied().filter(|name| !listed.contains(name)).collect();
    assert_eq!(others, list::OF_THE_PROCESS);
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_what_is_given() {
    let bench = bench_with_a_campaign().await;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed; scripts/test does that");
    promtool.stdin.take().unwrap().write_all(bench.scrape().as_bytes()).unwrap();
    let ended = promtool.wait_with_output().unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    assert!(ended.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test]
async fn what_a_commit_counts_for_its_campaign_is_counted_once_for_prometheus() {
    let bench = bench_with_a_campaign().await;
    let milestone =
        |name: &str| bench.value(&format!("reveille_milestones_total{{milestone=\"{name}\"}}"));
    assert_eq!(milestone("enrolled"), Some(2.0));
    assert_eq!(milestone("reported"), Some(1.0), "the unknown device ended at once");
    assert_eq!(bench.value("reveille_jobs_ended_total{outcome=\"unknown_device\"}"), Some(1.0));
    assert_eq!(bench.value("reveille_enrolments_total{result=\"unknown\"}"), Some(1.0));
    assert_eq!(bench.value("reveille_store_conflicts_total"), Some(0.0));
    // A change that comes too late counts nothing.
    let (device, revision) = bench.device(&id("IMEI:1")).await;
    let mut turn = crate::turn::Turn::new(
        id("IMEI:1"),
        device,
        revision - 1,
        bench.store().now().await.unwrap(),
    );
    turn.end(bench.live_campaign("a").seq, campaign::job::Outcome::Applied, None);
    bench.commit(&id("IMEI:1"), turn.into_change()).await;
    assert_eq!(milestone("proven"), Some(0.0));
    assert_eq!(bench.value("reveille_store_conflicts_total"), Some(1.0));
}

#[tokio::test]
async fn a_job_that_is_due_and_not_sent_shows_as_backlog_and_grows_old() {
    let bench = bench_with_a_campaign().await;
    // The campaign runs, and no dispatcher does.
    for _ in 0..3 {
        controller::judge(&bench, &bench.live_campaign("a")).await.unwrap();
    }
    let oldest = "reveille_oldest_due_seconds{lane=\"mass\",route=\"udp\"}";
    let mut age = 0.0;
    while age < 0.02 {
        sample::sample(&bench).await.unwrap();
        age = bench.value(oldest).unwrap();
    }
    assert_eq!(bench.value("reveille_backlog_jobs{lane=\"mass\",route=\"udp\"}"), Some(1.0));
    assert_eq!(bench.value("reveille_backlog_jobs{lane=\"care\",route=\"udp\"}"), Some(0.0));
    assert_eq!(bench.value("reveille_backlog_seconds{lane=\"mass\",route=\"udp\"}"), Some(0.001));
    assert_eq!(bench.value("reveille_jobs{state=\"waiting\"}"), Some(1.0));
    assert_eq!(bench.value("reveille_campaigns{state=\"running\"}"), Some(1.0));
    assert!(
        bench.value("reveille_store_disk_free_bytes")
            <= bench.value("reveille_store_disk_size_bytes")
    );
    assert!(bench.value("reveille_clock_skew_seconds").unwrap().abs() < 5.0);
}

#[tokio::test]
async fn more_campaigns_than_have_room_are_counted_and_one_that_ended_makes_room() {
    let bench = Workbench::new().await;
    let opts = |name: &str| prometheus::Opts::new(name, "help");
    let gauges = |name: &str, last: &str| {
        prometheus::GaugeVec::new(opts(name), &["authority", "campaign", last]).unwrap()
    };
    let (milestones, outcomes, state) =
        (gauges("m", "milestone"), gauges("o", "outcome"), gauges("s", "state"));
    let hidden = prometheus::Gauge::new("hidden", "help").unwrap();
    let handle = metrics::Gauge::from_arc(std::sync::Arc::new(metrics_prometheus::Metric::wrap(
        hidden.clone(),
    )));
    let campaigns = Campaigns::new(milestones.clone(), outcomes, state.clone(), handle)
        .bounded(2, Duration::ZERO);
    let mut progress = campaign::progress::Progress::default();
    progress.add(campaign::progress::ENROLLED, 3);
    for name in ["a", "b", "c"] {
        let live = bench.launch(name, "").await;
        campaigns.saw(&live, &progress);
    }
    let shown = || -> Vec<String> {
        let families = prometheus::core::Collector::collect(&state);
        let series = families.iter().flat_map(prometheus::proto::MetricFamily::get_metric);
        let of = |label: &prometheus::proto::LabelPair| {
            (label.name() == "campaign").then(|| label.value().to_owned())
        };
        series.filter_map(|metric| metric.get_label().iter().find_map(of)).collect()
    };
    campaigns.publish(&bench.live.snapshot());
    assert_eq!((shown().as_slice(), hidden.get()), (&["a".to_owned(), "b".to_owned()][..], 1.0));
    let enrolled = milestones.with_label_values(&["operator", "a", "enrolled"]).get();
    assert!((enrolled - 3.0).abs() < 1e-9, "{enrolled}");
    let mut left = 0;
    campaigns.for_each(&bench.live.snapshot(), |_, _| left += 1);
    assert_eq!(left, 3, "the one that is not shown is in the sums");
    // All of them end, and nothing of them stays.
    for _ in 0..2 {
        campaigns.publish(&Snapshot::default());
    }
    assert_eq!((shown().len(), hidden.get()), (0, 0.0));
}
