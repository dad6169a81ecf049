//! The phases of a job, each with two questions: what is to be sent now, and what do the answers mean?
//!
//! ```text
//! query -> (all as wanted: end) -> ask -> (no: end) -> write -> prove -> end
//! ```

pub(crate) mod ask;
pub(crate) mod prove;
pub(crate) mod query;
pub(crate) mod write;

use crate::{
    Awaited, Outcome, Phase, Why,
    job::Job,
    sent::{Order, What},
};
use wire::status::StatusCode;

/// What a job does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Sends these, as many as fit.
    Send(Vec<What>),
    /// The same, as one Atomic.
    SendAtomic(Vec<What>),
    /// Fills in its settings.
    Render,
    End(Outcome),
    /// Nothing more in this session: the device will report.
    Await(Awaited),
}

/// What `job` does next. Moves from phase to phase until there is something to do.
pub(crate) fn next(job: &mut Job) -> Next {
    if let Some(putting_back) = &job.run.putting_back {
        return Next::Send(vec![What::PutBack(putting_back.slot)]);
    }
    loop {
        match job.run.phase {
            Phase::Query => {
                let pending = query::pending(job);
                if !pending.is_empty() {
                    return Next::Send(pending);
                }
                if !job.rendered() {
                    return Next::Render;
                }
                if !job.slots().any(|(_, slot, _)| slot.awaits_write()) {
                    return Next::End(job.success());
                }
                job.run.phase = if job.plan.ask.is_some() { Phase::Ask } else { Phase::Write };
            }
            Phase::Ask => return Next::Send(vec![What::Ask]),
            Phase::Write => {
                let pending = write::pending(job);
                if pending.is_empty() {
                    job.run.phase = Phase::Prove;
                    continue;
                }
                return if write::as_atomic(job, &pending) {
                    Next::SendAtomic(pending)
                } else {
                    Next::Send(pending)
                };
            }
            Phase::Prove => {
                return match prove::pending(job) {
                    Ok(pending) if pending.is_empty() => match job.awaited() {
                        Some(awaited) => Next::Await(awaited),
                        None => Next::End(job.success()),
                    },
                    Ok(pending) => Next::Send(pending),
                    Err(outcome) => Next::End(outcome),
                };
            }
        }
    }
}

/// What the answers to the commands of `job` mean. An error is how the job ends.
pub(crate) fn settle(job: &mut Job, orders: &[Order]) -> Result<(), Outcome> {
    if let Some(order) = orders.iter().find(|order| matches!(order.what, What::PutBack(_))) {
        let putting_back = job.run.putting_back.as_mut();
        if putting_back.is_some_and(|putting_back| putting_back.is_due_again(order.code())) {
            return Ok(());
        }
        let is_done =
            order.code().is_some_and(|code| code.is_success() || code == StatusCode::NotFound);
        return Err(if is_done {
            Outcome::Failed(job.failure(order.what, None, Why::PutBack))
        } else {
            Outcome::Broken(job.failure(order.what, order.code(), Why::Truncated))
        });
    }
    match job.run.phase {
        Phase::Query => query::settle(job, orders),
        Phase::Ask => ask::settle(job, orders),
        Phase::Write => write::settle(job, orders),
        Phase::Prove => prove::settle(job, orders),
    }
}
