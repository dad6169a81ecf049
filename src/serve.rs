//! `reveille serve`: configuration, logging, the server, and a clean end.

use anyhow::Context;
use server::config::{Config, LogFormat, Telemetry};
use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    sync::atomic::Ordering,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration; without it, a working single node with its data in ./reveille-data
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only read the configuration, and say what is wrong with it
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(args.config.as_deref())?;
    if args.check {
        writeln!(std::io::stdout(), "the configuration is in order")?;
        return Ok(ExitCode::SUCCESS);
    }
    log(&config.telemetry)?;
    let runtime = tokio::runtime::Runtime::new().context("the runtime could not start")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut running = server::start(config).await?;
        // Programs that start this one wait for these addresses; port 0 becomes a real one here.
        writeln!(std::io::stdout(), "devices http://{}  admin http://{}", running.devices, running.admin)?;
        let ended = tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| ExitCode::SUCCESS).map_err(Into::into),
            _ = terminate.recv() => Ok(ExitCode::SUCCESS),
            () = running.failed() => Ok(ExitCode::FAILURE),
        };
        tracing::info!("stopping");
        let load = running.engine().load();
        let [messages, calls] = [&load.messages, &load.store_calls].map(|count| count.load(Ordering::Relaxed));
        // Whoever started the program may have stopped listening: that is no failure.
        let _gone = writeln!(std::io::stdout(), "answered {messages} messages with {calls} calls of the store");
        running.stop().await;
        ended
    })
}

/// Logging to standard error: results of commands have standard output to themselves.
pub(crate) fn log(telemetry: &Telemetry) -> anyhow::Result<()> {
    let filter = |text: &str| {
        EnvFilter::try_new(text).with_context(|| format!("`telemetry.log` = {:?}", telemetry.log))
    };
    let mut chosen = filter(&telemetry.log)?;
    if chosen.max_level_hint() > Some(LevelFilter::WARN) {
        // How the embedded store handles its files is told only to whoever asks for it by name.
        chosen = filter(&format!("fjall=warn,lsm_tree=warn,{}", telemetry.log))?;
    }
    let log = tracing_subscriber::fmt()
        .with_env_filter(chosen)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let installed = match telemetry.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    installed.map_err(|error| anyhow::anyhow!("the log could not be set up: {error}"))
}
