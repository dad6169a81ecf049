//! Patterns of addresses, and how they are held against an address of which some segments may be unknown.

use std::fmt;
use wire::uri::{LocUri, UriError};

/// An address in which `*` stands for any one segment, and the subtree below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub segments: Vec<Name>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Any,
    Is { exact: String, folded: String },
}

impl Name {
    pub(super) fn is(name: &str) -> Self {
        Self::Is { exact: name.to_owned(), folded: folded(name) }
    }
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("`{pattern}`: {source}")]
    Uri {
        pattern: String,
        #[source]
        source: UriError,
    },
    #[error("`{pattern}`: a pattern names a subtree, without a suffix")]
    Suffix { pattern: String },
    #[error(
        "`{pattern}`: `*` stands for one whole segment, and what lies below is covered without it"
    )]
    Star { pattern: String },
}

/// How segments are compared.
pub(super) struct Match {
    pub fold: bool,
    /// Whether a segment that is not known counts as equal to a name.
    pub unknown_matches: bool,
}

impl Match {
    pub(super) fn folded(unknown_matches: bool) -> Self {
        Self { fold: true, unknown_matches }
    }
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let uri = LocUri::parse(text)
            .map_err(|source| PatternError::Uri { pattern: text.to_owned(), source })?;
        if uri.suffix().is_some() {
            return Err(PatternError::Suffix { pattern: text.to_owned() });
        }
        let segments = uri.segments().map(|segment| match segment.as_ref() {
            "*" => Ok(Name::Any),
            name if name.contains('*') => Err(PatternError::Star { pattern: text.to_owned() }),
            name => Ok(Name::is(name)),
        });
        Ok(Self { segments: segments.collect::<Result<_, _>>()? })
    }

    /// Whether the address is the pattern's node or lies below it.
    pub(super) fn covers(&self, address: &[Option<String>], how: &Match) -> bool {
        self.segments.len() <= address.len() && self.agrees(address, how)
    }

    /// Whether the pattern's node lies below the address.
    pub(super) fn lies_below(&self, address: &[Option<String>], how: &Match) -> bool {
        address.len() < self.segments.len() && self.agrees(address, how)
    }

    fn agrees(&self, address: &[Option<String>], how: &Match) -> bool {
        self.segments.iter().zip(address).all(|(name, segment)| match (name, segment) {
            (Name::Any, _) => true,
            (Name::Is { .. }, None) => how.unknown_matches,
            (Name::Is { folded: name, .. }, Some(segment)) if how.fold => *name == folded(segment),
            (Name::Is { exact, .. }, Some(segment)) => exact == segment,
        })
    }

    /// Whether some address lies in both subtrees, case aside: two authorities must not differ by case alone.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.segments.iter().zip(&other.segments).all(|pair| match pair {
            (Name::Any, _) | (_, Name::Any) => true,
            (Name::Is { folded: mine, .. }, Name::Is { folded: other, .. }) => mine == other,
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(".")?;
        self.segments.iter().try_for_each(|name| match name {
            Name::Any => f.write_str("/*"),
            Name::Is { exact, .. } => write!(f, "/{exact}"),
        })
    }
}

/// Case aside. Upper case first, since some letters only meet there (the long s, the Kelvin sign).
fn folded(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_uppercase().to_lowercase() }
}
