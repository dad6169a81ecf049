//! The messages: what each says of itself, what its body is, and an example.

use super::examples;
use crate::{
    broker::{
        aside::HEADERS,
        envelope::{LONGEST_ID, may},
    },
    config::Role,
};
use api::{
    ChunkMessage, CloudEvent, ControlMessage, DeviceLine, EventType, MessageType, TriggerRequest,
    events,
};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The message in the queue of the rejected.
pub(super) const PUT_ASIDE: &str = "rejected";

/// Every message by its name. Bodies are defined with `read` when they come in, with `written` when they go out.
pub(super) fn all(read: &mut SchemaGenerator, written: &mut SchemaGenerator) -> Map<String, Value> {
    let mut messages = Map::new();
    for kind in MessageType::ALL {
        messages.insert(kind.name().to_owned(), incoming(*kind, read));
    }
    let told = examples::events();
    for kind in EventType::ALL {
        let examples = told.iter().filter(|told| told.event.kind == kind.name());
        let examples = examples.map(|told| json!({"payload": told.event}));
        let examples: Vec<_> = examples.collect();
        messages.insert(kind.name().to_owned(), outgoing(*kind, written, &examples));
    }
    messages.insert(PUT_ASIDE.to_owned(), put_aside());
    messages
}

fn incoming(kind: MessageType, bodies: &mut SchemaGenerator) -> Value {
    let keys = campaign::document::KEYS.iter().map(|key| ((*key).to_owned(), json!({})));
    let keys: Map<String, Value> = keys.collect();
    let (content_type, about, payload) = match kind {
        MessageType::Submit => (
            "application/yaml",
            "A campaign's document, YAML or JSON.",
            json!({
                "type": "object",
                "description": "docs/campaign-document.md explains each key.",
                "required": ["campaign", "authority"],
                "properties": keys,
                "additionalProperties": false,
            }),
        ),
        MessageType::Control => (
            "application/json",
            "What is to be done to a campaign.",
            body::<ControlMessage>(bodies),
        ),
        MessageType::Chunk => (
            "application/json",
            "A part of the devices of a campaign.",
            body::<ChunkMessage>(bodies),
        ),
        MessageType::Device => (
            "application/x-ndjson",
            "Devices of the registry, a JSON object a line, at most 1,000 of them. The schema is that of one line.",
            json!({"allOf": [body::<DeviceLine>(bodies)], "required": ["device", "as_of"]}),
        ),
        MessageType::Trigger => (
            "application/json",
            "The word of a network entity that a device uses settings that are not right.",
            body::<TriggerRequest>(bodies),
        ),
    };
    let roles = [Role::Operator, Role::Upstream, Role::Network].into_iter();
    let roles: Vec<_> =
        roles.filter(|role| may(*role, kind)).map(|role| format!("`{}`", word(role))).collect();
    json!({
        "name": kind.name(),
        "summary": about,
        "description": format!(
            "Taken from users with the role {} in `amqp_users` of the authority. At most {} octets.",
            roles.join(" or "),
            api::MOST_MESSAGE_OCTETS
        ),
        "contentType": content_type,
        "headers": {
            "type": "object",
            "description": "Properties of the message itself, beside its table of headers, which is not looked at.",
            "required": ["type", "message_id", "user_id"],
            "properties": {
                "type": {"const": kind.name()},
                "message_id": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": LONGEST_ID,
                    "description": "Chosen by the sender: by it a repeat is known.",
                },
                "user_id": {
                    "type": "string",
                    "description": "The user that the sender logs in as; the broker refuses another.",
                },
            },
        },
        "payload": payload,
        "bindings": {"amqp": {"messageType": kind.name(), "bindingVersion": "0.3.0"}},
        "examples": [examples::message(kind)],
    })
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Upstream => "upstream",
        Role::Operator => "operator",
        Role::Network => "network",
    }
}

fn body<T: JsonSchema>(bodies: &mut SchemaGenerator) -> Value {
    bodies.subschema_for::<T>().to_value()
}

fn outgoing(kind: EventType, bodies: &mut SchemaGenerator, examples: &[Value]) -> Value {
    let (about, data) = match kind {
        EventType::Campaign => {
            ("A campaign went to another state.", body::<events::CampaignState>(bodies))
        }
        EventType::Results => ("Jobs of a campaign ended.", body::<events::Results>(bodies)),
        EventType::Session => ("A session ended.", body::<events::SessionEnded>(bodies)),
        EventType::Fault => ("Something is wrong with a device.", body::<events::Fault>(bodies)),
        EventType::Care => ("Something happened to a care job.", body::<events::Care>(bodies)),
        EventType::Alert => {
            ("A device reported something by itself.", body::<events::Alert>(bodies))
        }
        EventType::Rejected => (
            "A message that came in can never be done. Without an authority its routing key is the first word alone.",
            body::<events::Rejected>(bodies),
        ),
    };
    let mut required = vec!["type", "data"];
    if kind == EventType::Campaign {
        required.push("sequence");
    }
    json!({
        "name": kind.name(),
        "summary": about,
        "description": "Told at least once, and again under the same id.",
        "contentType": CloudEvent::MEDIA_TYPE,
        "headers": {
            "type": "object",
            "description": "Properties of the message itself.",
            "required": ["type", "message_id"],
            "properties": {
                "type": {"const": kind.name()},
                "message_id": {"type": "string", "description": "The `id` of the event."},
            },
        },
        "payload": {
            "allOf": [body::<CloudEvent>(bodies)],
            "required": required,
            "properties": {"type": {"const": kind.name()}, "data": data},
        },
        "bindings": {"amqp": {"messageType": kind.name(), "bindingVersion": "0.3.0"}},
        "examples": examples,
    })
}

fn put_aside() -> Value {
    let headers = HEADERS.iter().map(|(name, about)| {
        ((*name).to_owned(), json!({"type": ["string", "integer"], "description": about}))
    });
    json!({
        "name": PUT_ASIDE,
        "summary": "A message that can never be done, as it came, with the reason.",
        "description": "One that the broker itself put aside has `x-first-death-reason` instead of the headers below: \
            `delivery_limit` when it took down every process that worked on it.",
        "contentType": "application/octet-stream",
        "headers": {"type": "object", "properties": Value::Object(headers.collect())},
        "payload": {"description": "Whatever was sent.", "type": "string", "format": "binary"},
    })
}
