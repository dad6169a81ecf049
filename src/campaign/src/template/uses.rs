//! What a template names of a device, found in its text before it is compiled.

use super::{TemplateError, address_of};
use crate::target::Fields;
use std::collections::BTreeMap;
use wire::uri::LocUri;

/// Every name that a template may begin with.
pub(super) const ROOTS: [&str; 10] = [
    "device",
    "manufacturer",
    "model",
    "firmware",
    "dm_version",
    "time_zone",
    "attributes",
    "groups",
    "setting",
    "read",
];

/// Names of fields; addresses as they are written and as they are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    pub texts: Vec<&'static str>,
    pub groups: bool,
    pub attributes: Vec<String>,
    pub settings: Vec<(String, LocUri)>,
    pub reads: Vec<(String, LocUri)>,
}

impl Uses {
    /// Finds what a text names between `{{` and `}}`.
    pub(super) fn of(text: &str) -> Result<Self, TemplateError> {
        let mut uses = Self::default();
        let mut rest = text;
        while let Some((before, opened)) = rest.split_once("{{") {
            if before.contains("{%") || before.contains("{#") {
                return Err(TemplateError::Statement);
            }
            let (tokens, after) = tokens(opened)?;
            uses.expression(&tokens)?;
            rest = after;
        }
        if rest.contains("{%") || rest.contains("{#") {
            Err(TemplateError::Statement)
        } else {
            Ok(uses)
        }
    }

    fn expression(&mut self, tokens: &[Token<'_>]) -> Result<(), TemplateError> {
        let mut rest = tokens;
        let mut before = None;
        while let Some((token, after)) = rest.split_first() {
            let is_root = !matches!(before, Some(Token::Sign('.' | '|')))
                && !matches!(after.first(), Some(Token::Sign('=')) if !matches!(after.get(1), Some(Token::Sign('='))));
            if let (Token::Name(name), true) = (token, is_root) {
                self.root(name, after)?;
            }
            before = Some(*token);
            rest = after;
        }
        Ok(())
    }

    fn root(&mut self, name: &str, after: &[Token<'_>]) -> Result<(), TemplateError> {
        let Some(root) = ROOTS.into_iter().find(|root| *root == name) else { return Ok(()) };
        let key = match after {
            [Token::Sign('.'), Token::Name(key), ..]
            | [Token::Sign('['), Token::Text(key), Token::Sign(']'), ..] => Some((*key).to_owned()),
            _ => None,
        };
        match (root, key) {
            ("attributes" | "setting" | "read", None) => Err(TemplateError::Whole { root }),
            ("attributes", Some(key)) => {
                self.attributes.push(key);
                Ok(())
            }
            ("setting", Some(key)) => {
                let uri = address_of(&key)?;
                self.settings.push((key, uri));
                Ok(())
            }
            ("read", Some(key)) => {
                let uri = address_of(&key)?;
                self.reads.push((key, uri));
                Ok(())
            }
            ("groups", _) => {
                self.groups = true;
                Ok(())
            }
            _ => {
                self.texts.push(root);
                Ok(())
            }
        }
    }

    /// A device that has all of this, and the values just read from it.
    pub(super) fn sample(&self) -> (Fields, BTreeMap<String, String>) {
        let texts = |uris: &[(String, LocUri)]| {
            uris.iter().map(|(_, uri)| uri.to_string()).collect::<Vec<_>>()
        };
        let fields =
            Fields::sample(self.attributes.iter().cloned(), texts(&self.settings).into_iter());
        (fields, texts(&self.reads).into_iter().map(|uri| (uri, "1".to_owned())).collect())
    }

    /// What of this a device does not have, by its name in documents.
    pub(super) fn missing(
        &self,
        fields: &Fields,
        reads: &BTreeMap<String, String>,
    ) -> Option<String> {
        let text = self
            .texts
            .iter()
            .find(|name| fields.text(name).is_none_or(str::is_empty))
            .map(|name| format!("`{name}`"));
        let attribute = || {
            self.attributes
                .iter()
                .find(|name| !fields.attributes.contains_key(*name))
                .map(|name| format!("`attributes.{name}`"))
        };
        let setting = || {
            self.settings
                .iter()
                .find(|(_, uri)| !fields.settings.contains_key(uri.as_str()))
                .map(|(_, uri)| format!("value read earlier of {uri}"))
        };
        let read = || {
            self.reads
                .iter()
                .find(|(_, uri)| !reads.contains_key(uri.as_str()))
                .map(|(_, uri)| format!("value at {uri}"))
        };
        text.or_else(attribute).or_else(setting).or_else(read)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    Name(&'t str),
    /// A text in quotes; escapes are left as they are, since no name of a field needs one.
    Text(&'t str),
    Sign(char),
}

/// The tokens up to `}}`, and what follows it.
fn tokens(text: &str) -> Result<(Vec<Token<'_>>, &str), TemplateError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        if let Some(after) = rest.strip_prefix("}}") {
            return Ok((tokens, after));
        }
        let Some(first) = rest.chars().next() else { return Err(TemplateError::Unclosed) };
        let length = match first {
            '"' | '\'' => quoted(rest, first).ok_or(TemplateError::Unclosed)?,
            '{' | '}' => return Err(TemplateError::Statement),
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
            }
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at_checked(length).ok_or(TemplateError::Unclosed)?;
        match first {
            '"' | '\'' => tokens.push(Token::Text(token.trim_matches(first))),
            c if c.is_alphanumeric() || c == '_' => tokens.push(Token::Name(token)),
            c if c.is_whitespace() => {}
            c => tokens.push(Token::Sign(c)),
        }
        rest = after;
    }
}

/// How long a quoted text is, with its quotes.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(index + c.len_utf8()),
            _ => {}
        }
    }
    None
}

/// Splits at `separator` wherever it does not stand within `{{ … }}`.
pub(super) fn split_outside(text: &str, separator: char) -> Result<Vec<&str>, TemplateError> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(opened) = rest.strip_prefix("{{") {
            let (_, after) = tokens(opened)?;
            at = text.len() - after.len();
        } else {
            let c = rest.chars().next().map_or(1, char::len_utf8);
            if rest.starts_with(separator) {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + c;
            }
            at += c;
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    Ok(parts)
}
