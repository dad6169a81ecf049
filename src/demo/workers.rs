//! Worker processes of a demo: `reveille serve` with settings made for it, spoken to over their admin ports.

use anyhow::{Context, bail};
use reqwest::{Client, RequestBuilder, header};
use serde::de::DeserializeOwned;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// How long a worker may take until it serves.
const START: Duration = Duration::from_mins(1);
/// What the runtime of a process takes the number of its threads from.
const THREADS: &str = "TOKIO_WORKER_THREADS";
/// How long one may take to end once it was asked to.
const STOP: Duration = Duration::from_secs(30);

/// The workers.
#[derive(Debug)]
pub(crate) struct Workers {
    workers: Vec<Worker>,
    http: Client,
}

#[derive(Debug)]
struct Worker {
    process: Child,
    says: Lines<BufReader<ChildStdout>>,
    devices: SocketAddr,
    admin: SocketAddr,
}

/// What the workers' doors did, all together.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) messages: u64,
    pub(crate) store_calls: u64,
}

impl Workers {
    /// Starts `count` of them, each with the same settings.
    pub(crate) async fn start(
        count: u16,
        settings: &str,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let file = directory.join("worker.toml");
        std::fs::write(&file, settings)?;
        let threads = threads(count);
        let started = (0..count).map(|number| {
            Worker::start(&file, directory.join(format!("worker-{number}.log")), &threads)
        });
        let workers = futures_util::future::try_join_all(started).await?;
        let http = Client::builder().no_proxy().timeout(Duration::from_mins(1)).build()?;
        Ok(Self { workers, http })
    }

    /// Where devices connect.
    pub(crate) fn fronts(&self) -> Vec<SocketAddr> {
        self.workers.iter().map(|worker| worker.devices).collect()
    }

    pub(crate) fn processes(&self) -> Vec<u32> {
        self.workers.iter().filter_map(|worker| worker.process.id()).collect()
    }

    /// Lines of a CSV registry, header first.
    pub(crate) async fn import(
        &self,
        lines: String,
        first_line: u64,
    ) -> anyhow::Result<api::ImportReport> {
        let request = self.at("POST", &format!("/v1/devices/import?first_line={first_line}"))?;
        answer(request.header(header::CONTENT_TYPE, "text/csv").body(lines)).await
    }

    pub(crate) async fn submit(&self, document: String) -> anyhow::Result<api::CampaignView> {
        let request = self.at("POST", "/v1/campaigns")?;
        answer(request.header(header::CONTENT_TYPE, "application/yaml").body(document)).await
    }

    pub(crate) async fn view(
        &self,
        authority: &str,
        id: &str,
    ) -> anyhow::Result<api::CampaignView> {
        answer(self.at("GET", &format!("/v1/campaigns/{authority}/{id}"))?).await
    }

    pub(crate) async fn results(
        &self,
        authority: &str,
        id: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<api::ResultPage> {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let path = format!("/v1/campaigns/{authority}/{id}/results?limit={limit}{cursor}");
        answer(self.at("GET", &path)?).await
    }

    /// Ends them all, and tells what they did.
    pub(crate) async fn stop(self) -> anyhow::Result<Done> {
        let mut done = Done::default();
        for worker in self.workers {
            let of_one = worker.stop().await?;
            done.messages += of_one.messages;
            done.store_calls += of_one.store_calls;
        }
        Ok(done)
    }

    fn at(&self, method: &str, path: &str) -> anyhow::Result<RequestBuilder> {
        let worker = self.workers.first().context("there is no worker")?;
        let method = reqwest::Method::from_bytes(method.as_bytes())?;
        Ok(self.http.request(method, format!("http://{}{path}", worker.admin)))
    }
}

impl Worker {
    async fn start(settings: &Path, log: PathBuf, threads: &str) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", "--config"])
            .arg(settings)
            .env(THREADS, threads)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .context("a worker cannot be started")?;
        let stdout = process.stdout.take().context("a worker without standard output")?;
        let mut says = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(START, says.next_line()).await;
        let Ok(Ok(Some(line))) = line else {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            bail!("a worker did not start: {log}");
        };
        let mut addresses =
            line.split_whitespace().filter_map(|word| word.strip_prefix("http://")?.parse().ok());
        let (Some(devices), Some(admin)) = (addresses.next(), addresses.next()) else {
            bail!("a worker says {line:?} instead of its addresses");
        };
        Ok(Self { process, says, devices, admin })
    }

    async fn stop(mut self) -> anyhow::Result<Done> {
        let id = self.process.id().context("a worker ended by itself")?.to_string();
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .await
            .context("a worker cannot be ended")?;
        let mut done = Done::default();
        let ending = async {
            // The last line: "answered 12 messages with 24 calls of the store".
            while let Some(line) = self.says.next_line().await? {
                let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
                if let (Some(messages), Some(store_calls)) = (numbers.next(), numbers.next()) {
                    done = Done { messages, store_calls };
                }
            }
            self.process.wait().await
        };
        let status =
            tokio::time::timeout(STOP, ending).await.context("a worker does not end")??;
        if !status.success() {
            bail!("a worker ended with {status}");
        }
        Ok(done)
    }
}

/// The threads of each of so many workers: they share this machine, and a process that has it for itself would take one a core.
fn threads(workers: u16) -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (cores / usize::from(workers).max(1)).max(1).to_string()
}

async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> anyhow::Result<T> {
    let response = request.send().await?;
    let status = response.status();
    let text = response.text().await?;
    if !status.is_success() {
        bail!("a worker answered {status}: {text}");
    }
    Ok(serde_json::from_str(&text)?)
}
