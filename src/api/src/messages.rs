//! What upstream systems and network entities send: the bodies of AMQP messages, and of the requests that ask for the same.
//!
//! A message names its body in the property `type`, itself in `message_id`, and its sender in `user_id`, which the broker
//! checks. Its routing key is a word of [`MessageType::key`], a dot, and the authority.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! message_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $key:literal, $queue:literal;)*) => {
        /// Every kind of message that is taken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum MessageType { $($(#[$doc])* $variant,)* }

        impl MessageType {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The property `type` of the message.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What its routing key begins with, before the dot and the authority.
            pub fn key(self) -> &'static str {
                match self { $(Self::$variant => $key),* }
            }

            /// The queue that it waits in.
            pub fn queue(self) -> &'static str {
                match self { $(Self::$variant => $queue),* }
            }
        }
    };
}

message_types! {
    /// A campaign's document, YAML or JSON, as it is.
    Submit = "campaign.submit", "submit", "reveille.campaigns";
    /// A [`ControlMessage`].
    Control = "campaign.control", "control", "reveille.control";
    /// A [`ChunkMessage`].
    Chunk = "campaign.chunk", "chunk", "reveille.chunks";
    /// [`crate::DeviceLine`]s, one JSON object a line, at most [`crate::MOST_NAMES`]; each with its `as_of`.
    Device = "device.upsert", "device", "reveille.devices";
    /// A [`TriggerRequest`].
    Trigger = "trigger", "trigger", "reveille.triggers";
}

/// A part of the devices of a campaign that has a `devices.file`. Parts may come in any order, and again.
///
/// ```
/// let text = r#"{"campaign":"qos","part":1,"parts":2,"devices":["IMEI:350000000000017"]}"#;
/// let chunk: api::ChunkMessage = serde_json::from_str(text).unwrap();
/// assert_eq!((chunk.part, chunk.parts), (1, Some(2)));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChunkMessage {
    pub campaign: String,
    /// Counted from 0.
    pub part: u32,
    /// How many parts there are. At least one part must say so; enrolment is complete when all are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    /// Device ids, `msisdn:…` or `imsi:…`.
    #[schemars(length(max = crate::MOST_NAMES))]
    pub devices: Vec<String>,
}

impl fmt::Debug for ChunkMessage {
    // Devices may be named by subscriber numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkMessage")
            .field("campaign", &self.campaign)
            .field("part", &self.part)
            .field("parts", &self.parts)
            .field("devices", &self.devices.len())
            .finish()
    }
}

/// What is to be done to a campaign.
///
/// ```
/// let text = r#"{"campaign":"qos","do":"pause","why":"complaints"}"#;
/// let order: api::ControlMessage = serde_json::from_str(text).unwrap();
/// assert_eq!(order.what, "pause");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlMessage {
    pub campaign: String,
    /// `pause`, `resume` or `abort`.
    #[serde(rename = "do")]
    pub what: String,
    /// The reason, kept with the campaign; at most 1,024 octets.
    #[serde(default)]
    #[schemars(length(max = crate::ControlRequest::LONGEST_WHY))]
    pub why: String,
}

/// The word of a network entity that a device uses settings that are not right.
///
/// ```
/// let text = r#"{"device":"msisdn:447700900123","reason":"stale_gateway","observed":"192.0.2.10"}"#;
/// let trigger: api::TriggerRequest = serde_json::from_str(text).unwrap();
/// assert!(!format!("{trigger:?}").contains("447700900123"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TriggerRequest {
    /// A device id, `msisdn:…` or `imsi:…`.
    pub device: String,
    /// What is wrong, as standing campaigns name it in `on.reason`; at most 64 octets.
    #[schemars(length(min = 1, max = Self::LONGEST_REASON))]
    pub reason: String,
    /// What was seen, such as the address that the device used; at most 512 octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = Self::LONGEST_OBSERVED))]
    pub observed: Option<String>,
    /// When it was seen, RFC 3339; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub at: Option<String>,
}

impl fmt::Debug for TriggerRequest {
    // The device may be named by a subscriber number; what it used is its user's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TriggerRequest")
            .field("reason", &self.reason)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// What became of a trigger, campaign by campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerReport {
    /// The device that was meant.
    pub device: String,
    /// The standing campaigns that this reason concerns; empty when the message was taken before.
    pub campaigns: Vec<TriggerAnswer>,
}

/// What one standing campaign answers to a trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerAnswer {
    pub campaign: String,
    /// `taken_in`; `under_way` (the device has a job of this campaign); `quiet` (it was taken in a short while ago, or after
    /// what was seen); `too_often` (`runs` is used up; a fault event tells); `not_meant` (`devices` leaves it out).
    pub answer: String,
    /// The number of the device's run, when it was taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u16>,
}

impl TriggerRequest {
    /// The longest reason, in octets.
    pub const LONGEST_REASON: usize = 64;
    /// The longest `observed`, in octets.
    pub const LONGEST_OBSERVED: usize = 512;
}
