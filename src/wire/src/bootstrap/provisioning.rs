//! The provisioning document (`wap-provisioningdoc`, OMA CP): characteristics in each other, each with its parameters.

use super::{read, write};
use crate::{
    encoding::{Limits, ReadError},
    message::{Content, Element},
    xml,
};
use std::fmt;

/// A whole document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provisioning {
    pub version: Option<String>,
    pub characteristics: Vec<Characteristic>,
}

/// A group of parameters, such as one `APPLICATION` or one `NAPDEF`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Characteristic {
    /// `type`
    pub kind: String,
    pub parms: Vec<Parm>,
    pub inner: Vec<Self>,
}

/// One parameter; its value is printed by its size only, as it may be a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parm {
    pub name: String,
    /// Some say what they say by being there (`INIT`).
    pub value: Option<String>,
}

impl fmt::Debug for Parm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = self.value.as_ref().map(String::len);
        f.debug_struct("Parm").field("name", &self.name).field("value_octets", &octets).finish()
    }
}

/// Why something is no provisioning document.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProvisioningError {
    #[error("the document cannot be read")]
    Document(#[from] ReadError),
    #[error("the public identifier {0:#x} is not that of a provisioning document")]
    PublicId(u32),
    #[error("at octet {at}: code page {page} is not of provisioning documents")]
    Page { at: usize, page: u8 },
    #[error("the root element is {0:?} and not wap-provisioningdoc")]
    Root(String),
    #[error("a characteristic has no type")]
    NoType,
    #[error("a parameter of {0:?} has no name")]
    NoName(String),
    #[error("XML cannot carry the character U+{character:04X}", character = u32::from(*.0))]
    Character(char),
}

/// What may be read. The largest documents seen have 4 KiB and are four levels deep.
pub(super) const LIMITS: Limits =
    Limits { octets: 64 * 1024, depth: 16, elements: 4_000, string_table: 4 * 1024 };

impl Provisioning {
    /// Reads the document as WBXML.
    pub fn from_wbxml(octets: &[u8]) -> Result<Self, ProvisioningError> {
        Self::from_element(&read::element(octets, &LIMITS)?)
    }

    /// Reads the document as XML text.
    pub fn from_xml(text: &str) -> Result<Self, ProvisioningError> {
        Self::from_element(&xml::read_element(text, &LIMITS)?)
    }

    fn from_element(element: &Element) -> Result<Self, ProvisioningError> {
        if element.name != "wap-provisioningdoc" {
            return Err(ProvisioningError::Root(element.name.clone()));
        }
        Ok(Self {
            version: attribute(element, "version"),
            characteristics: characteristics(element)?,
        })
    }

    /// The document as WBXML with the tokens of its two pages.
    pub fn to_wbxml(&self) -> Vec<u8> {
        write::wbxml(self)
    }

    /// The document as XML text on one line. Fails only for characters that XML cannot carry.
    pub fn to_xml(&self) -> Result<String, ProvisioningError> {
        write::xml(self)
    }
}

impl Characteristic {
    /// The value of the first parameter of this name.
    pub fn parm(&self, name: &str) -> Option<&str> {
        self.parms.iter().find(|parm| parm.name == name)?.value.as_deref()
    }
}

fn characteristics(parent: &Element) -> Result<Vec<Characteristic>, ProvisioningError> {
    children(parent, "characteristic").map(characteristic).collect()
}

fn characteristic(element: &Element) -> Result<Characteristic, ProvisioningError> {
    let kind = attribute(element, "type").ok_or(ProvisioningError::NoType)?;
    let parms = children(element, "parm").map(|parm| {
        let name =
            attribute(parm, "name").ok_or_else(|| ProvisioningError::NoName(kind.clone()))?;
        Ok(Parm { name, value: attribute(parm, "value") })
    });
    let parms = parms.collect::<Result<_, ProvisioningError>>()?;
    Ok(Characteristic { parms, inner: characteristics(element)?, kind })
}

fn children<'a>(element: &'a Element, name: &'a str) -> impl Iterator<Item = &'a Element> {
    element.content.iter().filter_map(move |content| match content {
        Content::Element(element) if element.name == name => Some(element),
        _ => None,
    })
}

fn attribute(element: &Element, name: &str) -> Option<String> {
    element.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
}
