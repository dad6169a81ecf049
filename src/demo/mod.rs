//! `reveille demo`: servers, a simulated fleet and one campaign on this machine, over real sockets and the real protocol.
//!
//! | module | about |
//! | --- | --- |
//! | `site` | a server in this process, or workers of their own |
//! | `broker`, `redis`, `workers`, `carrier` | what else is started for it |
//! | `figures`, `show` | what was measured, and how it is shown |

mod broker;
mod by_fault;
mod carrier;
mod figures;
mod redis;
mod show;
mod site;
mod workers;

use anyhow::{Context, bail};
use figures::{Figures, Measured};
use loadtest::{Fleet, FleetPlan, Mix};
use site::{Plan, Site};
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// The campaign that is launched when none is named.
const CAMPAIGN: &str = include_str!("../../deploy/examples/demo.yaml");
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
    /// Where the server keeps its rows; `redis` starts a private redis-server with the shipped settings
    #[arg(long, value_enum, default_value_t = site::Store::Embedded)]
    store: site::Store,
    /// With `--store redis`: one that runs already, instead of a private one
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// How the campaign comes in and its results go out; `rabbitmq` starts a private node from the installed package
    #[arg(long, value_enum, default_value_t = broker::Kind::None)]
    broker: broker::Kind,
    /// With `--broker rabbitmq`: one that runs already, instead of a private one
    #[arg(long, value_name = "URL")]
    rabbitmq: Option<String>,
    /// How devices are notified: in datagrams straight to their addresses, in short messages through a simulated centre, or
    /// through a simulated push proxy gateway; these two look at every octet
    #[arg(long, value_enum, default_value_t = carrier::Route::Udp)]
    route: carrier::Route,
    /// So many servers, each a process of its own, over one Redis; devices are spread over them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: Option<u16>,
    /// With `--workers`: every message of a session goes to the next worker, over a connection of its own
    #[arg(long, requires = "workers")]
    round_robin: bool,
}

pub(crate) fn run(args: &Args, json: bool) -> anyhow::Result<ExitCode> {
    let text = match &args.campaign {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?,
        None => CAMPAIGN.to_owned(),
    };
    let scratch = tempfile::tempdir().context("no directory for the server's data")?;
    let data = args.data.clone().unwrap_or_else(|| scratch.path().to_owned());
    let runtime = tokio::runtime::Runtime::new().context("the runtime could not start")?;
    let figures = runtime.block_on(async {
        std::fs::create_dir_all(&data)
            .with_context(|| format!("{} cannot be made", data.display()))?;
        let plan = Plan {
            store: args.store,
            redis: args.redis.as_deref(),
            workers: args.workers,
            broker: args.broker,
            rabbitmq: args.rabbitmq.as_deref(),
            route: args.route,
            devices: args.devices,
            directory: &data,
        };
        demonstrate(args, &text, plan, !json).await
    })?;
    show::print(&figures, args.faults.is_some(), json)?;
    Ok(if figures.complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn demonstrate(
    args: &Args,
    text: &str,
    plan: Plan<'_>,
    talk: bool,
) -> anyhow::Result<Figures> {
    let (mut site, authority) = Site::start(plan).await?;
    let fleet = Fleet::start(FleetPlan {
        seed: args.seed,
        server_id: authority.server_id.clone(),
        authority: authority.name.clone(),
        mix: args.faults.clone().unwrap_or_else(Mix::demo),
        user_owned: authority.user_owned.clone(),
        questions_expected: text.contains("ask:"),
        fronts: site.fronts(),
        round_robin: args.round_robin,
        ..FleetPlan::new(args.devices, site.dm_url(&authority.name))
    })
    .await
    .context("the simulated fleet could not start")?;
    site.carried_to(&fleet);
    let bar = show::Bar::new(talk, args.devices);
    bar.say("registering");
    register(&site, &fleet, args.devices, &bar).await?;

    bar.say("configuring");
    let before = site.usage();
    let started = server::clock::stopwatch();
    let (mut view, upstream) = match site.upstream().await? {
        None => (site.submit(text, |problem| bar.line(problem)).await?, None),
        Some(upstream) => {
            let campaign = broker::chunked(text)?;
            let names = (0..args.devices).map(|index| fleet.identity(index).device);
            upstream.submit(&campaign, names).await?;
            (appeared(&site, &campaign).await?, Some(upstream))
        }
    };
    let mut most_ended = None;
    while view.state != "ended" {
        tokio::time::sleep(LOOK).await;
        view = site.view(&view.authority, &view.id).await?;
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
    let (after, written) = (site.usage(), site.octets_since().await);
    let result_events = match upstream {
        Some(upstream) => Some(upstream.heard(view.progress.ended).await),
        None => None,
    };
    let by_fault = by_fault::count(&site, &view, &fleet).await?;
    let fleet = fleet.stop().await;
    let (done, carried) = site.stop().await?;
    let measured = Measured {
        view,
        fleet,
        carried,
        elapsed,
        most_ended,
        done,
        before,
        after,
        written,
        result_events,
    };
    Ok(Figures { outcomes_by_fault: by_fault, ..Figures::new(&measured) })
}

/// A campaign that was put into the broker, once the server has it.
async fn appeared(site: &Site, campaign: &broker::Campaign) -> anyhow::Result<api::CampaignView> {
    let looking = async {
        loop {
            if let Ok(view) = site.view(&campaign.authority, &campaign.id).await {
                return view;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let seen = tokio::time::timeout(Duration::from_mins(1), looking).await;
    seen.context(
        "the campaign did not come out of the broker; look into the queue `reveille.rejected`",
    )
}

/// Brings the fleet into the registry, as an operator's import would.
async fn register(site: &Site, fleet: &Fleet, devices: u64, bar: &show::Bar) -> anyhow::Result<()> {
    let header = fleet.registry_csv_header();
    for first in (0..devices).step_by(usize::try_from(LINES)?) {
        let mut lines = header.to_owned();
        for line in fleet.registry_lines(first..devices.min(first + LINES)) {
            lines.push('\n');
            lines.push_str(&line);
        }
        let report = site.import(lines, first + 1).await?;
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
