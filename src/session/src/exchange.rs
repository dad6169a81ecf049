//! One message in, one reply out: the order in which things are looked at.

use crate::{
    AuthKind, Context, End, JobEnd, Learnt, News, Owed, Parts, Quirk, Quirks, Session, Stage, Step,
    auth::Proof,
    command,
    hearing::Heard,
    job::Job,
    large_object::Going,
    reply::{Head, Reply},
};
use wire::{
    digest,
    message::{Command, Item, Message},
    meta::Meta,
    status::StatusCode,
};

/// A message being answered.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) session: Session,
    pub(crate) message: &'a Message,
    pub(crate) context: &'a Context<'a>,
    pub(crate) reply: Reply<'a>,
    /// The running job; the session has it while no message is answered.
    pub(crate) job: Option<Job>,
    /// The session begins with this message.
    pub(crate) opening: bool,
    pub(crate) ends: Vec<JobEnd>,
    pub(crate) news: Vec<News>,
    pub(crate) parts: Parts,
    /// Large objects of the device that broke, as Alert 1225 names them.
    pub(crate) broken: Vec<Item>,
    /// Answers to what is not asked.
    pub(crate) strays: u32,
    /// Our package goes on in our next message.
    pub(crate) open: bool,
    /// What was known of the device before this message.
    known: Learnt,
}

impl<'a> Exchange<'a> {
    pub(crate) fn opening(
        session: Session,
        message: &'a Message,
        context: &'a Context<'a>,
        proof: Proof,
    ) -> Self {
        let mut exchange = Self::new(session, message, context);
        exchange.opening = true;
        exchange.news.push(News::Authenticated);
        exchange.acknowledge(proof, true);
        exchange
    }

    pub(crate) fn resumed(
        session: Session,
        message: &'a Message,
        context: &'a Context<'a>,
        proof: Proof,
    ) -> Self {
        let gap = message.header.msg_id.0.saturating_sub(session.last.msg.0).saturating_sub(1);
        let mut exchange = Self::new(session, message, context);
        if gap > 0 {
            exchange.news.push(News::Gap(gap));
        }
        if context.proven {
            exchange.session.learnt.quirks =
                exchange.session.learnt.quirks.without(Quirk::IgnoresRespUri);
        } else if context.resp_uri.is_some() {
            exchange.learn(Quirk::IgnoresRespUri);
        }
        // A device that proves itself by its credentials alone must not use the same ones twice.
        exchange.acknowledge(proof, !context.proven);
        exchange
    }

    fn new(session: Session, message: &'a Message, context: &'a Context<'a>) -> Self {
        let reply = Reply::new(message, context, session.next_msg_id(message));
        let known = context.learnt;
        Self {
            known,
            session,
            message,
            context,
            reply,
            job: None,
            opening: false,
            ends: Vec::new(),
            news: Vec::new(),
            parts: Parts::default(),
            broken: Vec::new(),
            strays: 0,
            open: false,
        }
    }

    /// The status for the message itself: 212 for credentials (after 200 client A would never send them again), 200 for
    /// a message that needed none.
    fn acknowledge(&mut self, proof: Proof, fresh_nonce: bool) {
        let (code, chal) = match proof {
            Proof::Given(AuthKind::Md5) if fresh_nonce => {
                self.news.push(News::NonceIssued(self.context.next_nonce.clone()));
                (StatusCode::Authenticated, Some(digest::chal_md5(self.context.next_nonce)))
            }
            // Each digest over a body is good for that body alone, and the next needs a nonce of its own.
            Proof::Given(AuthKind::Hmac) => {
                self.news.push(News::NonceIssued(self.context.next_nonce.clone()));
                (StatusCode::Ok, Some(digest::chal_mac(self.context.next_nonce)))
            }
            Proof::Given(AuthKind::Md5 | AuthKind::Basic) => (StatusCode::Authenticated, None),
            Proof::Transport | Proof::Missing | Proof::Wrong => (StatusCode::Ok, None),
        };
        self.reply.header_status(code, chal, Vec::new());
    }

    /// Takes down a habit of the device.
    pub(crate) fn learn(&mut self, quirk: Quirk) {
        let learnt = &mut self.session.learnt;
        learnt.quirks = learnt.quirks.with(quirk);
        if quirk == Quirk::StatusZero {
            // It says that it takes them, and takes the first part for the whole.
            learnt.large_objects = Some(false);
        }
    }

    pub(crate) fn run(mut self) -> Step {
        let header = &self.message.header;
        self.session.last =
            crate::Last { msg: header.msg_id, body: self.context.body_digest, refusals: 0 };
        if let Some(octets) = header.meta.max_msg_size {
            self.session.max_msg_size = Some(u32::try_from(octets).unwrap_or(u32::MAX));
        }
        if let Some(octets) = header.meta.max_obj_size {
            self.session.max_obj_size = Some(u32::try_from(octets).unwrap_or(u32::MAX));
        }
        self.reply = self.reply.within(self.session.max_msg_size.map(u64::from));
        if self.session.learnt.quirks.has(Quirk::SmallReplies) {
            self.reply = self.reply.at_most(Quirks::SMALL_REPLY);
        }
        self.reply.owed_statuses(std::mem::take(&mut self.session.owed));
        let changed = self.take_up();
        let heard = self.hear();
        self.count();
        let last = self.decide(heard, changed);
        self.finish(last)
    }

    /// A message with a part of a large object brings something, however many there are.
    fn count(&mut self) {
        let sending = self.job.as_ref().is_some_and(|job| job.run.sending.is_some());
        let counter = if sending || self.parts.keep.is_some() {
            &mut self.session.part_messages
        } else {
            &mut self.session.messages
        };
        *counter = counter.saturating_add(1);
    }

    /// What follows from the message. True when the reply ends our package.
    fn decide(&mut self, mut heard: Heard, changed: bool) -> bool {
        if self.session.over() {
            return true;
        }
        if heard.aborted {
            self.news.push(News::Abort);
            self.blame_value();
            self.over(End::Aborted);
            return true;
        }
        if heard.distrusted {
            self.news.push(News::ServerRefused);
            self.over(End::GaveUp);
            return true;
        }
        if changed {
            self.over(End::RenderingChanged);
            return true;
        }
        if heard.challenged {
            // The message was refused unread: the same again, with new credentials.
            self.session.sent = None;
            if let Stage::Setup { asked } = &mut self.session.stage {
                *asked = false;
            }
        }
        if let Some(outcome) = heard.failed.take() {
            self.end_job(outcome);
        }
        if self.session.messages >= Session::MOST_MESSAGES
            || self.session.part_messages >= Session::MOST_PART_MESSAGES
        {
            self.over(End::GaveUp);
            return true;
        }
        // A part with Final is a slip: the rest of the object will come.
        let mut is_complete = self.message.last && self.parts.keep.is_none();
        if is_complete {
            self.break_open_object();
        }
        self.tell_broken();
        if self.reply.owes() {
            // The statuses come first; everything else waits for the device's next message.
            self.ask_for_next();
            return false;
        }
        match self.go_on_sending(&heard) {
            Going::Nowhere => {}
            Going::On(last) => {
                self.session.unfinished = 0;
                return last;
            }
            Going::Waiting => is_complete = false,
            // Our package is open, so the device has said what it can say before it ends.
            Going::Over => is_complete = true,
        }
        if !is_complete {
            return self.ask_for_more();
        }
        self.session.unfinished = 0;
        self.settle();
        // What was read comes before what is done about it.
        self.news.extend(self.job.as_mut().and_then(Job::told));
        self.advance();
        !self.open
    }

    /// The device's package goes on in another message: until it is complete, nothing new is sent (DM Protocol 1.2,
    /// "Multiple messages in a package").
    fn ask_for_more(&mut self) -> bool {
        if self.parts.keep.is_none() {
            self.session.unfinished = self.session.unfinished.saturating_add(1);
        }
        if self.session.unfinished >= Session::MOST_UNFINISHED {
            self.over(End::GaveUp);
            return true;
        }
        self.ask_for_next();
        false
    }

    /// Alert 1222. Without it, a device takes a message that holds nothing but statuses for the end of the session.
    pub(crate) fn ask_for_next(&mut self) {
        self.reply.push_anyway(|id| Command::Alert(command::next_message(id)));
    }

    /// Alert 1225 for every large object that broke: the device may send it again.
    fn tell_broken(&mut self) {
        for item in std::mem::take(&mut self.broken) {
            let told =
                self.reply.push(|ids| Some(Command::Alert(command::no_end(ids.next_id(), item))));
            if told.is_err() {
                return;
            }
        }
    }

    pub(crate) fn over(&mut self, end: End) {
        if let Some(mut job) = self.job.take() {
            self.news.extend(job.told());
        }
        self.session.sent = None;
        self.session.stage = Stage::Over(end);
        self.news.push(News::Over(end));
    }

    fn finish(mut self, last: bool) -> Step {
        let mut head =
            Head { resp_uri: self.context.resp_uri.map(str::to_owned), ..Head::default() };
        let mut seal = None;
        if self.session.stage != Stage::Over(End::GaveUp) {
            let (auth, given) = (self.session.server_auth, self.session.server_nonce.as_ref());
            head.cred = auth.cred(self.context.account, given);
            seal = auth.seal(self.context.account, given);
            head.proves = head.cred.is_some() || seal.is_some();
        }
        if self.opening {
            head.meta = Meta {
                max_msg_size: Some(self.context.max_msg_size.into()),
                max_obj_size: Some(self.context.max_obj_size.into()),
                ..Meta::default()
            };
        }
        self.session.ours = self.reply.msg_id();
        self.session.owed = self.reply.take_owed();
        if self.session.over() {
            self.reply.keep_statuses();
            self.drop_open_object();
            self.session.owed = Owed::default();
        }
        if let Some(mut job) = self.job.take() {
            self.news.extend(job.told());
            self.session.stage = Stage::Working(Box::new(job.run.put_down()));
        }
        if self.session.learnt != self.known {
            self.news.push(News::Learnt(self.session.learnt));
        }
        self.session.last_octets = u32::try_from(self.reply.octets()).unwrap_or(u32::MAX);
        let reply = self.reply.message_with(head, last);
        let Self { session, ends, news, parts, .. } = self;
        Step { session, reply, ends, news, parts, seal }
    }
}
