//! One setting of a campaign, and what becomes of it on one device.

use crate::scope::Verb;
use crate::target::Fields;
use crate::template::{Address, Engine, RenderError, Text, Uses};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use wire::meta::Format;
use wire::uri::LocUri;

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
    /// Where a copy comes from.
    pub(crate) from: Option<Address>,
    /// How long a device may take for an exec that it accepted; zero: accepted is good enough.
    pub within: Duration,
    pub(crate) engine: Engine,
}

/// A setting as it goes to one device.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    pub verb: Verb,
    pub uri: LocUri,
    pub format: Format,
    pub value: Option<String>,
    /// Where a copy comes from. It, too, has to pass [`crate::Scope::allows`], as what is read.
    pub from: Option<LocUri>,
    pub within: Duration,
    pub secret: bool,
    pub readable: bool,
}

impl Setting {
    /// How long a device may take for an exec that it accepted, where the document does not say.
    pub const WITHIN: Duration = Duration::from_hours(1);

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
        let from = match &self.from {
            Some(from) => Some(from.render(&self.engine, fields, reads)?),
            None => None,
        };
        Ok(Rendered {
            verb: self.verb,
            uri,
            from,
            within: self.within,
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
        let from = self.from.iter().flat_map(Address::uses);
        self.address.uses().chain(self.value.iter().filter_map(Text::uses)).chain(from)
    }
}

/// The addresses whose values the templates of these settings need, each once.
pub fn reads_of<'c>(settings: impl IntoIterator<Item = &'c Setting>) -> Vec<LocUri> {
    distinct(settings.into_iter().flat_map(Setting::reads).cloned())
}

pub(crate) fn distinct(uris: impl Iterator<Item = LocUri>) -> Vec<LocUri> {
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
