//! Where a demo's campaign runs: a server in this process, or workers of their own over one Redis.

use super::{
    broker::{self, Broker, Upstream},
    carrier::{Carried, Carrier, Route},
    redis::Redis,
    workers::{Done, Workers},
};
use anyhow::{Context, bail};
use loadtest::{Fleet, usage::Usage};
use server::{
    Running, campaigns,
    config::{Authority, Config},
    registry::{self, Import, line::Format},
};
use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::atomic::Ordering,
};

/// The settings of the server: waits of seconds, so that what fails is tried again while one watches.
const SETTINGS: &str = r#"
    [http.admin]
    listen = "127.0.0.1:0"
    [session]
    answer_within = "5s"
    [dispatch]
    retry_base = "1s"
    retry_cap = "4s"
    poll = "20ms"
    [telemetry]
    log = "warn"
"#;
/// How devices know the workers: one name, and which of them answers is the network's affair.
const PUBLIC_URL: &str = "http://dm.demo";

/// Where the rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Store {
    Embedded,
    Redis,
}

/// A demo's server side, at work.
#[derive(Debug)]
pub(crate) struct Site {
    servers: Servers,
    redis: Option<Redis>,
    broker: Option<Broker>,
    carrier: Carrier,
    /// What the append-only file held when the campaign began.
    written: Option<u64>,
}

#[derive(Debug)]
enum Servers {
    Here(Running),
    Workers(Workers),
}

/// A site as it is wanted.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) store: Store,
    /// A Redis that runs already.
    pub(crate) redis: Option<&'a str>,
    pub(crate) workers: Option<u16>,
    pub(crate) broker: broker::Kind,
    /// A broker that runs already.
    pub(crate) rabbitmq: Option<&'a str>,
    pub(crate) route: Route,
    /// How many devices there will be.
    pub(crate) devices: u64,
    /// For files.
    pub(crate) directory: &'a Path,
}

impl Site {
    /// Starts it; answers it with the authority that the devices belong to.
    pub(crate) async fn start(plan: Plan<'_>) -> anyhow::Result<(Self, Authority)> {
        let directory = plan.directory;
        let redis = match (plan.store, plan.redis) {
            (Store::Embedded, None) => None,
            (Store::Embedded, Some(_)) => bail!("--redis goes with --store redis"),
            (Store::Redis, Some(url)) => Some(Redis::given(url)),
            (Store::Redis, None) => Some(Redis::start(&directory.join("redis")).await?),
        };
        let broker = match (plan.broker, plan.rabbitmq) {
            (broker::Kind::None, None) => None,
            (broker::Kind::None, Some(_)) => bail!("--rabbitmq goes with --broker rabbitmq"),
            (broker::Kind::Rabbitmq, Some(url)) => Some(Broker::given(url)?),
            (broker::Kind::Rabbitmq, None) => Some(Broker::start().await?),
        };
        let carrier = Carrier::start(plan.route).await.context("the carrier does not start")?;
        let mut text = settings(&plan, redis.as_ref())?;
        text.push_str(&carrier.settings());
        if let Some(broker) = &broker {
            text.push_str(&broker.settings()?);
        }
        let config = Config::read("the demo's settings", &text, &[])?;
        crate::serve::log(&config.telemetry)?;
        let authority =
            config.authorities.first().cloned().context("no authority is configured")?;
        let servers = match plan.workers {
            None => Servers::Here(server::start(config).await?),
            Some(_) if redis.is_none() => {
                bail!("several workers need a store that they share: --store redis")
            }
            Some(count) => Servers::Workers(Workers::start(count, &text, directory).await?),
        };
        Ok((Self { servers, redis, broker, carrier, written: None }, authority))
    }

    /// What carries the notifications finds these devices from now on.
    pub(crate) fn carried_to(&self, fleet: &Fleet) {
        let fronts = match &self.servers {
            Servers::Here(running) => vec![running.devices],
            Servers::Workers(workers) => workers.fronts(),
        };
        self.carrier.serve(fleet, fronts);
    }

    /// Where devices begin their sessions.
    pub(crate) fn dm_url(&self, authority: &str) -> String {
        match &self.servers {
            Servers::Here(running) => format!("http://{}/dm/{authority}", running.devices),
            Servers::Workers(_) => format!("{PUBLIC_URL}/dm/{authority}"),
        }
    }

    /// Where the URL leads, if nobody but the demo knows.
    pub(crate) fn fronts(&self) -> Vec<SocketAddr> {
        match &self.servers {
            Servers::Here(_) => Vec::new(),
            Servers::Workers(workers) => workers.fronts(),
        }
    }

    /// Takes lines of a registry, as an operator's import would.
    pub(crate) async fn import(
        &self,
        lines: String,
        first_line: u64,
    ) -> anyhow::Result<api::ImportReport> {
        let running = match &self.servers {
            Servers::Workers(workers) => return workers.import(lines, first_line).await,
            Servers::Here(running) => running,
        };
        let import = Import {
            store: running.engine().store(),
            vault: running.engine().vault(),
            config: running.engine().config(),
            format: Format::Csv,
            authority: None,
            reset_nonces: false,
            first_line,
        };
        Ok(registry::import(&import, lines.as_bytes()).await?)
    }

    /// Submits the campaign; `tell` hears why it was refused, line by line.
    pub(crate) async fn submit(
        &mut self,
        document: &str,
        tell: impl Fn(&str),
    ) -> anyhow::Result<api::CampaignView> {
        self.written = self.octets_written().await;
        match &self.servers {
            Servers::Workers(workers) => workers.submit(document.to_owned()).await,
            Servers::Here(running) => {
                match campaigns::submit(running.engine(), document, false).await {
                    Ok(submitted) => Ok(submitted.view),
                    Err(error) => {
                        error.problems().iter().for_each(|problem| tell(&problem.to_string()));
                        Err(error).context("the campaign was not accepted")
                    }
                }
            }
        }
    }

    /// The upstream system at the broker, if there is one.
    pub(crate) async fn upstream(&mut self) -> anyhow::Result<Option<Upstream>> {
        let Some(broker) = &self.broker else { return Ok(None) };
        let upstream = broker.upstream().await?;
        self.written = self.octets_written().await;
        Ok(Some(upstream))
    }

    pub(crate) async fn view(
        &self,
        authority: &str,
        id: &str,
    ) -> anyhow::Result<api::CampaignView> {
        match &self.servers {
            Servers::Here(running) => Ok(campaigns::view(running.engine(), authority, id).await?),
            Servers::Workers(workers) => workers.view(authority, id).await,
        }
    }

    /// How the jobs of a campaign ended, a page of them.
    pub(crate) async fn results(
        &self,
        authority: &str,
        id: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<api::ResultPage> {
        match &self.servers {
            Servers::Here(running) => {
                Ok(campaigns::results(running.engine(), authority, id, cursor, limit).await?)
            }
            Servers::Workers(workers) => workers.results(authority, id, cursor, limit).await,
        }
    }

    /// What this process, the workers and a private Redis used so far, in this order.
    pub(crate) fn usage(&self) -> [Usage; 3] {
        let workers = match &self.servers {
            Servers::Here(_) => Vec::new(),
            Servers::Workers(workers) => workers.processes(),
        };
        let redis: Vec<u32> = self.redis.iter().filter_map(Redis::process).collect();
        [Usage::of(&[std::process::id()]), Usage::of(&workers), Usage::of(&redis)]
    }

    /// Octets that a private Redis wrote to its append-only file since the campaign began.
    pub(crate) async fn octets_since(&self) -> Option<u64> {
        Some(self.octets_written().await?.saturating_sub(self.written?))
    }

    async fn octets_written(&self) -> Option<u64> {
        match &self.redis {
            Some(redis) => redis.written().await,
            None => None,
        }
    }

    /// Ends everything; tells what the doors did, and what the carrier has seen.
    pub(crate) async fn stop(self) -> anyhow::Result<(Done, Option<Carried>)> {
        let done = match self.servers {
            Servers::Workers(workers) => workers.stop().await?,
            Servers::Here(running) => {
                let load = running.engine().load();
                let done = Done {
                    messages: load.messages.load(Ordering::Relaxed),
                    store_calls: load.store_calls.load(Ordering::Relaxed),
                };
                running.stop().await;
                done
            }
        };
        Ok((done, self.carrier.stop().await))
    }
}

/// The settings of every server of the site.
fn settings(plan: &Plan<'_>, redis: Option<&Redis>) -> anyhow::Result<String> {
    let directory = plan.directory;
    let store = match redis {
        None => format!("[store]\nkind = \"embedded\"\npath = {}\n", quoted(directory)?),
        Some(redis) => {
            let key = directory.join("vault.key");
            make_key(&key)?;
            let (url, devices) = (serde_json::to_string(&redis.url())?, plan.devices);
            format!(
                "[store]\nkind = \"redis\"\nurls = [{url}]\nexpected_devices = {devices}\n[vault]\nkey_file = {}\n",
                quoted(&key)?
            )
        }
    };
    let public = if plan.workers.is_some() {
        format!("public_url = \"{PUBLIC_URL}\"\n")
    } else {
        String::new()
    };
    Ok(format!("{store}[http.devices]\nlisten = \"127.0.0.1:0\"\n{public}{SETTINGS}"))
}

/// A path as a TOML string, whatever it holds.
fn quoted(path: &Path) -> anyhow::Result<String> {
    Ok(serde_json::to_string(path)?)
}

/// A key that all workers share, as an operator would make it.
fn make_key(file: &Path) -> anyhow::Result<()> {
    if file.exists() {
        return Ok(());
    }
    let mut halves = [[0; 16]; 2];
    let mut dice = std::fs::File::open("/dev/urandom")?;
    halves.iter_mut().try_for_each(|half| dice.read_exact(half))?;
    let [one, other] = halves.map(u128::from_be_bytes);
    let mut made =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(made, "1 {one:032x}{other:032x}").context("the key file cannot be written")
}
