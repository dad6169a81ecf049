//! Operator commands over the admin API, and offline tools over the wire formats.
//!
//! | module | about |
//! | --- | --- |
//! | `campaign` | check, submit, list, show, watch, results, and the control of a running one |
//! | `device` | import into the registry, list, show; read, write and notify one at once |
//! | `decode`, `encode` | any message or packet for a person or a program; a message in the other encoding |
//! | `octets` | octets in what people paste |
//! | `names` | the files of device names that a campaign points at |
//! | `server` | the admin API as typed calls |
//! | `console` | where output goes, and how errors are told |
//!
//! Every command ends with 0 (done), 1 (refused or failed) or 2 (wrong use).

mod campaign;
mod console;
mod decode;
mod device;
mod encode;
mod input;
mod names;
mod octets;
mod server;
mod trigger;

pub use console::explain;

use clap::Subcommand;
use console::Console;
use reqwest::Url;
use std::process::ExitCode;

/// What the program can be told to do from the command line, but for `serve` and `demo`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check, submit, watch and control campaigns
    #[command(subcommand)]
    Campaign(campaign::Command),
    /// Import devices and look at them
    #[command(subcommand)]
    Device(device::Command),
    /// Report that a device uses settings that are not right, as a network entity would
    Trigger(trigger::Args),
    /// Print a message or packet so that a person or a program can read it
    Decode(decode::Args),
    /// Write a SyncML message in the other encoding
    Encode(encode::Args),
    /// Print the completions of a shell
    #[command(
        after_help = "Example:\n  reveille completions bash > ~/.local/share/bash-completion/completions/reveille"
    )]
    Completions { shell: clap_complete::Shell },
}

/// What every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Globals {
    /// The admin address of the server
    #[arg(long, global = true, env = "REVEILLE_SERVER", value_name = "URL", default_value = "http://127.0.0.1:8081", value_parser = server::address)]
    pub server: Url,
    /// Print data as JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
}

/// Carries out one command. `program` is the whole command line, from which completions are made.
///
/// Results go to standard output; errors and progress to standard error, already printed when this returns. Must not be called
/// within an asynchronous runtime: commands that speak to a server make their own.
///
/// # Errors
/// When not even an error could be printed.
pub fn run(
    command: Command,
    globals: &Globals,
    program: clap::Command,
) -> anyhow::Result<ExitCode> {
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr());
    let mut console = Console::new(&mut out, &mut err, globals.json);
    let done = carry_out(command, globals, program, &mut console);
    console.finish(done)
}

fn carry_out(
    command: Command,
    globals: &Globals,
    program: clap::Command,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Campaign(command) => campaign::run(command, &globals.server, console),
        Command::Device(command) => device::run(command, &globals.server, console),
        Command::Trigger(args) => trigger::run(args, &globals.server, console),
        Command::Decode(args) => decode::run(&args, console),
        Command::Encode(args) => encode::run(&args, console),
        Command::Completions { shell } => completions(shell, program, console),
    }
}

fn completions(
    shell: clap_complete::Shell,
    mut program: clap::Command,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, name, &mut script);
    console.out.write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests;
