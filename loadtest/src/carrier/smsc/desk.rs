//! What is done with a message when it comes in: it is counted, judged, refused or accepted, and put together with its others.

use super::{
    parts::Parts,
    plan::{Manners, SmscPlan},
    report::{Arrival, SmscReport},
    submission::Submission,
};
use crate::{
    carrier::{handset, rush::Rush},
    dice::Dice,
    fleet::Ears,
    verdict::{Breach, Finding, Rule, push::Bell},
};
use rusmpp::CommandStatus;
use std::time::{Duration, Instant};

/// What chance decides, each by a stream of its own.
const BARRED: u64 = 0x5_0001;
const MESSAGE: u64 = 0x5_0002;

/// The first message's id; others count on. Eight digits in hexadecimal and nine in decimal, so that the two are told apart.
const FIRST_ID: u64 = 0x1A2B_3C00;

/// The books of a centre.
#[derive(Debug)]
pub(crate) struct Desk {
    began: Instant,
    seed: u64,
    submitted: Rush,
    accepted: Rush,
    parts: Parts,
    arrivals: Vec<Arrival>,
    arrivals_kept: usize,
    foreign: bool,
    pub(crate) seen: SmscReport,
}

/// What becomes of a message.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) answer: Answer,
    /// What is handed over, now or later.
    pub(crate) handed: Option<Handed>,
}

/// What is said to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Accepted(u64),
    Refused(CommandStatus),
    /// Nothing.
    None,
}

/// A message that was accepted.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) device: u64,
    /// The push that is whole with it.
    pub(crate) push: Option<Vec<u8>>,
    /// Its id, if a receipt is wanted.
    pub(crate) receipt: Option<u64>,
    pub(crate) fate: Fate,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    Undelivered,
    Expired,
}

impl Desk {
    pub(crate) fn new(began: Instant, plan: &SmscPlan) -> Self {
        Self {
            began,
            seed: plan.seed,
            submitted: Rush::new(began),
            accepted: Rush::new(began),
            parts: Parts::default(),
            arrivals: Vec::new(),
            arrivals_kept: plan.arrivals_kept,
            foreign: plan.foreign,
            seen: SmscReport::default(),
        }
    }

    /// A `submit_sm` came, as a whole PDU. `waiting` messages wait to be delivered.
    pub(crate) fn take(
        &mut self,
        pdu: &[u8],
        came: (Instant, u64),
        manners: &Manners,
        ears: Option<&Ears>,
        waiting: usize,
    ) -> Taken {
        let (now, line) = came;
        self.submitted.came(now, 1);
        self.seen.submitted += 1;
        let (device, priority, taken) = match Submission::read(pdu) {
            Err(finding) => {
                self.breach(None, &finding, pdu);
                (None, 0, refused(CommandStatus::EsmeRinvcmdlen))
            }
            Ok(submission) => {
                let device = submission.number().and_then(|number| ears?.device(number));
                let judged = if self.foreign { Vec::new() } else { submission.findings() };
                for finding in judged {
                    self.breach(device, &finding, pdu);
                }
                let taken = self.judge(pdu, &submission, device, now, manners, waiting);
                (device, submission.priority, taken)
            }
        };
        let (name, status) = match taken.answer {
            Answer::Accepted(_) => ("ESME_ROK", Some(0)),
            Answer::Refused(status) => (name(status), Some(u32::from(status))),
            Answer::None => ("none", None),
        };
        *self.seen.answers.entry(name).or_default() += 1;
        if self.arrivals.len() < self.arrivals_kept {
            let at = now.saturating_duration_since(self.began);
            self.arrivals.push(Arrival { at, line, device, priority, status });
        }
        taken
    }

    fn judge(
        &mut self,
        pdu: &[u8],
        submission: &Submission<'_>,
        device: Option<u64>,
        now: Instant,
        manners: &Manners,
        waiting: usize,
    ) -> Taken {
        let mut dice = Dice::of(self.seed, self.seen.submitted, MESSAGE);
        let [ignored, for_now, unanswered, undelivered] = [(); 4].map(|()| dice.share());
        let piece = submission.piece();
        if let Err(finding) = &piece {
            self.breach(device, finding, pdu);
        }
        if ignored < manners.ignored {
            return Taken { answer: Answer::None, handed: None };
        }
        if manners.per_second.is_some_and(|most| self.accepted.in_last_second(now) >= most) {
            return refused(CommandStatus::EsmeRthrottled);
        }
        if manners.queue.is_some_and(|most| waiting >= most) {
            return refused(CommandStatus::EsmeRmsgqful);
        }
        let (Some(device), Some(number)) = (device, submission.number()) else {
            return refused(CommandStatus::EsmeRinvdstadr);
        };
        if Dice::of(self.seed, device, BARRED).share() < manners.barred {
            return refused(CommandStatus::EsmeRinvdstadr);
        }
        if for_now < manners.refused_for_now {
            return refused(CommandStatus::EsmeRsyserr);
        }
        let Ok(piece) = piece else { return refused(CommandStatus::EsmeRinvmsglen) };
        self.accepted.came(now, 1);
        let push = match self.parts.add(number, piece, now) {
            Ok(push) => push,
            Err(finding) => {
                self.breach(Some(device), &finding, pdu);
                None
            }
        };
        if let Some(push) = &push {
            self.seen.pushes += 1;
            self.seen.pushes_in_parts += u64::from(piece.part.is_some());
            // The device judges it too, unless it is in a session or never gets it.
            if !self.foreign
                && let Err(finding) = Bell::read(push)
            {
                self.breach(Some(device), &finding, push);
            }
        }
        let push = if self.foreign { push.and_then(|push| as_ours(&push)) } else { push };
        let valid_for = submission.valid_for().unwrap_or(Duration::MAX);
        let fate = match () {
            () if manners.delivers_after > valid_for => Fate::Expired,
            () if undelivered < manners.undelivered => Fate::Undelivered,
            () => Fate::Delivered,
        };
        let id = FIRST_ID + self.seen.submitted;
        let answer =
            if unanswered < manners.unanswered { Answer::None } else { Answer::Accepted(id) };
        let receipt = submission.wants_receipt().then_some(id);
        Taken { answer, handed: Some(Handed { device, push, receipt, fate }) }
    }

    /// A rule was broken on a connection.
    pub(crate) fn broken(&mut self, detail: &str, octets: &[u8]) {
        self.breach(None, &Finding::new(Rule::SmppProtocol, detail), octets);
    }

    fn breach(&mut self, device: Option<u64>, finding: &Finding, octets: &[u8]) {
        self.seen.breaches.add(Breach::new(device, finding, octets));
    }

    pub(crate) fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    pub(crate) fn report(&self) -> SmscReport {
        SmscReport {
            per_second: self.submitted.told(),
            parts_waiting: self.parts.waiting(),
            ..self.seen.clone()
        }
    }
}

/// A push of somebody else as the device's DM client gets it, when it is for that.
fn as_ours(push: &[u8]) -> Option<Vec<u8>> {
    let package = handset::package(push)?;
    Some([b"\x01\x06\x03\xC4\xAF\x87".as_slice(), package].concat())
}

fn refused(status: CommandStatus) -> Taken {
    Taken { answer: Answer::Refused(status), handed: None }
}

/// The names of the statuses that this centre answers with.
fn name(status: CommandStatus) -> &'static str {
    match status {
        CommandStatus::EsmeRinvcmdlen => "ESME_RINVCMDLEN",
        CommandStatus::EsmeRinvmsglen => "ESME_RINVMSGLEN",
        CommandStatus::EsmeRinvdstadr => "ESME_RINVDSTADR",
        CommandStatus::EsmeRmsgqful => "ESME_RMSGQFUL",
        CommandStatus::EsmeRsyserr => "ESME_RSYSERR",
        CommandStatus::EsmeRthrottled => "ESME_RTHROTTLED",
        _ => "another",
    }
}
