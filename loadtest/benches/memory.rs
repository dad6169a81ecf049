//! Memory of Redis for each thing that the server keeps: an idle device, a look-up, a waiting job, a result.
//!
//! Loads devices through the registry, enrols them into a pull campaign and aborts it, on a private Redis with the shipped
//! settings; after each step it asks Redis for `used_memory`. `cargo bench -p reveille --bench memory -- 100000` takes another
//! number of devices than a million. The budget is that of the design: 300 octets, 41, 100 and 80.

mod bench;
mod on_redis;

use anyhow::Context;
use bench::{float, import};
use loadtest::redis::Redis;
use server::{
    Running, campaigns,
    store::{EventId, Shard},
};
use std::{fmt::Write as _, io::Write as _, time::Duration};

fn main() -> anyhow::Result<()> {
    let asked = std::env::args().filter_map(|argument| argument.parse().ok()).next_back();
    let devices: u64 = asked.unwrap_or(1_000_000);
    tokio::runtime::Runtime::new()?.block_on(measure(devices))
}

async fn measure(devices: u64) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let redis = Redis::start(&home.path().join("redis"), "").await?;
    let running = server::start(on_redis::settings(home.path(), &redis, devices, "")?).await?;
    let used = async || redis.used_memory().await.context("Redis does not tell its memory");

    let empty = used().await?;
    import(&running, 0..devices, device).await?;
    let idle = used().await?;
    say(&format!("devices                {devices}"))?;
    say(&format!("idle device            {:.0} octets (300)", each(empty, idle, devices)))?;
    import(&running, 0..devices, numbers).await?;
    let looked = used().await?;
    say(&format!(
        "look-up, and its number in the device's row  {:.0} octets (41)",
        each(idle, looked, 2 * devices)
    ))?;

    let view = campaigns::submit(running.engine(), CAMPAIGN, false).await?.view;
    let view = until(&running, &view, |view| view.progress.enrolled >= devices).await?;
    let queued = used().await?;
    say(&format!("job that waits         {:.0} octets (100)", each(looked, queued, devices)))?;
    campaigns::control(
        running.engine(),
        &view.authority,
        &view.id,
        campaigns::Control::Abort,
        campaigns::Asked::at_the_door("measured"),
    )
    .await?;
    until(&running, &view, |view| view.state == "ended").await?;
    let ended = used().await?;
    for shard in Shard::all() {
        running.engine().store().trim(shard, EventId(u64::MAX)).await?;
    }
    let trimmed = used().await?;
    say(&format!(
        "result                 {:.0} octets (80), instead of the job",
        each(looked, trimmed, devices)
    ))?;
    say(&format!(
        "event of a result      {:.0} octets, until the log is trimmed",
        each(trimmed, ended, devices)
    ))?;
    running.stop().await;
    Ok(())
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn each(before: u64, after: u64, count: u64) -> f64 {
    (float(after) - float(before)) / float(count)
}

/// Waits for its devices to come, and sends nothing.
const CAMPAIGN: &str = "campaign: memory\nauthority: operator\ndevices: {group: fleet}\nsettings: [{uri: ./A/B, value: \"1\"}]\ndeliver: {mode: pull}\nwhen: {expires: 2099-01-01T00:00:00Z}\n";

/// The fixture of the budget: all columns of an import but the numbers, 4 attributes of 20 octets, 2 groups.
fn device(line: &mut String, device: u64) -> std::fmt::Result {
    write!(
        line,
        r#"{{"device":"IMEI:{device:015}","authority":"operator","auth":"md5","user":"u{device:08}","secret":"s{device:012}","nonce":"MDEyMzQ1Njc4OWFiY2RlZg==","#
    )?;
    write!(
        line,
        r#""server_auth":"md5","server_user":"reveille.local","server_secret":"t{device:012}","server_nonce":"ZmVkY2JhOTg3NjU0MzIxMA==","address":"10.1.2.3:2948","#
    )?;
    write!(
        line,
        r#""encoding":"wbxml","manufacturer":"Maker {}","model":"Model {}","firmware":"1.{}","dm_version":"1.2","time_zone":"Europe/Stockholm","groups":["fleet","gold"],"#,
        device % 20,
        device % 200,
        device % 50
    )?;
    write!(
        line,
        r#""attributes":{{"plan":"gold-{device:015}","site":"site-{device:015}","cost":"cost-{device:015}","area":"area-{device:015}"}}}}"#
    )
}

/// The numbers of a device that is there.
fn numbers(line: &mut String, device: u64) -> std::fmt::Result {
    write!(
        line,
        r#"{{"device":"IMEI:{device:015}","authority":"operator","msisdn":"4670{device:08}","imsi":"24001{device:010}"}}"#
    )
}

async fn until(
    running: &Running,
    view: &api::CampaignView,
    is: impl Fn(&api::CampaignView) -> bool,
) -> anyhow::Result<api::CampaignView> {
    loop {
        let view = campaigns::view(running.engine(), &view.authority, &view.id).await?;
        if is(&view) {
            return Ok(view);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
