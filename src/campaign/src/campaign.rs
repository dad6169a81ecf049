//! A campaign ready for work: a document of which everything is compiled that can be compiled before there is a device.

use crate::compile::compile;
use crate::document::{
    Apply, Atomic, Confirm, Deliver, Devices, Document, Lane, Mode, On, Prove, Report,
};
use crate::expression::{Expression, ExpressionError};
use crate::job::Terms;
use crate::limits;
use crate::pace::Ramp;
use crate::problem::Problem;
use crate::retry::Retry;
use crate::schedule::{Schedule, ZoneUnknown};
use crate::setting::{Setting, distinct, reads_of};
use crate::target::Fields;
use crate::time::Instant;
use std::{collections::BTreeMap, time::Duration};
use wire::uri::LocUri;

#[cfg(test)]
mod tests;

/// A checked campaign. Immutable and the same for all devices: shared behind an `Arc`.
#[derive(Debug)]
pub struct Campaign {
    document: Document,
    parts: Parts,
}

/// What of a document is compiled.
#[derive(Debug)]
pub(crate) struct Parts {
    pub where_: Option<Expression>,
    pub settings: Vec<Setting>,
    pub variants: Vec<Variant>,
}

#[derive(Debug)]
pub(crate) struct Variant {
    pub path: String,
    pub when: Expression,
    /// None: skip, for this reason.
    pub settings: Option<Vec<Setting>>,
    pub reason: String,
}

/// What a campaign does on one device.
#[derive(Debug, Clone, PartialEq)]
pub enum Part<'c> {
    Settings(&'c [Setting]),
    /// The job ends as `not_applicable`, with this reason.
    Skip(String),
}

impl Campaign {
    pub(crate) fn new(document: Document, parts: Parts) -> Self {
        Self { document, parts }
    }

    pub fn document(&self) -> &Document {
        &self.document
    }

    pub fn id(&self) -> &str {
        &self.document.campaign
    }

    pub fn authority(&self) -> &str {
        &self.document.authority
    }

    pub fn purpose(&self) -> &str {
        &self.document.purpose
    }

    pub fn devices(&self) -> &Devices {
        &self.document.devices
    }

    /// The settings of a device that no variant fits.
    pub fn settings(&self) -> &[Setting] {
        &self.parts.settings
    }

    pub fn apply(&self) -> Apply {
        self.document.apply
    }

    pub fn atomic(&self) -> Atomic {
        self.document.atomic
    }

    pub fn prove(&self) -> Prove {
        self.document.prove
    }

    pub fn confirm(&self) -> Option<&Confirm> {
        self.document.confirm.as_ref()
    }

    pub fn deliver(&self) -> &Deliver {
        &self.document.deliver
    }

    /// Before this nothing is sent; absent: at once.
    pub fn start(&self) -> Option<Instant> {
        self.document.start
    }

    pub fn expires(&self) -> Option<Instant> {
        self.document.expires
    }

    /// The windows in which devices may be notified.
    pub fn schedule(&self) -> &Schedule {
        &self.document.schedule
    }

    /// The first instant from `from` on at which a device may be notified: after the start, in a window by the right clock.
    /// `None` when there is none any more. `zone` is the device's time zone as the registry has it.
    pub fn first_chance(&self, from: Instant, zone: &str) -> Result<Option<Instant>, ZoneUnknown> {
        let from = self.start().map_or(from, |start| start.max(from));
        self.document.schedule.opening(from, zone)
    }

    /// The first instant from `from` on at which a device may be notified for the first time, when `lot` (any number that stays
    /// the same for the device) says where it stands in the campaign's spread.
    pub fn first_turn(
        &self,
        from: Instant,
        zone: &str,
        lot: u64,
    ) -> Result<Option<Instant>, ZoneUnknown> {
        let spread = u64::try_from(self.document.spread.as_millis()).unwrap_or(u64::MAX);
        match self.first_chance(from, zone)? {
            Some(chance) if spread > 0 => {
                self.first_chance(chance.plus(Duration::from_millis(lot % spread)), zone)
            }
            chance => Ok(chance),
        }
    }

    pub fn ramp(&self) -> Option<Ramp> {
        self.document.ramp
    }

    /// Devices that may be notified a second.
    pub fn per_second(&self) -> Option<u32> {
        self.document.per_second
    }

    /// Devices that may be notified a second for each value of an attribute: name of the attribute to number.
    pub fn per(&self) -> &BTreeMap<String, u32> {
        &self.document.per
    }

    pub fn lane(&self) -> Lane {
        self.document.lane
    }

    pub fn report(&self) -> Report {
        self.document.report
    }

    /// What takes devices into a standing campaign.
    pub fn on(&self) -> Option<&On> {
        self.document.on.as_ref()
    }

    /// Whether a standing campaign is for a device that a trigger names: `devices` restricts it, when it is there. The
    /// device goes by its id and by the `numbers` that are known of it, as `msisdn:…` and `imsi:…`.
    pub fn takes_in(&self, fields: &Fields, numbers: &[String]) -> Result<bool, ExpressionError> {
        let devices = &self.document.devices;
        if devices.list.is_empty() && devices.group.is_none() && devices.where_.is_none() {
            return Ok(true);
        }
        let listed = |name: &String| *name == fields.device || numbers.contains(name);
        if devices.list.iter().any(listed) {
            return Ok(true);
        }
        self.wants(fields)
    }

    pub fn keep_results(&self) -> Duration {
        self.document.keep_results
    }

    /// What each job of the campaign is granted.
    pub fn terms(&self) -> Terms {
        let Deliver { mode, attempts, answer_within, .. } = self.document.deliver;
        let retry =
            Retry { attempts, base: answer_within, cap: limits::LONGEST_PAUSE.max(answer_within) };
        let pull_until = match mode {
            Mode::PullUntil(until) => Some(until),
            Mode::Push | Mode::Pull => None,
        };
        Terms { retry, answer_within, pull: mode == Mode::Pull, pull_until }
    }

    /// Whether a registered device belongs to the campaign by its group or by the expression. Listed devices do anyway.
    pub fn wants(&self, fields: &Fields) -> Result<bool, ExpressionError> {
        if self.document.devices.group.as_ref().is_some_and(|group| fields.groups.contains(group)) {
            return Ok(true);
        }
        self.parts.where_.as_ref().map_or(Ok(false), |expression| expression.matches(fields))
    }

    /// What is done on a device, given what it says of itself: the first variant that fits, or the settings.
    pub fn part_for(&self, fields: &Fields) -> Part<'_> {
        for variant in &self.parts.variants {
            match (variant.when.matches(fields), &variant.settings) {
                (Ok(false), _) => {}
                (Ok(true), Some(settings)) => return Part::Settings(settings),
                (Ok(true), None) => return Part::Skip(variant.reason.clone()),
                // Whether the variant fits is not known, so neither it nor the default may be written.
                (Err(error), _) => return Part::Skip(format!("{}.when {error}", variant.path)),
            }
        }
        match self.settings() {
            [] => Part::Skip("no variant fits this device".to_owned()),
            settings => Part::Settings(settings),
        }
    }

    /// The addresses whose values templates need, read in the session before anything is filled in.
    pub fn reads_needed(&self) -> Vec<LocUri> {
        reads_of(self.all_settings())
    }

    /// The addresses whose values, read in earlier sessions, expressions and templates need.
    pub fn settings_needed(&self) -> Vec<LocUri> {
        let conditions =
            self.parts.where_.iter().chain(self.parts.variants.iter().map(|variant| &variant.when));
        let of_conditions = conditions.flat_map(|expression| expression.settings().iter().cloned());
        let of_templates = self
            .all_settings()
            .flat_map(Setting::uses)
            .flat_map(|uses| uses.settings.iter().map(|(_, uri)| uri.clone()));
        distinct(of_conditions.chain(of_templates))
    }

    pub(crate) fn all_settings(&self) -> impl Iterator<Item = &Setting> {
        self.parts.all_settings()
    }

    /// The stored form: a version and the document as it was given.
    pub fn to_stored(&self) -> Vec<u8> {
        [&[STORED_VERSION], self.document.text.as_bytes()].concat()
    }

    /// A campaign out of its stored form. It was checked when it was accepted; what time has overtaken since does not matter.
    pub fn from_stored(stored: &[u8]) -> Result<Self, StoredError> {
        let (version, text) = stored.split_first().ok_or(StoredError::Empty)?;
        if *version != STORED_VERSION {
            return Err(StoredError::Version { version: *version });
        }
        let text = std::str::from_utf8(text).map_err(|source| StoredError::Text { source })?;
        let document =
            Document::parse(text).map_err(|problems| StoredError::Document { problems })?;
        match compile(&document) {
            (parts, problems) if problems.is_empty() => Ok(Self::new(document, parts)),
            (_, problems) => Err(StoredError::Document { problems }),
        }
    }
}

const STORED_VERSION: u8 = 1;

/// Why a stored campaign cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    #[error("a stored campaign is empty")]
    Empty,
    #[error("a campaign was stored in form {version}, which this version does not read")]
    Version { version: u8 },
    #[error("a stored campaign is no text")]
    Text {
        #[source]
        source: std::str::Utf8Error,
    },
    #[error("a stored campaign is not accepted by this version: {}", problems.first().map_or_else(String::new, ToString::to_string))]
    Document { problems: Vec<Problem> },
}

impl Parts {
    pub(crate) fn all_settings(&self) -> impl Iterator<Item = &Setting> {
        self.settings
            .iter()
            .chain(self.variants.iter().flat_map(|variant| variant.settings.iter().flatten()))
    }
}
