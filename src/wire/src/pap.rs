//! What a push initiator and a push proxy gateway say to each other (PAP, WAP-247): the documents, both directions.
//!
//! A sender composes a [`PushMessage`] with [`PushMessage::compose`], posts the [`Body`], and reads the answer with
//! [`Pap::parse`]: a [`PushResponse`] or a [`BadMessage`], whose [`Code`] says what became of the push. The gateway may
//! post a [`ResultNotification`] later and wants a [`ResultResponse`]. What is read is bounded, whatever is sent.
//!
//! | module | about |
//! | --- | --- |
//! | `document` | the documents as types |
//! | `code` | what a gateway answers with, and whose fault it is |
//! | `read`, `write` | documents from and to XML text |
//! | `multipart` | the body of a push: control entity and content in one |

mod code;
mod document;
mod multipart;
mod read;
mod write;

pub use code::{Class, Code};
pub use document::{
    Address, BadMessage, CancelMessage, CancelResponse, CancelResult, DeliveryMethod, Document,
    MessageState, Priority, ProgressNote, PushMessage, PushResponse, QualityOfService,
    ResultNotification, ResultResponse, StatusQuery, StatusQueryResponse, StatusQueryResult,
};
pub use multipart::{Body, Content, Part, Parts};

use crate::encoding::ReadError;

/// A `pap` document: the one thing that it says, and the product that says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pap {
    pub product_name: Option<String>,
    pub document: Document,
}

/// Why octets are no document of this protocol, or a document cannot be written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PapError {
    #[error("the document cannot be read")]
    Xml(#[from] ReadError),
    #[error("the root element is {0:?} and not pap")]
    Root(String),
    #[error("pap holds no document")]
    Empty,
    #[error("{0:?} is no document that is known here")]
    Unknown(String),
    #[error("{element} lacks {missing}")]
    Missing { element: &'static str, missing: &'static str },
    #[error("{attribute} of {element} is no number of four digits")]
    Code { element: &'static str, attribute: &'static str },
    #[error("more than {0} addresses, notes or results")]
    TooMany(usize),
    #[error("XML cannot carry the character U+{character:04X}", character = u32::from(*.0))]
    Character(char),
    #[error("a boundary has 1 to 70 letters, digits and marks")]
    Boundary,
    #[error("the content holds the boundary")]
    BoundaryInContent,
    #[error("at octet {at}: {what}")]
    Multipart { at: usize, what: &'static str },
}
