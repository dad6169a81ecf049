//! Series of single campaigns: a bounded number of them, gone a while after the campaign's end.

use super::{
    float,
    labels::{CampaignMilestone, Label, State},
};
use crate::{
    campaigns::live::{LiveCampaign, Snapshot},
    clock,
};
use campaign::{job::Outcome, progress::Progress};
use metrics::Gauge;
use prometheus::GaugeVec;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Campaigns that have series of their own at one time. Each has a few dozen.
pub(crate) const MOST_CAMPAIGNS: usize = 200;
/// How long the last figures of a campaign stay: several scrapes, so that its end is seen.
const KEPT: Duration = Duration::from_mins(15);

/// What this process knows of how far campaigns are.
#[derive(Debug)]
pub(crate) struct Campaigns {
    seen: Mutex<BTreeMap<u64, Seen>>,
    milestones: GaugeVec,
    outcomes: GaugeVec,
    state: GaugeVec,
    hidden: Gauge,
    most: usize,
    kept: Duration,
}

/// A campaign as its controller saw it last.
#[derive(Debug)]
struct Seen {
    live: Arc<LiveCampaign>,
    progress: Progress,
    /// Since when it is not among the live ones.
    over: Option<std::time::Instant>,
    /// The state that it is shown in; `None` while it has no series.
    shown: Option<State>,
}

impl Campaigns {
    pub(super) fn new(
        milestones: GaugeVec,
        outcomes: GaugeVec,
        state: GaugeVec,
        hidden: Gauge,
    ) -> Self {
        let seen = Mutex::default();
        Self { seen, milestones, outcomes, state, hidden, most: MOST_CAMPAIGNS, kept: KEPT }
    }

    /// With other bounds than those that stand.
    #[cfg(test)]
    pub(super) fn bounded(self, most: usize, kept: Duration) -> Self {
        Self { most, kept, ..self }
    }

    /// Takes note of a campaign's counters, as its controller summed them.
    pub(crate) fn saw(&self, live: &Arc<LiveCampaign>, progress: &Progress) {
        let mut seen = self.lock();
        let progress = progress.clone();
        if let Some(known) = seen.get_mut(&live.seq) {
            known.progress = progress;
        } else {
            let new = Seen { live: Arc::clone(live), progress, over: None, shown: None };
            seen.insert(live.seq, new);
        }
    }

    /// Each campaign that is not ended, with its counters.
    pub(super) fn for_each(&self, live: &Snapshot, mut look: impl FnMut(&LiveCampaign, &Progress)) {
        for (seq, seen) in &*self.lock() {
            if let Some(live) = live.get(*seq) {
                look(live, &seen.progress);
            }
        }
    }

    /// Brings the series up to what is known.
    pub(super) fn publish(&self, live: &Snapshot) {
        let mut seen = self.lock();
        for (seq, seen) in seen.iter_mut() {
            match live.get(*seq) {
                Some(live) => (seen.live, seen.over) = (Arc::clone(live), None),
                None => _ = seen.over.get_or_insert_with(clock::stopwatch),
            }
        }
        // Those that are not ended come first, the oldest of them first of all, so that none comes and goes.
        let mut places: Vec<(bool, u64)> =
            seen.iter().map(|(seq, seen)| (seen.over.is_some(), *seq)).collect();
        places.sort_unstable();
        let kept: Vec<u64> = places.iter().map(|(_, seq)| *seq).take(self.most).collect();
        let hidden = places.iter().skip(self.most).filter(|(over, _)| !over).count();
        self.hidden.set(float(hidden as u64));
        seen.retain(|seq, seen| {
            let old = seen.over.is_some_and(|since| since.elapsed() > self.kept);
            let shown = !old && kept.contains(seq);
            if shown {
                self.show(seen);
            } else {
                self.hide(seen);
            }
            // A live one without series is still counted in the sums.
            shown || seen.over.is_none()
        });
    }

    fn show(&self, seen: &mut Seen) {
        let id = &seen.live.id;
        let of = |label| [id.authority.as_str(), id.id.as_str(), label];
        for milestone in CampaignMilestone::ALL {
            let jobs = milestone.jobs(&seen.progress);
            self.milestones.with_label_values(&of(milestone.name())).set(float(jobs));
        }
        for outcome in Outcome::ALL {
            let jobs = seen.progress.outcome(outcome);
            // Failures stand there from the start: a share of nothing is no data, where zero is meant.
            if jobs > 0 || outcome.is_failure() {
                self.outcomes.with_label_values(&of(outcome.name())).set(float(jobs));
            }
        }
        let state = if seen.over.is_some() { State::Ended } else { State::from(&seen.live.state) };
        if let Some(was) = seen.shown.replace(state).filter(|was| *was != state) {
            remove(&self.state, &of(was.name()));
        }
        self.state.with_label_values(&of(state.name())).set(1.0);
    }

    fn hide(&self, seen: &mut Seen) {
        let Some(state) = seen.shown.take() else { return };
        let id = &seen.live.id;
        let of = |label| [id.authority.as_str(), id.id.as_str(), label];
        for milestone in CampaignMilestone::ALL {
            remove(&self.milestones, &of(milestone.name()));
        }
        for outcome in Outcome::ALL {
            remove(&self.outcomes, &of(outcome.name()));
        }
        remove(&self.state, &of(state.name()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove(gauges: &GaugeVec, labels: &[&str]) {
    // An error says that it was not there, which is what is wanted.
    drop(gauges.remove_label_values(labels));
}

impl CampaignMilestone {
    fn jobs(self, progress: &Progress) -> u64 {
        match self {
            Self::Enrolled => progress.enrolled,
            Self::Notified => progress.notified,
            Self::Silent => progress.silent,
            Self::Connected => progress.connected,
            Self::Written => progress.written,
            Self::Proven => progress.proven(),
            Self::Reported => progress.ended(),
        }
    }
}
