//! What is done with a push when it comes in: counted, judged, refused or taken.

use super::{
    plan::{Courtesy, GatewayReport},
    push::{self, Push},
    request::{Answer, Request},
};
use crate::{
    carrier::rush::Rush,
    clock::Moment,
    dice::Dice,
    fleet::Ears,
    verdict::{Breach, Finding, Rule, push::Bell},
};
use std::{collections::HashSet, time::Instant};
use wire::pap::{
    Address, BadMessage, Code, Document, MessageState, Pap, PushResponse, QualityOfService,
};

/// What chance decides, each by a stream of its own.
const UNKNOWN: u64 = 0x6_0001;
const PUSH: u64 = 0x6_0002;

/// Ids that are remembered, to know those that come again; then all are forgotten.
const MOST_IDS: usize = 1_000_000;

/// The books of a gateway.
#[derive(Debug)]
pub(super) struct Desk {
    seed: u64,
    came: Rush,
    accepted: Rush,
    ids: HashSet<String>,
    pub(super) seen: GatewayReport,
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) struct Taken {
    /// `None` closes the connection.
    pub(super) answer: Option<Answer>,
    pub(super) handed: Option<Handed>,
}

/// A push that was taken.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) device: u64,
    /// The whole push message, as it goes on the air.
    pub(super) push: Vec<u8>,
    pub(super) state: MessageState,
    pub(super) deliver_before: Option<String>,
    /// Where its result is posted, if that is wanted and happens.
    pub(super) result_to: Option<String>,
    pub(super) push_id: String,
    pub(super) address: Address,
    pub(super) quality: Option<QualityOfService>,
}

impl Desk {
    pub(super) fn new(began: Instant, seed: u64) -> Self {
        Self {
            seed,
            came: Rush::new(began),
            accepted: Rush::new(began),
            ids: HashSet::new(),
            seen: GatewayReport::default(),
        }
    }

    pub(super) fn take(
        &mut self,
        request: &Request,
        now: Instant,
        courtesy: &Courtesy,
        ears: Option<&Ears>,
    ) -> Taken {
        self.came.came(now, 1);
        self.seen.pushes += 1;
        let push = match Push::read(request) {
            Ok(push) => push,
            Err(finding) => {
                self.breach(None, &finding, &request.body);
                let desc = Some(finding.detail);
                let bad = BadMessage { code: Code::BadRequest, desc, fragment: None };
                return self.refused(Code::BadRequest, Document::Bad(bad));
            }
        };
        let device = push.number().and_then(|number| ears?.device(number));
        for finding in &push.findings {
            self.breach(device, finding, &request.body);
        }
        let mut dice = Dice::of(self.seed, self.seen.pushes, PUSH);
        let [for_now, unanswered, undelivered, missing] = [(); 4].map(|()| dice.share());
        let refuse = |this: &mut Self, code| this.refused(code, response(&push, code));
        if courtesy.per_second.is_some_and(|most| self.accepted.in_last_second(now) >= most) {
            return refuse(self, Code::ServiceUnavailable);
        }
        let Some(device) = device else { return refuse(self, Code::AddressNotFound) };
        if Dice::of(self.seed, device, UNKNOWN).share() < courtesy.unknown {
            return refuse(self, Code::AddressNotFound);
        }
        if for_now < courtesy.refused_for_now {
            return refuse(self, Code::InternalServerError);
        }
        if self.ids.contains(&push.control.push_id) {
            return refuse(self, Code::DuplicatePushId);
        }
        if self.ids.len() >= MOST_IDS {
            self.ids.clear();
        }
        self.ids.insert(push.control.push_id.clone());
        self.accepted.came(now, 1);
        // The gateway adds what goes before package #0 on the air: a push of that type for that application.
        let whole = [b"\x01\x06\x03\xC4\xAF\x87".as_slice(), &push.content].concat();
        if let Err(finding) = Bell::read(&whole) {
            self.breach(Some(device), &finding, &whole);
        }
        let answer = if unanswered < courtesy.unanswered {
            self.seen.unanswered += 1;
            None
        } else {
            self.refused(Code::Accepted, response(&push, Code::Accepted)).answer
        };
        let state = if undelivered < courtesy.undelivered {
            MessageState::Undeliverable
        } else {
            MessageState::Delivered
        };
        let wanted = push.control.notify_requested_to;
        if wanted.is_some() && missing < courtesy.results_missing {
            self.seen.results_missing += 1;
        }
        let handed = Handed {
            device,
            push: whole,
            state,
            deliver_before: push.control.deliver_before,
            result_to: wanted.filter(|_| missing >= courtesy.results_missing),
            push_id: push.control.push_id,
            address: push.control.addresses.into_iter().next().unwrap_or_else(|| Address::new("")),
            quality: push.control.quality,
        };
        Taken { answer, handed: Some(handed) }
    }

    fn refused(&mut self, code: Code, document: Document) -> Taken {
        *self.seen.answers.entry(code.code()).or_default() += 1;
        let written = Pap { product_name: None, document }.write();
        // What was read can be written.
        let answer = Answer::document(202, written.unwrap_or_default());
        Taken { answer: Some(answer), handed: None }
    }

    /// The time of a push has come. Answers whether the device hears it.
    pub(super) fn deliver(&mut self, handed: &mut Handed) -> bool {
        let over = |before: &String| push::is_over(before, Moment::now());
        if handed.deliver_before.as_ref().is_some_and(over) {
            handed.state = MessageState::Expired;
        }
        match handed.state {
            MessageState::Delivered => self.seen.delivered += 1,
            MessageState::Expired => self.seen.expired += 1,
            _ => self.seen.undelivered += 1,
        }
        handed.state == MessageState::Delivered
    }

    pub(super) fn unreadable(&mut self, why: &str, octets: &[u8]) {
        self.breach(None, &Finding::new(Rule::PushRequest, why), octets);
    }

    fn breach(&mut self, device: Option<u64>, finding: &Finding, octets: &[u8]) {
        self.seen.breaches.add(Breach::new(device, finding, octets));
    }

    pub(super) fn report(&self) -> GatewayReport {
        GatewayReport { per_second: self.came.told(), ..self.seen.clone() }
    }
}

fn response(push: &Push, code: Code) -> Document {
    Document::PushResponse(PushResponse {
        push_id: push.control.push_id.clone(),
        sender_address: None,
        sender_name: Some("Gateway".to_owned()),
        reply_time: Some(Moment::now().text()),
        progress: Vec::new(),
        code,
        desc: Some(code.meaning().to_owned()),
    })
}
