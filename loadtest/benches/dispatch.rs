//! Dispatch: the whole path from a device that is due to the short message that was accepted, beside a floor that does the
//! same commits and the same submissions without any logic.
//!
//! One server in this process; the simulated short message centre, which reads every octet, is a process of its own on the
//! same machine. The devices of a campaign are enrolled while it is paused; measured is from a tenth of the notifications to
//! nine tenths of them. `cargo bench -p reveille --bench dispatch -- redis 100000 receipts` takes a private Redis with the
//! shipped settings instead of the store on disk, another number of devices than 60,000, and asks for receipts, so that a
//! notice is written of each message too.

mod bench;
#[path = "carrier/dispatched.rs"]
mod dispatched;
#[path = "carrier/floor.rs"]
mod floor;
mod on_disk;
mod on_redis;
#[path = "carrier/peer.rs"]
mod peer;
#[path = "carrier/smsc.rs"]
mod smsc;

use anyhow::ensure;
use bench::float;
use loadtest::{Mix, identity::Identity, redis::Redis, usage::Usage};
use peer::Peer;
use server::{
    Running,
    campaigns::{self, Asked, Control},
    store::{Calls, Store},
};
use std::{fmt::Write as _, io::Write as _, time::Duration};

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SERVER_ID: &str = "reveille.local";
const CAMPAIGN: &str = "campaign: mass\nauthority: operator\npurpose: a bench\ndevices: {group: mass}\nsettings: [{uri: ./A/B, value: \"1\"}]\ndeliver: {attempts: 1, answer_within: 2h}\n";
/// More than anything here can send: no limit is to be measured.
const PER_SECOND: u32 = 200_000;
const BINDS: usize = 4;
const WINDOW: usize = 100;
/// Devices that the centre knows.
const MOST_DEVICES: u64 = 1_000_000;
/// How often it is looked how far the campaign is.
const LOOK: Duration = Duration::from_millis(250);

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let devices = numbers.next().unwrap_or(60_000);
    if peer::wanted().is_some() {
        let (_fleet, smsc) = runtime.block_on(smsc::start(MOST_DEVICES))?;
        return peer::serve(smsc.address());
    }
    let asked = |word: &str| std::env::args().any(|argument| argument == word);
    runtime.block_on(measure(devices, asked("redis"), asked("receipts")))
}

async fn measure(devices: u64, on_redis: bool, receipts: bool) -> anyhow::Result<()> {
    ensure!(devices <= MOST_DEVICES, "at most {MOST_DEVICES} devices");
    let home = tempfile::tempdir()?;
    let peer = Peer::start("smsc")?;
    let redis =
        if on_redis { Some(Redis::start(&home.path().join("redis"), "").await?) } else { None };
    let route = format!(
        "[telemetry]\nlog = \"warn\"\n\
         [[route]]\nkind = \"smpp\"\nname = \"smsc\"\nhosts = [\"{}\"]\nsystem_id = \"reveille\"\n\
         password = \"secret\"\nsource = \"DMSRV\"\nper_second = {PER_SECOND}\nbinds = {BINDS}\n\
         window = {WINDOW}\nreceipts = {receipts}\n",
        peer.address
    );
    let config = match &redis {
        Some(redis) => on_redis::settings(home.path(), redis, devices, &route)?,
        None => on_disk::settings(home.path(), &route)?,
    };
    let running = server::start(config).await?;
    bench::import(&running, 0..devices, device).await?;
    let engine = running.engine();
    campaigns::submit(engine, CAMPAIGN, false).await?;
    control(&running, Control::Pause).await?;
    let progress = async || anyhow::Ok(campaigns::view(engine, "operator", "mass").await?.progress);
    while progress().await?.enrolled < devices {
        tokio::time::sleep(LOOK).await;
    }

    control(&running, Control::Resume).await?;
    let until = async |tenths: u64| {
        loop {
            let notified = progress().await?.notified;
            if notified >= devices * tenths / 10 {
                return anyhow::Ok(notified);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let store = engine.store();
    let redis = redis.as_ref().and_then(Redis::process);
    let watched =
        Watched { store, processes: [Some(std::process::id()), Some(peer.process()), redis] };
    let first = until(1).await?;
    let began = watched.begin();
    let dispatched = watched.end(&began, until(9).await? - first);
    until(10).await?;

    let jobs = dispatched::jobs(store, receipts).await?;
    let began = watched.begin();
    dispatched::work(&running, peer.address, jobs).await?;
    let floor = watched.end(&began, devices);

    let mut out = std::io::stdout();
    writeln!(
        out,
        "{devices} devices, {BINDS} binds with a window of {WINDOW}, receipts: {receipts}"
    )?;
    writeln!(
        out,
        "{:10}{:>10}{:>26}{:>9}{:>9}{:>34}",
        "",
        "a second",
        "processor s/1000, server",
        "centre",
        "Redis",
        "claims, reads, commits, changes"
    )?;
    for (name, stretch) in [("floor", &floor), ("dispatch", &dispatched)] {
        let Stretch { a_second, spent: [server, centre, redis], claims, reads, commits, changes } =
            stretch;
        writeln!(
            out,
            "{name:10}{a_second:10.0}{server:26.4}{centre:9.4}{redis:9.4}{claims:13.3}{reads:7.3}{commits:7.3}{changes:7.3}"
        )?;
    }
    writeln!(out, "of the floor {:.2}", dispatched.a_second / floor.a_second)?;
    running.stop().await;
    Ok(())
}

async fn control(running: &Running, control: Control) -> anyhow::Result<()> {
    let asked = Asked::at_the_door("a bench");
    campaigns::control(running.engine(), "operator", "mass", control, asked).await?;
    Ok(())
}

/// A device as a line of an import.
fn device(lines: &mut String, index: u64) -> std::fmt::Result {
    let Identity { device, user, secret, server_user, server_secret, msisdn, imsi, .. } =
        Identity::of(1, index, &Mix::healthy(), SERVER_ID);
    write!(
        lines,
        r#"{{"device":"{device}","authority":"operator","auth":"md5","user":"{user}","secret":"{secret}","server_auth":"md5","server_user":"{server_user}","server_secret":"{server_secret}","msisdn":"{msisdn}","imsi":"{imsi}","model":"Model {}","groups":["mass"]}}"#,
        index % 200
    )
}

/// What a stretch of work came to.
struct Stretch {
    a_second: f64,
    /// Seconds of processor for a thousand notifications: the server's with the floor's, the centre's, and Redis's.
    spent: [f64; 3],
    /// Calls to the store for one notification.
    claims: f64,
    reads: f64,
    commits: f64,
    changes: f64,
}

/// What is looked at before and after a stretch.
struct Watched<'a> {
    store: &'a dyn Store,
    processes: [Option<u32>; 3],
}

impl Watched<'_> {
    fn begin(&self) -> Began {
        let (at, calls) = (server::clock::stopwatch(), self.store.calls());
        Began { at, calls, spent: self.spent() }
    }

    fn end(&self, began: &Began, notified: u64) -> Stretch {
        let (seconds, calls) = (began.at.elapsed().as_secs_f64(), self.store.calls());
        let each = |after: u64, before: u64| float(after - before) / float(notified);
        let (before, mut spent) = (began.spent, self.spent());
        for (spent, before) in spent.iter_mut().zip(before) {
            *spent = (*spent - before) * 1000.0 / float(notified);
        }
        Stretch {
            a_second: float(notified) / seconds,
            spent,
            claims: each(calls.claim, began.calls.claim),
            reads: each(calls.read, began.calls.read),
            commits: each(calls.commit, began.calls.commit),
            changes: each(calls.changes, began.calls.changes),
        }
    }

    fn spent(&self) -> [f64; 3] {
        self.processes.map(|process| Usage::of(process.as_slice()).cpu_seconds)
    }
}

struct Began {
    at: std::time::Instant,
    calls: Calls,
    spent: [f64; 3],
}
