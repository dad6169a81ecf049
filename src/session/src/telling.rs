//! Values for somebody who waits for them: told with the message that brings them, before a session lets go of any.

use crate::{Failure, JobRef, Phase, Told, Why};

/// What of one message is to be told of a job.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    values: Vec<(String, String)>,
    unread: Vec<Failure>,
    octets: usize,
    /// What the first of it was asked for: answers to one message of ours, so to one phase.
    phase: Option<Phase>,
}

impl Telling {
    /// A value that was read. One that there is no room for is told as unread.
    pub(crate) fn value(&mut self, uri: &str, value: &str, phase: Phase) {
        self.phase.get_or_insert(phase);
        if !self.fits(uri.len() + value.len()) {
            let uri = uri.to_owned();
            self.unread(Failure { uri, status: None, phase, why: Why::TooMuchTold });
            return;
        }
        match self.values.iter_mut().find(|(known, _)| known == uri) {
            Some((_, known)) => value.clone_into(known),
            None => self.values.push((uri.to_owned(), value.to_owned())),
        }
    }

    /// A node of a list.
    pub(crate) fn member(&mut self, list: &str, member: &str, phase: Phase) {
        self.phase.get_or_insert(phase);
        if !self.fits(member.len() + 1) {
            let uri = list.to_owned();
            self.unread(Failure { uri, status: None, phase, why: Why::TooMuchTold });
            return;
        }
        match self.values.iter_mut().find(|(known, _)| known == list) {
            Some((_, known)) => {
                known.push('\n');
                known.push_str(member);
            }
            None => self.values.push((list.to_owned(), member.to_owned())),
        }
    }

    pub(crate) fn unread(&mut self, failure: Failure) {
        self.phase.get_or_insert(failure.phase);
        if self.unread.iter().all(|known| known.uri != failure.uri) {
            self.unread.push(failure);
        }
    }

    /// All of it; `None` when there is nothing to tell.
    pub(crate) fn take(&mut self, job: JobRef) -> Option<Told> {
        let Self { values, unread, phase, .. } = std::mem::take(self);
        Some(Told { job, phase: phase?, values, unread })
    }

    fn fits(&mut self, octets: usize) -> bool {
        let sum = self.octets + octets;
        let fits = sum <= Told::OCTETS;
        if fits {
            self.octets = sum;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: JobRef = JobRef { seq: 1, run: 0 };

    #[test]
    fn what_there_is_no_room_for_is_named_and_nothing_is_told_twice() {
        let mut telling = Telling::default();
        assert_eq!(telling.take(JOB), None);
        telling.value("./A", "1", Phase::Query);
        telling.value("./A", "2", Phase::Query);
        telling.member("./L?list=Struct", "./L/X", Phase::Query);
        telling.member("./L?list=Struct", "./L/Y", Phase::Query);
        for _ in 0..2 {
            telling.value("./B", &"x".repeat(Told::OCTETS), Phase::Query);
        }
        let told = telling.take(JOB).unwrap();
        let values: Vec<_> =
            told.values.iter().map(|(uri, value)| (uri.as_str(), value.as_str())).collect();
        assert_eq!(values, [("./A", "2"), ("./L?list=Struct", "./L/X\n./L/Y")]);
        assert_eq!(told.unread.len(), 1);
        assert_eq!((told.unread[0].uri.as_str(), told.unread[0].why), ("./B", Why::TooMuchTold));
    }
}
