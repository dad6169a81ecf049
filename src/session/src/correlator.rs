//! Work that a device takes up now and reports on later: an `Exec` answered 202, and the alert that ends it.
//!
//! The `Exec` carries a correlator that names its job and its setting; the alert brings it back, in the same message, later
//! in the session or weeks after it. In a session the word is filed here; what comes after the session has let go of the
//! job is for the caller, who asks [`Correlator::parse`] and [`report`].

use crate::{
    Event, Failure, JobRef, Outcome, Phase, Verb, Why,
    job::Job,
    run::State,
    sent::{Manner, What},
};
use serde::{Deserialize, Serialize};
use wire::status::StatusCode;

/// Names one command of a job: `rv.7.0.3` is that of the fourth setting of run 0 of campaign 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correlator {
    pub job: JobRef,
    /// The place of the setting.
    pub place: u8,
}

impl Correlator {
    /// Reads what [`std::fmt::Display`] wrote; `None` for one that is not ours.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().strip_prefix("rv.")?.split('.');
        let (seq, run, place) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let job = JobRef { seq: seq.parse().ok()?, run: run.parse().ok()? };
        Some(Self { job, place: place.parse().ok()? })
    }
}

impl std::fmt::Display for Correlator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rv.{}.{}.{}", self.job.seq, self.job.run, self.place)
    }
}

/// How the work went that an alert reports on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    Done,
    /// With the result code, where the alert has one that fits.
    Failed(Option<u16>),
}

/// What the data of an alert says of the work: a result code, alone or in an XML fragment.
///
/// 200 to 299 are the good ones of firmware updates, 1200 to 1299 those of software and of lock and wipe; 0 is that of a
/// Windows installer. An alert without a code says that the work is over, not that it went well.
pub fn report(data: Option<&str>) -> Report {
    let text = data.unwrap_or_default().trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let text = match text.split_once("ResultCode>") {
        Some((_, rest)) => rest.split('<').next().unwrap_or_default().trim(),
        None => text,
    };
    match text.parse::<i64>() {
        Ok(0 | 200..=299 | 1200..=1299) => Report::Done,
        Ok(code) => Report::Failed(u16::try_from(code).ok()),
        Err(_) => Report::Failed(None),
    }
}

/// A report that was heard in this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Word {
    job: JobRef,
    place: u8,
    report: Report,
}

impl Word {
    /// The most that a session remembers.
    const MOST: usize = 8;

    /// Files what an event reports, if it reports on work of ours. The first word on a command stands.
    pub(crate) fn file(words: &mut Vec<Self>, event: &Event) {
        let Some(Correlator { job, place }) =
            event.correlator.as_deref().and_then(Correlator::parse)
        else {
            return;
        };
        if words.len() < Self::MOST
            && !words.iter().any(|word| (word.job, word.place) == (job, place))
        {
            words.push(Self { job, place, report: report(event.data.as_deref()) });
        }
    }
}

/// Takes into a job what its device reported on it. An error is how the job ends.
///
/// A command on which the device has reported is not sent (again): the word may come from a session that was lost.
pub(crate) fn heed(job: &mut Job, words: &[Word]) -> Result<(), Outcome> {
    let this = job.run.job;
    for word in words.iter().filter(|word| word.job == this) {
        let failure = job.failure(
            What::Write { slot: word.place, manner: Manner::Exec },
            None,
            Why::Reported,
        );
        let Some((slot, setting)) = job.slot_mut(word.place) else { continue };
        // Of others no report was asked for: whatever it is about, it is not this work.
        if setting.verb != Verb::Exec || setting.within_seconds == 0 {
            continue;
        }
        match word.report {
            Report::Done => slot.state = State::Proven,
            Report::Failed(code) => {
                let status = code.map(StatusCode::from_code);
                slot.heard(status);
                return Err(Outcome::Failed(Failure { status, phase: Phase::Prove, ..failure }));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correlator_comes_back_as_it_went() {
        let correlator = Correlator { job: JobRef { seq: u64::MAX, run: 65_535 }, place: 255 };
        let text = correlator.to_string();
        assert_eq!(Correlator::parse(&text), Some(correlator));
        assert!(text.len() <= 33, "{text}");
        for other in ["", "rv", "rv.1.2", "rv.1.2.3.4", "rv.1.2.256", "7.0.3", "rv.-1.0.0", "abc"] {
            assert_eq!(Correlator::parse(other), None, "{other}");
        }
    }

    #[test]
    fn result_codes_are_read_in_all_their_forms() {
        for data in ["200", " 250 ", "1200", "1202\0", "0", "<ResultCode>1200</ResultCode>"] {
            assert_eq!(report(Some(data)), Report::Done, "{data}");
        }
        for (data, code) in [
            ("410", Some(410)),
            ("<X><ResultCode>1405</ResultCode></X>", Some(1405)),
            ("-2147023293", None),
            ("well", None),
            ("", None),
        ] {
            assert_eq!(report(Some(data)), Report::Failed(code), "{data}");
        }
        assert_eq!(report(None), Report::Failed(None));
    }
}
