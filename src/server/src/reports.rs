//! What a device reports, between sessions or in them, on work that it took up: the word that a job waits for.
//!
//! A report names its command by the correlator that the command carried. Devices that know none (Windows) name the node.

use crate::{campaigns::live::Snapshot, rows::Detail, turn::Turn};
use campaign::job::Job;
use session::{
    Correlator, Event,
    correlator::{Report, report},
};
use wire::{alert::AlertCode, status::StatusCode, uri::LocUri};

/// Takes a report to the job that waits for it, if there is one.
pub(crate) fn heed(turn: &mut Turn, live: &Snapshot, event: &Event) {
    let Some((seq, place)) = command(turn, live, event) else { return };
    let report = report(event.data.as_deref());
    if let Report::Failed(code) = report {
        let detail = Detail {
            uri: event.source.as_deref().map(|uri| uri.chars().take(120).collect()),
            status: code.map(StatusCode::from_code),
            phase: Some(session::Phase::Prove),
            why: Some(session::Why::Reported.to_string()),
        };
        turn.explain(seq, detail);
    }
    turn.step(seq, |job| job.on_word(place, report == Report::Done));
}

/// The campaign and the setting that a report is about.
fn command(turn: &Turn, live: &Snapshot, event: &Event) -> Option<(u64, u8)> {
    if let Some(correlator) = &event.correlator {
        let Correlator { job, place } = Correlator::parse(correlator)?;
        let active = turn.device.job(job.seq).filter(|active| active.run == job.run)?;
        return Some((active.seq, place));
    }
    // A client event says many things; of a node it speaks only when it names one.
    if !matches!(event.code, AlertCode::GenericAlert | AlertCode::ClientEvent) {
        return None;
    }
    let source = LocUri::parse(event.source.as_deref()?).ok().filter(|uri| !uri.is_root())?;
    let waits = |job: &Job| matches!(job, Job::Awaiting { .. });
    turn.device.jobs.iter().filter(|active| waits(&active.job)).find_map(|active| {
        let campaign = &live.get(active.seq)?.campaign;
        let fields = crate::advance::fields(
            turn.id(),
            &turn.device,
            None,
            std::collections::BTreeMap::new(),
        );
        let campaign::Part::Settings(settings) = campaign.part_for(&fields) else { return None };
        let place = settings.iter().position(|setting| {
            let is_exec = setting.verb == campaign::Verb::Exec;
            // Some name the node that was executed, some the one above it, whose work it is.
            setting.uri().is_some_and(|uri| {
                is_exec && (*uri == source || uri.parent().as_ref() == Some(&source))
            })
        })?;
        Some((active.seq, u8::try_from(place).ok()?))
    })
}
