//! Documents from XML text. Attributes and elements that are not known are read over.

use super::{
    Address, BadMessage, CancelMessage, CancelResponse, CancelResult, Code, DeliveryMethod,
    Document, MessageState, Pap, PapError, Priority, ProgressNote, PushMessage, PushResponse,
    QualityOfService, ResultNotification, ResultResponse, StatusQuery, StatusQueryResponse,
    StatusQueryResult,
};
use crate::{
    encoding::{Limits, ReadError},
    message::{Content, Element},
    xml,
};

/// The largest answer of a gateway has an address a line; this is room for some hundred.
const LIMITS: Limits = Limits { octets: 64 * 1024, depth: 8, elements: 4_000, string_table: 0 };

/// The most addresses, notes or results of one document.
const MOST: usize = 256;

impl Pap {
    /// Reads a document, as XML text in UTF-8.
    pub fn parse(octets: &[u8]) -> Result<Self, PapError> {
        if octets.len() > LIMITS.octets {
            return Err(ReadError::TooLong { octets: octets.len(), limit: LIMITS.octets }.into());
        }
        let text = std::str::from_utf8(octets)
            .map_err(|no_text| ReadError::Text { at: no_text.valid_up_to() })?;
        let root = xml::read_element(text, &LIMITS)?;
        if root.name != "pap" {
            return Err(PapError::Root(root.name));
        }
        let document = children(&root).next().ok_or(PapError::Empty)?;
        Ok(Self {
            product_name: attribute(&root, "product-name"),
            document: self::document(document)?,
        })
    }
}

fn document(element: &Element) -> Result<Document, PapError> {
    Ok(match element.name.as_str() {
        "push-message" => Document::Push(push(element)?),
        "push-response" => Document::PushResponse(push_response(element)?),
        "resultnotification-message" => Document::Result(result(element)?),
        "resultnotification-response" => Document::ResultResponse(ResultResponse {
            push_id: push_id(element, "resultnotification-response")?,
            code: code(element, "resultnotification-response")?,
            desc: attribute(element, "desc"),
            address: addresses(element)?.pop(),
        }),
        "cancel-message" => Document::Cancel(CancelMessage {
            push_id: push_id(element, "cancel-message")?,
            addresses: addresses(element)?,
        }),
        "cancel-response" => Document::CancelResponse(CancelResponse {
            push_id: push_id(element, "cancel-response")?,
            results: each(element, "cancel-result", |result| {
                Ok(CancelResult {
                    code: code(result, "cancel-result")?,
                    desc: attribute(result, "desc"),
                    addresses: addresses(result)?,
                })
            })?,
        }),
        "statusquery-message" => Document::StatusQuery(StatusQuery {
            push_id: push_id(element, "statusquery-message")?,
            addresses: addresses(element)?,
        }),
        "statusquery-response" => Document::StatusQueryResponse(StatusQueryResponse {
            push_id: push_id(element, "statusquery-response")?,
            results: each(element, "statusquery-result", |result| {
                Ok(StatusQueryResult {
                    code: code(result, "statusquery-result")?,
                    event_time: attribute(result, "event-time"),
                    state: attribute(result, "message-state")
                        .map(|name| MessageState::from_name(&name)),
                    desc: attribute(result, "desc"),
                    addresses: addresses(result)?,
                })
            })?,
        }),
        "badmessage-response" => Document::Bad(BadMessage {
            code: code(element, "badmessage-response")?,
            desc: attribute(element, "desc"),
            fragment: attribute(element, "bad-message-fragment"),
        }),
        other => return Err(PapError::Unknown(other.to_owned())),
    })
}

fn push(element: &Element) -> Result<PushMessage, PapError> {
    const NAME: &str = "push-message";
    let addresses = addresses(element)?;
    if addresses.is_empty() {
        return Err(PapError::Missing { element: NAME, missing: "address" });
    }
    Ok(PushMessage {
        push_id: push_id(element, NAME)?,
        addresses,
        deliver_before: attribute(element, "deliver-before-timestamp"),
        deliver_after: attribute(element, "deliver-after-timestamp"),
        source_reference: attribute(element, "source-reference"),
        progress_notes: flag(element, "progress-notes-requested"),
        notify_requested_to: attribute(element, "ppg-notify-requested-to"),
        quality: quality(element),
    })
}

fn push_response(element: &Element) -> Result<PushResponse, PapError> {
    const NAME: &str = "push-response";
    let result = children(element)
        .find(|child| child.name == "response-result")
        .ok_or(PapError::Missing { element: NAME, missing: "response-result" })?;
    let progress = each(element, "progress-note", |note| {
        Ok(ProgressNote {
            stage: attribute(note, "stage").unwrap_or_default(),
            time: attribute(note, "time"),
            note: attribute(note, "note"),
        })
    })?;
    Ok(PushResponse {
        push_id: push_id(element, NAME)?,
        sender_address: attribute(element, "sender-address"),
        sender_name: attribute(element, "sender-name"),
        reply_time: attribute(element, "reply-time"),
        progress,
        code: code(result, "response-result")?,
        desc: attribute(result, "desc"),
    })
}

fn result(element: &Element) -> Result<ResultNotification, PapError> {
    const NAME: &str = "resultnotification-message";
    let missing = |missing| PapError::Missing { element: NAME, missing };
    let state = attribute(element, "message-state").ok_or_else(|| missing("message-state"))?;
    Ok(ResultNotification {
        push_id: push_id(element, NAME)?,
        sender_address: attribute(element, "sender-address"),
        sender_name: attribute(element, "sender-name"),
        received_time: attribute(element, "received-time"),
        event_time: attribute(element, "event-time"),
        state: MessageState::from_name(&state),
        code: code(element, NAME)?,
        desc: attribute(element, "desc"),
        address: addresses(element)?.pop().ok_or_else(|| missing("address"))?,
        quality: quality(element),
    })
}

fn quality(element: &Element) -> Option<QualityOfService> {
    let quality = children(element).find(|child| child.name == "quality-of-service")?;
    Some(QualityOfService {
        priority: attribute(quality, "priority").map(|name| Priority::from_name(&name)),
        delivery_method: attribute(quality, "delivery-method")
            .map(|name| DeliveryMethod::from_name(&name)),
        network_required: flag(quality, "network-required"),
        network: attribute(quality, "network"),
        bearer_required: flag(quality, "bearer-required"),
        bearer: attribute(quality, "bearer"),
    })
}

fn addresses(element: &Element) -> Result<Vec<Address>, PapError> {
    each(element, "address", |address| {
        let missing = PapError::Missing { element: "address", missing: "address-value" };
        attribute(address, "address-value").map(Address::new).ok_or(missing)
    })
}

fn push_id(element: &Element, name: &'static str) -> Result<String, PapError> {
    attribute(element, "push-id").ok_or(PapError::Missing { element: name, missing: "push-id" })
}

fn code(element: &Element, name: &'static str) -> Result<Code, PapError> {
    let text =
        attribute(element, "code").ok_or(PapError::Missing { element: name, missing: "code" })?;
    let number = text.trim().parse().ok().filter(|code| *code <= 9999);
    number.map(Code::from_code).ok_or(PapError::Code { element: name, attribute: "code" })
}

fn each<T>(
    element: &Element,
    name: &str,
    read: impl Fn(&Element) -> Result<T, PapError>,
) -> Result<Vec<T>, PapError> {
    let mut all = Vec::new();
    for child in children(element).filter(|child| child.name == name) {
        if all.len() == MOST {
            return Err(PapError::TooMany(MOST));
        }
        all.push(read(child)?);
    }
    Ok(all)
}

fn children(element: &Element) -> impl Iterator<Item = &Element> {
    element.content.iter().filter_map(|content| match content {
        Content::Element(element) => Some(element),
        Content::Text(_) | Content::Opaque(_) => None,
    })
}

fn attribute(element: &Element, name: &str) -> Option<String> {
    element.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
}

fn flag(element: &Element, name: &str) -> Option<bool> {
    match attribute(element, name)?.as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}
