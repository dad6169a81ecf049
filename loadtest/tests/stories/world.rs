//! A server and a fleet in this process, over real sockets: what most stories play in.

use crate::operator::{Ending, LOOK, Operator, PATIENCE, Refusal};
use api::{CampaignView, ResultLine};
use loadtest::{Fleet, FleetPlan, Mix};
use server::{Running, config::Config};
use std::ops::Range;
use tempfile::TempDir;

/// Settings of seconds, so that what is waited for comes while one waits.
const SETTINGS: &str = r#"
    [dispatch]
    retry_base = "300ms"
    retry_cap = "1s"
    poll = "20ms"
    [telemetry]
    log = "off"
"#;

/// The one authority of most stories.
pub(crate) const AUTHORITY: &str = "operator";

/// A world as it is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) mix: Mix,
    pub(crate) devices: u64,
    pub(crate) seed: u64,
    /// `[[authority]]` sections, `[broker]`; empty means the default ones.
    pub(crate) authorities: String,
    /// Lines of `[session]`.
    pub(crate) session: String,
    /// Whether a campaign asks users; otherwise any question is a breach.
    pub(crate) questions: bool,
}

/// A server, its operator, and devices in its registry.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) operator: Operator,
    pub(crate) fleet: Fleet,
    pub(crate) devices: u64,
    _data: TempDir,
}

/// A world of so many devices, all of them in the registry.
pub(crate) async fn a_world_with(mix: Mix, devices: u64) -> World {
    a_world(Plan::new(mix, devices)).await
}

pub(crate) async fn a_world(plan: Plan) -> World {
    let world = an_empty_world(plan).await;
    world.import(0..world.devices).await;
    world
}

/// The devices are there, and the registry does not know them yet.
pub(crate) async fn an_empty_world(plan: Plan) -> World {
    let data = tempfile::tempdir().unwrap();
    let running = a_server_with(&plan.session, &plan.authorities, &data).await;
    let fleet = a_fleet(&plan, &running, AUTHORITY).await;
    let operator = Operator::at(format!("http://{}", running.admin));
    World { running, operator, fleet, devices: plan.devices, _data: data }
}

/// A server on free ports, with its data in a directory of the story.
pub(crate) async fn a_server(authorities: &str, data: &TempDir) -> Running {
    a_server_with("", authorities, data).await
}

async fn a_server_with(session: &str, authorities: &str, data: &TempDir) -> Running {
    let path = serde_json::to_string(data.path()).unwrap();
    let doors = "[http.devices]\nlisten = \"127.0.0.1:0\"\n[http.admin]\nlisten = \"127.0.0.1:0\"";
    // What a story says beyond authorities comes as whole sections, too.
    let text = format!(
        "[store]\nkind = \"embedded\"\npath = {path}\n{doors}\n[session]\nanswer_within = \"2s\"\n{session}\n{SETTINGS}\n{authorities}"
    );
    server::start(Config::read("the story's settings", &text, &[]).unwrap()).await.unwrap()
}

/// Devices that know one authority of the server.
pub(crate) async fn a_fleet(plan: &Plan, running: &Running, authority: &str) -> Fleet {
    let known = running.engine().config().authority(authority).unwrap();
    let url = format!("http://{}/dm/{authority}", running.devices);
    let plan = FleetPlan {
        mix: plan.mix.clone(),
        seed: plan.seed,
        server_id: known.server_id.clone(),
        authority: authority.to_owned(),
        user_owned: known.user_owned.clone(),
        questions_expected: plan.questions,
        ..FleetPlan::new(plan.devices, url)
    };
    Fleet::start(plan).await.unwrap()
}

impl Plan {
    pub(crate) fn new(mix: Mix, devices: u64) -> Self {
        let (authorities, session) = (String::new(), String::new());
        Self { mix, devices, seed: 1, authorities, session, questions: false }
    }
}

impl World {
    /// Brings devices into the registry.
    pub(crate) async fn import(&self, devices: Range<u64>) {
        import(&self.operator, &self.fleet, devices, "", |_| String::new()).await;
    }

    /// Brings devices into the registry with one more column.
    pub(crate) async fn import_with(
        &self,
        devices: Range<u64>,
        column: &str,
        value: impl Fn(u64) -> String,
    ) {
        import(&self.operator, &self.fleet, devices, column, value).await;
    }

    pub(crate) async fn submit(&self, document: &str) -> CampaignView {
        match self.operator.submit(document).await {
            Ok(view) => view,
            Err(Refusal::Problem(problem)) => panic!("the campaign was refused: {problem}"),
            Err(Refusal::Unanswered) => panic!("nobody answered the submit"),
        }
    }

    /// Submits a campaign and waits for its end.
    pub(crate) async fn run(&self, document: &str) -> Ending {
        let view = self.submit(document).await;
        self.end_of(&view.id).await
    }

    /// Waits for the end of a campaign, and until its devices have heard of it.
    pub(crate) async fn end_of(&self, id: &str) -> Ending {
        let ending = self.operator.end_of(AUTHORITY, id).await;
        at_rest(&self.fleet).await;
        ending
    }

    /// Looks at a campaign until it is as wanted.
    pub(crate) async fn until(
        &self,
        id: &str,
        wanted: &str,
        is: impl Fn(&CampaignView) -> bool,
    ) -> CampaignView {
        self.operator.until(AUTHORITY, id, wanted, is).await
    }

    /// The name that the server knows a device by.
    pub(crate) fn name(&self, index: u64) -> String {
        self.fleet.identity(index).device
    }

    /// Every device with its result.
    pub(crate) fn each<'a>(
        &self,
        ending: &'a Ending,
    ) -> impl Iterator<Item = (u64, &'a ResultLine)> {
        (0..self.devices).map(|index| (index, ending.of(&self.name(index))))
    }

    pub(crate) fn node(&self, index: u64, uri: &str) -> Option<String> {
        self.fleet.node(index, uri)
    }

    /// The end: no device saw the server do what it must not, and nobody's own settings were touched.
    pub(crate) async fn ends_well(self) -> loadtest::FleetReport {
        for index in 0..self.devices {
            assert_eq!(
                self.fleet.node(index, "./User/Ringtone").as_deref(),
                Some("bells"),
                "device {index}"
            );
        }
        let report = self.fleet.stop().await;
        no_breach(&report);
        self.running.stop().await;
        report
    }
}

/// Waits until no device is in a session: the last answer of one may still be on its way when the server has counted it.
pub(crate) async fn at_rest(fleet: &Fleet) {
    let resting = async {
        while fleet.in_session() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    };
    let rested = tokio::time::timeout(PATIENCE, resting).await;
    assert!(rested.is_ok(), "{} devices are still in a session", fleet.in_session());
}

pub(crate) fn no_breach(report: &loadtest::FleetReport) {
    assert_eq!(report.breaches.count, 0, "{:#?}", report.breaches.first);
}

/// Brings devices of a fleet into the registry, as an operator's import does.
pub(crate) async fn import(
    operator: &Operator,
    fleet: &Fleet,
    devices: Range<u64>,
    column: &str,
    value: impl Fn(u64) -> String,
) {
    let more = |text: String| if column.is_empty() { String::new() } else { format!(",{text}") };
    let mut lines = format!("{}{}", fleet.registry_csv_header(), more(column.to_owned()));
    for (index, line) in devices.clone().zip(fleet.registry_lines(devices.clone())) {
        lines.push('\n');
        lines.push_str(&line);
        lines.push_str(&more(value(index)));
    }
    let report = operator.import(lines).await.unwrap();
    assert_eq!((report.refused, report.imported), (0, devices.end - devices.start), "{report:?}");
}
