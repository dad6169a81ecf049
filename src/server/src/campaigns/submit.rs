//! Accepting a campaign: checked as a whole, stored once, then its devices.

use super::{
    Error,
    live::{LiveCampaign, strike, touch},
    rows::{CampaignId, CampaignRow, Directory, EnrolmentRow, Entry, NameRow, Scan},
    view,
};
use crate::{
    engine::Engine,
    enroll,
    rows::Stored,
    store::{Change, Verdict},
    update,
};
use campaign::{Problem, check, control::CampaignState, document::Document, scope::Scope};
use std::sync::Arc;

/// The most devices in one part of a campaign's file.
pub(crate) const MOST_NAMES: usize = 1000;

/// A campaign that was accepted, now or before.
#[derive(Debug)]
pub struct Submitted {
    /// False: the same document was accepted before, and nothing changed.
    pub created: bool,
    pub view: api::CampaignView,
}

/// On whose behalf a document comes.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// Absent: whichever authority the document names.
    pub authority: Option<&'a str>,
    pub rights: check::Rights,
}

/// Takes a campaign's document, YAML or JSON. With `dry_run` everything is checked and nothing is stored.
pub async fn submit(engine: &Engine, text: &str, dry_run: bool) -> Result<Submitted, Error> {
    let anyone = By { authority: None, rights: check::Rights::ALL };
    submit_by(engine, text, dry_run, anyone).await
}

/// [`submit`] on behalf of somebody who may not do everything.
pub async fn submit_by(
    engine: &Engine,
    text: &str,
    dry_run: bool,
    by: By<'_>,
) -> Result<Submitted, Error> {
    let now = engine.store.now().await?;
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(unread) => return Err(Error::Refused(every_problem(engine, text, unread, now))),
    };
    let id = CampaignId::new(document.authority.clone(), document.campaign.clone());
    let authority = engine
        .config
        .authority(by.authority.unwrap_or(&id.authority))
        .ok_or_else(|| Error::NoAuthority(id.authority.clone()))?;
    let stored = update::load::<CampaignRow>(engine.store(), id.shard(), &id.key()).await?;
    if let Some((row, _)) = stored.as_ref().filter(|_| authority.name == id.authority) {
        // The same under the same name: the caller did not hear our first answer, or only the layout changed.
        if row.campaign(&engine.vault, &id)?.document().same_as(&document) {
            return Ok(Submitted { created: false, view: view::of(engine, &id, row).await? });
        }
        return Err(Error::Different(id.id));
    }
    let grounds = check::Grounds {
        scopes: &authority.scope,
        authority: Some(&authority.name),
        now,
        attributes: None,
        rights: by.rights,
    };
    let campaign = check::check(document, &grounds).map_err(Error::Refused)?;
    let mut row = CampaignRow {
        climb: None,
        seq: 0,
        document: CampaignRow::seal(&engine.vault, &id, &campaign)?,
        state: CampaignState::Enrolling,
        submitted: now,
        changed: now,
    };
    if dry_run {
        return Ok(Submitted { created: false, view: view::of(engine, &id, &row).await? });
    }
    // The directory first: an entry without a campaign is harmless and goes away, a campaign without an entry would
    // never be looked after.
    row.seq = enter(engine, &id, now).await?;
    let name = NameRow { id: id.clone(), report: campaign.report() };
    let change = Change::new().put(NameRow::key(row.seq), name.to_octets());
    engine.store.commit(NameRow::shard(row.seq), vec![change]).await?;
    let standing = campaign.on().is_some();
    let enrolment = EnrolmentRow {
        // Triggers bring the devices of a standing campaign, and nothing else does.
        list_done: standing,
        scan: if standing {
            Scan::NotAsked
        } else if campaign.devices().group.is_some() || campaign.devices().where_.is_some() {
            Scan::At { shard: 0, cursor: None }
        } else {
            Scan::NotAsked
        },
        ..EnrolmentRow::default()
    };
    let change = row
        .moved(&id, 0, &row.state, now)
        .if_absent(id.key())
        .put(id.key(), row.to_octets())
        .put(id.enrolment_key(), enrolment.to_octets());
    let verdicts = engine.store.commit(id.shard(), vec![change]).await?;
    if verdicts.first() != Some(&Verdict::Done) {
        // Somebody submitted it at the same moment; what counts is what stands.
        strike(engine.store(), row.seq).await?;
        let (standing, _) = update::load::<CampaignRow>(engine.store(), id.shard(), &id.key())
            .await?
            .ok_or_else(|| not_found(&id))?;
        if !standing.campaign(&engine.vault, &id)?.document().same_as(campaign.document()) {
            return Err(Error::Different(id.id));
        }
        return Ok(Submitted { created: false, view: view::of(engine, &id, &standing).await? });
    }
    touch(engine.store()).await?;
    engine.refresh().await?;
    engine.enrol.notify_one();
    tracing::info!(
        seq = row.seq,
        authority = id.authority,
        campaign = id.id,
        "a campaign was accepted"
    );
    Ok(Submitted { created: true, view: view::of(engine, &id, &row).await? })
}

/// What is wrong with a document that cannot even be read, together with what is wrong with the part that can: its author
/// mends all of it at once. Scopes are looked at when the whole can be read, since its authority is not known before.
fn every_problem(
    engine: &Engine,
    text: &str,
    unread: Vec<Problem>,
    now: campaign::time::Instant,
) -> Vec<Problem> {
    let everything = Scope::everything();
    let scopes = match engine.config.authorities.as_slice() {
        [only] => &*only.scope,
        _ => &everything,
    };
    match check::read(text, &check::Grounds::offline(scopes, now)) {
        Err(problems) => problems,
        Ok(_) => unread,
    }
}

/// Gives a campaign its sequence and its place in the directory.
async fn enter(
    engine: &Engine,
    id: &CampaignId,
    now: campaign::time::Instant,
) -> Result<u64, Error> {
    let (directory, entered) = update::update::<Directory>(
        engine.store(),
        Directory::shard(),
        &Directory::key(),
        |directory| {
            let mut directory = directory.cloned().unwrap_or_default();
            if directory.active.len() >= Directory::MOST {
                return None;
            }
            directory.last_seq += 1;
            directory.version += 1;
            directory.active.push(Entry { seq: directory.last_seq, id: id.clone(), added: now });
            Some(directory)
        },
    )
    .await?;
    match directory {
        Some(directory) if entered => Ok(directory.last_seq),
        _ => Err(Error::TooMany(Directory::MOST)),
    }
}

/// Takes one part of the devices of `devices.file`. A part taken before changes nothing.
pub async fn enroll_part(
    engine: &Engine,
    authority: &str,
    id: &str,
    part: u32,
    parts: Option<u32>,
    names: Vec<String>,
) -> Result<api::EnrolReport, Error> {
    if names.len() > MOST_NAMES {
        return Err(Error::Part { part, why: "it holds more than 1000 devices" });
    }
    if part >= EnrolmentRow::MOST_PARTS
        || parts.is_some_and(|parts| parts > EnrolmentRow::MOST_PARTS)
    {
        return Err(Error::Part { part, why: "there are more than 100000 parts" });
    }
    if parts.is_some_and(|parts| part >= parts && !names.is_empty()) {
        return Err(Error::Part { part, why: "its number is not below the number of parts" });
    }
    if engine.backlog.full() {
        return Err(Error::Behind);
    }
    let id = CampaignId::new(authority, id);
    let live = match find(engine, &id).await {
        Ok(live) if live.state.may_enrol() => live,
        Ok(live) => return again(engine, &id, part, &names, live.state.name()).await,
        Err(Error::Closed(state)) => return again(engine, &id, part, &names, state).await,
        Err(error) => return Err(error),
    };
    if live.campaign.devices().file.is_none() {
        return Err(Error::NoFile);
    }
    let tally = enroll::enrol_names(engine, &live, &names).await?;
    // Marked only when every device found a place: a part with some to come again is offered again.
    if tally.later == 0 {
        let mut clash = false;
        update::update::<EnrolmentRow>(
            engine.store(),
            live.id.shard(),
            &live.id.enrolment_key(),
            |row| {
                let mut row = row.cloned().unwrap_or_default();
                clash = row.expected.is_some() && parts.is_some() && row.expected != parts;
                if clash {
                    return None;
                }
                let marked =
                    (!names.is_empty() || parts.is_none_or(|parts| part < parts)) && row.mark(part);
                let told = parts.is_some() && row.expected.is_none();
                row.expected = row.expected.or(parts);
                (marked || told).then_some(row)
            },
        )
        .await?;
        if clash {
            return Err(Error::Part { part, why: "another part told another number of parts" });
        }
    }
    Ok(api::EnrolReport {
        enrolled: tally.enrolled,
        already: tally.already,
        unknown: tally.unknown,
        later: tally.later,
    })
}

/// The answer to a part that comes when the campaign takes no more: if it came before, nothing is wrong.
async fn again(
    engine: &Engine,
    id: &CampaignId,
    part: u32,
    names: &[String],
    state: &'static str,
) -> Result<api::EnrolReport, Error> {
    let row = update::load::<EnrolmentRow>(engine.store(), id.shard(), &id.enrolment_key()).await?;
    if row.is_some_and(|(row, _)| row.has(part)) {
        return Ok(api::EnrolReport { already: names.len() as u64, ..api::EnrolReport::default() });
    }
    Err(Error::Closed(state))
}

/// A campaign that is not ended, from memory or, just submitted elsewhere, from the store.
pub(super) async fn find(engine: &Engine, id: &CampaignId) -> Result<Arc<LiveCampaign>, Error> {
    let find = || engine.live.snapshot().all().find(|live| live.id == *id).cloned();
    if let Some(live) = find() {
        return Ok(live);
    }
    engine.refresh().await?;
    if let Some(live) = find() {
        return Ok(live);
    }
    match update::load::<CampaignRow>(engine.store(), id.shard(), &id.key()).await? {
        Some((row, _)) if row.state.is_over() => Err(Error::Closed(row.state.name())),
        // It was accepted elsewhere since we looked, or is about to be: then it will be there in a moment.
        Some(_) => {
            engine.refresh().await?;
            find().ok_or_else(|| not_found(id))
        }
        None => Err(not_found(id)),
    }
}

pub(super) fn not_found(id: &CampaignId) -> Error {
    Error::NotFound { authority: id.authority.clone(), id: id.id.clone() }
}

/// The reasons of a refusal, for whoever must show them.
impl Error {
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Refused(problems) => problems,
            _ => &[],
        }
    }
}
