//! Care: one device, looked at and mended while its user waits (R12, R19).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is to be done with one device, at once. With neither `read` nor `write` the device is called and nothing more.
///
/// ```
/// let request: api::CareRequest = serde_json::from_str(
///     r#"{"device":"msisdn:447700900123","read":["./DevInfo/Mod"],"write":[{"uri":"./AP/GW/Addr","value":"10.0.0.1"}],"wait":"60s"}"#,
/// ).unwrap();
/// assert_eq!((request.read.len(), request.write.len()), (1, 1));
/// assert!(!format!("{request:?}").contains("10.0.0.1"));
/// ```
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CareRequest {
    /// Absent: the only one that the server has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// A device id, `msisdn:…` or `imsi:…`.
    pub device: String,
    /// For people and for the record, at most [`Self::LONGEST_PURPOSE`] octets.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// Nodes to read, at most [`Self::MOST_READS`]. `?list=StructData` behind an address reads a whole subtree.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
    /// Settings as in a campaign's document, at most [`Self::MOST_WRITES`]: read before, written, and proven.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<serde_json::Map<String, serde_json::Value>>,
    /// What is tried for no longer, as `5m`: from 10 seconds to an hour; absent: two minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// How long the answer may wait for the end, as `60s`: at most two minutes; absent: it comes at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
}

impl CareRequest {
    pub const MOST_READS: usize = 64;
    pub const MOST_WRITES: usize = 32;
    pub const LONGEST_PURPOSE: usize = 256;
}

impl fmt::Debug for CareRequest {
    /// Neither numbers of people nor values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CareRequest")
            .field("authority", &self.authority)
            .field("read", &self.read.len())
            .field("write", &self.write.len())
            .finish_non_exhaustive()
    }
}

/// A care job as it is now.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CareView {
    /// Names the care job in this deployment.
    pub id: String,
    pub authority: String,
    pub device: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// `waiting`, `notified`, `in_session`, `proving`, `awaiting` or `ended`.
    pub state: String,
    /// How it ended, with the words of campaigns: `applied`, `unchanged` (also: all is read), `failed`, `unreachable`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Why it ended so, when that needs words.
    #[serde(flatten)]
    pub detail: CareDetail,
    pub submitted: String,
    /// When it is given up.
    pub until: String,
    /// What happened so far, in its order; of what happened again, the last time.
    pub steps: Vec<CareStep>,
    /// What the device holds, as far as it was read.
    pub values: Vec<CareValue>,
    /// Nodes that could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<CareDetail>,
    /// Another whenever something above is.
    pub version: String,
}

impl CareView {
    pub fn ended(&self) -> bool {
        self.state == "ended"
    }

    /// Whether everything that was asked for is so.
    pub fn succeeded(&self) -> bool {
        matches!(self.outcome.as_deref(), Some("applied" | "unchanged")) && self.unread.is_empty()
    }
}

impl fmt::Debug for CareView {
    /// No values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CareView")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("outcome", &self.outcome)
            .field("detail", &self.detail)
            .field("steps", &self.steps)
            .field("unread", &self.unread)
            .finish_non_exhaustive()
    }
}

/// One thing that happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CareStep {
    /// `accepted`, `notified`, `not_notified`, `silent`, `undelivered`, `connected`, `read`, `writing`, `proving`, `lost` or
    /// `ended`.
    pub step: String,
    pub at: String,
    /// Notifications sent by then.
    pub attempt: u32,
    #[serde(flatten)]
    pub detail: CareDetail,
}

/// Where something went wrong, what the device said, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CareDetail {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The status of the device's protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `query`, `ask`, `write` or `prove`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What a node holds.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CareValue {
    pub uri: String,
    pub value: String,
    /// What it held before it was written, when that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    pub at: String,
}

impl fmt::Debug for CareValue {
    /// The address alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CareValue").field("uri", &self.uri).finish_non_exhaustive()
    }
}
