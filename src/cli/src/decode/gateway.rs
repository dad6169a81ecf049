//! Documents of push proxy gateways, and the bodies that carry a push to one.

use super::{
    documents,
    layer::{Layer, Look, Packet, Problem},
    push, words,
};
use serde_json::json;
use wire::pap::{
    Address, Class, Code, DeliveryMethod, Document, MessageState, Pap, Parts, Priority,
    PushMessage, PushResponse, QualityOfService, ResultNotification,
};

/// Whether a body begins with a boundary and a header.
pub(super) fn is_multipart(octets: &[u8]) -> bool {
    octets.starts_with(b"--") && Parts::parse(octets).is_ok_and(|parts| !parts.parts.is_empty())
}

/// A document by itself, or the body of a push.
pub(super) fn read(octets: &[u8], look: Look<'_>) -> Result<Packet, Problem> {
    if documents::is_xml(octets) {
        return document(octets);
    }
    let parts = Parts::parse(octets).map_err(|error| Problem::new(error.to_string()))?;
    let title = format!("push to a gateway (PAP), {}", words::count(octets.len(), "octet"));
    let mut layer = Layer::new("multipart", title).said("boundary", parts.boundary);
    for part in &parts.parts {
        let media_type = part.header("content-type").unwrap_or_default();
        let control = media_type.starts_with("application/xml") || documents::is_xml(part.octets);
        let inside = if control && documents::is_xml(part.octets) {
            document(part.octets)
        } else {
            content(part.octets, media_type, part.header("x-wap-application-id"), look)
        };
        layer = match inside {
            Ok(inside) => layer.holding([inside]),
            Err(problem) => layer.broken(Some(problem)),
        };
    }
    Ok(Packet::Layer(layer))
}

/// The content entity of a push.
fn content(
    octets: &[u8],
    media_type: &str,
    application: Option<&str>,
    look: Look<'_>,
) -> Result<Packet, Problem> {
    let title = format!("content, {}", words::count(octets.len(), "octet"));
    let layer =
        Layer::new("content", title).said("type", media_type).maybe("application", application);
    let inside = if media_type.starts_with("application/vnd.syncml.notification") {
        Some(push::notification(octets, look)?)
    } else {
        Packet::inside(octets, look)
    };
    Ok(Packet::Layer(match inside {
        Some(inside) => layer.holding([inside]),
        None => layer.number("octets", words::octets(octets), hex::encode(octets)),
    }))
}

/// A document of the protocol.
pub(super) fn document(octets: &[u8]) -> Result<Packet, Problem> {
    let pap =
        Pap::parse(octets).map_err(|error| Problem::of(&anyhow::Error::new(error), octets))?;
    let title = format!("PAP {}, {}", pap.document.name(), words::count(octets.len(), "octet"));
    let layer = Layer::new("pap", title)
        .number("document", "", pap.document.name())
        .maybe("product", pap.product_name.as_deref());
    let mut layer = match &pap.document {
        Document::Push(push) => pushed(layer, push),
        Document::PushResponse(response) => answered(layer, response),
        Document::Result(result) => ended(layer, result),
        Document::ResultResponse(response) => {
            let layer = coded(
                layer.said("push", &response.push_id),
                response.code,
                response.desc.as_deref(),
            );
            addresses(layer, response.address.as_slice())
        }
        Document::Cancel(message) => {
            addresses(layer.said("push", &message.push_id), &message.addresses)
        }
        Document::StatusQuery(query) => {
            addresses(layer.said("push", &query.push_id), &query.addresses)
        }
        Document::CancelResponse(response) => {
            response.results.iter().fold(layer.said("push", &response.push_id), |layer, result| {
                addresses(coded(layer, result.code, result.desc.as_deref()), &result.addresses)
            })
        }
        Document::StatusQueryResponse(response) => {
            response.results.iter().fold(layer.said("push", &response.push_id), |layer, result| {
                let layer = layer
                    .maybe("state", result.state.as_ref().map(MessageState::name))
                    .maybe("since", result.event_time.as_deref());
                addresses(coded(layer, result.code, result.desc.as_deref()), &result.addresses)
            })
        }
        Document::Bad(bad) => {
            coded(layer, bad.code, bad.desc.as_deref()).maybe("fragment", bad.fragment.as_deref())
        }
    };
    layer.xml = pap.write().ok();
    Ok(Packet::Layer(layer))
}

fn pushed(layer: Layer, push: &PushMessage) -> Layer {
    let layer = addresses(layer.said("push", &push.push_id), &push.addresses)
        .maybe("not before", push.deliver_after.as_deref())
        .maybe("not after", push.deliver_before.as_deref())
        .maybe("reference", push.source_reference.as_deref())
        .maybe("result to", push.notify_requested_to.as_deref());
    let layer = match push.progress_notes {
        Some(wanted) => {
            layer.number("progress", if wanted { "wanted" } else { "not wanted" }, wanted)
        }
        None => layer,
    };
    quality(layer, push.quality.as_ref())
}

fn answered(layer: Layer, response: &PushResponse) -> Layer {
    let layer = layer.said("push", &response.push_id);
    let layer = coded(layer, response.code, response.desc.as_deref())
        .maybe("at", response.reply_time.as_deref());
    let layer = sender(layer, response.sender_name.as_deref(), response.sender_address.as_deref());
    response.progress.iter().fold(layer, |layer, note| {
        let told = [Some(&note.stage), note.note.as_ref(), note.time.as_ref()];
        let told: Vec<&str> = told.into_iter().flatten().map(String::as_str).collect();
        layer.said("progress", &told.join(", "))
    })
}

fn ended(layer: Layer, result: &ResultNotification) -> Layer {
    let layer = layer.said("push", &result.push_id).said("state", result.state.name());
    let layer = coded(layer, result.code, result.desc.as_deref())
        .maybe("received", result.received_time.as_deref())
        .maybe("at", result.event_time.as_deref());
    let layer = sender(layer, result.sender_name.as_deref(), result.sender_address.as_deref());
    quality(addresses(layer, std::slice::from_ref(&result.address)), result.quality.as_ref())
}

fn sender(layer: Layer, name: Option<&str>, address: Option<&str>) -> Layer {
    match (name, address) {
        (Some(name), Some(address)) => layer.said("sender", &format!("{name}, {address}")),
        (one, other) => layer.maybe("sender", one.or(other)),
    }
}

fn coded(layer: Layer, code: Code, desc: Option<&str>) -> Layer {
    let whose = match code.class() {
        Class::RequestError => "; the request is at fault",
        Class::ServerError => "; the gateway is at fault",
        Class::ServiceFailure => "; the service is at fault",
        Class::Success | Class::DeviceAborted | Class::Unknown => "",
    };
    let name = match code {
        Code::Other(_) => String::new(),
        code => format!(" {}", code.name()),
    };
    let reason = code.abort_reason().map(|reason| format!(", reason {reason}")).unwrap_or_default();
    let meaning = words::clause(code.meaning());
    let text = format!("{}{name} ({meaning}{reason}){whose}", code.code());
    layer
        .number("code", text, json!({"code": code.code(), "name": code.name()}))
        .maybe("said", desc)
}

fn addresses(layer: Layer, addresses: &[Address]) -> Layer {
    addresses.iter().fold(layer, |layer, address| layer.said("to", address.text()))
}

fn quality(layer: Layer, quality: Option<&QualityOfService>) -> Layer {
    let Some(quality) = quality else { return layer };
    let required = |name: &Option<String>, required: Option<bool>| {
        let name = name.as_ref()?;
        Some(format!("{name}{}", if required == Some(true) { " (required)" } else { "" }))
    };
    layer
        .maybe("priority", quality.priority.as_ref().map(Priority::name))
        .maybe("delivery", quality.delivery_method.as_ref().map(DeliveryMethod::name))
        .maybe("network", required(&quality.network, quality.network_required).as_deref())
        .maybe("bearer", required(&quality.bearer, quality.bearer_required).as_deref())
}
