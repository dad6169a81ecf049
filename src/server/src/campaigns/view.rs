//! Campaigns as they are shown, and what operators do to them.

use super::{
    Error,
    live::touch,
    rows::{CampaignId, CampaignRow},
    submit::not_found,
};
use crate::{
    engine::Engine,
    rows::Stored,
    store::{Cursor, SHARDS, Shard, Table},
    update::{self, MessageId},
};
use campaign::{Campaign, control::Command, progress::Progress};

/// What an operator may do to a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    Pause,
    Resume,
    Abort,
}

/// One campaign.
pub async fn view(engine: &Engine, authority: &str, id: &str) -> Result<api::CampaignView, Error> {
    let id = CampaignId::new(authority, id);
    let row = update::load::<CampaignRow>(engine.store(), id.shard(), &id.key()).await?;
    let (row, _) = row.ok_or_else(|| not_found(&id))?;
    of(engine, &id, &row).await
}

/// Campaigns, shard by shard; the cursor goes on where a page ended.
pub async fn list(
    engine: &Engine,
    cursor: Option<&str>,
    limit: usize,
) -> Result<api::CampaignPage, Error> {
    let (mut shard, mut within) = read_cursor(cursor)?;
    let mut campaigns = Vec::new();
    while shard < SHARDS {
        let at = shard_at(shard);
        let room = limit - campaigns.len();
        let page = engine.store.scan(at, Table::Campaign, within.take().map(Cursor), room).await?;
        for (key, row) in page.rows {
            let row = CampaignRow::from_octets(&row.bytes)?;
            let Some(id) = CampaignId::from_root(&key.id) else { continue };
            campaigns.push(of(engine, &id, &row).await?);
        }
        match page.next {
            Some(next) => within = Some(next.0),
            None => shard += 1,
        }
        if campaigns.len() >= limit {
            break;
        }
    }
    Ok(api::CampaignPage {
        campaigns,
        next: (shard < SHARDS).then(|| write_cursor(shard, within.as_deref())),
    })
}

impl Control {
    pub const ALL: [Self; 3] = [Self::Pause, Self::Resume, Self::Abort];

    /// The word for it in requests and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Abort => "abort",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|control| control.name() == name)
    }
}

/// Who asks for it and why.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub by: String,
    pub why: String,
    /// The message it came in, when that is to count once.
    pub message: Option<MessageId>,
}

impl Asked {
    /// By an operator at the admin door.
    pub fn at_the_door(why: impl Into<String>) -> Self {
        Self { by: "operator".into(), why: why.into(), message: None }
    }
}

/// Pauses, resumes or aborts. Doing it twice does it once.
pub async fn control(
    engine: &Engine,
    authority: &str,
    id: &str,
    control: Control,
    asked: Asked,
) -> Result<api::CampaignView, Error> {
    let id = CampaignId::new(authority, id);
    let now = engine.store.now().await?;
    let Asked { by, why, message } = asked;
    let command = match control {
        Control::Pause => Command::Pause { by, why },
        Control::Resume => Command::Resume,
        Control::Abort => Command::Abort { by, why },
    };
    let mut refused = None;
    let (row, changed) = update::update_beside::<CampaignRow>(
        engine.store(),
        id.shard(),
        &id.key(),
        message.as_ref(),
        |found| {
            let (row, revision) = found?;
            match row.state.command(command.clone()) {
                Ok(Some(state)) => {
                    let event = row.moved(&id, revision, &state, now);
                    Some((CampaignRow { state, changed: now, ..row.clone() }, event))
                }
                Ok(None) => None,
                Err(error) => {
                    refused = Some(error);
                    None
                }
            }
        },
    )
    .await?;
    let row = row.ok_or_else(|| not_found(&id))?;
    if let Some(refused) = refused {
        return Err(refused.into());
    }
    if changed {
        touch(engine.store()).await?;
        engine.refresh().await?;
        engine.dispatch.notify_one();
        tracing::info!(
            seq = row.seq,
            state = row.state.name(),
            "a campaign was moved by an operator"
        );
    }
    of(engine, &id, &row).await
}

/// A campaign's counters, summed over all shards.
pub(crate) async fn progress(
    engine: &Engine,
    seq: u64,
) -> Result<Progress, crate::store::StoreError> {
    let mut progress = Progress::default();
    for shard in Shard::all() {
        for (field, value) in engine.store.counters(shard, seq).await? {
            progress.add(&field, value);
        }
    }
    Ok(progress)
}

pub(super) async fn of(
    engine: &Engine,
    id: &CampaignId,
    row: &CampaignRow,
) -> Result<api::CampaignView, Error> {
    let progress = progress(engine, row.seq).await?;
    // A document of an earlier version may not be readable any more; its report still is.
    let campaign = row.campaign(&engine.vault, id).ok();
    Ok(api::CampaignView {
        id: id.id.clone(),
        authority: id.authority.clone(),
        seq: row.seq,
        purpose: campaign
            .as_ref()
            .map(|campaign| campaign.purpose().to_owned())
            .unwrap_or_default(),
        state: row.state.name().to_owned(),
        why: row.state.why(),
        lane: campaign
            .as_ref()
            .map(|campaign| campaign.lane().name().to_owned())
            .unwrap_or_default(),
        submitted: row.submitted.to_string(),
        start: campaign.as_ref().and_then(Campaign::start).map(|start| start.to_string()),
        expires: campaign.as_ref().and_then(Campaign::expires).map(|expires| expires.to_string()),
        progress: api::Progress {
            enrolled: progress.enrolled,
            ended: progress.ended(),
            active: progress.active(),
            silent: progress.silent,
            notified: progress.notified,
            connected: progress.connected,
            written: progress.written,
            proven: progress.proven(),
            outcomes: progress
                .outcomes()
                .map(|(outcome, count)| (outcome.name().to_owned(), count))
                .collect(),
        },
    })
}

/// The shard of that number; the last for numbers beyond it, which no cursor gives.
pub(super) fn shard_at(number: u16) -> Shard {
    Shard::from(u8::try_from(number).unwrap_or(u8::MAX))
}

/// `shard` or `shard-hex`, where hex is a cursor within the shard.
pub(super) fn read_cursor(cursor: Option<&str>) -> Result<(u16, Option<Vec<u8>>), Error> {
    let Some(text) = cursor else { return Ok((0, None)) };
    let (shard, within) = match text.split_once('-') {
        Some((shard, within)) => (shard, Some(hex::decode(within).ok().ok_or(Error::Cursor)?)),
        None => (text, None),
    };
    let shard = shard.parse().ok().filter(|shard| *shard < SHARDS).ok_or(Error::Cursor)?;
    Ok((shard, within))
}

pub(super) fn write_cursor(shard: u16, within: Option<&[u8]>) -> String {
    match within {
        Some(within) => format!("{shard}-{}", hex::encode(within)),
        None => shard.to_string(),
    }
}
