//! The SyncML DM message: a header, commands, and whether the package ends here.
//!
//! The model is the protocol's (`RepPro` 1.2, reduced to what DM uses); what it has no field for is kept in
//! [`Element`]s, so that a message survives being read and written again.

use crate::{
    alert::AlertCode,
    ids::{CmdId, MsgId, SessionId, StatusTarget},
    meta::Meta,
    status::StatusCode,
};
use std::fmt;

/// A piece of text. Most of a message's are short, and take no allocation.
pub type Text = compact_str::CompactString;

/// One `SyncML` document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub header: Header,
    pub commands: Vec<Command>,
    /// `Final`: this message ends its package.
    pub last: bool,
}

/// `SyncHdr`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub version: Version,
    pub session_id: SessionId,
    pub msg_id: MsgId,
    pub target: Address,
    pub source: Address,
    /// Where the sender wants the next message.
    pub resp_uri: Option<Text>,
    pub no_resp: bool,
    pub cred: Option<Cred>,
    pub meta: Meta,
}

/// `VerDTD` and `VerProto`, which decide namespace and public identifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Version {
    /// 1.1 and DM/1.1
    Dm11,
    /// 1.2 and DM/1.2
    Dm12,
    /// 1.2 and DM/1.3
    Dm13,
    /// Any other pair; answered with 505 or 513.
    Other { dtd: Text, protocol: Text },
}

impl Version {
    pub fn from_names(dtd: &str, protocol: &str) -> Self {
        match (dtd, protocol) {
            ("1.1", "DM/1.1") => Self::Dm11,
            ("1.2", "DM/1.2") => Self::Dm12,
            ("1.2", "DM/1.3") => Self::Dm13,
            _ => Self::Other { dtd: dtd.into(), protocol: protocol.into() },
        }
    }

    pub fn dtd(&self) -> &str {
        match self {
            Self::Dm11 => "1.1",
            Self::Dm12 | Self::Dm13 => "1.2",
            Self::Other { dtd, .. } => dtd,
        }
    }

    pub fn protocol(&self) -> &str {
        match self {
            Self::Dm11 => "DM/1.1",
            Self::Dm12 => "DM/1.2",
            Self::Dm13 => "DM/1.3",
            Self::Other { protocol, .. } => protocol,
        }
    }
}

/// `Target` or `Source`: an address, and in the header the name that goes with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    pub loc_uri: Text,
    /// In `SyncHdr/Source`, the user name of MD5 credentials.
    pub loc_name: Option<Text>,
}

impl Address {
    pub fn new(loc_uri: impl Into<Text>) -> Self {
        Self { loc_uri: loc_uri.into(), loc_name: None }
    }
}

/// `Cred`: proof of who speaks. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Cred {
    pub meta: Meta,
    pub data: Data,
}

impl fmt::Debug for Cred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cred").field("type", &self.meta.media_type).finish_non_exhaustive()
    }
}

/// A child of `SyncBody`, `Atomic` or `Sequence`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large ones are the common ones; a box each would cost more"
)]
pub enum Command {
    Add(Edit),
    Replace(Edit),
    Delete(Edit),
    Copy(Edit),
    Get(Edit),
    Exec(Exec),
    Alert(Alert),
    Atomic(Block),
    Sequence(Block),
    Status(Status),
    Results(Results),
    /// A command that DM does not use, or that nobody knows.
    Unknown(Element),
}

impl Command {
    /// The element name, as it stands in `Cmd` of a Status.
    pub fn name(&self) -> &str {
        match self {
            Self::Add(_) => "Add",
            Self::Replace(_) => "Replace",
            Self::Delete(_) => "Delete",
            Self::Copy(_) => "Copy",
            Self::Get(_) => "Get",
            Self::Exec(_) => "Exec",
            Self::Alert(_) => "Alert",
            Self::Atomic(_) => "Atomic",
            Self::Sequence(_) => "Sequence",
            Self::Status(_) => "Status",
            Self::Results(_) => "Results",
            Self::Unknown(element) => &element.name,
        }
    }

    /// The id of the command; `None` when it came without a usable one.
    pub fn id(&self) -> Option<&CmdId> {
        match self {
            Self::Add(edit)
            | Self::Replace(edit)
            | Self::Delete(edit)
            | Self::Copy(edit)
            | Self::Get(edit) => edit.id.as_ref(),
            Self::Exec(exec) => exec.id.as_ref(),
            Self::Alert(alert) => alert.id.as_ref(),
            Self::Atomic(block) | Self::Sequence(block) => block.id.as_ref(),
            Self::Status(status) => status.id.as_ref(),
            Self::Results(results) => results.id.as_ref(),
            Self::Unknown(_) => None,
        }
    }
}

/// The shape of `Add`, `Replace`, `Delete`, `Copy` and `Get`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    pub id: Option<CmdId>,
    pub no_resp: bool,
    /// Applies to every item; an item's own `Meta` overrides it element by element.
    pub meta: Meta,
    pub items: Vec<Item>,
    /// Children without a field here.
    pub other: Vec<Element>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exec {
    pub id: Option<CmdId>,
    pub no_resp: bool,
    pub meta: Meta,
    pub correlator: Option<Text>,
    /// One, by the specification; more are kept.
    pub items: Vec<Item>,
    pub other: Vec<Element>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub id: Option<CmdId>,
    pub no_resp: bool,
    /// `None` when `Data` is absent or no number.
    pub code: Option<AlertCode>,
    pub correlator: Option<Text>,
    pub items: Vec<Item>,
    pub other: Vec<Element>,
}

/// The shape of `Atomic` and `Sequence`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    pub id: Option<CmdId>,
    pub no_resp: bool,
    pub meta: Meta,
    pub commands: Vec<Command>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub id: Option<CmdId>,
    /// `None` when absent; the reader takes it as the last message then.
    pub msg_ref: Option<MsgId>,
    pub about: StatusTarget,
    /// `Cmd`: the name of the command that is answered.
    pub cmd: Text,
    pub target_refs: Vec<Text>,
    pub source_refs: Vec<Text>,
    pub cred: Option<Cred>,
    /// `Chal`: what the other side must prove itself with.
    pub chal: Option<Meta>,
    /// `None` when `Data` is absent or no number: the command stays unresolved.
    pub code: Option<StatusCode>,
    /// Attributes of `Data` (`msft:originalerror`), as name and value.
    pub code_attributes: Vec<(String, String)>,
    pub items: Vec<Item>,
    pub other: Vec<Element>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    pub id: Option<CmdId>,
    /// Absent means 1 (`RepPro`).
    pub msg_ref: Option<MsgId>,
    /// Absent means 1 (`RepPro`).
    pub cmd_ref: Option<CmdId>,
    /// Windows adds it.
    pub cmd: Option<Text>,
    pub meta: Meta,
    pub target_ref: Option<Text>,
    pub source_ref: Option<Text>,
    pub items: Vec<Item>,
    pub other: Vec<Element>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    pub target: Option<Address>,
    pub source: Option<Address>,
    pub meta: Meta,
    pub data: Option<Data>,
    /// `MoreData`: the rest of the data follows in the next message.
    pub more: bool,
    pub other: Vec<Element>,
}

impl Item {
    pub fn at(target: impl Into<Text>) -> Self {
        Self { target: Some(Address::new(target)), ..Self::default() }
    }

    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        let Self { target, source, meta, data, more, other } = self;
        target.is_none()
            && source.is_none()
            && meta.is_empty()
            && data.is_none()
            && !more
            && other.is_empty()
    }
}

/// The content of `Data`. Printed by its size only: it may be a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Data {
    Text(Text),
    /// Octets that are not text, or that WBXML carried as OPAQUE and that are not valid UTF-8.
    Opaque(Vec<u8>),
    /// Elements in line, such as a TNDS document.
    Elements(Vec<Element>),
}

impl Data {
    pub fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    /// The content as text, when it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Opaque(octets) => std::str::from_utf8(octets).ok(),
            Self::Elements(_) => None,
        }
    }
}

/// An element without a type of its own here: its name, what it contains, and nothing assumed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    /// The namespace when it differs from that of the message (`syncml:metinf`, `syncml:dmddf1.2`, …).
    pub namespace: Option<String>,
    pub attributes: Vec<(String, String)>,
    pub content: Vec<Content>,
}

/// What an [`Element`] contains, in order. Text is printed by its size only: it may be a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    Element(Element),
    Text(String),
    Opaque(Vec<u8>),
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} octets)", text.len()),
            Self::Opaque(octets) => write!(f, "Opaque({} octets)", octets.len()),
            Self::Elements(elements) => f.debug_tuple("Elements").field(elements).finish(),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Element(element) => element.fmt(f),
            Self::Text(text) => write!(f, "Text({} octets)", text.len()),
            Self::Opaque(octets) => write!(f, "Opaque({} octets)", octets.len()),
        }
    }
}
