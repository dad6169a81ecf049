//! From a configuration to a working server, and back: build, run, drain.

mod store;

use crate::{
    broker,
    campaigns::live::{self, Live},
    config::{self, Config},
    controller, deadlines,
    deployment::{self, Deployment},
    dispatch,
    engine::Engine,
    enroll,
    gate::Gate,
    http::{
        self,
        serve::{Bounds, serve},
    },
    kept::Kept,
    load::Load,
    metrics::{self, Metrics, labels::Door, store::Watched},
    notify::Routes,
    readiness::Readiness,
    receipts::{self, Awaited},
    retention,
    security::vault::Vault,
    sinks::Backlog,
    trim,
};
use anyhow::Context;
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

use store::Opened;

/// A server at work.
#[derive(Debug)]
pub struct Running {
    engine: Arc<Engine>,
    /// Where devices connect.
    pub devices: SocketAddr,
    /// Where operators connect.
    pub admin: SocketAddr,
    /// Where metrics and health stand by themselves, if they do.
    pub telemetry: Option<SocketAddr>,
    tasks: JoinSet<()>,
}

/// Starts every role in this process. Nothing listens before everything else stands.
pub async fn start(mut config: Config) -> anyhow::Result<Running> {
    // Whoever was first has chosen; it is the same one.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let vault = Vault::at_start(&config).context("the vault")?;
    let opened = Opened::open(&config).await?;
    let failing = opened.failing();
    let devices = listen(config.http.devices.listen, "http.devices.listen").await?;
    let admin = listen(config.http.admin.listen, "http.admin.listen").await?;
    let telemetry = match config.telemetry.listen {
        Some(at) => Some(listen(at, "telemetry.listen").await?),
        None => None,
    };
    let telemetry_at = telemetry.as_ref().map(TcpListener::local_addr).transpose()?;
    let (devices_at, admin_at) = (devices.local_addr()?, admin.local_addr()?);
    told(&mut config, devices_at);
    let deployment = match &config.store {
        config::Store::Embedded { .. } => Deployment::default(),
        config::Store::Redis(_) => {
            deployment::check_key(opened.store.as_ref(), &vault).await?;
            Deployment::among_others(&config)
        }
    };
    let metrics = Arc::new(Metrics::new(&config).context("the list of metrics")?);
    let stop = CancellationToken::new();
    let (routes, incoming) =
        Routes::open(&config, &stop).await.context("a route could not be opened")?;
    let engine = Arc::new(Engine {
        store: Arc::new(Watched::new(opened.store, Arc::clone(&metrics))),
        metrics,
        vault,
        live: Live::default(),
        routes,
        load: Load::default(),
        gate: Gate::new(),
        kept: Kept::default(),
        deployment,
        readiness: Readiness::default(),
        backlog: Backlog::default(),
        enrol: Notify::new(),
        desks: enroll::Desks::default(),
        dispatch: Notify::new(),
        care: crate::care::Desk::default(),
        awaited: Awaited::default(),
        permits: dispatch::permits::Permits::default(),
        stop: stop.clone(),
        config,
    });
    engine.refresh().await.context("the campaigns could not be read")?;
    deployment::join(&engine).await.context("the deployment cannot be joined")?;

    let mut tasks = JoinSet::new();
    let stop = engine.stop.clone();
    tasks.spawn(async move {
        // A store that failed once is not to be trusted; opening it anew recovers all that was acknowledged. This task
        // ends, and whoever runs the server ends the process.
        tokio::select! {
            why = Opened::failed(failing) => tracing::error!(why, "the store failed; the server must be started again"),
            () = stop.cancelled() => {}
        }
    });
    tasks.spawn(watch(Arc::clone(&engine)));
    among_others(&engine, &mut tasks);
    tasks.spawn(enroll::run(Arc::clone(&engine)));
    dispatch::start(&engine, &mut tasks);
    tasks.spawn(deadlines::run(Arc::clone(&engine)));
    tasks.spawn(controller::run(Arc::clone(&engine)));
    tasks.spawn(trim::run(Arc::clone(&engine)));
    tasks.spawn(retention::run(Arc::clone(&engine)));
    tasks.spawn(receipts::notices::write(Arc::clone(&engine)));
    for (route, received) in incoming {
        tasks.spawn(receipts::incoming::read(Arc::clone(&engine), route, received));
    }
    broker::start(&engine, &mut tasks);
    tasks.spawn(metrics::sample::run(Arc::clone(&engine)));
    let door = &engine.config.http.devices;
    let bounds = Bounds {
        connections: door.max_connections,
        header_wait: door.header_wait,
        take_wait: door.body_wait,
        grace: door.grace,
        metrics: engine.metrics.doors.at(Door::Devices).clone(),
    };
    tasks.spawn(serve(devices, http::dm::router(Arc::clone(&engine)), bounds, engine.stop.clone()));
    let door = &engine.config.http.admin;
    let bounds = |which| Bounds {
        connections: door.max_connections,
        header_wait: door.header_wait,
        take_wait: door.timeout,
        grace: door.grace,
        metrics: engine.metrics.doors.at(which).clone(),
    };
    tasks.spawn(serve(
        admin,
        http::admin::router(Arc::clone(&engine)),
        bounds(Door::Admin),
        engine.stop.clone(),
    ));
    if let Some(telemetry) = telemetry {
        let router = http::admin::telemetry(Arc::clone(&engine));
        tasks.spawn(serve(telemetry, router, bounds(Door::Telemetry), engine.stop.clone()));
    }
    tracing::info!(devices = %devices_at, admin = %admin_at, telemetry = ?telemetry_at, "ready");
    Ok(Running { engine, devices: devices_at, admin: admin_at, telemetry: telemetry_at, tasks })
}

impl Running {
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Takes no more work, finishes what is under way, and returns when all is down.
    pub async fn stop(mut self) {
        self.engine.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a part of the server ended badly"
                );
            }
        }
    }

    /// Returns when some part of the server ended though nobody stopped it.
    pub async fn failed(&mut self) {
        if let Some(Err(error)) = self.tasks.join_next().await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a part of the server failed"
            );
        }
    }
}

/// What there is to do when others may share the store. A part that ends by itself is a part that failed: what has nothing to do
/// is not begun.
fn among_others(engine: &Arc<Engine>, tasks: &mut JoinSet<()>) {
    if engine.deployment.is_shared() {
        tasks.spawn(deployment::run(Arc::clone(engine)));
        tasks.spawn(dispatch::permits::run(Arc::clone(engine)));
    }
}

/// With port 0 the system chose one: what devices are told must name it.
fn told(config: &mut Config, at: SocketAddr) {
    let (asked, got) = (format!("http://{}", config.http.devices.listen), format!("http://{at}"));
    for url in std::iter::once(&mut config.http.devices.public_url)
        .chain(config.authorities.iter_mut().map(|authority| &mut authority.url))
    {
        if let Some(path) = url.strip_prefix(&asked) {
            *url = format!("{got}{path}");
        }
    }
}

async fn listen(at: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(at)
        .await
        .with_context(|| format!("`{key}` = {at} cannot be listened on; is it in use?"))
}

/// Keeps the campaigns in memory true.
async fn watch(engine: Arc<Engine>) {
    while !engine.stop.is_cancelled() {
        if let Err(error) = engine.refresh().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the campaigns could not be read"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(live::REFRESH) => {}
            () = engine.stop.cancelled() => {}
        }
    }
}
