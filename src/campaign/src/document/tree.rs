//! A document as a tree of texts with line numbers, out of YAML or JSON.
//!
//! Nothing is guessed about types: `50000`, `no` and `1.10` stay the texts they are until a key says how it is read. Anchors,
//! aliases, tags and directives are refused; they could make a small document a large one, and no campaign needs them.

use crate::problem::Problem;
use granit_parser::{Event, Parser, ScalarStyle, Span};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The longest document, in octets.
pub const LONGEST: usize = 1024 * 1024;
const DEEPEST: usize = 16;
const MOST_NODES: usize = 100_000;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub line: Option<u64>,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Absent,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    pub line: Option<u64>,
    pub node: Node,
}

/// Reads a document. Its syntax is either right or wrong at one place, so there is one problem.
pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    if text.len() > LONGEST {
        let what = format!("has {} octets", text.len());
        return Err(wrong(
            None,
            what,
            "a document has at most 1 MiB; long lists of devices go into `devices.file`",
        ));
    }
    match yaml(text) {
        Ok(node) => Ok(node),
        // JSON is YAML but for the escapes of characters beyond the first plane.
        Err(problem) if text.trim_start().starts_with('{') => {
            json(text).map_err(|error| match error.line() {
                0 => problem,
                line => wrong(Some(line as u64), format!("is not JSON: {error}"), ""),
            })
        }
        Err(problem) => Err(problem),
    }
}

fn wrong(line: Option<u64>, what: impl Into<String>, help: &str) -> Problem {
    Problem { path: "document".to_owned(), line, what: what.into(), help: help.to_owned() }
}

fn yaml(text: &str) -> Result<Node, Problem> {
    let mut options = granit_parser::options! {
        disallow_directives: true,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    options.set_emit_comments(false);
    let mut events = Events { parser: Parser::new_from_str_with_options(text, options), nodes: 0 };
    let node = loop {
        match events.next()? {
            (Event::StreamStart | Event::DocumentStart(..), _) => {}
            (Event::StreamEnd, _) => {
                return Err(wrong(None, "is empty", "a campaign document is expected"));
            }
            (event, span) => break events.node(event, &span)?,
        }
    };
    loop {
        match events.next()? {
            (Event::StreamEnd, _) => return Ok(node),
            (Event::DocumentStart(..), span) => {
                return Err(wrong(
                    line(&span),
                    "a second document begins here",
                    "one document is one campaign",
                ));
            }
            _ => {}
        }
    }
}

struct Events<'t> {
    parser: Parser<'t, granit_parser::StrInput<'t>>,
    nodes: usize,
}

impl<'t> Events<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Problem> {
        match self.parser.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let at = Some(error.marker().line() as u64);
                Err(wrong(
                    at,
                    format!("is not YAML: {}", error.info()),
                    "indent with spaces, and quote texts that begin with `{`, `[`, `*` or `&`",
                ))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'t>, span: &Span) -> Result<Node, Problem> {
        let line = line(span);
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(wrong(
                line,
                "has too many entries",
                "long lists of devices go into `devices.file`",
            ));
        }
        let value = match event {
            Event::Scalar(text, style, 0, None) => match (style, text.as_ref()) {
                (ScalarStyle::Plain, "" | "~" | "null" | "Null" | "NULL") => Value::Absent,
                _ => Value::Text(text.into_owned()),
            },
            Event::SequenceStart(_, 0, None) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Value::List(list),
                        (event, span) => list.push(self.node(event, &span)?),
                    }
                }
            }
            Event::MappingStart(_, 0, None) => {
                let mut map = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if event == Event::MappingEnd {
                        break Value::Map(map);
                    }
                    let Event::Scalar(key, _, 0, None) = event else {
                        return Err(wrong(self::line(&span), "a key is a plain text", ""));
                    };
                    let (event, value) = self.next()?;
                    map.push(Entry {
                        key: key.into_owned(),
                        line: self::line(&span),
                        node: self.node(event, &value)?,
                    });
                }
            }
            Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::MappingStart(..)
            | Event::Alias(_) => {
                return Err(wrong(
                    line,
                    "anchors, aliases and tags are not read",
                    "write the value out, in quotes if it begins with `&`, `*` or `!`",
                ));
            }
            _ => return Err(wrong(line, "is not YAML here", "")),
        };
        Ok(Node { line, value })
    }
}

fn line(span: &Span) -> Option<u64> {
    u64::try_from(span.start.line()).ok().filter(|line| *line > 0)
}

fn json(text: &str) -> Result<Node, serde_json::Error> {
    serde_json::from_str(text)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfJson).map(|value| Self { line: None, value })
    }
}

struct OfJson;

impl<'de> Visitor<'de> for OfJson {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Absent)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            if nodes.len() >= MOST_NODES {
                return Err(A::Error::custom("too many entries"));
            }
            nodes.push(node);
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, node)) = map.next_entry()? {
            if entries.len() >= MOST_NODES {
                return Err(A::Error::custom("too many entries"));
            }
            entries.push(Entry { key, line: None, node });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn map(node: &Node) -> Vec<(&str, u64, &Value)> {
        let Value::Map(entries) = &node.value else { panic!("{node:?}") };
        entries
            .iter()
            .map(|entry| (entry.key.as_str(), entry.line.unwrap_or(0), &entry.node.value))
            .collect()
    }

    #[test]
    fn values_stay_the_texts_they_are_and_know_their_lines() {
        let node = parse("a: 1.10\nb: no\n\nc: \"null\"\nd: ~\ne:\nf: |\n  x\n  y\n").unwrap();
        let (no, null, block) = (text("no"), text("null"), text("x\ny\n"));
        assert_eq!(
            map(&node),
            [
                ("a", 1, &text("1.10")),
                ("b", 2, &no),
                ("c", 4, &null),
                ("d", 5, &Value::Absent),
                ("e", 6, &Value::Absent),
                ("f", 7, &block)
            ]
        );
    }

    #[test]
    fn json_is_read_too() {
        let node = parse("{\n\t\"a\": [true, 7, null],\n\t\"b\": \"x\\/y\"\n}").unwrap();
        let Value::Map(entries) = &node.value else { panic!() };
        assert_eq!(entries[0].line, Some(2));
        assert_eq!(map(&node)[1].2, &text("x/y"));
        let Value::List(list) = map(&node)[0].2 else { panic!() };
        assert_eq!(
            list.iter().map(|node| node.value.clone()).collect::<Vec<_>>(),
            [text("true"), text("7"), Value::Absent]
        );
        assert_eq!(map(&parse("{\"a\": \"\\ud83d\\ude00\"}").unwrap())[0].2, &text("😀"));
    }

    #[test]
    fn what_is_no_document_is_refused_with_its_line() {
        for (bad, line) in [
            ("", None),
            ("a: 1\n b: 2\n", Some(2)),
            ("a: [1, 2\n", Some(1)),
            ("a: &x 1\nb: *x\n", Some(1)),
            ("a: !!int 1\n", Some(1)),
            ("%YAML 1.2\n---\na: 1\n", Some(1)),
            ("a: 1\n---\nb: 2\n", Some(2)),
            ("? [a]\n: 1\n", Some(1)),
            ("{\"a\": 1,, }", Some(1)),
        ] {
            let problem = parse(bad).unwrap_err();
            assert_eq!(problem.line, line, "{bad:?}: {problem}");
        }
    }

    #[test]
    fn a_bomb_costs_little() {
        assert!(parse(&"[".repeat(500_000)).is_err());
        assert!(parse(&"{\"a\":".repeat(100_000)).is_err());
        assert!(parse(&"a: b\n".repeat(300_000)).unwrap_err().what.contains("octets"));
        let laughs = "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n";
        assert!(parse(laughs).is_err());
        assert!(
            parse(&format!("[{}]", "1,".repeat(200_000))).unwrap_err().what.contains("too many")
        );
    }
}
