//! Nonces brought back into step (D5): a device that hears notifications and believes none of them is called once under a
//! nonce of zeros, and gives and takes new nonces in the session that this one call names.
//!
//! A nonce that everybody knows protects nothing, so it is the last resort, and off unless the configuration says
//! otherwise: three notifications must have been *delivered*, each with the whole of its time for an answer; a device is
//! called so once in 30 days; the zeros open one session, under the session id of that call; and nothing is done in it.

use crate::rows::{Auth, Device};
use campaign::time::Instant;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use wire::{digest::Nonce, ids::SessionId};

/// Notifications that must have been delivered and not answered.
const DELIVERED: u8 = 3;
/// Between two such calls to one device.
const REST: Duration = Duration::from_hours(30 * 24);
/// How long the zeros are taken: a device hears of its call late when it is switched off.
const TAKEN: Duration = Duration::from_hours(24);

/// Why a device cannot be reached that did not answer to zeros either.
pub(crate) const IN_VAIN: &str = "notifications were delivered and not believed, and a nonce of zeros did not help; bootstrap the device anew";

/// What a device and a server that lost each other's nonces both know: four octets of zero, as the field clients read
/// `0x00000000`.
pub(crate) fn zeros() -> Nonce {
    Nonce::new(&[0; 4]).expect("four octets are within the bounds of a nonce")
}

/// What is known of a device that does not answer. Of one that does, nothing is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resync {
    /// Notifications in a row that were delivered and that no session has answered.
    delivered: u8,
    /// When the time for an answer to the last of them is over.
    until: Instant,
    call: Option<Call>,
}

/// A notification under zeros.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Call {
    at: Instant,
    sid: u16,
    state: State,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// Nothing yet.
    Out,
    /// The session under zeros.
    Open,
    /// The zeros are worth nothing any more.
    Closed,
}

impl Resync {
    /// The network says that a notification was delivered whose device may answer until `deadline`. Others that came while
    /// that one could still be answered are no further attempts: two jobs of a device, or two parts of one message.
    pub(crate) fn delivered(&mut self, now: Instant, deadline: Instant) {
        if self.delivered == 0 || self.until <= now {
            self.delivered = self.delivered.saturating_add(1);
            self.until = deadline;
        }
    }

    /// Whether the next notification is to be one under zeros.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.delivered >= DELIVERED && self.until <= now && now >= self.rests_until()
    }

    /// Before this there is no other call.
    fn rests_until(&self) -> Instant {
        self.call.as_ref().map_or_else(Instant::default, |call| call.at.plus(REST))
    }

    /// A notification under zeros left, for this session.
    pub(crate) fn called(&mut self, now: Instant, sid: u16) {
        self.call = Some(Call { at: now, sid, state: State::Out });
    }

    /// Whether a session of this id may be opened under zeros now.
    pub(crate) fn admits(&self, session: &SessionId, now: Instant) -> bool {
        self.call.as_ref().is_some_and(|call| {
            call.state == State::Out
                && session.answers_notification(call.sid)
                && now < call.at.plus(TAKEN)
        })
    }

    /// A session begins, and with it the count anew. One under zeros is the only one; after any other there is no need for it.
    pub(crate) fn opened(&mut self, under_zeros: bool, now: Instant) {
        (self.delivered, self.until) = (0, Instant::default());
        if now >= self.rests_until() {
            self.call = None;
        }
        if let Some(call) = &mut self.call {
            call.state = if under_zeros { State::Open } else { State::Closed };
        }
    }

    /// Whether this is the session that was opened under zeros.
    pub(crate) fn is_open(&self, session: &SessionId) -> bool {
        self.call
            .as_ref()
            .is_some_and(|call| call.state == State::Open && session.answers_notification(call.sid))
    }

    /// The session under zeros is over.
    pub(crate) fn closed(&mut self) {
        if let Some(call) = &mut self.call {
            call.state = State::Closed;
        }
    }

    /// Whether zeros were tried on the device and it did not answer to them either.
    pub(crate) fn is_in_vain(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.state == State::Out)
    }

    /// Whether there is nothing to remember.
    pub(crate) fn is_blank(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a device can have lost the nonce of its server: it knows a digest of the server's that is made with one.
pub(crate) fn concerns(device: &Device) -> bool {
    device.server.as_ref().is_some_and(|server| matches!(server.auth, Auth::Md5 | Auth::Hmac))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;
    const DAY: u64 = 24 * 60 * MINUTE;

    fn session(sid: u16) -> SessionId {
        SessionId::from_notification(sid)
    }

    /// Three notifications, ten minutes apart, each with ten minutes for its answer.
    fn unanswered() -> (Resync, Instant) {
        let mut resync = Resync::default();
        for n in 0..3 {
            let now = Instant(n * 10 * MINUTE);
            assert!(!resync.is_due(now));
            resync.delivered(now, now.plus(Duration::from_mins(10)));
        }
        (resync, Instant(30 * MINUTE))
    }

    #[test]
    fn three_delivered_attempts_with_all_their_time_come_before_zeros() {
        let (resync, over) = unanswered();
        assert!(!resync.is_due(Instant(over.0 - 1)), "the last may still be answered");
        assert!(resync.is_due(over));
    }

    #[test]
    fn jobs_at_the_same_time_and_parts_of_a_message_are_one_attempt() {
        let mut resync = Resync::default();
        let deadline = Instant(10 * MINUTE);
        for n in 0..9 {
            resync.delivered(Instant(n), deadline);
        }
        assert!(!resync.is_due(deadline));
    }

    #[test]
    fn a_session_begins_the_count_anew() {
        let (mut resync, over) = unanswered();
        resync.opened(false, over);
        assert!(!resync.is_due(over) && resync.is_blank());
        resync.delivered(over, over.plus(Duration::from_mins(10)));
        assert!(!resync.is_due(Instant(50 * MINUTE)));
    }

    #[test]
    fn a_device_is_called_under_zeros_once_in_thirty_days() {
        let (mut resync, over) = unanswered();
        resync.called(over, 7);
        assert!(!resync.is_due(over) && resync.is_in_vain());
        assert!(!resync.is_due(Instant(over.0 + 30 * DAY - 1)));
        assert!(resync.is_due(Instant(over.0 + 30 * DAY)));
        resync.opened(false, Instant(over.0 + 30 * DAY - 1));
        assert!(!resync.is_blank());
        resync.opened(false, Instant(over.0 + 30 * DAY));
        assert!(resync.is_blank(), "what hinders nothing takes no room");
    }

    #[test]
    fn zeros_open_one_session_of_the_id_that_was_called_and_within_a_day() {
        let (mut resync, over) = unanswered();
        assert!(!resync.admits(&session(7), over));
        resync.called(over, 7);
        assert!(resync.admits(&session(7), over) && !resync.admits(&session(8), over));
        assert!(!resync.admits(&session(7), Instant(over.0 + DAY)));
        resync.opened(true, over);
        assert!(!resync.admits(&session(7), over), "once");
        assert!(resync.is_open(&session(7)) && !resync.is_open(&session(8)));
        resync.closed();
        assert!(!resync.is_open(&session(7)) && !resync.admits(&session(7), over));
    }

    #[test]
    fn a_device_that_proves_itself_otherwise_needs_no_zeros() {
        let (mut resync, over) = unanswered();
        resync.called(over, 7);
        resync.opened(false, over);
        assert!(!resync.admits(&session(7), over) && !resync.is_in_vain());
    }
}
