//! `campaign pause`, `resume` and `abort`: each with its reason, each harmless when repeated.

use super::{Name, show};
use crate::{console::Console, server::Server};
use api::{CampaignView, ControlRequest};
use clap::Args;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  reveille campaign pause operator/qos-uplift-2026-11 --why \"RV-100 fails\""
)]
pub struct Control {
    campaign: Name,
    /// The reason, kept with the campaign
    #[arg(long, value_name = "REASON", default_value = "")]
    why: String,
}

pub(super) async fn run(
    verb: &str,
    args: Control,
    server: &Server,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    let campaign = args.campaign.full(server).await?;
    let request = ControlRequest { why: args.why };
    let view: CampaignView = server.post(&campaign.path(&[verb]), &[], &request).await?;
    show::one(&view, console)?;
    Ok(ExitCode::SUCCESS)
}
