//! `campaign list` and `campaign show`: where a campaign stands, for people.

use super::Pages;
use crate::{console::Console, server::Server};
use api::{CampaignView, Progress};
use comfy_table::{Table, presets};
use std::process::ExitCode;

pub(super) async fn list(
    limit: usize,
    server: &Server,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["CAMPAIGN", "SEQ", "STATE", "LANE", "ENROLLED", "ENDED", "PURPOSE"]);
    let mut pages = Pages::new(limit);
    while let Some(page) = pages.next(server).await? {
        for view in page {
            if console.json {
                console.line_of_json(&view)?;
                continue;
            }
            let progress = &view.progress;
            table.add_row([
                format!("{}/{}", view.authority, view.id),
                view.seq.to_string(),
                view.state.clone(),
                view.lane.clone(),
                progress.enrolled.to_string(),
                progress.ended.to_string(),
                view.purpose.clone(),
            ]);
        }
    }
    if !console.json {
        writeln!(console.out, "{}", table.trim_fmt())?;
        if pages.are_more() {
            console.remark(format_args!(
                "there are more; --limit {} shows them",
                limit.saturating_mul(10)
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything there is to say of one campaign.
pub(super) fn one(view: &CampaignView, console: &mut Console<'_>) -> anyhow::Result<()> {
    if console.json {
        return console.line_of_json(view);
    }
    let state = match &view.why {
        Some(why) => format!("{}: {why}", view.state),
        None => view.state.clone(),
    };
    let rows = [
        ("campaign", format!("{}/{}, number {}", view.authority, view.id, view.seq)),
        ("purpose", view.purpose.clone()),
        ("state", state),
        ("lane", view.lane.clone()),
        ("submitted", view.submitted.clone()),
        ("starts", view.start.clone().unwrap_or_default()),
        ("expires", view.expires.clone().unwrap_or_default()),
    ];
    for (name, value) in rows {
        if !value.is_empty() {
            writeln!(console.out, "{name:<10} {value}")?;
        }
    }
    writeln!(console.out)?;
    write!(console.out, "{}", progress(&view.progress))?;
    Ok(())
}

/// The way of the devices, then how they ended.
pub(super) fn progress(progress: &Progress) -> String {
    let way = [
        ("enrolled", progress.enrolled),
        ("notified", progress.notified),
        ("silent", progress.silent),
        ("connected", progress.connected),
        ("written", progress.written),
        ("proven", progress.proven),
        ("active", progress.active),
        ("ended", progress.ended),
    ];
    let lines = way.iter().map(|(name, count)| line(name, *count, progress.enrolled));
    let outcomes = progress
        .outcomes
        .iter()
        .map(|(name, count)| line(&format!("  {name}"), *count, progress.enrolled));
    lines.chain(outcomes).collect()
}

fn line(name: &str, count: u64, of: u64) -> String {
    // A share is for the eye: one decimal, and no false 100 %.
    match (u128::from(count) * 1000).checked_div(u128::from(of)) {
        Some(share) => format!("{name:<18} {count:>10} {:>5}.{} %\n", share / 10, share % 10),
        None => format!("{name:<18} {count:>10}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_up_to_all() {
        assert_eq!(line("ended", 9_999, 10_000), "ended                    9999    99.9 %\n");
        assert_eq!(line("ended", 10_000, 10_000), "ended                   10000   100.0 %\n");
        assert_eq!(line("ended", 0, 0), "ended                       0\n");
    }
}
