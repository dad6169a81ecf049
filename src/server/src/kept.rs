//! Rows of sessions that this process answered last: the next message of such a session need not read them.
//!
//! A hint and nothing more. What is decided from it is committed under the revisions that the rows were written with; if
//! another worker went on with the session meanwhile, or the device was moved, that commit conflicts, and everything is read
//! and decided anew. What would be answered without a commit is never answered from here.

use crate::{
    rows::{Device, DeviceId, SessionRow, Stored},
    store::Row,
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Sessions that are kept at most, a few kilobytes each. One that is not kept costs a read.
const MOST: usize = 4096;

/// The rows of one session between two of its messages.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) device: Device,
    /// Revision of the device's row.
    pub(crate) revision: u64,
    pub(crate) session: SessionRow,
    pub(crate) session_revision: u64,
    /// As they were read when the session began: only the end of a session writes them.
    pub(crate) history: Option<Row>,
    pub(crate) values: Option<Row>,
}

/// The rows of the last sessions.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Generations<Rows>>);

/// When the young are many, the old are forgotten: they have fallen silent, or went on elsewhere.
#[derive(Debug)]
struct Generations<R> {
    young: HashMap<DeviceId, R>,
    old: HashMap<DeviceId, R>,
}

impl Kept {
    /// Keeps the rows of a session as they were just written.
    pub(crate) fn keep(&self, id: DeviceId, rows: Rows) {
        debug_assert!(rows.read_as_written(), "what was written reads as it is kept");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keep(id, rows);
    }

    /// Takes out the rows of the device's last session.
    pub(crate) fn take(&self, id: &DeviceId) -> Option<Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(id)
    }
}

impl Rows {
    fn read_as_written(&self) -> bool {
        Device::from_octets(&self.device.to_octets()).is_ok_and(|row| row == self.device)
            && SessionRow::from_octets(&self.session.to_octets())
                .is_ok_and(|row| row == self.session)
    }
}

impl<R> Generations<R> {
    fn keep(&mut self, id: DeviceId, rows: R) {
        if self.young.len() >= MOST / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, rows);
    }

    fn take(&mut self, id: &DeviceId) -> Option<R> {
        let old = self.old.remove(id);
        self.young.remove(id).or(old)
    }
}

impl<R> Default for Generations<R> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_sessions_are_kept_and_those_that_fell_silent_are_forgotten() {
        let device = |number: usize| DeviceId::new("operator", format!("IMEI:{number}"));
        let mut kept = Generations::default();
        for number in 0..2 * MOST {
            kept.keep(device(number), number);
        }
        assert!(kept.young.len() + kept.old.len() <= MOST);
        assert_eq!(kept.take(&device(0)), None);
        let last = 2 * MOST - 1;
        assert_eq!(kept.take(&device(last)), Some(last));
        assert_eq!(kept.take(&device(last)), None, "what was taken out is not there any more");
        assert_eq!(kept.take(&device(last - MOST / 2 + 1)), Some(last - MOST / 2 + 1));
    }
}
