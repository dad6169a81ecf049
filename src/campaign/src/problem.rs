//! What is wrong with a document: where, what, and what to do about it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One mistake in a campaign document. All of them are reported at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The key, as in `settings[0].uri`; `document` for the whole.
    pub path: String,
    /// The line in the text, from 1, where it is known.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}: {}", self.path, self.what)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, " ({})", self.help) }
    }
}

/// The most problems that are reported of one document.
pub(crate) const MOST: usize = 100;

/// The first problems; of more than [`MOST`] it is only said that there are more.
pub(crate) fn bounded(mut problems: Vec<Problem>) -> Vec<Problem> {
    if problems.len() > MOST {
        problems.truncate(MOST);
        problems.push(Problem {
            path: "document".to_owned(),
            line: None,
            what: "has more problems than are listed".to_owned(),
            help: "correct these and check again".to_owned(),
        });
    }
    problems
}

/// The one of `known` that `text` was most likely meant to be.
pub(crate) fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    let near = known.into_iter().map(|name| (distance(&text, name), name)).min()?;
    let tolerated = 1 + near.1.chars().count().saturating_sub(1) / 4;
    (near.0 <= tolerated).then_some(near.1)
}

/// A sentence that helps whoever wrote `text` where one of `known` belongs.
pub(crate) fn suggestion(text: &str, known: &[&str]) -> String {
    match nearest(text, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("there are {}", listed(known)),
    }
}

pub(crate) fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// How many letters must be put in, left out, changed or swapped with their neighbour. Long texts are cut: they are near nothing.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut cost =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x) {
                cost = cost.min(at(&before_last, j - 1) + 1);
            }
            row.push(cost);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    at(&last, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_its_key() {
        let keys = ["settings", "devices", "deliver", "when", "pace"];
        for (slip, key) in [
            ("setings", "settings"),
            ("Settings", "settings"),
            ("devcies", "devices"),
            ("delivery", "deliver"),
            ("pase", "pace"),
        ] {
            assert_eq!(nearest(slip, keys), Some(key));
        }
        assert_eq!(nearest("colour", keys), None);
        assert!(suggestion("colour", &keys).starts_with("there are `settings`, `devices`"));
    }

    #[test]
    fn a_problem_reads_as_a_sentence() {
        let problem = Problem {
            path: "pace.per_second".into(),
            line: Some(7),
            what: "is not a number".into(),
            help: "write 2000".into(),
        };
        assert_eq!(problem.to_string(), "line 7: pace.per_second: is not a number (write 2000)");
    }
}
