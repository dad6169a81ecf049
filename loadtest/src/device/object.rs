//! Large objects that the server sends in parts (DM Protocol, "Large object handling").

use crate::{
    faults::Habits,
    verdict::{Finding, Rule},
};
use wire::{message::Item, status::StatusCode};

/// An object of which not all has come.
#[derive(Debug)]
pub(super) struct Incoming {
    /// The command that brings it.
    pub(super) command: &'static str,
    pub(super) uri: String,
    /// As announced, in octets.
    size: u64,
    text: String,
}

/// What a piece of a value leads to.
#[derive(Debug)]
pub(super) enum Piece {
    /// The value is whole.
    Whole(String),
    /// The rest is to come.
    Part,
    Refused(StatusCode),
}

/// Takes a value, or a part of one, for the node at `uri`.
pub(super) fn take(
    incoming: &mut Option<Incoming>,
    habits: Habits,
    (command, uri): (&'static str, &str),
    item: &Item,
    text: String,
    findings: &mut Vec<Finding>,
) -> Piece {
    let begun = incoming.take();
    if begun.is_none() && !item.more {
        return Piece::Whole(text);
    }
    match habits {
        // LrgObj says so.
        Habits::Windows => Piece::Refused(StatusCode::TooLarge),
        // This client takes the first part for the whole, and stumbles over the second.
        Habits::A if begun.is_some() => {
            *incoming = begun.filter(|_| item.more);
            Piece::Refused(StatusCode::AlreadyExists)
        }
        Habits::A => {
            let (uri, size) = (uri.to_owned(), 0);
            *incoming = Some(Incoming { command, uri, size, text: String::new() });
            Piece::Whole(text)
        }
        Habits::B => {
            let size = item.meta.size;
            let Some(mut object) = begun.or_else(|| {
                let (uri, text) = (uri.to_owned(), String::new());
                size.map(|size| Incoming { command, uri, size, text })
            }) else {
                return Piece::Refused(StatusCode::SizeRequired);
            };
            object.text.push_str(&text);
            if item.more {
                *incoming = Some(object);
                return Piece::Part;
            }
            if u64::try_from(object.text.len()) == Ok(object.size) {
                return Piece::Whole(object.text);
            }
            let detail = format!("It has {} octets, not {}.", object.text.len(), object.size);
            findings.push(Finding::new(Rule::ObjectSize, detail));
            Piece::Refused(StatusCode::SizeMismatch)
        }
    }
}

impl Incoming {
    /// Whether an item of this command goes on with it.
    pub(super) fn goes_on(&self, command: &str, uri: &str) -> bool {
        self.command == command && self.uri == uri
    }
}
