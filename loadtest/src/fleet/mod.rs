//! Any number of devices on real sockets.
//!
//! | module | about |
//! | --- | --- |
//! | `plan` | what is wanted |
//! | `air` | the socket on which devices hear notifications |
//! | `ears` | what a device makes of a push, and where a carrier hands one over |
//! | `session` | a session over the network |
//! | `http` | HTTP as a device speaks it |
//! | `fronts` | which of several servers a device gets to |
//! | `world` | what is remembered of devices that are not in a session |
//! | `report` | counts, times and breaches |
//!
//! A device costs nothing until it is woken: it follows from the seed and its index.

mod air;
mod ears;
mod fronts;
mod http;
mod plan;
mod report;
mod session;
#[cfg(test)]
mod tests;
mod world;

pub use ears::Ears;
pub(crate) use http::{Connection as HttpConnection, Post as HttpPost, Url as HttpUrl};
pub use plan::{FleetError, FleetPlan};
pub use report::{Breaches, FleetReport, Percentiles};

use crate::{
    clock,
    device::{End, Reason, Terms},
    faults::Kind,
    identity::{self, Identity},
    tree::{Change, Found},
};
use air::Air;
use fronts::Fronts;
use report::Tally;
use std::{
    io,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::meta::Format;
use world::{Due, World};

/// A fleet that lives.
#[derive(Debug)]
pub struct Fleet {
    plan: FleetPlan,
    udp_port: u16,
    shared: Arc<Shared>,
    starts: mpsc::UnboundedSender<Start>,
    /// The task that begins sessions.
    conductor: JoinHandle<()>,
    listener: Option<std::thread::JoinHandle<()>>,
    ears: Ears,
}

/// What sessions and the rest of the fleet share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) world: World,
    pub(crate) fronts: Fronts,
    pub(crate) tally: Tally,
    stop: CancellationToken,
    sessions: TaskTracker,
}

/// A session that is to begin, of a device that is claimed for it.
#[derive(Debug)]
struct Start {
    due: Due,
    heard: Instant,
    /// Told how it ended, when somebody waits for it.
    done: Option<oneshot::Sender<End>>,
}

impl Fleet {
    /// Brings the devices to life on the current runtime. They hear notifications from now on.
    pub async fn start(plan: FleetPlan) -> Result<Self, FleetError> {
        plan.check()?;
        let listen = |source| FleetError::Listen { port: plan.udp_port, source };
        let air = Air::bind(plan.udp_port).map_err(listen)?;
        let udp_port = air.port().map_err(listen)?;

        let terms = Terms {
            seed: plan.seed,
            mix: plan.mix.clone(),
            dm_url: plan.dm_url.clone(),
            server_id: plan.server_id.clone(),
            user_owned: plan.user_owned.clone(),
            questions_expected: plan.questions_expected,
        };
        let shared = Arc::new(Shared {
            world: World::new(terms),
            fronts: Fronts::new(plan.fronts.clone(), plan.round_robin),
            tally: Tally::default(),
            stop: CancellationToken::new(),
            sessions: TaskTracker::new(),
        });
        // Bounded by the devices: each is claimed before it gets in here, and has one place at most.
        let (starts, queue) = mpsc::unbounded_channel();
        let (ready, listening) = oneshot::channel();
        let ears = Ears {
            shared: Arc::clone(&shared),
            starts: starts.clone(),
            devices: plan.devices,
            born: clock::now(),
        };
        let listener = Self::listen(air, ears.clone(), ready).map_err(listen)?;
        listening.await.map_err(|_gone| listen(io::ErrorKind::BrokenPipe.into()))?;
        let conductor = tokio::spawn(conduct(Arc::clone(&shared), queue, plan.sessions_at_once));
        if let Some(period) = plan.polls_every {
            let polls = poll(Arc::clone(&shared), starts.clone(), plan.devices, period);
            shared.sessions.spawn(polls);
        }
        Ok(Self { plan, udp_port, shared, starts, conductor, listener: Some(listener), ears })
    }

    fn listen(
        air: Air,
        ears: Ears,
        ready: oneshot::Sender<()>,
    ) -> io::Result<std::thread::JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        std::thread::Builder::new().name("fleet-air".to_owned()).spawn(move || {
            let stop = ears.shared.stop.clone();
            // Who waits for this is gone only when the fleet is.
            _ = ready.send(());
            let heard = runtime.block_on(air.listen(stop, |index, push| ears.hear(index, push)));
            if let Err(error) = heard {
                tracing::error!(%error, "the fleet is deaf");
            }
        })
    }

    /// The devices as a carrier finds them.
    pub fn ears(&self) -> Ears {
        self.ears.clone()
    }

    /// The port on which the devices hear notifications.
    pub fn udp_port(&self) -> u16 {
        self.udp_port
    }

    /// The columns of [`Fleet::registry_lines`].
    pub fn registry_csv_header(&self) -> &'static str {
        Identity::REGISTRY_HEADER
    }

    /// Devices as lines of the registry's CSV import, without line ends.
    pub fn registry_lines(&self, range: Range<u64>) -> impl Iterator<Item = String> + '_ {
        let range = range.start..range.end.min(self.plan.devices);
        range.map(|index| {
            self.shared.world.identity(index).registry_line(&self.plan.authority, self.udp_port)
        })
    }

    /// Names, secrets and kind of a device.
    pub fn identity(&self, index: u64) -> Identity {
        self.shared.world.identity(index)
    }

    /// What kind of device one is.
    pub fn expected(&self, index: u64) -> Kind {
        self.plan.mix.kind(self.plan.seed, index)
    }

    /// The index of the device of this name.
    pub fn index_of(&self, device: &str) -> Option<u64> {
        identity::index_of_name(device).filter(|index| *index < self.plan.devices)
    }

    /// The value of a node as it is now, children joined by `/`; `None` when it is not there.
    pub fn node(&self, index: u64, uri: &str) -> Option<String> {
        match self.shared.world.tree(index).get(uri).ok()? {
            Found::Leaf { value, .. } => Some(value),
            Found::Interior(names) => Some(names.join("/")),
        }
    }

    /// Somebody at the device changes a node, or deletes it. For a device that is in no session.
    pub fn set_node(&self, index: u64, uri: &str, now: Option<(Format, &str)>) {
        let path = uri.strip_prefix("./").unwrap_or(uri).to_owned();
        let now = now.map(|(format, value)| (format, value.to_owned()));
        self.shared.world.change(index, Change { path, now });
    }

    /// Sessions that a device has begun.
    pub fn sessions_of(&self, index: u64) -> u32 {
        self.shared.world.sessions(index).0
    }

    /// Devices that are in a session. What such a device has been told shows in [`Fleet::node`] when its session is over.
    pub fn in_session(&self) -> usize {
        self.shared.world.busy()
    }

    /// The device connects by itself (alert 1201). `None` when it is in a session already, or the fleet is stopped.
    pub async fn connect(&self, index: u64) -> Option<End> {
        if index >= self.plan.devices || !self.shared.world.claim(index) {
            return None;
        }
        let (done, ended) = oneshot::channel();
        let due = Due { index, reason: Reason::ByItself };
        self.starts.send(Start { due, heard: clock::now(), done: Some(done) }).ok()?;
        ended.await.ok()
    }

    pub fn report(&self) -> FleetReport {
        self.shared.tally.report()
    }

    /// Every device goes away: sessions that are open break off. Tells what has happened.
    pub async fn stop(mut self) -> FleetReport {
        self.shared.stop.cancel();
        self.shared.sessions.close();
        // A conductor that was aborted or has panicked has nothing left to stop.
        drop((&mut self.conductor).await);
        self.shared.sessions.wait().await;
        if let Some(listener) = self.listener.take() {
            drop(tokio::task::spawn_blocking(move || listener.join()).await);
        }
        self.shared.tally.report()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

/// Begins sessions in the order in which they became due, so many at a time.
async fn conduct(shared: Arc<Shared>, mut queue: mpsc::UnboundedReceiver<Start>, at_once: usize) {
    let permits = Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)));
    let stop = shared.stop.clone();
    loop {
        let next = stop.run_until_cancelled(async {
            let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
            Some((permit, queue.recv().await?))
        });
        let Some(Some((permit, start))) = next.await else { return };
        let session = session::run(Arc::clone(&shared), start.due, start.heard);
        let stop = stop.clone();
        shared.sessions.spawn(async move {
            let _permit = permit;
            let Some(end) = stop.run_until_cancelled(session).await else { return };
            if let Some(done) = start.done {
                // Whoever asked may have stopped waiting.
                _ = done.send(end);
            }
        });
    }
}

/// Lets the polling devices connect by themselves, spread evenly over `period`.
async fn poll(
    shared: Arc<Shared>,
    starts: mpsc::UnboundedSender<Start>,
    devices: u64,
    period: Duration,
) {
    const TICKS: u64 = 64;
    let stop = shared.stop.clone();
    let mut ticker = tokio::time::interval(period.max(Duration::from_millis(TICKS)) / 64);
    let mut tick = 0;
    while stop.run_until_cancelled(ticker.tick()).await.is_some() {
        for index in (tick..devices).step_by(64) {
            let polls = shared.world.terms.mix.kind(shared.world.terms.seed, index).polls;
            if polls && shared.world.claim(index) {
                let due = Due { index, reason: Reason::ByItself };
                drop(starts.send(Start { due, heard: clock::now(), done: None }));
            }
        }
        tick = (tick + 1) % TICKS;
    }
}
