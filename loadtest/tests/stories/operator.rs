//! The admin API as an operator's program uses it: over HTTP, with nothing known but the address.

use api::{
    CampaignView, CareRequest, CareView, DeviceView, EnrolReport, ImportReport, ProblemDocument,
    ResultLine, ResultPage, TriggerReport, TriggerRequest,
};
use reqwest::{Client, Response, header::CONTENT_TYPE};
use std::{collections::BTreeMap, time::Duration};

/// The longest time that anything here is waited for: a machine may be busy with other things for minutes.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);
/// How often a state that is waited for is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Somebody at the admin door.
#[derive(Debug, Clone)]
pub(crate) struct Operator {
    base: String,
    client: Client,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The server says why.
    Problem(Box<ProblemDocument>),
    /// Nobody answered, or not to the end.
    Unanswered,
}

/// A campaign that has ended: what the server counted, and what it reports of each device.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) view: CampaignView,
    /// By the name of the device.
    pub(crate) results: BTreeMap<String, ResultLine>,
}

impl Operator {
    pub(crate) fn at(base: impl Into<String>) -> Self {
        let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { base: base.into(), client }
    }

    /// Submits a campaign, as YAML.
    pub(crate) async fn submit(&self, document: &str) -> Result<CampaignView, Refusal> {
        self.post("/v1/campaigns", "application/yaml", document.to_owned()).await
    }

    /// A network entity's word about a device of the only authority.
    pub(crate) async fn trigger(&self, request: &TriggerRequest) -> Result<TriggerReport, Refusal> {
        self.post("/v1/triggers", "application/json", serde_json::to_string(request).unwrap()).await
    }

    /// A care job, as an agent's program asks for it.
    pub(crate) async fn care(&self, request: &CareRequest) -> Result<CareView, Refusal> {
        self.post("/v1/care", "application/json", serde_json::to_string(request).unwrap()).await
    }

    /// A care job as it is, or as it is after so long.
    pub(crate) async fn care_view(&self, id: &str, wait: &str) -> Result<CareView, Refusal> {
        self.get(&format!("/v1/care/{id}?wait={wait}")).await
    }

    /// What the server says while it is not ready, once that is as wanted.
    pub(crate) async fn not_ready_for(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let waiting = async {
            loop {
                let asked = self.client.get(format!("{}/health/ready", self.base)).send().await;
                if let Ok(answer) = asked
                    && !answer.status().is_success()
                {
                    last = answer.text().await.unwrap_or_default();
                    if wanted(&last) {
                        return;
                    }
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "the last that it said: {last}");
        last
    }

    /// Whether the server says that it can work.
    pub(crate) async fn ready(&self) -> bool {
        let asked = self.client.get(format!("{}/health/ready", self.base)).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    /// What a counter has come to, by its name with its labels.
    pub(crate) async fn counted(&self, series: &str) -> u64 {
        let asked = self.client.get(format!("{}/metrics", self.base)).send().await.unwrap();
        let text = asked.text().await.unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("there is no {series} in {text}"))
    }

    pub(crate) async fn view(&self, authority: &str, id: &str) -> Result<CampaignView, Refusal> {
        self.get(&format!("/v1/campaigns/{authority}/{id}")).await
    }

    /// `pause`, `resume` or `abort`.
    pub(crate) async fn control(
        &self,
        authority: &str,
        id: &str,
        verb: &str,
    ) -> Result<CampaignView, Refusal> {
        let body = r#"{"why":"the story says so"}"#.to_owned();
        self.post(&format!("/v1/campaigns/{authority}/{id}/{verb}"), "application/json", body).await
    }

    /// One part of the devices of `devices.file`.
    pub(crate) async fn enrol(
        &self,
        authority: &str,
        id: &str,
        part: (u32, u32),
        names: &[String],
    ) -> Result<EnrolReport, Refusal> {
        let path =
            format!("/v1/campaigns/{authority}/{id}/devices?part={}&parts={}", part.0, part.1);
        self.post(&path, "application/json", serde_json::to_string(names).unwrap()).await
    }

    /// Devices as CSV, header included.
    pub(crate) async fn import(&self, lines: String) -> Result<ImportReport, Refusal> {
        self.post("/v1/devices/import", "text/csv", lines).await
    }

    pub(crate) async fn device(&self, authority: &str, name: &str) -> Result<DeviceView, Refusal> {
        self.get(&format!("/v1/devices/{authority}/{name}")).await
    }

    /// All results of a campaign, page by page.
    pub(crate) async fn results(
        &self,
        authority: &str,
        id: &str,
    ) -> Result<Vec<ResultLine>, Refusal> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/campaigns/{authority}/{id}/results?limit=100{cursor}");
            let page: ResultPage = self.get(&path).await?;
            all.extend(page.results);
            match page.next {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(all),
            }
        }
    }

    /// Looks at a campaign until it is as wanted.
    pub(crate) async fn until(
        &self,
        authority: &str,
        id: &str,
        wanted: &str,
        is: impl Fn(&CampaignView) -> bool,
    ) -> CampaignView {
        let mut last = None;
        let waiting = async {
            loop {
                if let Ok(view) = self.view(authority, id).await {
                    if is(&view) {
                        return view;
                    }
                    last = Some(view);
                }
                // A look counts in all shards, which costs a server over Redis more than the work of a few devices.
                tokio::time::sleep(4 * LOOK).await;
            }
        };
        let view = tokio::time::timeout(PATIENCE, waiting).await;
        view.unwrap_or_else(|_late| panic!("{id} is not {wanted} after {PATIENCE:?}: {last:#?}"))
    }

    /// Waits for the end of a campaign. Whatever the story: every job has exactly one outcome, and the counters are the
    /// results counted one by one.
    pub(crate) async fn end_of(&self, authority: &str, id: &str) -> Ending {
        let view = self.until(authority, id, "ended", |view| view.state == "ended").await;
        let lines = self.results(authority, id).await.unwrap();
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        let mut results = BTreeMap::new();
        for line in lines {
            *counted.entry(line.outcome.clone()).or_default() += 1;
            if let Some(first) = results.insert(line.device.clone(), line) {
                panic!("{} has two outcomes", first.device);
            }
        }
        assert_eq!(view.progress.outcomes, counted, "the counters of {id} are its results");
        assert_eq!(view.progress.enrolled, view.progress.ended, "{view:#?}");
        assert_eq!(view.progress.enrolled, results.len() as u64, "{view:#?}");
        Ending { view, results }
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Refusal> {
        read(self.client.get(format!("{}{path}", self.base)).send().await).await
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        kind: &str,
        body: String,
    ) -> Result<T, Refusal> {
        read(
            self.client
                .post(format!("{}{path}", self.base))
                .header(CONTENT_TYPE, kind)
                .body(body)
                .send()
                .await,
        )
        .await
    }
}

async fn read<T: serde::de::DeserializeOwned>(
    answer: reqwest::Result<Response>,
) -> Result<T, Refusal> {
    let answer = answer.map_err(|_unanswered| Refusal::Unanswered)?;
    let refused = !answer.status().is_success();
    let body = answer.text().await.map_err(|_cut_off| Refusal::Unanswered)?;
    if refused {
        return Err(Refusal::Problem(Box::new(serde_json::from_str(&body).unwrap())));
    }
    Ok(serde_json::from_str(&body).unwrap())
}

impl Refusal {
    /// The problem document; a story that expects one cannot go on without.
    pub(crate) fn problem(self) -> ProblemDocument {
        match self {
            Self::Problem(problem) => *problem,
            Self::Unanswered => panic!("nobody answered"),
        }
    }
}

impl Ending {
    /// How many devices ended so.
    pub(crate) fn count(&self, outcome: &str) -> u64 {
        self.view.progress.outcomes.get(outcome).copied().unwrap_or_default()
    }

    pub(crate) fn of(&self, device: &str) -> &ResultLine {
        self.results.get(device).unwrap_or_else(|| panic!("{device} has no result"))
    }
}
