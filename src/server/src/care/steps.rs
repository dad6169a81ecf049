//! What happens to a care job: a row for the last step of each kind, and an event at once (R20).
//!
//! Most steps are seen by comparing the device's row with what it was, in the change that moves it; so no path of a job forgets
//! one, and none is told that did not happen.

use super::{
    LONGEST, SEQ,
    rows::{KEEP, StepRow},
};
use crate::{
    events::Event,
    rows::{ActiveJob, Detail, DeviceId, Stored},
    store::Change,
};
use campaign::{
    Outcome,
    job::{Job, Phase},
    time::Instant,
};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal, $error:literal;)+) => {
        /// The kinds of steps, in the order of a life without trouble; those that say that something went wrong are errors.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Kind { $($(#[doc = $doc])+ $kind,)+ }

        impl Kind {
            pub(crate) const ALL: [Self; [$(Self::$kind),+].len()] = [$(Self::$kind),+];

            /// The word for it in views and events.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            fn is_error(self) -> bool {
                match self { $(Self::$kind => $error,)+ }
            }
        }
    };
}

kinds! {
    /// The device has the job.
    Accepted = "accepted", false;
    /// No notification could be handed over.
    NotNotified = "not_notified", true;
    /// A notification left.
    Notified = "notified", false;
    /// The carrier gave a notification up.
    Undelivered = "undelivered", true;
    /// Nobody answered a notification in time.
    Silent = "silent", true;
    /// The device has proven itself in a session that works on the job. (A message that proves nothing leaves no trace.)
    Connected = "connected", false;
    /// Values came.
    Read = "read", false;
    /// A write was sent.
    Writing = "writing", false;
    /// What was written is being read back.
    Proving = "proving", false;
    /// The session broke off.
    Lost = "lost", true;
    /// It has its outcome.
    Ended = "ended", false;
}

/// Adds to a change what became of the device's care job in it. The words that there are go with the step that they explain.
pub(crate) fn tell(
    change: Change,
    id: &DeviceId,
    (before, after): (Option<&ActiveJob>, Option<&ActiveJob>),
    now: Instant,
    words: Option<Detail>,
) -> Change {
    let Some(active) = after else { return change };
    let was = before.map_or_else(|| Job::new(now), |before| before.job);
    let is = active.job;
    let (so_far, is_now) = (was.so_far(), is.so_far());
    let attempt = is_now.attempts;
    let mut kinds = Vec::new();
    let mut note = |kind, happened: bool| {
        if happened {
            kinds.push(kind);
        }
    };
    let waits = matches!(is, Job::Waiting { .. });
    let proving =
        |job: &Job| matches!(job, Job::Proving { .. } | Job::InSession { phase: Phase::Prove, .. });
    note(Kind::Accepted, before.is_none());
    note(Kind::NotNotified, waits && matches!(was, Job::Waiting { .. }) && words.is_some());
    note(Kind::Notified, is_now.attempts > so_far.attempts && !waits);
    if let Job::Notified { deadline, .. } = was
        && (waits || is.outcome() == Some(Outcome::Unreachable))
    {
        note(Kind::Silent, deadline <= now);
        // Unless the device was here to change nonces.
        note(Kind::Undelivered, deadline > now && is_now.connected == so_far.connected);
    }
    let in_session = |job: &Job| matches!(job, Job::InSession { .. });
    note(
        Kind::Connected,
        is_now.connected && !in_session(&was) && (in_session(&is) || !so_far.connected),
    );
    note(Kind::Writing, is_now.written && !so_far.written);
    note(Kind::Proving, proving(&is) && !proving(&was));
    note(Kind::Lost, waits && matches!(was, Job::InSession { .. } | Job::Proving { .. }));
    let outcome = is.outcome().filter(|_| was.outcome().is_none());
    note(Kind::Ended, outcome.is_some());
    let last = kinds.last().copied();
    let mut words = words;
    kinds.into_iter().fold(change, |change, kind| {
        let (detail, outcome) =
            if Some(kind) == last { (words.take(), outcome) } else { (None, None) };
        let step = StepRow { at: now, attempt, outcome, detail };
        add(change, id, active.run, kind, &step)
    })
}

/// Adds one step, and the event that tells of it.
pub(crate) fn add(change: Change, id: &DeviceId, run: u16, kind: Kind, step: &StepRow) -> Change {
    let failed = step.outcome.is_some_and(|outcome| !outcome.is_proven());
    let event = Event::Care {
        device: id.clone(),
        run,
        at: step.at,
        step: kind.name().to_owned(),
        attempt: step.attempt,
        error: kind.is_error() || failed,
        outcome: step.outcome,
        detail: step.detail.clone(),
    };
    change
        .put_for(StepRow::key(id, run, kind as u8), step.to_octets(), KEEP + LONGEST)
        .event(event.to_octets())
}

/// The event that tells of a node that could not be read.
pub(crate) fn unread(id: &DeviceId, job: &ActiveJob, at: Instant, detail: Detail) -> Vec<u8> {
    debug_assert_eq!(job.seq, SEQ);
    let event = Event::Care {
        device: id.clone(),
        run: job.run,
        at,
        step: "unread".to_owned(),
        attempt: job.job.so_far().attempts,
        error: true,
        outcome: None,
        detail: Some(detail),
    };
    event.to_octets()
}
