//! Dashboards, rules, runbook and code hold to one list.

use crate::metrics::list::{self, Kind};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
};

fn path(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn rules() -> String {
    read("dashboards/rules/recording.yml") + &read("dashboards/rules/alerts.yml")
}

fn dashboards() -> [(&'static str, Value); 2] {
    ["campaign", "fleet"].map(|name| {
        let text = read(&format!("dashboards/grafana/{name}.json"));
        (name, serde_json::from_str(&text).unwrap())
    })
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

/// What the panels and the variables ask Prometheus.
fn questions() -> Vec<String> {
    let mut questions = Vec::new();
    for (_, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            let targets = panel["targets"].as_array().unwrap().iter();
            questions.extend(targets.map(|target| target["expr"].as_str().unwrap().to_owned()));
        }
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            questions.extend(variable["definition"].as_str().map(str::to_owned));
        }
    }
    questions
}

/// The names of series in a text: ours, those computed from ours, and those of the process.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|sign: char| !sign.is_ascii_alphanumeric() && !"_:".contains(sign));
    let ours = ["reveille_", "reveille:", "process_"];
    words
        .filter(|word| ours.iter().any(|start| word.starts_with(start)))
        .map(str::to_owned)
        .collect()
}

/// The values of a key of our YAML files, one a line.
fn values(text: &str, key: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.trim().split_once(key));
    let values = lines.map(|(_, value)| value.trim().trim_end_matches(['}', ',']).to_owned());
    values.collect()
}

/// Every name that series can have, with the metric of the list behind it.
fn series() -> BTreeMap<String, &'static str> {
    let mut series = BTreeMap::new();
    for metric in list::all() {
        let ends: &[&str] = match metric.kind {
            Kind::Counter | Kind::Gauge => &[""],
            Kind::Histogram(_) => &["_bucket", "_sum", "_count"],
        };
        series.extend(ends.iter().map(|end| (format!("{}{end}", metric.name), metric.name)));
    }
    series.extend(list::OF_THE_PROCESS.iter().map(|name| ((*name).to_owned(), *name)));
    series
}

/// C9: dashboards and rules are checked against the metrics that the program really exports.
#[test]
fn every_series_that_a_panel_or_a_rule_names_is_in_the_list() {
    let (series, rules) = (series(), rules());
    let recorded: BTreeSet<String> = values(&rules, "record:").into_iter().collect();
    assert!(recorded.len() >= 10, "{recorded:?}");
    let tests = read("dashboards/rules/test.yml");
    for text in questions().iter().chain([&rules, &tests]) {
        for name in names(text) {
            assert!(series.contains_key(&name) || recorded.contains(&name), "{name} in {text}");
        }
    }
    let asked = names(&(questions().concat() + &rules.replace("record:", "")));
    for name in &recorded {
        assert!(asked.contains(name), "{name} is computed for nobody");
    }
}

#[test]
fn every_metric_of_ours_is_shown_by_a_panel_or_watched_by_a_rule() {
    let series = series();
    let texts = questions().join("\n") + &rules();
    let shown: BTreeSet<&str> =
        names(&texts).iter().filter_map(|name| series.get(name).copied()).collect();
    let hidden: Vec<&str> =
        list::all().map(|metric| metric.name).filter(|name| !shown.contains(name)).collect();
    assert_eq!(hidden, Vec::<&str>::new());
}

#[test]
fn every_panel_says_what_it_shows_in_a_form_that_grafana_reads() {
    for (name, dashboard) in dashboards() {
        assert_eq!(dashboard["uid"], format!("reveille-{name}"));
        assert!(dashboard["schemaVersion"].as_u64() >= Some(36));
        let all = dashboard["panels"].as_array().unwrap();
        let ids: BTreeSet<u64> = all.iter().filter_map(|panel| panel["id"].as_u64()).collect();
        assert_eq!(ids.len(), all.len(), "{name}: each panel has an id of its own");
        for panel in panels(&dashboard) {
            let title = panel["title"].as_str().unwrap();
            let said = panel["description"].as_str().unwrap();
            assert!(said.len() > 15 && said.ends_with('.'), "{title}: {said}");
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(!defaults["unit"].as_str().unwrap().is_empty(), "{title}");
            assert!(defaults["thresholds"]["steps"][0]["value"].is_null(), "{title}");
            let place = &panel["gridPos"];
            let number =
                |key: &str| place[key].as_u64().unwrap_or_else(|| panic!("{title}: {key}"));
            assert!(number("x") + number("w") <= 24 && number("h") > 0 && number("y") < 500);
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["uid"], "${source}", "{title}");
                assert!(target["refId"].is_string() && target["legendFormat"].is_string());
            }
        }
    }
}

#[test]
fn the_dashboards_are_what_their_script_writes() {
    let ended = Command::new("python3").arg(path("dashboards/make")).arg("--check").status();
    assert!(ended.expect("python3 is installed; scripts/test does that").success());
}

/// C5: alerts with a runbook behind each.
#[test]
fn every_alert_is_tested_and_has_its_page() {
    let (alerts, tests) = (read("dashboards/rules/alerts.yml"), read("dashboards/rules/test.yml"));
    let names = values(&alerts, "- alert:");
    let pages = values(&alerts, "runbook:");
    assert_eq!(names.len(), pages.len(), "each alert names its page");
    let severities = values(&alerts, "labels: {severity:");
    assert!(severities.iter().all(|severity| ["page", "ticket"].contains(&severity.as_str())));
    assert_eq!(severities.len(), names.len());
    let tested: BTreeSet<String> = values(&tests, "alertname:")
        .into_iter()
        .map(|name| name.split(',').next().unwrap_or_default().to_owned())
        .collect();
    let map = read("docs/src/lib.rs");
    for (alert, page) in names.iter().zip(&pages) {
        assert!(tested.contains(alert), "{alert} has no test");
        assert!(tests.contains(page.as_str()), "{alert}: no test lets it fire");
        let text = read(page);
        assert!(text.contains(&format!("`{alert}`")), "{page}");
        for heading in ["# What it means", "# What to look at", "# What to do"] {
            assert!(text.contains(heading), "{page}");
        }
        assert!(
            map.contains(page.trim_start_matches("docs/")),
            "{page} is not in the documentation"
        );
    }
    let written = fs::read_dir(path("docs/runbook")).unwrap().count();
    let named: BTreeSet<&String> = pages.iter().collect();
    assert_eq!(written, named.len(), "each page has an alert");
}

#[test]
fn promtool_agrees_with_the_rules_and_their_tests() {
    let promtool = |arguments: &[&str]| {
        let ended = Command::new("promtool").args(arguments).current_dir(path("")).output();
        let ended = ended.expect("promtool is installed; scripts/test does that");
        let said = [ended.stdout, ended.stderr].concat();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&said));
    };
    promtool(&["check", "config", "deploy/prometheus.yml"]);
    promtool(&["test", "rules", "dashboards/rules/test.yml"]);
}
