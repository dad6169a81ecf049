//! Texts with `{{ … }}` in them: minijinja, with everything switched off that a value does not need.
//!
//! A template sees the same fields as an expression, and `read["./A/B"]`, the value just read in the session. What the device
//! does not have is undefined, and an undefined value that is not caught by `default` fails the rendering. There are no
//! statements, no loops, no includes; fuel bounds work and memory. A text without `{{` never meets the engine.

use crate::limits;
use crate::target::Fields;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use wire::uri::LocUri;

pub(crate) mod address;
mod uses;

#[cfg(test)]
mod tests;

pub(crate) use address::Address;
pub(crate) use uses::Uses;

/// One unit pays for an instruction or for 64 octets, so this bounds a rendering to some 10,000 steps and 640 kB.
const FUEL: u64 = 10_000;

/// The compiled templates of one campaign.
#[derive(Clone)]
pub(crate) struct Engine(Arc<Environment<'static>>);

/// Templates while they are collected.
pub(crate) struct Sources {
    environment: Environment<'static>,
    count: usize,
}

/// A text, filled in or to be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    Plain(String),
    Template { name: String, uses: Uses },
}

impl Sources {
    pub(crate) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
        environment.set_syntax(syntax.unwrap_or_default());
        Self { environment, count: 0 }
    }

    /// Takes a text in; what is wrong with a template is found here, but for what only a device can tell.
    pub(crate) fn add(&mut self, text: &str) -> Result<Text, TemplateError> {
        if !text.contains("{{") {
            return Ok(Text::Plain(text.to_owned()));
        }
        let uses = Uses::of(text)?;
        self.count += 1;
        let name = format!("t{}", self.count);
        let wrong = |error: minijinja::Error| TemplateError::Syntax {
            what: error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned),
        };
        self.environment.add_template_owned(name.clone(), text.to_owned()).map_err(wrong)?;
        let template = self.environment.get_template(&name).map_err(wrong)?;
        let mut unknown: Vec<_> = template
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| !uses::ROOTS.contains(&name.as_str()))
            .collect();
        unknown.sort();
        if let Some(name) = unknown.into_iter().next() {
            return Err(TemplateError::Variable { name });
        }
        try_out(&template, &uses)?;
        Ok(Text::Template { name, uses })
    }

    pub(crate) fn finish(self) -> Engine {
        Engine(Arc::new(self.environment))
    }
}

impl Text {
    pub(crate) fn plain(&self) -> Option<&str> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Template { .. } => None,
        }
    }

    pub(crate) fn uses(&self) -> Option<&Uses> {
        match self {
            Self::Plain(_) => None,
            Self::Template { uses, .. } => Some(uses),
        }
    }

    /// Fills the text in for a device. `reads` are the values just read, by canonical address.
    pub(crate) fn render(
        &self,
        engine: &Engine,
        fields: &Fields,
        reads: &BTreeMap<String, String>,
    ) -> Result<Cow<'_, str>, RenderError> {
        let (name, uses) = match self {
            Self::Plain(text) => return Ok(Cow::Borrowed(text)),
            Self::Template { name, uses } => (name, uses),
        };
        let rendered = engine
            .0
            .get_template(name)
            .and_then(|template| template.render(context(uses, fields, reads)));
        match rendered {
            Ok(text) if text.len() > limits::VALUE_OCTETS => Err(RenderError::TooLarge),
            Ok(text) => Ok(Cow::Owned(text)),
            Err(error) => Err(match error.kind() {
                ErrorKind::UndefinedError => RenderError::Lacks {
                    what: uses.missing(fields, reads).unwrap_or_else(|| "a field".to_owned()),
                },
                ErrorKind::OutOfFuel => RenderError::TooLarge,
                // The engine's own words may quote the device's values.
                kind => RenderError::Template { what: kind.to_string() },
            }),
        }
    }
}

/// Fills a template in for a made-up device that has everything named, to find what cannot be filled in for any: a filter that
/// does not exist, a text taken for a number.
fn try_out(template: &minijinja::Template<'_, '_>, uses: &Uses) -> Result<(), TemplateError> {
    let (fields, reads) = uses.sample();
    match template.render(context(uses, &fields, &reads)) {
        Err(error) if error.kind() != ErrorKind::UndefinedError => {
            let what = error.detail().map_or_else(
                || error.kind().to_string(),
                |detail| format!("{}: {detail}", error.kind()),
            );
            Err(TemplateError::Syntax { what })
        }
        _ => Ok(()),
    }
}

/// What a template names, and nothing more: copying all of a device for one value would cost more than the rendering.
fn context(uses: &Uses, fields: &Fields, reads: &BTreeMap<String, String>) -> Value {
    let mut root: Vec<(&str, Value)> = Vec::new();
    for name in &uses.texts {
        // What the device did not say is undefined, so that `default` stands in for it.
        if let Some(text) = fields.text(name).filter(|text| !text.is_empty()) {
            root.push((name, Value::from(text)));
        }
    }
    if uses.groups {
        root.push(("groups", fields.groups.iter().map(String::as_str).collect()));
    }
    let found = |entry: Option<(&str, &String)>| {
        entry.map(|(name, value)| (name.to_owned(), Value::from(value.as_str())))
    };
    let attributes = uses
        .attributes
        .iter()
        .filter_map(|name| found(fields.attributes.get(name).map(|value| (name.as_str(), value))));
    let settings = uses.settings.iter().filter_map(|(name, uri)| {
        found(fields.settings.get(uri.as_str()).map(|value| (name.as_str(), value)))
    });
    let read = uses.reads.iter().filter_map(|(name, uri)| {
        found(reads.get(uri.as_str()).map(|value| (name.as_str(), value)))
    });
    root.push(("attributes", Value::from_pairs(attributes)));
    root.push(("setting", Value::from_pairs(settings)));
    root.push(("read", Value::from_pairs(read)));
    Value::from_pairs(root)
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine")
    }
}

/// Why a text is no template that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("the template cannot be read: {what}")]
    Syntax { what: String },
    #[error("a template begins with {{{{ and does not end with }}}}")]
    Unclosed,
    #[error(
        "a template is an expression in {{{{ … }}}}; statements, comments and map literals are not taken"
    )]
    Statement,
    #[error("`{name}` is not known; there are {}", crate::problem::listed(&uses::ROOTS))]
    Variable { name: String },
    #[error("`{root}` is looked into by a name, as in {root}[\"…\"]")]
    Whole { root: &'static str },
    #[error("`{text}` is no address of a node: {source}")]
    Address {
        text: String,
        #[source]
        source: wire::uri::UriError,
    },
}

/// Why a setting cannot be made for a device. No variant holds a value of the device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The device lacks what a template names, and the template has no default.
    #[error("the device has no {what}")]
    Lacks { what: String },
    #[error("the address cannot be made: {why}")]
    Address { why: String },
    #[error("the value cannot be of format {format}: {source}")]
    Value {
        format: String,
        #[source]
        source: wire::value::ValueError,
    },
    #[error("filled in, it is longer than {} octets", limits::VALUE_OCTETS)]
    TooLarge,
    #[error("the template fails: {what}")]
    Template { what: String },
}

/// The address that a document writes in brackets.
fn address_of(text: &str) -> Result<LocUri, TemplateError> {
    LocUri::parse(text)
        .map_err(|source| TemplateError::Address { text: crate::document::printable(text), source })
}
