//! Delivery receipts: what an SMSC says became of a message, as text, as parameters or as both (SMPP 3.4 section 5.2.12 and
//! appendix B).

use crate::notify::{Fate, Receipt};
use rusmpp::{pdus::DeliverSm, tlvs::TlvValue, values::MessageState};

/// How the ids in receipts relate to those in answers: some SMSCs write one in decimal and the other in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptId {
    #[default]
    Same,
    /// Answers are hexadecimal, receipts decimal.
    HexToDec,
    /// Answers are decimal, receipts hexadecimal.
    DecToHex,
}

impl ReceiptId {
    /// The id of a message, from the answer to its submission, as a receipt will give it. What is no number stays as it is.
    pub(crate) fn in_receipt(self, answered: &str) -> String {
        let turned = match self {
            Self::Same => None,
            Self::HexToDec => u128::from_str_radix(answered, 16).ok().map(|id| id.to_string()),
            Self::DecToHex => answered.parse::<u128>().ok().map(|id| format!("{id:x}")),
        };
        canonical(&turned.unwrap_or_else(|| answered.to_owned()))
    }
}

/// One spelling for ids that mean the same: case and leading zeros differ between answers and receipts of one SMSC.
fn canonical(id: &str) -> String {
    let id = id.trim().to_ascii_lowercase();
    let short = id.trim_start_matches('0');
    if short.is_empty() { id } else { short.to_owned() }
}

/// Reads a receipt; `None` when the message is something else, such as a message of a subscriber.
pub(crate) fn read(message: &DeliverSm) -> Option<Receipt> {
    /// Bits 5 to 2 of `esm_class`: 0001 a receipt, 1000 (SMPP 3.4: intermediate) a notification on the way.
    const RECEIPT: u8 = 0b0000_0100;
    const ON_THE_WAY: u8 = 0b0010_0000;
    let kind = u8::from(message.esm_class) & 0b0011_1100;
    let mut id = None;
    let mut fate = None;
    for tlv in message.tlvs() {
        match tlv.value() {
            Some(TlvValue::ReceiptedMessageId(value)) => id = Some(value.as_str().to_owned()),
            Some(TlvValue::MessageState(state)) => fate = Some(of_state(*state)),
            _ => {}
        }
    }
    if kind != RECEIPT && kind != ON_THE_WAY && id.is_none() {
        return None;
    }
    let text = message.short_message().to_str().unwrap_or_default();
    let id = id.or_else(|| field(text, "id:").map(str::to_owned))?;
    let fate = fate.or_else(|| field(text, "stat:").map(of_word))?;
    Some(Receipt { message_id: canonical(&id), fate })
}

fn of_state(state: MessageState) -> Fate {
    match state {
        MessageState::Delivered => Fate::Delivered,
        MessageState::Expired
        | MessageState::Deleted
        | MessageState::Undeliverable
        | MessageState::Rejected
        | MessageState::Skipped => Fate::Lost,
        _ => Fate::Held,
    }
}

fn of_word(word: &str) -> Fate {
    match word.get(..5).unwrap_or(word).to_ascii_uppercase().as_str() {
        "DELIV" => Fate::Delivered,
        "EXPIR" | "DELET" | "UNDEL" | "REJEC" | "FAILE" => Fate::Lost,
        _ => Fate::Held,
    }
}

/// A field of the text: names are in no agreed case, and its end is the next blank.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let lower = text.to_ascii_lowercase();
    let mut from = 0;
    loop {
        let at = from + lower.get(from..)?.find(name)?;
        let begins = at == 0 || lower.as_bytes().get(at - 1).is_some_and(u8::is_ascii_whitespace);
        let rest = text.get(at + name.len()..)?;
        if begins {
            return rest.split_ascii_whitespace().next().filter(|_| !rest.starts_with(' '));
        }
        from = at + name.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusmpp::{
        Pdu,
        tlvs::MessageDeliveryRequestTlvValue as Given,
        tokio_codec::CommandCodec,
        types::{COctetString, OctetString},
        values::EsmClass,
    };
    use std::str::FromStr;
    use tokio_util::{
        bytes::BytesMut,
        codec::{Decoder, Encoder},
    };

    fn deliver(esm_class: u8, text: &str) -> DeliverSm {
        DeliverSm::builder()
            .esm_class(EsmClass::from(esm_class))
            .short_message(OctetString::from_slice(text.as_bytes()).unwrap())
            .build()
    }

    #[test]
    fn a_receipt_is_read_from_its_text() {
        let text = "id:0821C9AF sub:001 dlvrd:001 submit date:2405011000 done date:2405011001 stat:DELIVRD err:000 text:";
        let receipt = read(&deliver(4, text)).unwrap();
        assert_eq!(receipt, Receipt { message_id: "821c9af".into(), fate: Fate::Delivered });
        for (word, fate) in [
            ("UNDELIV", Fate::Lost),
            ("EXPIRED", Fate::Lost),
            ("REJECTD", Fate::Lost),
            ("DELETED", Fate::Lost),
            ("ENROUTE", Fate::Held),
            ("ACCEPTD", Fate::Held),
            ("UNKNOWN", Fate::Held),
        ] {
            assert_eq!(
                read(&deliver(4, &format!("id:7 stat:{word}"))).unwrap().fate,
                fate,
                "{word}"
            );
        }
        assert_eq!(read(&deliver(4, "ID:7 SUB:001 STAT:DELIVRD")).unwrap().message_id, "7");
    }

    /// The published receipt, with its text and both parameters, octet for octet as it comes.
    #[test]
    fn the_vector_is_a_receipt() {
        let vectors = include_str!("../../../../wire/tests/vectors/notify/smpp.jsonl");
        let vector = vectors
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .find(|line| line["id"] == "smpp-04-delivery-receipt")
            .unwrap();
        let octets = hex::decode(vector["pdu_hex"].as_str().unwrap()).unwrap();
        let mut came = BytesMut::from(octets.as_slice());
        let command = CommandCodec::new().decode(&mut came).unwrap().unwrap();
        let Some(Pdu::DeliverSm(message)) = command.pdu() else { panic!("{command:?}") };
        let receipt = Receipt { message_id: "8123a9f0".into(), fate: Fate::Delivered };
        assert_eq!(read(message), Some(receipt));
        let mut again = BytesMut::new();
        CommandCodec::new().encode(&command, &mut again).unwrap();
        assert_eq!(hex::encode(again), hex::encode(octets));
    }

    #[test]
    fn parameters_win_over_text() {
        let mut message = deliver(4, "id:1 stat:UNDELIV");
        message.push_tlv(Given::ReceiptedMessageId(COctetString::from_str("0A9").unwrap()));
        message.push_tlv(Given::MessageState(MessageState::Delivered));
        assert_eq!(
            read(&message).unwrap(),
            Receipt { message_id: "a9".into(), fate: Fate::Delivered }
        );
    }

    #[test]
    fn what_is_no_receipt_is_none() {
        assert_eq!(read(&deliver(0, "id:7 stat:DELIVRD")), None, "somebody wrote that");
        assert_eq!(read(&deliver(4, "hello")), None);
        assert_eq!(read(&deliver(4, "id: stat:")), None);
        assert_eq!(
            read(&deliver(4, "void:7 stat:DELIVRD")),
            None,
            "the name of a field begins a word"
        );
    }

    #[test]
    fn ids_of_answers_and_receipts_meet() {
        assert_eq!(ReceiptId::Same.in_receipt("00AB"), "ab");
        assert_eq!(ReceiptId::HexToDec.in_receipt("1F"), "31");
        assert_eq!(ReceiptId::DecToHex.in_receipt("31"), "1f");
        assert_eq!(ReceiptId::HexToDec.in_receipt("7c9e-uuid"), "7c9e-uuid", "no number");
        assert_eq!(ReceiptId::Same.in_receipt("000"), "000");
    }
}
