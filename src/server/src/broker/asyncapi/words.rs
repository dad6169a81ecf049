//! What the types alone do not say to a reader of the document: closed lists of words, and descriptions without Rust.

use crate::campaigns::Control;
use api::{MessageType, ProblemType};
use campaign::Outcome;
use serde_json::{Map, Value, json};

/// Words that are text to the types and a closed list to the program.
pub(super) fn narrow(schemas: &mut Map<String, Value>) {
    let names = |names: Vec<&'static str>| json!(names);
    let lists = [
        ("ControlMessage", "do", names(Control::ALL.map(Control::name).to_vec())),
        ("JobResult", "outcome", names(Outcome::ALL.map(Outcome::name).to_vec())),
        ("EndedJob", "outcome", names(Outcome::ALL.map(Outcome::name).to_vec())),
        ("Rejected", "reason", names(ProblemType::ALL.iter().map(|kind| kind.name()).collect())),
        ("Rejected", "queue", names(MessageType::ALL.iter().map(|kind| kind.queue()).collect())),
    ];
    for (schema, property, words) in lists {
        let place = schemas
            .get_mut(schema)
            .and_then(|schema| schema.get_mut("properties")?.get_mut(property)?.as_object_mut());
        if let Some(place) = place {
            place.insert("enum".to_owned(), words);
        }
    }
}

/// Descriptions for readers who have not the code before them: neither examples in Rust nor links into it.
pub(super) fn plain(schema: &mut Value) {
    match schema {
        Value::Object(entries) => {
            for (name, entry) in entries {
                match entry {
                    Value::String(text) if name == "description" => *text = unlinked(text),
                    other => plain(other),
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(plain),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Without examples, and without what stands in brackets to link to it.
fn unlinked(text: &str) -> String {
    let mut rest = text.split("\n\n```").next().unwrap_or(text);
    let mut words = String::new();
    while let Some((before, link)) = rest.split_once(" ([`") {
        words.push_str(before);
        rest = link.split_once(')').map_or("", |(_, after)| after);
    }
    words.push_str(rest);
    words.replace("[`crate::", "`").replace("[`Self::", "`").replace("[`", "`").replace("`]", "`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_lose_links_and_examples_and_keep_their_words() {
        let mut schema = json!({
            "description": "A kind ([`crate::Kind`]), and [`Self::what`] it is.\n\n```\nlet x = 1;\n```",
            "properties": {"a": {"description": "plain (as it is)"}},
        });
        plain(&mut schema);
        assert_eq!(schema["description"], "A kind, and `what` it is.");
        assert_eq!(schema["properties"]["a"]["description"], "plain (as it is)");
    }
}
