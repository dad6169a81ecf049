//! The campaign document: what stands in it, and how it is read out of YAML or JSON.
//!
//! Reading settles the schema: which keys there are, and that each value is of its kind. Whether the whole makes sense, and is
//! permitted, is for [`crate::check`]. A key that belongs to a later version is refused by name, never passed over.

use crate::pace::Ramp;
use crate::problem::{self, Problem};
use crate::schedule::Schedule;
use crate::scope::Verb;
use crate::time::Instant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use wire::meta::Format;

mod reader;
mod schema;
mod tree;
mod when;

pub use schema::KEYS;

#[cfg(test)]
mod tests;

pub(crate) use reader::printable;
pub use tree::LONGEST;

/// A document whose keys and values are each in order.
///
/// `Debug` hides the values of its settings and the devices it lists.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// As it was given, to be stored and shown.
    pub text: String,
    pub campaign: String,
    pub authority: String,
    pub purpose: String,
    pub devices: Devices,
    pub settings: Vec<Declared>,
    pub variants: Vec<Variant>,
    pub apply: Apply,
    pub atomic: Atomic,
    pub prove: Prove,
    pub confirm: Option<Confirm>,
    pub confirm_mass: bool,
    pub deliver: Deliver,
    pub start: Option<Instant>,
    pub expires: Option<Instant>,
    /// Windows in which devices may be notified, and days on which they may not.
    pub schedule: Schedule,
    /// Devices a second.
    pub per_second: Option<u32>,
    pub ramp: Option<Ramp>,
    /// The time over which first notifications are spread, so that neighbours do not answer together.
    pub spread: Duration,
    /// Devices a second for each value of an attribute.
    pub per: BTreeMap<String, u32>,
    pub lane: Lane,
    pub report: Report,
    pub keep_results: Duration,
    /// A standing campaign: what takes a device in.
    pub on: Option<On>,
    /// Where each key stands.
    lines: BTreeMap<String, u64>,
}

/// Whom a campaign is for: the union of these, each device once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Devices {
    /// Device ids, or `msisdn:…` and `imsi:…`.
    pub list: Vec<String>,
    /// A file of device names that the caller sends in chunks.
    pub file: Option<String>,
    pub group: Option<String>,
    /// An expression over a device's fields.
    pub where_: Option<String>,
}

/// A standing campaign takes in the devices that a network entity names, each as often as it may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct On {
    /// The reason that triggers give.
    pub reason: String,
    /// A device is left alone for so long after it was taken in.
    pub quiet: Duration,
    /// Runs of one device in `per`, at most.
    pub most: u32,
    pub per: Duration,
}

/// One setting as written: templates are still texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Declared {
    /// Its place, as in `variants[1].settings[0]`.
    pub path: String,
    pub uri: String,
    pub verb: Verb,
    pub format: Format,
    pub value: Option<String>,
    /// Where a copy comes from.
    pub from: Option<String>,
    /// How long a device may take for an exec that it accepts (202) before it reports; zero: accepted is good enough.
    pub within: Option<Duration>,
    pub secret: bool,
    /// Whether a device answers a read of this node with its value. Absent: unless it is secret.
    pub readable: Option<bool>,
}

/// What is done instead on devices for which an expression is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    pub path: String,
    pub when: String,
    pub then: Then,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    Settings(Vec<Declared>),
    /// Nothing; the reason is the outcome's.
    Skip(String),
}

macro_rules! words {
    ($(#[doc = $about:literal])* $name:ident { $($(#[doc = $doc:literal])* $word:ident = $text:literal,)+ }) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[doc = $doc])* $word,)+ }

        impl $name {
            pub(crate) const WORDS: &'static [(&'static str, Self)] = &[$(($text, Self::$word),)+];

            /// The word for it in documents and events.
            pub fn name(self) -> &'static str {
                match self { $(Self::$word => $text,)+ }
            }

            pub fn from_name(name: &str) -> Option<Self> {
                Self::WORDS.iter().find(|(word, _)| *word == name).map(|(_, value)| *value)
            }
        }
    };
}

words! {
    /// Whether the device is asked first what it has.
    Apply {
        /// Read, compare, and write only what differs.
        Conditional = "conditional",
        Unconditional = "unconditional",
    }
}

words! {
    /// Whether the writes of a device are one transaction.
    Atomic {
        Never = "never",
        WhenSupported = "when_supported",
        Required = "required",
    }
}

words! {
    /// What proves that a setting is in force.
    Prove {
        /// The device's status to the write.
        Status = "status",
        /// The value as read afterwards.
        ReadBack = "read_back",
    }
}

words! {
    /// Which work goes first.
    Lane {
        Care = "care",
        Urgent = "urgent",
        Mass = "mass",
    }
}

words! {
    /// What is reported of single devices.
    Report {
        EveryDevice = "every_device",
        Summary = "summary",
        Failures = "failures",
    }
}

/// Who begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The device is notified.
    Push,
    /// The device comes by itself.
    Pull,
    /// The device may come by itself until then; from then on it is notified.
    PullUntil(Instant),
}

words! {
    /// What a notification lets the device show to its user (DM Notification 1.2, "ui-mode").
    Ui {
        NotSpecified = "not_specified",
        Background = "background",
        Informative = "informative",
        Interactive = "interactive",
    }
}

/// A question to the user, without whose yes nothing is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    pub ask: String,
    pub wait: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deliver {
    pub mode: Mode,
    pub ui: Ui,
    /// Notifications to one device, at most.
    pub attempts: u8,
    /// From a notification to the session that answers it.
    pub answer_within: Duration,
}

impl Document {
    /// Reads a document. Every bad key and value is reported, and nothing is returned but the problems.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let (document, problems) = Self::draft(text)?;
        if problems.is_empty() { Ok(document) } else { Err(problem::bounded(problems)) }
    }

    /// Reads what can be read: the document as far as it is in order, and what is not. What is not in order is left out, or
    /// stands at its default.
    pub(crate) fn draft(text: &str) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let node = tree::parse(text).map_err(|problem| vec![problem])?;
        let mut reader = reader::Reader::default();
        let document = schema::document(&mut reader, &node);
        match document {
            Some(mut document) => {
                text.clone_into(&mut document.text);
                document.lines = reader.lines;
                Ok((document, reader.problems))
            }
            None => Err(problem::bounded(reader.problems)),
        }
    }

    /// Whether two documents say the same, however they are laid out.
    pub fn same_as(&self, other: &Self) -> bool {
        *other == Self { text: other.text.clone(), lines: other.lines.clone(), ..self.clone() }
    }

    /// The line of a key, or of the nearest key around it.
    pub(crate) fn line(&self, path: &str) -> Option<u64> {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Some(*line);
            }
            path = path.get(..path.rfind(['.', '['])?)?;
        }
    }

    /// All settings, of the default and of the variants.
    pub(crate) fn sets(&self) -> impl Iterator<Item = &[Declared]> {
        let variants = self.variants.iter().filter_map(|variant| match &variant.then {
            Then::Settings(settings) => Some(settings.as_slice()),
            Then::Skip(_) => None,
        });
        std::iter::once(self.settings.as_slice()).chain(variants)
    }
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Devices")
            .field("list", &self.list.len())
            .field("file", &self.file)
            .field("group", &self.group)
            .field("where", &self.where_)
            .finish()
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declared")
            .field("path", &self.path)
            .field("verb", &self.verb)
            .field("uri", &self.uri)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("campaign", &self.campaign)
            .field("authority", &self.authority)
            .field("settings", &self.settings.len())
            .field("variants", &self.variants.len())
            .finish_non_exhaustive()
    }
}

/// Whether a text may name a campaign or an authority: 1 to 64 of a-z, 0-9, `_`, `-`.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}
