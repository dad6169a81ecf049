//! The message as XML text, in the form that every known client takes.
//!
//! One line, nothing after it; the namespace of `Meta`'s children on each child; of references only `&amp;`, `&lt;`,
//! `&gt;` and `&quot;`. What would need another reference cannot be written.

use super::read::is_name;
use crate::{
    compose::{self, Sink},
    digest::base64_text,
    encoding::WriteError,
    message::{Command, Content, Element, Message, Version},
    tag::{METINF, Tag},
};

/// Writes a message.
pub fn write(message: &Message) -> Result<Vec<u8>, WriteError> {
    let mut text =
        Text { out: String::with_capacity(2048), namespace: namespace(&message.header.version) };
    text.out.push_str(r#"<?xml version="1.0" encoding="UTF-8"?><SyncML xmlns=""#);
    text.out.push_str(text.namespace);
    text.out.push_str("\">");
    compose::message(&mut text, message)?;
    text.out.push_str("</SyncML>");
    Ok(text.out.into_bytes())
}

/// The octets that a command adds to a message.
pub fn command_octets(command: &Command) -> Result<usize, WriteError> {
    let mut text = Text { out: String::with_capacity(512), namespace: SYNCML_1_2 };
    compose::command(&mut text, command)?;
    Ok(text.out.len())
}

const SYNCML_1_1: &str = "SYNCML:SYNCML1.1";
const SYNCML_1_2: &str = "SYNCML:SYNCML1.2";

fn namespace(version: &Version) -> &'static str {
    if version.dtd() == "1.1" { SYNCML_1_1 } else { SYNCML_1_2 }
}

/// Plain elements in each other are not written deeper than this; it is what reading allows at most.
const DEEPEST: usize = 256;

struct Text {
    out: String,
    /// Of the message.
    namespace: &'static str,
}

impl Text {
    fn start(&mut self, tag: Tag) {
        self.out.push('<');
        self.out.push_str(tag.name());
        if tag.page() == METINF {
            self.out.push_str(r#" xmlns="syncml:metinf""#);
        }
    }

    /// Text between quotes or tags; `&`, `<`, `>` and, in quotes, `"` are referred to.
    fn escape(&mut self, text: &str, quoted: bool) -> Result<(), WriteError> {
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| is_special(c)) {
            let (plain, special) = rest.split_at(at);
            self.out.push_str(plain);
            let mut characters = special.chars();
            match characters.next() {
                Some('&') => self.out.push_str("&amp;"),
                Some('<') => self.out.push_str("&lt;"),
                Some('>') => self.out.push_str("&gt;"),
                Some('"') if quoted => self.out.push_str("&quot;"),
                Some('"') => self.out.push('"'),
                // In quotes they would come back as spaces.
                Some(space @ ('\t' | '\n')) if !quoted => self.out.push(space),
                Some(character) => return Err(WriteError::Character(character)),
                None => {}
            }
            rest = characters.as_str();
        }
        self.out.push_str(rest);
        Ok(())
    }

    fn element_at(
        &mut self,
        element: &Element,
        outer: Option<&str>,
        depth: usize,
    ) -> Result<(), WriteError> {
        if depth > DEEPEST {
            return Err(WriteError::TooDeep(DEEPEST));
        }
        if !is_name(&element.name) {
            return Err(WriteError::Name(element.name.clone()));
        }
        self.out.push('<');
        self.out.push_str(&element.name);
        let namespace = element.namespace.as_deref();
        if namespace != outer {
            self.out.push_str(" xmlns=\"");
            self.escape(namespace.unwrap_or(self.namespace), true)?;
            self.out.push('"');
        }
        self.out.push('>');
        self.attributes(&element.attributes)?;
        for content in &element.content {
            match content {
                Content::Element(element) => self.element_at(element, namespace, depth + 1)?,
                Content::Text(text) => self.escape(text, false)?,
                Content::Opaque(octets) => self.octets(octets),
            }
        }
        if element.content.is_empty() {
            self.out.pop();
            self.out.push_str("/>");
        } else {
            self.out.push_str("</");
            self.out.push_str(&element.name);
            self.out.push('>');
        }
        Ok(())
    }
}

/// What text cannot simply hold.
const fn is_special(character: char) -> bool {
    matches!(character, '&' | '<' | '>' | '"' | '\0'..' ' | '\u{FFFE}' | '\u{FFFF}')
}

impl Sink for Text {
    fn open(&mut self, tag: Tag) {
        self.start(tag);
        self.out.push('>');
    }

    fn close(&mut self, tag: Tag) {
        self.out.push_str("</");
        self.out.push_str(tag.name());
        self.out.push('>');
    }

    fn empty(&mut self, tag: Tag) {
        self.start(tag);
        self.out.push_str("/>");
    }

    fn text(&mut self, text: &str) -> Result<(), WriteError> {
        self.escape(text, false)
    }

    /// Base64 text: XML carries nothing else.
    fn octets(&mut self, octets: &[u8]) {
        self.out.push_str(&base64_text(octets));
    }

    fn attributes(&mut self, attributes: &[(String, String)]) -> Result<(), WriteError> {
        if attributes.is_empty() {
            return Ok(());
        }
        self.out.pop();
        for (name, value) in attributes {
            if name == "xmlns" || !name.split(':').all(is_name) {
                return Err(WriteError::Name(name.clone()));
            }
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            self.escape(value, true)?;
            self.out.push('"');
        }
        self.out.push('>');
        Ok(())
    }

    fn element(&mut self, element: &Element) -> Result<(), WriteError> {
        self.element_at(element, None, 0)
    }
}
