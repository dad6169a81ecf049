//! `device read`, `write` and `notify`: the care path, shown live, step by step, until it has ended.

use crate::{
    console::{Console, Misuse},
    server::Server,
};
use api::{CareDetail, CareRequest, CareView};
use clap::Args;
use serde_json::{Map, Value};
use std::process::ExitCode;

/// What every care command takes.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// AUTHORITY/NAME, or NAME alone where there is one authority; the name is a device id, msisdn:… or imsi:…
    device: String,
    /// How long it is tried, from 10s to 1h
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    within: String,
    /// Print the id of the care job and do not wait for its end
    #[arg(long)]
    no_wait: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    purpose: String,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  reveille device read operator/msisdn:447700900123 ./DevInfo/Mod ./AP/GW/Addr\n  reveille device read operator/IMEI:350000000000017 './Inventory?list=StructData' --within 5m"
)]
pub struct Read {
    #[command(flatten)]
    common: Common,
    /// Nodes to read; `?list=StructData` behind an address reads a whole subtree
    #[arg(required = true, value_name = "URI")]
    uris: Vec<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  reveille device write operator/msisdn:447700900123 ./AP/GW/Addr=10.20.0.1 --read ./AP/GW/Port"
)]
pub struct Write {
    #[command(flatten)]
    common: Common,
    /// What to write: it is read before, written where it differs, and read back
    #[arg(required = true, value_name = "URI=VALUE")]
    settings: Vec<String>,
    /// The format of the values: chr, int, bool, …
    #[arg(long, default_value = "chr")]
    format: String,
    /// Nodes to read besides
    #[arg(long, value_name = "URI")]
    read: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  reveille device notify operator/IMEI:350000000000017")]
pub struct Notify {
    #[command(flatten)]
    common: Common,
}

pub(super) async fn read(
    args: Read,
    server: &Server,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    let request = CareRequest { read: args.uris, ..CareRequest::default() };
    run(args.common, request, server, console).await
}

pub(super) async fn write(
    args: Write,
    server: &Server,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    let mut write = Vec::with_capacity(args.settings.len());
    for setting in &args.settings {
        let Some((uri, value)) = setting.split_once('=') else {
            return Err(Misuse(format!("`{setting}` has no value; write it as URI=VALUE")).into());
        };
        let keys = [("uri", uri), ("format", &args.format), ("value", value)];
        let keys = keys.map(|(key, text)| (key.to_owned(), Value::from(text)));
        write.push(keys.into_iter().collect::<Map<_, _>>());
    }
    let request = CareRequest { read: args.read, write, ..CareRequest::default() };
    run(args.common, request, server, console).await
}

pub(super) async fn notify(
    args: Notify,
    server: &Server,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    run(args.common, CareRequest::default(), server, console).await
}

async fn run(
    common: Common,
    request: CareRequest,
    server: &Server,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    let (authority, device) = match common.device.split_once('/') {
        Some((authority, device)) => (Some(authority.to_owned()), device.to_owned()),
        None => (None, common.device),
    };
    let request = CareRequest {
        authority,
        device,
        within: Some(common.within),
        purpose: common.purpose,
        ..request
    };
    let mut view: CareView = server.post(&["v1", "care"], &[], &request).await?;
    if common.no_wait {
        if console.json {
            console.line_of_json(&view)?;
        } else {
            writeln!(console.out, "{}", view.id)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown = Shown::default();
    shown.news(&view, console)?;
    while !view.ended() {
        let query = [("wait", "20s"), ("version", view.version.as_str())];
        view = server.get(&["v1", "care", &view.id], &query).await?;
        shown.news(&view, console)?;
    }
    if console.json {
        console.line_of_json(&view)?;
    } else {
        result(&view, console)?;
    }
    Ok(if view.succeeded() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a person has seen of it.
#[derive(Debug, Default)]
struct Shown(Vec<(String, String)>);

impl Shown {
    /// Tells the steps that are new, as remarks: the data comes at the end.
    fn news(&mut self, view: &CareView, console: &mut Console<'_>) -> anyhow::Result<()> {
        for step in &view.steps {
            let key = (step.step.clone(), step.at.clone());
            if console.json || self.0.contains(&key) {
                continue;
            }
            self.0.push(key);
            let clock = step.at.get(11..).unwrap_or(&step.at);
            let words = match step.step.as_str() {
                "accepted" => "accepted; the device is called".to_owned(),
                "notified" => format!("notified (attempt {})", step.attempt),
                "not_notified" => "the notification could not be sent".to_owned(),
                "undelivered" => "the carrier gave the notification up".to_owned(),
                "silent" => "no answer to the notification; it is repeated".to_owned(),
                "connected" => "connected and authenticated".to_owned(),
                "read" => "values read".to_owned(),
                "writing" => "writing".to_owned(),
                "proving" => "written; reading it back".to_owned(),
                "lost" => "the session broke off; the device is called again".to_owned(),
                "ended" => format!("ended: {}", view.outcome.as_deref().unwrap_or_default()),
                other => other.to_owned(),
            };
            console.remark(format_args!("{clock}  {words}{}", why(&step.detail)))?;
        }
        Ok(())
    }
}

/// The values, and what could not be read, for a person or a pipe.
fn result(view: &CareView, console: &mut Console<'_>) -> anyhow::Result<()> {
    for value in &view.values {
        let before = value.before.as_ref().map(|before| format!("  (was {before})"));
        writeln!(console.out, "{} = {}{}", value.uri, value.value, before.unwrap_or_default())?;
    }
    for unread in &view.unread {
        let uri = unread.uri.as_deref().unwrap_or_default();
        let told = CareDetail { uri: None, ..unread.clone() };
        console.remark(format_args!("{uri} could not be read{}", why(&told)))?;
    }
    Ok(())
}

/// Where and why, behind a colon.
fn why(detail: &CareDetail) -> String {
    let status = detail.status.map(|status| format!("status {status}"));
    let parts = [detail.uri.clone(), status, detail.why.clone()];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
}
