//! A request becomes a job: checked as a campaign is, written beside its device, and called out at once.

use super::{
    CareId, LONGEST, SEQ, bell, ends,
    rows::{CareRow, KEEP, KEEP_RUN, LastRow, WhoseRow},
    work,
};
use crate::{
    campaigns::live,
    engine::Engine,
    enroll,
    registry::{self, RegistryError},
    routing,
    rows::{Device, DeviceId, RowError, Stored},
    security::vault::SealError,
    store::{Change, Key, Shard, StoreError, Table, Verdict},
    turn::{self, Turn},
};
use api::CareRequest;
use campaign::{
    Campaign, Problem, StoredError, check, document::Document, job::Job, time::Instant,
};
use serde_json::{Map, Value, json};
use session::JobRef;
use std::time::Duration;

/// How often a device is decided anew when others keep moving it.
const TRIES: usize = 8;
/// The least that is tried.
const SHORTEST: Duration = Duration::from_secs(10);
const WITHIN: Duration = Duration::from_mins(2);

/// Why nothing is done for a device.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CareError {
    #[error("the request is refused for {} reasons", .0.len())]
    Refused(Vec<Problem>),
    #[error("the registry of `{0}` has no device under this name")]
    NoDevice(String),
    #[error("care job {0} of this device is under way; follow that one, or wait for its end")]
    UnderWay(CareId),
    #[error("there are {0} care jobs under way in this process; try again in a moment")]
    Full(usize),
    #[error("there is no care job `{0}`, or it was forgotten")]
    NoCare(String),
    #[error("the device was moved by others {TRIES} times in a row")]
    Contended,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Row(#[from] RowError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Document(#[from] StoredError),
    #[error(transparent)]
    Work(#[from] work::WorkError),
}

/// What is to be done, checked.
struct Order {
    document: Vec<u8>,
    reads: u8,
    writes: u8,
    purpose: String,
    within: Duration,
}

/// Takes a request for a device of an authority, which the server knows.
pub(crate) async fn submit(
    engine: &Engine,
    authority: &str,
    request: &CareRequest,
) -> Result<CareId, CareError> {
    let now = engine.store.now().await?;
    let order = check(engine, authority, request, now)?;
    let unknown = || CareError::NoDevice(authority.to_owned());
    let id = registry::resolve(engine.store(), authority, &request.device).await?;
    let id = id.ok_or_else(unknown)?;
    if !engine.care.room(now, order.within) {
        return Err(CareError::Full(super::Desk::MOST));
    }
    for _ in 0..TRIES {
        match attempt(engine, &id, &order).await? {
            Attempt::Done { care, route } => {
                engine.care.news.tell(Shard::of(&id.root()));
                call(engine, &id, &route).await;
                return Ok(care);
            }
            Attempt::NoDevice => return Err(unknown()),
            Attempt::Conflict => {}
        }
    }
    Err(CareError::Contended)
}

/// Judges a request by itself, and by what the authority may do.
fn check(
    engine: &Engine,
    authority: &str,
    request: &CareRequest,
    now: Instant,
) -> Result<Order, CareError> {
    let mut problems = Vec::new();
    let mut problem = |path: &str, what: String, help: &str| {
        problems.push(Problem { path: path.to_owned(), line: None, what, help: help.to_owned() });
    };
    if request.read.len() > CareRequest::MOST_READS {
        let what = format!("names {} nodes", request.read.len());
        problem("read", what, "at most 64; `?list=StructData` reads a whole subtree");
    }
    if request.write.len() > CareRequest::MOST_WRITES {
        let what = format!("has {} settings", request.write.len());
        problem("write", what, "at most 32: more is for a campaign");
    }
    if request.purpose.len() > CareRequest::LONGEST_PURPOSE {
        problem("purpose", "is longer than 256 octets".to_owned(), "say it shorter");
    }
    if request.device.is_empty() || request.device.len() > DeviceId::LONGEST {
        problem("device", "names no device".to_owned(), "a device id, msisdn:… or imsi:…");
    }
    let within = match request.within.as_deref().map(campaign::time::parse_duration) {
        None => WITHIN,
        Some(Ok(within)) if (SHORTEST..=LONGEST).contains(&within) => within,
        Some(Ok(_)) => {
            problem("within", "is not between 10s and 1h".to_owned(), "as 5m");
            WITHIN
        }
        Some(Err(error)) => {
            problem("within", error.to_string(), "as 5m");
            WITHIN
        }
    };
    if !problems.is_empty() {
        return Err(CareError::Refused(problems));
    }
    let reads = request.read.len();
    let settings: Vec<Value> = request
        .read
        .iter()
        .map(|uri| json!({"uri": uri, "do": "read"}))
        .chain(request.write.iter().cloned().map(Value::Object))
        .collect();
    let document = document(authority, &settings, engine, now)
        .map_err(|problems| CareError::Refused(in_place(problems, reads)))?;
    let few = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
    Ok(Order {
        document,
        reads: few(reads),
        writes: few(request.write.len()),
        purpose: request.purpose.clone(),
        within,
    })
}

/// The stored form of a document with these settings, checked as that of a campaign.
fn document(
    authority: &str,
    settings: &[Value],
    engine: &Engine,
    now: Instant,
) -> Result<Vec<u8>, Vec<Problem>> {
    let nothing = settings.is_empty();
    let mut text = Map::new();
    text.insert("campaign".into(), "care".into());
    text.insert("authority".into(), authority.into());
    text.insert("purpose".into(), "care".into());
    text.insert("lane".into(), "care".into());
    text.insert("devices".into(), json!({"list": ["the-device"]}));
    // A document has settings. When only a call is asked for, nothing of it is ever done.
    let placeholder = [json!({"uri": "./DevInfo/DevId", "do": "read"})];
    let settings = if nothing { &placeholder } else { settings };
    text.insert("settings".into(), settings.into());
    let document = Document::parse(&Value::Object(text).to_string())?;
    let everything = campaign::Scope::everything();
    let scopes = match engine.config.authority(authority) {
        Some(authority) if !nothing => &*authority.scope,
        _ => &everything,
    };
    let grounds = check::Grounds {
        scopes,
        authority: Some(authority),
        now,
        attributes: None,
        rights: check::Rights::ALL,
    };
    check::check(document, &grounds).map(|campaign: Campaign| campaign.to_stored())
}

/// The problems of a document, in the places of the request.
fn in_place(problems: Vec<Problem>, reads: usize) -> Vec<Problem> {
    let place = |path: &str| {
        let (number, rest) = path.strip_prefix("settings[")?.split_once(']')?;
        let number: usize = number.parse().ok()?;
        Some(match number.checked_sub(reads) {
            None => format!("read[{number}]"),
            Some(number) => format!("write[{number}]{rest}"),
        })
    };
    problems
        .into_iter()
        .map(|problem| Problem {
            path: place(&problem.path).unwrap_or(problem.path),
            line: None,
            ..problem
        })
        .collect()
}

enum Attempt {
    Done { care: CareId, route: String },
    NoDevice,
    Conflict,
}

async fn attempt(engine: &Engine, id: &DeviceId, order: &Order) -> Result<Attempt, CareError> {
    let shard = Shard::of(&id.root());
    let now = engine.store.now().await?;
    let keys: [Key; 2] = [id.key(Table::Device), LastRow::key(id)];
    let mut rows = engine.store.read(shard, &keys).await?.into_iter();
    let Some(row) = rows.next().flatten() else { return Ok(Attempt::NoDevice) };
    let device = Device::from_octets(&row.bytes)?;
    if let Some(active) = device.job(SEQ) {
        return Err(CareError::UnderWay(CareId::of(id, active.run)));
    }
    let last = rows.next().flatten().map(|row| LastRow::from_octets(&row.bytes)).transpose()?;
    let run = last.map_or(0, |last| last.run.wrapping_add(1));
    let care = CareId::of(id, run);
    let Some(route) = enroll::route(&engine.config, live::care(), id, &device, now) else {
        return Err(CareError::Refused(vec![Problem {
            path: "device".into(),
            line: None,
            what: routing::NO_ROUTE.into(),
            help: "look at `when` of the routes in the configuration".into(),
        }]));
    };
    let route = route.to_owned();
    let mut turn = Turn::new(id.clone(), device, row.revision, now);
    let job = turn::enrolled(JobRef { seq: SEQ, run }, live::care().campaign.lane(), &route, now);
    debug_assert!(matches!(job.job, Job::Waiting { .. }));
    turn.device.jobs.push(job);
    let name = care.to_string();
    let until = now.plus(order.within);
    let row = CareRow {
        purpose: order.purpose.clone(),
        submitted: now,
        until,
        reads: order.reads,
        writes: order.writes,
        document: engine.vault.seal(&work::binding(id, &name), &order.document)?,
    };
    let whose = WhoseRow { device: id.clone(), run };
    let keep = order.within + KEEP;
    turn.beside(|change: Change| {
        change
            .put_for(CareRow::key(id, run), row.to_octets(), keep)
            .put_for(care.key(), whose.to_octets(), keep)
            .put_for(LastRow::key(id), LastRow { run }.to_octets(), KEEP_RUN)
            .queue_put(ends(), id.root(), until.0)
    });
    let verdicts = engine.store.commit(shard, vec![turn.into_change()]).await?;
    Ok(match verdicts.first() {
        Some(Verdict::Done) => Attempt::Done { care, route },
        _ => Attempt::Conflict,
    })
}

/// Wakes whoever notifies: here, when the route is open here.
async fn call(engine: &Engine, id: &DeviceId, route: &str) {
    let here = match engine.store.now().await {
        Ok(now) => engine
            .config
            .route(route)
            .is_some_and(|route| engine.routes.way(&engine.config, route, now).is_some()),
        Err(_) => false,
    };
    if here || !engine.deployment.is_shared() {
        engine.care.bell.ring(Shard::of(&id.root()));
    } else if let Err(error) = bell::call(engine.store(), route, id).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "the bell could not be rung");
    }
}
