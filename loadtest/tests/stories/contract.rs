//! The document of `reveille asyncapi`, held to what is really sent and declared.

use crate::{
    rabbit::{Upstream, plan, ready, shared},
    world::a_world,
};
use api::{EventType, MessageType};
use lapin::{
    ExchangeKind,
    message::Delivery,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use serde_json::{Map, Value};
use std::{collections::BTreeSet, fs, path::Path, process::Command, sync::LazyLock};

static DOCUMENT: LazyLock<Value> = LazyLock::new(server::broker::asyncapi::document);

/// An event that came out of the broker is one of the document: its body, its routing key, its properties.
pub(crate) fn holds(delivery: &Delivery) {
    let event: Value = serde_json::from_slice(&delivery.data).unwrap();
    let kind = event["type"].as_str().unwrap();
    let message = &DOCUMENT["components"]["messages"][kind];
    assert_valid(&message["payload"], &event);
    let said = |text: Option<&lapin::types::ShortString>| text.map(ToString::to_string);
    let properties = &delivery.properties;
    let headers = serde_json::json!({
        "type": said(properties.kind().as_ref()),
        "message_id": said(properties.message_id().as_ref()),
    });
    assert_valid(&message["headers"], &headers);
    let content_type = said(properties.content_type().as_ref());
    assert_eq!(message["contentType"].as_str(), content_type.as_deref());

    let kind = EventType::ALL.iter().find(|known| known.name() == kind).unwrap();
    let address = DOCUMENT["channels"][kind.key()]["address"].as_str().unwrap();
    let key = delivery.routing_key.as_str();
    let alike = address.split('.').zip(key.split('.'));
    let fits = alike.into_iter().all(|(want, is)| want.starts_with('{') || want == is);
    let nobodys = *kind == EventType::Rejected && key == kind.key();
    let as_long = address.split('.').count() == key.split('.').count();
    assert!(nobodys || (fits && as_long), "{key} is not {address}");
}

/// A rejected message has no header of ours that the document does not name.
pub(crate) fn names_headers_of(delivery: &Delivery) {
    let named = &DOCUMENT["components"]["messages"]["rejected"]["headers"]["properties"];
    let headers = delivery.properties.headers().clone().unwrap_or_default();
    for header in headers.inner().keys().filter(|name| name.as_str().starts_with("reveille-")) {
        assert!(named.get(header.as_str()).is_some(), "{header}");
    }
}

fn assert_valid(schema: &Value, value: &Value) {
    let mut wrong = Vec::new();
    check(schema, value, "", &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}\n{value:#}");
}

fn is_valid(schema: &Value, value: &Value) -> bool {
    let mut wrong = Vec::new();
    check(schema, value, "", &mut wrong);
    wrong.is_empty()
}

/// What of a value is not as the schema says. A keyword that is not known here is wrong too.
fn check(schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    for (keyword, want) in schema.as_object().unwrap_or_else(|| panic!("{at}: {schema}")) {
        let number = |value: &Value| value.as_f64().unwrap();
        let long = value.as_str().map(|text| text.chars().count());
        let many = value.as_array().map(Vec::len);
        let most =
            |length: Option<usize>| length.is_none_or(|is| is as u64 <= want.as_u64().unwrap());
        let least =
            |length: Option<usize>| length.is_none_or(|is| is as u64 >= want.as_u64().unwrap());
        let fits = match keyword.as_str() {
            "$ref" => {
                check(referred(want), value, at, wrong);
                true
            }
            "allOf" => {
                want.as_array().unwrap().iter().for_each(|all| check(all, value, at, wrong));
                true
            }
            "anyOf" => want.as_array().unwrap().iter().any(|any| is_valid(any, value)),
            "const" => value == want,
            "enum" => want.as_array().unwrap().contains(value),
            "type" => match want {
                Value::Array(kinds) => kinds.iter().any(|kind| is_a(value, kind)),
                kind => is_a(value, kind),
            },
            "required" => {
                let keys = want.as_array().unwrap().iter().map(|key| key.as_str().unwrap());
                let mut keys = keys.filter(|key| value.get(key).is_none());
                keys.next().is_none()
            }
            "properties" => {
                for (key, inner) in want.as_object().unwrap() {
                    if let Some(value) = value.get(key) {
                        check(inner, value, &format!("{at}/{key}"), wrong);
                    }
                }
                true
            }
            "additionalProperties" => {
                let none = Map::new();
                let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
                let others = value.as_object().into_iter().flatten();
                let mut others = others.filter(|(key, _)| !known.contains_key(*key));
                match want {
                    Value::Bool(may) => *may || others.next().is_none(),
                    inner => {
                        others.for_each(|(key, value)| {
                            check(inner, value, &format!("{at}/{key}"), wrong);
                        });
                        true
                    }
                }
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    check(want, value, &format!("{at}/{index}"), wrong);
                }
                true
            }
            "maxItems" => most(many),
            "minItems" => least(many),
            "maxLength" => most(long),
            "minLength" => least(long),
            "minimum" => !value.is_number() || number(value) >= number(want),
            "maximum" => !value.is_number() || number(value) <= number(want),
            "description" | "default" | "title" | "format" => true,
            unknown => panic!("{at}: this test does not know `{unknown}`"),
        };
        if !fits {
            wrong.push(format!("{at}: {keyword} {want}"));
        }
    }
}

fn is_a(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        unknown => panic!("this test does not know the type `{unknown}`"),
    }
}

fn referred(reference: &Value) -> &'static Value {
    let place = reference.as_str().unwrap();
    let found = DOCUMENT.pointer(place.trim_start_matches('#'));
    found.unwrap_or_else(|| panic!("{place} is not in the document"))
}

/// Calls for each object and each of its entries in the document.
fn each(value: &Value, look: &mut impl FnMut(&str, &Value)) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        look(key, inner);
        each(inner, look);
    }
    value.as_array().into_iter().flatten().for_each(|inner| each(inner, look));
}

/// C6: what the program prints is the document, every reference in it leads somewhere, every kind of message is in it with an
/// example that its schema allows, and its descriptions are for people who do not read Rust.
#[test]
fn the_document_of_the_broker_is_whole_and_its_examples_are_right() {
    let printed = Command::new(env!("CARGO_BIN_EXE_reveille")).arg("asyncapi").output().unwrap();
    assert!(printed.status.success());
    let document: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert!(document == *DOCUMENT, "it is another each time");
    each(&DOCUMENT, &mut |key, inner| {
        if key == "$ref" {
            referred(inner);
        }
        if key == "description"
            && let Some(text) = inner.as_str()
        {
            let code = ["[`", "`]", "```", "::"].iter().find(|code| text.contains(**code));
            assert!(!text.is_empty() && code.is_none(), "{text}");
        }
    });
    let incoming = MessageType::ALL.iter().map(|kind| (kind.name(), kind.key(), "receive"));
    let told = EventType::ALL.iter().map(|kind| (kind.name(), kind.key(), "send"));
    let mut names: BTreeSet<&str> = BTreeSet::from(["rejected"]);
    for (name, key, action) in incoming.chain(told) {
        names.insert(name);
        let message = &DOCUMENT["components"]["messages"][name];
        let examples = message["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{name}");
        for example in examples {
            assert_valid(&message["payload"], &example["payload"]);
            if let Some(headers) = example.get("headers") {
                assert_valid(&message["headers"], headers);
            }
        }
        assert!(DOCUMENT["channels"][key]["messages"].get(name).is_some(), "{name}");
        assert!(DOCUMENT["operations"].get(format!("{action}-{key}")).is_some(), "{name}");
    }
    let described = DOCUMENT["components"]["messages"].as_object().unwrap().keys();
    assert_eq!(described.map(String::as_str).collect::<BTreeSet<_>>(), names);
}

/// C6: bodies that the program would refuse are refused by the schemas, and the campaigns of `deploy/examples` are not.
#[test]
fn the_schemas_of_the_broker_tell_right_from_wrong() {
    let chunk = &DOCUMENT["components"]["messages"]["campaign.chunk"]["payload"];
    let body = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert!(is_valid(chunk, &body(r#"{"campaign":"a","part":0,"devices":[]}"#)));
    for bad in [
        r#"{"campaign":"a","part":0}"#,
        r#"{"campaign":"a","part":-1,"devices":[]}"#,
        r#"{"campaign":"a","part":0,"devices":[1]}"#,
        r#"{"campaign":"a","port":0,"part":0,"devices":[]}"#,
    ] {
        assert!(!is_valid(chunk, &body(bad)), "{bad}");
    }
    let many = serde_json::json!({"campaign": "a", "part": 0, "devices": vec!["IMEI:1"; api::MOST_NAMES + 1]});
    assert!(!is_valid(chunk, &many));
    let control = &DOCUMENT["components"]["messages"]["campaign.control"]["payload"];
    assert!(is_valid(control, &body(r#"{"campaign":"a","do":"pause"}"#)));
    assert!(!is_valid(control, &body(r#"{"campaign":"a","do":"explode"}"#)));
    let device = &DOCUMENT["components"]["messages"]["device.upsert"]["payload"];
    assert!(is_valid(
        device,
        &body(r#"{"device":"IMEI:1","model":null,"as_of":"2026-11-25T01:02:03Z"}"#)
    ));
    assert!(!is_valid(device, &body(r#"{"device":"IMEI:1","model":null}"#)));

    let submit = &DOCUMENT["components"]["messages"]["campaign.submit"]["payload"]["properties"];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples");
    let mut keys = 0;
    for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        for line in fs::read_to_string(&file).unwrap().lines() {
            let Some((key, _)) = line.split_once(':') else { continue };
            if key.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_') {
                assert!(submit.get(key).is_some(), "{}: {key}", file.display());
                keys += 1;
            }
        }
    }
    assert!(keys > 10, "{keys}");
}

/// C6: whoever declares what the document says, at a broker that a server has set up, is told that it is so already.
#[tokio::test(flavor = "multi_thread")]
async fn the_broker_holds_what_the_document_says() {
    const VHOST: usize = 15;
    let broker = shared().await;
    let world = a_world(plan(&broker, VHOST, "", 1)).await;
    ready(&world.operator).await;
    let somebody = Upstream::at(&broker, "reveille", VHOST).await;
    let (mut queues, mut exchanges) = (BTreeSet::new(), BTreeSet::new());
    for channel in DOCUMENT["channels"].as_object().unwrap().values() {
        let binding = &channel["bindings"]["amqp"];
        if let Some(exchange) = binding.get("exchange").or_else(|| channel.get("x-exchange")) {
            let name = exchange["name"].as_str().unwrap();
            assert_eq!(exchange["type"], "topic");
            let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
            let declared = somebody.channel.exchange_declare(
                name.into(),
                ExchangeKind::Topic,
                options,
                FieldTable::default(),
            );
            declared.await.unwrap_or_else(|error| panic!("{name}: {error}"));
            exchanges.insert(name);
        }
        let Some(queue) = binding.get("queue") else { continue };
        let name = queue["name"].as_str().unwrap();
        // With other arguments than it has the broker refuses, and closes the channel.
        let mut arguments = FieldTable::default();
        for (key, value) in channel["x-arguments"].as_object().unwrap() {
            let value = match value {
                Value::String(text) => AMQPValue::LongString(text.as_str().into()),
                number => AMQPValue::LongLongInt(number.as_i64().unwrap()),
            };
            arguments.insert(key.as_str().into(), value);
        }
        let declared = QueueDeclareOptions::durable();
        let declared = somebody.channel.queue_declare(name.into(), declared, arguments);
        declared.await.unwrap_or_else(|error| panic!("{name}: {error}"));
        queues.insert(name);
    }
    assert_eq!(
        exchanges,
        BTreeSet::from(["reveille.in", "reveille.events", "reveille.rejected", "reveille.delayed"])
    );
    assert_eq!(queues.len(), MessageType::ALL.len() + 3, "{queues:?}");
    world.ends_well().await;
}
