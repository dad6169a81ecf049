//! One job while a message is answered: what was stored of it, and beside that its plan and its rendered settings.

use crate::{
    Awaited, CommandReport, Facts, Failure, JobEnd, Learnt, News, Outcome, Phase, Plan, Quirk,
    Quirks, Setting, Unfit, Verb, Why, Work,
    alerts::Login,
    listing,
    pin::Pin,
    run::{Reading, Run, Slot, State},
    sent::{Answer, Manner, Order, What},
    telling::Telling,
};
use wire::{meta::Format, status::StatusCode, uri::LocUri};

/// A job while a message is answered.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) run: Run,
    pub(crate) plan: Plan,
    settings: Vec<Setting>,
    /// Whether the device knows correlators, as far as one knows.
    pub(crate) correlates: bool,
    /// What this message brought for somebody who waits for it.
    pub(crate) telling: Telling,
}

/// Why a stored job cannot go on.
#[derive(Debug)]
pub(crate) enum Lost {
    /// It is not there any more, and has been reported.
    Gone,
    /// It is not what it was.
    Changed,
    Ended(JobEnd),
}

impl Job {
    /// A job that begins.
    pub(crate) fn begin(plan: Plan, quirks: Quirks) -> Self {
        let run = Run::new(&plan, quirks);
        let correlates = !quirks.has(Quirk::NoCorrelator);
        Self { run, plan, settings: Vec::new(), correlates, telling: Telling::default() }
    }

    /// A job that goes on: its plan and its settings again, if they are still the same.
    pub(crate) fn resume(
        run: Run,
        facts: &Facts,
        quirks: Quirks,
        work: &dyn Work,
    ) -> Result<Self, Lost> {
        let Some(plan) = work.plans(facts).into_iter().find(|plan| plan.job == run.job) else {
            return Err(Lost::Gone);
        };
        let correlates = !quirks.has(Quirk::NoCorrelator);
        let telling = Telling::default();
        let mut job = Self { run, plan, settings: Vec::new(), correlates, telling };
        if job.run.slots.is_some() {
            match work.settings(job.run.job, facts, &job.run.kept_reads()) {
                Ok(settings) => job.settings = settings,
                Err(Unfit::Gone) => return Err(Lost::Gone),
                // What has been sent cannot be taken back by a job that no longer fits.
                Err(_) if job.run.began.writing => return Err(Lost::Changed),
                Err(unfit) => {
                    return Err(unfit_end(unfit)
                        .map_or(Lost::Gone, |outcome| Lost::Ended(job.end(outcome))));
                }
            }
        }
        let rendered = job.run.slots.is_some().then_some(job.settings.as_slice());
        if Pin::of(&job.plan, rendered) == job.run.pin { Ok(job) } else { Err(Lost::Changed) }
    }

    pub(crate) fn rendered(&self) -> bool {
        self.run.slots.is_some()
    }

    /// Fills in the settings, now that everything they need has been read. `None` when the job is gone.
    pub(crate) fn render(&mut self, facts: &Facts, work: &dyn Work) -> Result<(), Option<Outcome>> {
        self.settings =
            work.settings(self.run.job, facts, &self.run.kept_reads()).map_err(unfit_end)?;
        if self.settings.len() > Plan::MOST_SETTINGS {
            let uri = self
                .settings
                .first()
                .map(|setting| setting.uri.as_str().to_owned())
                .unwrap_or_default();
            return Err(Some(Outcome::Failed(Failure {
                uri,
                status: None,
                phase: Phase::Query,
                why: Why::TooManySettings,
            })));
        }
        self.run.pin = Pin::of(&self.plan, Some(&self.settings));
        let slots = self
            .settings
            .iter()
            .enumerate()
            .map(|(place, setting)| self.first_slot(place, setting));
        self.run.slots = Some(slots.collect());
        Ok(())
    }

    fn first_slot(&self, place: usize, setting: &Setting) -> Slot {
        let mut slot = Slot::new();
        let readable = setting.readable && !setting.secret;
        let deleted_before = self.settings.iter().take(place).find(|earlier| {
            earlier.verb == Verb::Delete
                && (earlier.uri == setting.uri || earlier.uri.is_ancestor_of(&setting.uri))
        });
        match setting.verb {
            Verb::Read => slot.state = State::Unread,
            Verb::Exec | Verb::Copy => slot.hidden = true,
            Verb::Delete => {
                slot.hidden = !readable;
                slot.state =
                    if self.plan.conditional && readable { State::Unread } else { State::Present };
            }
            Verb::Ensure | Verb::Replace | Verb::Add => {
                slot.hidden = !readable;
                slot.state = match deleted_before {
                    Some(deleted) => {
                        slot.existing = depth(&deleted.uri).saturating_sub(1);
                        State::Absent
                    }
                    None if self.plan.conditional && readable => State::Unread,
                    // A node without a value has nothing to replace.
                    None if setting.format == Format::Node => State::Absent,
                    None => State::Present,
                };
            }
        }
        slot
    }

    /// The settings with what is known of each, in order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (u8, &Slot, &Setting)> {
        let slots = self.run.slots.as_deref().unwrap_or_default();
        (0..).zip(slots).zip(&self.settings).map(|((place, slot), setting)| (place, slot, setting))
    }

    pub(crate) fn slot_mut(&mut self, place: u8) -> Option<(&mut Slot, &Setting)> {
        let place = usize::from(place);
        let slot = self.run.slots.as_mut()?.get_mut(place)?;
        Some((slot, self.settings.get(place)?))
    }

    pub(crate) fn setting(&self, place: u8) -> Option<&Setting> {
        self.settings.get(usize::from(place))
    }

    /// The nodes that the plan reads: what templates need, then what else is asked for.
    pub(crate) fn plan_reads(&self) -> impl Iterator<Item = &LocUri> {
        let plan = &self.plan;
        plan.keep
            .iter()
            .chain(plan.query.iter().filter(|uri| !plan.keep.contains(uri)))
            .take(usize::from(u8::MAX))
    }

    /// The node that a command is about.
    pub(crate) fn node(&self, what: What) -> Option<LocUri> {
        match what {
            What::Fact(_) => None,
            What::LargeObjects => LocUri::parse(Learnt::LARGE_OBJECTS).ok(),
            What::Keep(place) => self.plan_reads().nth(usize::from(place)).cloned(),
            What::Compare(slot)
            | What::Proof(slot)
            | What::PutBack(slot)
            | What::Write { slot, .. } => Some(self.setting(slot)?.uri.clone()),
            What::Parent { slot, depth } => ancestor(&self.setting(slot)?.uri, depth),
            What::Ask | What::Block => self.settings.first().map(|setting| setting.uri.clone()),
        }
    }

    /// Notes that a command goes out; news when it is the first of its kind.
    pub(crate) fn note_sent(&mut self, what: What) -> Option<News> {
        let job = self.run.job;
        let first = |flag: &mut bool| !std::mem::replace(flag, true);
        match what {
            What::Fact(_) | What::Keep(_) | What::Compare(_) | What::PutBack(_) => None,
            What::LargeObjects => {
                self.run.asked_large = true;
                None
            }
            What::Ask => first(&mut self.run.began.asking).then_some(News::Asked(job)),
            What::Block | What::Parent { .. } => {
                first(&mut self.run.began.writing).then_some(News::WriteSent(job))
            }
            What::Write { slot, .. } => {
                if let Some((slot, setting)) = self.slot_mut(slot) {
                    slot.tries = slot.tries.saturating_add(1);
                    let uri = setting.uri.as_str().to_owned();
                    // What was read before is true no longer.
                    self.run.reads.retain(|reading| reading.kept || reading.uri != uri);
                }
                first(&mut self.run.began.writing).then_some(News::WriteSent(job))
            }
            What::Proof(_) => first(&mut self.run.began.proving).then_some(News::Proving(job)),
        }
    }

    /// Notes that the first `depth` segments of `uri` exist, for all settings that share them.
    pub(crate) fn learn_existing(&mut self, uri: &LocUri, depth: u8) {
        let slots = self.run.slots.iter_mut().flatten();
        for (slot, setting) in slots.zip(&self.settings) {
            let shared = uri
                .segments()
                .zip(setting.uri.segments())
                .take_while(|(one, other)| one == other)
                .count();
            let shared = u8::try_from(shared).unwrap_or(u8::MAX).min(depth);
            slot.existing = slot.existing.max(shared);
        }
    }

    /// Takes down a value that was read; false when the templates need it and it is too large to keep.
    #[must_use]
    pub(crate) fn note_read(&mut self, uri: &LocUri, value: String) -> bool {
        let kept = self.plan.keep.contains(uri);
        if !kept && self.is_secret(uri) {
            return true;
        }
        if self.plan.tell && !self.is_secret(uri) {
            self.telling.value(uri.as_str(), &value, self.run.phase);
        }
        self.run.note_read(Reading { uri: uri.as_str().to_owned(), value, kept })
    }

    /// Takes down a node of a list, as [`Self::note_read`] takes down a value.
    #[must_use]
    pub(crate) fn note_listed(&mut self, list: &LocUri, member: &str) -> bool {
        let kept = self.plan.keep.contains(list);
        if self.plan.tell && !self.is_secret(list) {
            self.telling.member(list.as_str(), member, self.run.phase);
        }
        self.run.note_listed(list.as_str(), member, kept)
    }

    /// A node of the plan that has no value to tell, and what the device answered.
    pub(crate) fn note_unread(&mut self, order: Order) {
        if !self.plan.tell {
            return;
        }
        let why = match order.answer() {
            Answer::Same | Answer::Differs | Answer::Seen => return,
            Answer::Empty => {
                if let Some(uri) = self.node(order.what).filter(|uri| !self.is_secret(uri)) {
                    self.telling.value(uri.as_str(), "", self.run.phase);
                }
                return;
            }
            Answer::Hidden if order.code().is_some_and(StatusCode::is_success) => Why::NoValue,
            Answer::Absent | Answer::Hidden | Answer::Refused(_) => Why::Status,
            Answer::Broken => Why::CutShort,
            Answer::Silence => Why::NoStatus,
        };
        let failure = self.failure(order.what, order.code(), why);
        self.telling.unread(failure);
    }

    /// What this message brought for somebody who waits for it.
    pub(crate) fn told(&mut self) -> Option<News> {
        self.telling.take(self.run.job).map(News::Read)
    }

    /// What the device has taken up and not yet reported on, and what else there is to say of the job.
    pub(crate) fn awaited(&self) -> Option<Awaited> {
        let open = || self.slots().filter(|(_, slot, _)| slot.state == State::Accepted);
        let seconds = open().map(|(.., setting)| setting.within_seconds).max()?;
        let places = open().map(|(place, ..)| place).collect();
        Some(Awaited { job: self.run.job, places, seconds, read: self.still_true() })
    }

    /// The first setting that cannot be reached while nobody, or somebody else, is logged in.
    pub(crate) fn out_of_reach(&self, login: Login) -> Option<Failure> {
        let setting = self.settings.iter().find(|setting| !login.reaches(&setting.uri))?;
        let uri = setting.uri.as_str().to_owned();
        Some(Failure { uri, status: None, phase: Phase::Query, why: Why::NoUser })
    }

    /// A failure of the command that `what` stands for.
    pub(crate) fn failure(&self, what: What, status: Option<StatusCode>, why: Why) -> Failure {
        let uri = self.node(what).map(|uri| uri.as_str().to_owned()).unwrap_or_default();
        Failure { uri, status, phase: self.run.phase, why }
    }

    /// As [`Self::failure`], of a command that was answered by a code or by nothing.
    pub(crate) fn refusal(&self, order: Order) -> Failure {
        let is_copy = matches!(order.what, What::Write { manner: Manner::Copy, .. });
        let why = match order.code() {
            Some(StatusCode::NotSupported | StatusCode::NotImplemented) if is_copy => {
                Why::Unsupported
            }
            Some(_) => Why::Status,
            None => Why::NoStatus,
        };
        self.failure(order.what, order.code(), why)
    }

    /// How a job ends in which nothing failed.
    pub(crate) fn success(&self) -> Outcome {
        let changed =
            self.slots().any(|(_, slot, _)| matches!(slot.state, State::Written | State::Proven));
        if changed { Outcome::Applied } else { Outcome::Unchanged }
    }

    pub(crate) fn end(&self, outcome: Outcome) -> JobEnd {
        let sent = self.slots().filter(|(_, slot, _)| slot.tries > 0 || slot.code().is_some());
        let report = |(_, slot, setting): (u8, &Slot, &Setting)| CommandReport {
            verb: setting.verb,
            uri: setting.uri.as_str().to_owned(),
            status: slot.code(),
        };
        JobEnd {
            job: self.run.job,
            outcome,
            commands: sent.map(report).take(JobEnd::MOST_COMMANDS).collect(),
            read: self.still_true(),
        }
    }

    /// Whether the value of a node is that of a secret setting, or in a list that is secret.
    fn is_secret(&self, uri: &LocUri) -> bool {
        let holds = |listed: &LocUri| listing::is_list(listed) && listing::answers(listed, uri);
        let mut secrets = self.settings.iter().filter(|setting| setting.secret);
        secrets.any(|setting| setting.uri == *uri || holds(&setting.uri))
    }

    /// Of what was read, that which no write has made untrue since.
    fn still_true(&self) -> Vec<(String, String)> {
        let was_written = |uri: &str| {
            self.slots().any(|(_, slot, setting)| slot.tries > 0 && setting.uri.as_str() == uri)
        };
        let true_still =
            self.run.reads.iter().filter(|reading| !reading.kept || !was_written(&reading.uri));
        // A list, or what was read before the settings were known, may hold what is none of the reader's business.
        let is_secret = |uri: &str| LocUri::parse(uri).is_ok_and(|uri| self.is_secret(&uri));
        true_still
            .filter(|reading| !is_secret(&reading.uri))
            .take(JobEnd::MOST_READ)
            .map(|reading| (reading.uri.clone(), reading.value.clone()))
            .collect()
    }
}

/// The outcome of a job without settings; `None` when somebody else has reported it.
fn unfit_end(unfit: Unfit) -> Option<Outcome> {
    match unfit {
        Unfit::NotApplicable(why) => Some(Outcome::NotApplicable(why)),
        Unfit::Refused { uri, why } => Some(Outcome::Refused { uri, why }),
        Unfit::Gone => None,
        Unfit::Superseded => Some(Outcome::Superseded),
    }
}

/// How many segments an address has below the root.
pub(crate) fn depth(uri: &LocUri) -> u8 {
    u8::try_from(uri.depth()).unwrap_or(u8::MAX)
}

/// The node above `uri` that lies `depth` segments below the root.
fn ancestor(uri: &LocUri, depth: u8) -> Option<LocUri> {
    let mut node = uri.parent()?;
    while node.depth() > usize::from(depth) {
        node = node.parent()?;
    }
    Some(node)
}
