//! The admin contract as types: what travels as JSON between operators, upstream systems and the server.
//!
//! | module | about |
//! | --- | --- |
//! | [`campaigns`] | a campaign as it is seen from outside, its progress, its results, its control |
//! | [`care`] | one device, looked at and mended while its user waits |
//! | [`devices`] | devices on the way in (import) and on the way out |
//! | [`events`] | what comes out: states, results, sessions, faults |
//! | [`messages`] | what upstream systems and network entities send, over AMQP and over HTTP |
//! | [`problem`] | refusals, as RFC 9457 problem documents |
//!
//! Instants are RFC 3339 text in UTC. Lists come in pages: `next`, when it is there, is the cursor of the page that
//! follows. Secrets have no type here on the way out; on the way in they, and subscriber numbers, are hidden from `Debug`.

pub mod campaigns;
pub mod care;
pub mod devices;
pub mod events;
pub mod messages;
pub mod problem;

pub use campaigns::{
    CampaignPage, CampaignView, ControlRequest, EnrolReport, Progress, ResultLine, ResultPage,
};
pub use care::{CareDetail, CareRequest, CareStep, CareValue, CareView};
pub use devices::{
    DeviceLine, DevicePage, DeviceSummary, DeviceView, ImportReport, JobView, LineError,
};
pub use events::{CloudEvent, EventData, EventType, JobResult};
pub use messages::{
    ChunkMessage, ControlMessage, MessageType, TriggerAnswer, TriggerReport, TriggerRequest,
};
pub use problem::{Problem, ProblemDocument, ProblemType};

/// The media type of every refusal (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The most devices one enrolment request may name.
pub const MOST_NAMES: usize = 1_000;

/// The largest document of a campaign, in octets.
pub const MOST_CAMPAIGN_OCTETS: usize = 256 * 1024;

/// The largest care request, in octets.
pub const MOST_CARE_OCTETS: usize = 128 * 1024;

/// The largest message of the broker, in octets.
pub const MOST_MESSAGE_OCTETS: usize = 1024 * 1024;

/// The largest body of an import request, in octets.
pub const MOST_IMPORT_OCTETS: usize = 1024 * 1024;

/// The most entries of a page; a larger `limit` is answered with this many.
pub const MOST_PER_PAGE: usize = 1_000;
