//! Which route a device's notifications take: the first whose condition the device meets.
//!
//! The choice is made when a job is enrolled, and looked at again whenever it is taken up: a device that was moved to another
//! country, or a route that was put before others, is not notified over yesterday's.

#[cfg(test)]
mod tests;

use crate::{
    advance,
    config::{Config, Route},
    rows::{Detail, Device, DeviceId, PULL, PULL_UNTIL},
    turn::Turn,
};
use campaign::job::Outcome;
use std::collections::BTreeMap;

/// The name of the route that is for a device; `None` when none is.
pub(crate) fn choose<'a>(config: &'a Config, id: &DeviceId, device: &Device) -> Option<&'a str> {
    // Most deployments have one route for all: nothing is looked at then.
    if let Some(only) = config.routes.first().filter(|route| route.when().is_none()) {
        return Some(only.name());
    }
    let fields = advance::fields(id, device, None, BTreeMap::new());
    let meets = |route: &&Route| route.when().is_none_or(|when| when.matches(&fields));
    config.routes.iter().find(meets).map(Route::name)
}

/// The route of most devices, as far as the settings tell: the one that takes all that no condition picks.
pub(crate) fn of_most(config: &Config) -> &str {
    let for_all = config.routes.iter().find(|route| route.when().is_none());
    for_all.or_else(|| config.routes.first()).map_or(PULL, Route::name)
}

/// The routes that no device is ever notified over: behind one that takes all, and no fallback of any.
pub(crate) fn idle(config: &Config) -> impl Iterator<Item = &str> {
    let for_all = config.routes.iter().position(|route| route.when().is_none());
    let behind = for_all.map_or(config.routes.len(), |place| place + 1);
    let idle = |name: &&str| {
        !config.routes.iter().any(|other| other.fallback().iter().any(|named| named == name))
    };
    config.routes.iter().skip(behind).map(Route::name).filter(idle)
}

/// Gives a waiting job to the route that its device's notifications take now. True when it waits where it should.
pub(crate) fn stays(turn: &mut Turn, seq: u64, config: &Config) -> bool {
    let Some(active) = turn.device.job(seq) else { return true };
    if active.route == PULL || active.route == PULL_UNTIL {
        return true;
    }
    let was = active.route.clone();
    match choose(config, turn.id(), &turn.device) {
        Some(route) if route == was => true,
        Some(route) => {
            move_to(turn, seq, route);
            false
        }
        None => {
            end(turn, seq);
            false
        }
    }
}

/// Lets a job wait for its turn on another route.
pub(crate) fn move_to(turn: &mut Turn, seq: u64, route: &str) {
    let now = turn.now();
    if let Some(active) = turn.device.job_mut(seq) {
        route.clone_into(&mut active.route);
        active.job = active.job.on_postponed(now);
    }
}

/// Why a device cannot be notified at all.
pub(crate) const NO_ROUTE: &str = "no route is for this device: it meets no `when`";

/// Ends a job that nothing can carry to its device.
pub(crate) fn end(turn: &mut Turn, seq: u64) {
    let why = NO_ROUTE.to_owned();
    let detail = Detail { uri: None, status: None, phase: None, why: Some(why) };
    turn.end(seq, Outcome::Unreachable, Some(detail));
}
