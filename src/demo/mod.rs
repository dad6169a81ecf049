//! `reveille demo`: a server, a simulated fleet and one campaign in this process, over real sockets and the real protocol.

mod by_fault;
mod figures;
mod show;

use anyhow::{Context, bail};
use figures::{Figures, Usage};
use loadtest::{Fleet, FleetPlan, Mix};
use server::{
    Running, campaigns,
    config::Config,
    registry::{self, Import, line::Format},
};
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// The campaign that is launched when none is named.
const CAMPAIGN: &str = include_str!("../../deploy/examples/demo.yaml");
/// The settings of the server: waits of seconds, so that what fails is tried again while one watches.
const SETTINGS: &str = r#"
    [http.devices]
    listen = "127.0.0.1:0"
    [http.admin]
    listen = "127.0.0.1:0"
    [session]
    answer_within = "5s"
    [dispatch]
    retry_base = "1s"
    retry_cap = "4s"
    poll = "20ms"
    [[route]]
    kind = "udp"
    name = "udp"
    per_second = 20000
    [telemetry]
    log = "warn"
"#;
/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Lines of the registry handed over at once.
const LINES: u64 = 1000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Simulated devices
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    devices: u64,
    /// Another campaign than the sample one; every device is in group `demo`
    #[arg(long, value_name = "FILE")]
    campaign: Option<PathBuf>,
    /// The seed of everything that chance decides about the devices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What is wrong with the devices: `demo` (a few of each fault), `all` (nine of ten, every fault alike), `none`, or
    /// faults with their shares of the fleet, as in silent=0.1,slow=0.2
    /// [default: demo]; a table tells what became of each
    #[arg(long, value_name = "FAULTS")]
    faults: Option<Mix>,
    /// Keep the server's data here instead of in a directory that is removed at the end
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, json: bool) -> anyhow::Result<ExitCode> {
    let text = match &args.campaign {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?,
        None => CAMPAIGN.to_owned(),
    };
    let scratch = tempfile::tempdir().context("no directory for the server's data")?;
    let data = args.data.clone().unwrap_or_else(|| scratch.path().to_owned());
    // As a TOML string, whatever the path holds.
    let store = format!(
        "[store]\nkind = \"embedded\"\npath = {}\n{SETTINGS}",
        serde_json::to_string(&data)?
    );
    let config = Config::read("the demo's settings", &store, &[])?;
    crate::serve::log(&config.telemetry)?;
    let runtime = tokio::runtime::Runtime::new().context("the runtime could not start")?;
    let figures = runtime.block_on(demonstrate(args, &text, config, !json))?;
    show::print(&figures, args.faults.is_some(), json)?;
    Ok(if figures.complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn demonstrate(
    args: &Args,
    text: &str,
    config: Config,
    talk: bool,
) -> anyhow::Result<Figures> {
    let authority = config.authorities.first().cloned().context("no authority is configured")?;
    let running = server::start(config).await?;
    let fleet = Fleet::start(FleetPlan {
        seed: args.seed,
        server_id: authority.server_id.clone(),
        authority: authority.name.clone(),
        mix: args.faults.clone().unwrap_or_else(Mix::demo),
        user_owned: authority.user_owned.clone(),
        questions_expected: text.contains("ask:"),
        ..FleetPlan::new(args.devices, format!("http://{}/dm/{}", running.devices, authority.name))
    })
    .await
    .context("the simulated fleet could not start")?;
    let bar = show::Bar::new(talk, args.devices);
    bar.say("registering");
    register(&running, &fleet, args.devices, &bar).await?;

    bar.say("configuring");
    let before = Usage::now();
    let started = server::clock::stopwatch();
    let submitted = match campaigns::submit(running.engine(), text, false).await {
        Ok(submitted) => submitted,
        Err(error) => {
            for problem in error.problems() {
                bar.line(&problem.to_string());
            }
            return Err(error).context("the campaign was not accepted");
        }
    };
    let (mut view, mut most_ended) = (submitted.view, None);
    while view.state != "ended" {
        tokio::time::sleep(LOOK).await;
        view = campaigns::view(running.engine(), &view.authority, &view.id).await?;
        bar.at(&view.progress);
        let elapsed = started.elapsed();
        // Enrolment is done when every device has its job; until then a share means nothing.
        if most_ended.is_none()
            && view.progress.enrolled >= args.devices
            && view.progress.ended * 100 >= view.progress.enrolled * 95
        {
            most_ended = Some((elapsed, view.progress.ended));
        }
        if elapsed > Duration::from_hours(1) {
            bail!("the campaign did not end within an hour");
        }
    }
    let elapsed = started.elapsed();
    bar.end();
    let by_fault = by_fault::count(running.engine(), &view, &fleet).await?;
    let report = fleet.stop().await;
    let figures = Figures {
        outcomes_by_fault: by_fault,
        ..Figures::new(&view, &report, elapsed, most_ended, running.engine().load(), before)
    };
    running.stop().await;
    Ok(figures)
}

/// Brings the fleet into the registry, as an operator's import would.
async fn register(
    running: &Running,
    fleet: &Fleet,
    devices: u64,
    bar: &show::Bar,
) -> anyhow::Result<()> {
    let header = fleet.registry_csv_header();
    for first in (0..devices).step_by(usize::try_from(LINES)?) {
        let mut lines = header.to_owned();
        for line in fleet.registry_lines(first..devices.min(first + LINES)) {
            lines.push('\n');
            lines.push_str(&line);
        }
        let import = Import {
            store: running.engine().store(),
            vault: running.engine().vault(),
            config: running.engine().config(),
            format: Format::Csv,
            authority: None,
            reset_nonces: false,
            first_line: first + 1,
        };
        let report = registry::import(&import, lines.as_bytes()).await?;
        if let Some(error) = report.errors.first() {
            bail!(
                "the registry refused a simulated device: line {}: {}: {}",
                error.line,
                error.key,
                error.what
            );
        }
        bar.registered((first + LINES).min(devices));
    }
    Ok(())
}
