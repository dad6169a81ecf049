//! Values of nodes: whether a text is one in a format, and whether two are the same.
//!
//! The format that the campaign declares governs both sides. What the device says of its value (`Meta`) only decides
//! how the value was transported; a value that does not parse in the declared format differs from all.

use crate::{
    digest::{base64_octets, base64_text},
    message::Data,
    meta::Format,
    xml::{self, Infoset},
};
use std::borrow::Cow;

mod moment;

use moment::Moment;

/// A value as a device transported it: an item of `Results`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The item's `Format`, or its command's.
    pub format: Option<Format>,
    pub data: Option<Data>,
}

/// Why a text is no value of a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error("not a decimal integer")]
    Int,
    #[error("neither true nor false")]
    Bool,
    #[error("not a decimal number")]
    Float,
    #[error("not base64 text")]
    Base64,
    #[error("not an ISO 8601 date, such as 2024-02-29")]
    Date,
    #[error("not an ISO 8601 time, such as 23:59:59Z")]
    Time,
    #[error("not an XML document: {0}")]
    Xml(String),
    #[error("this format has no value")]
    NoValue,
}

/// Whether `text` is a value of `format`.
pub fn valid(format: &Format, text: &str) -> Result<(), ValueError> {
    match format {
        Format::Int => int(text).map(drop).ok_or(ValueError::Int),
        Format::Bool => bool(text).map(drop).ok_or(ValueError::Bool),
        Format::Float => float(text).map(drop).ok_or(ValueError::Float),
        Format::B64 | Format::Bin => base64_octets(text).map(drop).ok_or(ValueError::Base64),
        Format::Date => Moment::of_date(text).map(drop).ok_or(ValueError::Date),
        Format::Time => Moment::of_time(text).map(drop).ok_or(ValueError::Time),
        Format::Xml => {
            xml::parse(text).map(drop).map_err(|error| ValueError::Xml(error.to_string()))
        }
        Format::Null if text.is_empty() => Ok(()),
        Format::Null => Err(ValueError::NoValue),
        Format::Chr | Format::Node | Format::Other(_) => Ok(()),
    }
}

/// Whether the device already has what is wanted: the canonical comparison.
///
/// `wanted` is the campaign's text (base64 for `b64` and `bin`, child names joined by `/` for `node`); `None` asks for
/// an empty value, of a `node` only that it is one.
pub fn same(declared: &Format, wanted: Option<&str>, found: &Found) -> bool {
    let text = transported_text(found);
    let text = text.as_deref();
    match declared {
        Format::Int => alike(wanted, text, int),
        Format::Bool => alike(wanted, text, bool),
        Format::Float => alike(wanted, text, float),
        Format::Date => alike(wanted, text, Moment::of_date),
        Format::Time => alike(wanted, text, Moment::of_time),
        Format::B64 | Format::Bin => same_octets(wanted.unwrap_or_default(), found),
        Format::Xml => same_document(wanted.unwrap_or_default(), found),
        Format::Null => wanted.unwrap_or_default().is_empty() && text.is_some_and(str::is_empty),
        Format::Node => same_children(wanted, found),
        Format::Chr | Format::Other(_) => {
            text.is_some_and(|text| text == wanted.unwrap_or_default())
        }
    }
}

/// The value as text, its transfer encoding undone and without [the zero octets at its end](unterminated); octets (`b64`,
/// `bin`) stay base64 text, packed and padded.
///
/// `None` for elements in line and for octets that are no text.
pub fn text(found: &Found) -> Option<String> {
    match (&found.format, &found.data) {
        (_, None) => Some(String::new()),
        (Some(Format::B64 | Format::Bin), Some(Data::Opaque(octets))) => Some(base64_text(octets)),
        (Some(Format::B64 | Format::Bin), Some(Data::Text(text))) => {
            let text = unterminated(text);
            Some(base64_octets(text).map_or_else(|| text.to_owned(), |octets| base64_text(&octets)))
        }
        (_, Some(data)) => data.as_text().map(unterminated).map(str::to_owned),
    }
}

/// A text without the zero octets at its end: one client sends what ends its texts in memory along with them.
pub fn unterminated(text: &str) -> &str {
    text.trim_end_matches('\0')
}

/// The octets that were transported as text, decoded if the device says that they are base64.
fn transported_text(found: &Found) -> Option<Cow<'_, str>> {
    let Some(data) = &found.data else { return Some(Cow::Borrowed("")) };
    match (&found.format, data) {
        (Some(Format::B64), data) => {
            let octets = base64_octets(unterminated(data.as_text()?))?;
            String::from_utf8(octets).ok().map(Cow::Owned)
        }
        (Some(Format::Bin), Data::Text(text)) => {
            let text = unterminated(text);
            // Some write base64 text under `bin`, some the text itself.
            let decoded = base64_octets(text).and_then(|octets| String::from_utf8(octets).ok());
            Some(decoded.map_or(Cow::Borrowed(text), Cow::Owned))
        }
        (_, data) => data.as_text().map(unterminated).map(Cow::Borrowed),
    }
}

/// Equal when both parse and what they say is equal.
fn alike<'a, T: PartialEq>(
    wanted: Option<&'a str>,
    found: Option<&'a str>,
    parse: impl Fn(&'a str) -> Option<T>,
) -> bool {
    match (wanted.and_then(&parse), found.and_then(parse)) {
        (Some(wanted), Some(found)) => wanted == found,
        _ => false,
    }
}

/// A decimal integer of any length: whether it is negative, and its digits without leading zeros.
fn int(text: &str) -> Option<(bool, &str)> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    Some((negative && !digits.is_empty(), digits))
}

fn bool(text: &str) -> Option<bool> {
    let text = text.trim();
    if text == "1" || text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text == "0" || text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// A number of single precision, which is what the format means; beyond its range, of double precision.
fn float(text: &str) -> Option<f64> {
    let text = text.trim();
    if !text.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'+' | b'-' | b'.' | b'e' | b'E')) {
        return None;
    }
    let double: f64 = text.parse().ok()?;
    let single: f32 = text.parse().ok()?;
    if single.is_finite() { Some(f64::from(single)) } else { double.is_finite().then_some(double) }
}

fn same_octets(wanted: &str, found: &Found) -> bool {
    let Some(wanted) = base64_octets(wanted) else { return false };
    match &found.data {
        None => wanted.is_empty(),
        Some(Data::Elements(_)) => false,
        Some(Data::Opaque(octets)) => *octets == wanted,
        Some(Data::Text(text)) => {
            // Not every device says that its base64 text is one, and `bin` may be either.
            let decoded = base64_octets(unterminated(text)).is_some_and(|octets| octets == wanted);
            decoded || (found.format != Some(Format::B64) && text.as_bytes() == wanted)
        }
    }
}

fn same_document(wanted: &str, found: &Found) -> bool {
    let Ok(wanted) = xml::parse(wanted) else { return false };
    if let Some(Data::Elements(elements)) = &found.data {
        return matches!(elements.as_slice(), [element] if Infoset::of(element) == wanted.infoset());
    }
    let found = transported_text(found).and_then(|text| xml::parse(&text).ok());
    found.is_some_and(|found| found.infoset() == wanted.infoset())
}

fn same_children(wanted: Option<&str>, found: &Found) -> bool {
    let Some(wanted) = wanted else { return found.format == Some(Format::Node) };
    let set = |list: &str| {
        let mut names: Vec<String> =
            list.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    transported_text(found).is_some_and(|text| set(&text) == set(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(format: Option<Format>, data: &str) -> Found {
        Found { format, data: Some(Data::text(data)) }
    }

    fn equal(declared: &Format, wanted: &str, device: &str) -> bool {
        same(declared, Some(wanted), &found(None, device))
    }

    #[test]
    fn integers_are_equal_as_numbers() {
        assert!(equal(&Format::Int, "7", " +007 ") && equal(&Format::Int, "-0", "0"));
        assert!(
            !equal(&Format::Int, "7", "-7")
                && !equal(&Format::Int, "7", "7.0")
                && !equal(&Format::Int, "", "")
        );
        assert!(equal(&Format::Int, "99999999999999999999999999", "099999999999999999999999999"));
    }

    #[test]
    fn truth_has_four_spellings() {
        assert!(equal(&Format::Bool, "true", "1") && equal(&Format::Bool, "FALSE", "0"));
        assert!(!equal(&Format::Bool, "true", "false") && !equal(&Format::Bool, "true", "yes"));
    }

    #[test]
    fn floats_are_equal_by_value_in_single_precision() {
        assert!(
            equal(&Format::Float, "0.1", "1e-1") && equal(&Format::Float, "0.1", "0.100000001")
        );
        assert!(equal(&Format::Float, "1e300", "10e299") && equal(&Format::Float, "-0", "0.0"));
        assert!(!equal(&Format::Float, "0.1", "0.11") && !equal(&Format::Float, "nan", "nan"));
        assert!(!equal(&Format::Float, "1e999", "1e999"), "no number at all");
    }

    #[test]
    fn text_is_equal_octet_for_octet() {
        assert!(
            equal(&Format::Chr, "a b ", "a b ")
                && !equal(&Format::Chr, "a b", "a b ")
                && !equal(&Format::Chr, "a", "A")
        );
        assert!(same(&Format::Chr, Some(""), &Found::default()), "an absent value is an empty one");
        assert!(
            same(&Format::Chr, Some("hi"), &found(Some(Format::B64), "aGk=")),
            "however transported"
        );
        assert!(same(&Format::Int, Some("7"), &found(Some(Format::Bin), "7")));
    }

    #[test]
    fn a_zero_octet_that_ends_a_text_is_no_part_of_it() {
        assert!(equal(&Format::Chr, "hi", "hi\0") && equal(&Format::Chr, "", "\0"));
        assert!(equal(&Format::Int, "7", "7\0") && equal(&Format::Bool, "true", "true\0\0"));
        assert!(equal(&Format::Xml, "<a/>", "<a/>\0"));
        assert!(same(&Format::Chr, Some("hi"), &found(Some(Format::B64), "aGk=\0")));
        assert!(same(&Format::B64, Some("aGk="), &found(None, "aGk=\0")));
        assert!(!equal(&Format::Chr, "hi", "h\0i"), "one within is");
        assert_eq!(text(&found(None, "hi\0")).as_deref(), Some("hi"));
        assert_eq!(text(&found(Some(Format::B64), "aGk=\0")).as_deref(), Some("aGk="));
        // Octets are octets, the last one too.
        let raw = Found { format: Some(Format::Bin), data: Some(Data::Opaque(vec![1, 0])) };
        assert!(same(&Format::Bin, Some("AQA="), &raw) && !same(&Format::Bin, Some("AQ=="), &raw));
        assert_eq!(text(&raw).as_deref(), Some("AQA="));
    }

    #[test]
    fn octets_are_equal_however_transported() {
        let wanted = Some("AAEC/w==");
        let raw = Found { format: Some(Format::Bin), data: Some(Data::Opaque(vec![0, 1, 2, 255])) };
        for format in [Format::B64, Format::Bin] {
            assert!(same(&format, wanted, &raw));
            assert!(same(&format, wanted, &found(Some(Format::B64), "AAEC\n /w")));
            assert!(same(&format, wanted, &found(None, "AAEC/w==")));
            assert!(same(&format, Some("aGk="), &found(Some(Format::Bin), "hi")));
            assert!(!same(&format, wanted, &found(Some(Format::B64), "AAEC")));
        }
        let encoded_twice = found(Some(Format::B64), "QUFFQy93PT0=");
        assert!(!same(&Format::B64, wanted, &encoded_twice));
        assert_eq!(text(&raw).as_deref(), wanted);
        assert_eq!(text(&found(Some(Format::B64), "AAEC /w")).as_deref(), wanted);
    }

    #[test]
    fn dates_and_times_are_equal_by_instant() {
        assert!(
            equal(&Format::Date, "2024-02-29", "20240229")
                && !equal(&Format::Date, "2024-02-29", "2023-02-29")
        );
        assert!(
            equal(&Format::Time, "12:00:00Z", "140000+02:00")
                && equal(&Format::Time, "23:30Z", "01:30:00.0+0200")
        );
        assert!(
            !equal(&Format::Time, "12:00:00Z", "12:00:00")
                && !equal(&Format::Time, "25:00", "25:00")
        );
    }

    #[test]
    fn documents_are_equal_by_infoset() {
        let wanted = "<?xml version='1.0'?><a x='1' y=\"2\" xmlns='urn:n'><b>t&amp;u</b></a>";
        let device =
            "<p:a xmlns:p='urn:n' y='2' x='1'>\n  <p:b>t<![CDATA[&]]>u</p:b><!-- --> </p:a>";
        assert!(equal(&Format::Xml, wanted, device));
        assert!(
            !equal(&Format::Xml, wanted, "<a x='1' y='2'><b>t&amp;u</b></a>"),
            "another namespace"
        );
        assert!(
            !equal(&Format::Xml, "<a>1</a>", "<a> 1</a>") && !equal(&Format::Xml, "<a>", "<a>")
        );
        assert!(equal(
            &Format::Xml,
            "<a p:x='1' xmlns:p='urn:p'/>",
            "<a q:x='1' xmlns:q='urn:p'></a>"
        ));
    }

    #[test]
    fn nodes_are_equal_by_their_children_and_null_is_nothing() {
        assert!(
            equal(&Format::Node, "A/B", "B/A")
                && !equal(&Format::Node, "A/B", "A")
                && equal(&Format::Node, "", "")
        );
        assert!(equal(&Format::Node, "A/B", "A/B\0"));
        assert!(
            same(&Format::Node, None, &found(Some(Format::Node), "A/B"))
                && !same(&Format::Node, None, &found(None, "A"))
        );
        assert!(same(&Format::Null, None, &Found::default()) && !equal(&Format::Null, "", "x"));
    }

    #[test]
    fn a_value_is_valid_in_its_format_or_says_why_not() {
        for (format, good, bad) in [
            (Format::Int, "-12", "1.5"),
            (Format::Bool, "True", "yes"),
            (Format::Float, "1.5e3", "inf"),
            (Format::B64, "aGk=", "a*b"),
            (Format::Date, "2024-12-31", "2024-13-01"),
            (Format::Time, "235959", "24:61"),
            (Format::Xml, "<a/>", "<a>"),
            (Format::Null, "", "x"),
        ] {
            assert_eq!(valid(&format, good), Ok(()), "{format}");
            assert!(valid(&format, bad).is_err(), "{format}");
        }
        assert_eq!(valid(&Format::Chr, "anything"), Ok(()));
    }
}
