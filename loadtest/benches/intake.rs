//! Intake: devices enrolled from chunks of 1,000 that come as messages, each second.
//!
//! A private RabbitMQ, a private Redis with the shipped settings, and one server in this process, which is also whoever sends
//! the chunks. `cargo bench -p reveille --bench intake -- 100000 everysec` takes another number of devices than 200,000 and
//! another `appendfsync` than `always`. Measured from the first chunk sent until all devices are counted as enrolled.

mod bench;
mod on_redis;

use api::{ChunkMessage, MessageType};
use bench::{LINES, float};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    protocol::BasicProperties,
};
use loadtest::{redis::Redis, usage::Usage};
use server::{broker::topology::IN, campaigns};
use std::{fmt::Write as _, io::Write as _, time::Duration};

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USER: &str = "billing";
/// Waits for its devices to come: nothing is sent, so that enrolment is all that happens.
const CAMPAIGN: &str = "campaign: intake\nauthority: operator\npurpose: a bench\ndevices: {file: chunks}\nsettings: [{uri: ./A/B, value: \"1\"}]\ndeliver: {mode: pull}\nwhen: {expires: 2099-01-01T00:00:00Z}\n";

fn main() -> anyhow::Result<()> {
    let asked = std::env::args().filter_map(|argument| argument.parse().ok()).next_back();
    let policy = std::env::args().find(|argument| ["no", "everysec"].contains(&argument.as_str()));
    let policy = policy.unwrap_or_else(|| "always".to_owned());
    tokio::runtime::Runtime::new()?.block_on(measure(asked.unwrap_or(200_000), &policy))
}

async fn measure(devices: u64, policy: &str) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let redis = Redis::start(&home.path().join("redis"), &format!("appendfsync {policy}")).await?;
    let node = home.path().join("rabbit");
    std::fs::create_dir_all(&node)?;
    let broker = loadtest::broker::Broker::start(&node).await?;
    let more = format!(
        "[broker]\nkind = \"rabbitmq\"\nurl = \"{}\"\n\
         [[authority]]\nname = \"operator\"\nserver_id = \"reveille.local\"\nintegrity = \"none\"\n\
         scopes = [{{ uri = \".\", rights = [\"read\", \"write\", \"exec\"] }}]\n\
         amqp_users = [{{ user = \"{USER}\", roles = [\"operator\"] }}]\n",
        broker.url("reveille", 0)
    );
    let running = server::start(on_redis::settings(home.path(), &redis, devices, &more)?).await?;
    bench::import(&running, 0..devices, device).await?;

    let connection =
        Connection::connect(&broker.url(USER, 0), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    send(&channel, MessageType::Submit, "intake".into(), CAMPAIGN.into()).await?;
    while campaigns::view(running.engine(), "operator", "intake").await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let spent = || {
        let [here, redis] = [Some(std::process::id()), redis.process()]
            .map(|process| Usage::of(process.as_slice()).cpu_seconds);
        (here, redis)
    };
    let before = (running.engine().store().calls(), spent());
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
    let after = spent();
    let mut out = std::io::stdout();
    writeln!(out, "appendfsync {policy}, {devices} devices in {seconds:.1} s")?;
    writeln!(out, "enrolled a second      {:.0}", float(devices) / seconds)?;
    let (reads, commits) = (calls.read - before.0.read, calls.commit - before.0.commit);
    let changes = calls.changes - before.0.changes;
    writeln!(out, "reads, commits         {reads}, {commits}")?;
    writeln!(out, "changes of a commit    {:.1}", float(changes) / float(commits))?;
    writeln!(out, "processor, server      {:.1} s, with whoever sends", after.0 - before.1.0)?;
    writeln!(out, "processor, Redis       {:.1} s", after.1 - before.1.1)?;
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

fn device(line: &mut String, device: u64) -> std::fmt::Result {
    write!(
        line,
        r#"{{"device":"{}","authority":"operator","auth":"md5","user":"u{device:08}","secret":"s{device:012}","address":"10.1.2.3:2948","model":"Model {}"}}"#,
        name(device),
        device % 200
    )
}
