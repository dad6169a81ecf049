//! What is stored of a job between two messages: where it is, what is known of each setting, and the values read.

use crate::{
    Atomic, JobEnd, JobRef, Phase, Plan, Quirk, Quirks, Reads,
    large_object::{PuttingBack, Sending},
    pin::Pin,
};
use serde::{Deserialize, Serialize};
use wire::status::StatusCode;

/// What is stored of a job between two messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) job: JobRef,
    pub(crate) pin: Pin,
    pub(crate) phase: Phase,
    /// Nodes of the plan that were asked for.
    pub(crate) read_so_far: u8,
    /// One for each setting; none before the settings are rendered.
    pub(crate) slots: Option<Vec<Slot>>,
    /// Oldest first.
    pub(crate) reads: Vec<Reading>,
    /// Whether the next writes go out as an Atomic.
    pub(crate) atomic: bool,
    pub(crate) began: Began,
    /// Values that broke on their way and were asked for again.
    asked_again: u8,
    /// Whether the device was asked if it takes large objects.
    pub(crate) asked_large: bool,
    /// The large object on its way to the device.
    pub(crate) sending: Option<Sending>,
    pub(crate) putting_back: Option<PuttingBack>,
}

/// What was begun, each told once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Began {
    pub(crate) asking: bool,
    pub(crate) writing: bool,
    pub(crate) proving: bool,
}

/// What is known of one setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slot {
    pub(crate) state: State,
    /// Its value cannot be read: written without comparing, proven by status.
    pub(crate) hidden: bool,
    /// How many segments of its address are known, or taken, to exist.
    pub(crate) existing: u8,
    /// How often its command was sent.
    pub(crate) tries: u8,
    code: Option<u16>,
}

/// Where one setting stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    /// To be read first.
    Unread,
    /// Nothing to do: it was so before, or there was only something to read.
    AsWanted,
    /// To be written; its node is there, or is taken to be.
    Present,
    /// To be written; its node is not there.
    Absent,
    /// The device says that it did it.
    Written,
    /// Sent, and the device said nothing of it.
    Unsure,
    Proven,
    /// The device took it up (202) and will report.
    Accepted,
}

/// A value read from the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) uri: String,
    pub(crate) value: String,
    /// Whether the rendering depends on it.
    pub(crate) kept: bool,
}

impl Run {
    /// The most octets of values that are kept from one message to the next, addresses included.
    const KEPT_OCTETS: usize = 1280;
    /// The most values that are asked for again because they did not come whole.
    const MOST_ASKED_AGAIN: u8 = 3;

    pub(crate) fn new(plan: &Plan, quirks: Quirks) -> Self {
        Self {
            job: plan.job,
            pin: Pin::of(plan, None),
            phase: Phase::Query,
            read_so_far: 0,
            slots: None,
            reads: Vec::new(),
            atomic: match plan.atomic {
                Atomic::Never => false,
                // Where it is demanded the device is asked once more: it may have learnt it.
                Atomic::Required => true,
                Atomic::WhenSupported => !quirks.has(Quirk::NoAtomic),
            },
            began: Began::default(),
            asked_again: 0,
            asked_large: false,
            sending: None,
            putting_back: None,
        }
    }

    /// Takes down a value; false when the templates need it and it is too large to keep. A value that they need stays
    /// as it was first read: the rendering depends on it.
    #[must_use]
    pub(crate) fn note_read(&mut self, reading: Reading) -> bool {
        let kept = reading.kept;
        if self.reads.iter().any(|other| other.uri == reading.uri && (other.kept || !kept)) {
            return true;
        }
        let alike = self.reads.iter().filter(|other| other.kept || !kept);
        let octets = alike.map(Reading::octets).sum::<usize>() + reading.octets();
        let most = if kept { Self::KEPT_OCTETS } else { JobEnd::READ_OCTETS };
        if octets > most || (!kept && self.reads.len() >= JobEnd::MOST_READ) {
            return !kept;
        }
        self.reads.push(reading);
        self.shrink_to(JobEnd::READ_OCTETS);
        true
    }

    /// Whether a value that broke on its way is asked for once more: so often in a job that the device can be unlucky.
    pub(crate) fn once_more(&mut self) -> bool {
        self.asked_again = self.asked_again.saturating_add(1);
        self.asked_again <= Self::MOST_ASKED_AGAIN
    }

    /// The value of a node as it was read.
    pub(crate) fn value_of(&self, uri: &str) -> Option<&str> {
        let reading = self.reads.iter().find(|reading| reading.uri == uri)?;
        Some(&reading.value)
    }

    /// Takes down one more node of a list, an address a line; false when the templates need the list and it is too large.
    #[must_use]
    pub(crate) fn note_listed(&mut self, list: &str, member: &str, kept: bool) -> bool {
        let most = if kept { Self::KEPT_OCTETS } else { JobEnd::READ_OCTETS };
        let alike = self.reads.iter().filter(|other| other.kept || !kept);
        let octets: usize = alike.map(Reading::octets).sum();
        let (uri, value) = (list.to_owned(), member.to_owned());
        match self.reads.iter_mut().find(|other| other.uri == list) {
            None => self.note_read(Reading { uri, value, kept }),
            Some(reading) if octets + member.len() < most => {
                if !reading.value.lines().any(|line| line == member) {
                    reading.value.push('\n');
                    reading.value.push_str(member);
                }
                true
            }
            Some(_) => !kept,
        }
    }

    /// The values that the templates need.
    pub(crate) fn kept_reads(&self) -> Reads {
        let kept = self.reads.iter().filter(|reading| reading.kept);
        kept.map(|reading| (reading.uri.clone(), reading.value.clone())).collect()
    }

    /// What is stored until the next message: of the values read, those that templates need, and the oldest of the
    /// others.
    pub(crate) fn put_down(mut self) -> Self {
        self.shrink_to(Self::KEPT_OCTETS);
        self
    }

    /// Lets go of the youngest values that the templates do not need.
    fn shrink_to(&mut self, most: usize) {
        while self.reads.iter().map(Reading::octets).sum::<usize>() > most {
            let Some(place) = self.reads.iter().rposition(|reading| !reading.kept) else { break };
            self.reads.remove(place);
        }
    }
}

impl Slot {
    /// A setting that is to be written. The first level of the tree holds the device's permanent nodes: taken to exist
    /// until a status says otherwise.
    pub(crate) fn new() -> Self {
        Self { state: State::Present, hidden: false, existing: 1, tries: 0, code: None }
    }

    /// What the device last said of its command.
    pub(crate) fn code(&self) -> Option<StatusCode> {
        self.code.map(StatusCode::from_code)
    }

    pub(crate) fn heard(&mut self, code: Option<StatusCode>) {
        self.code = code.map(StatusCode::code);
    }

    pub(crate) fn awaits_write(&self) -> bool {
        matches!(self.state, State::Present | State::Absent)
    }
}

impl Reading {
    fn octets(&self) -> usize {
        // Both lengths and the flag are stored too.
        self.uri.len() + self.value.len() + 5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Prove;

    fn run() -> Run {
        let job = JobRef { seq: 1, run: 0 };
        let (query, keep, ask, skip) = (Vec::new(), Vec::new(), None, None);
        Run::new(
            &Plan {
                job,
                query,
                keep,
                conditional: true,
                atomic: Atomic::Never,
                prove: Prove::Status,
                ask,
                skip,
                tell: false,
            },
            Quirks::default(),
        )
    }

    fn reading(uri: &str, octets: usize, kept: bool) -> Reading {
        Reading { uri: uri.to_owned(), value: "v".repeat(octets), kept }
    }

    #[test]
    fn what_the_templates_need_is_kept_whole_or_not_at_all() {
        let mut run = run();
        assert!(run.note_read(reading("./A", 1000, true)));
        assert!(!run.note_read(reading("./B", 1000, true)));
        assert!(run.note_read(reading("./C", 1000, false)));
        assert!(run.note_read(reading("./A", 7, true)), "the first value stands");
        let run = run.put_down();
        assert_eq!(
            run.kept_reads().into_iter().map(|(uri, value)| (uri, value.len())).collect::<Vec<_>>(),
            [("./A".to_owned(), 1000)]
        );
        assert_eq!(run.reads.len(), 1);
    }

    #[test]
    fn of_other_values_the_oldest_are_kept() {
        let mut run = run();
        for (uri, octets) in [("./A", 600), ("./B", 600), ("./C", 600), ("./D", 4000)] {
            assert!(run.note_read(reading(uri, octets, false)));
        }
        let uris =
            |run: &Run| run.reads.iter().map(|reading| reading.uri.clone()).collect::<Vec<_>>();
        assert_eq!(uris(&run), ["./A", "./B", "./C"]);
        assert_eq!(uris(&run.put_down()), ["./A", "./B"]);
    }
}
