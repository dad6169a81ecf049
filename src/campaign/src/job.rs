//! One device's part in one campaign: its states, and what each event makes of them.
//!
//! The rows of the architecture's table of jobs, as functions from a state and an event to the next state. Each is total: an
//! event that means nothing in a state leaves it as it is, so late and repeated events are harmless, and [`Job::Ended`] is
//! never left. Two promises are tested with every sequence of events: a job has one outcome, and a job of which a write was
//! sent is never cancelled or expired but brought to a proven end, or reported as broken.

use crate::retry::Retry;
use crate::time::Instant;
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub use crate::outcome::Outcome;

/// Where a job is. What is common to all states, and survives going back to waiting, is in [`SoFar`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Job {
    /// Not yet notified, or to be notified again; in a pull campaign, waiting for the device to come by itself.
    Waiting {
        not_before: Instant,
        so_far: SoFar,
    },
    /// A notification with this session id is out; the device has until `deadline` to open its session.
    Notified {
        sid: u16,
        deadline: Instant,
        so_far: SoFar,
    },
    /// The device is in a session that works on this job.
    InSession {
        phase: Phase,
        deadline: Instant,
        so_far: SoFar,
    },
    /// Written. The proof is to come, in this session or when the device appears again.
    Proving {
        deadline: Instant,
        so_far: SoFar,
    },
    /// The proof failed; the values read before are being put back.
    Reverting {
        deadline: Instant,
        so_far: SoFar,
    },
    Ended {
        outcome: Outcome,
        so_far: SoFar,
    },
}

/// What happened to a job so far. Each flag is set once and stays, so each is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoFar {
    /// Notifications sent.
    pub attempts: u8,
    /// The first notification was not answered in time.
    pub silent: bool,
    /// A session worked on this job.
    pub connected: bool,
    /// A write was sent. From here on the device must be read again before anything is said about it.
    pub written: bool,
}

/// What a session is doing for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    Query,
    Ask,
    Write,
    Prove,
}

/// What a campaign grants each of its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub retry: Retry,
    /// From a notification to the session that answers it.
    pub answer_within: Duration,
    /// Nothing is notified: the device comes by itself.
    pub pull: bool,
}

impl Job {
    /// A job as it is enrolled.
    pub fn new(not_before: Instant) -> Self {
        Self::Waiting { not_before, so_far: SoFar::default() }
    }

    pub fn so_far(&self) -> SoFar {
        match *self {
            Self::Waiting { so_far, .. }
            | Self::Notified { so_far, .. }
            | Self::InSession { so_far, .. }
            | Self::Proving { so_far, .. }
            | Self::Reverting { so_far, .. }
            | Self::Ended { so_far, .. } => so_far,
        }
    }

    pub fn outcome(&self) -> Option<Outcome> {
        match *self {
            Self::Ended { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    pub fn ended(&self) -> bool {
        self.outcome().is_some()
    }

    /// A write was sent in an earlier session: what the device has now must be read before anything else.
    pub fn must_reread(&self) -> bool {
        self.so_far().written
    }

    /// The instant at which [`Self::on_deadline`] is due. None for a job that waits (its queue holds the instant) or ended.
    pub fn deadline(&self) -> Option<Instant> {
        match *self {
            Self::Notified { deadline, .. }
            | Self::InSession { deadline, .. }
            | Self::Proving { deadline, .. }
            | Self::Reverting { deadline, .. } => Some(deadline),
            Self::Waiting { .. } | Self::Ended { .. } => None,
        }
    }

    /// A notification with session id `sid` went out at `now`.
    pub fn on_notified(self, sid: u16, now: Instant, terms: &Terms) -> Self {
        let mut so_far = self.so_far();
        so_far.attempts = so_far.attempts.saturating_add(1);
        match self {
            Self::Waiting { .. } | Self::Notified { .. } => {
                Self::Notified { sid, deadline: now.plus(terms.answer_within), so_far }
            }
            // The device was faster than the dispatcher's commit: only the attempt is added.
            Self::InSession { phase, deadline, .. } => Self::InSession { phase, deadline, so_far },
            Self::Proving { deadline, .. } => Self::Proving { deadline, so_far },
            Self::Reverting { deadline, .. } => Self::Reverting { deadline, so_far },
            Self::Ended { .. } => self,
        }
    }

    /// Looks at the deadline; before it, nothing happens. `dice` is any random number, for the jitter of the pause.
    pub fn on_deadline(self, now: Instant, dice: u64, terms: &Terms) -> Self {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return self;
        }
        match self {
            Self::Notified { mut so_far, .. } => {
                so_far.silent |= so_far.attempts <= 1 && !so_far.connected;
                so_far.again(now, dice, terms)
            }
            Self::InSession { .. } => self.on_session_lost(now, dice, terms),
            Self::Proving { so_far, .. } | Self::Reverting { so_far, .. } => {
                Self::Ended { outcome: Outcome::Broken, so_far }
            }
            Self::Waiting { .. } | Self::Ended { .. } => self,
        }
    }

    /// The device opened a session, which must move on before `deadline`. Also a restarted session.
    pub fn on_session_started(self, deadline: Instant) -> Self {
        let so_far = SoFar { connected: true, ..self.so_far() };
        match self {
            Self::Waiting { .. }
            | Self::Notified { .. }
            | Self::InSession { .. }
            | Self::Proving { .. } => Self::InSession { phase: Phase::Query, deadline, so_far },
            Self::Reverting { .. } => Self::Reverting { deadline, so_far },
            Self::Ended { .. } => self,
        }
    }

    /// The session went on, to this phase.
    pub fn on_phase(self, phase: Phase, deadline: Instant) -> Self {
        match self {
            Self::InSession { so_far, .. } => Self::InSession { phase, deadline, so_far },
            other => other,
        }
    }

    /// The answer now leaving carries the job's first write.
    pub fn on_write_sent(self, deadline: Instant) -> Self {
        if self.ended() {
            return self;
        }
        let so_far = SoFar { connected: true, written: true, ..self.so_far() };
        Self::InSession { phase: Phase::Write, deadline, so_far }
    }

    /// All is written; what proves it has been asked for.
    pub fn on_proving(self, deadline: Instant) -> Self {
        match self {
            Self::InSession { so_far, .. } => Self::Proving { deadline, so_far },
            other => other,
        }
    }

    /// The session ended without ending this job: cut off, given up, or past its deadline.
    pub fn on_session_lost(self, now: Instant, dice: u64, terms: &Terms) -> Self {
        match self {
            Self::InSession { so_far, .. } | Self::Proving { so_far, .. } => {
                so_far.again(now, dice, terms)
            }
            other => other,
        }
    }

    /// The session brought the job to its end.
    pub fn on_outcome(self, outcome: Outcome) -> Self {
        if self.ended() { self } else { Self::Ended { outcome, so_far: self.so_far() } }
    }

    /// An operator or a stop rule aborted the campaign.
    pub fn on_abort(self, now: Instant, terms: &Terms) -> Self {
        self.on_stop(Outcome::Cancelled, now, terms)
    }

    /// The campaign's end came.
    pub fn on_expire(self, now: Instant, terms: &Terms) -> Self {
        self.on_stop(Outcome::Expired, now, terms)
    }

    /// Untouched devices end at once. Of one that was written to nobody knows what it has: a session goes on, and a device that
    /// is away has once more `answer_within` to come back and be read, without being notified any more.
    fn on_stop(self, outcome: Outcome, now: Instant, terms: &Terms) -> Self {
        match self {
            Self::Ended { .. } | Self::Reverting { .. } => self,
            _ if !self.so_far().written => self.on_outcome(outcome),
            Self::Waiting { so_far, .. } | Self::Notified { so_far, .. } => {
                Self::Proving { deadline: now.plus(terms.answer_within), so_far }
            }
            Self::InSession { .. } | Self::Proving { .. } => self,
        }
    }
}

impl SoFar {
    /// Waits for the next attempt, or ends after the last.
    fn again(self, now: Instant, dice: u64, terms: &Terms) -> Job {
        if terms.pull {
            Job::Waiting { not_before: now, so_far: self }
        } else if !terms.retry.is_last(self.attempts) {
            Job::Waiting {
                not_before: now.plus(terms.retry.pause(self.attempts, dice)),
                so_far: self,
            }
        } else if self.written {
            Job::Ended { outcome: Outcome::Broken, so_far: self }
        } else {
            Job::Ended { outcome: Outcome::Unreachable, so_far: self }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TERMS: Terms = Terms {
        retry: Retry { attempts: 3, base: Duration::from_secs(60), cap: Duration::from_secs(600) },
        answer_within: Duration::from_secs(600),
        pull: false,
    };
    const PULL: Terms = Terms { pull: true, ..TERMS };
    const NOW: Instant = Instant(1_000_000);
    const LATER: Instant = Instant(2_000_000);

    fn notified() -> Job {
        Job::new(NOW).on_notified(7, NOW, &TERMS)
    }

    fn in_session() -> Job {
        notified().on_session_started(LATER)
    }

    fn written() -> Job {
        in_session().on_write_sent(LATER)
    }

    #[test]
    fn r23_a_silent_device_is_retried_on_schedule_then_given_up() {
        let mut job = Job::new(NOW);
        let mut now = NOW;
        for attempt in 1..=3 {
            job = job.on_notified(7, now, &TERMS);
            assert_eq!(job.so_far().attempts, attempt);
            let deadline = job.deadline().unwrap();
            assert_eq!(
                job.on_deadline(Instant(deadline.0 - 1), 0, &TERMS),
                job,
                "not before the deadline"
            );
            job = job.on_deadline(deadline, 0, &TERMS);
            assert!(job.so_far().silent, "known after the first answer_within");
            now = deadline;
        }
        assert_eq!(job.outcome(), Some(Outcome::Unreachable));
    }

    #[test]
    fn a_device_that_comes_in_time_is_not_silent() {
        let job = in_session().on_outcome(Outcome::Applied);
        assert_eq!(
            job,
            Job::Ended {
                outcome: Outcome::Applied,
                so_far: SoFar { attempts: 1, connected: true, ..SoFar::default() }
            }
        );
    }

    #[test]
    fn before_a_write_an_abort_cancels_and_expiry_expires() {
        for job in [Job::new(NOW), notified(), in_session()] {
            assert_eq!(job.on_abort(NOW, &TERMS).outcome(), Some(Outcome::Cancelled));
            assert_eq!(job.on_expire(NOW, &TERMS).outcome(), Some(Outcome::Expired));
        }
    }

    #[test]
    fn after_a_write_the_session_goes_on_through_abort_and_expiry() {
        assert_eq!(written().on_abort(NOW, &TERMS), written());
        assert_eq!(written().on_expire(NOW, &TERMS), written());
        let proving = written().on_proving(LATER);
        assert_eq!(proving.on_abort(NOW, &TERMS), proving);
    }

    #[test]
    fn a_session_lost_before_a_write_is_tried_again_from_the_start() {
        let job = in_session().on_session_lost(NOW, 0, &TERMS);
        assert!(matches!(job, Job::Waiting { .. }) && !job.must_reread());
    }

    #[test]
    fn a_session_lost_after_a_write_must_read_again() {
        let job = written().on_deadline(LATER, 0, &TERMS);
        assert!(matches!(job, Job::Waiting { .. }) && job.must_reread());
        let stopped = job.on_abort(LATER, &TERMS);
        assert_eq!(
            stopped.deadline(),
            Some(LATER.plus(TERMS.answer_within)),
            "it may still come and be read"
        );
        assert!(matches!(
            stopped.on_session_started(LATER),
            Job::InSession { phase: Phase::Query, .. }
        ));
        assert_eq!(
            stopped.on_deadline(LATER.plus(TERMS.answer_within), 0, &TERMS).outcome(),
            Some(Outcome::Broken)
        );
    }

    #[test]
    fn r11_a_pull_job_waits_without_counting_attempts() {
        let lost = Job::new(NOW).on_session_started(LATER).on_session_lost(NOW, 0, &PULL);
        assert_eq!(
            lost,
            Job::Waiting { not_before: NOW, so_far: SoFar { connected: true, ..SoFar::default() } }
        );
    }

    #[test]
    fn a_notification_committed_after_its_session_only_adds_the_attempt() {
        let early = Job::new(NOW).on_session_started(LATER);
        let job = early.on_notified(7, NOW, &TERMS);
        assert_eq!(job.so_far().attempts, 1);
        assert!(matches!(job, Job::InSession { .. }));
    }

    #[derive(Debug, Clone)]
    enum Event {
        Notified,
        Deadline,
        Session,
        Phase,
        Write,
        Proving,
        Lost,
        Outcome(Outcome),
        Abort,
        Expire,
    }

    impl Event {
        fn apply(&self, job: Job, now: Instant, dice: u64, terms: &Terms) -> Job {
            let deadline = now.plus(Duration::from_secs(30));
            match self {
                Self::Notified => job.on_notified(7, now, terms),
                Self::Deadline => {
                    job.on_deadline(job.deadline().unwrap_or(now).max(now), dice, terms)
                }
                Self::Session => job.on_session_started(deadline),
                Self::Phase => job.on_phase(Phase::Ask, deadline),
                Self::Write => job.on_write_sent(deadline),
                Self::Proving => job.on_proving(deadline),
                Self::Lost => job.on_session_lost(now, dice, terms),
                Self::Outcome(outcome) => job.on_outcome(*outcome),
                Self::Abort => job.on_abort(now, terms),
                Self::Expire => job.on_expire(now, terms),
            }
        }
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => Just(Event::Notified),
            4 => Just(Event::Deadline),
            4 => Just(Event::Session),
            2 => Just(Event::Phase),
            3 => Just(Event::Write),
            2 => Just(Event::Proving),
            3 => Just(Event::Lost),
            1 => prop_oneof![Just(Outcome::Applied), Just(Outcome::Declined), Just(Outcome::Failed)].prop_map(Event::Outcome),
            1 => Just(Event::Abort),
            1 => Just(Event::Expire),
        ]
    }

    proptest! {
        #[test]
        fn a_job_has_one_outcome_and_is_never_cancelled_after_a_write(
            events in proptest::collection::vec(event(), 0..40), pull: bool, dice: u64
        ) {
            let terms = if pull { PULL } else { TERMS };
            let (mut job, mut now) = (Job::new(NOW), NOW);
            for event in events {
                now = now.plus(Duration::from_secs(1));
                let before = job;
                job = event.apply(job, now, dice, &terms);
                if before.ended() {
                    prop_assert_eq!(job, before);
                }
                if before.so_far().written {
                    prop_assert!(job.so_far().written);
                    prop_assert!(!matches!(job.outcome(), Some(Outcome::Cancelled | Outcome::Expired | Outcome::Unreachable)));
                }
                prop_assert!(!before.so_far().silent || job.so_far().silent);
                prop_assert!(!before.so_far().connected || job.so_far().connected);
            }
        }

        #[test]
        fn whatever_happened_a_job_ends_when_its_campaign_does(
            events in proptest::collection::vec(event(), 0..40), pull: bool, abort: bool, dice: u64
        ) {
            let terms = if pull { PULL } else { TERMS };
            let (mut job, mut now) = (Job::new(NOW), NOW);
            for event in events {
                now = now.plus(Duration::from_secs(1));
                job = event.apply(job, now, dice, &terms);
            }
            // The sweeper of an ending campaign and the deadlines are all that still happens.
            for _ in 0..4 {
                job = if abort { job.on_abort(now, &terms) } else { job.on_expire(now, &terms) };
                now = job.deadline().unwrap_or(now);
                job = job.on_deadline(now, dice, &terms);
            }
            prop_assert!(job.ended(), "{:?}", job);
        }

        #[test]
        fn a_push_job_that_nobody_stops_ends_after_its_attempts(
            events in proptest::collection::vec(event(), 0..40), dice: u64
        ) {
            let (mut job, mut now) = (Job::new(NOW), NOW);
            for event in events {
                now = now.plus(Duration::from_secs(1));
                job = event.apply(job, now, dice, &TERMS);
            }
            for _ in 0..10 {
                if let Job::Waiting { not_before, .. } = job {
                    job = job.on_notified(7, not_before, &TERMS);
                }
                now = job.deadline().unwrap_or(now);
                job = job.on_deadline(now, dice, &TERMS);
            }
            prop_assert!(job.ended(), "{:?}", job);
        }
    }
}
