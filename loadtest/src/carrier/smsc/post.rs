//! What happens later: pushes are delivered, and receipts go out on whichever bind receives.

use super::{
    Shared,
    desk::{Fate, Handed},
    plan::{ReceiptRoute, Receipts},
};
use crate::{carrier::agenda::Agenda, clock, dice::Dice};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// Things that may be handed in before they are looked at.
const INBOX: usize = 4 * 1024;
/// Things that may wait for their time; beyond, nothing more is taken in.
const MOST_WAITING: usize = 500_000;
/// Receipts that one connection holds ready.
pub(crate) const READY: usize = 256;
/// Before a receipt is offered again that nobody took.
const AGAIN: Duration = Duration::from_millis(250);
/// So often: five minutes and a little.
const MOST_TRIES: u32 = 1_200;

const MISSING: u64 = 0x5_0003;

/// Where things are handed in.
#[derive(Debug)]
pub(crate) struct Post {
    inbox: mpsc::Sender<(Instant, Thing)>,
    /// Messages that wait to be delivered.
    waiting: AtomicUsize,
    /// Connections that receive.
    receiving: Mutex<BTreeMap<u64, mpsc::Sender<Slip>>>,
}

#[derive(Debug)]
pub(crate) enum Thing {
    Message { line: u64, handed: Handed },
    Receipt(Slip),
}

/// A receipt that is to be sent.
#[derive(Debug)]
pub(crate) struct Slip {
    pub(crate) id: u64,
    pub(crate) number: String,
    pub(crate) fate: Fate,
    /// The connection that its message came on.
    line: u64,
    tries: u32,
}

impl Post {
    pub(crate) fn open() -> (Self, mpsc::Receiver<(Instant, Thing)>) {
        let (inbox, taken) = mpsc::channel(INBOX);
        (Self { inbox, waiting: AtomicUsize::new(0), receiving: Mutex::default() }, taken)
    }

    /// Messages that wait to be delivered.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Takes an accepted message in.
    pub(crate) async fn message(&self, at: Instant, line: u64, handed: Handed) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.add(at, Thing::Message { line, handed }).await;
    }

    /// A receipt that was not taken.
    pub(crate) async fn back(&self, slip: Slip) {
        self.add(clock::now() + AGAIN, Thing::Receipt(slip)).await;
    }

    async fn add(&self, at: Instant, thing: Thing) {
        // Nobody takes it when the centre is being stopped.
        drop(self.inbox.send((at, thing)).await);
    }

    /// A connection receives from now on.
    pub(crate) fn receives(&self, line: u64) -> mpsc::Receiver<Slip> {
        let (slips, taken) = mpsc::channel(READY);
        self.receiving().insert(line, slips);
        taken
    }

    pub(crate) fn ends(&self, line: u64) {
        self.receiving().remove(&line);
    }

    fn receiving(&self) -> MutexGuard<'_, BTreeMap<u64, mpsc::Sender<Slip>>> {
        self.receiving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a receipt to a connection; it comes back when there is none that takes it.
    fn give(&self, slip: Slip, route: ReceiptRoute) -> Result<(), Slip> {
        let receiving = self.receiving();
        let fits = |line: &u64| match route {
            ReceiptRoute::Any => true,
            ReceiptRoute::Another => *line != slip.line,
        };
        let fitting: Vec<_> =
            receiving.iter().filter(|(line, _)| fits(line)).map(|(_, slips)| slips).collect();
        let turn = usize::try_from(slip.id).unwrap_or_default();
        let mut slip = slip;
        for place in 0..fitting.len() {
            let Some(slips) = fitting.get((turn + place) % fitting.len()) else { break };
            match slips.try_send(slip) {
                Ok(()) => return Ok(()),
                Err(
                    mpsc::error::TrySendError::Full(back) | mpsc::error::TrySendError::Closed(back),
                ) => slip = back,
            }
        }
        Err(slip)
    }
}

/// Works until the centre is stopped.
pub(crate) async fn work(shared: Arc<Shared>, mut inbox: mpsc::Receiver<(Instant, Thing)>) {
    let mut agenda = Agenda::default();
    let mut batch = Vec::new();
    loop {
        let now = clock::now();
        while let Some(thing) = agenda.take_due(now) {
            if let Some((at, thing)) = shared.deal_with(thing, now) {
                agenda.add(at, thing);
            }
        }
        let next = agenda.first().unwrap_or(now + Duration::from_hours(1));
        tokio::select! {
            n = inbox.recv_many(&mut batch, INBOX), if agenda.len() < MOST_WAITING => {
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
    /// Does what is due; answers what is to be done next about it.
    fn deal_with(&self, thing: Thing, now: Instant) -> Option<(Instant, Thing)> {
        let manners = self.manners();
        let slip = match thing {
            Thing::Message { line, handed } => {
                self.post.waiting.fetch_sub(1, Ordering::Relaxed);
                let slip = self.hand_over(line, handed, &manners.receipts)?;
                if !manners.receipts.after.is_zero() {
                    return Some((now + manners.receipts.after, Thing::Receipt(slip)));
                }
                slip
            }
            Thing::Receipt(slip) => slip,
        };
        let mut slip = self.post.give(slip, manners.receipts.route).err()?;
        slip.tries += 1;
        if slip.tries >= MOST_TRIES {
            self.desk().seen.receipts_missing += 1;
            return None;
        }
        Some((now + AGAIN, Thing::Receipt(slip)))
    }

    /// Delivers a push that is whole; answers the receipt of the message.
    fn hand_over(&self, line: u64, handed: Handed, receipts: &Receipts) -> Option<Slip> {
        let Handed { device, push, receipt, fate } = handed;
        let ears = self.ears.get()?;
        if let Some(push) = &push {
            let mut desk = self.desk();
            match fate {
                Fate::Delivered => desk.seen.delivered += 1,
                Fate::Undelivered => desk.seen.undelivered += 1,
                Fate::Expired => desk.seen.expired += 1,
            }
            drop(desk);
            if fate == Fate::Delivered {
                ears.hear(device, push);
            }
        }
        let id = receipt?;
        if Dice::of(self.seed, id, MISSING).share() < receipts.missing {
            self.desk().seen.receipts_missing += 1;
            return None;
        }
        Some(Slip { id, number: ears.number(device), fate, line, tries: 0 })
    }
}
