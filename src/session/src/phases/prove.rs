//! Prove: by the status of the write, or by reading the node again. A node that cannot be read is proven by status.

use crate::{
    Outcome, Prove, Setting, Verb, Why,
    job::Job,
    run::{Slot, State},
    sent::{Answer, Order, What},
};
use wire::meta::Format;

/// What is read back. What needs no reading is proven here by its status, or fails for want of one.
pub(crate) fn pending(job: &mut Job) -> Result<Vec<What>, Outcome> {
    let open: Vec<(u8, State, bool)> = job
        .slots()
        .filter(|(_, slot, _)| matches!(slot.state, State::Written | State::Unsure))
        .map(|(place, slot, setting)| (place, slot.state, is_read_back(job, place, slot, setting)))
        .collect();
    let mut pending = Vec::new();
    for (place, state, read_back) in open {
        if read_back {
            pending.push(What::Proof(place));
        } else if state == State::Unsure {
            return Err(unconfirmed(job, place));
        } else if let Some((slot, _)) = job.slot_mut(place) {
            slot.state = State::Proven;
        }
    }
    Ok(pending)
}

fn is_read_back(job: &Job, place: u8, slot: &Slot, setting: &Setting) -> bool {
    let by_reading = match (job.plan.prove, setting.verb) {
        (Prove::Status, _) | (Prove::ReadBack, Verb::Exec | Verb::Read | Verb::Copy) => false,
        // What is created again below a deleted node proves nothing of the deletion.
        (Prove::ReadBack, Verb::Delete) => !job.slots().any(|(other, _, later)| {
            let creates = matches!(later.verb, Verb::Ensure | Verb::Add | Verb::Replace);
            other > place
                && creates
                && (later.uri == setting.uri || setting.uri.is_ancestor_of(&later.uri))
        }),
        (Prove::ReadBack, Verb::Ensure | Verb::Replace | Verb::Add) => true,
    };
    by_reading && !slot.hidden
}

pub(crate) fn settle(job: &mut Job, orders: &[Order]) -> Result<(), Outcome> {
    for &order in orders {
        if order.answer() == Answer::Broken && job.run.once_more() {
            continue;
        }
        if let What::Proof(place) = order.what {
            judge(job, place, order)?;
        }
    }
    Ok(())
}

fn judge(job: &mut Job, place: u8, order: Order) -> Result<(), Outcome> {
    let Some(setting) = job.setting(place) else { return Ok(()) };
    let (deleted, is_node) = (setting.verb == Verb::Delete, setting.format == Format::Node);
    let broken = |why| Err(Outcome::Broken(job.failure(order.what, order.code(), why)));
    let unsure = job.slots().any(|(at, slot, _)| at == place && slot.state == State::Unsure);
    let verdict = match (order.answer(), deleted) {
        (Answer::Absent, true) | (Answer::Same, false) => Ok(true),
        (Answer::Hidden, _) => Ok(false),
        (Answer::Broken, _) => broken(Why::CutShort),
        (Answer::Seen | Answer::Empty, false) if is_node => Ok(true),
        (Answer::Same | Answer::Differs | Answer::Seen | Answer::Empty, true) => {
            broken(Why::Differs)
        }
        (Answer::Differs, false) => broken(Why::Differs),
        (Answer::Seen | Answer::Empty, false) => broken(Why::NoValue),
        (Answer::Absent, false) | (Answer::Refused(_), _) => broken(Why::Status),
        (Answer::Silence, _) => broken(Why::NoStatus),
    };
    match verdict {
        Ok(read) if read || !unsure => {
            if let Some((slot, _)) = job.slot_mut(place) {
                slot.state = State::Proven;
            }
            Ok(())
        }
        // Nobody said that the write happened, and nothing shows that it did.
        Ok(_) | Err(_) if unsure => Err(unconfirmed(job, place)),
        Ok(_) => Ok(()),
        Err(outcome) => Err(outcome),
    }
}

/// The end of a job whose write was never answered.
fn unconfirmed(job: &Job, place: u8) -> Outcome {
    let failure = job.failure(What::Proof(place), None, Why::NoStatus);
    Outcome::Failed(crate::Failure { phase: crate::Phase::Write, ..failure })
}
