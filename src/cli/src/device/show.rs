//! `device list` and `device show`.

use super::List;
use crate::{console::Console, server::Server};
use api::{DevicePage, DeviceView};
use comfy_table::{Table, presets};
use std::process::ExitCode;

pub(super) async fn list(
    args: &List,
    server: &Server,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "AUTHORITY",
        "DEVICE",
        "MANUFACTURER",
        "MODEL",
        "GROUPS",
        "JOBS",
    ]);
    let (mut left, mut cursor) = (args.limit, None::<String>);
    while left > 0 {
        let limit = left.min(api::MOST_PER_PAGE).to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(args.authority.as_deref().map(|authority| ("authority", authority)));
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page: DevicePage = server.get(&["v1", "devices"], &query).await?;
        for device in page.devices.into_iter().take(left) {
            left -= 1;
            if console.json {
                console.line_of_json(&device)?;
            } else {
                let (groups, jobs) = (device.groups.join(";"), device.jobs.to_string());
                table.add_row([
                    device.authority,
                    device.device,
                    device.manufacturer,
                    device.model,
                    groups,
                    jobs,
                ]);
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    if !console.json {
        writeln!(console.out, "{}", table.trim_fmt())?;
        if cursor.is_some() {
            console.remark(format_args!(
                "there are more; --limit {} shows them",
                args.limit.saturating_mul(10)
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn show(
    authority: &str,
    name: &str,
    server: &Server,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    let device: DeviceView = server.get(&["v1", "devices", authority, name], &[]).await?;
    if console.json {
        console.line_of_json(&device)?;
        return Ok(ExitCode::SUCCESS);
    }
    let groups = device.groups.join(", ");
    let rows = [
        ("device", Some(device.device)),
        ("authority", Some(device.authority)),
        ("proves itself by", Some(device.auth)),
        ("as user", Some(device.user)),
        ("server proves by", device.server_auth),
        ("server's user", device.server_user),
        ("msisdn", device.msisdn),
        ("imsi", device.imsi),
        ("address", device.address),
        ("encoding", device.encoding),
        ("manufacturer", Some(device.manufacturer)),
        ("model", Some(device.model)),
        ("firmware", Some(device.firmware)),
        ("DM version", Some(device.dm_version)),
        ("time zone", Some(device.time_zone)),
        ("groups", Some(groups)),
        ("as of", device.as_of),
        ("quirks", Some(device.quirks.join(", "))),
    ];
    for (name, value) in rows {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            writeln!(console.out, "{name:<17} {value}")?;
        }
    }
    for (name, value) in &device.attributes {
        writeln!(console.out, "{:<17} {value}", format!("attributes.{name}"))?;
    }
    for job in &device.jobs {
        writeln!(console.out, "{:<17} campaign {}, {}", "job", job.seq, job.state)?;
    }
    Ok(ExitCode::SUCCESS)
}
