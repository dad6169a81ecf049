//! A notification as `submit_sm`: who sends it, to whom, how long it is worth delivering.

use rusmpp::{
    pdus::SubmitSm,
    tlvs::MessageSubmissionRequestTlvValue,
    types::{AnyOctetString, COctetString, EmptyOrFullCOctetString, OctetString},
    values::{
        DataCoding, EsmClass, MessagePayload, Npi, PriorityFlag, RegisteredDelivery, ServiceType,
        Ton,
    },
};
use std::{str::FromStr, time::Duration};
use wire::sms::{self, Reference, SmsError};

/// How a push travels in short messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Segmentation {
    /// A user data header in each short message, as many as it takes: understood everywhere.
    #[default]
    Udh,
    /// One `message_payload` parameter with a user data header; the SMSC cuts it.
    Payload,
}

/// What all messages of a route have in common.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    source: COctetString<1, 21>,
    ton: Ton,
    npi: Npi,
    service_type: ServiceType,
    data_coding: DataCoding,
    segmentation: Segmentation,
    receipts: bool,
}

/// Why a setting or a number does not fit into a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubmissionError {
    #[error("`{key}` does not fit: at most {most} octets of ASCII")]
    Setting { key: &'static str, most: usize },
    #[error("the device has no subscriber number")]
    NoNumber,
    #[error("the device's subscriber number is not 3 to 15 digits")]
    Number,
    #[error("the push cannot be cut into short messages")]
    Cut(#[from] SmsError),
    #[error("the push is longer than a `message_payload` may be")]
    Payload,
}

/// The settings of a route that go into its messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) source: &'a str,
    /// Type and plan of the source; guessed from it when absent.
    pub(crate) ton: Option<u8>,
    pub(crate) npi: Option<u8>,
    pub(crate) service_type: &'a str,
    pub(crate) data_coding: u8,
    pub(crate) segmentation: Segmentation,
    pub(crate) receipts: bool,
}

impl Sender {
    pub(crate) fn new(origin: &Origin<'_>) -> Result<Self, SubmissionError> {
        // 5/0 alphanumeric, 0/1 a short code, 1/1 international: what SMSCs expect of each.
        let digits = origin.source.bytes().all(|octet| octet.is_ascii_digit());
        let (ton, npi) = match origin.source.len() {
            _ if !digits => (5, 0),
            0..=8 => (0, 1),
            _ => (1, 1),
        };
        Ok(Self {
            source: COctetString::from_str(origin.source)
                .map_err(|_long| SubmissionError::Setting { key: "source", most: 20 })?,
            ton: Ton::from(origin.ton.unwrap_or(ton)),
            npi: Npi::from(origin.npi.unwrap_or(npi)),
            service_type: ServiceType::new(
                COctetString::from_str(origin.service_type)
                    .map_err(|_long| SubmissionError::Setting { key: "service_type", most: 5 })?,
            ),
            data_coding: DataCoding::from(origin.data_coding),
            segmentation: origin.segmentation,
            receipts: origin.receipts,
        })
    }

    /// The messages that carry `push` to `number` (digits, with or without a plus). `validity` is from the SMSC's now.
    pub(crate) fn messages(
        &self,
        number: &str,
        push: &[u8],
        reference: Reference,
        validity: Duration,
        urgent: bool,
    ) -> Result<Vec<SubmitSm>, SubmissionError> {
        let number = number.strip_prefix('+').unwrap_or(number);
        if !(3..=15).contains(&number.len()) || !number.bytes().all(|octet| octet.is_ascii_digit())
        {
            return Err(SubmissionError::Number);
        }
        let destination =
            COctetString::from_str(number).map_err(|_long| SubmissionError::Number)?;
        let message = |user_data: Vec<u8>| -> Result<SubmitSm, SubmissionError> {
            let mut message = SubmitSm::builder()
                .service_type(self.service_type.clone())
                .source_addr_ton(self.ton)
                .source_addr_npi(self.npi)
                .source_addr(self.source.clone())
                .dest_addr_ton(Ton::International)
                .dest_addr_npi(Npi::Isdn)
                .destination_addr(destination.clone())
                .esm_class(EsmClass::from(UDHI))
                .priority_flag(PriorityFlag::new(u8::from(urgent)))
                .validity_period(relative(validity))
                .registered_delivery(RegisteredDelivery::from(u8::from(self.receipts)))
                .data_coding(self.data_coding)
                .build();
            match self.segmentation {
                Segmentation::Udh => message.set_short_message(
                    OctetString::from_vec(user_data).map_err(|_long| SubmissionError::Payload)?,
                ),
                Segmentation::Payload => {
                    message.push_tlv(MessageSubmissionRequestTlvValue::MessagePayload(
                        MessagePayload::new(AnyOctetString::from_vec(user_data)),
                    ));
                }
            }
            Ok(message)
        };
        match self.segmentation {
            Segmentation::Udh => {
                sms::segments(push, sms::SOURCE_PORT, reference)?.into_iter().map(message).collect()
            }
            Segmentation::Payload => {
                let whole = sms::whole(push, sms::SOURCE_PORT);
                if whole.len() > MOST_PAYLOAD {
                    return Err(SubmissionError::Payload);
                }
                Ok(vec![message(whole)?])
            }
        }
    }
}

/// A user data header is in the message.
const UDHI: u8 = 0x40;
/// What a PDU of 8192 octets, the most that the framing takes, has room for.
const MOST_PAYLOAD: usize = 7_936;

/// A validity period relative to the SMSC's clock, `YYMMDDhhmmss000R`: whole seconds, at most 99 days.
fn relative(validity: Duration) -> EmptyOrFullCOctetString<17> {
    let seconds = validity.as_secs().clamp(1, 99 * 86_400);
    let (days, seconds) = (seconds / 86_400, seconds % 86_400);
    let text = format!(
        "{:02}{:02}{:02}{:02}{:02}{:02}000R",
        0,
        days / 30,
        days % 30,
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    );
    EmptyOrFullCOctetString::from_str(&text)
        .unwrap_or_else(|_never| EmptyOrFullCOctetString::null())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusmpp::{Command, CommandStatus, tokio_codec::CommandCodec};
    use tokio_util::{bytes::BytesMut, codec::Encoder};

    fn sender(data_coding: u8, segmentation: Segmentation) -> Sender {
        let origin = Origin {
            source: "DMSRV",
            ton: None,
            npi: None,
            service_type: "",
            data_coding,
            segmentation,
            receipts: true,
        };
        Sender::new(&origin).unwrap()
    }

    fn octets(message: SubmitSm, sequence: u32) -> String {
        let mut buffer = BytesMut::new();
        let command = Command::new(CommandStatus::EsmeRok, sequence, message);
        CommandCodec::new().encode(&command, &mut buffer).unwrap();
        hex::encode(buffer)
    }

    /// The vectors of whole PDUs, and the pushes that they carry.
    fn vectors() -> Vec<(String, u32, Vec<u8>)> {
        include_str!("../../../../wire/tests/vectors/notify/smpp.jsonl")
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|line| {
                let pdu = line["pdu_hex"].as_str().unwrap().to_owned();
                let sequence = u32::from_str_radix(&pdu[24..32], 16).unwrap();
                (line["id"].as_str().unwrap().to_owned(), sequence, hex::decode(pdu).unwrap())
            })
            .collect()
    }

    /// The user data at the end of a `submit_sm`.
    fn user_data(pdu: &[u8]) -> &[u8] {
        let at = pdu.windows(4).position(|found| found == b"000R").unwrap();
        // NUL, registered delivery, replace, data coding, default message, length.
        &pdu[at + 10..]
    }

    /// R1: octet for octet, in one message and in two.
    #[test]
    fn messages_are_the_vectors_octet_for_octet() {
        let vectors = vectors();
        let find = |id: &str| vectors.iter().find(|(name, _, _)| name == id).unwrap();
        let hour = Duration::from_hours(1);
        for (id, coding) in [("smpp-01-submit-single", 4), ("smpp-03-submit-f5", 0xF5)] {
            let (_, sequence, pdu) = find(id);
            let push = &user_data(pdu)[7..];
            let made = sender(coding, Segmentation::Udh)
                .messages("+447700900123", push, Reference::Short(1), hour, false)
                .unwrap();
            let [message] = <[SubmitSm; 1]>::try_from(made).unwrap();
            assert_eq!(octets(message, *sequence), hex::encode(pdu), "{id}");
        }
        let parts = ["smpp-02-submit-part1", "smpp-02-submit-part2"].map(find);
        let push = parts.map(|(_, _, pdu)| user_data(pdu)[12..].to_vec()).concat();
        let made = sender(4, Segmentation::Udh)
            .messages("447700900123", &push, Reference::Short(0x5A), hour, false)
            .unwrap();
        assert_eq!(made.len(), 2);
        for (message, (id, sequence, pdu)) in made.into_iter().zip(parts) {
            assert_eq!(octets(message, *sequence), hex::encode(pdu), "{id}");
        }
    }

    #[test]
    fn a_payload_is_whole_with_its_header_and_nothing_in_the_short_message() {
        let push = vec![7; 300];
        let made = sender(4, Segmentation::Payload)
            .messages("447700900123", &push, Reference::Short(1), Duration::from_mins(10), true)
            .unwrap();
        assert_eq!(made.len(), 1);
        let octets = octets(made[0].clone(), 1);
        assert!(octets.contains(&format!("0424{:04x}0605040b8423f0{}", 307, hex::encode(&push))));
        assert_eq!(made[0].short_message().len(), 0);
    }

    #[test]
    fn a_validity_is_written_in_days_hours_and_minutes() {
        for (seconds, text) in [
            (600, "000000001000000R"),
            (3_600, "000000010000000R"),
            (86_400 + 61, "000001000101000R"),
            (45 * 86_400, "000115000000000R"),
            (0, "000000000001000R"),
        ] {
            assert_eq!(relative(Duration::from_secs(seconds)).as_str(), text);
        }
    }

    #[test]
    fn numbers_and_settings_that_do_not_fit_are_refused() {
        let sender = sender(4, Segmentation::Udh);
        for number in ["", "12", "+", "12345678901234567", "44 7700", "447700900a23"] {
            let refused =
                sender.messages(number, &[1], Reference::Short(1), Duration::from_mins(1), false);
            assert!(matches!(refused, Err(SubmissionError::Number)), "{number}");
        }
        let origin = Origin {
            source: "a source that is too long",
            ton: None,
            npi: None,
            service_type: "",
            data_coding: 4,
            segmentation: Segmentation::Udh,
            receipts: false,
        };
        assert!(Sender::new(&origin).unwrap_err().to_string().contains("`source`"));
    }
}
