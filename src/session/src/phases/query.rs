//! Query: read what the plan asks for and what the job compares, and find out what differs.

use crate::{
    Outcome, Verb, Why,
    job::{Job, depth},
    run::State,
    sent::{Answer, Order, What},
};
use wire::{meta::Format, status::StatusCode};

pub(crate) fn pending(job: &Job) -> Vec<What> {
    let so_far = job.run.read_so_far;
    let plan_reads = (0_u8..)
        .zip(job.plan_reads())
        .skip(usize::from(so_far))
        .map(|(place, _)| What::Keep(place));
    // Nothing the templates need is left to read: the settings can be filled in, and the rest is asked for at once.
    // Whoever is told of values at once must not be told a secret, and what is secret the settings say.
    let most = if job.plan.tell && !job.rendered() { job.plan.keep.len() } else { usize::MAX };
    let plan_reads = plan_reads.take(most.saturating_sub(usize::from(so_far)));
    let ready = usize::from(so_far) >= job.plan.keep.len();
    if ready && !job.rendered() {
        return Vec::new();
    }
    let unread = job.slots().filter(|(_, slot, _)| slot.state == State::Unread);
    plan_reads.chain(unread.map(|(place, ..)| What::Compare(place))).collect()
}

pub(crate) fn settle(job: &mut Job, orders: &[Order]) -> Result<(), Outcome> {
    for &order in orders {
        match order.what {
            // What could not be read is absent to the templates, which say whether they can do without.
            // A value that broke on its way is asked for again, and with it what stands behind it.
            What::Keep(_) if order.answer() == Answer::Broken && job.run.once_more() => {
                return Ok(());
            }
            What::Keep(place) => {
                job.note_unread(order);
                job.run.read_so_far = job.run.read_so_far.max(place.saturating_add(1));
            }
            What::Compare(_) if order.answer() == Answer::Broken && job.run.once_more() => {}
            What::Compare(place) => compare(job, place, order)?,
            What::Fact(_)
            | What::LargeObjects
            | What::PutBack(_)
            | What::Ask
            | What::Block
            | What::Parent { .. }
            | What::Write { .. }
            | What::Proof(_) => {}
        }
    }
    Ok(())
}

fn compare(job: &mut Job, place: u8, order: Order) -> Result<(), Outcome> {
    let Some(setting) = job.setting(place) else { return Ok(()) };
    let (verb, uri, is_node) = (setting.verb, setting.uri.clone(), setting.format == Format::Node);
    let answer = order.answer();
    let verdict = match answer {
        Answer::Absent => match verb {
            Verb::Ensure | Verb::Add => Verdict::Is(State::Absent),
            Verb::Delete => Verdict::Is(State::AsWanted),
            // Some devices create it all the same; the status of the write tells.
            Verb::Replace | Verb::Exec | Verb::Copy => Verdict::Is(State::Present),
            Verb::Read => Verdict::Fails(Why::Status),
        },
        Answer::Hidden => match verb {
            Verb::Ensure | Verb::Replace | Verb::Add | Verb::Delete | Verb::Exec | Verb::Copy => {
                Verdict::Hidden
            }
            Verb::Read => Verdict::Fails(if order.code().is_some_and(StatusCode::is_success) {
                Why::NoValue
            } else {
                Why::Status
            }),
        },
        Answer::Same => Verdict::Is(State::AsWanted),
        Answer::Differs => Verdict::Is(State::Present),
        Answer::Seen => {
            Verdict::Is(if verb == Verb::Read { State::AsWanted } else { State::Present })
        }
        Answer::Empty if verb == Verb::Delete => Verdict::Is(State::Present),
        Answer::Empty if is_node => Verdict::Is(State::AsWanted),
        Answer::Empty => Verdict::Fails(Why::NoValue),
        Answer::Refused(_) => Verdict::Fails(Why::Status),
        Answer::Broken if verb == Verb::Read => Verdict::Fails(Why::CutShort),
        // It is there, and what it holds cannot be had.
        Answer::Broken => Verdict::Hidden,
        Answer::Silence => Verdict::Fails(Why::NoStatus),
    };
    if answer != Answer::Absent {
        job.learn_existing(&uri, depth(&uri));
    }
    let failure = job.failure(order.what, order.code(), Why::Status);
    let Some((slot, _)) = job.slot_mut(place) else { return Ok(()) };
    if verb == Verb::Read {
        slot.heard(order.code());
    }
    match verdict {
        Verdict::Is(state) => slot.state = state,
        Verdict::Hidden => {
            slot.hidden = true;
            // An interior node that may not be read is there, and that is all that is wanted of it.
            slot.state =
                if is_node && verb != Verb::Delete { State::AsWanted } else { State::Present };
        }
        Verdict::Fails(why) => return Err(Outcome::Failed(crate::Failure { why, ..failure })),
    }
    Ok(())
}

/// What an answer says of a setting.
enum Verdict {
    Is(State),
    Hidden,
    Fails(Why),
}
