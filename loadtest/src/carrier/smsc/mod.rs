//! A short message centre: an SMPP 3.4 server that takes WAP push for the simulated devices.
//!
//! It shares the codec with the product, so what is submitted is read a second time here, octet by octet, and what no
//! handset or centre would take is a breach. Everything that real centres do to their clients it does on request: it is slow,
//! full, deaf, forgetful, and drops connections ([`Manners`]).
//!
//! | module | about |
//! | --- | --- |
//! | `plan` | what is wanted: an account, and manners |
//! | `line` | one connection, from its bind to its end |
//! | `submission`, `user_data` | a submitted message, octet by octet |
//! | `parts` | pushes in several messages |
//! | `desk` | what is done with a message: counted, refused, put together, handed over |
//! | `post` | what happens later: deliveries, and receipts on whichever bind |
//! | `report` | what it has seen |

mod desk;
mod line;
mod parts;
mod plan;
mod post;
mod report;
mod submission;
#[cfg(test)]
mod tests;
mod user_data;

pub use plan::{Manners, ReceiptForm, ReceiptIds, ReceiptRoute, Receipts, SmscPlan};
pub use report::{Arrival, SmscReport};

#[cfg(test)]
pub(crate) use submission::tests::octets;

use crate::{carrier::tap::Wiretap, clock, fleet::Ears};
use desk::Desk;
use post::Post;
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Connections at a time; a further one is closed at once.
const MOST_LINES: usize = 256;

/// The port that SMPP is registered for; captures name it.
const PORT: u16 = 2775;

/// A short message centre at work.
#[derive(Debug)]
pub struct Smsc {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

/// What the lines of a centre share.
#[derive(Debug)]
pub(crate) struct Shared {
    system_id: String,
    password: String,
    seed: u64,
    desk: Mutex<Desk>,
    tap: Wiretap,
    manners: Mutex<Arc<Manners>>,
    post: Post,
    ears: OnceLock<Ears>,
    closed: AtomicBool,
    lines: AtomicU64,
    /// Ends all lines that are open; another one takes its place.
    hang_up: Mutex<CancellationToken>,
    stop: CancellationToken,
}

impl Smsc {
    /// Opens its port. Until [`Smsc::serve`] names the devices, no number is known.
    pub async fn start(plan: SmscPlan) -> io::Result<Self> {
        let listener = TcpListener::bind(plan.listen).await?;
        let address = listener.local_addr()?;
        let (post, inbox) = Post::open();
        let (stop, began) = (CancellationToken::new(), clock::now());
        let shared = Arc::new(Shared {
            system_id: plan.system_id.clone(),
            password: plan.password.clone(),
            seed: plan.seed,
            desk: Mutex::new(Desk::new(began, &plan)),
            tap: Wiretap::new(began, PORT, plan.traffic_kept),
            manners: Mutex::new(Arc::new(plan.manners.clone())),
            post,
            ears: OnceLock::new(),
            closed: AtomicBool::new(false),
            lines: AtomicU64::new(0),
            hang_up: Mutex::new(stop.child_token()),
            stop,
        });
        let tasks = TaskTracker::new();
        tasks.spawn(post::work(Arc::clone(&shared), inbox));
        tasks.spawn(accept(Arc::clone(&shared), listener, tasks.clone()));
        Ok(Self { address, shared, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it serves these devices. The first call counts.
    pub fn serve(&self, ears: Ears) {
        // A second fleet would have the numbers of the first.
        drop(self.shared.ears.set(ears));
    }

    /// Changes how it behaves, from the next message on.
    pub fn change(&self, change: impl FnOnce(&mut Manners)) {
        let mut manners = self.shared.manners.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = Manners::clone(&manners);
        change(&mut changed);
        *manners = Arc::new(changed);
    }

    /// Closes every connection, in the middle of whatever is said on it.
    pub fn hang_up(&self) {
        let fresh = self.shared.stop.child_token();
        let old = std::mem::replace(
            &mut *self.shared.hang_up.lock().unwrap_or_else(PoisonError::into_inner),
            fresh,
        );
        old.cancel();
    }

    /// Whether new connections are closed at once.
    pub fn close(&self, closed: bool) {
        self.shared.closed.store(closed, Ordering::Relaxed);
    }

    /// What it has seen so far.
    pub fn report(&self) -> SmscReport {
        self.shared.desk().report()
    }

    /// The first messages that came, as many as [`SmscPlan::arrivals_kept`] says.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.shared.desk().arrivals().to_vec()
    }

    /// What went over its connections so far, as a file of libpcap's format: as much as [`SmscPlan::traffic_kept`] allows.
    pub fn capture(&self) -> Vec<u8> {
        self.shared.tap.file()
    }

    /// Closes everything; tells what it has seen.
    pub async fn stop(self) -> SmscReport {
        self.shared.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.report()
    }
}

impl Drop for Smsc {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn manners(&self) -> Arc<Manners> {
        Arc::clone(&self.manners.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, tasks: TaskTracker) {
    let open = Arc::new(tokio::sync::Semaphore::new(MOST_LINES));
    while let Some(accepted) = shared.stop.run_until_cancelled(listener.accept()).await {
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                // Out of files, most likely: they come back.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&open).try_acquire_owned() else { continue };
        if shared.closed.load(Ordering::Relaxed) {
            continue;
        }
        let number = shared.lines.fetch_add(1, Ordering::Relaxed);
        let hang_up = shared.hang_up.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let _place = place;
            line::talk(shared, number, stream, hang_up).await;
        });
    }
}
