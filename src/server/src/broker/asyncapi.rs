//! The whole door of the broker as one `AsyncAPI` 3.0 document, for programs that make clients and pages of it.
//!
//! Nothing is written down twice: exchanges and queues are those of [`super::topology`] that the program declares, bodies are
//! the types that it reads and writes, and the examples of events come out of the functions that tell real ones.

mod examples;
mod messages;
mod words;

use super::topology::{self, Argument, EVENT_LOG, Exchange, IN, Queue, REJECTED, Topology};
use crate::config::defaults;
use api::{EventType, MessageType};
use messages::PUT_ASIDE;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Where the definitions of bodies are.
const SCHEMAS: &str = "#/components/schemas";

/// The document, with the queues as they are declared under default settings.
pub fn document() -> Value {
    let mut read = SchemaSettings::draft07().for_deserialize();
    read.definitions_path = SCHEMAS.trim_start_matches('#').into();
    let mut written = read.clone().for_serialize();
    read.meta_schema = None;
    written.meta_schema = None;
    let (mut read, mut written) = (read.into_generator(), written.into_generator());

    let messages = messages::all(&mut read, &mut written);
    let mut schemas = read.take_definitions(true);
    schemas.extend(written.take_definitions(true));
    words::narrow(&mut schemas);
    schemas.values_mut().for_each(words::plain);
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Reveille over AMQP",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Work for a notification and push engine for OMA Device Management, and what became of it. \
                Every message is known by an id, and one that comes again changes nothing.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": {
            "host": "{host}:{port}",
            "pathname": "/{vhost}",
            "protocol": "amqp",
            "protocolVersion": "0.9.1",
            "description": "RabbitMQ.",
            "variables": {
                "host": {"default": "localhost"},
                "port": {"default": "5672", "description": "5671 with TLS, as `amqps`."},
                "vhost": {"default": "reveille"},
            },
            "security": [{"$ref": "#/components/securitySchemes/user"}],
        }},
        "channels": channels(),
        "operations": operations(),
        "components": {
            "messages": messages,
            "schemas": schemas,
            "securitySchemes": {"user": {"type": "userPassword"}},
        },
    })
}

/// Where messages go through: a channel for each routing key, and one for each queue.
fn channels() -> Map<String, Value> {
    let mut channels = Map::new();
    let (intake, out) = (topology::intake(), topology::events(defaults::keep_events()));
    for kind in MessageType::ALL {
        let address = format!("{}.{{authority}}", kind.key());
        let channel = routed(exchange(&intake, IN), &address, &[kind.name()]);
        channels.insert(kind.key().to_owned(), channel);
    }
    for kind in EventType::ALL {
        let channel = routed(out.exchanges.first(), kind.address(), &[kind.name()]);
        channels.insert(kind.key().to_owned(), channel);
    }
    for queue in intake.queues.iter().chain(&out.queues) {
        let through = exchange(&intake, queue.exchange).or_else(|| exchange(&out, queue.exchange));
        channels.insert(queue.name.to_owned(), queued(queue, through));
    }
    channels
}

fn exchange<'t>(topology: &'t Topology, name: &str) -> Option<&'t Exchange> {
    topology.exchanges.iter().find(|exchange| exchange.name == name)
}

fn described(exchange: Option<&Exchange>) -> Value {
    exchange.map_or(Value::Null, |exchange| {
        json!({"name": exchange.name, "type": "topic", "durable": true, "autoDelete": false})
    })
}

fn routed(exchange: Option<&Exchange>, address: &str, messages: &[&str]) -> Value {
    let parameters = [
        ("authority", "The management authority, as the server's settings name it."),
        ("campaign", "The id of the campaign."),
    ];
    let parameters = parameters.into_iter().filter(|(name, _)| address.contains(&in_braces(name)));
    let parameters: Map<String, Value> =
        parameters.map(|(name, about)| (name.to_owned(), json!({"description": about}))).collect();
    json!({
        "address": address,
        "description": exchange.map_or("", |exchange| exchange.about),
        "parameters": parameters,
        "messages": refer(messages),
        "bindings": {"amqp": {
            "is": "routingKey",
            "exchange": described(exchange),
            "bindingVersion": "0.3.0",
        }},
    })
}

fn in_braces(name: &str) -> String {
    format!("{{{name}}}")
}

fn queued(queue: &Queue, exchange: Option<&Exchange>) -> Value {
    let arguments = queue.arguments.iter().map(|(name, argument)| {
        let value = match argument {
            Argument::Text(text) => json!(text),
            Argument::Number(number) => json!(number),
        };
        ((*name).to_owned(), value)
    });
    json!({
        "address": queue.name,
        "description": queue.about,
        "messages": refer(&kept(queue)),
        "bindings": {"amqp": {
            "is": "queue",
            "queue": {"name": queue.name, "durable": true, "exclusive": false, "autoDelete": false},
            "bindingVersion": "0.3.0",
        }},
        // What the binding above has no words for.
        "x-exchange": described(exchange),
        "x-routing-key": queue.key,
        "x-arguments": Value::Object(arguments.collect()),
    })
}

/// What may be in a queue.
fn kept(queue: &Queue) -> Vec<&'static str> {
    let own = MessageType::ALL.iter().filter(|kind| kind.queue() == queue.name);
    let own: Vec<_> = own.map(|kind| kind.name()).collect();
    match queue.name {
        EVENT_LOG => EventType::ALL.iter().map(|kind| kind.name()).collect(),
        REJECTED => vec![PUT_ASIDE],
        _ if own.is_empty() => MessageType::ALL.iter().map(|kind| kind.name()).collect(),
        _ => own,
    }
}

fn refer(messages: &[&str]) -> Value {
    let messages = messages
        .iter()
        .map(|name| ((*name).to_owned(), json!({"$ref": format!("#/components/messages/{name}")})));
    Value::Object(messages.collect())
}

/// What the program does: it takes work, and tells of it.
fn operations() -> Map<String, Value> {
    let mut operations = Map::new();
    let mut does = |action: &str, channel: &str, message: &str| {
        let operation = json!({
            "action": action,
            "channel": {"$ref": format!("#/channels/{channel}")},
            "messages": [{"$ref": format!("#/channels/{channel}/messages/{message}")}],
            "bindings": {"amqp": {"deliveryMode": 2, "bindingVersion": "0.3.0"}},
        });
        operations.insert(format!("{action}-{channel}"), operation);
    };
    for kind in MessageType::ALL {
        does("receive", kind.key(), kind.name());
    }
    for kind in EventType::ALL {
        does("send", kind.key(), kind.name());
    }
    does("send", REJECTED, PUT_ASIDE);
    operations
}
