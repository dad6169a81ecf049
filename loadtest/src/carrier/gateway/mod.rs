//! A push proxy gateway: takes pushes over HTTP (PAP, WAP-247), hands them to the simulated devices, and posts what became of
//! them.
//!
//! Documents are read and written with [`wire::pap`], whose octets other programs' documents hold; everything around them,
//! the request and its parts, is read here.
//!
//! | module | about |
//! | --- | --- |
//! | `plan` | what is wanted, and what was seen |
//! | `request` | HTTP as a gateway reads it |
//! | `push` | a push: its control entity, its content, and what is wrong with them |
//! | `desk` | what is done with a push |
//! | `results` | what is posted about it later |

mod desk;
mod plan;
mod push;
mod request;
mod results;
#[cfg(test)]
mod tests;

pub use plan::{Courtesy, GatewayPlan, GatewayReport};

use crate::{
    carrier::tap::{Side, Wiretap},
    clock,
    fleet::Ears,
};
use base64::Engine as _;
use desk::Desk;
use request::{Answer, Read, Request};
use results::{Errand, Results};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Connections at a time; a further one is closed at once.
const MOST_CONNECTIONS: usize = 2_000;
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_mins(2);

/// The port that captures name.
const PORT: u16 = 80;

/// A push proxy gateway at work.
#[derive(Debug)]
pub struct PushGateway {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Shared {
    /// What `Authorization` has to be, if anything.
    authorization: Option<String>,
    desk: Mutex<Desk>,
    tap: Wiretap,
    connections: AtomicU64,
    courtesy: Mutex<Arc<Courtesy>>,
    ears: OnceLock<Ears>,
    results: Results,
    closed: AtomicBool,
    stop: CancellationToken,
}

impl PushGateway {
    /// Opens its port. Until [`PushGateway::serve`] names the devices, nobody is known.
    pub async fn start(plan: GatewayPlan) -> io::Result<Self> {
        let listener = TcpListener::bind(plan.listen).await?;
        let address = listener.local_addr()?;
        let ((results, taken), began) = (Results::open(), clock::now());
        let authorization = plan.account.map(|(user, password)| {
            let both = format!("{user}:{password}");
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(both))
        });
        let shared = Arc::new(Shared {
            authorization,
            desk: Mutex::new(Desk::new(began, plan.seed)),
            tap: Wiretap::new(began, PORT, plan.traffic_kept),
            connections: AtomicU64::new(0),
            courtesy: Mutex::new(Arc::new(plan.courtesy)),
            ears: OnceLock::new(),
            results,
            closed: AtomicBool::new(false),
            stop: CancellationToken::new(),
        });
        let tasks = TaskTracker::new();
        for work in results::work(&shared, taken) {
            tasks.spawn(work);
        }
        tasks.spawn(accept(Arc::clone(&shared), listener, tasks.clone()));
        Ok(Self { address, shared, tasks })
    }

    /// Where pushes are to be posted.
    pub fn url(&self) -> String {
        format!("http://{}/wappush", self.address)
    }

    /// From now on it serves these devices. The first call counts.
    pub fn serve(&self, ears: Ears) {
        // A second fleet would have the numbers of the first.
        drop(self.shared.ears.set(ears));
    }

    /// Results go to these addresses in turn, whatever host their URL names: the way the network leads.
    pub fn post_to(&self, fronts: Vec<SocketAddr>) {
        self.shared.results.lead_to(fronts);
    }

    /// Changes how it behaves, from the next push on.
    pub fn change(&self, change: impl FnOnce(&mut Courtesy)) {
        let mut courtesy = self.shared.courtesy.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = Courtesy::clone(&courtesy);
        change(&mut changed);
        *courtesy = Arc::new(changed);
    }

    /// Whether new connections are closed at once.
    pub fn close(&self, closed: bool) {
        self.shared.closed.store(closed, Ordering::Relaxed);
    }

    /// What it has seen so far.
    pub fn report(&self) -> GatewayReport {
        self.shared.desk().report()
    }

    /// What went over the initiators' connections so far, as a file of libpcap's format: as much as
    /// [`GatewayPlan::traffic_kept`] allows.
    pub fn capture(&self) -> Vec<u8> {
        self.shared.tap.file()
    }

    /// Closes everything; tells what it has seen.
    pub async fn stop(self) -> GatewayReport {
        self.shared.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.report()
    }
}

impl Drop for PushGateway {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn courtesy(&self) -> Arc<Courtesy> {
        Arc::clone(&self.courtesy.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Answers a request; `None` closes the connection without a word.
    async fn answer(&self, request: &Request) -> Option<Answer> {
        let courtesy = self.courtesy();
        let now = clock::now();
        if self.authorization.is_some()
            && request.header("authorization") != self.authorization.as_deref()
        {
            self.desk().seen.strangers += 1;
            return Some(Answer::bare(401));
        }
        let taken = self.desk().take(request, now, &courtesy, self.ears.get());
        if let Some(handed) = taken.handed {
            let at = now + courtesy.delivers_after;
            self.results.add(at, Errand::Delivery(Box::new(handed))).await;
        }
        if !courtesy.answers_after.is_zero() {
            tokio::time::sleep(courtesy.answers_after).await;
        }
        taken.answer
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, tasks: TaskTracker) {
    let open = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    while let Some(accepted) = shared.stop.run_until_cancelled(listener.accept()).await {
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                // Out of files, most likely: they come back.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&open).try_acquire_owned() else { continue };
        if shared.closed.load(Ordering::Relaxed) {
            continue;
        }
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let _place = place;
            let talk = talk(&shared, stream);
            if let Some(Err(error)) = shared.stop.run_until_cancelled(talk).await {
                tracing::debug!(%error, "a connection of an initiator broke");
            }
        });
    }
}

/// One connection, request after request.
async fn talk(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    let number = shared.connections.fetch_add(1, Ordering::Relaxed);
    loop {
        let reading = tokio::time::timeout(SILENCE, request::read(&mut stream, &mut buffer));
        let Ok(read) = reading.await else { return Ok(()) };
        let answer = match read? {
            Read::Closed => return Ok(()),
            Read::Unreadable(why) => {
                shared.desk().unreadable(why, &buffer);
                stream.write_all(&Answer::bare(400).octets()).await?;
                return Ok(());
            }
            Read::Whole(request) => {
                shared.tap.saw(number, Side::Server, &request.octets);
                shared.answer(&request).await
            }
        };
        let Some(answer) = answer else { return Ok(()) };
        let octets = answer.octets();
        shared.tap.saw(number, Side::Carrier, &octets);
        stream.write_all(&octets).await?;
    }
}
