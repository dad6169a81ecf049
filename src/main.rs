//! The program: reads the command line and the configuration, then serves, demonstrates, or calls an operator command.

mod demo;
mod serve;

use clap::{CommandFactory, Parser, Subcommand};
use std::{io::Write, process::ExitCode};

// Devices connect anew for every session: small blocks come and go on all threads, which the system allocator does slower.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Notifies devices and brings them in line over OMA Device Management.
#[derive(Debug, Parser)]
#[command(name = "reveille", version, propagate_version = true)]
struct Program {
    #[command(flatten)]
    globals: cli::Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    #[command(after_help = "Example:\n  reveille serve --config deploy/reveille.toml")]
    Serve(serve::Args),
    /// Show a whole campaign on this machine: a server, a simulated fleet, and the outcome
    #[command(after_help = "Examples:\n  reveille demo --devices 20000\n  \
        reveille demo --devices 3000 --faults all\n  reveille demo --devices 500 --faults silent=0.2,split_answers=0.5")]
    Demo(Box<demo::Args>),
    /// Print what goes through the message broker, as a document for programs
    #[command(
        after_help = "Example:\n  reveille asyncapi > reveille.asyncapi.json\n  npx @asyncapi/cli validate reveille.asyncapi.json"
    )]
    Asyncapi,
    #[command(flatten)]
    Operator(cli::Command),
}

fn main() -> ExitCode {
    let program = Program::parse();
    let json = program.globals.json;
    let ended = match program.command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args, json),
        Command::Asyncapi => asyncapi(),
        Command::Operator(command) => cli::run(command, &program.globals, Program::command()),
    };
    ended.unwrap_or_else(|error| {
        // Nobody is left to tell when even this cannot be written.
        drop(writeln!(std::io::stderr(), "error: {}", cli::explain(&error)));
        ExitCode::FAILURE
    })
}

fn asyncapi() -> anyhow::Result<ExitCode> {
    let document = serde_json::to_string_pretty(&server::broker::asyncapi::document())?;
    writeln!(std::io::stdout(), "{document}")?;
    Ok(ExitCode::SUCCESS)
}
