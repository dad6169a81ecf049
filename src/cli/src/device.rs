//! Devices of the registry: many in, one or a page out.

mod care;
mod import;
mod show;

use crate::{
    console::{Console, Misuse},
    server::{Server, block_on},
};
use clap::{Args, Subcommand};
use reqwest::Url;
use std::process::ExitCode;

/// `reveille device …`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring devices into the registry, or change them
    Import(import::Import),
    /// List devices
    List(List),
    /// Read nodes of one device at once, ahead of every campaign
    Read(care::Read),
    /// Write to one device at once, and read it back
    Write(care::Write),
    /// Call one device, and wait until it has opened a session
    Notify(care::Notify),
    /// Show one device and its open jobs
    #[command(
        after_help = "Examples:\n  reveille device show operator/IMEI:350000000000017\n  reveille device show operator/msisdn:447700900123"
    )]
    Show {
        /// AUTHORITY/NAME; the name is a device id, msisdn:… or imsi:…
        device: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  reveille device list --authority operator --limit 20")]
pub struct List {
    /// Only devices of this authority
    #[arg(long)]
    authority: Option<String>,
    /// The most devices to list
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

pub(crate) fn run(
    command: Command,
    server: &Url,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    let server = Server::new(server)?;
    match command {
        Command::Import(args) => block_on(import::run(&args, server.patient(), console)),
        Command::Read(args) => block_on(care::read(args, &server, console)),
        Command::Write(args) => block_on(care::write(args, &server, console)),
        Command::Notify(args) => block_on(care::notify(args, &server, console)),
        Command::List(args) => block_on(show::list(&args, &server, console)),
        Command::Show { device } => {
            let Some((authority, name)) = device.split_once('/') else {
                return Err(Misuse(format!(
                    "`{device}` names no authority; write it as AUTHORITY/{device}"
                ))
                .into());
            };
            block_on(show::show(authority, name, &server, console))
        }
    }
}
