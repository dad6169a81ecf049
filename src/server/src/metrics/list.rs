//! The one list of metrics: each name, what its labels are, its help text, and what a rise of it means to whoever is on call.
//!
//! `docs/metrics.md` is made from this list, and dashboards and rules may use no other names: tests hold them together.
//! Label values come from enums (`labels`), from the configuration, or are bounded in number here.

use super::campaigns::MOST_CAMPAIGNS;

/// One family of series.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    /// What `/metrics` says of it.
    pub help: &'static str,
    /// What it tells at night, and where to look next.
    pub tells: &'static str,
}

/// What can be done with the values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only rises; look at its rate.
    Counter,
    Gauge,
    /// Durations, by these upper bounds in seconds.
    Histogram(&'static [f64]),
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// Times of calls and answers: from half a millisecond, a read on disk, to ten seconds, when devices give up.
const ANSWERS: Kind = Kind::Histogram(&[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
]);
/// Times of people and radio networks: from a quarter of a second to half a day.
const WAITS: Kind = Kind::Histogram(&[
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0,
    43_200.0,
]);

macro_rules! metrics {
    ($($section:literal { $($id:ident = $kind:expr, $name:literal [$($label:literal),*], $help:literal, $tells:literal;)+ })+) => {
        $($(pub(crate) const $id: Metric =
            Metric { name: $name, kind: $kind, labels: &[$($label),*], help: $help, tells: $tells };)+)+

        /// All of ours, in sections, in the order of the documentation.
        pub const SECTIONS: &[(&str, &[Metric])] = &[$(($section, &[$($id),+])),+];
    };
}

metrics! {
    "Jobs: where one is lost" {
        MILESTONES = Kind::Counter, "reveille_milestones_total" ["milestone"],
            "Milestones that jobs and their devices passed, each counted once when it was stored.",
            "The step after which the rate falls is where jobs are lost: see the runbook page `nothing-sent`, or `refused-credentials`";
        ENDED = Kind::Counter, "reveille_jobs_ended_total" ["outcome"],
            "Jobs that ended, by outcome.",
            "Which outcome grows: `failed` and `broken` are the device's answer, `unreachable` is silence, `refused` is a document outside its scope";
        SILENT = Kind::Counter, "reveille_jobs_silent_total" [],
            "Jobs whose first notification was not answered in time.",
            "Beside a steady `notified`: notifications do not arrive, or devices cannot connect back";
        JOBS = Kind::Gauge, "reveille_jobs" ["state"],
            "Jobs without an outcome, of all campaigns that are not ended.",
            "How much is left to do; the same number on every worker, so take the maximum";
        ENROLMENTS = Kind::Counter, "reveille_enrolments_total" ["result"],
            "Devices that were to become jobs, by what became of them.",
            "`later`: devices with too many jobs at once; `unknown`: lists that name devices nobody imported";
    }
    "Backlog: what waits to be sent" {
        BACKLOG_JOBS = Kind::Gauge, "reveille_backlog_jobs" ["lane", "route"],
            "Jobs of running campaigns that wait for their first notification (at most: those that end without one are known only when they have). With several routes all of them count at the one that takes what no `when` picks.",
            "How many; `reveille_backlog_seconds` says how long that takes";
        BACKLOG_SECONDS = Kind::Gauge, "reveille_backlog_seconds" ["lane", "route"],
            "How long the backlog takes at the rates that the route and the campaigns allow.",
            "Longer than the maintenance window: raise `pace` or the route's `per_second`, or start fewer campaigns at once";
        OLDEST_DUE = Kind::Gauge, "reveille_oldest_due_seconds" ["lane", "route"],
            "How long the oldest job that may be notified now has been due; 0 when none is.",
            "Beyond the backlog's own time: dispatching is held back or broken";
        DEADLINES_LAG = Kind::Gauge, "reveille_deadlines_lag_seconds" [],
            "How long the oldest deadline that nobody looked at has passed.",
            "Minutes: the loop of deadlines is stuck or the store is slow; silent devices are not noticed";
        HELD = Kind::Counter, "reveille_dispatch_held_total" ["by"],
            "Rounds of the dispatcher that left due jobs where they are.",
            "`limit`: the pace or the route's rate is used up, as it should be; `load`: the devices' door has its hands full";
    }
    "Notifications" {
        SENT = Kind::Counter, "reveille_notifications_sent_total" ["route"],
            "Notifications handed to the network or the carrier.",
            "Zero while jobs are due is the page `nothing-sent`";
        NOT_SENT = Kind::Counter, "reveille_notifications_refused_total" ["route", "reason"],
            "Notifications that could not be handed over.",
            "`address` and `credentials` are the registry's: import the devices again; `network` is the way out of this machine; `down`, `throttled` and `refused` are the carrier's";
        ROUTE_CONDITION = Kind::Gauge, "reveille_route_condition" ["route", "condition"],
            "How a route is in this process: 1 under the condition that holds, 0 under the others. All 0: the process does not carry on it.",
            "`down`: no bind comes up, and the log says why; `resting`: the carrier refuses everything, and the log names the setting. The page `route-away` tells more";
        CARRIED_BY_ANOTHER = Kind::Counter, "reveille_notifications_carried_by_another_total" ["route"],
            "Notifications of devices of this route that left on one of its fallbacks.",
            "Grows while the route is away; afterwards it stands still by itself";
        RECEIPTS = Kind::Counter, "reveille_receipts_total" ["route", "fate"],
            "Delivery receipts of a carrier, by what they say.",
            "`lost` that grows: devices out of reach, or a carrier in trouble; `unmatched`: `receipt_id` of the route is wrong";
        CARE_NOTIFY = ANSWERS, "reveille_care_notify_seconds" [],
            "From an agent's request to its device's first notification, as the route takes it.",
            "Above 0.1 s somebody waits on the telephone for us: the part of the route that is kept for care is used up, or the store is slow";
        RESYNCS = Kind::Counter, "reveille_nonce_resyncs_total" ["step"],
            "Devices that believed no notification and were called under a nonce of zeros, where `session.resync` is on, by how far that came.",
            "`called` without `opened`: they do not know zeros, or their secret is another; bootstrap them anew";
        NOTIFIED_TO_SESSION = WAITS, "reveille_notified_to_session_seconds" [],
            "From a notification to the session of its device that works on the job.",
            "A median that grows: the carrier delays, or devices are asleep";
    }
    "Sessions" {
        SESSIONS_OPENED = Kind::Counter, "reveille_sessions_opened_total" ["encoding"],
            "Sessions that a device opened by proving itself.",
            "Falls while `connected` stays: devices cannot prove themselves";
        SESSIONS_ENDED = Kind::Counter, "reveille_sessions_ended_total" ["end", "encoding"],
            "Sessions that ended, by why.",
            "`lost`: devices fall silent in the middle; `gave_up`: one side cannot prove itself or the talk led nowhere";
        SESSIONS_OPEN = Kind::Gauge, "reveille_sessions_open" [],
            "Sessions opened and not over, by this worker's own count; their sum over all workers is the number of open sessions. One whose device fell silent counts until its row expires.",
            "Grows without end while `lost` grows: devices are cut off in the middle";
        SESSION_SECONDS = WAITS, "reveille_session_seconds" [],
            "From the first authenticated message of a session to its end.",
            "A longer tail: slow devices, users who are asked, or a slow store";
    }
    "Messages of devices" {
        MESSAGES = Kind::Counter, "reveille_messages_total" ["encoding"],
            "Messages answered with a SyncML document.",
            "The pulse of the devices' door";
        MESSAGES_REPEATED = Kind::Counter, "reveille_messages_repeated_total" [],
            "Messages answered once more with what was answered before.",
            "Answers get lost on the way, or come too late for the device";
        MESSAGES_REFUSED = Kind::Counter, "reveille_messages_refused_total" ["reason"],
            "Messages answered with a challenge or a refusal.",
            "`challenged` is part of the protocol; `credentials` in numbers is the page `refused-credentials`";
        MESSAGE_SECONDS = ANSWERS, "reveille_message_seconds" [],
            "From a whole request of a device to its answer.",
            "Above a second devices begin to repeat themselves: see the store's seconds first";
        MESSAGE_OCTETS = Kind::Counter, "reveille_message_octets_total" ["direction"],
            "Octets of messages answered with a document, without HTTP.",
            "What a campaign costs on the air";
        REJECTED = Kind::Counter, "reveille_requests_rejected_total" ["reason"],
            "Requests at the devices' door that got an HTTP error instead of a message.",
            "`busy`: this worker protects itself; `failed`: the store or the device's row, the log says which; the rest is the peer";
        SLOWED = Kind::Counter, "reveille_answers_slowed_total" [],
            "Refusals held back because the device failed again and again.",
            "Somebody guesses credentials, or a device is stuck with wrong ones";
        FAULTS = Kind::Counter, "reveille_device_faults_total" ["kind"],
            "Faults and events that devices reported by themselves.",
            "`server_credentials_refused`: devices do not know this server any more; import them with the right `server_secret`";
        IN_FLIGHT = Kind::Gauge, "reveille_requests_in_flight" [],
            "Requests of devices being worked on.",
            "At `http.devices.max_in_flight` further ones are held, then answered 503";
    }
    "Doors" {
        CONNECTIONS_OPEN = Kind::Gauge, "reveille_connections_open" ["door"],
            "Open connections.",
            "At the maximum new ones wait in the kernel's backlog";
        CONNECTIONS_MAX = Kind::Gauge, "reveille_connections_max" ["door"],
            "Open connections that the configuration allows.",
            "Does not move by itself";
        CONNECTIONS = Kind::Counter, "reveille_connections_total" ["door"],
            "Connections accepted.",
            "Much above the sessions: somebody scans, or a gateway does not keep its connections";
        ADMIN_REQUESTS = Kind::Counter, "reveille_admin_requests_total" ["result"],
            "Requests at the operators' door, by `ok` or the type of the problem that was answered.",
            "`store-away`, `timed-out` and `internal` are ours; the rest are mistakes of callers";
        ADMIN_SECONDS = ANSWERS, "reveille_admin_request_seconds" [],
            "From a request at the operators' door to its answer.",
            "Slow together with the store: see there";
    }
    "Events on their way out" {
        EVENTS = Kind::Counter, "reveille_events_logged_total" [],
            "Events stored in the shards' logs: results, sessions, faults.",
            "What sinks have to take";
        EVENTS_LAG = Kind::Gauge, "reveille_events_lag_seconds" ["sink"],
            "How old the oldest event is that a sink has not confirmed; 0 when it has all, and where no sink is configured.",
            "The page `events-not-sent`: results are late, and in the end nothing more is enrolled";
        EVENTS_FULL = Kind::Gauge, "reveille_events_backlog_full" [],
            "1 while so many events wait that no more devices are enrolled.",
            "The same page: enrolment goes on by itself when the events have left";
    }
    "Store" {
        STORE_SECONDS = ANSWERS, "reveille_store_operation_seconds" ["operation"],
            "Time of a call of the store.",
            "Commits above 100 ms hold back everything: disk, Redis, or processor";
        STORE_ERRORS = Kind::Counter, "reveille_store_errors_total" ["operation"],
            "Calls of the store that failed.",
            "The page `store-failing`";
        STORE_CHANGES = Kind::Counter, "reveille_store_changes_total" [],
            "Changes that were applied.",
            "What the store has to do";
        STORE_CONFLICTS = Kind::Counter, "reveille_store_conflicts_total" [],
            "Changes that others were faster than, so that they are decided anew.",
            "Above a few in a hundred: several workers fight for the same devices, or a clock runs wrong";
        DISK_FREE = Kind::Gauge, "reveille_store_disk_free_bytes" [],
            "Room left on the disk of the embedded store.",
            "At zero the store fails and the server ends: the page `disk-full`";
        DISK_SIZE = Kind::Gauge, "reveille_store_disk_size_bytes" [],
            "Size of the disk of the embedded store.",
            "Does not move by itself";
        CLOCK = Kind::Gauge, "reveille_clock_skew_seconds" [],
            "This machine's clock minus the store's.",
            "Jobs run by the store's clock; what this machine logs is off by so much";
    }
    "Campaigns" {
        CAMPAIGNS = Kind::Gauge, "reveille_campaigns" ["state"],
            "Campaigns that are not ended.",
            "The same number on every worker, so take the maximum";
        CAMPAIGN_MILESTONES = Kind::Gauge, "reveille_campaign_milestone_jobs" ["authority", "campaign", "milestone"],
            "Jobs of a campaign that passed a milestone.",
            "How far it is, and where it loses jobs";
        CAMPAIGN_OUTCOMES = Kind::Gauge, "reveille_campaign_outcome_jobs" ["authority", "campaign", "outcome"],
            "Jobs of a campaign that ended, by outcome.",
            "A growing share of `failed`, `broken` or `reverted`: pause it and look at a few results";
        CAMPAIGN_STATE = Kind::Gauge, "reveille_campaign_state" ["authority", "campaign", "state"],
            "1 for the state that a campaign is in.",
            "Shown until a quarter of an hour after its end";
        CAMPAIGNS_HIDDEN = Kind::Gauge, "reveille_campaigns_hidden" [],
            "Campaigns that are not ended and have no series of their own, because there are too many.",
            "Above zero: use `reveille campaign list`; the sums are still whole";
    }
    "Process" {
        BUILD = Kind::Gauge, "reveille_build_info" ["version", "store"],
            "Always 1: the version, and the kind of store.",
            "Two versions at once: an upgrade is under way, or stopped half-way";
        READY = Kind::Gauge, "reveille_ready" ["part"],
            "Whether a part that this process needs does its work.",
            "0: `/health/ready` says why; the page `not-ready`";
        MEMORY_LIMIT = Kind::Gauge, "reveille_memory_limit_bytes" [],
            "Memory that this process may use: of its control group, else of the machine.",
            "Compare `process_resident_memory_bytes`";
        SAMPLE_AGE = Kind::Gauge, "reveille_sample_age_seconds" [],
            "How long ago backlog, jobs and clock were looked at.",
            "Above a minute: what the gauges say is old; the store does not answer";
    }
}

/// Every metric of ours.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    SECTIONS.iter().flat_map(|(_, metrics)| *metrics)
}

/// What the `prometheus` library says of the process, under the names that all exporters use.
pub const OF_THE_PROCESS: &[&str] = &[
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    "process_virtual_memory_bytes",
];

/// The list as the table of `docs/metrics.md`.
pub fn document() -> String {
    use std::fmt::Write;

    let mut text = String::new();
    for (section, metrics) in SECTIONS {
        // Writing to a string cannot fail.
        _ = write!(
            text,
            "\n# {section}\n\n| metric | kind, labels | is | tells |\n| --- | --- | --- | --- |\n"
        );
        for Metric { name, kind, labels, help, tells } in *metrics {
            _ = write!(text, "| `{name}` | {}", kind.name());
            for label in *labels {
                _ = write!(text, ", `{label}`");
            }
            _ = writeln!(text, " | {help} | {tells} |");
        }
    }
    let names: Vec<_> = OF_THE_PROCESS.iter().map(|name| format!("`{name}`")).collect();
    _ = write!(
        text,
        "\nBeside them stand {}, as of every process.\nAt most {MOST_CAMPAIGNS} campaigns have series of their own.\n",
        names.join(", ")
    );
    text
}
