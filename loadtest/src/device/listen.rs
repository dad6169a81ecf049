//! A reply comes in: whether it is taken for the server's, and what follows from it.

use super::{
    End, Next, Reply, SimDevice,
    conversation::Withdrawal,
    package,
    trust::{ClientProof, ServerCred},
    work,
};
use crate::{
    faults::{Auth, Fault, Habits},
    verdict::{
        Finding, Rule, octets,
        reply::{self, Asked, Turn},
    },
};
use wire::{Limits, ids::MsgId, message::Message};

/// A session ends at the latest after so many messages of the device.
const MOST_MESSAGES: u32 = 250;

impl SimDevice {
    /// Takes the reply to the last message.
    pub fn receive(&mut self, reply: Reply<'_>) -> Next {
        let fault = self.identity.kind.fault;
        if let Some(next) = self.lose(reply) {
            return next;
        }
        if fault == Fault::Unenrols {
            // It has said what it had to say, and looks at no answer.
            return Next::Over(End::Left);
        }
        if self.session.restarts_now(fault) {
            self.restart();
            return Next::Send;
        }
        let next = self.work(reply);
        if self.session.msg_id > MOST_MESSAGES {
            return Next::Over(End::Broken);
        }
        if self.session.dies_now(fault) && matches!(next, Next::Send) {
            return Next::Over(End::Died);
        }
        next
    }

    /// The device begins anew, and has lost what came with the last reply.
    fn restart(&mut self) {
        self.session = self.session.again(&self.terms, &self.identity);
        self.account.client_unsure = true;
        self.write_package_1();
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
            Fault::LostAnswer { to } if to == self.session.msg_id && !self.session.slips.lost => {
                self.session.slips.lost = true;
                self.session.lost = Some((reply.media_type.to_owned(), reply.octets.to_vec()));
                Some(Next::Repeat)
            }
            _ => None,
        }
    }

    fn work(&mut self, reply: Reply<'_>) -> Next {
        if reply.octets.is_empty() && self.identity.kind.habits == Habits::Windows {
            // To this client a reply of nothing is an end like any other.
            return Next::Over(End::Complete);
        }
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
        self.session.server_msg_id = Some(message.header.msg_id.0);
        let limits = &mut self.session.server_limits;
        limits.message = message.header.meta.max_msg_size.or(limits.message);
        limits.object = message.header.meta.max_obj_size.or(limits.object);
        if let Some(resp_uri) = &message.header.resp_uri
            && self.identity.follows_resp_uri()
        {
            self.session.url = self.identity.with_query(resp_uri);
        }
        let server = match self.identity.kind.auth {
            Auth::Hmac => self.server_mac(&message, reply),
            Auth::Md5 | Auth::Basic => self.server_cred(&message, reply.octets),
        };
        if reply::is_challenge(&message) {
            self.challenged(&message, server, reply.octets)
        } else {
            self.accepted(&message, server, reply.octets)
        }
    }

    fn judge(&self, message: &Message, octets: usize) -> Vec<Finding> {
        let asked = Asked {
            habits: self.identity.kind.habits,
            session_id: &self.session.id,
            version: &self.identity.version(),
            msg_id: MsgId(self.session.msg_id),
            target: &self.session.target,
            source: &self.identity.device,
            sent: &self.session.sent,
            server_msg_id: self.session.server_msg_id,
            most_octets: self.most_octets(),
            turn: match self.session.withdrawal {
                Withdrawal::Said => Turn::Nobody,
                _ if self.session.outbox.is_empty() => Turn::Server,
                _ => Turn::Device,
            },
            incoming: self.session.incoming.as_ref().map(|object| object.uri.as_str()),
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
        let refused = sent_right || self.session.client == ClientProof::Session;
        if refused && !self.session.slips.reused {
            self.breach(&Finding::new(Rule::RightCredentialsRefused, ""), octets);
        }
        self.session.refusals += 1;
        if self.session.refusals >= self.most_refusals() {
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
        if self.identity.repeats_number_when_challenged() && self.session.msg_id == 1 {
            // The server has nothing stored of the challenge, and may count as it likes.
            self.session.msg_id = 0;
            self.session.server_msg_id = None;
            self.write_package_1();
            return Next::Send;
        }
        let header = self.header_status(message, server);
        let commands = std::mem::take(&mut self.session.commands);
        self.write(Some(header), commands, Some(message));
        Next::Send
    }

    /// So many refused credentials, and the device gives up.
    fn most_refusals(&self) -> u32 {
        match self.identity.kind.habits {
            Habits::A | Habits::B => 3,
            Habits::Windows => 2,
        }
    }

    /// The server took the message. Whether it may give orders is for the device to say.
    fn accepted(&mut self, message: &Message, server: ServerCred, octets: &[u8]) -> Next {
        self.proven = true;
        self.account.accepted();
        let chal = reply::header_status(message).and_then(|status| status.chal.as_ref());
        if let Some(chal) = chal {
            if self.repeats_nonce(chal) {
                self.breach(&Finding::new(Rule::NonceRepeated, ""), octets);
            }
            self.take_nonce(chal);
        } else if self.identity.kind.auth == Auth::Hmac {
            let detail = "The digest of a message needs a nonce of its own.";
            self.breach(&Finding::new(Rule::Challenge, detail), octets);
        }
        self.session.client = self.client_proof_after(chal.is_some());
        if self.session.withdrawal == Withdrawal::Said {
            return Next::Over(End::Withdrew);
        }

        let ordered = reply::orders(message).next().is_some();
        let more_to_say =
            !self.session.outbox.is_empty() || self.session.withdrawal == Withdrawal::Due;
        if !ordered && !more_to_say {
            return Next::Over(End::Complete);
        }
        if ordered && self.must_prove(server) {
            return self.refuse_server(message, server, octets);
        }
        let header = self.header_status(message, server);
        // Whoever is about to go does nothing any more.
        let stays = self.session.withdrawal == Withdrawal::None;
        let orders = reply::orders(message).filter(|_| stays);
        let answered = message.header.msg_id;
        let desk = work::Desk {
            identity: &self.identity,
            tree: &mut self.tree,
            incoming: &mut self.session.incoming,
            most_object_octets: self.session.server_limits.object,
        };
        let done = work::carry_out(desk, answered, orders);
        self.session.denied |= done.denied;
        self.writes += done.writes;
        for finding in &done.findings {
            self.breach(finding, octets);
        }
        if done.aborted {
            return Next::Over(End::Aborted);
        }
        if done.left {
            return Next::Over(End::Left);
        }
        if let Some(work) = done.taken_up {
            self.account.work = Some(Box::new(work));
        }
        let answers = self.share_out(done.answers);
        self.write(Some(header), answers, Some(message));
        Next::Send
    }

    pub(super) fn most_octets(&self) -> u64 {
        match self.identity.kind.fault {
            Fault::SmallMessages { octets } => u64::from(octets),
            _ => package::max_msg_size(self.identity.kind.habits),
        }
    }
}
