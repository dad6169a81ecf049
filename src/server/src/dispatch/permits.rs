//! What may leave now: the limits of routes and campaigns, checked together and charged together (D7).

use crate::{
    campaigns::live::{LiveCampaign, Snapshot},
    config::Route,
};
use campaign::{document::Lane, pace::Gcra, time::Instant};
use std::collections::HashMap;

/// The permits of this process: one limit for each campaign's pace and each route's rate.
#[derive(Debug, Default)]
pub(super) struct Permits {
    campaigns: HashMap<u64, (u32, Gcra)>,
    routes: HashMap<String, (u32, Gcra)>,
    /// The part of each route that urgent campaigns may use: a storm of triggers starves nobody.
    urgent: HashMap<String, (u32, Gcra)>,
}

/// Of a hundred notifications of a route, how many are kept for care.
const CARE_SHARE: u32 = 10;

/// The part of a route's rate that is care's, whether it is used or not.
fn of_care(per_second: u32) -> u32 {
    match per_second {
        0 | 1 => 0,
        _ => (per_second / (100 / CARE_SHARE)).max(1),
    }
}

/// The part of each route that is care's, in this process.
#[derive(Debug, Default)]
pub(super) struct CarePermits(HashMap<String, (u32, Gcra)>);

impl CarePermits {
    /// Takes one permit, if there is one now.
    pub(super) fn take(
        &mut self,
        route: &Route,
        per_second: u32,
        share: impl Fn(u32) -> u32,
        now: Instant,
    ) -> bool {
        let rate = share(of_care(per_second).max(1));
        if rate == 0 {
            return false;
        }
        let name = route.name().to_owned();
        let (known, limit) = self.0.entry(name).or_insert_with(|| (rate, Gcra::new(rate)));
        if *known != rate {
            (*known, *limit) = (rate, limit.at_rate(rate));
        }
        limit.take(now, 1).is_ok()
    }
}

/// Of a hundred notifications of a route, how many may be urgent.
const URGENT_SHARE: u32 = 30;

impl Permits {
    /// How many devices of the campaign may be notified on the route now; `per_second` is what the route bears at the moment.
    /// Limits are for all processes together: this one keeps to its `share`.
    pub(super) fn available(
        &mut self,
        live: &LiveCampaign,
        route: &Route,
        per_second: u32,
        share: impl Fn(u32) -> u32,
        now: Instant,
    ) -> u32 {
        let per_second = per_second - of_care(per_second);
        let urgent_rate = share((per_second.saturating_mul(URGENT_SHARE) / 100).max(1));
        let per_second = share(per_second);
        let pace = live.per_second().map(&share);
        if per_second == 0 || pace == Some(0) {
            return 0;
        }
        let (known, limit) = self
            .routes
            .entry(route.name().to_owned())
            .or_insert_with(|| (per_second, Gcra::new(per_second)));
        if *known != per_second {
            (*known, *limit) = (per_second, limit.at_rate(per_second));
        }
        let on_route = limit.available(now);
        let on_route = match live.campaign.lane() {
            Lane::Care | Lane::Mass => on_route,
            Lane::Urgent if urgent_rate == 0 => 0,
            Lane::Urgent => {
                let rate = urgent_rate;
                let (known, urgent) = self
                    .urgent
                    .entry(route.name().to_owned())
                    .or_insert_with(|| (rate, Gcra::new(rate)));
                if *known != rate {
                    (*known, *urgent) = (rate, urgent.at_rate(rate));
                }
                on_route.min(urgent.available(now))
            }
        };
        match pace {
            Some(rate) => {
                let (known, pace) =
                    self.campaigns.entry(live.seq).or_insert_with(|| (rate, Gcra::new(rate)));
                if *known != rate {
                    (*known, *pace) = (rate, pace.at_rate(rate));
                }
                on_route.min(pace.available(now))
            }
            None => on_route,
        }
    }

    /// Uses permits that were found available. Nobody else takes from these limits in between.
    pub(super) fn take(&mut self, live: &LiveCampaign, route: &Route, now: Instant, n: usize) {
        let urgent = match live.campaign.lane() {
            Lane::Urgent => self.urgent.get_mut(route.name()).map(|(_, limit)| limit),
            Lane::Care | Lane::Mass => None,
        };
        for limit in self
            .routes
            .get_mut(route.name())
            .map(|(_, limit)| limit)
            .into_iter()
            .chain(self.campaigns.get_mut(&live.seq).map(|(_, pace)| pace))
            .chain(urgent)
        {
            for _ in 0..n {
                if limit.take(now, 1).is_err() {
                    tracing::error!("a permit was found available and could not be taken");
                }
            }
        }
    }

    pub(super) fn forget_ended(&mut self, live: &Snapshot) {
        self.campaigns.retain(|seq, _| live.get(*seq).is_some());
    }
}

#[cfg(test)]
mod tests;
