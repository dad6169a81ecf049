//! What a packet is printed from: its title, what is known of it, and what is inside it.
//!
//! Every format makes [`Layer`]s; text and JSON come from the same facts. Only SyncML messages have printers of their
//! own.

use super::{json, mask::HIDDEN, text, words};
use crate::octets;
use serde_json::{Map, Value, json};
use std::fmt::{self, Write};
use wire::{Encoding, message::Message};

/// How to look at what is read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Look<'a> {
    pub(crate) show_secrets: bool,
    /// What is known of the device, to prove a bootstrap message with.
    pub(crate) imsi: Option<&'a str>,
    pub(crate) pin: Option<&'a str>,
}

impl Look<'_> {
    /// Whoever re-encodes a message must not change it.
    pub(crate) const OPEN: Self = Self { show_secrets: true, imsi: None, pin: None };
}

/// What was read, or the part of it before a fault.
#[derive(Debug)]
pub(crate) enum Packet {
    Message(Whole),
    Layer(Layer),
}

/// A SyncML message.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) encoding: Encoding,
    pub(crate) octets: usize,
    pub(crate) message: Box<Message>,
    pub(crate) problem: Option<Problem>,
}

/// Anything else.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    kind: &'static str,
    title: String,
    facts: Vec<Fact>,
    /// Lines that are no facts, and what they are in JSON.
    body: Option<(String, &'static str, Value)>,
    inside: Vec<Packet>,
    /// The document as XML and as WBXML, where it has such forms.
    pub(crate) xml: Option<String>,
    pub(crate) wbxml: Option<Vec<u8>>,
    problem: Option<Problem>,
}

#[derive(Debug)]
struct Fact {
    label: String,
    /// Its name for programs.
    key: String,
    text: String,
    json: Value,
}

/// Why the rest could not be read, and where.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    told: String,
    /// The octets around the place. There may be secrets among them.
    place: String,
}

impl Problem {
    pub(crate) fn new(told: impl Into<String>) -> Self {
        Self { told: told.into(), place: String::new() }
    }

    pub(crate) fn at(self, octets: &[u8], at: usize) -> Self {
        Self { place: octets::around(octets, at), ..self }
    }

    /// The same, said from further outside.
    pub(crate) fn within(self, whence: &str) -> Self {
        Self { told: format!("{whence}: {}", self.told), ..self }
    }

    /// The octets around the place, for those who may see secrets; a hint for the others.
    pub(crate) fn place(&self, look: Look<'_>) -> &str {
        match self.place.as_str() {
            "" => "",
            place if look.show_secrets => place,
            _ => " (--show-secrets shows the octets there)",
        }
    }

    /// An error of a reader, with the place it names.
    pub(crate) fn of(error: &anyhow::Error, octets: &[u8]) -> Self {
        let read = error.chain().find_map(|cause| cause.downcast_ref::<wire::ReadError>());
        let problem = Self::new(crate::console::explain(error));
        match read {
            Some(wire::ReadError::Truncated) => problem.at(octets, octets.len()),
            Some(error) => match error.at() {
                Some(at) => problem.at(octets, at),
                None => problem,
            },
            None => problem,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)
    }
}

impl std::error::Error for Problem {}

impl Layer {
    /// `title` is a line for people, `kind` the word for programs.
    pub(crate) fn new(kind: &'static str, title: impl Into<String>) -> Self {
        Self { kind, title: title.into(), ..Self::default() }
    }

    /// A fact in words that are ours.
    pub(crate) fn fact(self, label: &str, text: impl Into<String>) -> Self {
        let text = text.into();
        let json = json!(text);
        self.number(label, text, json)
    }

    /// A fact in words of the other side, made safe for a terminal.
    pub(crate) fn said(self, label: &str, text: &str) -> Self {
        self.number(label, words::plain(text), json!(text))
    }

    pub(crate) fn maybe(self, label: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.said(label, text),
            None => self,
        }
    }

    /// A fact that programs want in another form than people.
    pub(crate) fn number(
        mut self,
        label: &str,
        text: impl Into<String>,
        json: impl Into<Value>,
    ) -> Self {
        let key = label.replace([' ', '-'], "_").to_ascii_lowercase();
        self.facts.push(Fact {
            label: label.to_owned(),
            key,
            text: text.into(),
            json: json.into(),
        });
        self
    }

    /// A fact that stays hidden unless it is asked for.
    pub(crate) fn secret(self, label: &str, text: &str, look: Look<'_>) -> Self {
        self.said(label, if look.show_secrets { text } else { HIDDEN })
    }

    /// Another name for programs than the label, for the fact told last.
    pub(crate) fn keyed(mut self, key: &str) -> Self {
        if let Some(fact) = self.facts.last_mut() {
            key.clone_into(&mut fact.key);
        }
        self
    }

    /// Lines below the facts.
    pub(crate) fn body(mut self, lines: String, key: &'static str, json: Value) -> Self {
        self.body = Some((lines, key, json));
        self
    }

    pub(crate) fn holding(mut self, inside: impl IntoIterator<Item = Packet>) -> Self {
        self.inside.extend(inside);
        self
    }

    pub(crate) fn broken(mut self, problem: Option<Problem>) -> Self {
        self.problem = problem;
        self
    }
}

impl Packet {
    pub(crate) fn text(&self, out: &mut impl Write) -> fmt::Result {
        match self {
            Self::Message(whole) => {
                let version = words::plain(whole.message.header.version.protocol());
                let octets = words::count(whole.octets, "octet");
                writeln!(out, "SyncML {version}, {}, {octets}", encoding_name(whole.encoding))?;
                text::message(&whole.message, whole.problem.is_some(), out)
            }
            Self::Layer(layer) => {
                /// What most labels fit into.
                const COLUMN: usize = 11;
                writeln!(out, "{}", layer.title)?;
                let longest = layer.facts.iter().map(|fact| fact.label.len()).max();
                let column = longest.unwrap_or_default().max(COLUMN);
                // Some are for programs alone.
                for fact in layer.facts.iter().filter(|fact| !fact.text.is_empty()) {
                    writeln!(out, "{:column$}  {}", fact.label, fact.text)?;
                }
                if let Some((lines, ..)) = &layer.body {
                    write!(out, "\n{lines}")?;
                }
                for packet in &layer.inside {
                    writeln!(out)?;
                    packet.text(out)?;
                }
                Ok(())
            }
        }
    }

    /// An object with `kind`, the facts under their labels, and what is inside under its kind.
    pub(crate) fn json(&self) -> Value {
        let mut object = Map::new();
        let problem = match self {
            Self::Message(whole) => {
                object.insert("kind".into(), json!("message"));
                object.insert("encoding".into(), json!(encoding_name(whole.encoding)));
                object.insert("message".into(), json::message(&whole.message));
                &whole.problem
            }
            Self::Layer(layer) => {
                object.insert("kind".into(), json!(layer.kind));
                for fact in &layer.facts {
                    put(&mut object, &fact.key, fact.json.clone());
                }
                if let Some((_, key, json)) = &layer.body {
                    object.insert((*key).into(), json.clone());
                }
                for packet in &layer.inside {
                    put(&mut object, packet.kind(), packet.json());
                }
                &layer.problem
            }
        };
        if let Some(problem) = problem {
            object.insert("problem".into(), json!(problem.told));
        }
        object.into()
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::Layer(layer) => layer.kind,
        }
    }

    /// The first thing that could not be read, here or inside.
    pub(crate) fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Message(whole) => whole.problem.as_ref(),
            Self::Layer(layer) => {
                layer.problem.as_ref().or_else(|| layer.inside.iter().find_map(Self::problem))
            }
        }
    }

    /// The innermost thing that is a document, such as the message in a push.
    pub(crate) fn document(&self) -> Option<&Self> {
        match self {
            Self::Message(_) => Some(self),
            Self::Layer(layer) => layer
                .inside
                .iter()
                .find_map(Self::document)
                .or_else(|| (layer.xml.is_some() || layer.wbxml.is_some()).then_some(self)),
        }
    }
}

/// What comes more than once becomes a list.
fn put(object: &mut Map<String, Value>, key: &str, value: Value) {
    match object.get_mut(key) {
        None => drop(object.insert(key.to_owned(), value)),
        Some(Value::Array(all)) => all.push(value),
        Some(one) => {
            let first = one.take();
            *one = Value::Array(vec![first, value]);
        }
    }
}

pub(crate) fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Xml => "XML",
        Encoding::Wbxml => "WBXML",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_tell_the_same_facts() {
        let inner = || Packet::Layer(Layer::new("inner", "inner thing").fact("size", "1"));
        let layer = Layer::new("outer", "outer thing")
            .said("Some-Name", "a\u{1b}b")
            .secret("password", "x", Look::default())
            .maybe("absent", None)
            .holding([inner(), inner()]);
        let packet = Packet::Layer(layer.broken(Some(Problem::new("it hurts"))));
        let mut text = String::new();
        packet.text(&mut text).unwrap();
        assert_eq!(
            text,
            "outer thing\nSome-Name    a\\u{1b}b\npassword     (hidden)\n\ninner thing\nsize         1\n\ninner thing\nsize         1\n"
        );
        assert_eq!(
            packet.json(),
            json!({"kind": "outer", "some_name": "a\u{1b}b", "password": "(hidden)", "problem": "it hurts",
                "inner": [{"kind": "inner", "size": "1"}, {"kind": "inner", "size": "1"}]})
        );
        assert_eq!(packet.problem().unwrap().to_string(), "it hurts");
    }
}
