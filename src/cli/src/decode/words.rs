//! Text from a device, made safe for a terminal and short enough for a line.

use super::mask::HIDDEN;

/// The longest value that stands on a line, in characters; the rest is counted. 160 is two lines of a terminal.
const LONGEST: usize = 160;

/// The text with control characters spelt out: a device must not move the operator's cursor.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if is_unsafe(c) { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

/// The text in quotes, blanks visible by them, its tail counted when it is long. What is hidden is no text of the device.
pub(super) fn quoted(text: &str) -> String {
    if text == HIDDEN {
        return text.to_owned();
    }
    let mut characters = text.chars();
    let mut shown = String::from('"');
    for c in characters.by_ref().take(LONGEST) {
        match c {
            '"' | '\\' => shown.extend(['\\', c]),
            c if is_unsafe(c) => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown.push('"');
    match characters.as_str().len() {
        0 => shown,
        rest => format!("{shown} and {} more", count(rest, "octet")),
    }
}

/// Octets that are no text: how many, and the first of them.
pub(super) fn octets(octets: &[u8]) -> String {
    const SHOWN: usize = 16;
    let start: Vec<u8> = octets.iter().copied().take(SHOWN).collect();
    let dots = if octets.len() > SHOWN { " …" } else { "" };
    format!("{}: {}{dots}", count(octets.len(), "octet"), hex::encode(start))
}

/// `1 item`, `2 items`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A sentence as part of another: without its capital and its full stop.
pub(super) fn clause(sentence: &str) -> String {
    let mut characters = sentence.trim_end_matches('.').chars().filter(|c| *c != '`');
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// Control characters, and the marks that reverse or hide what is written around them.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_cannot_send_escape_sequences_to_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(quoted("line\nline \"x\" \u{202e}"), "\"line\\nline \\\"x\\\" \\u{202e}\"");
        assert_eq!(quoted("Zürich & Söhne"), "\"Zürich & Söhne\"");
    }

    #[test]
    fn a_long_value_is_cut_between_characters_and_its_rest_counted() {
        let long = "é".repeat(LONGEST + 3);
        assert!(quoted(&long).ends_with("é\" and 6 octets more"), "{}", quoted(&long));
        assert_eq!(octets(&[0xab; 20]), format!("20 octets: {} …", "ab".repeat(16)));
    }
}
