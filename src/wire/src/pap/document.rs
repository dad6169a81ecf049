//! The documents of the protocol as types. Times stay text (`2024-05-01T10:00:00Z`, always UTC).

use super::code::Code;
use std::fmt;

/// What a `pap` element holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// `push-message`: deliver this.
    Push(PushMessage),
    /// `push-response`: taken, or why not.
    PushResponse(PushResponse),
    /// `resultnotification-message`: what became of a push.
    Result(ResultNotification),
    /// `resultnotification-response`: heard.
    ResultResponse(ResultResponse),
    /// `cancel-message`: take a push back.
    Cancel(CancelMessage),
    /// `cancel-response`
    CancelResponse(CancelResponse),
    /// `statusquery-message`: what about this push?
    StatusQuery(StatusQuery),
    /// `statusquery-response`
    StatusQueryResponse(StatusQueryResponse),
    /// `badmessage-response`: the request could not be read.
    Bad(BadMessage),
}

impl Document {
    /// The name of the element.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Push(_) => "push-message",
            Self::PushResponse(_) => "push-response",
            Self::Result(_) => "resultnotification-message",
            Self::ResultResponse(_) => "resultnotification-response",
            Self::Cancel(_) => "cancel-message",
            Self::CancelResponse(_) => "cancel-response",
            Self::StatusQuery(_) => "statusquery-message",
            Self::StatusQueryResponse(_) => "statusquery-response",
            Self::Bad(_) => "badmessage-response",
        }
    }
}

/// Whom a push is for, as `WAPPUSH=…/TYPE=…@gateway`.
///
/// `Debug` does not show whom, so that a number cannot reach a log by accident. [`Address::text`] is the way to it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address(String);

impl Address {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A telephone number, in E.164 digits without the plus, at a gateway.
    pub fn of_number(digits: &str, gateway: &str) -> Self {
        Self(format!("WAPPUSH=+{digits}/TYPE=PLMN@{gateway}"))
    }

    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.0.split_once("/TYPE=").map_or("", |(_, place)| place);
        write!(f, "Address(…/TYPE={place})")
    }
}

macro_rules! names {
    ($(#[doc = $about:literal])+ $kind:ident: $($(#[doc = $doc:literal])* $name:ident = $text:literal,)+) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $kind {
            $($(#[doc = $doc])* $name,)+
            /// A name without a row in the table.
            Other(String),
        }

        impl $kind {
            pub fn from_name(name: &str) -> Self {
                match name { $($text => Self::$name,)+ other => Self::Other(other.to_owned()) }
            }

            pub fn name(&self) -> &str {
                match self { $(Self::$name => $text,)+ Self::Other(name) => name }
            }
        }
    };
}

names! {
    /// What a push is before others.
    Priority:
    High = "high",
    Medium = "medium",
    Low = "low",
}

names! {
    /// Whether the device shall confirm. A notification goes unconfirmed.
    DeliveryMethod:
    Confirmed = "confirmed",
    PreferConfirmed = "preferconfirmed",
    Unconfirmed = "unconfirmed",
    NotSpecified = "notspecified",
}

names! {
    /// Where a push stands, or how it ended.
    MessageState:
    Rejected = "rejected",
    /// Not yet delivered.
    Pending = "pending",
    /// Without confirmation this says only that the bearer took it.
    Delivered = "delivered",
    Undeliverable = "undeliverable",
    /// Its `deliver-before-timestamp` passed.
    Expired = "expired",
    /// By the device.
    Aborted = "aborted",
    Timeout = "timeout",
    /// By the initiator.
    Cancelled = "cancelled",
}

/// How a push shall travel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QualityOfService {
    pub priority: Option<Priority>,
    pub delivery_method: Option<DeliveryMethod>,
    /// Some gateways want this to be the same as `bearer_required`.
    pub network_required: Option<bool>,
    pub network: Option<String>,
    pub bearer_required: Option<bool>,
    pub bearer: Option<String>,
}

impl QualityOfService {
    /// What a notification needs: by short message, and nobody waits for the device.
    pub fn short_message(priority: Priority) -> Self {
        Self {
            priority: Some(priority),
            delivery_method: Some(DeliveryMethod::Unconfirmed),
            network_required: Some(true),
            network: Some("GSM".to_owned()),
            bearer_required: Some(true),
            bearer: Some("SMS".to_owned()),
        }
    }
}

/// The control entity of a push. Its content goes beside it, see [`super::Content`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushMessage {
    /// Unique in the world, by custom `id@host`; a repetition of the same push keeps it. Better without the number of
    /// the subscriber, as it stands in the logs of all.
    pub push_id: String,
    /// At least one; some gateways take one only.
    pub addresses: Vec<Address>,
    pub deliver_before: Option<String>,
    pub deliver_after: Option<String>,
    pub source_reference: Option<String>,
    pub progress_notes: Option<bool>,
    /// Where the gateway posts the result.
    pub notify_requested_to: Option<String>,
    pub quality: Option<QualityOfService>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushResponse {
    pub push_id: String,
    pub sender_address: Option<String>,
    pub sender_name: Option<String>,
    pub reply_time: Option<String>,
    pub progress: Vec<ProgressNote>,
    pub code: Code,
    pub desc: Option<String>,
}

/// A step that a gateway tells of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgressNote {
    pub stage: String,
    pub time: Option<String>,
    pub note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultNotification {
    pub push_id: String,
    pub sender_address: Option<String>,
    pub sender_name: Option<String>,
    pub received_time: Option<String>,
    pub event_time: Option<String>,
    pub state: MessageState,
    pub code: Code,
    pub desc: Option<String>,
    pub address: Address,
    pub quality: Option<QualityOfService>,
}

impl ResultNotification {
    /// The answer that keeps the gateway from posting this again.
    pub fn heard(&self) -> ResultResponse {
        ResultResponse {
            push_id: self.push_id.clone(),
            code: Code::Ok,
            desc: Some("OK".to_owned()),
            address: Some(self.address.clone()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultResponse {
    pub push_id: String,
    pub code: Code,
    pub desc: Option<String>,
    pub address: Option<Address>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CancelMessage {
    pub push_id: String,
    /// None: for all whom the push is for.
    pub addresses: Vec<Address>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelResponse {
    pub push_id: String,
    pub results: Vec<CancelResult>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelResult {
    pub code: Code,
    pub desc: Option<String>,
    pub addresses: Vec<Address>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusQuery {
    pub push_id: String,
    /// None: for all whom the push is for.
    pub addresses: Vec<Address>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusQueryResponse {
    pub push_id: String,
    pub results: Vec<StatusQueryResult>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusQueryResult {
    pub code: Code,
    pub event_time: Option<String>,
    pub state: Option<MessageState>,
    pub desc: Option<String>,
    pub addresses: Vec<Address>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadMessage {
    pub code: Code,
    pub desc: Option<String>,
    /// What the gateway could not read.
    pub fragment: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_does_not_print_its_number() {
        let address = Address::of_number("447700900123", "ppg.operator.example");
        assert_eq!(address.text(), "WAPPUSH=+447700900123/TYPE=PLMN@ppg.operator.example");
        assert_eq!(format!("{address:?}"), "Address(…/TYPE=PLMN@ppg.operator.example)");
        assert!(!format!("{:?}", Address::new("447700900123")).contains("447"));
    }

    #[test]
    fn unknown_names_come_back_as_they_came() {
        for name in ["pending", "delivered", "somewhere"] {
            assert_eq!(MessageState::from_name(name).name(), name);
        }
    }
}
