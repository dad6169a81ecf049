//! One change of a device's row, with all that hangs on it.
//!
//! A turn starts from the row as it was read. Whoever holds it moves jobs through their states; at its end
//! [`Turn::into_change`] compares the row with what it was and derives the rest: counters, places in queues, result
//! rows, events. What hangs together is thus written together, and in one place.

#[cfg(test)]
mod tests;

use crate::{
    campaigns::live::Snapshot,
    care,
    dispatch::booking,
    events::{DeviceAlert, Event},
    parts, resync,
    rows::{
        ActiveJob, Detail, Device, DeviceId, HistoryRow, PULL, ResultRow, SessionRecord,
        SessionRow, Stored, ValuesRow,
    },
    store::{Change, Guard, Key, NEVER, QueueName, QueueOp, Row, Table},
};
use campaign::{
    control::{CampaignState, End},
    job::{Job, Outcome},
    progress,
    time::Instant,
};
use session::{JobRef, Parts};
use std::{collections::BTreeMap, time::Duration};
use wire::status::StatusCode;

/// The queue that holds, for each device with jobs under way, its earliest deadline (D3).
pub(crate) fn deadlines() -> QueueName {
    QueueName::new("t")
}

/// The queue of a campaign's waiting jobs on a route.
pub(crate) fn waiting(lane: campaign::document::Lane, seq: u64, route: &str) -> QueueName {
    QueueName::new(format!("q:{}:{seq}:0:{route}", lane.name()))
}

/// The row of a device, for whoever works through many of them: one that cannot be read is told of and passed over, so
/// that it holds up nobody else.
pub(crate) fn readable(id: &DeviceId, row: &Row) -> Option<Device> {
    Device::from_octets(&row.bytes)
        .inspect_err(|error| {
            tracing::warn!(device = ?id, error = error as &dyn std::error::Error, "a device cannot be read");
        })
        .ok()
}

/// A device's row on its way from one state to the next.
#[derive(Debug)]
pub(crate) struct Turn {
    id: DeviceId,
    before: Device,
    revision: u64,
    pub(crate) device: Device,
    now: Instant,
    details: BTreeMap<u64, Detail>,
    /// Queues whose member was claimed: what becomes of it must be said even if nothing changed.
    claimed: Vec<QueueName>,
    change: Change,
}

impl Turn {
    pub(crate) fn new(id: DeviceId, device: Device, revision: u64, now: Instant) -> Self {
        Self {
            id,
            before: device.clone(),
            revision,
            device,
            now,
            details: BTreeMap::new(),
            claimed: Vec::new(),
            change: Change::new(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(crate) fn id(&self) -> &DeviceId {
        &self.id
    }

    /// What this turn writes must not be lost with a server: a user's answer, a write that is on its way.
    pub(crate) fn must_last(&mut self) {
        self.change.replicated = true;
    }

    /// The device was claimed from this queue.
    pub(crate) fn claimed(&mut self, queue: QueueName) {
        self.claimed.push(queue);
    }

    /// The session row must be as it was read.
    pub(crate) fn guard_session(&mut self, revision: Option<u64>) {
        let key = self.id.key(Table::Session);
        self.change.guards.push(match revision {
            Some(revision) => Guard::Is(key, revision),
            None => Guard::Absent(key),
        });
    }

    /// Moves one job, if the device has it.
    pub(crate) fn step(&mut self, seq: u64, step: impl FnOnce(Job) -> Job) {
        if let Some(active) = self.device.job_mut(seq) {
            active.job = step(active.job);
        }
    }

    /// Ends one job.
    pub(crate) fn end(&mut self, seq: u64, outcome: Outcome, detail: Option<Detail>) {
        self.step(seq, |job| job.on_outcome(outcome));
        if let Some(detail) = detail {
            self.explain(seq, detail);
        }
    }

    /// The words that go with the outcome of a job, if it ends in this turn.
    pub(crate) fn explain(&mut self, seq: u64, detail: Detail) {
        self.details.insert(seq, detail);
    }

    /// Ends what campaigns that are ending want ended.
    pub(crate) fn stop(&mut self, live: &Snapshot) {
        let now = self.now;
        for active in &mut self.device.jobs {
            let Some(live) = live.get(active.seq) else { continue };
            if let CampaignState::Ending { end } = &live.state {
                active.job = match end {
                    End::Aborted { .. } => active.job.on_abort(now, &live.terms),
                    End::Expired | End::Finished => active.job.on_expire(now, &live.terms),
                };
            }
        }
    }

    /// The session that worked on these jobs is over: what it did not end waits again.
    pub(crate) fn session_lost(&mut self, live: &Snapshot) {
        let now = self.now;
        for active in &mut self.device.jobs {
            if let Some(live) = live.get(active.seq) {
                active.job = active.job.on_session_lost(now, rand::random(), &live.terms);
            }
        }
    }

    /// The device was here, and could not be worked on: its jobs call it again at once.
    pub(crate) fn call_again(&mut self) {
        let now = self.now;
        for active in &mut self.device.jobs {
            active.job = active.job.on_call_again(now);
        }
    }

    /// Looks at the deadlines of all jobs.
    pub(crate) fn pass_deadlines(&mut self, live: &Snapshot) {
        let now = self.now;
        for active in &mut self.device.jobs {
            if let Some(live) = live.get(active.seq) {
                let waited = matches!(active.job, Job::Awaiting { .. });
                active.job = active.job.on_deadline(now, rand::random(), &live.terms);
                if waited && active.job.ended() {
                    let why = "the device took the work up and never said how it went".to_owned();
                    let detail = Detail {
                        uri: None,
                        status: Some(StatusCode::Accepted),
                        phase: Some(session::Phase::Prove),
                        why: Some(why),
                    };
                    self.details.insert(active.seq, detail);
                }
                if active.job.outcome() == Some(Outcome::Unreachable)
                    && self.device.resync.is_in_vain()
                {
                    let why = Some(resync::IN_VAIN.to_owned());
                    let detail = Detail { uri: None, status: None, phase: None, why };
                    self.details.entry(active.seq).or_insert(detail);
                }
            }
        }
    }

    /// Whether a session works on one of the device's jobs.
    pub(crate) fn in_session(&self) -> bool {
        self.device.jobs.iter().any(|active| matches!(active.job, Job::InSession { .. }))
    }

    /// Whether the device's row is other than it was.
    pub(crate) fn moved(&self) -> bool {
        self.device != self.before
    }

    /// Whether a deadline of the device has passed and nothing came of it.
    pub(crate) fn overdue(&self) -> bool {
        let now = self.now;
        self.device
            .jobs
            .iter()
            .filter_map(|active| active.job.deadline())
            .any(|deadline| deadline <= now)
    }

    /// Writes something else of the shard in the same change.
    pub(crate) fn beside(&mut self, more: impl FnOnce(Change) -> Change) {
        self.change = more(std::mem::take(&mut self.change));
    }

    /// Something to report about the device itself.
    pub(crate) fn fault(&mut self, kind: &str, detail: String) {
        let event =
            Event::Fault { device: self.id.clone(), at: self.now, kind: kind.to_owned(), detail };
        self.change.events.push(event.to_octets());
    }

    /// What the device reported by itself.
    pub(crate) fn alert(&mut self, alert: DeviceAlert) {
        let event = Event::Alert { device: self.id.clone(), at: self.now, alert };
        self.change.events.push(event.to_octets());
    }

    /// Records a session that is over, in the device's history and in the log (R24).
    pub(crate) fn record(
        &mut self,
        mut history: HistoryRow,
        record: SessionRecord,
        keep: Duration,
    ) {
        history.push(record.clone());
        let change = std::mem::take(&mut self.change);
        self.change = change
            .put_for(self.id.key(Table::History), history.to_octets(), keep)
            .event(Event::Session { device: self.id.clone(), record }.to_octets());
    }

    /// Keeps values read from the device.
    pub(crate) fn keep_values(&mut self, values: &ValuesRow) {
        let change = std::mem::take(&mut self.change);
        self.change = change.put(self.id.key(Table::Values), values.to_octets());
    }

    /// Stores the session beside the device.
    pub(crate) fn keep_session(&mut self, session: &SessionRow, life: Duration) {
        let change = std::mem::take(&mut self.change);
        self.change = change.put_for(self.id.key(Table::Session), session.to_octets(), life);
    }

    /// Keeps and drops parts of the device's large object, beside its session.
    pub(crate) fn keep_parts(&mut self, parts: Parts, life: Duration) {
        let change = std::mem::take(&mut self.change);
        self.change = parts::keep(change, &self.id, parts, life);
    }

    /// Everything that this turn writes.
    pub(crate) fn into_change(self) -> Change {
        self.finish().0
    }

    /// Everything that this turn writes, and the device as it is then.
    pub(crate) fn finish(mut self) -> (Change, Device) {
        let mut change = std::mem::take(&mut self.change);
        change.guards.push(Guard::Is(self.id.key(Table::Device), self.revision));
        let care = (self.before.job(care::SEQ), self.device.job(care::SEQ));
        let words = self.details.remove(&care::SEQ);
        change = care::steps::tell(change, &self.id, care, self.now, words);
        self.count(&mut change);
        self.report(&mut change);
        self.device.jobs.retain(|active| !active.job.ended());
        for active in &mut self.device.jobs {
            // A moment is booked for a job that waits for it, and for nothing after that.
            if !matches!(active.job, Job::Waiting { .. }) {
                active.route.truncate(booking::plain(&active.route).len());
            }
        }
        self.place(&mut change);
        if self.device != self.before {
            change = change.put(self.id.key(Table::Device), self.device.to_octets());
        }
        (change, self.device)
    }

    fn count(&self, change: &mut Change) {
        for active in &self.device.jobs {
            let fields = match self.before.job(active.seq) {
                Some(before) => progress::moved(&before.job, &active.job),
                // A job may be enrolled and ended in one: there is no time at which its device may be notified.
                None => {
                    [vec![progress::ENROLLED], progress::moved(&Job::new(self.now), &active.job)]
                        .concat()
                }
            };
            for field in fields {
                *change = std::mem::take(change).add(active.seq, field, 1);
            }
        }
    }

    /// A result row and an event for every job that ended.
    fn report(&mut self, change: &mut Change) {
        for active in &self.device.jobs {
            let Some(outcome) = active.job.outcome() else { continue };
            change.replicated = true;
            if active.seq == care::SEQ {
                // Its outcome is its last step, and the device need not be looked at any more.
                change.queue.push(QueueOp::Remove { queue: care::ends(), member: self.id.root() });
                continue;
            }
            let result = ResultRow {
                outcome,
                at: self.now,
                attempts: active.job.so_far().attempts,
                detail: self.details.remove(&active.seq),
            };
            let key = self.id.result_key(active.seq, active.run);
            let event = Event::Result {
                seq: active.seq,
                run: active.run,
                device: self.id.clone(),
                result: result.clone(),
            };
            *change = std::mem::take(change).put(key, result.to_octets()).event(event.to_octets());
        }
    }

    /// Moves the device between queues.
    fn place(&self, change: &mut Change) {
        let was = places(&self.before);
        let is = places(&self.device);
        let member = self.id.root();
        for queue in was.keys().chain(&self.claimed) {
            if !is.contains_key(queue) {
                change.queue.push(QueueOp::Remove { queue: queue.clone(), member: member.clone() });
            }
        }
        for (queue, due) in is {
            if was.get(&queue) != Some(&due) || self.claimed.contains(&queue) {
                change.queue.push(QueueOp::Put { queue, member: member.clone(), due });
            }
        }
    }
}

/// Where a device stands in queues: at most one place a job, and one for the earliest deadline.
fn places(device: &Device) -> BTreeMap<QueueName, u64> {
    let mut places = BTreeMap::new();
    for active in &device.jobs {
        if let Job::Waiting { not_before, .. } = active.job {
            let due = if active.route == PULL { NEVER } else { not_before.0 };
            places.insert(waiting(active.lane, active.seq, &active.route), due);
        }
    }
    if let Some(earliest) = device.jobs.iter().filter_map(|active| active.job.deadline()).min() {
        places.insert(deadlines(), earliest.0);
    }
    places
}

/// A job as it is enrolled.
pub(crate) fn enrolled(
    job: JobRef,
    lane: campaign::document::Lane,
    route: &str,
    not_before: Instant,
) -> ActiveJob {
    ActiveJob {
        seq: job.seq,
        run: job.run,
        lane,
        route: route.to_owned(),
        job: Job::new(not_before),
    }
}

/// The result row of a device that is not in the registry: enrolled and ended at once.
pub(crate) fn unknown_device(id: &DeviceId, seq: u64, run: u16, now: Instant) -> Change {
    let result = ResultRow { outcome: Outcome::UnknownDevice, at: now, attempts: 0, detail: None };
    let key: Key = id.result_key(seq, run);
    let event = Event::Result { seq, run, device: id.clone(), result: result.clone() };
    Change::new()
        .guard(Guard::Absent(id.key(Table::Device)))
        .guard(Guard::Absent(key.clone()))
        .put(key, result.to_octets())
        .add(seq, progress::ENROLLED, 1)
        .add(seq, Outcome::UnknownDevice.field(), 1)
        .event(event.to_octets())
        .on_replicas()
}
