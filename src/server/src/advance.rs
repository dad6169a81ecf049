//! Where a conversation meets the campaigns: the one file in which `session` and `campaign` know of each other.
//!
//! [`Desk`] answers what a session asks (which jobs, which settings); [`settle`] takes what came of a message and turns
//! it into what becomes of the device's jobs.

use crate::{
    campaigns::live::{LiveCampaign, Snapshot},
    care::{self, work::CareWork},
    config::Config,
    reports,
    rows::{ActiveJob, Detail, Device, DeviceId, HistoryRow, SessionRecord, SessionRow, ValuesRow},
    turn::Turn,
};
use campaign::{
    RenderError, document,
    job::{Job, Outcome, Phase},
    scope::Scope,
    target::Fields,
    time::Instant,
};
use session::{Facts, JobRef, News, Plan, Question, Reads, Setting, Step, Unfit};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use wire::uri::LocUri;

// What a campaign is accepted with, its sessions can carry and its rows can be kept under.
const _: () = assert!(campaign::limits::SETTINGS <= Plan::MOST_SETTINGS);
const _: () = assert!(campaign::limits::DEVICE_NAME_OCTETS <= DeviceId::LONGEST);

/// One device's jobs, as its session may see them.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) live: &'a Snapshot,
    pub(crate) id: &'a DeviceId,
    pub(crate) device: &'a Device,
    pub(crate) scope: &'a Scope,
    /// What its care job does, when it has one.
    pub(crate) care: Option<&'a CareWork>,
    /// Whether nobody can listen; secrets wait for that (D11).
    pub(crate) confidential: bool,
    /// Values read in earlier sessions, where a campaign looks at them.
    pub(crate) settings: BTreeMap<String, String>,
}

impl Desk<'_> {
    /// The campaign of a job. That of a care job comes with the job.
    fn live(&self, seq: u64) -> Option<&Arc<LiveCampaign>> {
        if seq == care::SEQ { self.care.map(|care| &care.live) } else { self.live.get(seq) }
    }

    fn plan(&self, active: &ActiveJob, fields: &Fields) -> Option<Plan> {
        let live = self.live(active.seq)?;
        // Cancelled or expired a moment ago, before anything was sent: nothing may be sent any more. And what waits for the
        // device's word has all been sent.
        if active.job.ended() || matches!(active.job, Job::Awaiting { .. }) {
            return None;
        }
        // What has begun goes on; what has not begun waits for its campaign.
        if !live.state.may_begin()
            && matches!(active.job, Job::Waiting { .. } | Job::Notified { .. })
            && !active.job.must_reread()
        {
            return None;
        }
        let campaign = &live.campaign;
        let job = JobRef { seq: active.seq, run: active.run };
        let care = self.care.filter(|_| active.seq == care::SEQ);
        let must_wait = live.has_secrets && !self.confidential;
        if must_wait && care.is_none() {
            return None;
        }
        let (keep, skip) = match (care, campaign.part_for(fields)) {
            // Somebody waits for it, and the device will not come otherwise than it came.
            (Some(_), _) if must_wait => (Vec::new(), Some(care::LISTENABLE.to_owned())),
            (Some(care), _) => (campaign::reads_of(care.writes()), None),
            (None, campaign::Part::Skip(reason)) => (Vec::new(), Some(reason)),
            (None, campaign::Part::Settings(settings)) => (campaign::reads_of(settings), None),
        };
        Some(Plan {
            job,
            query: care.map(|care| self.reads(care, fields)).unwrap_or_default(),
            tell: care.is_some(),
            // A job whose writes may have been lost on the way must look before it writes again.
            conditional: campaign.apply() == document::Apply::Conditional
                || active.job.must_reread(),
            atomic: match campaign.atomic() {
                document::Atomic::Never => session::Atomic::Never,
                document::Atomic::WhenSupported => session::Atomic::WhenSupported,
                document::Atomic::Required => session::Atomic::Required,
            },
            prove: match campaign.prove() {
                document::Prove::Status => session::Prove::Status,
                document::Prove::ReadBack => session::Prove::ReadBack,
            },
            ask: campaign.confirm().map(|confirm| Question {
                text: confirm.ask.clone(),
                wait_seconds: seconds(confirm.wait),
            }),
            keep,
            skip,
        })
    }

    /// The nodes that a care job reads. (What may not be read was refused when it was asked for.)
    fn reads(&self, care: &CareWork, fields: &Fields) -> Vec<LocUri> {
        let nothing = Reads::new();
        let rendered = care.reads().iter().filter_map(|read| read.render(fields, &nothing).ok());
        rendered
            .filter(|read| self.scope.allows(read.verb, &read.uri).is_ok())
            .map(|read| read.uri)
            .collect()
    }

    /// Fills in a setting and checks, for the second time, that the authority may do this (R8, R9).
    fn render(
        &self,
        setting: &campaign::Setting,
        fields: &Fields,
        read: &Reads,
    ) -> Result<Setting, Unfit> {
        let rendered = setting.render(fields, read).map_err(|error| match error {
            // Nobody can say that what is no address lies within the scope.
            RenderError::Address { .. } => {
                Unfit::Refused { uri: String::new(), why: format!("{}: {error}", setting.path) }
            }
            lacking => Unfit::NotApplicable(lacking.to_string()),
        })?;
        self.scope.allows(rendered.verb, &rendered.uri).map_err(|denied| Unfit::Refused {
            uri: rendered.uri.to_string(),
            why: denied.to_string(),
        })?;
        if let Some(from) = &rendered.from {
            self.scope.allows(campaign::Verb::Read, from).map_err(|denied| Unfit::Refused {
                uri: from.to_string(),
                why: denied.to_string(),
            })?;
        }
        Ok(Setting {
            verb: match rendered.verb {
                campaign::Verb::Ensure => session::Verb::Ensure,
                campaign::Verb::Replace => session::Verb::Replace,
                campaign::Verb::Add => session::Verb::Add,
                campaign::Verb::Delete => session::Verb::Delete,
                campaign::Verb::Read => session::Verb::Read,
                campaign::Verb::Exec => session::Verb::Exec,
                campaign::Verb::Copy => session::Verb::Copy,
            },
            uri: rendered.uri,
            format: rendered.format,
            value: rendered.value,
            from: rendered.from,
            within_seconds: seconds(rendered.within),
            secret: rendered.secret,
            readable: rendered.readable,
        })
    }
}

impl session::Work for Desk<'_> {
    fn plans(&self, facts: &Facts) -> Vec<Plan> {
        let fields = fields(self.id, self.device, Some(facts), self.settings.clone());
        let mut jobs: Vec<&ActiveJob> = self.device.jobs.iter().collect();
        jobs.sort_by_key(|job| (job.lane, job.seq));
        jobs.into_iter().filter_map(|job| self.plan(job, &fields)).collect()
    }

    fn settings(&self, job: JobRef, facts: &Facts, read: &Reads) -> Result<Vec<Setting>, Unfit> {
        if self.device.job(job.seq).is_none_or(|active| active.run != job.run) {
            return Err(Unfit::Gone);
        }
        let live = self.live(job.seq).ok_or(Unfit::Gone)?;
        let fields = fields(self.id, self.device, Some(facts), self.settings.clone());
        let render = |settings: &[campaign::Setting]| {
            settings.iter().map(|setting| self.render(setting, &fields, read)).collect()
        };
        if let Some(care) = self.care.filter(|_| job.seq == care::SEQ) {
            return render(care.writes());
        }
        match live.campaign.part_for(&fields) {
            campaign::Part::Skip(reason) => Err(Unfit::NotApplicable(reason)),
            campaign::Part::Settings(settings) => render(settings),
        }
    }
}

/// A device as expressions and templates see it. What it says of itself in a session comes before what the registry says.
pub(crate) fn fields(
    id: &DeviceId,
    device: &Device,
    facts: Option<&Facts>,
    settings: BTreeMap<String, String>,
) -> Fields {
    let said = |said: Option<&Option<String>>, known: &str| {
        said.and_then(Clone::clone).unwrap_or_else(|| known.to_owned())
    };
    Fields {
        device: id.device.clone(),
        manufacturer: said(facts.map(|facts| &facts.manufacturer), &device.manufacturer),
        model: said(facts.map(|facts| &facts.model), &device.model),
        firmware: device.firmware.clone(),
        dm_version: said(facts.map(|facts| &facts.dm_version), &device.dm_version),
        time_zone: device.time_zone.clone(),
        attributes: device.attributes.clone(),
        groups: device.groups.clone(),
        settings,
    }
}

/// What settling a message needs besides the turn.
#[derive(Debug)]
pub(crate) struct Settlement<'a> {
    pub(crate) live: &'a Snapshot,
    pub(crate) config: &'a Config,
    pub(crate) now: Instant,
    pub(crate) history: Option<HistoryRow>,
    pub(crate) values: Option<ValuesRow>,
}

impl Settlement<'_> {
    /// Takes into the device's row what one message of its session brought. `row` is the session as it stands after
    /// the message; the caller stores it with the turn's change.
    pub(crate) fn settle(mut self, turn: &mut Turn, row: &mut SessionRow, step: &Step) {
        let deadline = self.now.plus(self.config.session.answer_within);
        for end in &step.ends {
            // The milestones of a job that began and ended within one message come before its end.
            milestones(turn, step, end.job, deadline);
            let written =
                turn.device.job(end.job.seq).is_some_and(|active| active.job.so_far().written);
            let outcome = match outcome(&end.outcome) {
                // As wanted, because an earlier session wrote it and was lost before the proof.
                Outcome::Unchanged if written => Outcome::Applied,
                outcome => outcome,
            };
            turn.end(end.job.seq, outcome, detail(&end.outcome));
            row.ended.push((end.job.seq, outcome));
            row.keep(&end.read);
        }
        for news in &step.news {
            self.take(turn, row, news, deadline);
        }
    }

    fn take(&mut self, turn: &mut Turn, row: &mut SessionRow, news: &News, deadline: Instant) {
        match news {
            News::Authenticated => {
                let device = &mut turn.device;
                device.auth_count = device.auth_count.wrapping_add(1);
                device.seen = Some(self.now);
                // Whatever opened this session opens no other one (D5).
                device.imported = None;
                device.issued = None;
            }
            News::NonceIssued(nonce) => {
                // Whatever nonce proved this message proves no other one.
                turn.device.auth_count = turn.device.auth_count.wrapping_add(1);
                turn.device.issued = Some(nonce.clone());
                turn.device.issued_used = false;
            }
            News::ServerNonce(nonce) => {
                if let Some(server) = &mut turn.device.server {
                    server.nonce = nonce.clone();
                }
            }
            News::ServerRefused => turn.fault("server-credentials-refused", String::new()),
            News::Facts(facts) => learn(&mut turn.device, facts),
            News::Learnt(learnt) => turn.device.learnt = *learnt,
            News::Started(job) => turn.step(job.seq, |job| job.on_session_started(deadline)),
            News::Asked(job) => {
                let wait = self
                    .live
                    .get(job.seq)
                    .and_then(|live| live.campaign.confirm().map(|confirm| confirm.wait));
                // D12: the user's time, and a minute for the answer to come.
                let deadline = self.now.plus(wait.unwrap_or_default() + Duration::from_mins(1));
                turn.step(job.seq, |job| job.on_phase(Phase::Ask, deadline));
            }
            News::WriteSent(job) => {
                // It says that the user agreed, if somebody asked; and whoever forgets it would call the job cancelled.
                turn.must_last();
                turn.step(job.seq, |job| job.on_write_sent(deadline));
            }
            News::Part(job) => self.renew(turn, job.seq, deadline),
            // A device that falls silent before its proof is read again, as one that falls silent after a write is.
            News::Proving(job) => turn.step(job.seq, |job| job.on_phase(Phase::Prove, deadline)),
            News::Event(event) => {
                turn.alert(event.into());
                reports::heed(turn, self.live, event);
            }
            News::Awaits(awaited) => {
                let within = Duration::from_secs(awaited.seconds.into());
                let deadline = self.now.plus(within);
                turn.step(awaited.job.seq, |job| job.on_accepted(&awaited.places, deadline));
                row.keep(&awaited.read);
            }
            // Nothing to store: the door counts refusals, and a gap or an abort shows in how the session went on.
            // Values that somebody waits for the door writes down, beside the device.
            News::Refused | News::Gap(_) | News::Stray(_) | News::Abort | News::Read(_) => {}
            News::Over(end) => self.over(turn, row, *end),
        }
    }

    /// A large object takes many messages within one phase: its job has more time, written down not with every part.
    fn renew(&self, turn: &mut Turn, seq: u64, deadline: Instant) {
        let soon = self.now.plus(self.config.session.answer_within / 2);
        turn.step(seq, |job| match job.deadline() {
            Some(old) if old < soon => job.on_going_on(deadline),
            Some(_) | None => job,
        });
    }

    /// The session is over: its id is used up, its jobs that did not end wait again, and it is recorded.
    fn over(&mut self, turn: &mut Turn, row: &mut SessionRow, end: session::End) {
        if !row.read.is_empty() {
            let values = self.values.get_or_insert_default();
            for (uri, value) in std::mem::take(&mut row.read) {
                values.keep(uri, value, self.now);
            }
            turn.keep_values(values);
        }
        if row.session.id().answers_notification(turn.device.next_sid) {
            turn.device.next_sid = Device::sid_after(turn.device.next_sid);
        }
        if turn.device.resync.is_open(row.session.id()) {
            turn.device.resync.closed();
        }
        if end == session::End::Resynchronised {
            turn.call_again();
        }
        turn.session_lost(self.live);
        let record = SessionRecord {
            id: hex::encode(row.token),
            session_id: row.session.id().to_string(),
            started: row.started,
            ended: self.now,
            messages: row.messages,
            octets_in: row.octets_in,
            octets_out: row.octets_out,
            end: ending(end).to_owned(),
            jobs: row.ended.clone(),
        };
        turn.record(self.history.take().unwrap_or_default(), record, self.config.retention.history);
    }
}

fn milestones(turn: &mut Turn, step: &Step, job: JobRef, deadline: Instant) {
    for news in &step.news {
        match news {
            News::Started(started) if *started == job => {
                turn.step(job.seq, |job| job.on_session_started(deadline));
            }
            News::WriteSent(written) if *written == job => {
                turn.step(job.seq, |job| job.on_write_sent(deadline));
            }
            _ => {}
        }
    }
}

/// The outcome as campaigns count it.
fn outcome(outcome: &session::Outcome) -> Outcome {
    match outcome {
        session::Outcome::Applied => Outcome::Applied,
        session::Outcome::Unchanged => Outcome::Unchanged,
        session::Outcome::Declined => Outcome::Declined,
        session::Outcome::NoAnswer => Outcome::NoAnswer,
        session::Outcome::Failed(_) => Outcome::Failed,
        session::Outcome::Broken(_) => Outcome::Broken,
        session::Outcome::NotApplicable(_) => Outcome::NotApplicable,
        session::Outcome::Refused { .. } => Outcome::Refused,
        session::Outcome::Superseded => Outcome::Superseded,
    }
}

/// The words that go with an outcome, cut to what a result row holds.
fn detail(outcome: &session::Outcome) -> Option<Detail> {
    let detail = match outcome {
        session::Outcome::Failed(failure) | session::Outcome::Broken(failure) => Detail {
            uri: Some(cut(&failure.uri)),
            status: failure.status,
            phase: Some(failure.phase),
            why: Some(failure.why.to_string()),
        },
        session::Outcome::NotApplicable(why) => {
            Detail { uri: None, status: None, phase: None, why: Some(cut(why)) }
        }
        session::Outcome::Refused { uri, why } => {
            let uri = Some(cut(uri)).filter(|uri| !uri.is_empty());
            Detail { uri, status: None, phase: None, why: Some(cut(why)) }
        }
        session::Outcome::Applied
        | session::Outcome::Unchanged
        | session::Outcome::Declined
        | session::Outcome::NoAnswer
        | session::Outcome::Superseded => return None,
    };
    Some(detail)
}

/// Why a session ended, in a word.
fn ending(end: session::End) -> &'static str {
    match end {
        session::End::Complete => "complete",
        session::End::Aborted => "aborted",
        session::End::GaveUp => "gave_up",
        session::End::RenderingChanged => "rendering_changed",
        session::End::Resynchronised => "resynchronised",
    }
}

/// The first 120 characters.
fn cut(text: &str) -> String {
    text.chars().take(120).collect()
}

fn learn(device: &mut Device, facts: &Facts) {
    let model = device.model.clone();
    for (known, said) in [
        (&mut device.manufacturer, &facts.manufacturer),
        (&mut device.model, &facts.model),
        (&mut device.dm_version, &facts.dm_version),
    ] {
        if let Some(said) = said
            && known != said
        {
            known.clone_from(said);
        }
    }
    // What was known of another model is not known of this one.
    if model != device.model && !model.is_empty() {
        device.learnt = session::Learnt::default();
    }
}

fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX)
}
