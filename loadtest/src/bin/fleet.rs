//! A simulated fleet by itself, against a server of its own process or machine.
//!
//! Writes the registry that the server is to import, then answers notifications until it is told to stop, and prints
//! what it saw as one JSON object; then another one for each carrier that it was asked to be.

use anyhow::Context;
use clap::Parser;
use loadtest::{Fault, Fleet, FleetPlan, GatewayPlan, Mix, PushGateway, Smsc, SmscPlan};
use std::{
    io::{BufWriter, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

/// Simulated OMA DM devices on 127.0.0.0/8, for a server on this machine.
#[derive(Debug, Parser)]
#[command(after_help = "Example:\n  \
    fleet --devices 20000 --registry fleet.csv &\n  \
    reveille device import fleet.csv && reveille campaign submit deploy/examples/demo.yaml\n  \
    fleet --devices 500 --registry fleet.csv --faults split_answers=0.5,silent=0.1")]
struct Args {
    #[arg(long, default_value_t = 10_000)]
    devices: u64,
    /// The seed of everything that chance decides about the devices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where devices begin their sessions
    #[arg(long, default_value = "http://127.0.0.1:8080/dm/operator")]
    dm_url: String,
    /// Where the host of that URL is, instead of asking the network; several: connections go to them in turn
    #[arg(long = "front", value_name = "ADDRESS")]
    fronts: Vec<SocketAddr>,
    /// What devices know the server by
    #[arg(long, default_value = "reveille.local")]
    server_id: String,
    #[arg(long, default_value = "operator")]
    authority: String,
    /// The port on which every device hears notifications; 0 takes one that is free
    #[arg(long, default_value_t = 0)]
    udp_port: u16,
    /// A short message centre for these devices listens here, too: SMPP 3.4, account `reveille`, password `secret`
    #[arg(long, value_name = "ADDRESS")]
    smsc: Option<SocketAddr>,
    /// A push proxy gateway for these devices listens here, too: PAP over HTTP, no account
    #[arg(long, value_name = "ADDRESS")]
    push_gateway: Option<SocketAddr>,
    /// What is wrong with the devices: `demo` (a few of each fault), `all` (nine of ten, every fault alike), `none`, or
    /// faults with their shares of the fleet, as in silent=0.1,slow=0.2
    #[arg(long, value_name = "FAULTS", default_value = "demo")]
    faults: Mix,
    /// Tell what faults there are, and end
    #[arg(long, exclusive = true)]
    list_faults: bool,
    /// Write the devices here as CSV for `reveille device import`
    #[arg(long, value_name = "FILE", required_unless_present = "list_faults")]
    registry: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if args.list_faults {
        for (name, what) in Fault::ALL {
            writeln!(std::io::stdout(), "{name:20} {what}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let path = args.registry.context("--registry is missing")?;
    let fleet = Fleet::start(FleetPlan {
        seed: args.seed,
        server_id: args.server_id,
        authority: args.authority,
        udp_port: args.udp_port,
        mix: args.faults,
        fronts: args.fronts,
        ..FleetPlan::new(args.devices, args.dm_url)
    })
    .await
    .context("the fleet could not start")?;
    let smsc = match args.smsc {
        None => None,
        Some(listen) => {
            let smsc = Smsc::start(SmscPlan { listen, ..SmscPlan::default() }).await;
            Some(smsc.with_context(|| format!("no short message centre at {listen}"))?)
        }
    };
    let gateway = match args.push_gateway {
        None => None,
        Some(listen) => {
            let plan = GatewayPlan { listen, ..GatewayPlan::default() };
            let gateway = PushGateway::start(plan).await;
            Some(gateway.with_context(|| format!("no push proxy gateway at {listen}"))?)
        }
    };
    if let Some(smsc) = &smsc {
        smsc.serve(fleet.ears());
    }
    if let Some(gateway) = &gateway {
        gateway.serve(fleet.ears());
    }
    let file = std::fs::File::create(&path)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    let mut registry = BufWriter::new(file);
    writeln!(registry, "{}", fleet.registry_csv_header())?;
    for line in fleet.registry_lines(0..args.devices) {
        writeln!(registry, "{line}")?;
    }
    registry.flush()?;
    writeln!(std::io::stderr(), "{} devices are listening; Ctrl-C ends them", args.devices)?;
    tokio::signal::ctrl_c().await?;
    let report = fleet.stop().await;
    let mut sound = report.breaches.count == 0;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    if let Some(smsc) = smsc {
        let report = smsc.stop().await;
        sound &= report.breaches.count == 0;
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    }
    if let Some(gateway) = gateway {
        let report = gateway.stop().await;
        sound &= report.breaches.count == 0;
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
