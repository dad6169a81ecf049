//! What comes out: events as `CloudEvents` 1.0 in JSON, over AMQP and as server-sent events.
//!
//! Each is told at least once. What is told again carries the same id: [`CloudEvent::id`], and for results, which travel
//! in batches, [`JobResult::id`] of each.

use crate::{campaigns::ResultLine, care::CareDetail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One event.
///
/// ```
/// let text = r#"{"specversion":"1.0","id":"operator/gold/12","source":"/reveille/operator","type":"reveille.campaign.state",
///     "subject":"gold","time":"2026-11-25T01:02:03Z","datacontenttype":"application/json","sequence":"12",
///     "data":{"campaign":"gold","authority":"operator","seq":7,"state":"ended"}}"#;
/// let event: api::CloudEvent = serde_json::from_str(text).unwrap();
/// assert!(matches!(event.data, api::EventData::Campaign(state) if state.state == "ended"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CloudEvent {
    pub specversion: String,
    pub id: String,
    /// `/reveille/` and the authority, which is empty where none is known.
    pub source: String,
    /// Its kind ([`EventType`]).
    #[serde(rename = "type")]
    pub kind: String,
    /// The campaign, the device or the message that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    pub time: String,
    pub datacontenttype: String,
    /// Of events of a campaign: grows from one to the next, so that one that comes late or again is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    pub data: EventData,
}

impl CloudEvent {
    /// The media type of one event in JSON.
    pub const MEDIA_TYPE: &str = "application/cloudevents+json";
    pub const VERSION: &str = "1.0";
}

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $key:literal, $address:literal;)*) => {
        /// Every kind of event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventType { $($(#[$doc])* $variant,)* }

        impl EventType {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The `type` of the event.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What its routing key begins with, before a dot and the authority.
            pub fn key(self) -> &'static str {
                match self { $(Self::$variant => $key),* }
            }

            /// Its routing key, with names in braces.
            pub fn address(self) -> &'static str {
                match self { $(Self::$variant => concat!($key, $address)),* }
            }
        }
    };
}

event_types! {
    /// A campaign went to another state: [`CampaignState`].
    Campaign = "reveille.campaign.state", "campaign", ".{authority}.{campaign}";
    /// Jobs ended: [`Results`].
    Results = "reveille.results", "results", ".{authority}.{campaign}";
    /// A session ended: [`SessionEnded`].
    Session = "reveille.session", "session", ".{authority}";
    /// Something is wrong with a device: [`Fault`].
    Fault = "reveille.fault", "fault", ".{authority}";
    /// Something happened to a care job: [`Care`].
    Care = "reveille.care", "care", ".{authority}";
    /// A device reported something by itself: [`Alert`].
    Alert = "reveille.alert", "alert", ".{authority}";
    /// A message that came in over AMQP can never be done: [`Rejected`]. Its routing key is the first word alone
    /// when the message named no authority of this server.
    Rejected = "reveille.rejected", "rejected", ".{authority}";
}

impl EventType {
    /// The routing key of an event; `campaign` is of no matter where the key does not hold it.
    ///
    /// ```
    /// use api::EventType;
    /// assert_eq!(EventType::Results.routing_key("operator", "gold"), "results.operator.gold");
    /// assert_eq!(EventType::Fault.routing_key("operator", ""), "fault.operator");
    /// ```
    pub fn routing_key(self, authority: &str, campaign: &str) -> String {
        self.address().replace("{campaign}", campaign).replace("{authority}", authority)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EventData {
    Results(Results),
    Campaign(CampaignState),
    Session(SessionEnded),
    Care(Care),
    Fault(Fault),
    Alert(Alert),
    Rejected(Rejected),
}

/// How jobs of one campaign ended ([`Self::MOST`] at most).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Results {
    pub authority: String,
    pub campaign: String,
    /// The number of the campaign in this deployment.
    pub seq: u64,
    #[schemars(length(min = 1, max = Self::MOST))]
    pub results: Vec<JobResult>,
}

impl Results {
    pub const MOST: usize = 500;
}

/// How one job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobResult {
    /// Campaign, run and device: the same whenever the result is told again.
    pub id: String,
    #[serde(flatten)]
    pub result: ResultLine,
}

/// A campaign in its new state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignState {
    pub campaign: String,
    pub authority: String,
    pub seq: u64,
    /// `enrolling`, `running`, `paused`, `ending` or `ended`.
    pub state: String,
    /// Who paused or aborted it and why, when somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A session that is over (one for each).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionEnded {
    /// Unique among all sessions.
    pub session: String,
    pub device: String,
    /// The `SessionID` on the wire.
    pub session_id: String,
    #[schemars(extend("format" = "date-time"))]
    pub started: String,
    #[schemars(extend("format" = "date-time"))]
    pub ended: String,
    pub messages: u32,
    pub octets_in: u64,
    pub octets_out: u64,
    /// Why it ended.
    pub end: String,
    /// A care job ended in it.
    #[serde(default)]
    pub care: bool,
    /// The jobs of campaigns that ended in it.
    pub jobs: Vec<EndedJob>,
}

/// A job that ended in a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndedJob {
    pub seq: u64,
    pub outcome: String,
}

/// What a device reported by itself: a client event or a generic alert. Data at most 4 kB, other texts at most 256 octets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    pub device: String,
    /// 1224 or 1226.
    pub code: u32,
    /// What it means, as `org.openmobilealliance.dm.firmwareupdate.download`; some client events have none.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How much it matters to the device, as `critical` or `informational`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// The node that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// That of the command which it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlator: Option<String>,
}

/// One step of a care job, or one node that it could not read. Never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Care {
    /// The id of the care job.
    pub care: String,
    pub device: String,
    /// What happened ([`crate::CareStep::step`]), such as `notified` or `ended`; `unread` for a node that could not be read.
    pub step: String,
    /// Notifications sent by then.
    pub attempt: u32,
    /// Something went wrong: somebody who waits should hear of it.
    pub error: bool,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    #[serde(flatten)]
    pub detail: CareDetail,
}

/// Something that is wrong with a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub device: String,
    /// A short word for it.
    pub kind: String,
    pub detail: String,
}

/// A message that was put into the queue `reveille.rejected`, where its body is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rejected {
    /// The queue that it came from.
    pub queue: String,
    /// The same word as the `type` of a refusal over HTTP, such as `bad-body`.
    pub reason: String,
    /// A sentence: what is wrong, and what to do.
    pub detail: String,
    /// As its sender chose it, if he did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The property `type`, whatever it says.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    /// Who sent it, as the broker vouches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Of its body.
    pub octets: u64,
}
