//! What a demo measured.

use loadtest::FleetReport;
use serde::Serialize;
use server::Load;
use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

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
    /// User and system time of the whole process, fleet included, from the submit on.
    pub(crate) cpu_seconds: f64,
    /// The most memory that the whole process held, fleet included.
    pub(crate) peak_rss_mb: f64,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Figures {
    pub(crate) fn new(
        view: &api::CampaignView,
        fleet: &FleetReport,
        elapsed: Duration,
        most_ended: Option<(Duration, u64)>,
        load: &Load,
        before: Usage,
    ) -> Self {
        let (bulk, ended) = most_ended.unwrap_or((elapsed, view.progress.ended));
        let messages = load.messages.load(Ordering::Relaxed);
        let after = Usage::now();
        Self {
            devices: view.progress.enrolled,
            outcomes: view.progress.outcomes.clone(),
            outcomes_by_fault: BTreeMap::new(),
            breaches: fleet.breaches.count,
            breach_texts: fleet
                .breaches
                .first
                .iter()
                .map(|breach| {
                    format!("device {}: {}\n  {}", breach.device, breach.what, breach.octets)
                })
                .collect(),
            enrolled: view.progress.enrolled,
            seconds: round(elapsed.as_secs_f64()),
            devices_per_second: round(share(ended, bulk.as_secs_f64())),
            tail_seconds: round(elapsed.saturating_sub(bulk).as_secs_f64()),
            notified_to_session_ms: (&fleet.notified_to_session).into(),
            message_ms: (&fleet.message).into(),
            messages,
            store_calls_per_message: round(share(
                load.store_calls.load(Ordering::Relaxed),
                count(messages),
            )),
            cpu_seconds: round(after.cpu_seconds - before.cpu_seconds),
            peak_rss_mb: round(after.peak_rss_mb),
        }
    }

    /// Whether every job has an outcome, and no device saw anything wrong.
    pub(crate) fn complete(&self) -> bool {
        self.breaches == 0
            && self.outcomes.values().sum::<u64>() == self.enrolled
            && self.enrolled > 0
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

/// Three figures behind the point: more would pretend.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// What the process used so far, from `/proc`; zeros where there is none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    cpu_seconds: f64,
    peak_rss_mb: f64,
}

impl Usage {
    /// Ticks of `/proc` in a second, on every Linux of today.
    const TICKS: f64 = 100.0;

    pub(crate) fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // utime and stime are the 12th and 13th field after the name, which ends with the last parenthesis.
        let ticks: u64 = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.split_whitespace().next());
        let peak_kb: u64 = peak.and_then(|kb| kb.parse().ok()).unwrap_or_default();
        Self { cpu_seconds: count(ticks) / Self::TICKS, peak_rss_mb: count(peak_kb) / 1024.0 }
    }
}
