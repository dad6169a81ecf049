//! Whole command lines: what they print, what they send, and how they end.

mod admin;
mod offline;
mod stub;
mod vectors;

use super::*;
use clap::Parser;

/// The command line as the program has it, but for the commands that are not ours.
#[derive(Debug, Parser)]
#[command(name = "reveille")]
struct Program {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// How a command ended.
#[derive(Debug)]
struct Ended {
    code: ExitCode,
    out: String,
    err: String,
}

impl Ended {
    fn is(&self, code: u8) -> bool {
        // `ExitCode` cannot be compared; its debug form says which it is.
        format!("{:?}", self.code) == format!("{:?}", ExitCode::from(code))
    }
}

/// Runs a command line within the test, as nobody at a terminal would see it.
fn reveille(arguments: &[&str]) -> Ended {
    let program = Program::try_parse_from([&["reveille"], arguments].concat());
    let Program { globals, command } = program.unwrap_or_else(|error| panic!("{error}"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = Console::new(&mut out, &mut err, globals.json);
    console.live = false;
    let done =
        carry_out(command, &globals, <Program as clap::CommandFactory>::command(), &mut console);
    let code = console.finish(done).unwrap();
    Ended {
        code,
        out: String::from_utf8_lossy(&out).into_owned(),
        err: String::from_utf8(err).unwrap(),
    }
}

#[test]
fn the_command_line_is_well_formed() {
    <Program as clap::CommandFactory>::command().debug_assert();
}

#[test]
fn every_command_helps_with_an_example() {
    fn walk(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        if command.get_subcommands().next().is_none() {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Example"), "{path} has no example");
        }
        command.get_subcommands().for_each(|inner| walk(inner, &path));
    }
    walk(&<Program as clap::CommandFactory>::command(), "");
}

#[test]
fn completions_are_those_of_the_whole_program() {
    let ended = reveille(&["completions", "bash"]);
    assert!(ended.is(0) && ended.out.contains("show-secrets"), "{}", ended.err);
}
