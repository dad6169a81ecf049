//! Memory of Redis for each thing that the server keeps: an idle device, a look-up, a waiting job, a result.
//!
//! Loads devices through the registry, enrols them into a pull campaign and aborts it, on a private Redis with the shipped
//! settings; after each step it asks Redis for `used_memory`. `cargo bench -p server --bench memory -- 100000` takes another
//! number of devices than a million. The budget is that of the design: 300 octets, 41, 100 and 80.

use anyhow::Context;
use server::{
    Running, campaigns,
    config::Config,
    registry::{self, Import, line::Format},
    store::{EventId, Shard},
};
use std::{
    fmt::Write as _, io::Write as _, net::TcpListener, path::Path, process::Child, time::Duration,
};

const SETTINGS: &str = include_str!("../../../deploy/redis.conf");
const LINES: u64 = 5000;

/// A Redis that goes with the bench.
struct Private(Child);

impl Drop for Private {
    fn drop(&mut self) {
        // It is gone anyway when this process is.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn main() -> anyhow::Result<()> {
    let asked = std::env::args().filter_map(|argument| argument.parse().ok()).next_back();
    let devices: u64 = asked.unwrap_or(1_000_000);
    tokio::runtime::Runtime::new()?.block_on(measure(devices))
}

async fn measure(devices: u64) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let _redis = start(home.path(), port)?;
    let config = settings(home.path(), port, devices)?;
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
    let running = server::start(config).await?;
    let used = async || used_memory(&client).await;

    let empty = used().await?;
    import(&running, 0..devices, false).await?;
    let idle = used().await?;
    say(&format!("devices                {devices}"))?;
    say(&format!("idle device            {:.0} octets (300)", each(empty, idle, devices)))?;
    import(&running, 0..devices, true).await?;
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

#[expect(clippy::cast_precision_loss, reason = "octets of a machine are far below 2^52")]
fn each(before: u64, after: u64, count: u64) -> f64 {
    (after as f64 - before as f64) / count as f64
}

/// Waits for its devices to come, and sends nothing.
const CAMPAIGN: &str = "campaign: memory\nauthority: operator\ndevices: {group: fleet}\nsettings: [{uri: ./A/B, value: \"1\"}]\ndeliver: {mode: pull}\nwhen: {expires: 2099-01-01T00:00:00Z}\n";

fn start(home: &Path, port: u16) -> anyhow::Result<Private> {
    std::fs::write(home.join("redis.conf"), SETTINGS)?;
    let mut command = std::process::Command::new("redis-server");
    command.args(["redis.conf", "--port", &port.to_string(), "--logfile", "redis.log"]);
    let server = command.current_dir(home).spawn();
    Ok(Private(server.context("redis-server is needed: apt-get install redis-server")?))
}

fn settings(home: &Path, port: u16, devices: u64) -> anyhow::Result<Config> {
    use std::os::unix::fs::PermissionsExt as _;
    let key = home.join("vault.key");
    std::fs::write(&key, format!("1 {}\n", "5e".repeat(32)))?;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    let text = format!(
        "[store]\nkind = \"redis\"\nurls = [\"redis://127.0.0.1:{port}\"]\nexpected_devices = {devices}\n\
         [vault]\nkey_file = \"{}\"\n[http.devices]\nlisten = \"127.0.0.1:0\"\n[http.admin]\nlisten = \"127.0.0.1:0\"\n",
        key.display()
    );
    Ok(Config::read("the bench's settings", &text, &[])?)
}

async fn used_memory(client: &redis::Client) -> anyhow::Result<u64> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    let info: String = redis::cmd("INFO").arg("memory").query_async(&mut connection).await?;
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    Ok(line.context("Redis does not tell its memory")?.trim().parse()?)
}

/// The fixture of the budget: all columns of an import but the numbers, 4 attributes of 20 octets, 2 groups.
async fn import(
    running: &Running,
    devices: std::ops::Range<u64>,
    numbers: bool,
) -> anyhow::Result<()> {
    for first in devices.clone().step_by(usize::try_from(LINES)?) {
        let mut lines = String::new();
        for device in first..devices.end.min(first + LINES) {
            if numbers {
                writeln!(
                    lines,
                    r#"{{"device":"IMEI:{device:015}","authority":"operator","msisdn":"4670{device:08}","imsi":"24001{device:010}"}}"#
                )?;
                continue;
            }
            write!(
                lines,
                r#"{{"device":"IMEI:{device:015}","authority":"operator","auth":"md5","user":"u{device:08}","secret":"s{device:012}","nonce":"MDEyMzQ1Njc4OWFiY2RlZg==","#
            )?;
            write!(
                lines,
                r#""server_auth":"md5","server_user":"reveille.local","server_secret":"t{device:012}","server_nonce":"ZmVkY2JhOTg3NjU0MzIxMA==","address":"10.1.2.3:2948","#
            )?;
            write!(
                lines,
                r#""encoding":"wbxml","manufacturer":"Maker {}","model":"Model {}","firmware":"1.{}","dm_version":"1.2","time_zone":"Europe/Stockholm","groups":["fleet","gold"],"#,
                device % 20,
                device % 200,
                device % 50
            )?;
            writeln!(
                lines,
                r#""attributes":{{"plan":"gold-{device:015}","site":"site-{device:015}","cost":"cost-{device:015}","area":"area-{device:015}"}}}}"#
            )?;
        }
        let import = Import {
            store: running.engine().store(),
            vault: running.engine().vault(),
            config: running.engine().config(),
            format: Format::JsonLines,
            authority: None,
            reset_nonces: false,
            first_line: 1,
        };
        let report = registry::import(&import, lines.as_bytes()).await?;
        anyhow::ensure!(report.refused == 0, "{:?}", report.errors.first());
    }
    Ok(())
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
