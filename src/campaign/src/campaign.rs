//! A campaign ready for work: a document of which everything is compiled that can be compiled before there is a device.

use crate::document::{
    Apply, Atomic, Confirm, Declared, Deliver, Devices, Document, Lane, Mode, Prove, Report, Then,
};
use crate::expression::{Expression, ExpressionError};
use crate::job::Terms;
use crate::limits;
use crate::problem::Problem;
use crate::retry::Retry;
use crate::scope::Verb;
use crate::target::Fields;
use crate::template::{Address, Engine, RenderError, Sources, Text, Uses};
use crate::time::Instant;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use wire::meta::Format;
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

/// One setting; its address and value may be templates.
pub struct Setting {
    /// Its place in the document, as in `variants[1].settings[0]`.
    pub path: String,
    pub verb: Verb,
    pub format: Format,
    pub secret: bool,
    /// Whether a device answers a read of this node with its value.
    pub readable: bool,
    pub(crate) address: Address,
    pub(crate) value: Option<Text>,
    engine: Engine,
}

/// A setting as it goes to one device.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    pub verb: Verb,
    pub uri: LocUri,
    pub format: Format,
    pub value: Option<String>,
    pub secret: bool,
    pub readable: bool,
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

    /// Devices that may be notified a second.
    pub fn per_second(&self) -> Option<u32> {
        self.document.per_second
    }

    pub fn lane(&self) -> Lane {
        self.document.lane
    }

    pub fn report(&self) -> Report {
        self.document.report
    }

    pub fn keep_results(&self) -> Duration {
        self.document.keep_results
    }

    /// What each job of the campaign is granted.
    pub fn terms(&self) -> Terms {
        let Deliver { mode, attempts, answer_within, .. } = self.document.deliver;
        let retry =
            Retry { attempts, base: answer_within, cap: limits::LONGEST_PAUSE.max(answer_within) };
        Terms { retry, answer_within, pull: mode == Mode::Pull }
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
            .flat_map(|setting| setting.uses())
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

impl Setting {
    /// The address, when no template decides it.
    pub fn uri(&self) -> Option<&LocUri> {
        self.address.known()
    }

    /// Fills the setting in for a device. `reads` are the values just read, by canonical address. The address still has to pass
    /// [`crate::Scope::allows`].
    pub fn render(
        &self,
        fields: &Fields,
        reads: &BTreeMap<String, String>,
    ) -> Result<Rendered, RenderError> {
        let uri = self.address.render(&self.engine, fields, reads)?;
        let value = match &self.value {
            Some(text) => Some(text.render(&self.engine, fields, reads)?.into_owned()),
            None => None,
        };
        if let (Some(value), Some(Text::Template { .. })) = (&value, &self.value) {
            valid(self.verb, &self.format, value).map_err(|source| RenderError::Value {
                format: self.format.name().to_owned(),
                source,
            })?;
        }
        Ok(Rendered {
            verb: self.verb,
            uri,
            format: self.format.clone(),
            value,
            secret: self.secret,
            readable: self.readable,
        })
    }

    /// The addresses whose values this setting's templates need.
    pub fn reads(&self) -> impl Iterator<Item = &LocUri> {
        self.uses().flat_map(|uses| uses.reads.iter().map(|(_, uri)| uri))
    }

    pub(crate) fn uses(&self) -> impl Iterator<Item = &Uses> {
        self.address.uses().chain(self.value.iter().filter_map(Text::uses))
    }
}

/// The addresses whose values the templates of these settings need, each once.
pub fn reads_of<'c>(settings: impl IntoIterator<Item = &'c Setting>) -> Vec<LocUri> {
    distinct(settings.into_iter().flat_map(Setting::reads).cloned())
}

fn distinct(uris: impl Iterator<Item = LocUri>) -> Vec<LocUri> {
    let mut distinct: Vec<_> = uris.collect();
    distinct.sort();
    distinct.dedup();
    distinct
}

/// Whether a value may stand in a setting of this format. The argument of an exec is whatever the device takes.
pub(crate) fn valid(
    verb: Verb,
    format: &Format,
    value: &str,
) -> Result<(), wire::value::ValueError> {
    if verb == Verb::Exec { Ok(()) } else { wire::value::valid(format, value) }
}

/// Compiles what can be compiled; what cannot is left out and reported.
pub(crate) fn compile(document: &Document) -> (Parts, Vec<Problem>) {
    let mut compiler = Compiler { document, sources: Sources::new(), problems: Vec::new() };
    let where_ =
        document.devices.where_.as_ref().and_then(|text| compiler.condition("devices.where", text));
    let settings = compiler.drafts(&document.settings);
    let variants: Vec<_> = document
        .variants
        .iter()
        .filter_map(|variant| {
            let when = compiler.condition(&format!("{}.when", variant.path), &variant.when);
            let (drafts, reason) = match &variant.then {
                Then::Settings(declared) => (Some(compiler.drafts(declared)), String::new()),
                Then::Skip(reason) => (None, reason.clone()),
            };
            Some((variant.path.clone(), when?, drafts, reason))
        })
        .collect();
    let engine = compiler.sources.finish();
    let finish = |drafts: Vec<Draft>| {
        drafts.into_iter().map(|draft| draft.finish(&engine)).collect::<Vec<_>>()
    };
    let settings = finish(settings);
    let variants = variants.into_iter().map(|(path, when, drafts, reason)| Variant {
        path,
        when,
        settings: drafts.map(finish),
        reason,
    });
    (Parts { where_, settings, variants: variants.collect() }, compiler.problems)
}

struct Compiler<'d> {
    document: &'d Document,
    sources: Sources,
    problems: Vec<Problem>,
}

/// A setting whose templates are still being collected.
struct Draft {
    declared: Declared,
    address: Address,
    value: Option<Text>,
}

impl Compiler<'_> {
    fn problem(&mut self, path: &str, what: String, help: &str) {
        self.problems.push(Problem {
            path: path.to_owned(),
            line: self.document.line(path),
            what,
            help: help.to_owned(),
        });
    }

    fn condition(&mut self, path: &str, text: &str) -> Option<Expression> {
        Expression::compile(text)
            .map_err(|error| {
                self.problem(
                    path,
                    error.to_string(),
                    "write a condition such as model == \"RV-100\" && attributes.plan == \"gold\"",
                )
            })
            .ok()
    }

    fn drafts(&mut self, declared: &[Declared]) -> Vec<Draft> {
        declared.iter().filter_map(|declared| self.draft(declared)).collect()
    }

    fn draft(&mut self, declared: &Declared) -> Option<Draft> {
        let address = Address::compile(&declared.uri, &mut self.sources)
            .map_err(|error| {
                self.problem(
                    &format!("{}.uri", declared.path),
                    error.to_string(),
                    "write the address of a node, as in ./ConnMO/QoS/MaxDownlink",
                )
            })
            .ok();
        let value = match &declared.value {
            None => None,
            Some(text) => Some(
                self.sources
                    .add(text)
                    .map_err(|error| self.problem(&format!("{}.value", declared.path), error.to_string(), "fields stand between {{ and }}, as in {{ attributes.plan | default(\"gold\") }}"))
                    .ok()?,
            ),
        };
        Some(Draft { declared: declared.clone(), address: address?, value })
    }
}

impl Draft {
    fn finish(self, engine: &Engine) -> Setting {
        let Declared { path, verb, format, secret, readable, .. } = self.declared;
        let readable = readable.unwrap_or(!secret);
        Setting {
            path,
            verb,
            format,
            secret,
            readable,
            address: self.address,
            value: self.value,
            engine: engine.clone(),
        }
    }
}

impl PartialEq for Setting {
    /// Settings of one campaign are the same when they stand in the same place.
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
            && self.verb == other.verb
            && self.address.known() == other.address.known()
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting")
            .field("path", &self.path)
            .field("verb", &self.verb)
            .field("uri", &self.uri())
            .finish_non_exhaustive()
    }
}

/// Shows no value: it may be a subscriber's, or a secret.
impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered")
            .field("verb", &self.verb)
            .field("uri", &self.uri)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
