//! XML text to events.
//!
//! The parser below is quick-xml's, which knows no entities beyond the five of XML and fetches nothing. What it leaves
//! open is decided here: character sets by declaration, a document type only without declarations of its own, control
//! characters refused, namespaces by hand (three matter, and prefixes are rare), and limits on everything.
//!
//! Names are taken by their local part, so that clients without namespaces, or with prefixes on everything, are
//! understood too; a namespace only decides what a plain [`Element`] is said to be.

use super::text::{check_characters, decode};
use crate::{
    assemble::{Assembler, Event, Source},
    encoding::{Limits, ReadError},
    message::{Element, Message},
    salvage::{self, Salvaged},
    tag::{DMDDF_NAMESPACE, METINF_NAMESPACE, Tag},
};
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event as Xml, attributes::Attribute},
    name::QName,
};
use std::borrow::Cow;

/// Reads a message.
pub fn read(octets: &[u8], limits: &Limits) -> Result<Message, ReadError> {
    check_length(octets, limits)?;
    let text = decode(octets)?;
    let mut source = Document::new(&text, limits)?;
    let message = Assembler::new(&mut source).message()?;
    source.finish()?;
    Ok(message)
}

/// Reads up to the first fault.
pub(crate) fn salvage(octets: &[u8], limits: &Limits) -> Option<Salvaged> {
    check_length(octets, limits).ok()?;
    let text = decode(octets).ok()?;
    match Document::new(&text, limits) {
        Ok(mut source) => salvage::message(&mut source),
        // Characters are checked before anything is read; what stands before the wrong one can be read by itself.
        Err(error @ ReadError::Character { at }) => {
            let mut source = Document::new(text.get(..at)?, limits).ok()?;
            Some(Salvaged { error, ..salvage::message(&mut source)? })
        }
        Err(_) => None,
    }
}

/// Reads the elements up to the first fault.
pub(crate) fn outline(octets: &[u8], limits: &Limits) -> Option<Element> {
    check_length(octets, limits).ok()?;
    let text = decode(octets).ok()?;
    let end = match Document::new(&text, limits) {
        Err(ReadError::Character { at }) => at,
        _ => text.len(),
    };
    salvage::element(&mut Document::new(text.get(..end)?, limits).ok()?)
}

/// Reads any document, such as a value in XML.
pub(crate) fn read_element(text: &str, limits: &Limits) -> Result<Element, ReadError> {
    check_length(text.as_bytes(), limits)?;
    let text = decode(text.as_bytes())?;
    let mut source = Document::new(&text, limits)?;
    let Event::Open(_) = source.next()? else { return Err(ReadError::Root) };
    let element = Assembler::new(&mut source).element()?;
    source.finish()?;
    Ok(element)
}

fn check_length(octets: &[u8], limits: &Limits) -> Result<(), ReadError> {
    if octets.len() > limits.octets {
        return Err(ReadError::TooLong { octets: octets.len(), limit: limits.octets });
    }
    Ok(())
}

/// On one element. Each is compared with all before it, so that many would take long; the richest seen has eight.
const MOST_ATTRIBUTES: usize = 64;

/// Of namespaces, in force at a time. Prefixes are looked up among all of them.
const MOST_DECLARATIONS: usize = 256;

struct Document<'a> {
    reader: Reader<&'a [u8]>,
    limits: Limits,
    /// Elements open now.
    depth: usize,
    /// Elements and attributes so far.
    elements: usize,
    /// The element opened last.
    start: BytesStart<'a>,
    /// That element has no content and closes at once.
    closes: bool,
    /// Namespace declarations in force.
    scopes: Vec<Scope>,
    /// Descriptions of trees (`syncml:dmddf1.2`) occur.
    described: bool,
    /// The namespace that goes without saying: of the root element, if that is a message.
    namespace: Option<Cow<'static, str>>,
    unusual: Unusual,
}

/// What occurs in a document and seldom does, so that the others need not be searched for it.
#[derive(Debug, Clone, Copy)]
struct Unusual {
    /// Carriage returns: line ends must be made the same.
    returns: bool,
    /// Zero octets, each at the end of something.
    zeros: bool,
}

/// `xmlns` or `xmlns:prefix`, for an element and what it contains.
struct Scope {
    depth: usize,
    prefix: Box<str>,
    /// Empty: no namespace.
    namespace: Cow<'static, str>,
}

impl<'a> Document<'a> {
    fn new(text: &'a str, limits: &Limits) -> Result<Self, ReadError> {
        let zeros = check_characters(text)?;
        Ok(Self {
            reader: Reader::from_str(text),
            // The model nests as deep as the document; that must not depend on a setting alone.
            limits: Limits { depth: limits.depth.min(256), ..*limits },
            depth: 0,
            elements: 0,
            start: BytesStart::new(""),
            closes: false,
            scopes: Vec::new(),
            described: false,
            namespace: None,
            unusual: Unusual { returns: text.contains('\r'), zeros },
        })
    }

    /// Checks that nothing but white space and comments follows the root element.
    fn finish(&mut self) -> Result<(), ReadError> {
        loop {
            match self.parse()? {
                Xml::Eof => return Ok(()),
                Xml::Text(text) if text.trim_ascii().is_empty() => {}
                Xml::Comment(_) | Xml::PI(_) => {}
                _ => return Err(ReadError::Outside { at: self.at() }),
            }
        }
    }

    fn parse(&mut self) -> Result<Xml<'a>, ReadError> {
        self.reader.read_event().map_err(|source| ReadError::Xml { at: self.at(), source })
    }

    fn open(&mut self, start: BytesStart<'a>, closes: bool) -> Result<Event<'a>, ReadError> {
        let at = self.at();
        if self.depth == 0 && self.elements > 0 {
            return Err(ReadError::Outside { at });
        }
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(ReadError::TooDeep { at, limit: self.limits.depth });
        }
        let root = self.elements == 0;
        self.count()?;
        match start.attributes_raw() {
            "" => {}
            // By far the commonest: what every child of Meta carries.
            r#" xmlns="syncml:metinf""# => self.declare("", Cow::Borrowed(METINF_NAMESPACE)),
            _ => self.declare_all(&start)?,
        }
        let named = Tag::named(start.local_name().into_inner());
        // A description of a tree has elements of the same names, which are no commands.
        let tag = named.filter(|_| !self.described || !self.is_description(&start));
        if root && tag == Some(Tag::SYNC_ML) {
            let (prefix, _local) = split(start.name());
            self.namespace = self.lookup(prefix).cloned();
        }
        self.start = start;
        self.closes = closes;
        Ok(Event::Open(tag))
    }

    fn count(&mut self) -> Result<(), ReadError> {
        self.elements += 1;
        if self.elements > self.limits.elements {
            return Err(ReadError::TooMany { at: self.at(), limit: self.limits.elements });
        }
        Ok(())
    }

    fn is_description(&self, start: &BytesStart<'_>) -> bool {
        let (prefix, _local) = split(start.name());
        self.lookup(prefix).is_some_and(|namespace| namespace == DMDDF_NAMESPACE)
    }

    fn declare_all(&mut self, start: &BytesStart<'a>) -> Result<(), ReadError> {
        for (number, attribute) in start.attributes().enumerate() {
            if number == MOST_ATTRIBUTES {
                return Err(ReadError::TooMany { at: self.at(), limit: MOST_ATTRIBUTES });
            }
            let attribute =
                attribute.map_err(|source| ReadError::Attribute { at: self.at(), source })?;
            self.count()?;
            if let Some(prefix) = declared_prefix(attribute.key.into_inner()) {
                let namespace = self.value(&attribute)?;
                if self.scopes.len() == MOST_DECLARATIONS {
                    return Err(ReadError::TooMany { at: self.at(), limit: MOST_DECLARATIONS });
                }
                self.described |= namespace == DMDDF_NAMESPACE;
                self.declare(prefix, Cow::Owned(namespace));
            }
        }
        Ok(())
    }

    fn declare(&mut self, prefix: &str, namespace: Cow<'static, str>) {
        self.scopes.push(Scope { depth: self.depth, prefix: prefix.into(), namespace });
    }

    fn close(&mut self) -> Event<'a> {
        while self.scopes.pop_if(|scope| scope.depth >= self.depth).is_some() {}
        self.depth = self.depth.saturating_sub(1);
        Event::Close
    }

    /// The namespace of a prefix here; the empty prefix asks for the default one.
    fn lookup(&self, prefix: &str) -> Option<&Cow<'static, str>> {
        let scope = self.scopes.iter().rev().find(|scope| *scope.prefix == *prefix)?;
        (!scope.namespace.is_empty()).then_some(&scope.namespace)
    }

    fn value(&self, attribute: &Attribute<'_>) -> Result<String, ReadError> {
        let at = self.at();
        let value = attribute
            .normalized_value(XmlVersion::Explicit1_0)
            .map_err(|source| ReadError::Xml { at, source })?;
        if value
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{7F}'..='\u{9F}'))
        {
            return Err(ReadError::Character { at });
        }
        Ok(value.into_owned())
    }

    fn text(&self, text: Cow<'a, str>) -> Result<Event<'a>, ReadError> {
        if self.depth == 0 && !text.trim_ascii().is_empty() {
            return Err(ReadError::Outside { at: self.at() });
        }
        if self.unusual.zeros && text.trim_end_matches('\0').contains('\0') {
            return Err(ReadError::Character { at: self.at() });
        }
        Ok(Event::Text(text))
    }
}

impl<'a> Source<'a> for Document<'a> {
    fn next(&mut self) -> Result<Event<'a>, ReadError> {
        if std::mem::take(&mut self.closes) {
            return Ok(self.close());
        }
        loop {
            match self.parse()? {
                Xml::Start(start) => return self.open(start, false),
                Xml::Empty(start) => return self.open(start, true),
                Xml::End(_) => return Ok(self.close()),
                Xml::Text(text) if self.depth == 0 && text.trim_ascii().is_empty() => {}
                Xml::Text(text) if self.unusual.returns => return self.text(text.xml10_content()),
                Xml::Text(text) => return self.text(text.into_inner()),
                Xml::CData(text) if self.unusual.returns => return self.text(text.xml10_content()),
                Xml::CData(text) => return self.text(text.into_inner()),
                Xml::GeneralRef(reference) => {
                    let text =
                        referred(&reference).ok_or_else(|| ReadError::Entity { at: self.at() })?;
                    return self.text(text);
                }
                Xml::DocType(declaration) if declaration.contains('[') => {
                    return Err(ReadError::Declarations { at: self.at() });
                }
                Xml::Comment(_) | Xml::Decl(_) | Xml::PI(_) | Xml::DocType(_) => {}
                Xml::Eof => return Err(ReadError::Truncated),
            }
        }
    }

    fn opened(&self) -> Result<Element, ReadError> {
        let (prefix, local) = split(self.start.name());
        if !is_name(local) {
            return Err(ReadError::Character { at: self.at() });
        }
        let namespace = self.lookup(prefix).filter(|&namespace| {
            // The message's own namespace goes without saying, whatever its version.
            Some(namespace) != self.namespace.as_ref() && !namespace.starts_with("SYNCML:")
        });
        Ok(Element {
            name: local.to_owned(),
            namespace: namespace.map(|namespace| namespace.clone().into_owned()),
            attributes: self.attributes()?,
            content: Vec::new(),
        })
    }

    /// The attributes as written, and after them the declarations of the prefixes that they use.
    fn attributes(&self) -> Result<Vec<(String, String)>, ReadError> {
        let mut attributes: Vec<(String, String)> = Vec::new();
        let mut declarations: Vec<(String, String)> = Vec::new();
        if self.start.attributes_raw().is_empty() {
            return Ok(attributes);
        }
        for attribute in self.start.attributes() {
            let attribute =
                attribute.map_err(|source| ReadError::Attribute { at: self.at(), source })?;
            let name = attribute.key.into_inner();
            if declared_prefix(name).is_some() {
                continue;
            }
            if !name.split(':').all(is_name) {
                return Err(ReadError::Character { at: self.at() });
            }
            let (prefix, _local) = split(attribute.key);
            if let Some(namespace) = self.lookup(prefix).filter(|_| !prefix.is_empty()) {
                let declaration = format!("xmlns:{prefix}");
                if declarations.iter().all(|(name, _)| *name != declaration) {
                    declarations.push((declaration, namespace.clone().into_owned()));
                }
            }
            attributes.push((name.to_owned(), self.value(&attribute)?));
        }
        attributes.append(&mut declarations);
        Ok(attributes)
    }

    fn at(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }
}

/// The prefix that an attribute of this name declares; empty for the default namespace.
fn declared_prefix(name: &str) -> Option<&str> {
    match name.strip_prefix("xmlns")? {
        "" => Some(""),
        rest => rest.strip_prefix(':'),
    }
}

fn split(name: QName<'_>) -> (&str, &str) {
    name.into_inner().split_once(':').unwrap_or_else(|| ("", name.into_inner()))
}

/// Whether a text may name an element or, without its prefix, an attribute.
pub(super) fn is_name(name: &str) -> bool {
    let begins = |c: char| c.is_alphabetic() || c == '_' || !c.is_ascii();
    let goes_on = |c: char| begins(c) || c.is_ascii_digit() || matches!(c, '-' | '.');
    name.starts_with(begins) && name.chars().all(goes_on)
}

/// What a reference stands for: one of the five entities of XML, or a character that XML allows.
fn referred(reference: &str) -> Option<Cow<'static, str>> {
    Some(Cow::Borrowed(match reference {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => {
            let number = reference.strip_prefix('#')?;
            let (radix, digits) =
                number.strip_prefix('x').map_or((10, number), |digits| (16, digits));
            if !digits.chars().all(|digit| digit.is_digit(radix)) {
                return None;
            }
            let code = u32::from_str_radix(digits, radix).ok()?;
            let character = char::from_u32(code)?;
            let allowed = !matches!(character, '\0'..'\t' | '\u{B}' | '\u{C}' | '\u{E}'..' ' | '\u{FFFE}' | '\u{FFFF}');
            return allowed.then(|| Cow::Owned(character.to_string()));
        }
    }))
}
