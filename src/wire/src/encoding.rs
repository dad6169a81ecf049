//! The two encodings of a message, their names in HTTP, the bounds of reading, and what can go wrong.

use crate::{
    message::{Command, Element, Message},
    salvage::Salvaged,
    wbxml, xml,
};
use serde::{Deserialize, Serialize};

/// How messages are written. A reply uses the encoding of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    Xml,
    Wbxml,
}

impl Encoding {
    /// Reads one message. What is no message, or passes a limit, is an error; what a message may contain and this
    /// library does not know is kept.
    pub fn read(self, octets: &[u8], limits: &Limits) -> Result<Message, ReadError> {
        match self {
            Self::Xml => xml::read(octets, limits),
            Self::Wbxml => wbxml::read(octets, limits),
        }
    }

    /// What can be read of a message that [`Self::read`] refuses: all before the first fault, for people. `None` when the
    /// header is not whole by then.
    pub fn salvage(self, octets: &[u8], limits: &Limits) -> Option<Salvaged> {
        match self {
            Self::Xml => xml::salvage(octets, limits),
            Self::Wbxml => wbxml::salvage(octets, limits),
        }
    }

    /// The elements of a document that is no message, up to the first fault, for people.
    pub fn outline(self, octets: &[u8], limits: &Limits) -> Option<Element> {
        match self {
            Self::Xml => xml::outline(octets, limits),
            Self::Wbxml => wbxml::outline(octets, limits),
        }
    }

    /// Writes a message, without anything before or after it: some clients put what follows into their next message.
    pub fn write(self, message: &Message) -> Result<Vec<u8>, WriteError> {
        match self {
            Self::Xml => xml::write(message),
            Self::Wbxml => wbxml::write(message),
        }
    }

    /// The most octets that `command` adds to a message.
    pub fn command_octets(self, command: &Command) -> Result<usize, WriteError> {
        match self {
            Self::Xml => xml::command_octets(command),
            Self::Wbxml => wbxml::command_octets(command),
        }
    }
}

/// What reading may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of the whole message; also of the text that a WBXML string table may expand to.
    pub octets: usize,
    /// Of elements in each other. DM alone needs about 12, a TNDS document twice the depth of its tree. Never more
    /// than 256.
    pub depth: usize,
    /// In the message; attributes count too.
    pub elements: usize,
    /// Octets of the WBXML string table.
    pub string_table: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { octets: 256 * 1024, depth: 64, elements: 20_000, string_table: 4 * 1024 }
    }
}

/// The `Content-Type` of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MediaType {
    pub encoding: Encoding,
    /// `application/vnd.syncml.dm+…`; one client writes `application/vnd.syncml+…` instead and wants it back.
    pub dm: bool,
}

impl MediaType {
    /// Reads a `Content-Type`, parameters aside; `None` when it is not of SyncML.
    pub fn parse(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let all = [Encoding::Xml, Encoding::Wbxml]
            .into_iter()
            .flat_map(|encoding| [true, false].map(|dm| Self { encoding, dm }));
        all.into_iter().find(|media_type| media_type.name().eq_ignore_ascii_case(kind))
    }

    pub const fn name(self) -> &'static str {
        match (self.encoding, self.dm) {
            (Encoding::Xml, true) => "application/vnd.syncml.dm+xml",
            (Encoding::Xml, false) => "application/vnd.syncml+xml",
            (Encoding::Wbxml, true) => "application/vnd.syncml.dm+wbxml",
            (Encoding::Wbxml, false) => "application/vnd.syncml+wbxml",
        }
    }
}

/// Why octets are no message. Positions count octets from 0; nothing of the content is repeated.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    #[error("the message has {octets} octets, more than {limit}")]
    TooLong { octets: usize, limit: usize },
    #[error("at octet {at}: elements are nested deeper than {limit}")]
    TooDeep { at: usize, limit: usize },
    #[error("at octet {at}: more than {limit} elements and attributes")]
    TooMany { at: usize, limit: usize },
    #[error("at octet {at}: the string table stands for more than {limit} octets of text")]
    TooMuchText { at: usize, limit: usize },
    #[error("the message ends in the middle")]
    Truncated,
    #[error("at octet {at}: not well-formed")]
    Xml { at: usize, source: quick_xml::Error },
    #[error("at octet {at}: not well-formed")]
    Attribute { at: usize, source: quick_xml::events::attributes::AttrError },
    #[error("at octet {at}: text or elements outside the one root element")]
    Outside { at: usize },
    #[error("at octet {at}: a document type with declarations of its own")]
    Declarations { at: usize },
    #[error("at octet {at}: an entity that XML does not define")]
    Entity { at: usize },
    #[error("at octet {at}: a character that XML does not allow")]
    Character { at: usize },
    #[error("at octet {at}: not text in the character set of the message")]
    Text { at: usize },
    #[error("the character set is not supported")]
    Charset,
    #[error("not WBXML 1.x: the first octet is {0:#04x}")]
    Version(u8),
    #[error("at octet {at}: a number of more than 32 bits")]
    Number { at: usize },
    #[error("at octet {at}: {octets} octets are announced, and less is left or allowed")]
    Length { at: usize, octets: usize },
    #[error("at octet {at}: a reference outside the string table")]
    StringTable { at: usize },
    #[error("at octet {at}: code page {page} is not of SyncML")]
    Page { at: usize, page: u8 },
    #[error("at octet {at}: token {token:#04x} has no meaning here")]
    Token { at: usize, token: u8 },
    #[error("the root element is not SyncML")]
    Root,
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("at octet {at}: {element} has an impossible value")]
    Value { at: usize, element: &'static str },
    #[error("at octet {at}: Data holds both text and elements")]
    Mixed { at: usize },
}

impl ReadError {
    /// The octet at which the error was found; `None` where it is about the whole.
    pub const fn at(&self) -> Option<usize> {
        match self {
            Self::TooDeep { at, .. }
            | Self::TooMany { at, .. }
            | Self::TooMuchText { at, .. }
            | Self::Xml { at, .. }
            | Self::Attribute { at, .. }
            | Self::Outside { at }
            | Self::Declarations { at }
            | Self::Entity { at }
            | Self::Character { at }
            | Self::Text { at }
            | Self::Number { at }
            | Self::Length { at, .. }
            | Self::StringTable { at }
            | Self::Page { at, .. }
            | Self::Token { at, .. }
            | Self::Value { at, .. }
            | Self::Mixed { at } => Some(*at),
            Self::Version(_) => Some(0),
            Self::TooLong { .. }
            | Self::Truncated
            | Self::Charset
            | Self::Root
            | Self::Missing(_) => None,
        }
    }
}

/// Why a message cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// XML has no way to carry it that clients understand: carriage returns are read as line feeds, and numeric
    /// references break clients.
    #[error("XML cannot carry the character U+{character:04X}", character = u32::from(*.0))]
    Character(char),
    #[error("{0:?} is no name of an element or attribute")]
    Name(String),
    #[error("elements are nested deeper than {0}")]
    TooDeep(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_of_content_types_are_understood_and_answered_alike() {
        for (text, encoding, dm) in [
            ("application/vnd.syncml.dm+xml", Encoding::Xml, true),
            ("application/vnd.syncml.dm+xml; charset=\"utf-8\"", Encoding::Xml, true),
            ("Application/vnd.SyncML.dm+wbxml;verproto=DM/1.2", Encoding::Wbxml, true),
            ("application/vnd.syncml+xml", Encoding::Xml, false),
            (" application/vnd.syncml+wbxml ", Encoding::Wbxml, false),
        ] {
            let media_type = MediaType::parse(text).unwrap();
            assert_eq!(media_type, MediaType { encoding, dm }, "{text}");
            assert_eq!(MediaType::parse(media_type.name()), Some(media_type));
        }
        for text in [
            "",
            "text/xml",
            "application/xml",
            "application/vnd.syncml.dm",
            "application/vnd.syncml.notification",
        ] {
            assert_eq!(MediaType::parse(text), None, "{text}");
        }
    }
}
