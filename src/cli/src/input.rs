//! What a command reads: a file or standard input, never more than it says.

use anyhow::{Context, bail};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

/// The name of the input as errors give it.
pub(crate) fn name(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Opens a file, or standard input for `-`. The length is known for files.
pub(crate) fn open(path: &Path) -> anyhow::Result<(Box<dyn BufRead>, Option<u64>)> {
    if is_stdin(path) {
        return Ok((Box::new(BufReader::new(io::stdin())), None));
    }
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let facts = file.metadata().with_context(|| format!("cannot open {}", path.display()))?;
    if facts.is_dir() {
        bail!("{} is a directory; name a file in it", path.display());
    }
    Ok((Box::new(BufReader::new(file)), facts.is_file().then_some(facts.len())))
}

/// The whole input, when it is no longer than `most` octets.
pub(crate) fn read(path: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    let (input, _) = open(path)?;
    let mut octets = Vec::new();
    input
        .take(most + 1)
        .read_to_end(&mut octets)
        .with_context(|| format!("cannot read {}", name(path)))?;
    if octets.len() as u64 > most {
        bail!("{} is longer than {most} octets, the most that is read here", name(path));
    }
    Ok(octets)
}

/// The whole input as text.
pub(crate) fn read_text(path: &Path, most: u64) -> anyhow::Result<String> {
    String::from_utf8(read(path, most)?).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        anyhow::Error::new(error)
            .context(format!("{} is not UTF-8 text from octet {place} on", name(path)))
    })
}

/// One line of a file of any length, and its number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Text(String),
    /// Why the line cannot be used.
    Bad(&'static str),
}

/// The lines of an input, one in memory at a time, each bounded.
pub(crate) struct Lines {
    input: Box<dyn BufRead>,
    name: String,
    number: u64,
    octets: u64,
}

impl Lines {
    /// The longest line that is read: a device of an import with all its columns takes a twentieth of it.
    const LONGEST: usize = 64 * 1024;

    pub(crate) fn new(input: Box<dyn BufRead>, name: String) -> Self {
        Self { input, name, number: 0, octets: 0 }
    }

    /// The next line with its number from 1, without its end. A byte order mark before the first is dropped.
    pub(crate) fn next_line(&mut self) -> anyhow::Result<Option<(u64, Line)>> {
        let mut line = Vec::new();
        let taken = (&mut self.input).take(Self::LONGEST as u64).read_until(b'\n', &mut line);
        let taken = taken.with_context(|| format!("cannot read {}", self.name))?;
        if taken == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.octets += taken as u64;
        let whole = line.last() == Some(&b'\n') || taken < Self::LONGEST;
        if !whole {
            self.octets += self.skip_to_end_of_line()?;
            return Ok(Some((self.number, Line::Bad("is longer than 64 KiB"))));
        }
        while line.last().is_some_and(|octet| matches!(octet, b'\n' | b'\r')) {
            line.pop();
        }
        let text = String::from_utf8(line).map(|text| match text.strip_prefix('\u{feff}') {
            Some(rest) if self.number == 1 => rest.to_owned(),
            _ => text,
        });
        Ok(Some((self.number, text.map_or(Line::Bad("is not UTF-8 text"), Line::Text))))
    }

    /// Octets read so far.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    fn skip_to_end_of_line(&mut self) -> anyhow::Result<u64> {
        let mut skipped = 0;
        loop {
            let mut piece = Vec::new();
            let taken = (&mut self.input).take(Self::LONGEST as u64).read_until(b'\n', &mut piece);
            let taken = taken.with_context(|| format!("cannot read {}", self.name))?;
            skipped += taken as u64;
            if taken == 0 || piece.last() == Some(&b'\n') {
                return Ok(skipped);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_a_bad_one_does_not_hide_the_next() {
        let long = "x".repeat(3 * Lines::LONGEST);
        let text =
            [b"\xef\xbb\xbfone\r\n".as_slice(), b"\n\xff\n", long.as_bytes(), b"\nlast"].concat();
        let length = text.len() as u64;
        let mut lines = Lines::new(Box::new(io::Cursor::new(text)), "a test".into());
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            all.push(line);
        }
        assert_eq!(
            all,
            [
                (1, Line::Text("one".into())),
                (2, Line::Text(String::new())),
                (3, Line::Bad("is not UTF-8 text")),
                (4, Line::Bad("is longer than 64 KiB")),
                (5, Line::Text("last".into())),
            ]
        );
        assert_eq!(lines.octets(), length);
    }
}
