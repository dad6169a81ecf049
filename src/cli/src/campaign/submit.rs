//! `campaign submit`: the document in one request, then the file of devices it names, a thousand names at a time.
//!
//! Parts are numbered in the order of the file and the last one says how many there are, so a submit that broke off is
//! finished by running it again: the server knows which parts it has.

use super::{Full, check, show};
use crate::{
    console::Console,
    input::{self, Lines},
    names::Names,
    server::{Refusal, Server},
};
use anyhow::Context;
use api::{CampaignView, EnrolReport, ProblemType};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::StatusCode;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Debug, Args)]
#[command(after_help = "\
Submitting the same document again changes nothing; what an earlier run did not finish is finished.

Example:
  reveille campaign submit qos.yaml && reveille campaign watch operator/qos-uplift-2026-11")]
pub struct Submit {
    /// The campaign document, YAML or JSON, or - for standard input
    file: PathBuf,
    /// Let the server check it with all it knows, and stop there
    #[arg(long)]
    dry_run: bool,
}

/// What the parts of a file came to.
#[derive(Debug, Default, serde::Serialize)]
struct Enrolment {
    #[serde(flatten)]
    report: EnrolReport,
    bad_lines: u64,
}

pub(super) async fn run(
    args: &Submit,
    server: Server,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    let text = check::text(&args.file)?;
    let named = match check::read(&text) {
        Ok(campaign) => campaign.devices().file.clone(),
        Err(problems) => return check::tell(&args.file, &problems, console),
    };
    // Opened before anything is submitted: a campaign without its devices helps nobody.
    let devices = match named {
        Some(file) => {
            let path = check::beside(&args.file, &file);
            let (source, length) =
                input::open(&path).context("the campaign names a file of devices")?;
            Some((path, Lines::new(source, file), length))
        }
        None => None,
    };

    let (status, view) = match accept(text, args.dry_run, &server).await {
        Ok(accepted) => accepted,
        Err(error) => return refused(error, &args.file, console),
    };
    if args.dry_run {
        return dry(&view, console);
    }
    if !console.json {
        let how = if status == StatusCode::CREATED { "accepted" } else { "known already" };
        console
            .remark(format_args!("{}/{} {how}, number {}", view.authority, view.id, view.seq))?;
    }
    let campaign = Full::of(&view);
    let enrolment = match devices {
        // Its devices are what they are: nothing of the file can still be missing, or be added.
        Some(_) if matches!(view.state.as_str(), "ending" | "ended") => Enrolment::default(),
        Some((path, lines, length)) => {
            let bar = bar(length, console);
            let enrolment = enrol(&campaign, Names::new(lines), &bar, &server, console).await;
            bar.finish_and_clear();
            enrolment.with_context(|| {
                format!("not all of {} was enrolled; submit again for the rest", path.display())
            })?
        }
        None => Enrolment::default(),
    };
    finish(&campaign.view(&server).await?, &enrolment, console)
}

async fn accept(
    text: String,
    dry_run: bool,
    server: &Server,
) -> anyhow::Result<(StatusCode, CampaignView)> {
    let query: &[_] = if dry_run { &[("dry_run", "true")] } else { &[] };
    let kind =
        if text.trim_start().starts_with('{') { "application/json" } else { "application/yaml" };
    server.post_octets(&["v1", "campaigns"], query, kind, text.into()).await
}

/// Problems of the document are told with the lines of the file; any other refusal is the error it is.
fn refused(
    error: anyhow::Error,
    file: &Path,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    match error.downcast_ref::<Refusal>() {
        Some(refusal)
            if refusal.kind() == Some(ProblemType::BadCampaign)
                && !refusal.0.problems.is_empty() =>
        {
            check::tell(file, &refusal.0.problems, console)
        }
        _ => Err(error),
    }
}

fn dry(view: &CampaignView, console: &mut Console<'_>) -> anyhow::Result<ExitCode> {
    if console.json {
        console.line_of_json(view)?;
    } else {
        writeln!(console.out, "{}/{} would be accepted", view.authority, view.id)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn enrol(
    campaign: &Full,
    mut names: Names,
    bar: &ProgressBar,
    server: &Server,
    console: &mut Console<'_>,
) -> anyhow::Result<Enrolment> {
    let mut total = Enrolment::default();
    let mut number = 0u64;
    let mut part = Vec::with_capacity(api::MOST_NAMES);
    loop {
        match names.next_name()? {
            // A full part goes out when it is known not to be the last.
            Some(Ok(name)) => {
                if part.len() == api::MOST_NAMES {
                    send(campaign, &part, number, None, server, &mut total).await?;
                    number += 1;
                    part.clear();
                    bar.set_position(names.octets());
                }
                part.push(name);
            }
            Some(Err(error)) => {
                total.bad_lines += 1;
                bar.suspend(|| {
                    if console.json {
                        console.line_of_json(&error)
                    } else {
                        Ok(console.remark(&error)?)
                    }
                })?;
            }
            None => {
                send(campaign, &part, number, Some(number + 1), server, &mut total).await?;
                return Ok(total);
            }
        }
    }
}

async fn send(
    campaign: &Full,
    part: &[String],
    number: u64,
    parts: Option<u64>,
    server: &Server,
    total: &mut Enrolment,
) -> anyhow::Result<()> {
    let (number, parts) = (number.to_string(), parts.map(|parts| parts.to_string()));
    let mut query = vec![("part", number.as_str())];
    query.extend(parts.as_deref().map(|parts| ("parts", parts)));
    let report: EnrolReport = server.post(&campaign.path(&["devices"]), &query, &part).await?;
    total.report.enrolled += report.enrolled;
    total.report.already += report.already;
    total.report.unknown += report.unknown;
    total.report.later += report.later;
    Ok(())
}

fn bar(length: Option<u64>, console: &Console<'_>) -> ProgressBar {
    match length {
        Some(length) if console.live => {
            let style =
                ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} left");
            ProgressBar::new(length).with_style(style.expect("names only known keys"))
        }
        _ => ProgressBar::hidden(),
    }
}

fn finish(
    view: &CampaignView,
    enrolment: &Enrolment,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    if console.json {
        console.line_of_json(&serde_json::json!({"campaign": view, "enrolment": enrolment}))?;
    } else {
        show::one(view, console)?;
    }
    let report = &enrolment.report;
    let counts = [
        (report.unknown, "names that the registry does not know"),
        (report.later, "devices with too many open jobs; submit again later to enrol them"),
        (enrolment.bad_lines, "lines that name no device"),
    ];
    let quiet = console.json;
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0 && !quiet) {
        console.remark(format_args!("{count:>10} {what}"))?;
    }
    if !quiet && view.state != "ended" {
        console.remark(format_args!("\nreveille campaign watch {}/{}", view.authority, view.id))?;
    }
    Ok(if enrolment.bad_lines + report.later == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
