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

#[cfg(test)]
mod tests;

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
    /// All is done but work that the device took up (202); it will report, in whatever session.
    Awaiting {
        deadline: Instant,
        /// The settings on which the word is to come: bit n is that of the nth.
        open: u128,
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
    /// Nothing is notified before this instant: until then the device may come by itself.
    pub pull_until: Option<Instant>,
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
            | Self::Awaiting { so_far, .. }
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
            | Self::Reverting { deadline, .. }
            | Self::Awaiting { deadline, .. } => Some(deadline),
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
            Self::Awaiting { deadline, open, .. } => Self::Awaiting { deadline, open, so_far },
            Self::Ended { .. } => self,
        }
    }

    /// It may not be notified before `not_before`: a window closed, or a limit is used up. Anything but waiting goes on.
    pub fn on_postponed(self, not_before: Instant) -> Self {
        match self {
            Self::Waiting { so_far, .. } => Self::Waiting { not_before, so_far },
            other => other,
        }
    }

    /// The network refused the notification for the time being: an attempt is used up, and the next one comes after a pause.
    pub fn on_refused(self, now: Instant, dice: u64, terms: &Terms) -> Self {
        match self {
            Self::Waiting { mut so_far, .. } => {
                so_far.attempts = so_far.attempts.saturating_add(1);
                so_far.again(now, dice, terms)
            }
            other => other,
        }
    }

    /// The network has given the notification up: the next attempt need not wait for the deadline of this one.
    pub fn on_undelivered(self, now: Instant, dice: u64, terms: &Terms) -> Self {
        match self {
            Self::Notified { so_far, .. } => so_far.again(now, dice, terms),
            other => other,
        }
    }

    /// The device was here, in a session that could work on nothing: it is called again at once, whatever attempts are left.
    pub fn on_call_again(self, now: Instant) -> Self {
        match self {
            Self::Notified { so_far, .. } => {
                Self::Waiting { not_before: now, so_far: SoFar { connected: true, ..so_far } }
            }
            other => other,
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
            // It took the work up and never said how that went.
            Self::Awaiting { so_far, .. } => Self::Ended { outcome: Outcome::Failed, so_far },
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
            // No session works on it: there is nothing to do but to hear the word.
            Self::Awaiting { .. } | Self::Ended { .. } => self,
        }
    }

    /// The session went on, to this phase.
    pub fn on_phase(self, phase: Phase, deadline: Instant) -> Self {
        match self {
            Self::InSession { so_far, .. } => Self::InSession { phase, deadline, so_far },
            other => other,
        }
    }

    /// The session goes on in the same phase.
    pub fn on_going_on(self, deadline: Instant) -> Self {
        match self {
            Self::InSession { phase, so_far, .. } => Self::InSession { phase, deadline, so_far },
            other => other,
        }
    }

    /// The answer now leaving carries the job's first write.
    pub fn on_write_sent(self, deadline: Instant) -> Self {
        if self.ended() || matches!(self, Self::Awaiting { .. }) {
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

    /// All is done but work that the device took up: it has until `deadline` to report on each of the settings in `places`.
    pub fn on_accepted(self, places: &[u8], deadline: Instant) -> Self {
        let open = places.iter().fold(0, |open, place| open | bit(*place));
        match self {
            Self::InSession { so_far, .. } if open != 0 => {
                Self::Awaiting { deadline, open, so_far }
            }
            other => other,
        }
    }

    /// The device reported on the setting at `place`.
    pub fn on_word(self, place: u8, done: bool) -> Self {
        match self {
            Self::Awaiting { deadline, open, so_far } if open & bit(place) != 0 => {
                match open & !bit(place) {
                    _ if !done => Self::Ended { outcome: Outcome::Failed, so_far },
                    0 => Self::Ended { outcome: Outcome::Applied, so_far },
                    open => Self::Awaiting { deadline, open, so_far },
                }
            }
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
            Self::Ended { .. } | Self::Reverting { .. } | Self::Awaiting { .. } => self,
            _ if !self.so_far().written => self.on_outcome(outcome),
            Self::Waiting { so_far, .. } | Self::Notified { so_far, .. } => {
                Self::Proving { deadline: now.plus(terms.answer_within), so_far }
            }
            Self::InSession { .. } | Self::Proving { .. } => self,
        }
    }
}

/// The bit of a setting; none for a place that no campaign has.
fn bit(place: u8) -> u128 {
    1_u128.checked_shl(u32::from(place)).unwrap_or_default()
}

impl SoFar {
    /// Waits for the next attempt, or ends after the last.
    fn again(self, now: Instant, dice: u64, terms: &Terms) -> Job {
        if terms.pull {
            Job::Waiting { not_before: now, so_far: self }
        } else if let Some(until) = terms.pull_until.filter(|until| now < *until) {
            Job::Waiting { not_before: until, so_far: self }
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
