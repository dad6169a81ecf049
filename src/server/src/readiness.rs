//! Whether this process can do its work, part by part.
//!
//! A part that can be away says how it is whenever that changes; `/health/ready` tells them all, and the process is ready
//! when each of them is. Nobody is asked about a part that this process has no use for: only what was once mentioned counts.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What a process needs for its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Where rows, queues, counters and events live.
    Store,
    /// The campaigns in memory: looked at within the last second.
    Campaigns,
    /// Where work comes in and results go out.
    Broker,
    /// The settings that all processes of a deployment must share.
    Configuration,
}

impl Part {
    pub const ALL: [Self; 4] = [Self::Store, Self::Campaigns, Self::Broker, Self::Configuration];

    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Campaigns => "campaigns",
            Self::Broker => "broker",
            Self::Configuration => "configuration",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the parts are.
///
/// ```
/// # use server::readiness::{Part, Readiness};
/// let readiness = Readiness::default();
/// readiness.not_ready(Part::Broker, "not connected yet");
/// assert_eq!(readiness.parts(), [(Part::Broker, Some("not connected yet".to_owned()))]);
/// readiness.ready(Part::Broker);
/// assert!(readiness.all_ready());
/// ```
#[derive(Debug, Default)]
pub struct Readiness(Mutex<BTreeMap<Part, Option<String>>>);

impl Readiness {
    /// The part does its work. Cheap when it did already: may be said as often as it is true.
    pub fn ready(&self, part: Part) {
        if self.lock().insert(part, None).is_some_and(|was| was.is_some()) {
            tracing::info!(%part, "is ready again");
        }
    }

    /// The part does not do its work. `why` is a sentence for an operator that says what to look at; it is answered to
    /// whoever asks for `/health/ready`, so it holds no secret and no URL with a password.
    pub fn not_ready(&self, part: Part, why: impl Into<String>) {
        let why = why.into();
        let was = self.lock().insert(part, Some(why.clone()));
        if was.flatten().as_ref() != Some(&why) {
            tracing::warn!(%part, why, "is not ready");
        }
    }

    /// Every part that was mentioned, with what is wrong with it.
    pub fn parts(&self) -> Vec<(Part, Option<String>)> {
        self.lock().iter().map(|(part, why)| (*part, why.clone())).collect()
    }

    pub fn all_ready(&self) -> bool {
        self.lock().values().all(Option::is_none)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Part, Option<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_that_is_away_makes_the_whole_not_ready_and_is_named() {
        let readiness = Readiness::default();
        assert!(readiness.all_ready(), "nothing is needed, so nothing is missing");
        readiness.ready(Part::Store);
        readiness.not_ready(Part::Broker, "the broker closed the connection");
        assert!(!readiness.all_ready());
        assert_eq!(
            readiness.parts(),
            [
                (Part::Store, None),
                (Part::Broker, Some("the broker closed the connection".to_owned()))
            ]
        );
        readiness.ready(Part::Broker);
        assert!(readiness.all_ready());
    }
}
