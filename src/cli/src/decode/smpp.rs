//! SMPP PDUs (3.4 and 5.0): every field by its name, and the push in their user data.
//!
//! The PDUs are read by the codec that carriers are spoken to with; only the lengths are judged here. `fields` says what
//! single fields mean.

mod fields;

use super::{
    layer::{Layer, Look, Packet, Problem},
    short_message, words,
};
use bytes::BytesMut;
use fields::{address, delivery, id_name, in_words, receipt, snake, status_name, timed};
use rusmpp::{
    Command, CommandId, CommandStatus, Pdu,
    decode::DecodeWithLength,
    pdus::{DeliverSm, SubmitSm},
    tlvs::{Tlv, TlvValue},
    values::{DataCoding, EsmClass},
};
use serde_json::json;
use wire::{sms::Segment, wap_push};

/// Length, command, status, sequence number.
const HEADER: usize = 16;
/// The most PDUs of one input.
const MOST: usize = 1_000;

/// Whether octets begin with a PDU, whole or not: a length that a PDU may have, and a command that exists.
pub(super) fn is(octets: &[u8]) -> bool {
    let Some((length, id)) = head(octets) else { return false };
    let known = !matches!(CommandId::from(id), CommandId::Other(_));
    known && (HEADER..=64 * 1024).contains(&length)
}

fn head(octets: &[u8]) -> Option<(usize, u32)> {
    let (length, rest) = octets.split_first_chunk::<4>()?;
    let (id, _) = rest.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_be_bytes(*length)).ok()?, u32::from_be_bytes(*id)))
}

/// One PDU, or several one after the other; then the push that their parts are together.
pub(super) fn read(octets: &[u8], look: Look<'_>) -> Result<Packet, Problem> {
    let (mut pdus, mut parts, mut problem) = (Vec::new(), Vec::new(), None);
    let mut at = 0;
    while at < octets.len() && pdus.len() < MOST {
        let rest = octets.get(at..).unwrap_or_default();
        let length = match head(rest) {
            Some((length, _)) if (HEADER..=rest.len()).contains(&length) => length,
            found => {
                let told = match found {
                    Some((length, _)) => format!(
                        "at octet {at}: the PDU announces {length} octets, and {} are there",
                        rest.len()
                    ),
                    None => format!("at octet {at}: a PDU has at least {HEADER} octets"),
                };
                problem = Some(Problem::new(told).at(octets, at));
                pdus.extend(cut(rest));
                break;
            }
        };
        let pdu = rest.get(..length).unwrap_or_default();
        match command(pdu) {
            Ok(command) => {
                let (layer, part) = described(&command, length, look);
                parts.extend(part);
                pdus.push(Packet::Layer(layer));
            }
            Err(error) => {
                let name = head(pdu).map(|(_, id)| id_name(CommandId::from(id)));
                let told =
                    format!("{} that begins at octet {at}: {error}", name.unwrap_or_default());
                problem = Some(Problem::new(told).at(octets, at));
                break;
            }
        }
        at += length;
    }
    if pdus.len() == 1
        && problem.is_none()
        && let Some(packet) = pdus.pop()
    {
        return Ok(packet);
    }
    match (pdus.is_empty(), problem) {
        (true, Some(problem)) => Err(problem),
        (_, problem) => {
            let layer =
                Layer::new("smpp_pdus", format!("SMPP, {}", words::count(pdus.len(), "PDU")));
            let layer = layer.holding(pdus).broken(problem);
            Ok(Packet::Layer(together(layer, &parts, look)))
        }
    }
}

/// The header of a PDU whose rest is missing.
fn cut(octets: &[u8]) -> Option<Packet> {
    let (header, _) = octets.split_first_chunk::<HEADER>()?;
    let [_, _, _, _, i1, i2, i3, i4, _, _, _, _, sequence @ ..] = *header;
    let (id, sequence) = (u32::from_be_bytes([i1, i2, i3, i4]), u32::from_be_bytes(sequence));
    let name = id_name(CommandId::from(id));
    let title = format!("SMPP {name}, {} of it", words::count(octets.len(), "octet"));
    let layer = Layer::new("smpp", title)
        .number("command", format!("{id:#010x} {name}"), name)
        .number("sequence", sequence.to_string(), sequence);
    Some(Packet::Layer(layer))
}

/// The push of the parts, when there are parts and all of them.
fn together(layer: Layer, parts: &[Vec<u8>], look: Look<'_>) -> Layer {
    let segments: Vec<Segment<'_>> =
        parts.iter().filter_map(|part| Segment::parse(part).ok()).collect();
    match short_message::joined(&segments) {
        Ok(whole) if segments.len() > 1 => {
            let count = words::count(segments.len(), "part");
            let joined = Layer::new("joined", format!("the {count} together"));
            layer.holding([Packet::Layer(short_message::opened(joined, &whole, look))])
        }
        _ => layer,
    }
}

fn command(pdu: &[u8]) -> Result<Command, rusmpp::decode::DecodeError> {
    let body = pdu.get(4..).unwrap_or_default();
    Command::decode(&mut BytesMut::from(body), body.len()).map(|(command, _)| command)
}

/// The PDU in words, and its user data when that is a part of something.
fn described(command: &Command, length: usize, look: Look<'_>) -> (Layer, Option<Vec<u8>>) {
    let id = command.id();
    let title = format!("SMPP {}, {}", id_name(id), words::count(length, "octet"));
    let layer = Layer::new("smpp", title)
        .number("command", format!("{:#010x} {}", u32::from(id), id_name(id)), id_name(id))
        .number("sequence", command.sequence_number().to_string(), command.sequence_number());
    let layer = if id.is_response() || command.status() != CommandStatus::EsmeRok {
        let status = command.status();
        let text = format!("{:#x} {}", u32::from(status), status_name(status));
        layer.number(
            "status",
            text,
            json!({"code": u32::from(status), "name": status_name(status)}),
        )
    } else {
        layer
    };
    match command.pdu() {
        Some(pdu) => described_by_kind(layer, pdu, look),
        None => (layer, None),
    }
}

fn described_by_kind(layer: Layer, pdu: &Pdu, look: Look<'_>) -> (Layer, Option<Vec<u8>>) {
    macro_rules! bind {
        ($bind:expr) => {
            layer
                .said("system id", $bind.system_id.as_str())
                .secret("password", $bind.password.as_str(), look)
                .said("system type", $bind.system_type.as_str())
                .fact("version", snake(&$bind.interface_version))
                .fact(
                    "addresses",
                    address($bind.addr_ton, $bind.addr_npi, $bind.address_range.as_str()),
                )
        };
    }
    let layer = match pdu {
        Pdu::SubmitSm(message) => return submitted(layer, message, look),
        Pdu::DeliverSm(message) => return delivered(layer, message, look),
        Pdu::BindTransmitter(bind) => bind!(bind),
        Pdu::BindReceiver(bind) => bind!(bind),
        Pdu::BindTransceiver(bind) => bind!(bind),
        Pdu::Outbind(bind) => {
            let layer = layer.said("system id", bind.system_id.as_str());
            layer.secret("password", bind.password.as_str(), look)
        }
        Pdu::BindTransmitterResp(bind) => layer.said("system id", bind.system_id.as_str()),
        Pdu::BindReceiverResp(bind) => layer.said("system id", bind.system_id.as_str()),
        Pdu::BindTransceiverResp(bind) => layer.said("system id", bind.system_id.as_str()),
        Pdu::SubmitSmResp(answer) => {
            tlvs(layer.said("message id", answer.message_id().as_str()), answer.tlvs())
        }
        Pdu::DeliverSmResp(answer) => tlvs(layer, answer.tlvs()),
        Pdu::DataSmResp(answer) => tlvs(layer, answer.tlvs()),
        Pdu::DataSm(message) => {
            let layer = layer
                .fact(
                    "from",
                    address(
                        message.source_addr_ton,
                        message.source_addr_npi,
                        message.source_addr.as_str(),
                    ),
                )
                .fact(
                    "to",
                    address(
                        message.dest_addr_ton,
                        message.dest_addr_npi,
                        message.destination_addr.as_str(),
                    ),
                );
            let layer = delivery(
                layer,
                message.esm_class,
                message.registered_delivery,
                message.data_coding,
            );
            return content(
                tlvs(layer, message.tlvs()),
                message.esm_class,
                message.data_coding,
                &[],
                message.tlvs(),
                look,
            );
        }
        Pdu::QuerySm(query) => layer.said("message id", query.message_id.as_str()),
        Pdu::QuerySmResp(answer) => layer
            .said("message id", answer.message_id.as_str())
            .fact("state", snake(&answer.message_state))
            .said("final date", answer.final_date.as_str()),
        Pdu::Unbind
        | Pdu::UnbindResp
        | Pdu::EnquireLink
        | Pdu::EnquireLinkResp
        | Pdu::GenericNack
        | Pdu::CancelSmResp
        | Pdu::ReplaceSmResp
        | Pdu::CancelBroadcastSmResp => layer,
        // Nothing that a notification needs; its fields as the codec has them.
        other => layer.said("fields", &format!("{other:?}")),
    };
    (layer, None)
}

fn submitted(layer: Layer, message: &SubmitSm, look: Look<'_>) -> (Layer, Option<Vec<u8>>) {
    let layer = layer
        .fact(
            "from",
            address(message.source_addr_ton, message.source_addr_npi, message.source_addr.as_str()),
        )
        .fact(
            "to",
            address(
                message.dest_addr_ton,
                message.dest_addr_npi,
                message.destination_addr.as_str(),
            ),
        );
    let layer = timed(layer, "not before", message.schedule_delivery_time.as_str());
    let layer = timed(layer, "valid", message.validity_period.as_str());
    let service = message.service_type.value().as_str();
    let layer = if service.is_empty() { layer } else { layer.said("service", service) };
    let layer =
        delivery(layer, message.esm_class, message.registered_delivery, message.data_coding);
    content(
        tlvs(layer, message.tlvs()),
        message.esm_class,
        message.data_coding,
        message.short_message().as_ref(),
        message.tlvs(),
        look,
    )
}

fn delivered(layer: Layer, message: &DeliverSm, look: Look<'_>) -> (Layer, Option<Vec<u8>>) {
    let layer = layer
        .fact(
            "from",
            address(message.source_addr_ton, message.source_addr_npi, message.source_addr.as_str()),
        )
        .fact(
            "to",
            address(
                message.dest_addr_ton,
                message.dest_addr_npi,
                message.destination_addr.as_str(),
            ),
        );
    let layer =
        delivery(layer, message.esm_class, message.registered_delivery, message.data_coding);
    let text = message.short_message().as_ref();
    let layer =
        if u8::from(message.esm_class) & 0x3C == 0x04 { receipt(layer, text) } else { layer };
    content(
        tlvs(layer, message.tlvs()),
        message.esm_class,
        message.data_coding,
        text,
        message.tlvs(),
        look,
    )
}

/// What the message says: in its user data, or in `message_payload` where that stands in its place.
fn content(
    layer: Layer,
    class: EsmClass,
    coding: DataCoding,
    short: &[u8],
    tlvs: &[Tlv],
    look: Look<'_>,
) -> (Layer, Option<Vec<u8>>) {
    let payload = tlvs.iter().find_map(|tlv| match tlv.value() {
        Some(TlvValue::MessagePayload(payload)) => Some(payload.value.as_ref()),
        _ => None,
    });
    let octets = payload.unwrap_or(short);
    if octets.is_empty() {
        return (layer, None);
    }
    if u8::from(class) & 0x40 != 0 {
        return match Segment::parse(octets) {
            Ok(segment) => {
                let part = segment.part.map(|_| octets.to_vec());
                let inside = short_message::one(octets.len(), &segment, look);
                (layer.holding([Packet::Layer(inside)]), part)
            }
            Err(error) => {
                let layer = layer.number("message", words::octets(octets), hex::encode(octets));
                (layer.broken(Some(Problem::new(format!("its user data: {error}")))), None)
            }
        };
    }
    let to_push =
        tlvs.iter().any(|tlv| matches!(tlv.value(), Some(TlvValue::DestPort(wap_push::PORT))));
    let in_parts =
        tlvs.iter().any(|tlv| matches!(tlv.value(), Some(TlvValue::SarTotalSegments(2..))));
    if to_push && !in_parts {
        return (short_message::opened(layer, octets, look), None);
    }
    let layer = match in_words(u8::from(coding), octets) {
        Some(text) => layer.number("message", words::quoted(&text), json!(text)),
        None => layer.number("message", words::octets(octets), hex::encode(octets)),
    };
    (layer, None)
}

fn tlvs(layer: Layer, tlvs: &[Tlv]) -> Layer {
    tlvs.iter().fold(layer, |layer, tlv| {
        let key = snake(&tlv.tag());
        let name = format!("{:#06x} {key}", u16::from(tlv.tag()));
        let layer = match tlv.value() {
            // It is opened by itself.
            Some(TlvValue::MessagePayload(payload)) => {
                layer.fact(&name, words::count(payload.value.len(), "octet"))
            }
            Some(TlvValue::ReceiptedMessageId(id)) => layer.said(&name, id.as_str()),
            Some(TlvValue::MessageState(state)) => {
                layer.fact(&name, format!("{} {}", u8::from(*state), snake(state)))
            }
            Some(value) => layer.said(&name, inner(&format!("{value:?}"))),
            None => layer.fact(&name, "empty"),
        };
        layer.keyed(&key)
    })
}

/// `Variant(value)` without the variant, which is the name of the TLV.
fn inner(debug: &str) -> &str {
    debug.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(debug)
}
