//! `campaign watch`: a bar on a terminal, a line for each change elsewhere, until the campaign has ended.

use super::{Full, Name, show};
use crate::{console::Console, server::Server};
use api::CampaignView;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::{process::ExitCode, time::Duration};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  reveille campaign watch operator/qos-uplift-2026-11")]
pub struct Watch {
    campaign: Name,
    /// Milliseconds between two looks
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    every_ms: u64,
}

/// Looks in a row that may fail before the watch is given up: 30 s of a server's restart at the usual pace.
const PATIENCE: u32 = 60;

pub(super) async fn run(
    args: Watch,
    server: &Server,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    let campaign = args.campaign.full(server).await?;
    let every = Duration::from_millis(args.every_ms);
    let mut shown = campaign.view(server).await?;
    let bar = bar(console);
    draw(&shown, &bar, console)?;
    while shown.state != "ended" {
        tokio::time::sleep(every).await;
        let view = patiently(&campaign, every, &bar, server).await?;
        if view != shown {
            draw(&view, &bar, console)?;
            shown = view;
        }
    }
    bar.finish_and_clear();
    if !console.json {
        show::one(&shown, console)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The next view, over a restart of the server if need be.
async fn patiently(
    campaign: &Full,
    every: Duration,
    bar: &ProgressBar,
    server: &Server,
) -> anyhow::Result<CampaignView> {
    let mut failures = 0;
    loop {
        match campaign.view(server).await {
            Ok(view) => return Ok(view),
            Err(error) if error.is::<crate::server::Refusal>() || failures >= PATIENCE => {
                return Err(error);
            }
            Err(_) => {
                failures += 1;
                bar.set_message("the server does not answer; trying again");
                tokio::time::sleep(every).await;
            }
        }
    }
}

fn draw(view: &CampaignView, bar: &ProgressBar, console: &mut Console<'_>) -> anyhow::Result<()> {
    if console.json {
        return console.line_of_json(view);
    }
    let progress = &view.progress;
    if !console.live {
        let outcomes = outcomes(view);
        return Ok(writeln!(
            console.out,
            "{}: {} of {} ended{outcomes}",
            view.state, progress.ended, progress.enrolled
        )?);
    }
    bar.set_length(progress.enrolled);
    bar.set_position(progress.ended);
    bar.set_prefix(view.state.clone());
    bar.set_message(format!(
        "notified {}, silent {}, connected {}, written {}, proven {}{}",
        progress.notified,
        progress.silent,
        progress.connected,
        progress.written,
        progress.proven,
        outcomes(view)
    ));
    Ok(())
}

fn outcomes(view: &CampaignView) -> String {
    let outcomes: Vec<_> =
        view.progress.outcomes.iter().map(|(name, count)| format!("{name} {count}")).collect();
    if outcomes.is_empty() { String::new() } else { format!("; {}", outcomes.join(", ")) }
}

fn bar(console: &Console<'_>) -> ProgressBar {
    if console.json || !console.live {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{prefix:<9} {wide_bar} {pos}/{len} {per_sec}\n{msg}");
    let bar = ProgressBar::new(0).with_style(style.expect("names only known keys"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
