//! How far a campaign is, as the sum of its counters over all shards.
//!
//! A counter is a field name and a number. The names are constants here, and [`moved`] is the one place that says which of
//! them a step of a job adds to, so what is counted once in a job's life is counted once in the sum.

use crate::job::{Job, Outcome};
use serde::{Deserialize, Serialize};

/// Jobs enrolled.
pub const ENROLLED: &str = "enrolled";
/// Devices notified at least once.
pub const NOTIFIED: &str = "m.notified";
/// Devices whose first notification was not answered in time.
pub const SILENT: &str = "m.silent";
/// Devices of which a session worked on the job.
pub const CONNECTED: &str = "m.connected";
/// Devices to which a write was sent.
pub const WRITTEN: &str = "m.written";

/// The counters that a job's step from `before` to `after` adds one to. Enrolment counts [`ENROLLED`] itself.
pub fn moved(before: &Job, after: &Job) -> Vec<&'static str> {
    let (was, is) = (before.so_far(), after.so_far());
    let mut fields = Vec::new();
    let mut count = |field, before: bool, after: bool| {
        if after && !before {
            fields.push(field);
        }
    };
    count(NOTIFIED, was.attempts > 0, is.attempts > 0);
    count(SILENT, was.silent, is.silent);
    count(CONNECTED, was.connected, is.connected);
    count(WRITTEN, was.written, is.written);
    if let (None, Some(outcome)) = (before.outcome(), after.outcome()) {
        fields.push(outcome.field());
    }
    fields
}

/// The sums. Counters of shards are read one after another, so a sum may be a moment behind itself, never ahead of the truth
/// for good.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub enrolled: u64,
    pub notified: u64,
    pub silent: u64,
    pub connected: u64,
    pub written: u64,
    /// Ended jobs, in the order of [`Outcome::ALL`].
    outcomes: [u64; Outcome::ALL.len()],
}

impl Progress {
    /// Adds up counters of any number of shards. Fields of other meaning are passed over; what is below zero counts as zero.
    pub fn from_counters<'a>(counters: impl IntoIterator<Item = (&'a str, i64)>) -> Self {
        let mut sum = Self::default();
        for (field, by) in counters {
            sum.add(field, by);
        }
        sum
    }

    pub fn add(&mut self, field: &str, by: i64) {
        let counter = match field {
            ENROLLED => Some(&mut self.enrolled),
            NOTIFIED => Some(&mut self.notified),
            SILENT => Some(&mut self.silent),
            CONNECTED => Some(&mut self.connected),
            WRITTEN => Some(&mut self.written),
            other => other
                .strip_prefix("o.")
                .and_then(Outcome::from_name)
                .and_then(|outcome| self.outcomes.get_mut(outcome as usize)),
        };
        if let Some(counter) = counter {
            *counter = counter.saturating_add_signed(by);
        }
    }

    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(outcome as usize).copied().unwrap_or_default()
    }

    /// Each outcome that occurred, with its count.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL
            .into_iter()
            .map(|outcome| (outcome, self.outcome(outcome)))
            .filter(|(_, count)| *count > 0)
    }

    pub fn ended(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Jobs without an outcome yet.
    pub fn active(&self) -> u64 {
        self.enrolled.saturating_sub(self.ended())
    }

    pub fn proven(&self) -> u64 {
        self.outcomes().filter(|(outcome, _)| outcome.is_proven()).map(|(_, count)| count).sum()
    }

    pub fn failed(&self) -> u64 {
        self.outcomes().filter(|(outcome, _)| outcome.is_failure()).map(|(_, count)| count).sum()
    }

    /// Whether nothing more can happen: every device that belongs to the campaign is enrolled, and every job has its outcome.
    ///
    /// A sum taken while jobs are enrolled could balance by chance; `enrolment_complete` must therefore have been read before
    /// the counters were.
    pub fn finished(&self, enrolment_complete: bool) -> bool {
        enrolment_complete && self.ended() == self.enrolled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Terms;
    use crate::retry::Retry;
    use crate::time::Instant;
    use std::time::Duration;

    const TERMS: Terms = Terms {
        retry: Retry { attempts: 2, base: Duration::from_secs(1), cap: Duration::from_secs(1) },
        answer_within: Duration::from_secs(10),
        pull: false,
        pull_until: None,
    };

    #[test]
    fn each_milestone_of_a_job_is_counted_once() {
        let (start, end) = (Instant(0), Instant(1_000_000));
        let steps: [fn(Job) -> Job; 8] = [
            |job| job.on_notified(1, Instant(0), &TERMS),
            |job| job.on_deadline(Instant(10_000), 0, &TERMS),
            |job| job.on_notified(1, Instant(12_000), &TERMS),
            |job| job.on_session_started(Instant(1_000_000)),
            |job| job.on_write_sent(Instant(1_000_000)),
            |job| job.on_session_started(Instant(1_000_000)),
            |job| job.on_outcome(Outcome::Applied),
            |job| job.on_outcome(Outcome::Failed),
        ];
        let mut job = Job::new(start);
        let mut counted = vec![ENROLLED];
        for step in steps {
            let after = step(job);
            counted.extend(moved(&job, &after));
            job = after;
        }
        assert_eq!(counted, [ENROLLED, NOTIFIED, SILENT, CONNECTED, WRITTEN, "o.applied"]);
        let progress = Progress::from_counters(counted.into_iter().map(|field| (field, 1)));
        assert!(progress.finished(true) && !progress.finished(false));
        assert_eq!((progress.proven(), progress.failed(), progress.active()), (1, 0, 0));
        assert!(end > start);
    }

    #[test]
    fn shards_add_up_and_unknown_fields_are_passed_over() {
        let progress = Progress::from_counters([
            (ENROLLED, 3),
            (ENROLLED, 4),
            ("o.failed", 2),
            ("o.broken", 1),
            ("o.nonsense", 9),
            ("w1.x", 5),
        ]);
        assert_eq!(
            (progress.enrolled, progress.ended(), progress.failed(), progress.active()),
            (7, 3, 3, 4)
        );
        assert!(!progress.finished(true));
    }
}
