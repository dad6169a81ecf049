//! What this process says of itself in numbers, for Prometheus.
//!
//! | module | about |
//! | --- | --- |
//! | [`list`] | every metric there is: name, labels, help, and what it tells |
//! | `labels` | the values that labels can have |
//! | `register` | from the list to handles that cost nanoseconds |
//! | `store` | a store that tells how long its calls take, and counts what its commits count |
//! | `campaigns` | series of single campaigns, bounded in number and removed after the end |
//! | `sessions` | how many sessions are open |
//! | `sample` | what is not counted but looked at: backlog, clock, disk |
//! | `machine` | what the machine grants: memory, disk |
//!
//! Each server has a registry of its own, frozen when it starts; there is no global one, so two servers in one process do
//! not add up. Counting happens where an outcome is known to be stored, through the handles of [`Metrics`].

pub(crate) mod campaigns;
pub(crate) mod labels;
pub mod list;
mod machine;
mod register;
pub(crate) mod sample;
mod sessions;
pub(crate) mod store;
#[cfg(test)]
mod tests;

use crate::{campaigns::live::Snapshot, config::Config, load::Load, readiness::Part};
use campaign::document::Lane;
use campaigns::Campaigns;
use labels::{
    AdminResult, Direction, Door, Enrolment, Fault, HeldBy, JobState, Label, Milestone, NotSent,
    Operation, ReceiptFate, Refused, Rejection, Resync, RouteCondition, SessionEnd, Sink, State,
};
use machine::Machine;
use metrics::{Counter, Gauge, Histogram};
use prometheus::{GaugeVec, Registry, process_collector::ProcessCollector};
use register::{By, Register};
use sessions::OpenSessions;
use std::{collections::BTreeMap, sync::atomic::Ordering};
use wire::Encoding;

/// All handles, resolved once.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub(crate) milestones: By<Milestone, Counter>,
    ended: By<campaign::job::Outcome, Counter>,
    silent: Counter,
    jobs: By<JobState, Gauge>,
    pub(crate) enrolments: By<Enrolment, Counter>,
    routes: BTreeMap<String, Route>,
    deadlines_lag: Gauge,
    pub(crate) held: By<HeldBy, Counter>,
    pub(crate) care_notify: Histogram,
    pub(crate) resyncs: By<Resync, Counter>,
    pub(crate) notified_to_session: Histogram,
    sessions_opened: By<Encoding, Counter>,
    sessions_ended: By<SessionEnd, By<Encoding, Counter>>,
    sessions_open: Gauge,
    session_seconds: Histogram,
    open: OpenSessions,
    pub(crate) messages: By<Encoding, Counter>,
    pub(crate) messages_repeated: Counter,
    pub(crate) messages_refused: By<Refused, Counter>,
    pub(crate) message_seconds: Histogram,
    pub(crate) message_octets: By<Direction, Counter>,
    pub(crate) rejected: By<Rejection, Counter>,
    pub(crate) slowed: Counter,
    pub(crate) faults: By<Fault, Counter>,
    in_flight: Gauge,
    pub(crate) doors: By<Door, DoorHandles>,
    pub(crate) admin_requests: By<AdminResult, Counter>,
    pub(crate) admin_seconds: Histogram,
    events_lag: By<Sink, Gauge>,
    events_full: Gauge,
    store: StoreHandles,
    disk_free: Gauge,
    disk_size: Gauge,
    clock: Gauge,
    campaigns_by_state: By<State, Gauge>,
    pub(crate) campaigns: Campaigns,
    ready: GaugeVec,
    sample_age: Gauge,
    sampled: sample::Sampled,
    machine: Machine,
}

/// What is said of one route.
#[derive(Debug)]
pub(crate) struct Route {
    sent: Counter,
    carried_by_another: Counter,
    condition: By<RouteCondition, Gauge>,
    not_sent: By<NotSent, Counter>,
    receipts: By<ReceiptFate, Counter>,
    backlog: By<Lane, Backlog>,
}

#[derive(Debug)]
struct Backlog {
    jobs: Gauge,
    seconds: Gauge,
    oldest_due: Gauge,
}

/// What is said of one listener.
#[derive(Debug, Clone)]
pub(crate) struct DoorHandles {
    open: Gauge,
    max: Gauge,
    accepted: Counter,
}

/// A connection, counted as open until this is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

#[derive(Debug)]
struct StoreHandles {
    seconds: By<Operation, Histogram>,
    errors: By<Operation, Counter>,
    changes: Counter,
    conflicts: Counter,
    events: Counter,
}

impl Metrics {
    /// Registers everything. An error is a mistake in [`list`].
    pub(crate) fn new(config: &Config) -> Result<Self, prometheus::Error> {
        let register = Register::new();
        let own =
            [list::READY, list::CAMPAIGN_MILESTONES, list::CAMPAIGN_OUTCOMES, list::CAMPAIGN_STATE];
        for metric in list::all().filter(|metric| own.iter().all(|own| own.name != metric.name)) {
            register.add(metric)?;
        }
        let ready = register.coming_and_going(&list::READY)?;
        let campaigns = Campaigns::new(
            register.coming_and_going(&list::CAMPAIGN_MILESTONES)?,
            register.coming_and_going(&list::CAMPAIGN_OUTCOMES)?,
            register.coming_and_going(&list::CAMPAIGN_STATE)?,
            register.gauge(&list::CAMPAIGNS_HIDDEN, &[]),
        );
        let store = match &config.store {
            crate::config::Store::Embedded { .. } => "embedded",
            crate::config::Store::Redis { .. } => "redis",
        };
        register.gauge(&list::BUILD, &[env!("CARGO_PKG_VERSION"), store]).set(1.0);
        let machine = Machine::new(config);
        register.gauge(&list::MEMORY_LIMIT, &[]).set(machine::memory_limit());
        let metrics = Self {
            milestones: register.counters(&list::MILESTONES),
            ended: register.counters(&list::ENDED),
            silent: register.counter(&list::SILENT, &[]),
            jobs: By::new(|state: JobState| register.gauge(&list::JOBS, &[state.name()])),
            enrolments: register.counters(&list::ENROLMENTS),
            routes: config
                .routes
                .iter()
                .map(|route| (route.name().to_owned(), Route::new(&register, route.name())))
                .collect(),
            deadlines_lag: register.gauge(&list::DEADLINES_LAG, &[]),
            held: register.counters(&list::HELD),
            care_notify: register.histogram(&list::CARE_NOTIFY, &[]),
            resyncs: register.counters(&list::RESYNCS),
            notified_to_session: register.histogram(&list::NOTIFIED_TO_SESSION, &[]),
            sessions_opened: register.counters(&list::SESSIONS_OPENED),
            sessions_ended: By::new(|end: SessionEnd| {
                By::new(|encoding: Encoding| {
                    register.counter(&list::SESSIONS_ENDED, &[end.name(), encoding.name()])
                })
            }),
            sessions_open: register.gauge(&list::SESSIONS_OPEN, &[]),
            session_seconds: register.histogram(&list::SESSION_SECONDS, &[]),
            open: OpenSessions::new(config.session.life),
            messages: register.counters(&list::MESSAGES),
            messages_repeated: register.counter(&list::MESSAGES_REPEATED, &[]),
            messages_refused: register.counters(&list::MESSAGES_REFUSED),
            message_seconds: register.histogram(&list::MESSAGE_SECONDS, &[]),
            message_octets: register.counters(&list::MESSAGE_OCTETS),
            rejected: register.counters(&list::REJECTED),
            slowed: register.counter(&list::SLOWED, &[]),
            faults: register.counters(&list::FAULTS),
            in_flight: register.gauge(&list::IN_FLIGHT, &[]),
            doors: By::new(|door: Door| DoorHandles::new(&register, door)),
            admin_requests: register.counters(&list::ADMIN_REQUESTS),
            admin_seconds: register.histogram(&list::ADMIN_SECONDS, &[]),
            events_lag: By::new(|sink: Sink| register.gauge(&list::EVENTS_LAG, &[sink.name()])),
            events_full: register.gauge(&list::EVENTS_FULL, &[]),
            store: StoreHandles::new(&register),
            disk_free: register.gauge(&list::DISK_FREE, &[]),
            disk_size: register.gauge(&list::DISK_SIZE, &[]),
            clock: register.gauge(&list::CLOCK, &[]),
            campaigns_by_state: By::new(|state: State| {
                register.gauge(&list::CAMPAIGNS, &[state.name()])
            }),
            campaigns,
            ready,
            sample_age: register.gauge(&list::SAMPLE_AGE, &[]),
            sampled: sample::Sampled::default(),
            machine,
            registry: register.freeze(),
        };
        metrics.registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(metrics)
    }

    /// What is said of a route of the configuration.
    pub(crate) fn route(&self, name: &str) -> Option<&Route> {
        self.routes.get(name)
    }

    /// A session was opened and is stored.
    pub(crate) fn session_opened(&self, encoding: Encoding, started: campaign::time::Instant) {
        self.milestones.at(Milestone::Connected).increment(1);
        self.milestones.at(Milestone::Authenticated).increment(1);
        self.sessions_opened.at(encoding).increment(1);
        self.open.opened(started);
    }

    /// A session is over, and that is stored.
    pub(crate) fn session_ended(
        &self,
        end: session::End,
        encoding: Encoding,
        (started, ended): (campaign::time::Instant, campaign::time::Instant),
    ) {
        self.sessions_ended.at(end.into()).at(encoding).increment(1);
        self.session_seconds.record(ended.since(started).as_secs_f64());
        self.open.ended(started);
    }

    /// A device fell silent with a job in work.
    pub(crate) fn session_lost(&self, encoding: Encoding) {
        self.sessions_ended.at(SessionEnd::Lost).at(encoding).increment(1);
    }

    /// Everything as text, in the format of Prometheus. `parts` is how the parts of the process are at this moment.
    pub(crate) fn render(
        &self,
        load: &Load,
        live: &Snapshot,
        parts: &[(Part, Option<String>)],
    ) -> Result<String, prometheus::Error> {
        self.campaigns.publish(live);
        for (part, why) in parts {
            let ready = if why.is_none() { 1.0 } else { 0.0 };
            self.ready.with_label_values(&[part.name()]).set(ready);
        }
        self.in_flight.set(float(load.in_flight.load(Ordering::Relaxed) as u64));
        self.sample_age.set(self.sampled.age().as_secs_f64());
        prometheus::TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl Route {
    fn new(register: &Register, route: &str) -> Self {
        Self {
            sent: register.counter(&list::SENT, &[route]),
            carried_by_another: register.counter(&list::CARRIED_BY_ANOTHER, &[route]),
            condition: By::new(|condition: RouteCondition| {
                register.gauge(&list::ROUTE_CONDITION, &[route, condition.name()])
            }),
            not_sent: By::new(|reason: NotSent| {
                register.counter(&list::NOT_SENT, &[route, reason.name()])
            }),
            receipts: By::new(|fate: ReceiptFate| {
                register.counter(&list::RECEIPTS, &[route, fate.name()])
            }),
            backlog: By::new(|lane: Lane| Backlog {
                jobs: register.gauge(&list::BACKLOG_JOBS, &[lane.name(), route]),
                seconds: register.gauge(&list::BACKLOG_SECONDS, &[lane.name(), route]),
                oldest_due: register.gauge(&list::OLDEST_DUE, &[lane.name(), route]),
            }),
        }
    }

    /// A notification of this route left on one that stands in for it.
    pub(crate) fn carried_by_another(&self) {
        self.carried_by_another.increment(1);
    }

    /// How the route is now, here; `None`: this process does not carry on it.
    pub(crate) fn is(&self, now: Option<RouteCondition>) {
        for condition in RouteCondition::ALL {
            let holds = now == Some(*condition);
            self.condition.at(*condition).set(if holds { 1.0 } else { 0.0 });
        }
    }

    /// A carrier told what became of a notification.
    pub(crate) fn receipt(&self, fate: ReceiptFate) {
        self.receipts.at(fate).increment(1);
    }

    /// A notification left, or did not.
    pub(crate) fn count(&self, left: Result<(), NotSent>) {
        match left {
            Ok(()) => self.sent.increment(1),
            Err(reason) => self.not_sent.at(reason).increment(1),
        }
    }
}

impl DoorHandles {
    fn new(register: &Register, door: Door) -> Self {
        Self {
            open: register.gauge(&list::CONNECTIONS_OPEN, &[door.name()]),
            max: register.gauge(&list::CONNECTIONS_MAX, &[door.name()]),
            accepted: register.counter(&list::CONNECTIONS, &[door.name()]),
        }
    }

    /// So many connections may be open.
    pub(crate) fn allowed(&self, connections: usize) {
        self.max.set(float(connections as u64));
    }

    /// A connection was accepted.
    pub(crate) fn accepted(&self) -> OpenConnection {
        self.accepted.increment(1);
        self.open.increment(1.0);
        OpenConnection(self.open.clone())
    }
}

impl StoreHandles {
    fn new(register: &Register) -> Self {
        Self {
            seconds: By::new(|operation: Operation| {
                register.histogram(&list::STORE_SECONDS, &[operation.name()])
            }),
            errors: register.counters(&list::STORE_ERRORS),
            changes: register.counter(&list::STORE_CHANGES, &[]),
            conflicts: register.counter(&list::STORE_CONFLICTS, &[]),
            events: register.counter(&list::EVENTS, &[]),
        }
    }
}

/// A count as a gauge holds it.
#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; counts of jobs are far below 2^52"
)]
fn float(count: u64) -> f64 {
    count as f64
}
