//! A management tree in line (`MgmtTree`, TNDS): opened when it comes as text, and written as a list of nodes.

use super::words;
use std::fmt::{self, Write};
use wire::{
    Encoding, Limits,
    message::{Command, Content, Data, Element, Item},
    meta::Format,
};

/// The tree that the data is, when it is one.
pub(super) fn of(data: &Data) -> Option<&Element> {
    match data {
        Data::Elements(elements) => elements.iter().find(|element| element.name == "MgmtTree"),
        Data::Text(_) | Data::Opaque(_) => None,
    }
}

/// Opens a tree that travels as text (in CDATA or escaped), so that what is in it can be read and masked.
///
/// Text that is no such document stays what it is.
pub(super) fn open(item: &mut Item) {
    let Some(text) = item.data.as_ref().and_then(Data::as_text) else { return };
    let document = text.trim_start_matches('\u{feff}').trim_start();
    let document = match document.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")) {
        Some((_, rest)) => rest.trim_start(),
        None => document,
    };
    if !document.starts_with("<MgmtTree") {
        return;
    }
    if let Some(data @ Data::Elements(_)) = read(document)
        && of(&data).is_some()
    {
        item.data = Some(data);
    }
}

/// Reads the elements with the one XML reader there is, inside a message made for it.
fn read(document: &str) -> Option<Data> {
    let message = format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID>\
         <MsgID>1</MsgID><Target><LocURI>a</LocURI></Target><Source><LocURI>b</LocURI></Source></SyncHdr><SyncBody><Add>\
         <CmdID>1</CmdID><Item><Data>{document}</Data></Item></Add><Final/></SyncBody></SyncML>"
    );
    let mut message = Encoding::Xml.read(message.as_bytes(), &Limits::default()).ok()?;
    match (message.commands.pop(), message.commands.is_empty()) {
        (Some(Command::Add(mut edit)), true) if edit.items.len() == 1 => edit.items.pop()?.data,
        _ => None,
    }
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
