//! How the answers to one message are shared out over the device's own: in one, by a device that is well, and in other
//! ways by those with a fault.

use super::{SimDevice, conversation::Withdrawal, package};
use crate::faults::Fault;
use std::collections::VecDeque;
use wire::{
    alert::AlertCode,
    message::{Alert, Command, Item, Results},
    status::StatusCode,
};

/// A package is cut into so many messages, not more: a server waits for its end only so long.
const MOST_MESSAGES: usize = 4;

impl SimDevice {
    /// What goes into the next message; what comes after that waits in the outbox.
    pub(super) fn share_out(&mut self, mut answers: Vec<Command>) -> Vec<Command> {
        if self.session.withdrawal == Withdrawal::Due {
            self.session.withdrawal = Withdrawal::Said;
            return vec![alert(AlertCode::SessionAbort)];
        }
        if let Some(rest) = self.session.outbox.pop_front() {
            answers.extend(rest);
            return answers;
        }
        let mut messages = match self.identity.kind.fault {
            Fault::StatusZero => {
                for answer in &mut answers {
                    if let Command::Status(status) = answer {
                        status.code = Some(StatusCode::Other(0));
                    }
                }
                one(answers)
            }
            Fault::DoubledAnswers => one(answers.into_iter().flat_map(doubled).collect()),
            Fault::LateAnswers => one(self.keep_one_back(answers)),
            Fault::RepeatedResults => one(self.repeat_results(answers)),
            Fault::SplitAnswers => {
                let most = answers.len().div_ceil(MOST_MESSAGES).max(1);
                answers.chunks(most).map(<[Command]>::to_vec).collect()
            }
            Fault::SendsChunks { octets } => in_parts(answers, octets),
            _ => one(answers),
        };
        let first = messages.pop_front().unwrap_or_default();
        self.session.outbox = messages;
        first
    }

    /// Takes the last status out, and puts that of the last time in.
    fn keep_one_back(&mut self, mut answers: Vec<Command>) -> Vec<Command> {
        let late = self.session.late.take();
        let statuses = answers.iter().filter(|answer| matches!(answer, Command::Status(_))).count();
        let last = answers.iter().rposition(|answer| matches!(answer, Command::Status(_)));
        if let Some(place) = last.filter(|_| statuses > 1) {
            self.session.late = Some(answers.remove(place));
        }
        late.into_iter().chain(answers).collect()
    }

    fn repeat_results(&mut self, mut answers: Vec<Command>) -> Vec<Command> {
        let results = answers
            .iter()
            .filter(|answer| matches!(answer, Command::Results(_)))
            .cloned()
            .collect();
        answers.append(&mut self.session.last_results);
        self.session.last_results = results;
        answers
    }
}

fn one(answers: Vec<Command>) -> VecDeque<Vec<Command>> {
    VecDeque::from([answers])
}

fn doubled(answer: Command) -> Vec<Command> {
    match answer {
        status @ Command::Status(_) => vec![status.clone(), status],
        other => vec![other],
    }
}

/// Cuts each value that is longer than `octets` into parts: the first ends a message, the others have one each, and
/// what follows goes with the last (DM Protocol, "Large object handling").
fn in_parts(answers: Vec<Command>, octets: u32) -> VecDeque<Vec<Command>> {
    let octets = usize::try_from(octets).unwrap_or(usize::MAX);
    let (mut messages, mut message) = (VecDeque::new(), Vec::new());
    for answer in answers {
        let Command::Results(results) = answer else {
            message.push(answer);
            continue;
        };
        for item in results.items.clone() {
            let mut parts = parts(&item, octets);
            let last = parts.pop();
            for part in parts {
                message.push(result(&results, part));
                messages.push_back(std::mem::take(&mut message));
            }
            message.extend(last.map(|part| result(&results, part)));
        }
    }
    messages.push_back(message);
    messages
}

/// The parts of an item, in order; the item itself when it is short enough.
fn parts(item: &Item, octets: usize) -> Vec<Item> {
    let Some(text) = item.data.as_ref().and_then(wire::message::Data::as_text) else {
        return vec![item.clone()];
    };
    if text.len() <= octets {
        return vec![item.clone()];
    }
    let (mut rest, mut parts) = (text, Vec::new());
    while !rest.is_empty() {
        // A character is not cut, however long it is.
        let mut end = rest.floor_char_boundary(octets);
        if end == 0 {
            end = rest.ceil_char_boundary(1);
        }
        let (part, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        rest = after;
        let mut meta = item.meta.clone();
        meta.size = if parts.is_empty() { u64::try_from(text.len()).ok() } else { None };
        let data = match &item.data {
            Some(wire::message::Data::Opaque(_)) => {
                wire::message::Data::Opaque(part.as_bytes().to_vec())
            }
            _ => wire::message::Data::text(part),
        };
        parts.push(Item { meta, data: Some(data), more: !rest.is_empty(), ..item.clone() });
    }
    parts
}

fn result(of: &Results, item: Item) -> Command {
    Command::Results(Results { items: vec![item], ..of.clone() })
}

/// An alert without items.
pub(super) fn alert(code: AlertCode) -> Command {
    Command::Alert(Alert { items: Vec::new(), ..package::alert(code) })
}
