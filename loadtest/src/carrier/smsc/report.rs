//! What a centre has seen.

use crate::{carrier::PerSecond, fleet::Breaches};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// What a centre has seen so far.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SmscReport {
    /// What the messages broke of the rules.
    pub breaches: Breaches,
    /// Binds that were accepted, and those that were refused.
    pub binds: u64,
    pub binds_refused: u64,
    /// Connections that it closed of its own accord.
    pub dropped: u64,
    /// `submit_sm` that came in, whatever became of them.
    pub submitted: u64,
    /// How they were answered: name of the status to count.
    pub answers: BTreeMap<&'static str, u64>,
    /// The same messages by the second in which they came.
    pub per_second: PerSecond,
    /// The most messages of one connection that waited for their answer together.
    pub most_unanswered: usize,
    /// Pushes of which all parts came.
    pub pushes: u64,
    /// Of them, those of more than one message.
    pub pushes_in_parts: u64,
    /// Handed over to devices.
    pub delivered: u64,
    /// Not delivered: as planned, or because their validity was over.
    pub undelivered: u64,
    pub expired: u64,
    /// Parts of pushes whose others have not come.
    pub parts_waiting: usize,
    /// Receipts that the other side took.
    pub receipts: u64,
    /// Receipts that it asked to have again.
    pub receipts_again: u64,
    /// Receipts that were not sent: as planned, or because nobody took them in time.
    pub receipts_missing: u64,
}

/// A message that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Since the start of the centre.
    pub at: Duration,
    /// The connection that it came on, counted from 0.
    pub line: u64,
    /// Whom it is for, if it is for one of the fleet.
    pub device: Option<u64>,
    /// `priority_flag`.
    pub priority: u8,
    /// `command_status` of its answer; `None` when it got none.
    pub status: Option<u32>,
}
