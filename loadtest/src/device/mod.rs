//! One device: a notification or a reply comes in as octets, a message goes out as octets. No sockets, no clock.
//!
//! [`SimDevice`] is the engine of a session, as the protocol notes describe the device's half: package 1 with
//! credentials, challenges in both directions, the work of the server's commands, and the end, which is a reply that
//! orders nothing. It looks at everything it is given with the eyes of [`crate::verdict`] and keeps the breaches.
//!
//! | module | about |
//! | --- | --- |
//! | `hear` | a notification reaches a device, and is believed or not |
//! | `account` | what outlives a session: nonces, and how the last notification ended |
//! | `conversation` | what a session has come to, from its first message on |
//! | `listen` | a reply comes in: is it taken for the server's, and what follows from it |
//! | `trust` | who believes whom: credentials and nonces of both sides |
//! | `mac` | digests of whole messages, in an HTTP header |
//! | `work` | carrying out what the server orders |
//! | `reading` | nodes that the server reads |
//! | `object` | large objects that come in parts |
//! | `answers` | how answers are shared out over messages, by devices that are well and by others |
//! | `package` | headers, credentials and package 1 |
//! | `speak` | the next message, as octets |

mod account;
mod answers;
mod conversation;
mod hear;
mod listen;
mod mac;
mod object;
mod package;
mod reading;
mod speak;
#[cfg(test)]
mod tests;
mod trust;
mod work;

use crate::{
    faults::{Fault, Mix},
    identity::Identity,
    tree::{Change, Tree},
    verdict::{Breach, Finding, Rule},
};
pub(crate) use account::{Account, LastBell};
use conversation::Session;
pub(crate) use hear::hear;
use std::sync::Arc;
use trust::ClientProof;

/// What all devices of a fleet have in common.
#[derive(Debug, Clone)]
pub struct Terms {
    pub seed: u64,
    pub mix: Mix,
    /// Where sessions begin: an `http:` URL.
    pub dm_url: String,
    pub server_id: String,
    /// Subtrees that belong to the user (R8).
    pub user_owned: Vec<String>,
    /// Whether anything may be shown to the user (R7).
    pub questions_expected: bool,
}

/// Why a session begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A notification named this session.
    Notified { session_id: u16 },
    /// The device, or its user, wants it.
    ByItself,
}

/// What a device makes of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    Wake(Reason),
    /// It was answered already.
    Again,
    /// The device is away, or takes the notification for false.
    Nothing,
}

/// An HTTP reply with status 200.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// `Content-Type`, empty when absent.
    pub media_type: &'a str,
    /// `x-syncml-hmac`, when it was there.
    pub mac: Option<&'a str>,
    pub octets: &'a [u8],
}

/// What the device does after a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Send [`SimDevice::outgoing`].
    Send,
    /// The reply was lost: send the same again, over a new connection.
    Repeat,
    Over(End),
}

/// How a session ended, for the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The server had nothing more to order.
    Complete,
    /// The server ended it.
    Aborted,
    /// The device ended it: its answer was larger than the server takes.
    Withdrew,
    /// The device is managed no longer: it said so, or was told so.
    Left,
    /// The device fell silent: [`Fault::DiesMidSession`].
    Died,
    /// The server did not take its credentials, however often it tried; or not its message.
    Refused,
    /// The server could not prove itself.
    ServerRefused,
    /// The server could not be understood.
    Broken,
    /// No answer, however often the message was repeated.
    GaveUp,
}

/// A message to be posted.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    pub url: &'a str,
    pub media_type: &'static str,
    /// Further header lines, each with its end.
    pub headers: &'static str,
    /// `x-syncml-hmac`, of a device that proves itself so.
    pub mac: Option<&'a str>,
    pub octets: &'a [u8],
}

/// A device in a session.
#[derive(Debug)]
pub struct SimDevice {
    terms: Arc<Terms>,
    identity: Arc<Identity>,
    account: Account,
    tree: Tree,
    session: Session,
    breaches: Vec<Breach>,
    /// Writes that took effect.
    writes: u32,
    /// Whether the server has accepted a message of this session.
    proven: bool,
}

impl SimDevice {
    /// A device that is about to open a session.
    pub(crate) fn wake(
        terms: Arc<Terms>,
        identity: Arc<Identity>,
        mut account: Account,
        changes: Vec<Change>,
        reason: Reason,
    ) -> Self {
        let first = account.sessions == 0;
        account.sessions += 1;
        if reason == Reason::ByItself {
            // The server may take the jobs of an unanswered notification into this session.
            account.last_bell = LastBell::Unsure;
        }
        let session = Session::begin(&terms, &identity, reason, account.sessions, first);
        let tree = Tree::new(Arc::clone(&identity), changes);
        let mut device = Self {
            terms,
            identity,
            account,
            tree,
            session,
            breaches: Vec::new(),
            writes: 0,
            proven: false,
        };
        device.write_package_1();
        device
    }

    /// The message that is to be sent now.
    pub fn outgoing(&self) -> Outgoing<'_> {
        Outgoing {
            url: &self.session.url,
            media_type: self.identity.content_type(),
            headers: package::http_headers(self.identity.kind.habits),
            mac: self.session.mac.as_deref(),
            octets: &self.session.octets,
        }
    }

    /// Takes an HTTP status other than 200 that ends the session.
    pub fn refused(&mut self, http_status: u16, body: &[u8]) -> End {
        let expected = match self.identity.kind.fault {
            Fault::WrongPassword => matches!(http_status, 401 | 403 | 429),
            // Two different messages under one number cannot both be answered.
            Fault::ReusedMsgId { .. } => http_status == 400 && self.session.slips.reused,
            _ => false,
        };
        if !expected {
            let what = format!("It was {http_status}, for message {}.", self.session.msg_id);
            self.breach(&Finding::new(Rule::HttpStatus, what), body);
        }
        End::Refused
    }

    /// The reply was cut off, or did not say how long it is.
    pub(crate) fn unmeasured(&mut self, body: &[u8]) {
        self.breach(&Finding::new(Rule::ContentLength, ""), body);
    }

    /// The session is over: what outlives it.
    pub(crate) fn finish(mut self, end: End, reason: Reason) -> Finished {
        // A message without an answer may have made the server take another nonce into use.
        self.account.client_unsure = match end {
            // What proved every message of this session proves no other one (D5), so the server will ask anew.
            End::Complete | End::Withdrew => self.session.client == ClientProof::EveryMessage,
            End::Aborted | End::Died | End::Left => {
                !self.proven || self.session.client == ClientProof::EveryMessage
            }
            End::Refused | End::ServerRefused | End::Broken | End::GaveUp => true,
        };
        if matches!(reason, Reason::Notified { .. }) {
            self.account.last_bell =
                if end == End::Complete { LastBell::Done } else { LastBell::Unsure };
        }
        self.account.left |= end == End::Left;
        if end == End::Complete {
            self.account.work = self.account.work.filter(|work| !work.told);
        }
        Finished {
            changes: self.tree.changes().to_vec(),
            account: self.account,
            breaches: self.breaches,
            writes: self.writes,
        }
    }

    pub fn breaches(&self) -> &[Breach] {
        &self.breaches
    }

    /// Whether the server has accepted the device in this session.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    fn breach(&mut self, finding: &Finding, octets: &[u8]) {
        // More than this tells nobody more.
        if self.breaches.len() < 16 {
            self.breaches.push(Breach::new(self.identity.index, finding, octets));
        }
    }
}

/// What is left of a session.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) account: Account,
    pub(crate) changes: Vec<Change>,
    pub(crate) breaches: Vec<Breach>,
    pub(crate) writes: u32,
}
