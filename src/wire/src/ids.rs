//! The identifiers of the protocol, each a type of its own.

use crate::message::Text;
use compact_str::format_compact;
use serde::{Deserialize, Serialize};
use std::fmt;

/// `SessionID`: names one management session of a device. Opaque text; the server compares it as the device wrote it.
///
/// The specification allows four octets; real clients send up to this many characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId(Text);

impl SessionId {
    /// The longest id accepted, in octets.
    pub const LONGEST: usize = 32;

    /// Reads an id; `None` when it is empty or longer than [`Self::LONGEST`].
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty() && text.len() <= Self::LONGEST).then(|| Self(text.into()))
    }

    /// The id that a device makes of the session id in a notification: upper-case hexadecimal without leading zeros
    /// (DM Notification 1.2, "sessionid").
    pub fn from_notification(sid: u16) -> Self {
        Self(format_compact!("{sid:X}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this may be what a device made of `sid`: its hexadecimal value, its decimal value, or (one client swaps
    /// the octets on little-endian machines) the hexadecimal value with its two octets exchanged.
    pub fn answers_notification(&self, sid: u16) -> bool {
        let hexadecimal = u16::from_str_radix(&self.0, 16).ok();
        hexadecimal == Some(sid)
            || self.0.parse() == Ok(sid)
            || hexadecimal == Some(sid.swap_bytes())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `MsgID`: numbers the messages of one side within a session, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MsgId(pub u32);

impl fmt::Display for MsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `CmdID`: names a command within one message. Never 0, which `CmdRef` keeps for the header.
///
/// Our own are numbers; a device may use other text (one test client sends UUIDs), which must come back in `CmdRef`
/// exactly as it was written.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CmdId(Spelling);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
enum Spelling {
    Number(u32),
    Text(Text),
}

impl CmdId {
    /// The longest id accepted, in octets: room for a UUID.
    pub const LONGEST: usize = 40;

    /// Reads an id; `None` when it is empty, "0", or longer than [`Self::LONGEST`].
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text == "0" || text.len() > Self::LONGEST {
            return None;
        }
        let canonical = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        match text.parse() {
            Ok(number) if canonical => Some(Self(Spelling::Number(number))),
            _ => Some(Self(Spelling::Text(text.into()))),
        }
    }

    /// The id as a number, when it is one.
    pub fn number(&self) -> Option<u32> {
        match &self.0 {
            Spelling::Number(number) => Some(*number),
            Spelling::Text(_) => None,
        }
    }
}

impl CmdId {
    /// The id as it is written; a number is written into `digits`.
    pub(crate) fn spelling<'a>(&'a self, digits: &'a mut itoa::Buffer) -> &'a str {
        match &self.0 {
            Spelling::Number(number) => digits.format(*number),
            Spelling::Text(text) => text,
        }
    }
}

impl fmt::Display for CmdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Spelling::Number(number) => number.fmt(f),
            Spelling::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for CmdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Hands out the `CmdID`s of one outgoing message: 1, 2, 3, ...
#[derive(Debug, Clone, Default)]
pub struct CmdIds {
    last: u32,
}

impl CmdIds {
    pub fn next_id(&mut self) -> CmdId {
        self.last += 1;
        CmdId(Spelling::Number(self.last))
    }
}

/// What a `Status` answers: the message as a whole, or one of its commands.
/// On the wire both travel in `CmdRef`, where 0 means the header.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StatusTarget {
    Header,
    Command(CmdId),
    /// No usable `CmdRef`: about a command that came without a `CmdID`.
    Unnamed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_id_comes_back_as_it_was_written() {
        for text in ["1", "65535", "007", "4294967296", "3f2504e0-4f89-41d3-9a0c-0305e82c3301"] {
            assert_eq!(CmdId::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(CmdId::parse("0"), None);
        assert_eq!(CmdId::parse(""), None);
    }

    #[test]
    fn a_session_id_is_recognised_in_every_spelling_that_clients_use() {
        assert!(SessionId::from_notification(0x01A2).answers_notification(0x01A2));
        assert_eq!(SessionId::from_notification(0x01A2).as_str(), "1A2");
        assert!(SessionId::parse("A201").unwrap().answers_notification(0x01A2));
        assert!(SessionId::parse("418").unwrap().answers_notification(418));
        assert!(!SessionId::parse("1A3").unwrap().answers_notification(0x01A2));
    }
}
