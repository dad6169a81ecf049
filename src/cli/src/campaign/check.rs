//! `campaign check`: the document read and checked without a server, every problem at once, each with its line.

use crate::{console::Console, input};
use api::Problem;
use campaign::Document;
use clap::Args;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Debug, Args)]
#[command(after_help = "\
Checks what can be known without a server: keys, types, ids, URIs, expressions, templates, and what contradicts itself.
What the authority may write and which devices there are, `campaign submit --dry-run` asks the server.

Example:
  reveille campaign check qos.yaml")]
pub struct Check {
    /// The campaign document, YAML or JSON, or - for standard input
    file: PathBuf,
}

pub(super) fn run(args: &Check, console: &mut Console<'_>) -> anyhow::Result<ExitCode> {
    let text = text(&args.file)?;
    let problems = problems(&text);
    if !problems.is_empty() {
        return tell(&args.file, &problems, console);
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

/// Reads the document; what is wrong with it in the words of the API, as the server would say it.
pub(super) fn parse(text: &str) -> Result<Document, Vec<Problem>> {
    Document::parse(text).map_err(|problems| problems.into_iter().map(told).collect())
}

fn told(problem: campaign::Problem) -> Problem {
    let campaign::Problem { path, line, what, help } = problem;
    Problem { path, line, what, help }
}

fn problems(text: &str) -> Vec<Problem> {
    parse(text).err().unwrap_or_default()
}
