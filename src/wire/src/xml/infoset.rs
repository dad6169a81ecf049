//! What an XML document says, apart from how it is written: names in their namespaces, attributes in no order, text.
//!
//! Prefixes, comments, the spelling of characters, empty-element tags and text of white space alone make no difference.

use super::read::read_element;
use crate::{
    encoding::{Limits, ReadError},
    message::{Content, Element},
};

/// The infoset of an element; two documents are the same when theirs are equal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Infoset<'a> {
    name: &'a str,
    namespace: Option<&'a str>,
    /// Namespace, name, value; sorted.
    attributes: Vec<(Option<&'a str>, &'a str, &'a str)>,
    content: Vec<Part<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Element(Infoset<'a>),
    Text(&'a str),
    Octets(&'a [u8]),
}

/// A parsed document.
#[derive(Debug)]
pub(crate) struct Parsed(Element);

/// Parses a document that is a value of a node.
pub(crate) fn parse(text: &str) -> Result<Parsed, ReadError> {
    read_element(text, &Limits::default()).map(Parsed)
}

impl Parsed {
    pub(crate) fn infoset(&self) -> Infoset<'_> {
        Infoset::of(&self.0)
    }
}

impl<'a> Infoset<'a> {
    pub(crate) fn of(element: &'a Element) -> Self {
        let mut attributes: Vec<_> = element
            .attributes
            .iter()
            .filter(|(name, _)| !name.starts_with("xmlns:"))
            .map(|(name, value)| match name.split_once(':') {
                Some((prefix, local)) => {
                    (Some(namespace_of(element, prefix)), local, value.as_str())
                }
                None => (None, name.as_str(), value.as_str()),
            })
            .collect();
        attributes.sort_unstable();
        let content = element
            .content
            .iter()
            .filter_map(|content| match content {
                Content::Element(element) => Some(Part::Element(Self::of(element))),
                Content::Text(text) if text.trim().is_empty() => None,
                Content::Text(text) => Some(Part::Text(text)),
                Content::Opaque(octets) => Some(Part::Octets(octets)),
            })
            .collect();
        Self { name: &element.name, namespace: element.namespace.as_deref(), attributes, content }
    }
}

/// The namespace of a prefix; the reader puts the declarations of used prefixes behind the attributes.
fn namespace_of<'a>(element: &'a Element, prefix: &'a str) -> &'a str {
    let declared = |name: &str| name.strip_prefix("xmlns:") == Some(prefix);
    let declaration = element.attributes.iter().find(|(name, _)| declared(name));
    declaration.map_or(prefix, |(_, namespace)| namespace)
}
