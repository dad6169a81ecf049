//! The message as WBXML, in the form that every known client takes.
//!
//! Version octet 02 (one client refuses 03), the public identifier as a number, text as `STR_I`, octets and text with
//! a zero octet as `OPAQUE`. A string table only when an element has a name that no code page holds. Attributes have
//! no token and are left out.

use super::global;
use crate::{
    compose::{self, Sink},
    encoding::WriteError,
    message::{Command, Content, Element, Message},
    tag::{DMDDF, DMDDF_NAMESPACE, METINF, METINF_NAMESPACE, SYNCML, Tag},
};

/// Writes a message.
pub fn write(message: &Message) -> Result<Vec<u8>, WriteError> {
    let public_id = if message.header.version.dtd() == "1.1" { SYNCML_1_1 } else { SYNCML_1_2 };
    let mut tokens = Tokens::with_capacity(1024);
    tokens.out.extend(header(public_id));
    tokens.out.push(0);
    tokens.open(Tag::SYNC_ML);
    compose::message(&mut tokens, message)?;
    tokens.close(Tag::SYNC_ML);
    if tokens.strings.is_empty() {
        return Ok(tokens.out);
    }
    let mut document = header(public_id).to_vec();
    push_number(&mut document, tokens.strings.len());
    document.append(&mut tokens.strings);
    document.extend(tokens.out.get(header(public_id).len() + 1..).unwrap_or_default());
    Ok(document)
}

/// The most octets that a command adds to a message: with the switch back to the page of commands after it, and its
/// part of a string table.
pub fn command_octets(command: &Command) -> Result<usize, WriteError> {
    let mut tokens = Tokens::with_capacity(256);
    compose::command(&mut tokens, command)?;
    Ok(tokens.out.len() + tokens.strings.len() + SWITCH_BACK)
}

/// `SWITCH_PAGE` and the page.
const SWITCH_BACK: usize = 2;

/// `-//SYNCML//DTD SyncML 1.1//EN`
const SYNCML_1_1: [u8; 2] = [0x9F, 0x53];
/// `-//SYNCML//DTD SyncML 1.2//EN`
const SYNCML_1_2: [u8; 2] = [0xA4, 0x01];

/// Version, public identifier and character set; the length of the string table comes next.
const fn header([high, low]: [u8; 2]) -> [u8; 4] {
    const WBXML_1_2: u8 = 0x02;
    const UTF_8: u8 = 106;
    [WBXML_1_2, high, low, UTF_8]
}

/// Plain elements in each other are not written deeper than this; it is what reading allows at most.
const DEEPEST: usize = 256;

struct Tokens {
    out: Vec<u8>,
    page: u8,
    /// The string table: names without a token.
    strings: Vec<u8>,
}

impl Tokens {
    fn with_capacity(octets: usize) -> Self {
        Self { out: Vec::with_capacity(octets), page: SYNCML, strings: Vec::new() }
    }

    /// Switches to the page of a tag.
    fn turn(&mut self, tag: Tag) {
        if tag.page() != self.page {
            self.out.extend_from_slice(&[global::SWITCH_PAGE, tag.page()]);
            self.page = tag.page();
        }
    }

    fn tag(&mut self, tag: Tag, bits: u8) {
        self.turn(tag);
        self.out.push(tag.token() | bits);
    }

    fn literal(&mut self, name: &str, bits: u8) {
        let offset = self.string_offset(name);
        self.out.push(global::LITERAL | bits);
        push_number(&mut self.out, offset);
    }

    /// Where the string table holds a name, which is added if need be.
    fn string_offset(&mut self, name: &str) -> usize {
        let mut offset = 0;
        for entry in self.strings.split_inclusive(|&octet| octet == 0) {
            if entry.strip_suffix(&[0]) == Some(name.as_bytes()) {
                return offset;
            }
            offset += entry.len();
        }
        self.strings.extend(name.as_bytes());
        self.strings.push(0);
        offset
    }

    fn element_at(&mut self, element: &Element, depth: usize) -> Result<(), WriteError> {
        if depth > DEEPEST {
            return Err(WriteError::TooDeep(DEEPEST));
        }
        if element.name.is_empty() || element.name.contains('\0') {
            return Err(WriteError::Name(element.name.clone()));
        }
        let bits = if element.content.is_empty() { 0 } else { global::CONTENT };
        match tag_of(element) {
            Some(tag) => self.tag(tag, bits),
            None => self.literal(&element.name, bits),
        }
        for content in &element.content {
            match content {
                Content::Element(element) => self.element_at(element, depth + 1)?,
                Content::Text(text) => self.text(text)?,
                Content::Opaque(octets) => self.octets(octets),
            }
        }
        if !element.content.is_empty() {
            self.out.push(global::END);
        }
        Ok(())
    }
}

/// The token of a plain element; `None` when its namespace has no page or its page no such name.
fn tag_of(element: &Element) -> Option<Tag> {
    match element.namespace.as_deref() {
        None => Tag::on_page(SYNCML, &element.name),
        Some(METINF_NAMESPACE) => Tag::on_page(METINF, &element.name),
        Some(DMDDF_NAMESPACE) => Tag::on_page(DMDDF, &element.name),
        Some(_) => None,
    }
}

fn push_number(out: &mut Vec<u8>, number: usize) {
    let mut groups = [0; 10];
    let mut rest = number;
    let mut used = 0;
    for group in groups.iter_mut().rev() {
        *group = u8::try_from(rest & 0x7F).expect("seven bits") | if used == 0 { 0 } else { 0x80 };
        rest >>= 7;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend(groups.iter().skip(groups.len() - used));
}

impl Sink for Tokens {
    fn open(&mut self, tag: Tag) {
        self.tag(tag, global::CONTENT);
    }

    fn close(&mut self, _tag: Tag) {
        self.out.push(global::END);
    }

    fn empty(&mut self, tag: Tag) {
        self.tag(tag, 0);
    }

    fn text(&mut self, text: &str) -> Result<(), WriteError> {
        if text.as_bytes().contains(&0) {
            self.octets(text.as_bytes());
        } else {
            self.out.push(global::STR_I);
            self.out.extend(text.as_bytes());
            self.out.push(0);
        }
        Ok(())
    }

    fn leaf(&mut self, tag: Tag, text: &str) -> Result<(), WriteError> {
        let octets = text.as_bytes();
        if octets.is_empty() {
            self.empty(tag);
        } else if octets.contains(&0) {
            self.open(tag);
            self.octets(octets);
            self.close(tag);
        } else {
            self.turn(tag);
            self.out.reserve(octets.len() + 4);
            self.out.extend_from_slice(&[tag.token() | global::CONTENT, global::STR_I]);
            self.out.extend_from_slice(octets);
            self.out.extend_from_slice(&[0, global::END]);
        }
        Ok(())
    }

    fn octets(&mut self, octets: &[u8]) {
        self.out.push(global::OPAQUE);
        push_number(&mut self.out, octets.len());
        self.out.extend(octets);
    }

    fn attributes(&mut self, _attributes: &[(String, String)]) -> Result<(), WriteError> {
        Ok(())
    }

    fn element(&mut self, element: &Element) -> Result<(), WriteError> {
        self.element_at(element, 0)
    }
}
