//! What a session has come to: who has proven what, what was said last, and what is still to be said.

use super::{
    Reason, Terms,
    object::Incoming,
    trust::{ClientProof, ServerProof},
};
use crate::{
    dice::Dice,
    faults::{Fault, Habits},
    identity::Identity,
    verdict::reply::Sent,
};
use std::collections::VecDeque;
use wire::{alert::AlertCode, ids::SessionId, message::Command};

/// The conversation as far as it has come.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    /// The code of the alert that opens it.
    pub(super) reason: AlertCode,
    /// It is the first session of this device.
    pub(super) first: bool,
    /// Where the next message goes.
    pub(super) url: String,
    /// `Target` of the last message.
    pub(super) target: String,
    pub(super) msg_id: u32,
    /// What the last message contained besides the status of the header.
    pub(super) commands: Vec<Command>,
    pub(super) sent: Vec<Sent>,
    pub(super) octets: Vec<u8>,
    /// `x-syncml-hmac` of the last message.
    pub(super) mac: Option<String>,
    /// Of the server's last message; `None` while the device cannot know what comes next.
    pub(super) server_msg_id: Option<u32>,
    pub(super) server_limits: ServerLimits,
    pub(super) client: ClientProof,
    pub(super) server: ServerProof,
    pub(super) refusals: u32,
    pub(super) server_refusals: u32,
    /// The user was asked, and did not say yes.
    pub(super) denied: bool,
    /// The reply that was lost, until the message is answered again.
    pub(super) lost: Option<(String, Vec<u8>)>,
    pub(super) slips: Slips,
    /// What the device's package holds beyond the last message, one message each.
    pub(super) outbox: VecDeque<Vec<Command>>,
    /// A status that comes later than it should.
    pub(super) late: Option<Command>,
    /// The last results, for a device that repeats them.
    pub(super) last_results: Vec<Command>,
    /// An object of which the server has not sent all.
    pub(super) incoming: Option<Incoming>,
    pub(super) withdrawal: Withdrawal,
}

/// What went wrong on purpose, each once a session.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slips {
    /// A reply was lost.
    pub(super) lost: bool,
    /// The number of a message was used a second time.
    pub(super) reused: bool,
    pub(super) restarted: bool,
}

/// What the server takes, as far as it has said so: octets.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ServerLimits {
    pub(super) message: Option<u64>,
    pub(super) object: Option<u64>,
}

/// Whether the device ends the session itself, with alert 1223.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Withdrawal {
    None,
    /// With the next message.
    Due,
    Said,
}

impl Session {
    pub(super) fn begin(
        terms: &Terms,
        identity: &Identity,
        reason: Reason,
        sessions: u32,
        first: bool,
    ) -> Self {
        let (id, code) = match reason {
            Reason::Notified { session_id } => {
                (SessionId::from_notification(session_id), AlertCode::ServerInitiated)
            }
            Reason::ByItself => {
                (own_session_id(terms, identity, sessions), AlertCode::ClientInitiated)
            }
        };
        Self::fresh(terms, identity, id, code, first)
    }

    /// The same session from its beginning: the device knows nothing of it any more.
    pub(super) fn again(&self, terms: &Terms, identity: &Identity) -> Self {
        Self {
            slips: Slips { restarted: true, ..self.slips },
            // The server takes it for a repeat, or for a new session.
            server_msg_id: None,
            ..Self::fresh(terms, identity, self.id.clone(), self.reason, self.first)
        }
    }

    fn fresh(
        terms: &Terms,
        identity: &Identity,
        id: SessionId,
        reason: AlertCode,
        first: bool,
    ) -> Self {
        Self {
            id,
            reason,
            first,
            url: identity.with_query(&terms.dm_url),
            target: String::new(),
            msg_id: 0,
            commands: Vec::new(),
            sent: Vec::new(),
            octets: Vec::new(),
            mac: None,
            server_msg_id: Some(0),
            server_limits: ServerLimits::default(),
            client: ClientProof::at_first(identity),
            server: if identity.kind.proves_server {
                ServerProof::Due
            } else {
                ServerProof::NotWanted
            },
            refusals: 0,
            server_refusals: 0,
            denied: false,
            lost: None,
            slips: Slips::default(),
            outbox: VecDeque::new(),
            late: None,
            last_results: Vec::new(),
            incoming: None,
            withdrawal: Withdrawal::None,
        }
    }

    /// Whether a message of the server that comes now is the last that a device with this fault answers.
    pub(super) fn dies_now(&self, fault: Fault) -> bool {
        matches!(fault, Fault::DiesMidSession { after }
            if self.first && self.server_msg_id.is_some_and(|msg_id| msg_id >= after))
    }

    /// Whether the device forgets everything now.
    pub(super) fn restarts_now(&self, fault: Fault) -> bool {
        matches!(fault, Fault::Restarts { after }
            if self.first && !self.slips.restarted && self.msg_id >= after)
    }
}

fn own_session_id(terms: &Terms, identity: &Identity, sessions: u32) -> SessionId {
    match identity.kind.habits {
        // The same for every session of its life.
        Habits::A => SessionId::from_notification(1),
        Habits::B => {
            let draw =
                Dice::of(terms.seed, identity.index, 0x2_0000_0000 + u64::from(sessions)).next();
            SessionId::from_notification(u16::try_from(draw & 0xFFFF).unwrap_or(1).max(0x100))
        }
        // Small numbers, counted up.
        Habits::Windows => SessionId::from_notification(u16::try_from(sessions).unwrap_or(1)),
    }
}
