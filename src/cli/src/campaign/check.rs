//! `campaign check`: the document read and checked without a server, every problem at once, each with its line.

use crate::{console::Console, input};
use api::Problem;
use campaign::{
    Campaign, Instant, Scope,
    check::{self, Grounds},
};
use clap::Args;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

#[derive(Debug, Args)]
#[command(after_help = "\
Checks what can be known without a server: keys, types, ids, URIs, expressions, templates, and what contradicts itself.
A file of devices that is not there is remarked on.
What the authority may write and which devices there are, `campaign submit --dry-run` asks the server.

Example:
  reveille campaign check qos.yaml")]
pub struct Check {
    /// The campaign document, YAML or JSON, or - for standard input
    file: PathBuf,
}

pub(super) fn run(args: &Check, console: &mut Console<'_>) -> anyhow::Result<ExitCode> {
    let text = text(&args.file)?;
    let campaign = match read(&text) {
        Ok(campaign) => campaign,
        Err(problems) => return tell(&args.file, &problems, console),
    };
    if let Some(file) = &campaign.devices().file
        && let Err(error) = input::open(&beside(&args.file, file))
    {
        // The document may be checked elsewhere than it is submitted.
        console
            .remark(format_args!("note: devices.file: {error:#}; `campaign submit` needs it"))?;
    }
    if !console.json {
        writeln!(console.out, "{}: no problem found", input::name(&args.file))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The text of a campaign document.
pub(super) fn text(file: &Path) -> anyhow::Result<String> {
    input::read_text(file, campaign::document::LONGEST as u64)
}

/// Prints each problem as `file:line: path: what; help`, and refuses.
pub(super) fn tell(
    file: &Path,
    problems: &[Problem],
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    let name = input::name(file);
    for problem in problems {
        if console.json {
            console.line_of_json(problem)?;
            continue;
        }
        let Problem { path, line, what, help } = problem;
        let place = line.map(|line| format!("{line}:")).unwrap_or_default();
        let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
        let help = if help.is_empty() { String::new() } else { format!("; {help}") };
        console.remark(format_args!("{name}:{place} {path}{what}{help}"))?;
    }
    Ok(ExitCode::FAILURE)
}

/// The path of the file of devices, beside the document that names it.
pub(super) fn beside(document: &Path, file: &str) -> PathBuf {
    document.parent().map_or_else(|| file.into(), |folder| folder.join(file))
}

/// Reads and checks a document with what is known without a server; what is wrong is said as the server would say it.
pub(super) fn read(text: &str) -> Result<Campaign, Vec<Problem>> {
    let everything = Scope::everything();
    let told = |problem: campaign::Problem| {
        let campaign::Problem { path, line, what, help } = problem;
        Problem { path, line, what, help }
    };
    check::read(text, &Grounds::offline(&everything, now()))
        .map_err(|problems| problems.into_iter().map(told).collect())
}

#[expect(
    clippy::disallowed_methods,
    reason = "offline, this machine's clock is the only one to ask whether a campaign is over"
)]
fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
