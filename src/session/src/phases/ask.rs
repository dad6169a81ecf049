//! Ask: a question of its own message. Only a plain "yes" leads to a write, and the write comes in a later message (D12).

use crate::{
    Outcome, Phase,
    job::Job,
    sent::{Order, What},
};
use wire::status::StatusCode;

pub(crate) fn settle(job: &mut Job, orders: &[Order]) -> Result<(), Outcome> {
    let Some(&order) = orders.iter().find(|order| order.what == What::Ask) else { return Ok(()) };
    match order.code() {
        Some(StatusCode::Ok) => {
            job.run.phase = Phase::Write;
            Ok(())
        }
        Some(StatusCode::NotModified | StatusCode::Cancelled) => Err(Outcome::Declined),
        Some(StatusCode::Timeout) | None => Err(Outcome::NoAnswer),
        Some(StatusCode::NotSupported | StatusCode::SizeTooBig) => {
            Err(Outcome::NotApplicable("the device cannot ask its user".to_owned()))
        }
        Some(_) => Err(Outcome::Failed(job.refusal(order))),
    }
}
