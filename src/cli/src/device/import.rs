//! `device import`: streams a file of any length into the registry, a bounded request at a time.
//!
//! The server reads the lines; here they are only gathered. A CSV header goes with every request, and the number of the first line,
//! so that the server's reports name the lines of the file. A bad line stops nothing.

use crate::{
    console::Console,
    input::{self, Line, Lines},
    server::{Refusal, Server},
};
use anyhow::bail;
use api::{ImportReport, LineError, ProblemType};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::{path::PathBuf, process::ExitCode};

#[derive(Debug, Args)]
#[command(after_help = "\
CSV has a header; JSON lines have the same keys. Keys that are absent leave a known device as it is.

  device,authority,auth,secret,msisdn,model,attributes.plan
  IMEI:350000000000017,operator,md5,s3cret,447700900123,RV-100,gold

Examples:
  reveille device import fleet.csv
  zcat fleet.jsonl.gz | reveille device import - --format jsonl --authority operator")]
pub struct Import {
    /// A file of devices, or - for standard input
    file: PathBuf,
    /// How the lines are written; found out from the first one when absent
    #[arg(long)]
    format: Option<Format>,
    /// The authority of lines that name none
    #[arg(long)]
    authority: Option<String>,
    /// Take nonces from the file for known devices too
    #[arg(long)]
    reset_nonces: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }

    /// JSON lines begin with a brace; anything else is a header.
    fn of(first: &str) -> Self {
        if first.trim_start().starts_with('{') { Self::Jsonl } else { Self::Csv }
    }
}

/// The most lines of one request: about 800 KiB of usual lines, and a dozen for each shard of the server's store, so that
/// it can write them together.
const MOST_LINES: usize = 4_000;

/// Lines that go to the server together.
struct Batch {
    header: String,
    body: String,
    first_line: u64,
    lines: usize,
    /// Whether the server took an earlier one.
    sent: bool,
}

impl Batch {
    fn takes(&self, line: &str) -> bool {
        self.lines < MOST_LINES && self.body.len() + line.len() < api::MOST_IMPORT_OCTETS
    }

    fn push(&mut self, number: u64, line: &str) {
        if self.lines == 0 {
            self.first_line = number;
            self.body.clone_from(&self.header);
        }
        self.body += line;
        self.body.push('\n');
        self.lines += 1;
    }
}

pub(super) async fn run(
    args: &Import,
    server: Server,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    let (source, length) = input::open(&args.file)?;
    let mut lines = Lines::new(source, input::name(&args.file));
    let Some((first_number, first)) = first_line(&mut lines)? else {
        bail!(
            "{} is empty; it needs a CSV header and lines, or JSON lines",
            input::name(&args.file)
        );
    };
    let format = args.format.unwrap_or_else(|| Format::of(&first));
    let mut batch =
        Batch { header: String::new(), body: String::new(), first_line: 0, lines: 0, sent: false };
    match format {
        Format::Csv => batch.header = format!("{first}\n"),
        Format::Jsonl => batch.push(first_number, &first),
    }

    let bar = bar(length, console);
    let mut total = ImportReport::default();
    while let Some((number, line)) = lines.next_line()? {
        match line {
            Line::Text(text) => {
                if !batch.takes(&text) {
                    send(&mut batch, format, args, &server, &mut total).await?;
                }
                batch.push(number, &text);
            }
            Line::Bad(what) => {
                send(&mut batch, format, args, &server, &mut total).await?;
                total.refuse(LineError {
                    line: number,
                    key: String::new(),
                    what: what.to_owned(),
                    help: String::new(),
                });
            }
        }
        bar.set_position(lines.octets());
        tell(&mut total, &bar, console)?;
    }
    send(&mut batch, format, args, &server, &mut total).await?;
    tell(&mut total, &bar, console)?;
    bar.finish_and_clear();
    finish(&total, console)
}

/// The first line that says something.
fn first_line(lines: &mut Lines) -> anyhow::Result<Option<(u64, String)>> {
    while let Some((number, line)) = lines.next_line()? {
        match line {
            Line::Text(text) if text.trim().is_empty() => {}
            Line::Text(text) => return Ok(Some((number, text))),
            Line::Bad(what) => bail!(
                "line {number} {what}, and it should say what the others are; is this a file of devices?"
            ),
        }
    }
    Ok(None)
}

async fn send(
    batch: &mut Batch,
    format: Format,
    args: &Import,
    server: &Server,
    total: &mut ImportReport,
) -> anyhow::Result<()> {
    if batch.lines == 0 {
        return Ok(());
    }
    let first_line = batch.first_line.to_string();
    let mut query = vec![("format", format.name()), ("first_line", first_line.as_str())];
    query.extend(args.authority.as_deref().map(|authority| ("authority", authority)));
    query.extend(args.reset_nonces.then_some(("reset_nonces", "true")));
    let kind = match format {
        Format::Csv => "text/csv",
        Format::Jsonl => "application/jsonl",
    };
    let body = std::mem::take(&mut batch.body).into();
    let (_, report): (_, ImportReport) = server
        .post_octets(&["v1", "devices", "import"], &query, kind, body)
        .await
        .map_err(|error| {
            let said = stopped(&error, format, batch);
            error.context(said)
        })?;
    batch.lines = 0;
    batch.sent = true;
    total.imported += report.imported;
    total.unchanged += report.unchanged;
    total.refused += report.refused;
    total.errors.extend(report.errors);
    Ok(())
}

/// How far the import came, when the server did not take `batch`.
fn stopped(error: &anyhow::Error, format: Format, batch: &Batch) -> String {
    let refusal = error.downcast_ref::<Refusal>().and_then(Refusal::kind);
    let line = batch.first_line;
    match (batch.sent, format, refusal) {
        (true, _, _) => {
            format!(
                "the import stopped before line {line}; what came before is in, run it again for the rest"
            )
        }
        // Of a body of CSV that arrived, only the header is refused as a whole.
        (false, Format::Csv, Some(ProblemType::BadBody)) => {
            "the header was refused and nothing was imported".to_owned()
        }
        (false, _, _) => "the import stopped at its first lines; run it again".to_owned(),
    }
}

/// Reports what went wrong so far, and forgets it.
fn tell(
    total: &mut ImportReport,
    bar: &ProgressBar,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    for error in total.errors.drain(..) {
        bar.suspend(|| {
            if console.json { console.line_of_json(&error) } else { Ok(console.remark(error)?) }
        })?;
    }
    Ok(())
}

fn bar(length: Option<u64>, console: &Console<'_>) -> ProgressBar {
    match length {
        _ if !console.live => ProgressBar::hidden(),
        Some(length) => {
            let style =
                ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} left");
            ProgressBar::new(length).with_style(style.expect("names only known keys"))
        }
        None => {
            let style = ProgressStyle::with_template("{spinner} {bytes}, {elapsed}");
            ProgressBar::new_spinner().with_style(style.expect("names only known keys"))
        }
    }
}

fn finish(total: &ImportReport, console: &mut Console<'_>) -> anyhow::Result<ExitCode> {
    if console.json {
        let sums = serde_json::json!({"imported": total.imported, "unchanged": total.unchanged, "refused": total.refused});
        console.line_of_json(&sums)?;
    } else {
        writeln!(
            console.out,
            "{} imported, {} unchanged, {} refused",
            total.imported, total.unchanged, total.refused
        )?;
    }
    Ok(if total.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
