//! What a demo measured.

use super::{carrier::Carried, workers::Done};
use loadtest::{Breach, FleetReport, usage::Usage};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// The figures of one run, as `--json` prints them.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) devices: u64,
    /// Name of the outcome to count.
    pub(crate) outcomes: BTreeMap<String, u64>,
    pub(crate) outcomes_by_fault: super::by_fault::ByFault,
    /// What the devices noticed the server do wrong.
    pub(crate) breaches: u64,
    #[serde(skip)]
    pub(crate) breach_texts: Vec<String>,
    #[serde(skip)]
    pub(crate) enrolled: u64,
    /// From the submit to the end of the campaign.
    pub(crate) seconds: f64,
    /// Jobs ended until 95 % had ended, by the time that took.
    pub(crate) devices_per_second: f64,
    /// The rest: devices that are away, and what must be tried again.
    pub(crate) tail_seconds: f64,
    pub(crate) notified_to_session_ms: Percentiles,
    pub(crate) message_ms: Percentiles,
    pub(crate) messages: u64,
    pub(crate) store_calls_per_message: f64,
    /// User and system time of all processes, fleet and a private Redis included, from the submit on.
    pub(crate) cpu_seconds: f64,
    /// Of `cpu_seconds`, what this process used: the fleet, and the server unless it has workers of its own.
    pub(crate) cpu_seconds_here: f64,
    pub(crate) cpu_seconds_workers: f64,
    pub(crate) cpu_seconds_redis: f64,
    /// The most memory that each process held, added up, fleet included.
    pub(crate) peak_rss_mb: f64,
    /// What a private Redis wrote to its append-only file, from the submit on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aof_octets_per_device: Option<f64>,
    /// Results that the broker told, each counted once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) results_told: Option<u64>,
    /// How often one of them was told again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) results_told_again: Option<u64>,
    /// What the carrier has seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) carrier: Option<Carriage>,
}

/// What a carrier has seen of a run.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Carriage {
    pub(crate) messages: u64,
    /// Pushes that were handed over to devices.
    pub(crate) delivered: u64,
    pub(crate) receipts: u64,
    /// The most messages in any second, wherever it began, and how many were allowed.
    pub(crate) busiest_second: u32,
    pub(crate) limit: u32,
}

/// What a run left to be counted up.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) view: api::CampaignView,
    pub(crate) fleet: FleetReport,
    pub(crate) carried: Option<Carried>,
    /// From the submit to the end of the campaign.
    pub(crate) elapsed: Duration,
    /// When 95 % had ended, and how many that were.
    pub(crate) most_ended: Option<(Duration, u64)>,
    pub(crate) done: Done,
    /// Of this process, of the workers, of a private Redis.
    pub(crate) before: [Usage; 3],
    pub(crate) after: [Usage; 3],
    /// Octets of the append-only file.
    pub(crate) written: Option<u64>,
    /// Results that the broker told, and how many of them again.
    pub(crate) result_events: Option<(u64, u64)>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Figures {
    pub(crate) fn new(measured: &Measured) -> Self {
        let Measured {
            view,
            fleet,
            carried,
            elapsed,
            most_ended,
            done,
            before,
            after,
            written,
            result_events,
        } = measured;
        let carrier = carried.as_ref().map(|carried| &carried.breaches);
        let noticed = || [&fleet.breaches].into_iter().chain(carrier);
        let (bulk, ended) = most_ended.unwrap_or((*elapsed, view.progress.ended));
        let spent = |of: usize| match (before.get(of), after.get(of)) {
            (Some(before), Some(after)) => round(after.cpu_seconds - before.cpu_seconds),
            _ => 0.0,
        };
        let [here, workers, redis] = [spent(0), spent(1), spent(2)];
        Self {
            devices: view.progress.enrolled,
            outcomes: view.progress.outcomes.clone(),
            outcomes_by_fault: BTreeMap::new(),
            breaches: noticed().map(|breaches| breaches.count).sum(),
            breach_texts: noticed().flat_map(|breaches| &breaches.first).map(told).collect(),
            enrolled: view.progress.enrolled,
            seconds: round(elapsed.as_secs_f64()),
            devices_per_second: round(share(ended, bulk.as_secs_f64())),
            tail_seconds: round(elapsed.saturating_sub(bulk).as_secs_f64()),
            notified_to_session_ms: (&fleet.notified_to_session).into(),
            message_ms: (&fleet.message).into(),
            messages: done.messages,
            store_calls_per_message: round(share(done.store_calls, count(done.messages))),
            cpu_seconds: round(here + workers + redis),
            cpu_seconds_here: here,
            cpu_seconds_workers: workers,
            cpu_seconds_redis: redis,
            peak_rss_mb: round(after.iter().map(|usage| usage.peak_rss_mb).sum()),
            aof_octets_per_device: written
                .map(|octets| round(share(octets, count(view.progress.enrolled)))),
            results_told: result_events.map(|(told, _)| told),
            results_told_again: result_events.map(|(_, again)| again),
            carrier: carried.as_ref().map(Carriage::from),
        }
    }

    /// Whether every job has an outcome, told if there is a broker, the carrier's limit was kept, and neither it nor a device
    /// saw anything wrong.
    pub(crate) fn complete(&self) -> bool {
        // What the carrier reads late, because others have the processor, looks as if it came together: a tenth of a second's
        // worth is forgiven.
        let kept = |carrier: Carriage| carrier.busiest_second <= carrier.limit + carrier.limit / 10;
        self.breaches == 0
            && self.carrier.is_none_or(kept)
            && self.outcomes.values().sum::<u64>() == self.enrolled
            && self.enrolled > 0
            && self.results_told.is_none_or(|told| told == self.enrolled)
    }
}

impl From<&loadtest::fleet::Percentiles> for Percentiles {
    fn from(measured: &loadtest::fleet::Percentiles) -> Self {
        Self { p50: round(measured.p50), p99: round(measured.p99) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run are far below 2^52")]
fn count(count: u64) -> f64 {
    count as f64
}

fn share(of: u64, by: f64) -> f64 {
    if by > 0.0 { count(of) / by } else { 0.0 }
}

impl From<&Carried> for Carriage {
    fn from(carried: &Carried) -> Self {
        Self {
            messages: carried.messages,
            delivered: carried.delivered,
            receipts: carried.receipts,
            busiest_second: carried.per_second.busiest,
            limit: carried.limit,
        }
    }
}

fn told(Breach { device, what, octets, .. }: &Breach) -> String {
    match device {
        Some(device) => format!("device {device}: {what}\n  {octets}"),
        None => format!("{what}\n  {octets}"),
    }
}

/// Three figures behind the point: more would pretend.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
