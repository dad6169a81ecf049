//! One message in, one reply out: the order in which things are looked at.

use crate::{
    Atomic, AuthKind, Context, End, Facts, Failure, JobEnd, JobRef, Learnt, News, Outcome, Owed,
    Parts, Phase, Quirk, Quirks, Session, Stage, Step, Why,
    auth::Proof,
    command, correlator,
    hearing::Heard,
    job::{Job, Lost},
    large_object::{Going, Prospect},
    phases::{self, Next},
    quirks,
    reply::{Head, NoRoom, Reply},
    sent::{Sent, What},
};
use wire::{
    digest,
    ids::CmdIds,
    message::{Block, Command, Item, Message},
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

    /// Takes up the job that the session was at. True when it is not what it was.
    fn take_up(&mut self) -> bool {
        let run = match std::mem::replace(&mut self.session.stage, Stage::Between) {
            Stage::Working(run) => run,
            stage @ (Stage::Setup { .. } | Stage::Between | Stage::Over(_)) => {
                self.session.stage = stage;
                return false;
            }
        };
        let job = run.job;
        match Job::resume(*run, &self.session.facts, self.session.learnt.quirks, self.context.work)
        {
            Ok(job) => self.job = Some(job),
            Err(Lost::Changed) => return true,
            Err(Lost::Gone) => self.let_go(job),
            Err(Lost::Ended(end)) => {
                self.ends.push(end);
                self.let_go(job);
            }
        }
        false
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
        self.advance();
        !self.open
    }

    /// One device says 200 to a Get and ends the session where the value should have come, because that is too large for
    /// it to send. It would do the same in every session to come.
    fn blame_value(&mut self) {
        let sent = self.session.sent.as_ref().filter(|_| self.session.incoming.is_none());
        let orders = sent.map(Sent::orders).unwrap_or_default();
        let Some(order) = orders.iter().find(|order| order.is_value_withheld()).copied() else {
            return;
        };
        let Some(job) = &self.job else { return };
        let failure = job.failure(order.what, order.code(), Why::Withheld);
        let is_written = failure.phase == Phase::Prove;
        self.end_job(if is_written { Outcome::Broken(failure) } else { Outcome::Failed(failure) });
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
    fn ask_for_next(&mut self) {
        self.reply.push_anyway(|id| Command::Alert(command::next_message(id)));
    }

    /// Leaves what does not fit beside the statuses to our next message, if it fits there. Once in a row: the next one
    /// has fewer statuses, or it never will.
    fn postpone(&mut self, command: &Command) -> bool {
        let octets = self.context.encoding.command_octets(command).unwrap_or(usize::MAX);
        let fits = self.reply.bare_octets().saturating_add(octets) <= self.reply.limit();
        if !fits || !self.reply.has_statuses() || self.session.postponed {
            return false;
        }
        self.ask_for_next();
        (self.open, self.session.postponed) = (true, true);
        true
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

    /// The package is complete: what was not answered by now will not be.
    fn settle(&mut self) {
        let Some(sent) = self.session.sent.take() else { return };
        for quirk in self.job.iter().flat_map(|job| quirks::shown(job, sent.orders())) {
            self.session.learnt.quirks = self.session.learnt.quirks.with(quirk);
        }
        if let Some(job) = &mut self.job
            && let Err(outcome) = phases::settle(job, sent.orders())
        {
            self.end_job(outcome);
        }
    }

    /// Goes on until there is something to send, or nothing left to do.
    fn advance(&mut self) {
        if let Stage::Setup { asked } = self.session.stage {
            if self.session.facts.is_empty() && !asked && self.ask_for_facts() {
                return;
            }
            self.news.push(News::Facts(self.session.facts.clone()));
            self.session.stage = Stage::Between;
        }
        loop {
            if self.job.is_none() && !self.begin_job() {
                self.over(End::Complete);
                return;
            }
            let Some(job) = &mut self.job else { continue };
            if let Err(outcome) = correlator::heed(job, &self.session.words) {
                self.end_job(outcome);
                continue;
            }
            let next = phases::next(job);
            match self.prospect() {
                Prospect::Ask if self.send(&[What::LargeObjects]).is_ok() => return,
                Prospect::Good | Prospect::Ask => {}
                Prospect::Bad(outcome) => {
                    self.end_job(outcome);
                    continue;
                }
            }
            let Some(job) = &mut self.job else { continue };
            match next {
                Next::Send(whats) => match self.send(&whats) {
                    Ok(()) => return,
                    Err(failure) => self.end_job(Outcome::Failed(failure)),
                },
                Next::SendAtomic(whats) => match (self.send_atomic(&whats), &mut self.job) {
                    (Ok(()), _) => return,
                    // What does not fit as a whole may fit one by one.
                    (Err(_), Some(job)) if job.plan.atomic == Atomic::WhenSupported => {
                        job.run.atomic = false;
                    }
                    (Err(failure), _) => self.end_job(Outcome::Failed(failure)),
                },
                Next::Render => match job.render(&self.session.facts, self.context.work) {
                    Ok(()) => {
                        let login = self.session.login;
                        if let Some(failure) = login.and_then(|login| job.out_of_reach(login)) {
                            self.end_job(Outcome::Failed(failure));
                        }
                    }
                    Err(Some(outcome)) => self.end_job(outcome),
                    Err(None) => {
                        let job = job.run.job;
                        self.let_go(job);
                    }
                },
                Next::End(outcome) => self.end_job(outcome),
                Next::Await(awaited) => {
                    let job = awaited.job;
                    self.news.push(News::Awaits(awaited));
                    self.let_go(job);
                }
            }
        }
    }

    /// Takes the next job in working order. False when there is none.
    fn begin_job(&mut self) -> bool {
        let done = &self.session.done;
        if done.len() >= Session::MOST_JOBS {
            return false;
        }
        let plans = self.context.work.plans(&self.session.facts);
        let Some(mut plan) = plans.into_iter().find(|plan| !done.contains(&plan.job)) else {
            return false;
        };
        self.news.push(News::Started(plan.job));
        let skip = plan.skip.take();
        self.job = Some(Job::begin(plan, self.session.learnt.quirks));
        if let Some(why) = skip {
            self.end_job(Outcome::NotApplicable(why));
        }
        true
    }

    pub(crate) fn end_job(&mut self, outcome: Outcome) {
        if let Some(job) = self.job.take() {
            self.ends.push(job.end(outcome));
            self.let_go(job.run.job);
        }
    }

    /// Nothing more is done for a job in this session.
    fn let_go(&mut self, job: JobRef) {
        self.job = None;
        self.session.sent = None;
        self.session.done.push(job);
    }

    fn over(&mut self, end: End) {
        self.job = None;
        self.session.sent = None;
        self.session.stage = Stage::Over(end);
        self.news.push(News::Over(end));
    }

    fn ask_for_facts(&mut self) -> bool {
        self.session.stage = Stage::Setup { asked: true };
        let whats: Vec<What> =
            (0_u8..).zip(Facts::NODES).map(|(place, _)| What::Fact(place)).collect();
        self.send(&whats).is_ok()
    }

    /// Sends as many of `whats` as fit. An error is about the first, when not even that one does.
    pub(crate) fn send(&mut self, whats: &[What]) -> Result<(), Failure> {
        let first = self.reply.next_number();
        let mut fitting = 0;
        for what in whats.iter().take(Sent::MOST) {
            match self.reply.push(|ids| command::build(*what, ids.next_id(), self.job.as_ref())) {
                Ok(()) => fitting += 1,
                Err(NoRoom::Full) if fitting == 0 => {
                    let command = command::build(*what, self.reply.next_id(), self.job.as_ref());
                    if command.is_some_and(|command| self.postpone(&command)) {
                        return Ok(());
                    }
                    return self.begin_object(*what);
                }
                Err(no_room) if fitting == 0 => return Err(self.unsendable(*what, no_room)),
                Err(NoRoom::Full | NoRoom::Unwritable) => break,
            }
        }
        self.note_sent(first, whats.iter().take(fitting).copied());
        Ok(())
    }

    /// Sends all of `whats` as one Atomic, which has to fit into one message.
    fn send_atomic(&mut self, whats: &[What]) -> Result<(), Failure> {
        let first = self.reply.next_number();
        let atomic = |ids: &mut CmdIds| {
            let id = Some(ids.next_id());
            let writes =
                whats.iter().map(|what| command::build(*what, ids.next_id(), self.job.as_ref()));
            let commands = writes.collect::<Option<_>>()?;
            Some(Command::Atomic(Block { id, commands, ..Block::default() }))
        };
        let pushed =
            if whats.len() < Sent::MOST { self.reply.push(atomic) } else { Err(NoRoom::Full) };
        if pushed == Err(NoRoom::Full)
            && whats.len() < Sent::MOST
            && let Some(command) = atomic(&mut CmdIds::default())
            && self.postpone(&command)
        {
            return Ok(());
        }
        pushed.map_err(|no_room| self.unsendable(What::Block, no_room))?;
        self.note_sent(first, std::iter::once(What::Block).chain(whats.iter().copied()));
        Ok(())
    }

    pub(crate) fn unsendable(&self, what: What, no_room: NoRoom) -> Failure {
        let why = match no_room {
            NoRoom::Full => Why::TooLarge,
            NoRoom::Unwritable => Why::Unwritable,
        };
        match &self.job {
            Some(job) => job.failure(what, None, why),
            None => Failure { uri: String::new(), status: None, phase: Phase::Query, why },
        }
    }

    pub(crate) fn note_sent(&mut self, first: u32, whats: impl Iterator<Item = What> + Clone) {
        if let Some(job) = &mut self.job {
            for what in whats.clone() {
                self.news.extend(job.note_sent(what));
            }
        }
        self.session.sent = Some(Sent::new(self.reply.msg_id(), first, whats));
        self.session.postponed = false;
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
        if let Some(job) = self.job.take() {
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
