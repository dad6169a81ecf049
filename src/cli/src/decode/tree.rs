//! A management tree in line (`MgmtTree`, TNDS): opened when it comes as text, and written as a list of nodes.

use super::words;
use serde_json::{Value, json};
use std::fmt::{self, Write};
use wire::{
    message::{Content, Data, Element, Item},
    meta::Format,
    tnds::{Kind, Tree},
};

/// The tree that the data is, when it is one.
pub(super) fn of(data: &Data) -> Option<&Element> {
    match data {
        Data::Elements(elements) => elements.iter().find(|element| element.name == "MgmtTree"),
        Data::Text(_) | Data::Opaque(_) => None,
    }
}

/// Opens a tree that travels as text (in CDATA, escaped or as base64) or as octets, so that what is in it can be read and
/// masked.
///
/// A value that is no such document stays what it is.
pub(super) fn open(item: &mut Item) {
    if let Some(data @ (Data::Text(_) | Data::Opaque(_))) = &item.data
        && let Ok(tree) = Tree::of(data)
    {
        item.data = Some(Data::Elements(vec![tree.to_element()]));
    }
}

/// Every node with what is said of it, for programs.
pub(super) fn json(tree: &Element) -> Value {
    let Ok(tree) = Tree::from_element(tree) else { return Value::Null };
    let nodes = tree.walk().into_iter().map(|(uri, node)| {
        let said = &node.properties;
        let kind = said.kind.as_ref().map(|(Kind::Mime(kind) | Kind::Object(kind))| kind);
        json!({
            "uri": uri,
            "value": node.value,
            "format": said.format.as_ref().map(Format::name),
            "type": kind,
            "acl": said.acl,
        })
    });
    nodes.collect()
}

/// The tree as a document of its own, indented.
pub(super) fn xml(tree: &Element) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    element(tree, None, 0, &mut out).expect("a string takes everything");
    out
}

fn element(one: &Element, outer: Option<&str>, indent: usize, out: &mut String) -> fmt::Result {
    let name = &one.name;
    let namespace = match one.namespace.as_deref() {
        Some(namespace) if outer != Some(namespace) => format!(" xmlns=\"{namespace}\""),
        _ => String::new(),
    };
    let text = escaped(&text_in(one));
    let mut inner = one
        .content
        .iter()
        .filter_map(|content| match content {
            Content::Element(element) => Some(element),
            Content::Text(_) | Content::Opaque(_) => None,
        })
        .peekable();
    write!(out, "{:indent$}<{name}{namespace}", "")?;
    if inner.peek().is_none() && text.is_empty() {
        return writeln!(out, "/>");
    }
    if inner.peek().is_none() {
        return writeln!(out, ">{text}</{name}>");
    }
    writeln!(out, ">")?;
    inner.try_for_each(|element| {
        self::element(element, one.namespace.as_deref(), indent + 1, out)
    })?;
    writeln!(out, "{:indent$}</{name}>", "")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// One line a node: its address, its value or that it is an interior node, and what is said of it.
pub(super) fn write(tree: &Element, indent: usize, out: &mut impl Write) -> fmt::Result {
    children(tree, "Node").try_for_each(|node| self::node(node, ".", indent, out))
}

fn node(node: &Element, parent: &str, indent: usize, out: &mut impl Write) -> fmt::Result {
    let path = text_of(node, "Path").unwrap_or_else(|| parent.to_owned());
    let uri =
        format!("{}/{}", path.trim_end_matches('/'), text_of(node, "NodeName").unwrap_or_default());
    let properties = child(node, "RTProperties");
    let format = properties.and_then(format_of);
    write!(out, "{:indent$}{}", "", words::plain(&uri))?;
    match child(node, "Value") {
        Some(value) => write!(out, " = {}", words::quoted(&text_in(value)))?,
        None if format == Some(Format::Node) || format.is_none() => write!(out, "/")?,
        None => {}
    }
    let mut notes = Vec::new();
    notes.extend(
        format
            .filter(|format| !matches!(format, Format::Chr | Format::Node))
            .map(|format| words::plain(format.name())),
    );
    if let Some(properties) = properties {
        let described = child(properties, "Type")
            .and_then(|kind| text_of(kind, "MIME").or_else(|| text_of(kind, "DDFName")));
        notes.extend(
            described
                .filter(|kind| !kind.is_empty() && kind != "text/plain")
                .map(|kind| words::plain(&kind)),
        );
        notes.extend(text_of(properties, "ACL").map(|acl| format!("ACL {}", words::plain(&acl))));
    }
    writeln!(
        out,
        "{}",
        if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) }
    )?;
    children(node, "Node").try_for_each(|one| self::node(one, &uri, indent, out))
}

/// Whether a node of this name and format holds a secret.
type IsSecret<'a> = &'a dyn Fn(&str, Option<&Format>) -> bool;

/// Replaces the values of the nodes whose name `is_secret` says so.
pub(super) fn mask(element: &mut Element, is_secret: IsSecret<'_>, hidden: &str) {
    let format = child(element, "RTProperties").and_then(format_of);
    let secret = text_of(element, "NodeName").is_some_and(|name| is_secret(&name, format.as_ref()));
    for content in &mut element.content {
        if let Content::Element(inner) = content {
            if secret && inner.name == "Value" {
                inner.content = vec![Content::Text(hidden.to_owned())];
            } else {
                mask(inner, is_secret, hidden);
            }
        }
    }
}

/// `Format` holds one empty element, whose name is the format.
fn format_of(properties: &Element) -> Option<Format> {
    child(properties, "Format").and_then(|format| {
        format.content.iter().find_map(|content| match content {
            Content::Element(element) => Some(Format::from_name(&element.name)),
            Content::Text(_) | Content::Opaque(_) => None,
        })
    })
}

fn children<'a>(element: &'a Element, name: &'a str) -> impl Iterator<Item = &'a Element> {
    element.content.iter().filter_map(move |content| match content {
        Content::Element(element) if element.name == name => Some(element),
        _ => None,
    })
}

fn child<'a>(element: &'a Element, name: &'a str) -> Option<&'a Element> {
    children(element, name).next()
}

fn text_of(element: &Element, name: &str) -> Option<String> {
    child(element, name).map(text_in)
}

fn text_in(element: &Element) -> String {
    element
        .content
        .iter()
        .filter_map(|content| match content {
            Content::Text(text) => Some(text.clone()),
            Content::Opaque(octets) => Some(String::from_utf8_lossy(octets).into_owned()),
            Content::Element(_) => None,
        })
        .collect()
}
