//! One device: a notification or a reply comes in as octets, a message goes out as octets. No sockets, no clock.
//!
//! [`SimDevice`] is the engine of a session, as the protocol notes describe the device's half: package 1 with
//! credentials, challenges in both directions, the work of the server's commands, and the end, which is a reply that
//! orders nothing. It looks at everything it is given with the eyes of [`crate::verdict`] and keeps the breaches.

mod account;
mod hear;
mod package;
#[cfg(test)]
mod tests;
mod trust;
mod work;

use crate::{
    dice::Dice,
    faults::{Fault, Habits, Mix},
    identity::Identity,
    tree::{Change, Tree},
    verdict::{
        Breach, Finding, Rule, octets,
        reply::{self, Asked, Sent},
    },
};
pub(crate) use account::{Account, LastBell};
pub(crate) use hear::hear;
use package::Envelope;
use std::sync::Arc;
use trust::{ClientProof, ServerCred, ServerProof};
use wire::{
    Limits,
    alert::AlertCode,
    ids::{CmdIds, MsgId, SessionId},
    message::{Command, Message, Status},
};

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
    /// The device fell silent: [`Fault::DiesMidSession`].
    Died,
    /// The server took none of three credentials.
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
    pub octets: &'a [u8],
}

/// A session ends at the latest after so many messages of the device.
const MOST_MESSAGES: u32 = 250;

/// So many refused credentials, and a device gives up.
const MOST_REFUSALS: u32 = 3;

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

/// The conversation as far as it has come.
#[derive(Debug)]
struct Session {
    id: SessionId,
    first: bool,
    url: String,
    /// `Target` of the last message.
    target: String,
    msg_id: u32,
    /// What the last message contained besides the status of the header.
    commands: Vec<Command>,
    sent: Vec<Sent>,
    octets: Vec<u8>,
    server_msg_id: u32,
    client: ClientProof,
    server: ServerProof,
    refusals: u32,
    server_refusals: u32,
    denied: bool,
    /// The reply that was lost, until the message is answered again.
    lost: Option<(String, Vec<u8>)>,
    lost_once: bool,
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
        let id = match reason {
            Reason::Notified { session_id } => SessionId::from_notification(session_id),
            Reason::ByItself => own_session_id(&terms, &identity, account.sessions),
        };
        if reason == Reason::ByItself {
            // The server may take the jobs of an unanswered notification into this session.
            account.last_bell = LastBell::Unsure;
        }
        let code = match reason {
            Reason::Notified { .. } => AlertCode::ServerInitiated,
            Reason::ByItself => AlertCode::ClientInitiated,
        };
        let withheld = identity.kind.fault == Fault::WaitsForChallenge;
        let session = Session {
            id,
            first,
            url: terms.dm_url.clone(),
            target: String::new(),
            msg_id: 0,
            commands: Vec::new(),
            sent: Vec::new(),
            octets: Vec::new(),
            server_msg_id: 0,
            client: if withheld { ClientProof::Withheld } else { ClientProof::Due },
            server: if identity.kind.proves_server {
                ServerProof::Due
            } else {
                ServerProof::NotWanted
            },
            refusals: 0,
            server_refusals: 0,
            denied: false,
            lost: None,
            lost_once: false,
        };
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
        let commands = package::package_1(&device.identity, code);
        device.write(None, commands, None);
        device
    }

    /// The message that is to be sent now.
    pub fn outgoing(&self) -> Outgoing<'_> {
        Outgoing {
            url: &self.session.url,
            media_type: self.identity.media_type(),
            octets: &self.session.octets,
        }
    }

    /// Takes the reply to the last message.
    pub fn receive(&mut self, reply: Reply<'_>) -> Next {
        if let Some(next) = self.lose(reply) {
            return next;
        }
        let next = self.work(reply);
        if self.session.msg_id > MOST_MESSAGES {
            return Next::Over(End::Broken);
        }
        if let Fault::DiesMidSession { after } = self.identity.kind.fault
            && self.session.first
            && self.session.server_msg_id >= after
            && matches!(next, Next::Send)
        {
            return Next::Over(End::Died);
        }
        next
    }

    /// Takes an HTTP status other than 200 that ends the session.
    pub fn refused(&mut self, http_status: u16, body: &[u8]) -> End {
        let wrong_password = self.identity.kind.fault == Fault::WrongPassword;
        if !(wrong_password && matches!(http_status, 401 | 403 | 429)) {
            self.breach(&Finding::new(Rule::HttpStatus, format!("It was {http_status}.")), body);
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
            End::Complete => self.session.client == ClientProof::EveryMessage,
            End::Aborted | End::Died => {
                !self.proven || self.session.client == ClientProof::EveryMessage
            }
            End::Refused | End::ServerRefused | End::Broken | End::GaveUp => true,
        };
        if matches!(reason, Reason::Notified { .. }) {
            self.account.last_bell =
                if end == End::Complete { LastBell::Done } else { LastBell::Unsure };
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

    /// Loses one reply on purpose, and compares the answer to the repeated message with it.
    fn lose(&mut self, reply: Reply<'_>) -> Option<Next> {
        if let Some((media_type, octets)) = self.session.lost.take() {
            if media_type != reply.media_type || octets != reply.octets {
                let detail = format!("It was the answer to message {}.", self.session.msg_id);
                self.breach(&Finding::new(Rule::RepeatDiffers, detail), reply.octets);
            }
            return None;
        }
        match self.identity.kind.fault {
            Fault::LostAnswer { to } if to == self.session.msg_id && !self.session.lost_once => {
                self.session.lost_once = true;
                self.session.lost = Some((reply.media_type.to_owned(), reply.octets.to_vec()));
                Some(Next::Repeat)
            }
            _ => None,
        }
    }

    fn work(&mut self, reply: Reply<'_>) -> Next {
        if reply.media_type.split(';').next().map(str::trim) != Some(self.identity.media_type()) {
            let detail =
                format!("It is {:?}, not {:?}.", reply.media_type, self.identity.media_type());
            self.breach(&Finding::new(Rule::MediaType, detail), reply.octets);
        }
        let encoding = self.identity.kind.encoding;
        for finding in octets::examine(encoding, reply.octets) {
            self.breach(&finding, reply.octets);
        }
        let message = match encoding.read(reply.octets, &Limits::default()) {
            Ok(message) => message,
            Err(error) => {
                self.breach(&Finding::new(Rule::Unreadable, format!("{error}.")), reply.octets);
                return Next::Over(End::Broken);
            }
        };
        for finding in self.judge(&message, reply.octets.len()) {
            self.breach(&finding, reply.octets);
        }
        self.session.server_msg_id = message.header.msg_id.0;
        if let Some(resp_uri) = &message.header.resp_uri {
            resp_uri.as_str().clone_into(&mut self.session.url);
        }
        let server = self.server_cred(&message, reply.octets);
        if reply::is_challenge(&message) {
            self.challenged(&message, server, reply.octets)
        } else {
            self.accepted(&message, server, reply.octets)
        }
    }

    fn judge(&self, message: &Message, octets: usize) -> Vec<Finding> {
        let asked = Asked {
            session_id: &self.session.id,
            version: &self.identity.version(),
            msg_id: MsgId(self.session.msg_id),
            target: &self.session.target,
            source: &self.identity.device,
            sent: &self.session.sent,
            server_msg_id: self.session.server_msg_id,
            most_octets: self.most_octets(),
            questions_expected: self.terms.questions_expected,
            denied: self.session.denied,
            user_owned: &self.terms.user_owned,
        };
        reply::judge(&asked, message, octets)
    }

    /// The server wants credentials, or better ones.
    fn challenged(&mut self, message: &Message, server: ServerCred, octets: &[u8]) -> Next {
        let sent_right =
            matches!(self.session.client, ClientProof::Due | ClientProof::EveryMessage)
                && self.account.client_nonce_is_right(&self.identity)
                && self.identity.kind.fault != Fault::WrongPassword;
        if sent_right || self.session.client == ClientProof::Session {
            self.breach(&Finding::new(Rule::RightCredentialsRefused, ""), octets);
        }
        self.session.refusals += 1;
        if self.session.refusals >= MOST_REFUSALS {
            return Next::Over(End::Refused);
        }
        let Some(chal) = reply::header_status(message).and_then(|status| status.chal.as_ref())
        else {
            return Next::Over(End::Refused);
        };
        self.take_nonce(chal);
        // What comes from the challenge is right, whatever was lost before.
        self.account.client_unsure = false;
        self.session.client = ClientProof::Due;
        let header = self.header_status(message, server);
        let commands = std::mem::take(&mut self.session.commands);
        self.write(Some(header), commands, Some(message));
        Next::Send
    }

    /// The server took the message. Whether it may give orders is for the device to say.
    fn accepted(&mut self, message: &Message, server: ServerCred, octets: &[u8]) -> Next {
        self.proven = true;
        self.account.accepted();
        let chal = reply::header_status(message).and_then(|status| status.chal.as_ref());
        if let Some(chal) = chal {
            self.take_nonce(chal);
        }
        self.session.client = self.client_proof_after(chal.is_some());

        let mut orders = reply::orders(message).peekable();
        if orders.peek().is_none() {
            return Next::Over(End::Complete);
        }
        let answered = message.header.msg_id;
        if self.must_prove(server) {
            return self.refuse_server(message, server, octets);
        }
        let header = self.header_status(message, server);
        let done = work::carry_out(&self.identity, &mut self.tree, answered, orders);
        self.session.denied |= done.denied;
        self.writes += done.writes;
        if done.aborted {
            return Next::Over(End::Aborted);
        }
        self.write(Some(header), done.answers, Some(message));
        Next::Send
    }

    fn most_octets(&self) -> u64 {
        match self.identity.kind.fault {
            Fault::SmallMessages { octets } => u64::from(octets),
            _ => package::max_msg_size(self.identity.kind.habits),
        }
    }

    /// Writes the next message: the status of the header, if there is one to answer, and the commands.
    fn write(
        &mut self,
        header_status: Option<Status>,
        commands: Vec<Command>,
        answered: Option<&Message>,
    ) {
        self.session.msg_id += 1;
        // One client addresses the server by the name that it gave itself.
        self.session.target = match (self.identity.kind.habits, answered) {
            (Habits::B, Some(message)) => message.header.source.loc_uri.to_string(),
            _ => self.terms.dm_url.clone(),
        };
        let cred = match self.session.client {
            ClientProof::Due | ClientProof::EveryMessage => {
                let nonce = self.account.client_nonce(self.terms.seed, &self.identity);
                Some(package::cred(&self.identity, &nonce))
            }
            ClientProof::Withheld | ClientProof::Session => None,
        };
        let opening = commands.iter().any(|command| matches!(command, Command::Replace(_)));
        let envelope = Envelope {
            session_id: self.session.id.clone(),
            msg_id: MsgId(self.session.msg_id),
            target: &self.session.target,
            cred,
            most_octets: opening.then(|| self.most_octets()),
        };
        let header = package::header(&self.identity, envelope);
        let answers_header = usize::from(header_status.is_some());
        let commands = header_status.map(Command::Status).into_iter().chain(commands);
        let (commands, sent) = numbered(commands);
        self.session.sent = sent;
        let message = Message { header, commands, last: true };
        // Everything in it is text that the device made, or read: both encodings carry it.
        let octets = self.identity.kind.encoding.write(&message).unwrap_or_default();
        self.session.octets = package::in_own_hand(&self.identity, octets);
        self.session.commands = message.commands;
        self.session.commands.drain(..answers_header);
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

fn own_session_id(terms: &Terms, identity: &Identity, sessions: u32) -> SessionId {
    match identity.kind.habits {
        // The same for every session of its life.
        Habits::A => SessionId::from_notification(1),
        Habits::B => {
            let draw =
                Dice::of(terms.seed, identity.index, 0x2_0000_0000 + u64::from(sessions)).next();
            SessionId::from_notification(u16::try_from(draw & 0xFFFF).unwrap_or(1).max(0x100))
        }
    }
}

/// Gives the commands of a message their ids.
fn numbered(commands: impl Iterator<Item = Command>) -> (Vec<Command>, Vec<Sent>) {
    let mut ids = CmdIds::default();
    let mut sent = Vec::new();
    let commands = commands
        .map(|mut command| {
            let id = ids.next_id();
            let (name, alert) = match &mut command {
                Command::Alert(alert) => {
                    alert.id = Some(id.clone());
                    ("Alert", alert.code)
                }
                Command::Replace(edit) => {
                    edit.id = Some(id.clone());
                    ("Replace", None)
                }
                Command::Results(results) => {
                    results.id = Some(id.clone());
                    ("Results", None)
                }
                Command::Status(status) => {
                    status.id = Some(id.clone());
                    ("Status", None)
                }
                _ => ("", None),
            };
            sent.push(Sent { id, name, alert });
            command
        })
        .collect();
    (commands, sent)
}
