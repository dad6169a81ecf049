//! Documents, by their root element or public identifier: SyncML messages, management trees, provisioning documents,
//! and those of a push proxy gateway.

use super::{
    gateway,
    layer::{Layer, Look, Packet, Problem, Whole, encoding_name},
    mask, provisioning, tree, words,
};
use std::fmt::Write;
use wire::{
    Encoding, Limits,
    bootstrap::Provisioning,
    message::{Content, Element},
    tnds::Tree,
};

/// An operator's own file may be larger than what a device may send, not deeper.
fn limits() -> Limits {
    Limits { octets: 1024 * 1024, ..Limits::default() }
}

pub(super) fn is_xml(octets: &[u8]) -> bool {
    octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets).trim_ascii_start().starts_with(b"<")
}

/// Whether the header of a WBXML document is there, with an identifier and a character set that DM uses.
pub(super) fn is_wbxml(octets: &[u8]) -> bool {
    match octets {
        [_, 0x9F, 0x51..=0x54, rest @ ..]
        | [_, 0xA4, 0x01..=0x03, rest @ ..]
        | [_, 0x01 | 0x0B, rest @ ..]
        | [_, 0x00, _, rest @ ..] => is_charset(rest),
        _ => false,
    }
}

fn is_charset(octets: &[u8]) -> bool {
    matches!(octets, [0x00 | 0x03 | 0x04 | 0x6A, ..])
}

/// The name of the root element, prefix aside.
fn root(octets: &[u8]) -> &[u8] {
    let mut rest = octets;
    while let Some(at) = rest.iter().position(|&octet| octet == b'<') {
        rest = rest.get(at + 1..).unwrap_or_default();
        let end = match rest {
            [b'!', b'-', b'-', ..] => b"-->".as_slice(),
            [b'!' | b'?', ..] => b">",
            _ => {
                let stop = |octet: &u8| octet.is_ascii_whitespace() || matches!(octet, b'>' | b'/');
                let name = rest.split(stop).next().unwrap_or_default();
                return name.rsplit(|&octet| octet == b':').next().unwrap_or_default();
            }
        };
        let skip = rest.windows(end.len()).position(|window| window == end);
        rest = rest.get(skip.unwrap_or(rest.len())..).unwrap_or_default();
    }
    &[]
}

pub(super) fn xml(octets: &[u8], look: Look<'_>) -> Result<Packet, Problem> {
    match root(octets) {
        b"pap" => gateway::document(octets),
        b"wap-provisioningdoc" => {
            let text = text(octets)?;
            let document = Provisioning::from_xml(text)
                .map_err(|error| Problem::of(&anyhow::Error::new(error), octets))?;
            Ok(provisioning::layer(document, Encoding::Xml, octets.len(), look))
        }
        b"MgmtTree" => {
            let tree = Tree::from_xml(text(octets)?)
                .map_err(|error| Problem::of(&anyhow::Error::new(error), octets))?;
            Ok(standing_tree(&tree, Encoding::Xml, octets.len(), look))
        }
        _ => message(octets, Encoding::Xml, look),
    }
}

fn text(octets: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(octets)
        .map_err(|no_text| Problem::new("it is not UTF-8 text").at(octets, no_text.valid_up_to()))
}

pub(super) fn wbxml(octets: &[u8], look: Look<'_>) -> Result<Packet, Problem> {
    if let [_, 0x0B, ..] = octets {
        let document = Provisioning::from_wbxml(octets)
            .map_err(|error| Problem::of(&anyhow::Error::new(error), octets))?;
        return Ok(provisioning::layer(document, Encoding::Wbxml, octets.len(), look));
    }
    // Both are documents with the code pages of SyncML; only the root differs.
    if let Ok(tree) = Tree::from_wbxml(octets) {
        return Ok(standing_tree(&tree, Encoding::Wbxml, octets.len(), look));
    }
    message(octets, Encoding::Wbxml, look)
}

fn message(octets: &[u8], encoding: Encoding, look: Look<'_>) -> Result<Packet, Problem> {
    let (mut message, problem) = match encoding.read(octets, &limits()) {
        Ok(message) => (message, None),
        Err(error) => {
            let problem = Problem::of(&anyhow::Error::new(error), octets);
            match encoding.salvage(octets, &limits()) {
                Some(salvaged) => (salvaged.message, Some(problem)),
                None => return outline(octets, encoding, problem, look),
            }
        }
    };
    mask::prepare(&mut message, look.show_secrets);
    let message = Box::new(message);
    Ok(Packet::Message(Whole { encoding, octets: octets.len(), message, problem }))
}

/// The elements of what is no message: its header is not whole, or missing.
fn outline(
    octets: &[u8],
    encoding: Encoding,
    problem: Problem,
    look: Look<'_>,
) -> Result<Packet, Problem> {
    let root = encoding.outline(octets, &limits()).filter(|root| root.name == "SyncML");
    let Some(root) = root else { return Err(problem) };
    let title = format!(
        "elements of a SyncML message, {}, {}",
        encoding_name(encoding),
        words::count(octets.len(), "octet")
    );
    let mut lines = String::new();
    let mut left = MOST_LINES;
    elements(&root, 0, look, &mut left, &mut lines).expect("a string takes everything");
    if left == 0 {
        lines.push_str("  …\n");
    }
    let json = lines.lines().collect();
    Ok(Packet::Layer(
        Layer::new("elements", title).body(lines, "lines", json).broken(Some(problem)),
    ))
}

/// The most lines of elements; what is nested for its own sake says no more after that.
const MOST_LINES: usize = 100;

/// An element a line; what may be a secret is hidden.
fn elements(
    one: &Element,
    indent: usize,
    look: Look<'_>,
    left: &mut usize,
    out: &mut String,
) -> std::fmt::Result {
    if *left == 0 {
        return Ok(());
    }
    *left -= 1;
    write!(out, "{:indent$}{}", "", words::plain(&one.name))?;
    let secret = !look.show_secrets && ["Data", "NextNonce", "Value"].contains(&one.name.as_str());
    for content in &one.content {
        match content {
            Content::Text(_) | Content::Opaque(_) if secret => write!(out, " {}", mask::HIDDEN)?,
            Content::Text(text) => write!(out, " {}", words::quoted(text))?,
            Content::Opaque(octets) => write!(out, " {}", words::octets(octets))?,
            Content::Element(_) => {}
        }
    }
    writeln!(out)?;
    one.content.iter().try_for_each(|content| match content {
        Content::Element(inner) => elements(inner, indent + 2, look, left, out),
        Content::Text(_) | Content::Opaque(_) => Ok(()),
    })
}

/// A management tree that is no part of a message.
fn standing_tree(tree: &Tree, encoding: Encoding, octets: usize, look: Look<'_>) -> Packet {
    let mut element = tree.to_element();
    if !look.show_secrets {
        tree::mask(&mut element, &mask::is_secret, mask::HIDDEN);
    }
    let mut lines = String::new();
    tree::write(&element, 2, &mut lines).expect("a string takes everything");
    let title = format!(
        "management tree (TNDS), {}, {}",
        encoding_name(encoding),
        words::count(octets, "octet")
    );
    let mut layer = Layer::new("tree", title)
        .said("version", &tree.version)
        .maybe("maker", tree.manufacturer.as_deref())
        .maybe("model", tree.model.as_deref())
        .body(lines, "nodes", tree::json(&element));
    layer.xml = Some(tree::xml(&element));
    Packet::Layer(layer)
}
