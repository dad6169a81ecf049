//! The row of one limit: who sends under it at the moment, and how much of it each has. Pure: what becomes of it, given the time.
//!
//! What all hold together is never more than the limit. Who asks is given what is fair as far as it is free, and those who hold
//! more than that give it back when they ask next; so a limit goes to whoever has work for it.

use campaign::time::Instant;
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, time::Duration};

/// Names a process, as long as it lives.
pub(super) type Holder = [u8; 8];

/// How long a lease holds without being renewed: while the store is away, and after its holder died.
pub(super) const LEASE: Duration = Duration::from_secs(2);
/// With more holders than permits a second, how long each keeps its turn.
const TURN: Duration = Duration::from_secs(4);
/// What was given back counts as used for so long: the limit is one for any second.
const SECOND: Duration = Duration::from_secs(1);
/// Holders beyond this are a mistake, and the row must stay small.
const MOST: usize = 256;

/// One row for each limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct LimitRow {
    /// Those who have, or wait for, a part of it; the first are served first when there is not enough for all.
    holders: Vec<Part>,
    /// When somebody's part last ended or shrank.
    moved: Instant,
    /// How much slower than configured the other side bears it.
    pub(super) slowed: Option<Slowed>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Part {
    holder: Holder,
    /// Permits a second; 0: it waits.
    rate: u32,
    /// What it could use.
    wish: u32,
    until: Instant,
    /// Since when it has had its turn.
    since: Instant,
}

/// What the processes tell each other about a carrier that complained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slowed {
    /// Of a thousand.
    pub(crate) share: u16,
    pub(crate) since: Instant,
}

/// What a process got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    /// Permits a second; 0: others have all for the moment.
    pub(super) rate: u32,
    pub(super) until: Instant,
    /// What it gains was used by somebody else a moment ago: it begins with nothing saved up.
    pub(super) starts_empty: bool,
}

impl LimitRow {
    /// A process asks for its part, again or for the first time. `wish` is what it could use, `limit` what all may have.
    pub(super) fn lease(&mut self, holder: Holder, wish: u32, limit: u32, now: Instant) -> Lease {
        self.forget(now);
        let starts_empty = now.since(self.moved) < SECOND;
        let Some(place) = self.place(holder, limit, now) else {
            return Lease { rate: 0, until: now, starts_empty };
        };
        let others: u32 =
            self.holders.iter().filter(|part| part.holder != holder).map(|part| part.rate).sum();
        let until = now.plus(LEASE);
        if let Some(part) = self.holders.get_mut(place) {
            part.wish = wish.max(1);
            part.until = until;
        }
        let wishes: Vec<u32> = self.holders.iter().map(|part| part.wish).collect();
        let fair = fair(&wishes, limit).get(place).copied().unwrap_or(0);
        let rate = fair.min(limit.saturating_sub(others));
        if let Some(part) = self.holders.get_mut(place) {
            if rate < part.rate {
                self.moved = now;
            }
            if part.rate == 0 {
                part.since = now;
            }
            part.rate = rate;
        }
        Lease { rate, until, starts_empty }
    }

    /// A process has no use for its part any more.
    pub(super) fn leave(&mut self, holder: Holder, now: Instant) {
        self.forget(now);
        if self.holders.iter().any(|part| part.holder == holder && part.rate > 0) {
            self.moved = now;
        }
        self.holders.retain(|part| part.holder != holder);
    }

    /// Takes note of what the other side bears; what was learnt last counts.
    pub(super) fn slow(&mut self, slowed: Option<Slowed>) {
        let since = |slowed: Option<Slowed>| slowed.map(|slowed| slowed.since);
        if since(slowed) > since(self.slowed) {
            self.slowed = slowed;
        }
    }

    fn forget(&mut self, now: Instant) {
        for part in self.holders.iter().filter(|part| part.until <= now && part.rate > 0) {
            self.moved = self.moved.max(part.until);
        }
        self.holders.retain(|part| part.until > now);
    }

    /// Where the process stands. Who had its turn goes to the end when there is not enough for all.
    fn place(&mut self, holder: Holder, limit: u32, now: Instant) -> Option<usize> {
        let crowded = u32::try_from(self.holders.len()).unwrap_or(u32::MAX) > limit;
        let known = self.holders.iter().position(|part| part.holder == holder);
        match known {
            Some(place) => {
                let part = self.holders.get(place)?;
                if crowded && part.rate > 0 && now.since(part.since) >= TURN {
                    let part = self.holders.remove(place);
                    self.holders.push(part);
                    return Some(self.holders.len() - 1);
                }
                Some(place)
            }
            None if self.holders.len() < MOST => {
                let part = Part { holder, rate: 0, wish: 1, until: now, since: now };
                self.holders.push(part);
                Some(self.holders.len() - 1)
            }
            None => None,
        }
    }
}

/// Shares `limit` out: nobody gets more than it wishes, and nobody less than another who wishes more, but for what is left
/// over in whole numbers, which goes to the first.
fn fair(wishes: &[u32], limit: u32) -> Vec<u32> {
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    // Of equals the first comes last: it takes what is left over.
    order.sort_by_key(|place| (wishes.get(*place), Reverse(*place)));
    let mut given = vec![0; wishes.len()];
    let (mut left, mut rest) = (limit, u32::try_from(wishes.len()).unwrap_or(u32::MAX));
    for place in order {
        let (Some(wish), Some(part)) = (wishes.get(place), given.get_mut(place)) else { continue };
        *part = left.checked_div(rest).unwrap_or(0).min(*wish);
        left -= *part;
        rest -= 1;
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: Holder = [1; 8];
    const B: Holder = [2; 8];

    fn at(milliseconds: u64) -> Instant {
        Instant(1_000_000 + milliseconds)
    }

    #[test]
    fn who_is_alone_has_all_and_shares_when_somebody_comes() {
        let mut row = LimitRow::default();
        let first = row.lease(A, u32::MAX, 100, at(0));
        assert_eq!(first, Lease { rate: 100, until: at(2_000), starts_empty: false });
        assert_eq!(row.lease(B, u32::MAX, 100, at(10)).rate, 0, "nothing is free yet");
        assert_eq!(row.lease(A, u32::MAX, 100, at(250)).rate, 50);
        let second = row.lease(B, u32::MAX, 100, at(260));
        assert_eq!(second, Lease { rate: 50, until: at(2_260), starts_empty: true });
    }

    #[test]
    fn who_needs_little_leaves_the_rest_to_others() {
        assert_eq!(fair(&[10, u32::MAX], 100), [10, 90]);
        assert_eq!(fair(&[u32::MAX, u32::MAX, u32::MAX], 100), [34, 33, 33]);
        assert_eq!(fair(&[5, 5], 100), [5, 5]);
        assert_eq!(fair(&[], 100), Vec::<u32>::new());
    }

    #[test]
    fn the_part_of_one_who_died_is_free_when_its_lease_ends() {
        let mut row = LimitRow::default();
        row.lease(A, u32::MAX, 100, at(0));
        assert_eq!(row.lease(B, u32::MAX, 100, at(1_999)).rate, 0);
        let lease = row.lease(B, u32::MAX, 100, at(2_000));
        assert_eq!((lease.rate, lease.starts_empty), (100, true));
        assert!(!row.lease(B, u32::MAX, 100, at(3_000)).starts_empty);
    }

    #[test]
    fn what_is_given_back_is_free_at_once() {
        let mut row = LimitRow::default();
        row.lease(A, u32::MAX, 100, at(0));
        row.leave(A, at(100));
        assert_eq!(row.lease(B, u32::MAX, 100, at(101)).rate, 100);
    }

    #[test]
    fn with_more_processes_than_permits_they_take_turns() {
        let mut row = LimitRow::default();
        let mut had = [false; 3];
        for step in 0..200 {
            for (holder, had) in (0_u8..).zip(&mut had) {
                let now = at(step * 250 + u64::from(holder));
                *had |= row.lease([holder; 8], u32::MAX, 1, now).rate > 0;
            }
        }
        assert_eq!(had, [true; 3]);
    }

    #[test]
    fn what_was_learnt_last_of_a_carrier_counts() {
        let mut row = LimitRow::default();
        let slowed = |share, since| Some(Slowed { share, since: at(since) });
        row.slow(slowed(500, 10));
        row.slow(slowed(1_000, 5));
        row.slow(None);
        assert_eq!(row.slowed, slowed(500, 10));
    }

    proptest! {
        /// C2: whoever comes, goes, dies or asks for whatever, all together never hold more than the limit.
        #[test]
        fn nobody_is_given_what_somebody_else_holds(
            limit in 1_u32..200,
            acts in proptest::collection::vec((0_u8..6, 0_u32..300, 0_u64..900, 0_u8..8), 1..120),
        ) {
            let mut row = LimitRow::default();
            let mut held = [None::<Lease>; 6];
            let mut now = at(0);
            for (who, wish, pause, act) in acts {
                now = now.plus(Duration::from_millis(pause));
                let place = usize::from(who);
                if act == 0 {
                    row.leave([who; 8], now);
                    held[place] = None;
                } else {
                    held[place] = Some(row.lease([who; 8], wish, limit, now));
                }
                let sum: u32 = held.iter().flatten().filter(|lease| lease.until > now).map(|lease| lease.rate).sum();
                prop_assert!(sum <= limit, "{} of {}", sum, limit);
            }
        }

        #[test]
        fn a_limit_is_used_up_or_everybody_has_what_it_wishes(limit in 1_u32..500, wishes in proptest::collection::vec(1_u32..300, 1..20)) {
            let given = fair(&wishes, limit);
            let sum: u32 = given.iter().sum();
            prop_assert!(given.iter().zip(&wishes).all(|(given, wish)| given <= wish));
            prop_assert_eq!(sum, limit.min(wishes.iter().sum()));
        }
    }
}
