//! The lines of an import, split into keys and texts. What the texts mean is not decided here.
//!
//! A line is a physical line: no value spans two, so that one bad line never takes the next ones with it.

use serde_json::Value;
use std::borrow::Cow;

/// The longest line, in octets.
pub const LONGEST_LINE: usize = 16 * 1024;

/// The most columns of a header and keys of a line.
pub const MOST_KEYS: usize = 128;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Values with commas between them, quoted where needed (RFC 4180), under a header.
    Csv,
    /// A JSON object on each line.
    JsonLines,
}

impl Format {
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "csv" => Some(Self::Csv),
            "jsonl" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// What is wrong with a line, or with one of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Empty when it is the line as a whole.
    pub key: String,
    pub what: String,
    pub help: String,
}

impl Fault {
    pub fn new(key: impl Into<String>, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { key: key.into(), what: what.into(), help: help.into() }
    }
}

/// One value of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text<'a> {
    Is(Cow<'a, str>),
    /// JSON's `null`: the value is taken away.
    Gone,
}

/// Keys and texts of a line, in its order. A key that says nothing (an empty cell) is not among them.
pub type Cells<'a> = Vec<(Cow<'a, str>, Text<'a>)>;

/// The header of CSV lines, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header(Vec<String>);

impl Header {
    /// Reads the header. `known` tells a key of a device from others.
    pub fn parse(
        line: &[u8],
        known: impl Fn(&str) -> Result<(), Fault>,
    ) -> Result<Self, Vec<Fault>> {
        let names = text_of(line)
            .and_then(|text| split(text.trim_start_matches('\u{feff}')))
            .map_err(|fault| vec![fault])?;
        if names.len() > MOST_KEYS {
            return Err(vec![Fault::new(
                "",
                format!("the header has more than {MOST_KEYS} columns"),
                "take some out",
            )]);
        }
        let names: Vec<String> = names.into_iter().map(|name| name.trim().to_owned()).collect();
        let mut faults = Vec::new();
        for (place, name) in names.iter().enumerate() {
            if let Err(fault) = known(name) {
                faults.push(fault);
            } else if names.iter().take(place).any(|earlier| earlier == name) {
                faults.push(Fault::new(name, "is the name of two columns", "keep one of them"));
            }
        }
        if faults.is_empty() { Ok(Self(names)) } else { Err(faults) }
    }

    /// The cells of a line under this header.
    pub fn cells<'a>(&'a self, line: &'a [u8]) -> Result<Cells<'a>, Fault> {
        let values = split(text_of(line)?)?;
        if values.len() != self.0.len() {
            return Err(Fault::new(
                "",
                format!("has {} values under {} columns", values.len(), self.0.len()),
                "quote values that hold a comma",
            ));
        }
        let cells = self.0.iter().zip(values).filter(|(_, value)| !value.is_empty());
        Ok(cells.map(|(name, value)| (Cow::Borrowed(name.as_str()), Text::Is(value))).collect())
    }
}

/// The cells of a JSON line. `attributes` may be an object, `groups` an array.
pub fn json_cells(line: &[u8]) -> Result<Cells<'static>, Fault> {
    let text = text_of(line)?.trim_start_matches('\u{feff}');
    let value: Value = serde_json::from_str(text).map_err(|error| {
        Fault::new("", format!("is not JSON: {error}"), "write one JSON object on each line")
    })?;
    let Value::Object(object) = value else {
        return Err(Fault::new("", "is not a JSON object", "write one JSON object on each line"));
    };
    let mut cells: Cells<'static> = Vec::with_capacity(object.len());
    for (key, value) in object {
        match value {
            Value::Object(inner) if key == "attributes" => {
                for (name, value) in inner {
                    let key = format!("attributes.{name}");
                    let text = json_text(&key, value)?;
                    cells.push((Cow::Owned(key), text));
                }
            }
            Value::Array(entries) if key == "groups" => {
                let names = entries.into_iter().map(|entry| match entry {
                    Value::String(name) if !name.contains(';') => Ok(name),
                    _ => Err(Fault::new(
                        "groups",
                        "holds something that is not the name of a group",
                        "write names",
                    )),
                });
                let names = names.collect::<Result<Vec<_>, _>>()?;
                cells.push((Cow::Owned(key), Text::Is(Cow::Owned(names.join(";")))));
            }
            value => {
                let text = json_text(&key, value)?;
                cells.push((Cow::Owned(key), text));
            }
        }
    }
    let mut names: Vec<_> = cells.iter().map(|(key, _)| key.as_ref()).collect();
    names.sort_unstable();
    if let Some([twice, _]) =
        names.windows(2).find(|pair| matches!(pair, [one, other] if one == other))
    {
        return Err(Fault::new(*twice, "is said twice", "say it once"));
    }
    if cells.len() > MOST_KEYS {
        return Err(Fault::new("", format!("has more than {MOST_KEYS} keys"), "take some out"));
    }
    Ok(cells)
}

fn json_text(key: &str, value: Value) -> Result<Text<'static>, Fault> {
    match value {
        Value::Null => Ok(Text::Gone),
        Value::String(text) => Ok(Text::Is(Cow::Owned(text))),
        Value::Number(number) => Ok(Text::Is(Cow::Owned(number.to_string()))),
        Value::Bool(truth) => Ok(Text::Is(Cow::Owned(truth.to_string()))),
        Value::Array(_) | Value::Object(_) => {
            Err(Fault::new(key, "is not text", "write it as a string"))
        }
    }
}

fn text_of(line: &[u8]) -> Result<&str, Fault> {
    if line.len() > LONGEST_LINE {
        return Err(Fault::new(
            "",
            format!("is longer than {LONGEST_LINE} octets"),
            "shorten its values",
        ));
    }
    std::str::from_utf8(line)
        .map_err(|_invalid| Fault::new("", "is not UTF-8 text", "save the file as UTF-8"))
}

/// Splits a line of CSV.
fn split(line: &str) -> Result<Vec<Cow<'_, str>>, Fault> {
    let quoted_wrongly = |what: &str| {
        Fault::new("", what, "double a quote inside a quoted value; no value spans lines")
    };
    let mut values = Vec::new();
    let mut rest = line;
    loop {
        let (value, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_value(quoted)
                .ok_or_else(|| quoted_wrongly("a quoted value does not end on its line"))?
        } else {
            let (value, _) = rest.split_once(',').unwrap_or((rest, ""));
            (Cow::Borrowed(value), rest.strip_prefix(value).unwrap_or_default())
        };
        values.push(value);
        if after.is_empty() {
            return Ok(values);
        }
        rest = after
            .strip_prefix(',')
            .ok_or_else(|| quoted_wrongly("there is text between a closing quote and the comma"))?;
    }
}

/// The value up to its closing quote, and what follows the quote.
fn quoted_value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let (value, mut rest) = text.split_once('"')?;
    if !rest.starts_with('"') {
        return Some((Cow::Borrowed(value), rest));
    }
    let mut value = value.to_owned();
    while let Some(after) = rest.strip_prefix('"') {
        let (more, behind) = after.split_once('"')?;
        value.push('"');
        value.push_str(more);
        rest = behind;
    }
    Some((Cow::Owned(value), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(line: &str) -> Vec<String> {
        split(line).unwrap().into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn csv_is_split_at_commas_outside_of_quotes() {
        assert_eq!(values("a,b,c"), ["a", "b", "c"]);
        assert_eq!(values(r#""a,b",c"#), ["a,b", "c"]);
        assert_eq!(values(r#""say ""yes""",x"#), [r#"say "yes""#, "x"]);
        assert_eq!(values(r#"5" pipe,b"#), [r#"5" pipe"#, "b"]);
        assert_eq!(values(",,"), ["", "", ""]);
        assert_eq!(values(r#""""#), [""]);
        assert_eq!(values(""), [""]);
        for wrong in [r#""a,b"#, r#""a"b,c"#, r#"""#, r#"a,""""#] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_empty_cell_says_nothing_and_null_takes_away() {
        let header = Header::parse(b"device,model", |_| Ok(())).unwrap();
        assert_eq!(
            header.cells(b"IMEI:1,").unwrap(),
            [(Cow::from("device"), Text::Is("IMEI:1".into()))]
        );
        let cells = json_cells(br#"{"model":null}"#).unwrap();
        assert_eq!(cells, [(Cow::from("model"), Text::Gone)]);
    }

    #[test]
    fn json_attributes_and_groups_may_have_their_own_shapes() {
        let cells =
            json_cells(br#"{"attributes":{"plan":"gold","n":7},"groups":["a","b"]}"#).unwrap();
        let expected = [("attributes.n", "7"), ("attributes.plan", "gold"), ("groups", "a;b")];
        assert_eq!(cells.len(), 3);
        for (key, text) in expected {
            assert!(cells.contains(&(key.into(), Text::Is(text.into()))), "{key}");
        }
        let twice = json_cells(br#"{"attributes":{"a":"1"},"attributes.a":"2"}"#).unwrap_err();
        assert_eq!(twice.key, "attributes.a");
    }

    #[test]
    fn a_header_is_refused_with_every_column_that_is_wrong() {
        let known =
            |name: &str| if name == "device" { Ok(()) } else { Err(Fault::new(name, "?", "")) };
        let faults = Header::parse(b"\xef\xbb\xbfdevice,x,device,y", known).unwrap_err();
        let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["x", "device", "y"]);
    }

    #[test]
    fn what_is_too_long_or_no_text_is_refused() {
        assert!(json_cells(&vec![b' '; LONGEST_LINE + 1]).unwrap_err().what.contains("longer"));
        assert!(json_cells(b"\xff").unwrap_err().what.contains("UTF-8"));
        assert!(json_cells(b"[1]").unwrap_err().what.contains("object"));
        assert!(json_cells(&b"[".repeat(10_000)).unwrap_err().what.contains("JSON"));
    }
}
