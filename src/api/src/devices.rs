//! Devices on their way into the registry, and as the registry shows them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// One device of an import, as a JSON line. A CSV line has the same keys as columns, attributes as `attributes.NAME`,
/// groups with `;` between them.
///
/// What is absent stays as it is in the registry; in JSON `null` takes a value away. This type is for writing lines:
/// the server reads them key by key, so that each mistake is reported with its own key.
///
/// ```
/// let line = api::DeviceLine {
///     device: "IMEI:350000000000017".into(),
///     authority: Some("operator".into()),
///     secret: Some("Kq7".into()),
///     ..Default::default()
/// };
/// let text = serde_json::to_string(&line).unwrap();
/// assert_eq!(text, r#"{"device":"IMEI:350000000000017","authority":"operator","secret":"Kq7"}"#);
/// assert!(!format!("{line:?}").contains("Kq7"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(
    description = "One device. What is absent stays as it is in the registry; `null` takes a value away."
)]
pub struct DeviceLine {
    /// The `Source` `LocURI` of its sessions.
    pub device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// `md5` (the default of a new device) or `basic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// The device's user name; its device id when a new device names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// `md5` or `basic`: how the server presents itself to this device; absent, it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_auth: Option<String>,
    /// The server's user name towards this device; the authority's server id when a line names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_secret: Option<String>,
    /// Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_nonce: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msisdn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imsi: Option<String>,
    /// `host:port` of the udp route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `wbxml` or `xml`; learnt when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dm_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Option<String>>,
    /// When this was true, RFC 3339; older news than the registry has are ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub as_of: Option<String>,
}

impl fmt::Debug for DeviceLine {
    /// The device and its authority, nothing else: the rest is secrets, numbers and attributes of a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceLine")
            .field("device", &self.device)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// What became of the lines of one import request.
///
/// ```
/// let report: api::ImportReport = serde_json::from_str(
///     r#"{"imported":2,"unchanged":0,"refused":1,"errors":[{"line":4,"key":"nonce","what":"is not base64","help":""}]}"#,
/// ).unwrap();
/// assert_eq!(report.errors[0].to_string(), "line 4, nonce: is not base64");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportReport {
    /// Lines that made a device or changed one.
    pub imported: u64,
    /// Lines that said what was known, or older news.
    pub unchanged: u64,
    /// Lines with an error; each changed nothing.
    pub refused: u64,
    /// The first [`Self::MOST_ERRORS`] of them.
    pub errors: Vec<LineError>,
}

impl ImportReport {
    /// The most errors that one report tells; `refused` counts on.
    pub const MOST_ERRORS: usize = 1_000;

    /// Counts one refused line, and keeps its error while there is room.
    pub fn refuse(&mut self, error: LineError) {
        self.refused += 1;
        if self.errors.len() < Self::MOST_ERRORS {
            self.errors.push(error);
        }
    }
}

/// What is wrong with one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineError {
    /// Counted from 1 at the start of the file (`first_line` of the request included).
    pub line: u64,
    /// The key or column; empty when the line as a whole cannot be read.
    #[serde(default)]
    pub key: String,
    pub what: String,
    #[serde(default)]
    pub help: String,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if !self.key.is_empty() {
            write!(f, ", {}", self.key)?;
        }
        write!(f, ": {}", self.what)?;
        if !self.help.is_empty() {
            write!(f, " ({})", self.help)?;
        }
        Ok(())
    }
}

/// One device, as the registry has it. No secret has a place here.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceView {
    pub device: String,
    pub authority: String,
    pub auth: String,
    pub user: String,
    /// How the server presents itself to the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_auth: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msisdn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imsi: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manufacturer: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub model: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub firmware: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dm_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub time_zone: String,
    pub groups: Vec<String>,
    pub attributes: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// What it was seen to do otherwise than the standard says, each in a word: `no_atomic`, `small_replies`, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quirks: Vec<String>,
    /// Its jobs that have not ended.
    pub jobs: Vec<JobView>,
}

impl fmt::Debug for DeviceView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceView")
            .field("device", &self.device)
            .field("authority", &self.authority)
            .field("jobs", &self.jobs)
            .finish_non_exhaustive()
    }
}

/// A job that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
    /// The campaign, by its sequence number.
    pub seq: u64,
    /// `waiting`, `notified`, `in_session`, `proving` or `reverting`.
    pub state: String,
}

/// One device in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSummary {
    pub device: String,
    pub authority: String,
    #[serde(default)]
    pub manufacturer: String,
    #[serde(default)]
    pub model: String,
    #[serde(default)]
    pub groups: Vec<String>,
    /// How many jobs it has that have not ended.
    #[serde(default)]
    pub jobs: u32,
}

/// A page of devices, in the order of the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicePage {
    pub devices: Vec<DeviceSummary>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_every_refused_line_and_tells_a_bounded_number() {
        let mut report = ImportReport::default();
        for line in 1..=5_000 {
            report.refuse(LineError {
                line,
                key: String::new(),
                what: "no".into(),
                help: String::new(),
            });
        }
        assert_eq!(report.refused, 5_000);
        assert_eq!(report.errors.len(), ImportReport::MOST_ERRORS);
    }

    #[test]
    fn debug_shows_neither_secrets_nor_numbers() {
        let line = DeviceLine {
            device: "IMEI:1".into(),
            secret: Some("geheim".into()),
            msisdn: Some("447700900123".into()),
            nonce: Some("AAAA".into()),
            ..DeviceLine::default()
        };
        let view = DeviceView { imsi: Some("234150999999999".into()), ..DeviceView::default() };
        let shown = format!("{line:?} {view:?}");
        for hidden in ["geheim", "447700900123", "AAAA", "234150999999999"] {
            assert!(!shown.contains(hidden), "{hidden} in {shown}");
        }
    }
}
