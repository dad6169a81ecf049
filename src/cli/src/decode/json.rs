//! A message as JSON: the protocol's structure with the names of `text`, for programs.

use serde_json::{Map, Value, json};
use wire::{
    ids::StatusTarget,
    message::{Address, Command, Content, Cred, Data, Element, Item, Message, Text},
    meta::Meta,
};

pub(super) fn message(message: &Message) -> Value {
    let header = &message.header;
    object([
        ("version", json!(header.version.protocol())),
        ("session", json!(header.session_id.as_str())),
        ("message", json!(header.msg_id.0)),
        ("target", address(&header.target)),
        ("source", address(&header.source)),
        ("resp_uri", json!(header.resp_uri)),
        ("no_resp", flag(header.no_resp)),
        ("cred", header.cred.as_ref().map_or(Value::Null, cred)),
        ("meta", meta(&header.meta)),
        ("commands", message.commands.iter().map(command).collect()),
        ("final", json!(message.last)),
    ])
}

fn command(command: &Command) -> Value {
    let common =
        [("command", json!(command.name())), ("id", json!(command.id().map(ToString::to_string)))];
    let own: Vec<(&str, Value)> = match command {
        Command::Add(edit)
        | Command::Replace(edit)
        | Command::Delete(edit)
        | Command::Copy(edit)
        | Command::Get(edit) => {
            vec![
                ("no_resp", flag(edit.no_resp)),
                ("meta", meta(&edit.meta)),
                ("items", items(&edit.items)),
            ]
        }
        Command::Exec(exec) => vec![
            ("no_resp", flag(exec.no_resp)),
            ("meta", meta(&exec.meta)),
            ("correlator", json!(exec.correlator)),
            ("items", items(&exec.items)),
        ],
        Command::Alert(alert) => vec![
            ("no_resp", flag(alert.no_resp)),
            ("code", json!(alert.code.map(wire::alert::AlertCode::code))),
            ("name", json!(alert.code.map(wire::alert::AlertCode::name))),
            ("meaning", json!(alert.code.map(wire::alert::AlertCode::meaning))),
            ("correlator", json!(alert.correlator)),
            ("items", items(&alert.items)),
        ],
        Command::Atomic(block) | Command::Sequence(block) => vec![
            ("no_resp", flag(block.no_resp)),
            ("meta", meta(&block.meta)),
            ("commands", block.commands.iter().map(self::command).collect()),
        ],
        Command::Status(status) => vec![
            ("msg_ref", json!(status.msg_ref.map(|id| id.0))),
            ("cmd_ref", cmd_ref(&status.about)),
            ("cmd", json!(status.cmd)),
            ("target_refs", texts(&status.target_refs)),
            ("source_refs", texts(&status.source_refs)),
            ("cred", status.cred.as_ref().map_or(Value::Null, cred)),
            ("chal", status.chal.as_ref().map_or(Value::Null, meta)),
            ("code", json!(status.code.map(wire::status::StatusCode::code))),
            ("name", json!(status.code.map(wire::status::StatusCode::name))),
            ("meaning", json!(status.code.map(wire::status::StatusCode::meaning))),
            ("code_attributes", pairs(&status.code_attributes)),
            ("items", items(&status.items)),
        ],
        Command::Results(results) => vec![
            ("msg_ref", json!(results.msg_ref.map(|id| id.0))),
            ("cmd_ref", json!(results.cmd_ref.as_ref().map(ToString::to_string))),
            ("cmd", json!(results.cmd)),
            ("meta", meta(&results.meta)),
            ("target_ref", json!(results.target_ref)),
            ("source_ref", json!(results.source_ref)),
            ("items", items(&results.items)),
        ],
        Command::Unknown(element) => vec![("element", self::element(element))],
    };
    object(common.into_iter().chain(own))
}

/// As on the wire, where 0 is the header.
fn cmd_ref(about: &StatusTarget) -> Value {
    match about {
        StatusTarget::Header => json!("0"),
        StatusTarget::Command(id) => json!(id.to_string()),
        StatusTarget::Unnamed => Value::Null,
    }
}

fn items(items: &[Item]) -> Value {
    if items.is_empty() { Value::Null } else { items.iter().map(item).collect() }
}

fn item(item: &Item) -> Value {
    object([
        ("target", item.target.as_ref().map_or(Value::Null, address)),
        ("source", item.source.as_ref().map_or(Value::Null, address)),
        ("meta", meta(&item.meta)),
        ("data", item.data.as_ref().map_or(Value::Null, data)),
        ("more_data", flag(item.more)),
    ])
}

fn cred(cred: &Cred) -> Value {
    object([("meta", meta(&cred.meta)), ("data", data(&cred.data))])
}

/// Text as text, octets as `{"hex": …}`, elements as `{"elements": […]}`.
fn data(data: &Data) -> Value {
    match data {
        Data::Text(text) => json!(text),
        Data::Opaque(octets) => json!({"hex": hex::encode(octets)}),
        Data::Elements(elements) => {
            json!({"elements": elements.iter().map(element).collect::<Value>()})
        }
    }
}

fn element(element: &Element) -> Value {
    let content = element.content.iter().map(|content| match content {
        Content::Element(element) => self::element(element),
        Content::Text(text) => json!(text),
        Content::Opaque(octets) => json!({"hex": hex::encode(octets)}),
    });
    object([
        ("name", json!(element.name)),
        ("namespace", json!(element.namespace)),
        ("attributes", pairs(&element.attributes)),
        ("content", if element.content.is_empty() { Value::Null } else { content.collect() }),
    ])
}

fn meta(meta: &Meta) -> Value {
    let meta = object([
        ("format", json!(meta.format.as_ref().map(wire::meta::Format::name))),
        ("type", json!(meta.media_type)),
        ("mark", json!(meta.mark)),
        ("size", json!(meta.size)),
        ("next_nonce", json!(meta.next_nonce)),
        ("version", json!(meta.version)),
        ("max_msg_size", json!(meta.max_msg_size)),
        ("max_obj_size", json!(meta.max_obj_size)),
        ("emi", json!(meta.emi)),
    ]);
    if meta.as_object().is_some_and(Map::is_empty) { Value::Null } else { meta }
}

/// An address is its URI; with a name it is both.
fn address(address: &Address) -> Value {
    match &address.loc_name {
        Some(name) => json!({"uri": address.loc_uri, "name": name}),
        None => json!(address.loc_uri),
    }
}

fn texts(texts: &[Text]) -> Value {
    if texts.is_empty() { Value::Null } else { json!(texts) }
}

fn pairs(pairs: &[(String, String)]) -> Value {
    if pairs.is_empty() {
        Value::Null
    } else {
        pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>().into()
    }
}

fn flag(is: bool) -> Value {
    if is { json!(true) } else { Value::Null }
}

/// What is absent in the message is absent here.
fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect::<Map<_, _>>()
        .into()
}
