//! What a person sees of a demo: a bar while it runs, the outcomes at the end.

use super::figures::Figures;
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    fmt::Write as _,
    io::{IsTerminal, Write},
};

/// The bar on a terminal; elsewhere nothing.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new(talk: bool, devices: u64) -> Self {
        let target = if talk && std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template(
            "{msg:12} {bar:40} {human_pos}/{human_len} devices  {elapsed}",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::with_draw_target(Some(devices), target).with_style(style))
    }

    pub(crate) fn say(&self, phase: &'static str) {
        self.0.set_message(phase);
        self.0.set_position(0);
    }

    pub(crate) fn registered(&self, devices: u64) {
        self.0.set_position(devices);
    }

    pub(crate) fn at(&self, progress: &api::Progress) {
        self.0.set_position(progress.ended);
    }

    /// A line for the person, above the bar.
    pub(crate) fn line(&self, line: &str) {
        // Without a terminal the line still matters.
        self.0.suspend(|| drop(writeln!(std::io::stderr(), "{line}")));
    }

    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}

/// Prints the figures: one object on one line, or a table.
///
/// With `by_fault`, a second table tells what became of the devices with each fault.
pub(crate) fn print(figures: &Figures, by_fault: bool, json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(figures)?)?;
    } else {
        if by_fault {
            writeln!(out, "{}\n", faults(figures))?;
        }
        write!(out, "{}", text(figures))?;
    }
    for breach in &figures.breach_texts {
        writeln!(std::io::stderr(), "breach: {breach}")?;
    }
    Ok(())
}

/// A line a fault, a column an outcome.
fn faults(figures: &Figures) -> String {
    let outcomes = figures.outcomes.keys();
    let mut table = Table::new();
    let head = ["fault", "devices"].into_iter().map(str::to_owned).chain(outcomes.clone().cloned());
    table.load_style(NOTHING).set_header(head);
    for (fault, counts) in &figures.outcomes_by_fault {
        let count = |outcome| counts.get(outcome).map_or_else(String::new, ToString::to_string);
        let all = counts.values().sum::<u64>().to_string();
        let name = [(*fault).to_owned(), all];
        table.add_row(name.into_iter().chain(outcomes.clone().map(count)));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn text(figures: &Figures) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["outcome", "devices", "share"]);
    for (outcome, count) in &figures.outcomes {
        let share = 100.0 * figure(*count) / figure(figures.devices.max(1));
        table.add_row([outcome.clone(), count.to_string(), format!("{share:.1} %")]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("{}\n\n", table.trim_fmt());
    let lines = [
        format!(
            "{} devices in {:.1} s: {:.0} a second until 95 % had ended, then {:.1} s for the rest",
            figures.devices, figures.seconds, figures.devices_per_second, figures.tail_seconds
        ),
        format!(
            "notified to first session  p50 {:.0} ms  p99 {:.0} ms",
            figures.notified_to_session_ms.p50, figures.notified_to_session_ms.p99
        ),
        format!(
            "one message                p50 {:.0} ms  p99 {:.0} ms",
            figures.message_ms.p50, figures.message_ms.p99
        ),
        format!(
            "{} messages, {:.2} store calls each, {:.1} s of processor time, {:.0} MB at most",
            figures.messages,
            figures.store_calls_per_message,
            figures.cpu_seconds,
            figures.peak_rss_mb
        ),
        match figures.aof_octets_per_device {
            Some(octets) => format!(
                "{octets:.0} octets a device in the append-only file of Redis; processor time: {:.1} s here, {:.1} s workers, {:.1} s Redis",
                figures.cpu_seconds_here, figures.cpu_seconds_workers, figures.cpu_seconds_redis
            ),
            None => String::new(),
        },
        match (figures.results_told, figures.results_told_again) {
            (Some(told), Some(again)) => {
                format!("{told} results came out of the broker, {again} of them more than once")
            }
            _ => String::new(),
        },
        match figures.carrier {
            Some(carrier) => format!(
                "{} messages to the carrier, at most {} in any second of {} allowed; {} receipts",
                carrier.messages, carrier.busiest_second, carrier.limit, carrier.receipts
            ),
            None => String::new(),
        },
        match figures.breaches {
            0 => "no device saw the server break a rule".to_owned(),
            breaches => {
                format!("{breaches} breaches: the server did what a device must not accept")
            }
        },
    ];
    for line in lines.iter().filter(|line| !line.is_empty()) {
        // Writing into a string does not fail.
        let _ = writeln!(text, "{line}");
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run are far below 2^52")]
fn figure(count: u64) -> f64 {
    count as f64
}
