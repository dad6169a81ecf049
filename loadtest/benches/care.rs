//! Care: from an agent's request to the notification at the device's socket, while a mass campaign uses its route to the full.
//!
//! One server in this process, with its store on disk. Devices of the campaign never answer, so that it always has more to
//! send than the route takes; agents ask one after another, each for another device, and the time is taken from before the
//! request until the datagram is there. `cargo bench -p reveille --bench care -- 500` takes another number of requests than 300.

mod bench;
mod on_disk;

use anyhow::Context;
use bench::{float, import};
use server::campaigns;
use std::{fmt::Write as _, io::Write as _, net::SocketAddr, time::Duration};
use tokio::net::UdpSocket;

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the route takes a second.
const PER_SECOND: u32 = 1000;
/// Devices of the campaign: more than the route takes while the bench lasts.
const MASS: u64 = 100_000;
const CAMPAIGN: &str = "campaign: mass\nauthority: operator\npurpose: a bench\ndevices: {group: mass}\nsettings: [{uri: ./A/B, value: \"1\"}]\ndeliver: {attempts: 20, answer_within: 10m}\n";
/// Between two requests.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a datagram is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> anyhow::Result<()> {
    let asked = std::env::args().filter_map(|argument| argument.parse().ok()).next_back();
    tokio::runtime::Runtime::new()?.block_on(measure(asked.unwrap_or(300)))
}

async fn measure(requests: u64) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let more = format!(
        "[telemetry]\nlog = \"warn\"\n\
         [[route]]\nkind = \"udp\"\nname = \"udp\"\nper_second = {PER_SECOND}\n"
    );
    let running = server::start(on_disk::settings(home.path(), &more)?).await?;
    let (mass, care) =
        (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    import(&running, 0..MASS, device("mass", mass.local_addr()?)).await?;
    import(&running, 0..requests, device("care", care.local_addr()?)).await?;
    let drained = tokio::spawn(async move {
        let mut datagram = [0; 2048];
        while mass.recv(&mut datagram).await.is_ok() {}
    });
    campaigns::submit(running.engine(), CAMPAIGN, false).await?;
    let notified = async || {
        anyhow::Ok(campaigns::view(running.engine(), "operator", "mass").await?.progress.notified)
    };
    while notified().await? < u64::from(PER_SECOND) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let client = reqwest::Client::new();
    let url = format!("http://{}/v1/care", running.admin);
    let (began, before) = (server::clock::stopwatch(), notified().await?);
    let mut waits = Vec::new();
    let mut datagram = [0; 2048];
    for n in 0..requests {
        let body = format!(r#"{{"device":"{}","read":["./DevInfo/Mod"]}}"#, name("care", n));
        let request =
            client.post(&url).header("content-type", "application/json").body(body).send();
        let asked = server::clock::stopwatch();
        let came = tokio::time::timeout(PATIENCE, care.recv(&mut datagram));
        let (answer, came) =
            tokio::join!(request, async { came.await.map(|came| came.map(|_| asked.elapsed())) });
        anyhow::ensure!(answer?.status().as_u16() == 202, "a request was refused");
        waits.push(came.context("no notification came")??);
        // Agents keep within what a route keeps for them: here a hundred a second.
        tokio::time::sleep(PAUSE).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let after = notified().await?;
    anyhow::ensure!(after < MASS, "the campaign was done before the bench");
    waits.sort_unstable();
    let at = |share: f64| {
        let place = (float(requests) * share).ceil().max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a list"
        )]
        let wait = waits.get(place as usize - 1).copied().unwrap_or_default();
        wait.as_secs_f64() * 1000.0
    };
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{requests} requests in {seconds:.1} s, beside {:.0} notifications a second of a route of {PER_SECOND}",
        float(after - before) / seconds
    )?;
    writeln!(
        out,
        "request to datagram   p50 {:.1} ms  p90 {:.1} ms  p99 {:.1} ms  most {:.1} ms",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    )?;
    running.stop().await;
    drained.abort();
    Ok(())
}

fn name(group: &str, device: u64) -> String {
    format!("IMEI:{group}{device:010}")
}

/// Writes a device of this group, which hears at this address.
fn device(group: &str, to: SocketAddr) -> impl Fn(&mut String, u64) -> std::fmt::Result {
    move |line, device| {
        let name = name(group, device);
        write!(line, r#"{{"device":"{name}","secret":"s","address":"{to}","groups":["{group}"]}}"#)
    }
}
