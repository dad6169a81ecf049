//! Intake: devices enrolled from chunks of 1,000 that come as messages, each second.
//!
//! A private RabbitMQ, a private Redis with the shipped settings, and one server in this process, which is also whoever sends
//! the chunks. `cargo bench -p reveille --bench intake -- 100000 everysec` takes another number of devices than 200,000 and
//! another `appendfsync` than `always`. Measured from the first chunk sent until all devices are counted as enrolled.

use anyhow::Context;
use api::{ChunkMessage, MessageType};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    protocol::BasicProperties,
};
use server::{
    Running,
    broker::topology::IN,
    campaigns,
    config::Config,
    registry::{self, Import, line::Format},
};
use std::{
    fmt::Write as _,
    io::Write as _,
    net::TcpListener,
    path::Path,
    process::{Child, Command},
    time::Duration,
};

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SETTINGS: &str = include_str!("../../deploy/redis.conf");
/// Devices of a chunk, and lines of an import.
const LINES: u64 = 1000;
const USER: &str = "billing";
/// Waits for its devices to come: nothing is sent, so that enrolment is all that happens.
const CAMPAIGN: &str = "campaign: intake\nauthority: operator\npurpose: a bench\ndevices: {file: chunks}\nsettings: [{uri: ./A/B, value: \"1\"}]\ndeliver: {mode: pull}\nwhen: {expires: 2099-01-01T00:00:00Z}\n";

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
    let policy = std::env::args().find(|argument| ["no", "everysec"].contains(&argument.as_str()));
    let policy = policy.unwrap_or_else(|| "always".to_owned());
    tokio::runtime::Runtime::new()?.block_on(measure(asked.unwrap_or(200_000), &policy))
}

async fn measure(devices: u64, policy: &str) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let redis = start(home.path(), port, policy)?;
    let node = home.path().join("rabbit");
    std::fs::create_dir_all(&node)?;
    let broker = loadtest::broker::Broker::start(&node).await?;
    let config = settings(home.path(), port, devices, &broker.url("reveille", 0))?;
    let running = server::start(config).await?;
    import(&running, devices).await?;

    let connection =
        Connection::connect(&broker.url(USER, 0), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    send(&channel, MessageType::Submit, "intake".into(), CAMPAIGN.into()).await?;
    while campaigns::view(running.engine(), "operator", "intake").await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let before = (running.engine().store().calls(), cpu(std::process::id()), cpu(redis.0.id()));
    let began = server::clock::stopwatch();
    let chunks = devices.div_ceil(LINES);
    let sending = (0..chunks).map(async |part| {
        let of = part * LINES..devices.min((part + 1) * LINES);
        let chunk = ChunkMessage {
            campaign: "intake".into(),
            part: u32::try_from(part)?,
            parts: Some(u32::try_from(chunks)?),
            devices: of.map(name).collect(),
        };
        let body = serde_json::to_vec(&chunk)?;
        send(&channel, MessageType::Chunk, format!("intake-{part}"), body).await
    });
    let counting = async {
        loop {
            let view = campaigns::view(running.engine(), "operator", "intake").await?;
            if view.progress.enrolled >= devices {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::try_join!(futures_util::future::try_join_all(sending), counting)?;
    let seconds = began.elapsed().as_secs_f64();
    let calls = running.engine().store().calls();
    let after = (cpu(std::process::id()), cpu(redis.0.id()));
    let mut out = std::io::stdout();
    writeln!(out, "appendfsync {policy}, {devices} devices in {seconds:.1} s")?;
    writeln!(out, "enrolled a second      {:.0}", float(devices) / seconds)?;
    let (reads, commits) = (calls.read - before.0.read, calls.commit - before.0.commit);
    let changes = calls.changes - before.0.changes;
    writeln!(out, "reads, commits         {reads}, {commits}")?;
    writeln!(out, "changes of a commit    {:.1}", float(changes) / float(commits))?;
    writeln!(out, "processor, server      {:.1} s, with whoever sends", after.0 - before.1)?;
    writeln!(out, "processor, Redis       {:.1} s", after.1 - before.2)?;
    running.stop().await;
    Ok(())
}

async fn send(
    channel: &Channel,
    kind: MessageType,
    id: String,
    body: Vec<u8>,
) -> anyhow::Result<()> {
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_type(kind.name().into())
        .with_message_id(id.into())
        .with_user_id(USER.into());
    let key = format!("{}.operator", kind.key());
    let options = BasicPublishOptions::default();
    channel.basic_publish(IN.into(), key.into(), options, &body, properties).await?.await?;
    Ok(())
}

fn name(device: u64) -> String {
    format!("IMEI:{device:015}")
}

async fn import(running: &Running, devices: u64) -> anyhow::Result<()> {
    for first in (0..devices).step_by(usize::try_from(LINES)?) {
        let mut lines = String::new();
        for device in first..devices.min(first + LINES) {
            writeln!(
                lines,
                r#"{{"device":"{}","authority":"operator","auth":"md5","user":"u{device:08}","secret":"s{device:012}","address":"10.1.2.3:2948","model":"Model {}"}}"#,
                name(device),
                device % 200
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

fn start(home: &Path, port: u16, policy: &str) -> anyhow::Result<Private> {
    std::fs::write(home.join("redis.conf"), SETTINGS)?;
    let mut command = Command::new("redis-server");
    command.args(["redis.conf", "--port", &port.to_string(), "--logfile", "redis.log"]);
    command.args(["--appendfsync", policy]);
    let server = command.current_dir(home).spawn();
    Ok(Private(server.context("redis-server is needed: apt-get install redis-server")?))
}

fn settings(home: &Path, port: u16, devices: u64, broker: &str) -> anyhow::Result<Config> {
    use std::os::unix::fs::PermissionsExt as _;
    let key = home.join("vault.key");
    std::fs::write(&key, format!("1 {}\n", "5e".repeat(32)))?;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    let text = format!(
        "[store]\nkind = \"redis\"\nurls = [\"redis://127.0.0.1:{port}\"]\nexpected_devices = {devices}\n\
         [vault]\nkey_file = \"{}\"\n[http.devices]\nlisten = \"127.0.0.1:0\"\n[http.admin]\nlisten = \"127.0.0.1:0\"\n\
         [broker]\nkind = \"rabbitmq\"\nurl = \"{broker}\"\n\
         [[authority]]\nname = \"operator\"\nserver_id = \"reveille.local\"\nintegrity = \"none\"\n\
         scopes = [{{ uri = \".\", rights = [\"read\", \"write\", \"exec\"] }}]\n\
         amqp_users = [{{ user = \"{USER}\", roles = [\"operator\"] }}]\n",
        key.display()
    );
    Ok(Config::read("the bench's settings", &text, &[])?)
}

/// Seconds of processor that a process has used, from `/proc`; zero where there is none.
fn cpu(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // utime and stime are the 12th and 13th field after the name, which ends with the last parenthesis.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<u32>().ok()).map(f64::from).sum::<f64>() / 100.0
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run are far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}
