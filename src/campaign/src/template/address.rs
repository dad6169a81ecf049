//! An address of which some segments are templates.
//!
//! A template fills in one segment, or a part of one. It can add no segment, no suffix and no way upwards, and what comes out
//! is parsed again like any address.

use super::uses::split_outside;
use super::{Engine, RenderError, Sources, TemplateError, Text, Uses};
use crate::target::Fields;
use std::collections::BTreeMap;
use wire::uri::{LocUri, Suffix, UriError};

#[derive(Debug, Clone)]
pub(crate) enum Address {
    Known(LocUri),
    Open {
        segments: Vec<Text>,
        /// From the question mark on; never a template.
        suffix: String,
    },
}

/// Why a text is no address, nor a template of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    #[error(transparent)]
    Uri(#[from] UriError),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("a template stands in a segment, not behind the question mark")]
    SuffixTemplate,
}

impl Address {
    pub(crate) fn compile(text: &str, sources: &mut Sources) -> Result<Self, AddressError> {
        if !text.contains("{{") {
            return Ok(Self::Known(LocUri::parse(text)?));
        }
        let parts = split_outside(text, '?')?;
        let (path, suffix) = match parts.as_slice() {
            [path] => (*path, String::new()),
            [path, suffix] => (*path, format!("?{suffix}")),
            _ => return Err(UriError::Suffix.into()),
        };
        if suffix.contains("{{") {
            return Err(AddressError::SuffixTemplate);
        }
        let below = path.strip_prefix("./").unwrap_or(path);
        let written = split_outside(below, '/')?;
        // With a name in place of each template the address must already be one.
        let probe: Vec<_> = written
            .iter()
            .map(|segment| if segment.contains("{{") { "x" } else { *segment })
            .collect();
        LocUri::parse(&format!("./{}{suffix}", probe.join("/")))?;
        let segments =
            written.into_iter().map(|segment| sources.add(segment)).collect::<Result<_, _>>()?;
        Ok(Self::Open { segments, suffix })
    }

    pub(crate) fn known(&self) -> Option<&LocUri> {
        match self {
            Self::Known(uri) => Some(uri),
            Self::Open { .. } => None,
        }
    }

    pub(crate) fn uses(&self) -> impl Iterator<Item = &Uses> {
        let segments = match self {
            Self::Known(_) => &[][..],
            Self::Open { segments, .. } => segments,
        };
        segments.iter().filter_map(Text::uses)
    }

    /// The decoded segments, `None` where a template decides.
    pub(crate) fn outline(&self) -> Vec<Option<String>> {
        match self {
            Self::Known(uri) => uri.segments().map(|segment| Some(segment.into_owned())).collect(),
            Self::Open { segments, .. } => {
                let decoded = |text: &str| {
                    LocUri::parse(text)
                        .ok()
                        .and_then(|uri| uri.name().map(std::borrow::Cow::into_owned))
                };
                segments.iter().map(|segment| segment.plain().and_then(decoded)).collect()
            }
        }
    }

    pub(crate) fn suffix(&self) -> Option<Suffix<'_>> {
        match self {
            Self::Known(uri) => uri.suffix(),
            Self::Open { suffix, .. } => {
                let (key, name) = suffix.strip_prefix('?')?.split_once('=')?;
                Some(if key == "prop" { Suffix::Prop(name) } else { Suffix::List(name) })
            }
        }
    }

    pub(crate) fn render(
        &self,
        engine: &Engine,
        fields: &Fields,
        reads: &BTreeMap<String, String>,
    ) -> Result<LocUri, RenderError> {
        let (segments, suffix) = match self {
            Self::Known(uri) => return Ok(uri.clone()),
            Self::Open { segments, suffix } => (segments, suffix),
        };
        let mut text = ".".to_owned();
        for segment in segments {
            let filled = segment.render(engine, fields, reads)?;
            if segment.plain().is_none() && filled.contains(['/', '\\', '?', '%']) {
                return Err(RenderError::Address {
                    why: "a template filled in a separator".to_owned(),
                });
            }
            text.push('/');
            text.push_str(&filled);
        }
        text.push_str(suffix);
        LocUri::parse(&text).map_err(|error| RenderError::Address { why: error.to_string() })
    }
}
