//! A provisioning document from WBXML octets: elements with attributes, whose names and values are tokens of their own.
//!
//! `SWITCH_PAGE` inside an attribute list changes the page of attributes, elsewhere that of elements. Nothing is
//! allocated on the word of a length.

use super::{provisioning::ProvisioningError, tokens};
use crate::{
    encoding::{Limits, ReadError},
    message::{Content, Element},
};
use std::ffi::CStr;

const SWITCH_PAGE: u8 = 0x00;
const END: u8 = 0x01;
const ENTITY: u8 = 0x02;
const STR_I: u8 = 0x03;
const STR_T: u8 = 0x83;
const OPAQUE: u8 = 0xC3;
const CONTENT: u8 = 0x40;
const ATTRIBUTES: u8 = 0x80;
/// The last code page of PROV 1.1.
const LAST_PAGE: u8 = 1;

/// PROV 1.0 and 1.1.
const PUBLIC_ID: u32 = 0x0B;

/// The root element of the document.
pub(super) fn element(octets: &[u8], limits: &Limits) -> Result<Element, ProvisioningError> {
    if octets.len() > limits.octets {
        let error = ReadError::TooLong { octets: octets.len(), limit: limits.octets };
        return Err(error.into());
    }
    let mut reader = Reader {
        octets,
        at: 0,
        strings: &[],
        latin: false,
        tags: 0,
        attributes: 0,
        elements: 0,
        text: 0,
        limits,
    };
    reader.header()?;
    let tag = reader.tag()?;
    reader.element(tag, 1)
}

struct Reader<'a> {
    octets: &'a [u8],
    /// The octet read next.
    at: usize,
    strings: &'a [u8],
    /// ISO-8859-1.
    latin: bool,
    /// The code page of elements.
    tags: u8,
    /// The code page of attributes.
    attributes: u8,
    /// Elements and attributes so far.
    elements: usize,
    /// Octets of text so far: a string table multiplies them.
    text: usize,
    limits: &'a Limits,
}

impl<'a> Reader<'a> {
    fn header(&mut self) -> Result<(), ProvisioningError> {
        let version = self.octet()?;
        if version > 0x0F {
            return Err(ReadError::Version(version).into());
        }
        match self.number()? {
            // Named in the string table; the root element decides.
            0 => drop(self.number()?),
            PUBLIC_ID | 1 => {}
            other => return Err(ProvisioningError::PublicId(other)),
        }
        self.latin = match self.number()? {
            0 | 3 | 106 => false,
            4 => true,
            _ => return Err(ReadError::Charset.into()),
        };
        let length = self.length()?;
        if length > self.limits.string_table {
            return Err(ReadError::Length { at: self.at, octets: length }.into());
        }
        self.strings = self.take(length)?;
        Ok(())
    }

    /// The next tag, pages switched on the way.
    fn tag(&mut self) -> Result<u8, ProvisioningError> {
        loop {
            match self.octet()? {
                SWITCH_PAGE => self.tags = self.page()?,
                tag => return Ok(tag),
            }
        }
    }

    fn page(&mut self) -> Result<u8, ProvisioningError> {
        let at = self.at;
        let page = self.octet()?;
        if page > LAST_PAGE {
            return Err(ProvisioningError::Page { at, page });
        }
        Ok(page)
    }

    fn element(&mut self, tag: u8, depth: usize) -> Result<Element, ProvisioningError> {
        let at = self.at.saturating_sub(1);
        if depth > self.limits.depth {
            return Err(ReadError::TooDeep { at, limit: self.limits.depth }.into());
        }
        self.count()?;
        let token = tag & 0x3F;
        let known = tokens::ELEMENTS.iter().find(|(found, _)| *found == token);
        let (_, name) = known.ok_or(ReadError::Token { at, token })?;
        let mut element = Element { name: (*name).to_owned(), ..Element::default() };
        if tag & ATTRIBUTES != 0 {
            element.attributes = self.attributes()?;
        }
        if tag & CONTENT != 0 {
            loop {
                match self.tag()? {
                    END => break,
                    // These documents say everything in attributes.
                    STR_I => drop(self.inline()?),
                    STR_T | ENTITY => drop(self.number()?),
                    OPAQUE => {
                        let length = self.length()?;
                        self.take(length)?;
                    }
                    tag => {
                        element.content.push(Content::Element(self.element(tag, depth + 1)?));
                    }
                }
            }
        }
        Ok(element)
    }

    fn attributes(&mut self) -> Result<Vec<(String, String)>, ProvisioningError> {
        let mut attributes: Vec<(String, String)> = Vec::new();
        loop {
            let at = self.at;
            let token = self.octet()?;
            let text = match token {
                END => return Ok(attributes),
                SWITCH_PAGE => {
                    self.attributes = self.page()?;
                    continue;
                }
                STR_I => {
                    let octets = self.inline()?;
                    self.decode(octets)?
                }
                STR_T => self.referred()?,
                ENTITY => {
                    let character = char::from_u32(self.number()?);
                    character.ok_or(ReadError::Entity { at })?.to_string()
                }
                OPAQUE => {
                    let length = self.length()?;
                    let octets = self.take(length)?;
                    self.decode(octets)?
                }
                0x80.. => {
                    let value = tokens::value(self.attributes, token);
                    value.ok_or(ReadError::Token { at, token })?.to_owned()
                }
                _ => {
                    let (name, value) = tokens::attribute(self.attributes, token)
                        .ok_or(ReadError::Token { at, token })?;
                    self.count()?;
                    attributes.push((name.to_owned(), value.to_owned()));
                    continue;
                }
            };
            self.text += text.len();
            if self.text > self.limits.octets {
                return Err(ReadError::TooMuchText { at, limit: self.limits.octets }.into());
            }
            // A piece of value before any name belongs to nothing.
            let (_, value) = attributes.last_mut().ok_or(ReadError::Token { at, token })?;
            value.push_str(&text);
        }
    }

    fn count(&mut self) -> Result<(), ReadError> {
        self.elements += 1;
        if self.elements > self.limits.elements {
            return Err(ReadError::TooMany { at: self.at, limit: self.limits.elements });
        }
        Ok(())
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

    fn inline(&mut self) -> Result<&'a [u8], ReadError> {
        let rest = self.octets.get(self.at..).unwrap_or_default();
        let string = CStr::from_bytes_until_nul(rest)
            .map_err(|_unterminated| ReadError::Truncated)?
            .to_bytes();
        self.at += string.len() + 1;
        Ok(string)
    }

    fn referred(&mut self) -> Result<String, ReadError> {
        let at = self.at;
        let offset = self.length()?;
        let rest = self.strings.get(offset..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or(ReadError::StringTable { at })?;
        self.decode(CStr::from_bytes_until_nul(rest).map_or(rest, CStr::to_bytes))
    }

    fn decode(&self, octets: &[u8]) -> Result<String, ReadError> {
        if self.latin {
            return Ok(octets.iter().copied().map(char::from).collect());
        }
        let text = std::str::from_utf8(octets);
        text.map(str::to_owned).map_err(|_no_text| ReadError::Text { at: self.at })
    }
}
