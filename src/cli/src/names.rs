//! The files of device names that a campaign points at: CSV with a `device` column, one name a line, or JSON lines.
//!
//! Read one line at a time. Which lines count as names, and so which part of the campaign each falls into, depends on
//! the file alone: submitting it again repeats the same parts.

use crate::input::{Line, Lines};
use api::LineError;

/// The longest name that the server takes, in octets: one longer would have its whole part refused.
const LONGEST: usize = 128;

/// How the names stand in the lines.
#[derive(Debug)]
enum Shape {
    /// In this column of CSV.
    Column(usize),
    /// The line is the name.
    Bare,
    /// In the key `device` of a JSON object, or a JSON string.
    Json,
}

/// One line of the file that is not empty.
pub(crate) type Named = Result<String, LineError>;

/// The names of a file, in its order.
pub(crate) struct Names {
    lines: Lines,
    shape: Option<Shape>,
}

impl Names {
    pub(crate) fn new(lines: Lines) -> Self {
        Self { lines, shape: None }
    }

    /// The next name, or what is wrong with the next line.
    pub(crate) fn next_name(&mut self) -> anyhow::Result<Option<Named>> {
        while let Some((number, line)) = self.lines.next_line()? {
            let text = match line {
                Line::Text(text) => text,
                Line::Bad(what) => return Ok(Some(Err(bad(number, what, "")))),
            };
            if text.trim().is_empty() {
                continue;
            }
            if self.shape.is_none() {
                let (shape, is_header) = shape_of(&text);
                self.shape = Some(shape);
                if is_header {
                    continue;
                }
            }
            let shape = self.shape.as_ref().expect("the line before or this one gave it");
            return Ok(Some(name_in(&text, shape, number)));
        }
        Ok(None)
    }

    /// Octets read so far.
    pub(crate) fn octets(&self) -> u64 {
        self.lines.octets()
    }
}

/// What the first line says of the others, and whether it is only a header.
fn shape_of(first: &str) -> (Shape, bool) {
    if first.trim_start().starts_with(['{', '"'])
        && serde_json::from_str::<serde_json::Value>(first).is_ok()
    {
        return (Shape::Json, false);
    }
    let columns = fields(first).unwrap_or_default();
    match columns.iter().position(|column| column.trim() == "device") {
        Some(column) => (Shape::Column(column), true),
        None => (Shape::Bare, false),
    }
}

fn name_in(text: &str, shape: &Shape, number: u64) -> Named {
    let name = match shape {
        Shape::Bare if text.contains(',') => {
            return Err(bad(
                number,
                "is no device name: it has a comma",
                "for CSV, the first line must name a column `device`",
            ));
        }
        Shape::Bare => text.trim().to_owned(),
        Shape::Column(column) => match fields(text) {
            Some(fields) => match fields.get(*column) {
                Some(name) => name.trim().to_owned(),
                None => {
                    return Err(bad(
                        number,
                        "has no column `device`",
                        "give it as many columns as the header",
                    ));
                }
            },
            None => return Err(bad(number, "is not CSV", "a quoted value must end on its line")),
        },
        Shape::Json => match serde_json::from_str(text) {
            Ok(serde_json::Value::String(name)) => name,
            Ok(serde_json::Value::Object(object)) => {
                match object.get("device").and_then(serde_json::Value::as_str) {
                    Some(name) => name.to_owned(),
                    None => {
                        return Err(bad(
                            number,
                            "has no text under the key `device`",
                            "write {\"device\": \"IMEI:…\"}",
                        ));
                    }
                }
            }
            _ => {
                return Err(bad(
                    number,
                    "is not a JSON object",
                    "write {\"device\": \"IMEI:…\"}, one on a line",
                ));
            }
        },
    };
    match name.len() {
        0 => Err(bad(number, "names no device", "")),
        length if length > LONGEST => {
            Err(bad(number, "names a device of more than 128 octets", ""))
        }
        _ if name.chars().any(char::is_control) => {
            Err(bad(number, "names a device with a control character", ""))
        }
        _ => Ok(name),
    }
}

/// The fields of one line of CSV; none when it is not a whole record.
fn fields(line: &str) -> Option<Vec<String>> {
    if line.matches('"').count() % 2 == 1 {
        return None;
    }
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line.as_bytes());
    let record = reader.records().next()?.ok()?;
    Some(record.iter().map(str::to_owned).collect())
}

fn bad(line: u64, what: &str, help: &str) -> LineError {
    LineError { line, key: String::new(), what: what.to_owned(), help: help.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(text: &str) -> Vec<String> {
        let mut names = Names::new(Lines::new(
            Box::new(std::io::Cursor::new(text.to_owned())),
            "a test".into(),
        ));
        let mut all = Vec::new();
        while let Some(name) = names.next_name().unwrap() {
            all.push(name.unwrap_or_else(|error| format!("! {error}")));
        }
        all
    }

    #[test]
    fn names_come_from_csv_from_bare_lines_and_from_json_lines() {
        let same = ["IMEI:1", "msisdn:447700900123"];
        for text in [
            "plan,device\r\ngold,IMEI:1\r\n\"a, b\",msisdn:447700900123\r\n",
            "device\nIMEI:1\nmsisdn:447700900123",
            "IMEI:1\n\n  msisdn:447700900123 \n",
            "{\"device\": \"IMEI:1\", \"plan\": \"gold\"}\n{\"device\": \"msisdn:447700900123\"}\n",
            "\"IMEI:1\"\n\"msisdn:447700900123\"\n",
        ] {
            assert_eq!(names_of(text), same, "{text:?}");
        }
    }

    #[test]
    fn a_bad_line_is_told_by_its_number_and_the_next_one_counts() {
        for (text, told) in [
            ("device,plan\nIMEI:1,gold\n,gold\nIMEI:2,x\n", "! line 3: names no device"),
            (
                "plan,device\ngold,IMEI:1\ngold\nx,IMEI:2\n",
                "! line 3: has no column `device` (give it as many columns as the header)",
            ),
            (
                "device\nIMEI:1\n\"IMEI\nIMEI:2\n",
                "! line 3: is not CSV (a quoted value must end on its line)",
            ),
            (
                "IMEI:1\n\nIMEI:x,gold\nIMEI:2",
                "! line 3: is no device name: it has a comma (for CSV, the first line must name a column `device`)",
            ),
            (
                "{\"device\":\"IMEI:1\"}\n\n{\"device\":7}\n{\"device\":\"IMEI:2\"}",
                "! line 3: has no text under the key `device` (write {\"device\": \"IMEI:…\"})",
            ),
        ] {
            assert_eq!(names_of(text), ["IMEI:1", told, "IMEI:2"], "{text:?}");
        }
    }
}
