//! Where output goes, and how errors are told: data to one stream, errors and progress to the other.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

/// The two streams of a command and what the user wants to see on them.
pub(crate) struct Console<'a> {
    /// Data only, so that it can be piped.
    pub(crate) out: &'a mut dyn Write,
    /// Errors, and remarks for a person.
    pub(crate) err: &'a mut dyn Write,
    /// Data as JSON.
    pub(crate) json: bool,
    /// Whether a person is looking: progress bars and live tables only then.
    pub(crate) live: bool,
}

impl<'a> Console<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, json: bool) -> Self {
        let live = io::stdout().is_terminal() && io::stderr().is_terminal();
        Self { out, err, json, live }
    }

    /// One JSON object on one line.
    pub(crate) fn line_of_json(&mut self, value: &impl serde::Serialize) -> anyhow::Result<()> {
        serde_json::to_writer(&mut *self.out, value)?;
        writeln!(self.out)?;
        self.out.flush()?;
        Ok(())
    }

    /// A remark that is no data.
    pub(crate) fn remark(&mut self, remark: impl Display) -> io::Result<()> {
        writeln!(self.err, "{remark}")
    }

    /// Tells the error there may be, and turns the end of a command into the end of the program.
    pub(crate) fn finish(&mut self, done: anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
        match done.and_then(|code| Ok(self.out.flush().map(|()| code)?)) {
            Ok(code) => Ok(code),
            // `reveille campaign results … | head` is no error.
            Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
            Err(error) => {
                writeln!(self.err, "error: {}", explain(&error))?;
                Ok(if error.is::<Misuse>() { ExitCode::from(2) } else { ExitCode::FAILURE })
            }
        }
    }
}

/// The command line asks for something that makes no sense: exit code 2.
#[derive(Debug)]
pub(crate) struct Misuse(pub(crate) String);

impl Display for Misuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// An error and its causes in one line: `what: why: why`.
pub fn explain(error: &anyhow::Error) -> String {
    let mut told = String::new();
    let mut last = String::new();
    for (depth, cause) in error.chain().enumerate() {
        let text = cause.to_string();
        // Some libraries repeat their cause in their own words.
        if depth > 0 && (last.ends_with(&text) || text.is_empty()) {
            continue;
        }
        if depth > 0 {
            told += ": ";
        }
        told += &text;
        last = text;
    }
    told
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let json =
            cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        kind.or(json) == Some(io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn an_error_is_told_with_its_causes_and_nothing_twice() {
        let error = Err::<(), _>(anyhow!("no such file"))
            .context("cannot read a.yaml: no such file")
            .context("submit")
            .unwrap_err();
        assert_eq!(explain(&error), "submit: cannot read a.yaml: no such file");
    }

    #[test]
    fn a_reader_that_leaves_is_no_error() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = Console::new(&mut out, &mut err, false);
        console.finish(Err(io::Error::from(io::ErrorKind::BrokenPipe).into())).unwrap();
        console.finish(Err(Misuse("--a and --b exclude each other".into()).into())).unwrap();
        assert_eq!(String::from_utf8(err).unwrap(), "error: --a and --b exclude each other\n");
    }
}
