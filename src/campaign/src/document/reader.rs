//! Reading keys out of a tree: each bad one is noted, with its path, its line and the nearest known one, and reading goes on.

use super::tree::{Entry, Node, Value};
use crate::problem::{self, Problem, suggestion};
use crate::time::{Instant, duration_text, parse_duration};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// No map of a document has as many known keys; one that has more keys is none of ours.
const MOST_KEYS: usize = 64;

/// Collects what is wrong, and where each key stands.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub problems: Vec<Problem>,
    pub lines: BTreeMap<String, u64>,
}

/// The keys of one map, under their path.
#[derive(Debug, Clone)]
pub(super) struct Section<'n> {
    path: String,
    line: Option<u64>,
    entries: &'n [Entry],
}

/// What may be said where: keys or values that are there, and those of later versions, which are refused by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub known: &'static [&'static str],
    pub later: &'static [&'static str],
}

impl<'n> Section<'n> {
    pub(super) fn entries(&self) -> &'n [Entry] {
        self.entries
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl Reader {
    pub(super) fn problem(
        &mut self,
        path: &str,
        line: Option<u64>,
        what: impl Into<String>,
        help: impl Into<String>,
    ) {
        // One more than are reported, so that it is known that there are more.
        if self.problems.len() > problem::MOST {
            return;
        }
        self.problems.push(Problem {
            path: path.to_owned(),
            line,
            what: what.into(),
            help: help.into(),
        });
    }

    /// Takes a node as a map; unknown, later and doubled keys are noted.
    pub(super) fn section<'n>(
        &mut self,
        path: &str,
        node: &'n Node,
        words: Words,
    ) -> Option<Section<'n>> {
        let shown = if path.is_empty() { "document" } else { path };
        let Value::Map(entries) = &node.value else {
            let help = format!("write keys below it: {}", problem::listed(words.known));
            self.problem(
                shown,
                node.line,
                format!("is {}, not a map of keys", kind(&node.value)),
                help,
            );
            return None;
        };
        if entries.len() > MOST_KEYS {
            let what = format!("has {} keys", entries.len());
            self.problem(shown, node.line, what, format!("there are {}", words.known.len()));
            return None;
        }
        let section = Section { path: path.to_owned(), line: node.line, entries };
        for (index, entry) in entries.iter().enumerate() {
            let path = section.path_of(&entry.key);
            if entries.iter().take(index).any(|earlier| earlier.key == entry.key) {
                self.problem(&path, entry.line, "stands here a second time", "keep one of them");
            } else if words.known.contains(&entry.key.as_str()) {
                if let Some(line) = entry.line {
                    self.lines.insert(path, line);
                }
            } else if words.later.contains(&entry.key.as_str()) {
                self.later(&path, entry.line, &entry.key);
            } else {
                self.problem(
                    &path,
                    entry.line,
                    format!("there is no key `{}` here", printable(&entry.key)),
                    suggestion(&entry.key, words.known),
                );
            }
        }
        Some(section)
    }

    pub(super) fn later(&mut self, path: &str, line: Option<u64>, word: &str) {
        self.problem(
            path,
            line,
            format!("`{word}` is not available in this version"),
            "leave it out: what it asks for would not be done",
        );
    }

    /// The node of a key; none when the key is missing. A key without a value is noted.
    pub(super) fn node<'n>(&mut self, section: &Section<'n>, key: &str) -> Option<&'n Node> {
        let entry = section.entries.iter().find(|entry| entry.key == key)?;
        if entry.node.value == Value::Absent {
            self.problem(
                &section.path_of(key),
                entry.line,
                "has no value",
                "give it one, or leave the key out",
            );
            return None;
        }
        Some(&entry.node)
    }

    pub(super) fn has(section: &Section<'_>, key: &str) -> bool {
        section.entries.iter().any(|entry| entry.key == key)
    }

    /// Notes a key that must be there and is not.
    pub(super) fn missing(&mut self, section: &Section<'_>, key: &str, help: &str) {
        if !Self::has(section, key) {
            let path = section.path_of(key);
            self.problem(&path, section.line, "is missing", help);
        }
    }

    /// A text of at most `longest` octets.
    pub(super) fn text(
        &mut self,
        section: &Section<'_>,
        key: &str,
        longest: usize,
    ) -> Option<String> {
        let node = self.node(section, key)?;
        self.text_of(&section.path_of(key), node, longest)
    }

    pub(super) fn text_of(&mut self, path: &str, node: &Node, longest: usize) -> Option<String> {
        match &node.value {
            Value::Text(text) if text.len() > longest => {
                self.problem(
                    path,
                    node.line,
                    format!("has {} octets", text.len()),
                    format!("at most {longest} are taken"),
                );
                None
            }
            Value::Text(text) => Some(text.clone()),
            other => {
                self.problem(
                    path,
                    node.line,
                    format!("is {}, not a text", kind(other)),
                    "write one value",
                );
                None
            }
        }
    }

    /// A text that is turned into something; `help` says what is expected.
    pub(super) fn parsed<T>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        help: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(section, key, 256)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(why) => {
                let line = self.node(section, key).and_then(|node| node.line);
                self.problem(
                    &section.path_of(key),
                    line,
                    format!("`{}` {why}", printable(&text)),
                    help,
                );
                None
            }
        }
    }

    /// An id of a campaign or an authority.
    pub(super) fn id(&mut self, section: &Section<'_>, key: &str) -> Option<String> {
        self.missing(section, key, "an id is 1 to 64 of a-z, 0-9, `_` and `-`");
        self.parsed(section, key, "an id is 1 to 64 of a-z, 0-9, `_` and `-`", |text| {
            if super::is_id(text) { Ok(text.to_owned()) } else { Err("is no id".to_owned()) }
        })
    }

    pub(super) fn flag(&mut self, section: &Section<'_>, key: &str) -> Option<bool> {
        self.parsed(section, key, "write true or false", |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("is neither true nor false".to_owned()),
        })
    }

    pub(super) fn number(
        &mut self,
        section: &Section<'_>,
        key: &str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let help = format!("write a whole number from {} to {}", range.start(), range.end());
        self.parsed(section, key, &help, |text| match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            Ok(_) => Err("is out of range".to_owned()),
            Err(_) => Err("is no such number".to_owned()),
        })
    }

    pub(super) fn duration(
        &mut self,
        section: &Section<'_>,
        key: &str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let (least, most) = (duration_text(*range.start()), duration_text(*range.end()));
        self.parsed(
            section,
            key,
            &format!("write a duration from {least} to {most}, as in 30s, 10m, 2h, 7d"),
            |text| match parse_duration(text) {
                Ok(duration) if range.contains(&duration) => Ok(duration),
                Ok(_) => Err("is out of range".to_owned()),
                Err(error) => Err(format!("is no duration: {error}")),
            },
        )
    }

    pub(super) fn instant(&mut self, section: &Section<'_>, key: &str) -> Option<Instant> {
        self.parsed(
            section,
            key,
            "write it with its offset, as in 2026-11-25T01:00:00+01:00",
            |text| Instant::parse(text).map_err(|error| format!("is {error}")),
        )
    }

    /// One of some words, each standing for a value.
    pub(super) fn choice<T: Copy>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        choices: &[(&str, T)],
        later: &[&str],
    ) -> Option<T> {
        let node = self.node(section, key)?;
        let path = section.path_of(key);
        // A map where a word is expected may be a way of saying it that comes later, named by its key.
        if let Value::Map(entries) = &node.value
            && let Some(entry) = entries.iter().find(|entry| later.contains(&entry.key.as_str()))
        {
            self.later(&format!("{path}.{}", entry.key), entry.line, &entry.key);
            return None;
        }
        let text = self.text_of(&path, node, 256)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        if later.contains(&text.as_str()) {
            self.later(&path, node.line, &text);
        } else {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            self.problem(
                &path,
                node.line,
                format!("`{}` is not known here", printable(&text)),
                suggestion(&text, &names),
            );
        }
        None
    }

    /// A list of at most `most` nodes, each with its path.
    pub(super) fn list<'n>(
        &mut self,
        section: &Section<'n>,
        key: &str,
        most: usize,
    ) -> Vec<(String, &'n Node)> {
        let Some(node) = self.node(section, key) else { return Vec::new() };
        let path = section.path_of(key);
        match &node.value {
            Value::List(list) if list.len() > most => {
                self.problem(
                    &path,
                    node.line,
                    format!("has {} entries", list.len()),
                    format!("at most {most} are taken"),
                );
                Vec::new()
            }
            Value::List(list) => list
                .iter()
                .enumerate()
                .map(|(index, node)| (format!("{path}[{index}]"), node))
                .collect(),
            other => {
                self.problem(
                    &path,
                    node.line,
                    format!("is {}, not a list", kind(other)),
                    "begin each entry with `-`",
                );
                Vec::new()
            }
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Absent => "empty",
        Value::Text(_) => "a text",
        Value::List(_) => "a list",
        Value::Map(_) => "a map of keys",
    }
}

/// What somebody wrote, short enough to be shown and without what a terminal might obey.
pub(crate) fn printable(text: &str) -> String {
    let shown: String =
        text.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if shown.len() < text.len() && text.chars().nth(64).is_some() {
        format!("{shown}…")
    } else {
        shown
    }
}
