//! A device's session over the network: connect, post, wait, repeat what got no answer, give up in the end.

use super::{
    Shared,
    http::{Connection, HttpReply, Post, Url},
    world::Due,
};
use crate::{
    clock,
    device::{End, Next, Reply, SimDevice},
    dice::Dice,
    faults::Fault,
    fleet::report::SessionTally,
    identity::Identity,
};
use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A message without an answer is sent again after these pauses, give or take a half: about 13 s in all, which the
/// restart of a server fits into.
const PAUSES: [u64; 7] = [100, 200, 400, 800, 1_600, 3_200, 6_400];

/// So many times a device takes "try again later" for an answer.
const MOST_BUSY: u32 = 20;

/// The longest that a device waits because of one `Retry-After`.
const LONGEST_BUSY: u32 = 30;

/// Runs the session of a claimed device to its end.
pub(crate) async fn run(shared: Arc<Shared>, due: Due, heard: Instant) -> End {
    let world = &shared.world;
    let identity = Arc::new(world.identity(due.index));
    let (account, changes) = world.recall(due.index);
    let terms = Arc::clone(&world.terms);
    let mut line = Line {
        shared: &shared,
        connection: None,
        tally: SessionTally::default(),
        dice: Dice::of(terms.seed, due.index, 0x3_0000_0000 + u64::from(account.sessions)),
        identity: Arc::clone(&identity),
    };
    let mut device = SimDevice::wake(terms, identity, account, changes, due.reason);
    let end = loop {
        let Some(reply) = line.exchange(&device).await else { break End::GaveUp };
        if reply.status != 200 {
            break device.refused(reply.status, &reply.body);
        }
        if reply.length.is_none() {
            device.unmeasured(&reply.body);
            break End::Broken;
        }
        let next = device.receive(Reply {
            media_type: &reply.media_type,
            mac: reply.mac.as_deref(),
            octets: &reply.body,
        });
        if device.is_proven() && line.tally.notified_to_session.is_none() {
            line.tally.notified_to_session = Some(clock::now().duration_since(heard));
        }
        match next {
            Next::Send => line.think().await,
            Next::Repeat => line.connection = None,
            Next::Over(end) => break end,
        }
    };
    let tally = line.tally;
    let finished = device.finish(end, due.reason);
    shared.tally.session(end, finished.writes, &tally);
    shared.tally.breaches(finished.breaches.clone());
    world.remember(due.index, finished);
    end
}

struct Line<'a> {
    shared: &'a Shared,
    connection: Option<Connection>,
    tally: SessionTally,
    dice: Dice,
    identity: Arc<Identity>,
}

impl Line<'_> {
    /// Posts the device's message until it is answered; `None` when it gives up.
    async fn exchange(&mut self, device: &SimDevice) -> Option<HttpReply> {
        let mut busy = 0;
        let mut pauses = PAUSES.iter();
        loop {
            match self.once(device).await {
                Ok(reply) if reply.status == 503 && busy < MOST_BUSY => {
                    busy += 1;
                    self.shared.tally.busy.fetch_add(1, Ordering::Relaxed);
                    let seconds = reply.retry_after.unwrap_or(1).clamp(1, LONGEST_BUSY);
                    self.pause(u64::from(seconds) * 1_000).await;
                }
                Ok(reply) => return Some(reply),
                Err(_unanswered) => {
                    self.connection = None;
                    let milliseconds = *pauses.next()?;
                    self.shared.tally.repeats.fetch_add(1, Ordering::Relaxed);
                    self.pause(milliseconds).await;
                }
            }
        }
    }

    /// The time that a slow device takes to answer.
    async fn think(&self) {
        if let Fault::Slow { milliseconds } = self.identity.kind.fault {
            sleep(Duration::from_millis(milliseconds.into())).await;
        }
    }

    async fn once(&mut self, device: &SimDevice) -> io::Result<HttpReply> {
        let outgoing = device.outgoing();
        let url = Url::parse(outgoing.url).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a device speaks only http here")
        })?;
        if !self.connection.as_ref().is_some_and(|connection| connection.serves(&url)) {
            let front = self.shared.fronts.next();
            let opening = Connection::open(url.authority, front, self.identity.address);
            self.connection = Some(timeout(CONNECT_WITHIN, opening).await??);
        }
        let connection = self.connection.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let sent = clock::now();
        let post = Post {
            url: &url,
            media_type: outgoing.media_type,
            headers: outgoing.headers,
            mac: outgoing.mac,
            body: outgoing.octets,
        };
        let reply = timeout(ANSWER_WITHIN, connection.post(post)).await??;
        if self.shared.fronts.every_message() {
            self.connection = None;
        }
        if reply.status == 200 {
            self.tally.messages.push(clock::now().duration_since(sent));
            self.tally.octets_sent += outgoing.octets.len();
            self.tally.octets_received += reply.body.len();
        }
        Ok(reply)
    }

    /// Waits so long, give or take a half: a fleet whose server comes back does not come back as one.
    async fn pause(&mut self, milliseconds: u64) {
        let spread = self.dice.below(milliseconds);
        sleep(Duration::from_millis(milliseconds / 2 + spread)).await;
    }
}
