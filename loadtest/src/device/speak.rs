//! The next message of the device, as octets.

use super::{
    SimDevice,
    conversation::Withdrawal,
    mac,
    package::{self, Envelope},
    trust::ClientProof,
};
use crate::{
    faults::{Auth, Fault, Habits},
    verdict::reply::Sent,
};
use wire::{
    ids::{CmdIds, MsgId},
    message::{Command, Message, Status},
};

impl SimDevice {
    pub(super) fn write_package_1(&mut self) {
        let work = self.account.work.as_mut();
        let work = work.map(|work| {
            work.told = true;
            &**work
        });
        let commands = package::package_1(&self.identity, self.session.reason, work);
        self.write(None, commands, None);
    }

    /// Writes the next message: the status of the header, if there is one to answer, and the commands.
    pub(super) fn write(
        &mut self,
        header_status: Option<Status>,
        commands: Vec<Command>,
        answered: Option<&Message>,
    ) {
        if self.reuses_number(answered) {
            self.session.slips.reused = true;
            // It may be taken for the beginning of another session, with numbers of its own.
            self.session.server_msg_id = None;
        } else {
            self.session.msg_id += 1;
        }
        // One client addresses the server by the name that it gave itself.
        self.session.target = match (self.identity.kind.habits, answered) {
            (Habits::B, Some(message)) => message.header.source.loc_uri.to_string(),
            _ => self.terms.dm_url.clone(),
        };
        let statuses = usize::from(header_status.is_some());
        let mut message = self.compose(header_status, commands);
        let mut octets = self.encode(&message);
        let too_large = self
            .session
            .server_limits
            .message
            .is_some_and(|most| u64::try_from(octets.len()).is_ok_and(|octets| octets > most));
        if too_large && self.identity.kind.habits == Habits::Windows && has_results(&message) {
            // This client keeps to the limit by giving up: statuses without results, then the end.
            self.session.withdrawal = Withdrawal::Due;
            message.commands.retain(|command| !matches!(command, Command::Results(_)));
            octets = self.encode(&message);
        }
        self.session.mac = self.mac(&octets);
        self.session.octets = octets;
        self.session.commands = message.commands;
        self.session.commands.drain(..statuses);
    }

    /// Header, numbers, and whether it ends the package.
    fn compose(&mut self, header_status: Option<Status>, commands: Vec<Command>) -> Message {
        let sends_cred = self.proves_itself() && self.identity.kind.auth != Auth::Hmac;
        let cred = sends_cred.then(|| {
            let nonce = self.account.client_nonce(self.terms.seed, &self.identity);
            package::cred(&self.identity, &nonce)
        });
        let opening = commands.iter().any(|command| matches!(command, Command::Replace(_)));
        let envelope = Envelope {
            session_id: self.session.id.clone(),
            msg_id: MsgId(self.session.msg_id),
            target: &self.session.target,
            cred,
            most_octets: opening.then(|| self.most_octets()),
        };
        let header = package::header(&self.identity, envelope);
        // This client keeps the first number for the status of the header, even where there is none.
        let skipped = self.identity.kind.habits == Habits::Windows && header_status.is_none();
        let commands = header_status.map(Command::Status).into_iter().chain(commands);
        let (commands, sent) = numbered(commands, skipped);
        self.session.sent = sent;
        let whole = self.session.outbox.is_empty()
            && !(self.session.incoming.is_some() && self.identity.kind.habits == Habits::B);
        Message { header, commands, last: whole }
    }

    fn encode(&self, message: &Message) -> Vec<u8> {
        // Everything in it is text that the device made, or read: both encodings carry it.
        let octets = self.identity.kind.encoding.write(message).unwrap_or_default();
        package::in_own_hand(&self.identity, octets)
    }

    fn proves_itself(&self) -> bool {
        match self.session.client {
            ClientProof::Due | ClientProof::EveryMessage => true,
            ClientProof::Withheld | ClientProof::Session => false,
        }
    }

    fn mac(&self, octets: &[u8]) -> Option<String> {
        let proves = self.proves_itself() && self.identity.kind.auth == Auth::Hmac;
        proves.then(|| {
            let nonce = self.account.client_nonce(self.terms.seed, &self.identity);
            mac::header(&self.identity.user, self.identity.own_account(), &nonce, octets)
        })
    }

    /// Whether the number of the last message is used again, by a device with this fault.
    fn reuses_number(&self, answered: Option<&Message>) -> bool {
        let Fault::ReusedMsgId { to } = self.identity.kind.fault else { return false };
        let due = self.session.msg_id == to && answered.is_some();
        due && self.session.first && !self.session.slips.reused
    }
}

fn has_results(message: &Message) -> bool {
    message.commands.iter().any(|command| matches!(command, Command::Results(_)))
}

/// Gives the commands of a message their ids, from 2 on when the first is skipped.
fn numbered(
    commands: impl Iterator<Item = Command>,
    skip_first: bool,
) -> (Vec<Command>, Vec<Sent>) {
    let mut ids = CmdIds::default();
    if skip_first {
        ids.next_id();
    }
    let mut sent = Vec::new();
    let commands = commands
        .map(|mut command| {
            let id = ids.next_id();
            let (name, alert, part) = match &mut command {
                Command::Alert(alert) => {
                    alert.id = Some(id.clone());
                    ("Alert", alert.code, false)
                }
                Command::Replace(edit) => {
                    edit.id = Some(id.clone());
                    ("Replace", None, false)
                }
                Command::Results(results) => {
                    results.id = Some(id.clone());
                    ("Results", None, results.items.iter().any(|item| item.more))
                }
                Command::Status(status) => {
                    status.id = Some(id.clone());
                    ("Status", None, false)
                }
                _ => ("", None, false),
            };
            sent.push(Sent { id, name, alert, part });
            command
        })
        .collect();
    (commands, sent)
}
