//! A campaign as it is seen from outside.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One campaign: what was asked, where it stands, how far it has come.
///
/// ```
/// let text = r#"{"id":"qos","authority":"operator","seq":7,"purpose":"","state":"running","lane":"mass",
///     "submitted":"2026-11-25T00:00:00Z","start":"2026-11-25T00:00:00Z","expires":"2026-11-27T00:00:00Z",
///     "progress":{"enrolled":3,"ended":1,"active":2,"outcomes":{"applied":1}}}"#;
/// let view: api::CampaignView = serde_json::from_str(text).unwrap();
/// assert_eq!(view.progress.outcomes["applied"], 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignView {
    pub id: String,
    pub authority: String,
    /// Its number in this deployment, given when it was accepted: newer campaigns have higher ones.
    pub seq: u64,
    /// Why it was started, for people.
    #[serde(default)]
    pub purpose: String,
    /// `checking`, `enrolling`, `running`, `paused`, `ending` or `ended`.
    pub state: String,
    /// Why it is paused, ending or ended, when there is a reason to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// `care`, `urgent` or `mass`.
    pub lane: String,
    pub submitted: String,
    /// Absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Absent: when every job has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    pub progress: Progress,
}

/// How far a campaign has come, in devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    pub enrolled: u64,
    pub ended: u64,
    /// Enrolled and not yet ended.
    pub active: u64,
    /// Did not answer their first notification in time.
    pub silent: u64,
    pub notified: u64,
    pub connected: u64,
    pub written: u64,
    pub proven: u64,
    /// Ended devices by the name of their outcome; outcomes that nobody has are absent.
    pub outcomes: BTreeMap<String, u64>,
}

/// A page of campaigns, in the order of the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignPage {
    pub campaigns: Vec<CampaignView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How one device's part in a campaign ended.
///
/// ```
/// let line = api::ResultLine {
///     device: "IMEI:350000000000017".into(),
///     run: 0,
///     outcome: "failed".into(),
///     at: "2026-11-25T01:02:03Z".into(),
///     attempts: 1,
///     uri: Some("./AP/WAP/Addr".into()),
///     status: Some(405),
///     phase: Some("write".into()),
///     why: None,
/// };
/// assert!(serde_json::to_string(&line).unwrap().contains(r#""status":405"#));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResultLine {
    pub device: String,
    /// The number of the device's run, of campaigns that take a device in more than once.
    #[serde(default, skip_serializing_if = "is_first")]
    pub run: u16,
    /// One of the fourteen outcomes, by name.
    pub outcome: String,
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// Notifications sent to the device for this job.
    pub attempts: u32,
    /// The node that a failure or refusal is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The status that the device gave, when it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `query`, `ask`, `write` or `prove`: where the job stood when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_first(run: &u16) -> bool {
    *run == 0
}

/// A page of results.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultPage {
    pub results: Vec<ResultLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What became of the devices that one enrolment request named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolReport {
    pub enrolled: u64,
    /// Had a job or a result of this campaign before.
    pub already: u64,
    /// Not in the registry; each has the outcome `unknown_device`.
    pub unknown: u64,
    /// Have as many jobs as a device may have; name them again later.
    pub later: u64,
}

/// The body of pause, resume and abort.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlRequest {
    /// The reason, kept with the campaign.
    #[serde(default)]
    pub why: String,
}

impl ControlRequest {
    /// The longest reason, in octets.
    pub const LONGEST_WHY: usize = 1024;
}
