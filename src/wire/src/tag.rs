//! The names of elements and their tokens: code pages 00 to 02 of SyncML DM in WBXML.

use std::num::NonZeroU16;

/// Code page 00.
pub(crate) const SYNCML: u8 = 0;
/// Code page 01, namespace `syncml:metinf`.
pub(crate) const METINF: u8 = 1;
/// Code page 02, namespace `syncml:dmddf1.2`.
pub(crate) const DMDDF: u8 = 2;

pub(crate) const METINF_NAMESPACE: &str = "syncml:metinf";
pub(crate) const DMDDF_NAMESPACE: &str = "syncml:dmddf1.2";

/// An element of the vocabulary: its page and its token, in one number that is never 0 and travels in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag(NonZeroU16);

macro_rules! tags {
    ($page:ident: $($name:ident = $token:literal $text:literal,)+) => {
        #[expect(dead_code, reason = "the table is the standard's; data synchronisation is part of it")]
        impl Tag {
            $(pub(crate) const $name: Self = Self::new($page, $token);)+
        }

        /// In the order of the tokens, with reserved ones left out.
        pub(crate) const NAMES: &[(u8, &str)] = &[$(($token, $text),)+];
    };
}

mod syncml {
    use super::{SYNCML, Tag};

    tags! {
        SYNCML:
        ADD = 0x05 "Add",
        ALERT = 0x06 "Alert",
        ARCHIVE = 0x07 "Archive",
        ATOMIC = 0x08 "Atomic",
        CHAL = 0x09 "Chal",
        CMD = 0x0A "Cmd",
        CMD_ID = 0x0B "CmdID",
        CMD_REF = 0x0C "CmdRef",
        COPY = 0x0D "Copy",
        CRED = 0x0E "Cred",
        DATA = 0x0F "Data",
        DELETE = 0x10 "Delete",
        EXEC = 0x11 "Exec",
        FINAL = 0x12 "Final",
        GET = 0x13 "Get",
        ITEM = 0x14 "Item",
        LANG = 0x15 "Lang",
        LOC_NAME = 0x16 "LocName",
        LOC_URI = 0x17 "LocURI",
        MAP = 0x18 "Map",
        MAP_ITEM = 0x19 "MapItem",
        META = 0x1A "Meta",
        MSG_ID = 0x1B "MsgID",
        MSG_REF = 0x1C "MsgRef",
        NO_RESP = 0x1D "NoResp",
        NO_RESULTS = 0x1E "NoResults",
        PUT = 0x1F "Put",
        REPLACE = 0x20 "Replace",
        RESP_URI = 0x21 "RespURI",
        RESULTS = 0x22 "Results",
        SEARCH = 0x23 "Search",
        SEQUENCE = 0x24 "Sequence",
        SESSION_ID = 0x25 "SessionID",
        SFT_DEL = 0x26 "SftDel",
        SOURCE = 0x27 "Source",
        SOURCE_REF = 0x28 "SourceRef",
        STATUS = 0x29 "Status",
        SYNC = 0x2A "Sync",
        SYNC_BODY = 0x2B "SyncBody",
        SYNC_HDR = 0x2C "SyncHdr",
        SYNC_ML = 0x2D "SyncML",
        TARGET = 0x2E "Target",
        TARGET_REF = 0x2F "TargetRef",
        VER_DTD = 0x31 "VerDTD",
        VER_PROTO = 0x32 "VerProto",
        NUMBER_OF_CHANGES = 0x33 "NumberOfChanges",
        MORE_DATA = 0x34 "MoreData",
        FIELD = 0x35 "Field",
        FILTER = 0x36 "Filter",
        RECORD = 0x37 "Record",
        FILTER_TYPE = 0x38 "FilterType",
        SOURCE_PARENT = 0x39 "SourceParent",
        TARGET_PARENT = 0x3A "TargetParent",
        MOVE = 0x3B "Move",
        CORRELATOR = 0x3C "Correlator",
    }
}

mod metinf {
    use super::{METINF, Tag};

    tags! {
        METINF:
        ANCHOR = 0x05 "Anchor",
        EMI = 0x06 "EMI",
        FORMAT = 0x07 "Format",
        FREE_ID = 0x08 "FreeID",
        FREE_MEM = 0x09 "FreeMem",
        LAST = 0x0A "Last",
        MARK = 0x0B "Mark",
        MAX_MSG_SIZE = 0x0C "MaxMsgSize",
        MEM = 0x0D "Mem",
        MET_INF = 0x0E "MetInf",
        NEXT = 0x0F "Next",
        NEXT_NONCE = 0x10 "NextNonce",
        SHARED_MEM = 0x11 "SharedMem",
        SIZE = 0x12 "Size",
        TYPE = 0x13 "Type",
        VERSION = 0x14 "Version",
        MAX_OBJ_SIZE = 0x15 "MaxObjSize",
        FIELD_LEVEL = 0x16 "FieldLevel",
    }
}

/// Page 02 from token 05 on, without gaps: management trees and their descriptions (TNDS, DDF).
const DMDDF_NAMES: [&str; 56] = [
    "AccessType",
    "ACL",
    "Add",
    "b64",
    "bin",
    "bool",
    "chr",
    "CaseSense",
    "CIS",
    "Copy",
    "CS",
    "date",
    "DDFName",
    "DefaultValue",
    "Delete",
    "Description",
    "DFFormat",
    "DFProperties",
    "DFTitle",
    "DFType",
    "Dynamic",
    "Exec",
    "float",
    "Format",
    "Get",
    "int",
    "Man",
    "MgmtTree",
    "MIME",
    "Mod",
    "Name",
    "Node",
    "node",
    "NodeName",
    "null",
    "Occurrence",
    "One",
    "OneOrMore",
    "OneOrN",
    "Path",
    "Permanent",
    "Replace",
    "RTProperties",
    "Scope",
    "Size",
    "time",
    "Title",
    "TStamp",
    "Type",
    "Value",
    "VerDTD",
    "VerNo",
    "xml",
    "ZeroOrMore",
    "ZeroOrN",
    "ZeroOrOne",
];

/// `MgmtTree`, the root of a TNDS document.
pub(crate) const MGMT_TREE: Tag = Tag::new(DMDDF, 0x20);

const FIRST: u8 = 0x05;
const TOKENS: usize = 0x40;

/// The names of each page by token; empty where nothing is assigned.
#[expect(clippy::indexing_slicing, reason = "computed, and so checked, by the compiler")]
static NAMES: [[&str; TOKENS]; 3] = {
    let mut names = [[""; TOKENS]; 3];
    let mut row = 0;
    while row < syncml::NAMES.len() {
        names[0][syncml::NAMES[row].0 as usize] = syncml::NAMES[row].1;
        row += 1;
    }
    row = 0;
    while row < metinf::NAMES.len() {
        names[1][metinf::NAMES[row].0 as usize] = metinf::NAMES[row].1;
        row += 1;
    }
    row = 0;
    while row < DMDDF_NAMES.len() {
        names[2][FIRST as usize + row] = DMDDF_NAMES[row];
        row += 1;
    }
    names
};

impl Tag {
    /// Of a token that the page assigns; tokens begin at 5.
    const fn new(page: u8, token: u8) -> Self {
        Self(NonZeroU16::new(u16::from_be_bytes([page, token])).expect("no token is 0"))
    }

    pub(crate) const fn page(self) -> u8 {
        self.0.get().to_be_bytes()[0]
    }

    pub(crate) const fn token(self) -> u8 {
        self.0.get().to_be_bytes()[1]
    }

    /// The element of a token; `None` where the page assigns nothing.
    pub(crate) fn of_token(page: u8, token: u8) -> Option<Self> {
        let name = NAMES.get(usize::from(page))?.get(usize::from(token))?;
        if name.is_empty() { None } else { Some(Self::new(page, token)) }
    }

    /// The element of a name on one page.
    pub(crate) fn on_page(page: u8, name: &str) -> Option<Self> {
        let names = NAMES.get(usize::from(page))?;
        let token = names.iter().position(|&known| known == name && !name.is_empty())?;
        Some(Self::new(page, u8::try_from(token).ok()?))
    }

    /// The element of a name on pages 00 and 01, which share no name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut slot = slot_of(name.as_bytes());
        loop {
            let tag = (*BY_NAME.get(slot)?)?;
            if tag.name() == name {
                return Some(tag);
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    pub(crate) fn name(self) -> &'static str {
        NAMES
            .get(usize::from(self.page()))
            .and_then(|names| names.get(usize::from(self.token())))
            .copied()
            .unwrap_or("")
    }
}

/// Four times the names, so that nearly every look-up is one comparison.
const SLOTS: usize = 256;

#[expect(clippy::indexing_slicing, reason = "computed, and so checked, by the compiler")]
static BY_NAME: [Option<Tag>; SLOTS] = {
    let mut slots = [None; SLOTS];
    let mut page = 0;
    while page < 2 {
        let mut token = 0;
        while token < TOKENS {
            let name = NAMES[page as usize][token];
            if !name.is_empty() {
                let mut slot = slot_of(name.as_bytes());
                while slots[slot].is_some() {
                    slot = (slot + 1) % SLOTS;
                }
                #[expect(clippy::cast_possible_truncation, reason = "64 tokens")]
                let token = token as u8;
                slots[slot] = Some(Tag::new(page, token));
            }
            token += 1;
        }
        page += 1;
    }
    slots
};

/// Mixes length, first, middle and last octet, which tell the names apart well enough.
const fn slot_of(name: &[u8]) -> usize {
    let (Some(&first), Some(&last)) = (name.first(), name.last()) else { return 0 };
    let middle = match name.split_at_checked(name.len() / 2) {
        Some((_, &[middle, ..])) => middle,
        _ => 0,
    };
    (name.len().wrapping_mul(7)
        ^ (first as usize).wrapping_mul(31)
        ^ (last as usize).wrapping_mul(5)
        ^ (middle as usize).wrapping_mul(17))
        % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_token_and_back() {
        let mut count = 0;
        for page in [SYNCML, METINF, DMDDF] {
            for token in 0..=u8::MAX {
                let Some(tag) = Tag::of_token(page, token) else { continue };
                count += 1;
                assert_eq!(Tag::on_page(page, tag.name()), Some(tag));
                if page != DMDDF {
                    assert_eq!(Tag::named(tag.name()), Some(tag));
                }
            }
        }
        assert_eq!(count, 55 + 18 + 56);
        assert_eq!(MGMT_TREE.name(), "MgmtTree");
    }

    #[test]
    fn what_the_tables_do_not_name_has_no_token() {
        for name in ["", "Ad", "Addd", "add", "SyncMl", "MgmtTree", "Grüße"] {
            assert_eq!(Tag::named(name), None, "{name}");
        }
        assert_eq!(
            (Tag::of_token(0, 0x30), Tag::of_token(0, 0x3D), Tag::of_token(3, 5)),
            (None, None, None)
        );
        assert_eq!(Tag::on_page(0, ""), None);
    }
}
