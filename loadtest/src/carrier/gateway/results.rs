//! What a gateway does later: pushes are delivered, and what became of them is posted until it is heard.

use super::{Shared, desk::Handed};
use crate::{
    carrier::agenda::Agenda,
    clock::{self, Moment},
    fleet::{HttpConnection, HttpPost, HttpUrl},
};
use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use wire::pap::{Code, Document, MessageState, Pap, ResultNotification};

/// Things that may be handed in before they are looked at.
const INBOX: usize = 4 * 1024;
/// Things that may wait for their time; beyond, nothing more is taken in.
const MOST_WAITING: usize = 500_000;
/// Results posted at a time, each over a connection of its own.
const POSTERS: usize = 8;
/// How long one post may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before a result is posted again.
const AGAIN: Duration = Duration::from_millis(250);
const MOST_TRIES: u32 = 1_200;

/// Where things are handed in.
#[derive(Debug)]
pub(super) struct Results {
    inbox: mpsc::Sender<(Instant, Errand)>,
    fronts: Mutex<Vec<SocketAddr>>,
    turn: AtomicUsize,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Errand {
    Delivery(Box<Handed>),
    Post { url: String, document: String, tries: u32 },
}

/// The other ends.
pub(super) struct Taken {
    inbox: mpsc::Receiver<(Instant, Errand)>,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Results {
    pub(super) fn open() -> (Self, Taken) {
        let (inbox, taken) = mpsc::channel(INBOX);
        let results = Self { inbox, fronts: Mutex::default(), turn: AtomicUsize::new(0) };
        (results, Taken { inbox: taken })
    }

    pub(super) async fn add(&self, at: Instant, what: Errand) {
        // Nobody takes it when the gateway is being stopped.
        drop(self.inbox.send((at, what)).await);
    }

    pub(super) fn lead_to(&self, fronts: Vec<SocketAddr>) {
        *self.fronts.lock().unwrap_or_else(PoisonError::into_inner) = fronts;
    }

    fn front(&self) -> Option<SocketAddr> {
        let fronts = self.fronts.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        fronts.get(turn % fronts.len().max(1)).copied()
    }
}

/// Everything that is to run until the gateway is stopped.
pub(super) fn work(shared: &Arc<Shared>, taken: Taken) -> Vec<Work> {
    let (due, posts) = mpsc::channel(POSTERS);
    let posts = Arc::new(tokio::sync::Mutex::new(posts));
    let mut all: Vec<Work> = vec![Box::pin(wait(Arc::clone(shared), taken, due))];
    for _ in 0..POSTERS {
        all.push(Box::pin(post(Arc::clone(shared), Arc::clone(&posts))));
    }
    all
}

/// Waits until things are due, delivers, and passes results on.
async fn wait(shared: Arc<Shared>, mut taken: Taken, posts: mpsc::Sender<(String, String, u32)>) {
    let mut agenda = Agenda::default();
    let mut batch = Vec::new();
    loop {
        let now = clock::now();
        while let Some(thing) = agenda.take_due(now) {
            let (url, document, tries) = match thing {
                Errand::Post { url, document, tries } => (url, document, tries),
                Errand::Delivery(handed) => {
                    let Some((url, document)) = shared.deliver(*handed) else { continue };
                    let after = shared.courtesy().results_after;
                    if !after.is_zero() {
                        agenda.add(now + after, Errand::Post { url, document, tries: 0 });
                        continue;
                    }
                    (url, document, 0)
                }
            };
            let sent = posts.send((url, document, tries));
            if shared.stop.run_until_cancelled(sent).await.is_none() {
                return;
            }
        }
        let next = agenda.first().unwrap_or(now + Duration::from_hours(1));
        tokio::select! {
            n = taken.inbox.recv_many(&mut batch, INBOX), if agenda.len() < MOST_WAITING => {
                if n == 0 {
                    return;
                }
                for (at, thing) in batch.drain(..) {
                    agenda.add(at, thing);
                }
            }
            () = tokio::time::sleep_until(next.into()) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

impl Shared {
    /// Delivers a push; answers its result, and where that is wanted.
    fn deliver(&self, mut handed: Handed) -> Option<(String, String)> {
        let hears = self.desk().deliver(&mut handed);
        if hears && let Some(ears) = self.ears.get() {
            ears.hear(handed.device, &handed.push);
        }
        let Handed { state, push_id, address, quality, result_to, .. } = handed;
        let code = match state {
            MessageState::Delivered => Code::Ok,
            MessageState::Expired => Code::ServiceFailure,
            _ => Code::RequiredBearerNotAvailable,
        };
        let result = ResultNotification {
            push_id,
            sender_address: None,
            sender_name: Some("Gateway".to_owned()),
            received_time: None,
            event_time: Some(Moment::now().text()),
            state,
            code,
            desc: Some(code.meaning().to_owned()),
            address,
            quality,
        };
        // What was read can be written.
        let document =
            Pap { product_name: None, document: Document::Result(result) }.write().ok()?;
        Some((result_to?, document))
    }
}

/// Posts results, one after the other.
async fn post(
    shared: Arc<Shared>,
    posts: Arc<tokio::sync::Mutex<mpsc::Receiver<(String, String, u32)>>>,
) {
    let mut connection = None;
    loop {
        let next = async { posts.lock().await.recv().await };
        let Some(Some((url, document, tries))) = shared.stop.run_until_cancelled(next).await else {
            return;
        };
        let posting =
            tokio::time::timeout(PATIENCE, say(&shared, &mut connection, &url, &document));
        let Some(posted) = shared.stop.run_until_cancelled(posting).await else { return };
        if matches!(posted, Ok(Ok(true))) {
            shared.desk().seen.results += 1;
            continue;
        }
        connection = None;
        if tries + 1 >= MOST_TRIES {
            shared.desk().seen.results_missing += 1;
            continue;
        }
        shared.desk().seen.results_again += 1;
        let again = Errand::Post { url, document, tries: tries + 1 };
        shared.results.add(clock::now() + AGAIN, again).await;
    }
}

/// Whether it was heard.
async fn say(
    shared: &Shared,
    connection: &mut Option<HttpConnection>,
    url: &str,
    document: &str,
) -> io::Result<bool> {
    let url = HttpUrl::parse(url).ok_or(io::ErrorKind::InvalidInput)?;
    let mut open = if let Some(open) = connection.take().filter(|open| open.serves(&url)) {
        open
    } else {
        let front = shared.results.front();
        HttpConnection::open(url.authority, front, Ipv4Addr::LOCALHOST).await?
    };
    let request = HttpPost {
        url: &url,
        media_type: "application/xml",
        headers: "",
        mac: None,
        body: document.as_bytes(),
    };
    let reply = open.post(request).await?;
    let heard = matches!(
        Pap::parse(&reply.body),
        Ok(Pap { document: Document::ResultResponse(said), .. }) if said.code == Code::Ok
    );
    *connection = Some(open);
    Ok(heard)
}
