//! The jobs of a session: taken up where the last message left them, gone on with as far as a message allows, and ended.

use crate::{
    Atomic, End, Exchange, Facts, JobRef, News, Outcome, Phase, Session, Stage, Why, correlator,
    job::{Job, Lost},
    large_object::Prospect,
    phases::{self, Next},
    quirks,
    sent::{Sent, What},
};

impl Exchange<'_> {
    /// Takes up the job that the session was at. True when it is not what it was.
    pub(crate) fn take_up(&mut self) -> bool {
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

    /// One device says 200 to a Get and ends the session where the value should have come, because that is too large for
    /// it to send. It would do the same in every session to come.
    pub(crate) fn blame_value(&mut self) {
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

    /// The package is complete: what was not answered by now will not be.
    pub(crate) fn settle(&mut self) {
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
    pub(crate) fn advance(&mut self) {
        if self.context.only_nonces {
            self.change_nonces();
            return;
        }
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
        if let Some(mut job) = self.job.take() {
            self.news.extend(job.told());
            self.ends.push(job.end(outcome));
            self.let_go(job.run.job);
        }
    }

    /// Nothing more is done for a job in this session.
    fn let_go(&mut self, job: JobRef) {
        if let Some(mut job) = self.job.take() {
            self.news.extend(job.told());
        }
        self.session.sent = None;
        self.session.done.push(job);
    }

    /// The device has its new nonce with our first message, and gives one with its answer to that; so it is asked something.
    fn change_nonces(&mut self) {
        let asks = matches!(self.session.stage, Stage::Setup { asked: false });
        if asks && self.ask_for_facts() {
            return;
        }
        let given = self.session.server_nonce.is_some();
        self.over(if given { End::Resynchronised } else { End::GaveUp });
    }

    fn ask_for_facts(&mut self) -> bool {
        self.session.stage = Stage::Setup { asked: true };
        let whats: Vec<What> =
            (0_u8..).zip(Facts::NODES).map(|(place, _)| What::Fact(place)).collect();
        self.send(&whats).is_ok()
    }
}
