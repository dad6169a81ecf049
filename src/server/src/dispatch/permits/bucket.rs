//! Limits as this process keeps them: what it may let through of each, and one decision over several. Pure.

use super::{Limit, lease::Lease};
use campaign::{pace::Gcra, time::Instant};
use std::{collections::HashMap, time::Duration};

/// A lease is not used to its very end: clocks of two machines are not quite alike.
const MARGIN: Duration = Duration::from_millis(100);
/// Whoever asked for a permit that long ago does not want one any more.
const WANTED: Duration = Duration::from_millis(500);
/// How long to wait for a permit when nothing is leased: the lease is on its way.
const LEASING: Duration = Duration::from_millis(3);

/// What this process has of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// A part that nobody else can have: all, or a fixed share.
    Always(u32),
    /// What it leased, until then.
    Leased { rate: u32, until: Instant },
}

/// One limit.
#[derive(Debug)]
pub(super) struct Bucket {
    /// What all processes may let through together, before anything slows it down.
    pub(super) limit: u32,
    held: Held,
    /// How much of it the other side bears, of a thousand.
    slowed: u16,
    /// The rate of `flow`; 0: nothing passes.
    rate: u32,
    flow: Gcra,
    /// When somebody last wanted to pass, and what passed or had to wait since the last look.
    wanted: Instant,
    passed: u32,
    held_up: bool,
    looked: Instant,
    /// When the part of it was last asked for.
    asked: Option<Instant>,
}

/// What is to be done about the lease of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask for a part; so much could be used.
    Lease {
        wish: u32,
    },
    /// Give it back.
    Leave,
    Nothing,
}

impl Bucket {
    pub(super) fn new(limit: u32, held: Held) -> Self {
        Self {
            limit,
            held,
            slowed: 1_000,
            rate: 0,
            flow: Gcra::new(limit.max(1)),
            wanted: Instant(0),
            passed: 0,
            held_up: false,
            looked: Instant(0),
            asked: None,
        }
    }

    /// What may pass a second now.
    pub(super) fn rate(&self, now: Instant) -> u32 {
        let held = match self.held {
            Held::Always(rate) => rate,
            Held::Leased { rate, until } if now.plus(MARGIN) < until => rate,
            Held::Leased { .. } => 0,
        };
        let slowed = u64::from(held.min(self.limit)) * u64::from(self.slowed) / 1_000;
        // A route is never given up by its throttle.
        u32::try_from(slowed).unwrap_or(u32::MAX).max(held.min(1))
    }

    /// The limit is another one now, or the carrier bears less of it, or what is always there changed.
    pub(super) fn set(&mut self, limit: u32, always: Option<u32>, slowed: u16, now: Instant) {
        (self.limit, self.slowed) = (limit, slowed);
        if let Some(rate) = always {
            self.held = Held::Always(rate);
        }
        self.follow(now);
    }

    /// Before less is asked for than it holds: it is used no more from now on, whatever becomes of the asking.
    pub(super) fn shrink(&mut self, to: u32, now: Instant) {
        if let Held::Leased { rate, .. } = &mut self.held {
            *rate = (*rate).min(to);
        }
        self.follow(now);
    }

    /// It has this part now.
    pub(super) fn leased(&mut self, lease: Lease, now: Instant) {
        let had = self.rate(now);
        self.held = Held::Leased { rate: lease.rate, until: lease.until };
        if lease.starts_empty && had == 0 && self.rate(now) > 0 {
            let empty = Gcra::empty(self.rate(now), now);
            // What was taken under an earlier lease and is not paid for stays to be paid.
            self.flow =
                if self.flow.owes(now) { self.flow.at_rate(self.rate(now), now) } else { empty };
            self.rate = self.rate(now);
        }
        self.follow(now);
    }

    fn follow(&mut self, now: Instant) {
        let rate = self.rate(now);
        if rate != self.rate {
            if rate > 0 {
                self.flow = self.flow.at_rate(rate, now);
            }
            self.rate = rate;
        }
    }

    /// Whether `n` may pass now; otherwise when to ask again.
    fn check(&mut self, now: Instant, n: u32) -> Result<(), Duration> {
        self.follow(now);
        let checked = if self.rate == 0 { Err(LEASING) } else { self.flow.check(now, n) };
        self.held_up |= checked.is_err();
        checked
    }

    fn charge(&mut self, now: Instant, n: u32) {
        self.passed = self.passed.saturating_add(n);
        if self.flow.take(now, n).is_err() {
            tracing::error!("a permit was found and could not be taken");
        }
    }

    /// What is to be done about its lease now, if it is one. Leases are asked for at most once in `pause`.
    pub(super) fn due(&mut self, now: Instant, pause: Duration) -> Due {
        let Held::Leased { rate, until } = self.held else { return Due::Nothing };
        if self.asked.is_some_and(|asked| now.since(asked) < pause) {
            return Due::Nothing;
        }
        if now.since(self.wanted) < WANTED || (self.rate > 0 && self.flow.owes(now)) {
            let wish = self.wish(now);
            self.asked = Some(now);
            return Due::Lease { wish };
        }
        let listed = self.asked.take().is_some() && (rate > 0 || until > now);
        if listed { Due::Leave } else { Due::Nothing }
    }

    /// What could be used a second: all, if anything had to wait; otherwise half as much again as was used.
    fn wish(&mut self, now: Instant) -> u32 {
        let (passed, held_up) =
            (std::mem::take(&mut self.passed), std::mem::take(&mut self.held_up));
        let since = u64::try_from(now.since(self.looked).as_millis()).unwrap_or(u64::MAX).max(1);
        self.looked = now;
        if held_up {
            return self.limit;
        }
        let used = u64::from(passed) * 1_500 / since;
        // A little more than nothing, so that a first few need not wait for the next asking.
        u32::try_from(used).unwrap_or(u32::MAX).max(self.limit / 20).clamp(1, self.limit.max(1))
    }

    /// Whether this process stands in the row of the limit.
    pub(super) fn is_asked_for(&self) -> bool {
        self.asked.is_some()
    }

    pub(super) fn is_leased(&self) -> bool {
        matches!(self.held, Held::Leased { .. })
    }
}

/// Which limit refused, and when to ask again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) by: Limit,
    pub(super) wait: Duration,
}

/// Lets something pass under all of these limits, or under none: each is checked before any is charged. A limit that is not
/// there lets nothing pass.
pub(super) fn grant(
    buckets: &mut HashMap<Limit, Bucket>,
    charges: &[(Limit, u32)],
    now: Instant,
) -> Result<(), Refused> {
    for (limit, _) in charges {
        if let Some(bucket) = buckets.get_mut(limit) {
            bucket.wanted = now;
        }
    }
    for (limit, n) in charges {
        let checked = buckets.get_mut(limit).map_or(Err(LEASING), |bucket| bucket.check(now, *n));
        if let Err(wait) = checked {
            return Err(Refused { by: limit.clone(), wait });
        }
    }
    for (limit, n) in charges {
        if let Some(bucket) = buckets.get_mut(limit) {
            bucket.charge(now, *n);
        }
    }
    Ok(())
}
