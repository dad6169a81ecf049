//! `trigger`: a device uses settings that are not right, and standing campaigns take it in.

use crate::{
    console::Console,
    server::{Server, block_on},
};
use api::{TriggerReport, TriggerRequest};
use reqwest::Url;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  reveille trigger operator/msisdn:447700900123 --reason stale_gateway --observed 192.0.2.10"
)]
pub struct Args {
    /// AUTHORITY/NAME, or NAME alone where there is one authority; the name is a device id, msisdn:… or imsi:…
    device: String,
    /// What is wrong, as standing campaigns name it in `on.reason`
    #[arg(long)]
    reason: String,
    /// What was seen, such as the address that the device used
    #[arg(long, value_name = "TEXT")]
    observed: Option<String>,
    /// When it was seen, as 2026-11-25T01:02:03Z; absent: now
    #[arg(long, value_name = "INSTANT")]
    at: Option<String>,
}

pub(crate) fn run(args: Args, server: &Url, console: &mut Console<'_>) -> anyhow::Result<ExitCode> {
    let server = Server::new(server)?;
    let (authority, device) = match args.device.split_once('/') {
        Some((authority, device)) => (Some(authority.to_owned()), device.to_owned()),
        None => (None, args.device),
    };
    let request =
        TriggerRequest { device, reason: args.reason, observed: args.observed, at: args.at };
    let query: Vec<_> = authority.iter().map(|name| ("authority", name.as_str())).collect();
    let report: TriggerReport = block_on(server.post(&["v1", "triggers"], &query, &request))?;
    if console.json {
        console.line_of_json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    for answer in &report.campaigns {
        let what = match answer.answer.as_str() {
            "taken_in" => "takes the device in",
            "under_way" => "is at work on the device already",
            "quiet" => "leaves the device alone: it was taken in a short while ago",
            "too_often" => {
                "takes the device in no more: `runs` is used up, and a fault event tells"
            }
            "not_meant" => "is not for this device",
            other => other,
        };
        writeln!(console.out, "{}: {what}", answer.campaign)?;
    }
    Ok(ExitCode::SUCCESS)
}
