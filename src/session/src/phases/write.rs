//! Write: what differs, each setting by the command that fits what is known of its node. A device that knows better
//! (404, 418) is believed, and the other command is sent next.

use crate::{
    Atomic, Outcome, Setting, Verb, Why,
    job::{Job, depth},
    run::{Slot, State},
    sent::{Manner, Order, What},
};
use std::collections::BTreeSet;
use wire::{meta::Format, status::StatusCode, uri::LocUri};

/// How often one setting's command is sent: Replace, Add, Add with all parents, and once more for a device in motion.
const MOST_TRIES: u8 = 6;

pub(crate) fn pending(job: &Job) -> Vec<What> {
    let mut whats = Vec::new();
    let mut adding: BTreeSet<LocUri> = BTreeSet::new();
    for (place, slot, setting) in job.slots().filter(|(_, slot, _)| slot.awaits_write()) {
        let manner = manner(slot, setting);
        if manner == Manner::Add {
            if setting.verb == Verb::Ensure {
                for depth in slot.existing.saturating_add(1)..depth(&setting.uri) {
                    let parent = What::Parent { slot: place, depth };
                    if job.node(parent).is_some_and(|node| adding.insert(node)) {
                        whats.push(parent);
                    }
                }
            }
            adding.insert(setting.uri.clone());
        }
        whats.push(What::Write { slot: place, manner });
    }
    whats
}

/// Whether `pending` goes out as one Atomic. Around a single command it would add nothing, so it is used only on demand.
pub(crate) fn as_atomic(job: &Job, pending: &[What]) -> bool {
    match job.plan.atomic {
        Atomic::Never => false,
        Atomic::WhenSupported => job.run.atomic && pending.len() > 1,
        Atomic::Required => job.run.atomic,
    }
}

fn manner(slot: &Slot, setting: &Setting) -> Manner {
    match setting.verb {
        Verb::Delete => Manner::Delete,
        Verb::Exec => Manner::Exec,
        Verb::Copy => Manner::Copy,
        Verb::Add => Manner::Add,
        // A property is not added to a node.
        Verb::Ensure if slot.state == State::Absent && setting.uri.suffix().is_none() => {
            Manner::Add
        }
        // (What is only read is never written.)
        Verb::Ensure | Verb::Replace | Verb::Read => Manner::Replace,
    }
}

pub(crate) fn settle(job: &mut Job, orders: &[Order]) -> Result<(), Outcome> {
    match orders.split_first() {
        Some((&block, writes)) if block.what == What::Block => settle_atomic(job, block, writes),
        Some(_) | None => settle_each(job, orders),
    }
}

/// Every command for itself.
fn settle_each(job: &mut Job, orders: &[Order]) -> Result<(), Outcome> {
    let remedies: Vec<Remedy> = orders.iter().map(|order| remedy(job, *order)).collect();
    for (order, remedy) in orders.iter().zip(&remedies) {
        apply(job, *order, *remedy);
    }
    let failed = orders.iter().zip(&remedies).find(|(_, remedy)| **remedy == Remedy::Fail);
    match failed {
        Some((order, _)) => Err(Outcome::Failed(job.refusal(*order))),
        None => exhausted(job, orders).map_or(Ok(()), Err),
    }
}

/// All or nothing, as far as the device keeps to it: one client runs the commands one by one, sends no status for the
/// Atomic and undoes nothing, so there the commands' own codes count.
fn settle_atomic(job: &mut Job, block: Order, writes: &[Order]) -> Result<(), Outcome> {
    for order in writes {
        if let What::Write { slot, .. } = order.what
            && let Some((slot, _)) = job.slot_mut(slot)
        {
            slot.heard(order.code());
        }
    }
    if let Some(order) =
        writes.iter().find(|order| order.code() == Some(StatusCode::RollBackFailed))
    {
        // 516: nobody knows what the device holds now.
        return Err(Outcome::Broken(job.failure(order.what, order.code(), Why::NotRolledBack)));
    }
    match block.code() {
        Some(StatusCode::NotAllowed | StatusCode::NotSupported | StatusCode::NotImplemented) => {
            return one_by_one(
                job,
                writes,
                Outcome::NotApplicable("the device does not support Atomic".to_owned()),
            );
        }
        Some(StatusCode::AtomicResponseTooLarge) => {
            let failure = Outcome::Failed(job.failure(block.what, block.code(), Why::Status));
            return one_by_one(job, writes, failure);
        }
        Some(_) | None => {}
    }
    let undone = |order: &Order| {
        matches!(order.code(), Some(StatusCode::NotExecuted | StatusCode::RolledBack))
    };
    let failed = block.code().is_some_and(|code| !code.is_success());
    if failed || writes.iter().any(undone) {
        return learn_from_failure(job, block, writes);
    }
    // A child without a status shares that of the Atomic.
    let told: Vec<Order> = writes
        .iter()
        .map(|order| if order.code().is_some() { *order } else { order.answered_by(block) })
        .collect();
    settle_each(job, &told)
}

/// The device does not do Atomic, or not this one. Where that is allowed, the writes are sent one by one.
fn one_by_one(job: &mut Job, writes: &[Order], otherwise: Outcome) -> Result<(), Outcome> {
    match job.plan.atomic {
        Atomic::Required => Err(otherwise),
        Atomic::WhenSupported | Atomic::Never => {
            job.run.atomic = false;
            let done =
                writes.iter().filter(|order| order.code().is_some_and(StatusCode::is_success));
            for order in done {
                apply(job, *order, Remedy::Done);
            }
            exhausted(job, writes).map_or(Ok(()), Err)
        }
    }
}

/// Everything was undone: what the device said of single commands tells whether another Atomic can do better.
fn learn_from_failure(job: &mut Job, block: Order, writes: &[Order]) -> Result<(), Outcome> {
    let told = writes.iter().filter(|order| order.code().is_some_and(is_cause));
    let causes: Vec<(Order, Remedy)> = told.map(|order| (*order, remedy(job, *order))).collect();
    for (order, remedy) in &causes {
        match remedy {
            Remedy::Fail => return Err(Outcome::Failed(job.refusal(*order))),
            // Within an Atomic a parent that cannot be added stands in the way; it may well be there.
            Remedy::Ignore => apply(job, *order, Remedy::Exists),
            remedy => apply(job, *order, *remedy),
        }
    }
    if causes.is_empty() {
        let first_undone = writes.first().copied().filter(|_| block.code().is_none());
        return Err(Outcome::Failed(job.refusal(first_undone.unwrap_or(block))));
    }
    exhausted(job, writes).map_or(Ok(()), Err)
}

/// Whether a status within a failed Atomic may be why it failed, and not what followed from that.
fn is_cause(code: StatusCode) -> bool {
    !code.is_success() && !matches!(code, StatusCode::NotExecuted | StatusCode::RolledBack)
}

/// What follows from the status of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// It was carried out.
    Done,
    /// It was taken up; the device will report.
    Accepted,
    /// There was nothing to do.
    Needless,
    /// The node is not there: Add.
    AddInstead,
    /// The node is there: Replace.
    ReplaceInstead,
    /// Even the first level is not there: all parents.
    AllParents,
    /// The parent is there already.
    Exists,
    /// The status of the node itself will tell.
    Ignore,
    /// The device said nothing.
    Unsure,
    Fail,
}

/// The one place that turns a status into what is done next.
fn remedy(job: &Job, order: Order) -> Remedy {
    let (place, manner) = match order.what {
        What::Write { slot, manner } => (slot, Some(manner)),
        What::Parent { slot, .. } => (slot, None),
        What::Fact(_)
        | What::Keep(_)
        | What::Compare(_)
        | What::LargeObjects
        | What::PutBack(_)
        | What::Ask
        | What::Block
        | What::Proof(_) => {
            return Remedy::Ignore;
        }
    };
    let Some((_, slot, setting)) = job.slots().find(|(at, ..)| *at == place) else {
        return Remedy::Ignore;
    };
    let ensure = setting.verb == Verb::Ensure && setting.uri.suffix().is_none();
    let has_parents = depth(&setting.uri) > 1;
    let Some(code) = order.code() else {
        return if manner.is_some() { Remedy::Unsure } else { Remedy::Ignore };
    };
    match (manner, code) {
        (None, StatusCode::AlreadyExists) => Remedy::Exists,
        (None, code) if code.is_success() => Remedy::Exists,
        (None, StatusCode::NotFound) if slot.existing > 0 => Remedy::AllParents,
        (None, _) => Remedy::Ignore,
        (
            Some(Manner::Delete),
            StatusCode::NotFound | StatusCode::Gone | StatusCode::ItemNotDeleted,
        ) => Remedy::Needless,
        (Some(Manner::Exec), StatusCode::Accepted) if setting.within_seconds > 0 => {
            Remedy::Accepted
        }
        (Some(_), code) if code.is_success() => Remedy::Done,
        (Some(Manner::Replace), StatusCode::NotFound) if ensure => Remedy::AddInstead,
        (Some(Manner::Add), StatusCode::AlreadyExists) if ensure => {
            if setting.format == Format::Node { Remedy::Needless } else { Remedy::ReplaceInstead }
        }
        (Some(Manner::Add), StatusCode::NotFound) if ensure && has_parents && slot.existing > 0 => {
            Remedy::AllParents
        }
        (Some(Manner::Replace | Manner::Add | Manner::Delete | Manner::Exec | Manner::Copy), _) => {
            Remedy::Fail
        }
    }
}

fn apply(job: &mut Job, order: Order, remedy: Remedy) {
    let (place, is_write) = match order.what {
        What::Write { slot, .. } => (slot, true),
        What::Parent { slot, .. } => (slot, false),
        What::Fact(_)
        | What::Keep(_)
        | What::Compare(_)
        | What::LargeObjects
        | What::PutBack(_)
        | What::Ask
        | What::Block
        | What::Proof(_) => return,
    };
    let node = job.node(order.what);
    if matches!(remedy, Remedy::Done | Remedy::Exists | Remedy::ReplaceInstead)
        && let Some(node) = &node
        && !matches!(order.what, What::Write { manner: Manner::Delete | Manner::Exec, .. })
    {
        job.learn_existing(node, depth(node));
    }
    let Some((slot, _)) = job.slot_mut(place) else { return };
    if is_write {
        slot.heard(order.code());
    }
    match remedy {
        Remedy::Done if is_write => slot.state = State::Written,
        Remedy::Accepted => slot.state = State::Accepted,
        Remedy::Needless => slot.state = State::AsWanted,
        Remedy::AddInstead => slot.state = State::Absent,
        Remedy::ReplaceInstead => slot.state = State::Present,
        Remedy::AllParents => slot.existing = 0,
        Remedy::Unsure => slot.state = State::Unsure,
        Remedy::Done | Remedy::Exists | Remedy::Ignore | Remedy::Fail => {}
    }
}

/// How the job ends when a command has been sent often enough and is still to be sent.
fn exhausted(job: &Job, orders: &[Order]) -> Option<Outcome> {
    let (place, slot, setting) =
        job.slots().find(|(_, slot, _)| slot.awaits_write() && slot.tries >= MOST_TRIES)?;
    let order =
        orders.iter().find(|order| matches!(order.what, What::Write { slot, .. } if slot == place));
    let what = order.map_or_else(
        || What::Write { slot: place, manner: manner(slot, setting) },
        |order| order.what,
    );
    Some(Outcome::Failed(job.failure(what, slot.code(), Why::Status)))
}
