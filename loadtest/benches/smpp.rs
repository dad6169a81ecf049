//! SMPP: what the sender of a route submits each second, beside a bare loop over the codec with the same window and payload.
//!
//! Both talk over one bind to the same other side, in turn, in one run; what is told are the medians of the rounds. The
//! other side is a process of its own that answers every `submit_sm` and reads nothing of it; with `smsc` it is the
//! simulated short message centre, which reads every octet. `cargo bench -p reveille --bench smpp -- smsc 64 300000` takes
//! that, a window of 64 instead of 32, and another number of messages a round than 200,000.

#[path = "carrier/floor.rs"]
mod floor;
#[path = "carrier/peer.rs"]
mod peer;
#[path = "carrier/sink.rs"]
mod sink;
#[path = "carrier/smsc.rs"]
mod smsc;

use anyhow::{Context as _, bail};
use floor::Bare;
use futures_util::{TryStreamExt as _, stream};
use loadtest::{Mix, identity::Identity, usage::Usage};
use peer::Peer;
use server::{
    bench::SmppSender,
    config::{Config, Route},
};
use std::{io::Write as _, sync::Arc, time::Duration};
use tokio::task::JoinSet;

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Of each kind, one after the other.
const ROUNDS: usize = 5;
/// Tasks that send, as batches of the dispatcher do; together they have twice the window ready.
const TASKS: usize = 4;
/// Numbers that are sent to, in turn.
const DEVICES: u64 = 1_000;
const REFERENCE: u16 = 7;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    match peer::wanted().as_deref() {
        Some("sink") => return peer::serve(sink::start()?),
        Some(_) => {
            let (_fleet, smsc) = runtime.block_on(smsc::start(DEVICES))?;
            return peer::serve(smsc.address());
        }
        None => {}
    }
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let (window, messages) = (numbers.next().unwrap_or(32), numbers.next().unwrap_or(200_000));
    let other = if std::env::args().any(|argument| argument == "smsc") { "smsc" } else { "sink" };
    runtime.block_on(measure(other, window, messages))
}

async fn measure(other: &str, window: usize, messages: usize) -> anyhow::Result<()> {
    let peer = Peer::start(other)?;
    let push: Arc<[u8]> = floor::push()?.into();
    let user_data = floor::user_data(&push)?;
    let mix = Mix::healthy();
    let numbers: Arc<[String]> =
        (0..DEVICES).map(|index| Identity::of(1, index, &mix, "reveille").msisdn).collect();
    let bare: Vec<_> = numbers
        .iter()
        .map(|number| floor::message(number, &user_data))
        .collect::<Result<_, _>>()?;

    let mut link = Bare::bind(peer.address).await?;
    let sender = Arc::new(SmppSender::start(&route(&peer, window)?)?);
    while !sender.is_up() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (mut floors, mut senders) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Began::now(&peer);
        link.submit(bare.iter().cycle().take(messages).cloned(), window).await?;
        floors.push(began.round(&peer, messages));
        let began = Began::now(&peer);
        send(&sender, messages, window, &push, &numbers).await?;
        senders.push(began.round(&peer, messages));
    }
    let (floor, sender) = (median(floors)?, median(senders)?);
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{messages} messages of {} octets a round, window {window}, to the {other}",
        user_data.len()
    )?;
    writeln!(
        out,
        "{:10} {:>10} {:>28} {:>28}",
        "", "a second", "processor s/1000, this side", "the other side"
    )?;
    for (name, round) in [("bare loop", &floor), ("sender", &sender)] {
        let Round { a_second, ours, theirs } = round;
        writeln!(out, "{name:10} {a_second:10.0} {ours:28.4} {theirs:28.4}")?;
    }
    writeln!(out, "of the floor {:.2}", sender.a_second / floor.a_second)?;
    Ok(())
}

/// Sends through the route: what is ready waits for room in the window, as it does behind the dispatcher.
async fn send(
    sender: &Arc<SmppSender>,
    messages: usize,
    window: usize,
    push: &Arc<[u8]>,
    numbers: &Arc<[String]>,
) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (sender, push, numbers) = (Arc::clone(sender), Arc::clone(push), Arc::clone(numbers));
        tasks.spawn(async move {
            let mine = numbers.iter().cycle().take(messages).skip(task).step_by(TASKS);
            let sent = stream::iter(mine.map(anyhow::Ok));
            sent.try_for_each_concurrent((2 * window).div_ceil(TASKS), async |number| {
                let ids = sender.send(number, &push, REFERENCE).await?;
                anyhow::ensure!(ids.len() == 1, "a push was sent in several messages");
                Ok(())
            })
            .await
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

fn route(peer: &Peer, window: usize) -> anyhow::Result<server::config::Smpp> {
    let text = format!(
        "[[route]]\nkind = \"smpp\"\nname = \"smsc\"\nhosts = [\"{}\"]\nsystem_id = \"reveille\"\n\
         password = \"secret\"\nsource = \"DMSRV\"\nwindow = {window}\n",
        peer.address
    );
    match Config::read("the bench's settings", &text, &[])?.routes.into_iter().next() {
        Some(Route::Smpp(route)) => Ok(*route),
        _ => bail!("the settings have no route"),
    }
}

/// What one round came to.
#[derive(Clone, Copy)]
struct Round {
    a_second: f64,
    /// Seconds of processor for a thousand messages: ours, and the other side's.
    ours: f64,
    theirs: f64,
}

struct Began {
    at: std::time::Instant,
    ours: f64,
    theirs: f64,
}

impl Began {
    fn now(peer: &Peer) -> Self {
        let at = server::clock::stopwatch();
        Self { at, ours: cpu(std::process::id()), theirs: cpu(peer.process()) }
    }

    fn round(self, peer: &Peer, messages: usize) -> Round {
        let seconds = self.at.elapsed().as_secs_f64();
        let thousands = float(messages) / 1000.0;
        Round {
            a_second: float(messages) / seconds,
            ours: (cpu(std::process::id()) - self.ours) / thousands,
            theirs: (cpu(peer.process()) - self.theirs) / thousands,
        }
    }
}

/// The round in the middle, by its speed.
fn median(mut rounds: Vec<Round>) -> anyhow::Result<Round> {
    rounds.sort_by(|a, b| a.a_second.total_cmp(&b.a_second));
    rounds.get(rounds.len() / 2).copied().context("there was no round")
}

fn cpu(process: u32) -> f64 {
    Usage::of(&[process]).cpu_seconds
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run are far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}
