//! Campaigns: checked offline, submitted, looked at, watched, controlled.

mod check;
mod control;
mod results;
mod show;
mod submit;
mod watch;

use crate::{
    console::{Console, Misuse},
    server::{Server, block_on},
};
use api::{CampaignPage, CampaignView};
use clap::Subcommand;
use reqwest::Url;
use std::process::ExitCode;

/// `reveille campaign …`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a campaign document, without a server
    Check(check::Check),
    /// Submit a campaign and the file of devices it names
    Submit(submit::Submit),
    /// List campaigns
    #[command(after_help = "Example:\n  reveille campaign list --limit 20")]
    List {
        /// The most campaigns to list
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one campaign and how far it has come
    #[command(after_help = "Example:\n  reveille campaign show operator/qos-uplift-2026-11")]
    Show { campaign: Name },
    /// Follow a campaign until it has ended
    Watch(watch::Watch),
    /// Print the outcome of every device
    Results(results::Results),
    /// Stop notifying devices; sessions that are open go on
    Pause(control::Control),
    /// Go on with a paused campaign
    Resume(control::Control),
    /// End a campaign; what was written to a device is brought to a proven end
    Abort(control::Control),
}

/// A campaign as the command line names it: `AUTHORITY/ID`, or `ID` when only one authority has it.
#[derive(Debug, Clone)]
pub struct Name {
    authority: Option<String>,
    id: String,
}

impl std::str::FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (authority, id) = match text.split_once('/') {
            Some((authority, id)) => (Some(authority.to_owned()), id),
            None => (None, text),
        };
        if id.is_empty() || id.contains('/') || authority.as_ref().is_some_and(String::is_empty) {
            return Err("write it as AUTHORITY/ID, or ID alone".to_owned());
        }
        Ok(Self { authority, id: id.to_owned() })
    }
}

/// A campaign of one authority.
#[derive(Debug, Clone)]
struct Full {
    authority: String,
    id: String,
}

impl Full {
    fn of(view: &CampaignView) -> Self {
        Self { authority: view.authority.clone(), id: view.id.clone() }
    }

    /// The path under which the admin API keeps it, and what is asked of it.
    fn path<'a>(&'a self, last: &[&'a str]) -> Vec<&'a str> {
        [&["v1", "campaigns", self.authority.as_str(), self.id.as_str()], last].concat()
    }

    async fn view(&self, server: &Server) -> anyhow::Result<CampaignView> {
        server.get(&self.path(&[]), &[]).await
    }
}

impl Name {
    /// Finds out whose campaign it is, when the name does not say.
    async fn full(self, server: &Server) -> anyhow::Result<Full> {
        if let Some(authority) = self.authority {
            return Ok(Full { authority, id: self.id });
        }
        let mut found: Option<Full> = None;
        let mut pages = Pages::new(usize::MAX);
        while let Some(page) = pages.next(server).await? {
            for view in page.iter().filter(|view| view.id == self.id) {
                if let Some(other) = &found {
                    let told = format!(
                        "both {} and {} have a campaign `{}`; name the authority",
                        other.authority, view.authority, self.id
                    );
                    return Err(Misuse(told).into());
                }
                found = Some(Full::of(view));
            }
        }
        found.ok_or_else(|| {
            anyhow::anyhow!(
                "no authority has a campaign `{}`; `reveille campaign list` shows them",
                self.id
            )
        })
    }
}

/// The campaigns of the server, page by page.
struct Pages {
    left: usize,
    cursor: Option<String>,
    begun: bool,
}

impl Pages {
    fn new(most: usize) -> Self {
        Self { left: most, cursor: None, begun: false }
    }

    async fn next(&mut self, server: &Server) -> anyhow::Result<Option<Vec<CampaignView>>> {
        if self.left == 0 || (self.begun && self.cursor.is_none()) {
            return Ok(None);
        }
        self.begun = true;
        let limit = self.left.min(api::MOST_PER_PAGE).to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(self.cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let CampaignPage { mut campaigns, next } = server.get(&["v1", "campaigns"], &query).await?;
        campaigns.truncate(self.left);
        self.left -= campaigns.len();
        self.cursor = next;
        Ok(Some(campaigns))
    }

    fn are_more(&self) -> bool {
        self.cursor.is_some()
    }
}

pub(crate) fn run(
    command: Command,
    server: &Url,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    let server = Server::new(server)?;
    block_on(async {
        match command {
            Command::Check(args) => check::run(&args, console),
            Command::Submit(args) => submit::run(&args, server.patient(), console).await,
            Command::List { limit } => show::list(limit, &server, console).await,
            Command::Show { campaign } => {
                let view = campaign.full(&server).await?.view(&server).await?;
                show::one(&view, console)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Watch(args) => watch::run(args, &server, console).await,
            Command::Results(args) => results::run(args, &server, console).await,
            Command::Pause(args) => control::run("pause", args, &server, console).await,
            Command::Resume(args) => control::run("resume", args, &server, console).await,
            Command::Abort(args) => control::run("abort", args, &server, console).await,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_is_named_with_or_without_its_authority() {
        let name: Name = "operator/qos".parse().unwrap();
        assert_eq!((name.authority.as_deref(), name.id.as_str()), (Some("operator"), "qos"));
        assert!("qos".parse::<Name>().unwrap().authority.is_none());
        for bad in ["", "/qos", "operator/", "a/b/c"] {
            bad.parse::<Name>().unwrap_err();
        }
    }
}
