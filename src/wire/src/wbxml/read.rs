//! WBXML octets to events.
//!
//! Any version 1.x, any public identifier (the root element decides), string tables whether or not their last entry is
//! terminated, text in every form, literal tags. Attributes and processing instructions are read over, as SyncML has
//! none; an element whose token no table names is read over too. A management tree that comes as a WBXML document
//! inside `Data` is opened, so that it is the same in both encodings. What follows the root element is ignored.

use super::{global, zero};
use crate::{
    assemble::{Assembler, Child, Event, Source},
    encoding::{Limits, ReadError},
    message::{Element, Message},
    salvage::{self, Salvaged},
    tag::{DMDDF, DMDDF_NAMESPACE, METINF, METINF_NAMESPACE, MGMT_TREE, Tag},
};
use std::{borrow::Cow, ffi::CStr};

/// Reads a message.
pub fn read(octets: &[u8], limits: &Limits) -> Result<Message, ReadError> {
    if octets.len() > limits.octets {
        return Err(ReadError::TooLong { octets: octets.len(), limit: limits.octets });
    }
    // The model nests as deep as the document; that must not depend on a setting alone.
    let limits = Limits { depth: limits.depth.min(256), ..*limits };
    let mut source = Document::new(octets, limits)?;
    Assembler::new(&mut source).message()
}

/// Reads up to the first fault.
pub(crate) fn salvage(octets: &[u8], limits: &Limits) -> Option<Salvaged> {
    if octets.len() > limits.octets {
        return None;
    }
    let limits = Limits { depth: limits.depth.min(256), ..*limits };
    salvage::message(&mut Document::new(octets, limits).ok()?)
}

/// Reads the elements up to the first fault.
pub(crate) fn outline(octets: &[u8], limits: &Limits) -> Option<Element> {
    if octets.len() > limits.octets {
        return None;
    }
    let limits = Limits { depth: limits.depth.min(256), ..*limits };
    salvage::element(&mut Document::new(octets, limits).ok()?)
}

/// Reads any document with the code pages of SyncML, such as a management tree by itself.
pub(crate) fn read_element(octets: &[u8], limits: &Limits) -> Result<Element, ReadError> {
    if octets.len() > limits.octets {
        return Err(ReadError::TooLong { octets: octets.len(), limit: limits.octets });
    }
    let limits = Limits { depth: limits.depth.min(256), ..*limits };
    let mut source = Document::new(octets, limits)?;
    let Event::Open(_) = source.next()? else { return Err(ReadError::Root) };
    Assembler::new(&mut source).element()
}

struct Document<'a> {
    octets: &'a [u8],
    /// The octet read next.
    at: usize,
    strings: &'a [u8],
    charset: Charset,
    /// What stands before `body`.
    head: usize,
    /// The beginning of the rest, as far as it is UTF-8 with all its tokens: usually all of it, and then no text in it
    /// needs a check of its own.
    body: &'a str,
    page: u8,
    limits: Limits,
    /// Elements open now.
    depth: usize,
    /// Elements so far.
    elements: usize,
    /// Octets of text taken from the string table so far.
    expanded: usize,
    /// The element opened last.
    opened: Name<'a>,
    /// That element has no content and closes at once.
    closes: bool,
}

#[derive(Clone, Copy)]
enum Name<'a> {
    Tag(Tag),
    Literal(&'a str),
}

#[derive(Clone, Copy, PartialEq)]
enum Charset {
    Utf8,
    Latin1,
}

impl<'a> Document<'a> {
    /// Reads the header: version, public identifier, character set, string table.
    fn new(octets: &'a [u8], limits: Limits) -> Result<Self, ReadError> {
        let mut document = Self {
            octets,
            at: 0,
            strings: &[],
            charset: Charset::Utf8,
            head: 0,
            body: "",
            page: 0,
            limits,
            depth: 0,
            elements: 0,
            expanded: 0,
            opened: Name::Literal(""),
            closes: false,
        };
        // The upper half holds the major version minus one.
        let version = document.octet()?;
        if version > 0x0F {
            return Err(ReadError::Version(version));
        }
        if document.number()? == 0 {
            // The identifier stands in the string table; its spelling varies, and nothing hangs on it.
            document.number()?;
        }
        document.charset = match document.number()? {
            // Unknown (then UTF-8 by DM's rule), US-ASCII, UTF-8.
            0 | 3 | 106 => Charset::Utf8,
            4 => Charset::Latin1,
            _ => return Err(ReadError::Charset),
        };
        let at = document.at;
        let length = document.length()?;
        if length > document.limits.string_table {
            return Err(ReadError::Length { at, octets: length });
        }
        document.strings = document.take(length)?;
        document.head = document.at;
        let body = octets.get(document.at..).unwrap_or_default();
        document.body = match std::str::from_utf8(body) {
            Ok(text) => text,
            Err(no_text) => body
                .get(..no_text.valid_up_to())
                .and_then(|valid| std::str::from_utf8(valid).ok())
                .unwrap_or_default(),
        };
        if document.charset == Charset::Latin1 && !document.body.is_ascii() {
            document.body = "";
        }
        Ok(document)
    }

    fn octet(&mut self) -> Result<u8, ReadError> {
        let Some(&octet) = self.octets.get(self.at) else { return Err(ReadError::Truncated) };
        self.at += 1;
        Ok(octet)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ReadError> {
        let end = self.at.checked_add(length);
        let Some(taken) = end.and_then(|end| self.octets.get(self.at..end)) else {
            return Err(ReadError::Length { at: self.at, octets: length });
        };
        self.at += length;
        Ok(taken)
    }

    /// `mb_u_int32`: seven bits an octet, at most five octets and 32 bits.
    fn number(&mut self) -> Result<u32, ReadError> {
        let at = self.at;
        let mut number = 0u64;
        for _ in 0..5 {
            let octet = self.octet()?;
            number = number << 7 | u64::from(octet & 0x7F);
            if octet & 0x80 == 0 {
                return u32::try_from(number).map_err(|_too_large| ReadError::Number { at });
            }
        }
        Err(ReadError::Number { at })
    }

    fn length(&mut self) -> Result<usize, ReadError> {
        let at = self.at;
        usize::try_from(self.number()?).map_err(|_too_large| ReadError::Number { at })
    }

    fn inline_string(&mut self) -> Result<&'a [u8], ReadError> {
        let rest = self.octets.get(self.at..).unwrap_or_default();
        let string = CStr::from_bytes_until_nul(rest)
            .map_err(|_unterminated| ReadError::Truncated)?
            .to_bytes();
        self.at += string.len() + 1;
        Ok(string)
    }

    /// The string at an offset of the table, up to its end: many times the octets of the reference, so they are counted.
    fn table_string(&mut self) -> Result<&'a [u8], ReadError> {
        let at = self.at;
        let offset = self.length()?;
        let rest = self
            .strings
            .get(offset..)
            .filter(|rest| !rest.is_empty())
            .ok_or(ReadError::StringTable { at })?;
        let string = CStr::from_bytes_until_nul(rest).map_or(rest, CStr::to_bytes);
        self.expanded += string.len();
        if self.expanded > self.limits.octets {
            return Err(ReadError::TooMuchText { at, limit: self.limits.octets });
        }
        Ok(string)
    }

    fn text(&self, octets: &'a [u8]) -> Result<Cow<'a, str>, ReadError> {
        match std::str::from_utf8(octets) {
            _ if self.charset == Charset::Latin1 => {
                Ok(octets.iter().copied().map(char::from).collect::<String>().into())
            }
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(_no_text) => Err(ReadError::Text { at: self.at }),
        }
    }

    /// Opens an element; none when no table names its token, and it was read over.
    fn open(&mut self, octet: u8) -> Result<Child, ReadError> {
        let at = self.at;
        let token = octet & global::TOKEN;
        let name = if token == global::LITERAL {
            let name = self.table_string()?;
            if name.is_empty() {
                return Err(ReadError::StringTable { at });
            }
            Some(Name::Literal(
                std::str::from_utf8(name).map_err(|_no_text| ReadError::Text { at })?,
            ))
        } else {
            Tag::of_token(self.page, token).map(Name::Tag)
        };
        if octet & global::ATTRIBUTES != 0 {
            self.skip_attributes()?;
        }
        self.enter(at, octet)?;
        let Some(name) = name else {
            self.skip_element()?;
            return Ok(Child::None);
        };
        self.opened = name;
        Ok(Child::Element(match name {
            Name::Tag(tag) => Some(tag),
            Name::Literal(name) => Tag::named(name),
        }))
    }

    /// Counts an element.
    #[inline]
    fn enter(&mut self, at: usize, octet: u8) -> Result<(), ReadError> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(ReadError::TooDeep { at, limit: self.limits.depth });
        }
        self.elements += 1;
        if self.elements > self.limits.elements {
            return Err(ReadError::TooMany { at, limit: self.limits.elements });
        }
        self.closes = octet & global::CONTENT == 0;
        Ok(())
    }

    /// Reads to the end of the element just opened.
    fn skip_element(&mut self) -> Result<(), ReadError> {
        let outside = self.depth - 1;
        while self.depth > outside {
            self.next()?;
        }
        Ok(())
    }

    /// Reads over an attribute list: names and values are single octets, except for the global tokens.
    fn skip_attributes(&mut self) -> Result<(), ReadError> {
        loop {
            let at = self.at;
            match self.octet()? {
                global::END => return Ok(()),
                global::SWITCH_PAGE => drop(self.octet()?),
                global::STR_I => drop(self.inline_string()?),
                global::ENTITY | global::STR_T | global::LITERAL => drop(self.number()?),
                global::OPAQUE => {
                    let length = self.length()?;
                    self.take(length)?;
                }
                token if is_extension(token) => return Err(ReadError::Token { at, token }),
                _ => {}
            }
        }
    }
}

/// Tokens kept for documents with a meaning of their own; SyncML gives them none.
const fn is_extension(token: u8) -> bool {
    matches!(token, 0x40..=0x42 | 0x80..=0x82 | 0xC0..=0xC2)
}

impl<'a> Source<'a> for Document<'a> {
    fn next(&mut self) -> Result<Event<'a>, ReadError> {
        if std::mem::take(&mut self.closes) {
            self.depth -= 1;
            return Ok(Event::Close);
        }
        loop {
            let at = self.at;
            let octet = self.octet()?;
            match octet {
                global::SWITCH_PAGE => {
                    let page = self.octet()?;
                    if page > DMDDF {
                        return Err(ReadError::Page { at, page });
                    }
                    self.page = page;
                }
                global::PI => self.skip_attributes()?,
                // Everything else stands inside the root element.
                global::END | global::ENTITY | global::STR_I | global::STR_T | global::OPAQUE
                    if self.depth == 0 =>
                {
                    return Err(ReadError::Token { at, token: octet });
                }
                global::END => {
                    self.depth -= 1;
                    return Ok(Event::Close);
                }
                global::ENTITY => {
                    let character =
                        char::from_u32(self.number()?).ok_or(ReadError::Entity { at })?;
                    return Ok(Event::Text(Cow::Owned(character.to_string())));
                }
                global::STR_I => {
                    let string = self.inline_string()?;
                    return self.text(string).map(Event::Text);
                }
                global::STR_T => {
                    let string = self.table_string()?;
                    return self.text(string).map(Event::Text);
                }
                global::OPAQUE => {
                    let length = self.length()?;
                    return self.take(length).map(Event::Octets);
                }
                token if is_extension(token) => return Err(ReadError::Token { at, token }),
                tag => {
                    if let Child::Element(tag) = self.open(tag)? {
                        return Ok(Event::Open(tag));
                    }
                }
            }
        }
    }

    #[expect(clippy::inline_always, reason = "a tenth of the time that reading takes")]
    #[inline(always)]
    fn child(&mut self) -> Result<Child, Box<ReadError>> {
        if std::mem::take(&mut self.closes) {
            self.depth -= 1;
            return Ok(Child::None);
        }
        loop {
            match self.octets.get(self.at) {
                Some(&global::END) if self.depth > 0 => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(Child::None);
                }
                Some(&global::SWITCH_PAGE)
                    if let Some(&page @ ..=DMDDF) = self.octets.get(self.at + 1) =>
                {
                    self.at += 2;
                    self.page = page;
                }
                Some(&octet @ (0x05..=0x3F | 0x45..=0x7F))
                    if let Some(tag) = Tag::of_token(self.page, octet & global::TOKEN) =>
                {
                    self.enter(self.at, octet)?;
                    self.at += 1;
                    self.opened = Name::Tag(tag);
                    return Ok(Child::Element(Some(tag)));
                }
                _ => match self.next()? {
                    Event::Open(tag) => return Ok(Child::Element(tag)),
                    Event::Text(_) | Event::Octets(_) => {}
                    Event::Close => return Ok(Child::None),
                },
            }
        }
    }

    #[expect(clippy::inline_always, reason = "a tenth of the time that reading takes")]
    #[inline(always)]
    fn plain(&mut self) -> Option<&'a str> {
        if std::mem::take(&mut self.closes) {
            self.depth -= 1;
            return Some("");
        }
        let (&global::STR_I, rest) = self.octets.get(self.at..)?.split_first()? else {
            return None;
        };
        let length = zero(rest)?;
        if rest.get(length + 1) != Some(&global::END) {
            return None;
        }
        let start = self.at + 1 - self.head;
        let text = self.body.get(start..start + length)?;
        self.at += length + 3;
        self.depth -= 1;
        Some(text)
    }

    fn opened(&self) -> Result<Element, ReadError> {
        let (name, page) = match self.opened {
            Name::Tag(tag) => (tag.name(), tag.page()),
            Name::Literal(name) => (name, 0),
        };
        let namespace = match page {
            METINF => Some(METINF_NAMESPACE),
            DMDDF => Some(DMDDF_NAMESPACE),
            _ => None,
        };
        Ok(Element {
            name: name.to_owned(),
            namespace: namespace.map(str::to_owned),
            ..Element::default()
        })
    }

    /// They are read over: SyncML has none, and the one phone that sends any declares its namespace with it.
    fn attributes(&self) -> Result<Vec<(String, String)>, ReadError> {
        Ok(Vec::new())
    }

    fn at(&self) -> usize {
        self.at
    }

    /// Octets that hold anything else stay what they are: `None`.
    fn nested_tree(&mut self, octets: &[u8]) -> Option<Element> {
        let limits = Limits {
            depth: self.limits.depth.saturating_sub(self.depth),
            elements: self.limits.elements.saturating_sub(self.elements),
            octets: self.limits.octets.saturating_sub(self.expanded),
            ..self.limits
        };
        let mut document = Document::new(octets, limits).ok()?;
        let tree = match document.next() {
            Ok(Event::Open(Some(MGMT_TREE))) => Assembler::new(&mut document).element().ok(),
            _ => None,
        };
        self.elements += document.elements;
        self.expanded += document.expanded;
        tree
    }
}
