//! What may leave now: the limits of routes, authorities and campaigns, checked together and charged together (D7).
//!
//! A permit is taken when everything else is ready, right before the octets are written. A process that is alone has all of
//! every limit; one among others leases its part of those it has work for.
//!
//! | module | about |
//! | --- | --- |
//! | `lease` | the row of a limit: who has how much of it |
//! | `renew` | asks for leases and gives them back |
//! | `bucket` | what this process has, and one decision over several limits |
//! | `pass` | one notification that waits for its permit |

mod bucket;
pub(crate) mod lease;
mod pass;
mod renew;

pub(crate) use pass::{Held, Pass};
pub(crate) use renew::run;

use crate::{
    campaigns::live::{LiveCampaign, Snapshot},
    config::Route,
    engine::Engine,
};
use bucket::{Bucket, Held as Part, Refused, grant};
use campaign::{document::Lane, time::Instant};
use lease::Holder;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// One of a deployment's limits, all of them permits a second.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Limit {
    /// Segments of a route, but for what is kept for care.
    Route(Arc<str>),
    /// Segments of a route that are kept for care. Every process has a fixed share, so that care never waits for a lease.
    Care(Arc<str>),
    /// Segments of a route that may be urgent: a storm of triggers starves nobody.
    Urgent(Arc<str>),
    /// Segments of an authority, on all routes.
    Authority(Arc<str>),
    /// Devices of a campaign.
    Pace(u64),
}

/// Of a hundred permits of a route, how many may be urgent.
const URGENT_SHARE: u32 = 30;
/// Of so many permits of a route one is kept for care.
const RESERVE: u32 = 10;
/// What may be ready and wait for its permit: the work of so much of a second.
const AT_HAND: u32 = 10;
/// And never more than that.
const MOST_AT_HAND: u32 = 512;
/// How long those of lower lanes stand back after somebody of a higher one was refused; it asks again before that is over.
const STAND_BACK: Duration = Duration::from_millis(5);

/// What is kept of a route's rate for care.
fn reserve(per_second: u32) -> u32 {
    if per_second < 2 { 0 } else { (per_second / RESERVE).max(1) }
}

/// The permits of this process.
#[derive(Debug)]
pub(crate) struct Permits {
    holder: Holder,
    state: Mutex<State>,
    /// Rung when somebody wants to pass under a limit of which nothing is leased.
    ring: Notify,
}

#[derive(Debug, Default)]
struct State {
    buckets: HashMap<Limit, Bucket>,
    /// By campaign and route.
    queues: HashMap<(u64, Arc<str>), Arc<Queue>>,
    /// Of each route and lane, how many notifications wait for a permit.
    at_hand: HashMap<(Arc<str>, Lane), Arc<AtomicU32>>,
    /// The highest lane that was refused by a route, and when.
    thirsty: HashMap<Arc<str>, (Lane, Instant)>,
}

/// The notifications of one campaign on one route that are ready to leave.
#[derive(Debug, Default)]
struct Queue {
    /// The first of them asks for permits; the others wait behind it.
    turn: tokio::sync::Mutex<()>,
    at_hand: AtomicU32,
}

/// What the notifications of one campaign need to leave on one route.
#[derive(Debug, Clone)]
pub(crate) struct Leave {
    seq: u64,
    route: Arc<str>,
    lane: Lane,
    needs: Vec<Need>,
    /// What care needs instead, where there is enough of what is kept for it.
    kept: Option<Vec<Need>>,
    queue: Arc<Queue>,
    at_hand: Arc<AtomicU32>,
}

impl Leave {
    pub(crate) fn route(&self) -> &str {
        &self.route
    }
}

/// A limit that is asked, and what all processes may let through under it.
#[derive(Debug, Clone)]
struct Need {
    limit: Limit,
    per_second: u32,
    /// Each notification counts as one, however many segments it has.
    devices: bool,
}

/// A notification that was taken up and has no permit yet.
#[derive(Debug)]
pub(crate) struct Place(Arc<Queue>, Arc<AtomicU32>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.at_hand.fetch_sub(1, Ordering::Relaxed);
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Permits {
    fn default() -> Self {
        Self { holder: rand::random(), state: Mutex::default(), ring: Notify::new() }
    }
}

impl Permits {
    /// What the campaign's notifications need to leave on the route.
    pub(crate) fn leave(&self, engine: &Engine, live: &LiveCampaign, route: &Route) -> Leave {
        let name: Arc<str> = route.name().into();
        let lane = live.campaign.lane();
        let per_second = route.per_second();
        let common = per_second - reserve(per_second);
        let need = |limit, per_second| Need { limit, per_second, devices: false };
        let mut needs = vec![need(Limit::Route(Arc::clone(&name)), common)];
        if lane == Lane::Urgent {
            let urgent = (u64::from(per_second) * u64::from(URGENT_SHARE) / 100).max(1);
            let urgent = u32::try_from(urgent).unwrap_or(u32::MAX).min(common);
            needs.push(need(Limit::Urgent(Arc::clone(&name)), urgent));
        }
        let authority = engine.config.authority(&live.id.authority);
        if let Some(per_second) = authority.and_then(|authority| authority.per_second) {
            needs.push(need(Limit::Authority(live.id.authority.as_str().into()), per_second));
        }
        if let Some(per_second) = live.per_second() {
            needs.push(Need { limit: Limit::Pace(live.seq), per_second, devices: true });
        }
        let kept = (lane == Lane::Care && per_second > common).then(|| {
            let kept = need(Limit::Care(Arc::clone(&name)), per_second - common);
            std::iter::once(kept).chain(needs.iter().skip(1).cloned()).collect()
        });
        let mut state = self.state();
        let queue = state.queues.entry((live.seq, Arc::clone(&name))).or_default();
        let queue = Arc::clone(queue);
        let at_hand = Arc::clone(state.at_hand.entry((Arc::clone(&name), lane)).or_default());
        Leave { seq: live.seq, route: name, lane, needs, kept, queue, at_hand }
    }

    /// How many more notifications may be taken up together: as many as will have their permits soon, and at nearly the same
    /// time.
    pub(crate) fn room(&self, engine: &Engine, leave: &Leave, now: Instant) -> u32 {
        let mut state = self.state();
        state.set(engine, leave.route.as_ref(), &leave.needs, now);
        let mut room = u32::MAX;
        for need in &leave.needs {
            let Some(bucket) = state.buckets.get(&need.limit) else { continue };
            let rate = match bucket.rate(now) {
                // Nothing is leased until somebody waits for it.
                0 if bucket.is_leased() => bucket.limit,
                0 => return 0,
                rate => rate,
            };
            room = room.min((rate / AT_HAND).clamp(1, MOST_AT_HAND));
        }
        let there = |count: &AtomicU32| room.saturating_sub(count.load(Ordering::Relaxed));
        // A device that answers waits until the batch is committed that it was notified in.
        let batch = room / AT_HAND + 1;
        // Fewer are not worth their calls to the store: they are taken up with the next ones.
        if there(&leave.queue.at_hand).min(there(&leave.at_hand)) < batch { 0 } else { batch }
    }

    /// Takes up so many notifications.
    pub(crate) fn take_up(leave: &Leave, count: usize) -> Vec<Place> {
        let place = |_| {
            leave.queue.at_hand.fetch_add(1, Ordering::Relaxed);
            leave.at_hand.fetch_add(1, Ordering::Relaxed);
            Place(Arc::clone(&leave.queue), Arc::clone(&leave.at_hand))
        };
        (0..count).map(place).collect()
    }

    /// One decision over all limits of a job. `first`: the notification's device is not counted yet.
    fn grant(
        &self,
        engine: &Engine,
        leave: &Leave,
        segments: u32,
        first: bool,
        now: Instant,
    ) -> Result<(), Duration> {
        let mut state = self.state();
        state.set(engine, &leave.route, &leave.needs, now);
        if let Some((lane, since)) = state.thirsty.get(&leave.route)
            && *lane < leave.lane
            && now.since(*since) < STAND_BACK
        {
            return Err(Duration::from_millis(1));
        }
        let charges = |needs: &[Need]| -> Vec<_> {
            let needs = needs.iter().filter(|need| first || !need.devices);
            needs
                .map(|need| (need.limit.clone(), if need.devices { 1 } else { segments }))
                .collect()
        };
        // Care takes from what is kept for it, and else from what is for all, before all others.
        if let Some(kept) = &leave.kept {
            state.set(engine, &leave.route, kept, now);
            if grant(&mut state.buckets, &charges(kept), now).is_ok() {
                return Ok(());
            }
        }
        self.decide(&mut state, leave, &charges(&leave.needs), now)
    }

    fn decide(
        &self,
        state: &mut State,
        leave: &Leave,
        charges: &[(Limit, u32)],
        now: Instant,
    ) -> Result<(), Duration> {
        let Err(Refused { by, wait }) = grant(&mut state.buckets, charges, now) else {
            return Ok(());
        };
        if matches!(by, Limit::Route(_)) {
            let Leave { route, lane, .. } = leave;
            let lane = *lane;
            let thirsty = state.thirsty.entry(Arc::clone(route)).or_insert((lane, now));
            if lane <= thirsty.0 || now.since(thirsty.1) >= STAND_BACK {
                *thirsty = (lane, now);
            }
        }
        if state.buckets.get(&by).is_some_and(|bucket| bucket.rate(now) == 0) {
            self.ring.notify_one();
        }
        Err(wait)
    }

    pub(crate) fn forget_ended(&self, live: &Snapshot) {
        let mut state = self.state();
        let ended = |limit: &Limit| matches!(limit, Limit::Pace(seq) if live.get(*seq).is_none());
        state.buckets.retain(|limit, _| !ended(limit));
        state.queues.retain(|(seq, _), _| live.get(*seq).is_some());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Brings the limits up to date: a pace may have been changed, a carrier may have complained, others may have come.
    fn set(&mut self, engine: &Engine, route: &str, needs: &[Need], now: Instant) {
        let slowed = engine.routes.get(route).map_or(1_000, |channel| channel.slowed(now));
        for need in needs {
            let always = match &need.limit {
                Limit::Care(_) => Some(engine.deployment.share(need.per_second, now)),
                _ if !engine.deployment.is_shared() => Some(need.per_second),
                _ => None,
            };
            let bucket = self.buckets.entry(need.limit.clone()).or_insert_with(|| {
                let part = always.map_or(Part::Leased { rate: 0, until: Instant(0) }, Part::Always);
                Bucket::new(need.per_second, part)
            });
            let slowed = match need.limit {
                Limit::Route(_) | Limit::Care(_) | Limit::Urgent(_) => slowed,
                Limit::Authority(_) | Limit::Pace(_) => 1_000,
            };
            bucket.set(need.per_second, always, slowed, now);
        }
    }
}

#[cfg(test)]
mod tests;
