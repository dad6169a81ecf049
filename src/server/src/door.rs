//! A device's message, from decoded to answered: load the rows, let the session decide, commit, answer.
//!
//! Store first, answer second. On a conflict somebody else moved the device meanwhile: everything is read and decided
//! anew. An unauthenticated message writes nothing (D5).

use crate::{
    account,
    advance::{Desk, Settlement},
    campaigns::live::Snapshot,
    care::{self, work::CareWork},
    config::Authority,
    engine::Engine,
    kept,
    metrics::labels::{Direction, Fault, Milestone, Refused, Resync},
    parts, resync,
    rows::{Device, DeviceId, LastAnswer, SessionRow, Stored, ValuesRow},
    security::{nonce, vault::SealError},
    store::{Row, Shard, Table},
    turn::Turn,
    update::UpdateError,
};
use campaign::{job::Job, time::Instant};
use session::{Account, AuthKind, Context, Learnt, Mac, News, Opening, Place, Quirk, Step};
use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};
use subtle::ConstantTimeEq;
use wire::{MediaType, digest::Nonce, message::Message};

/// How often a message is decided anew when others keep moving its device.
const TRIES: usize = 8;

/// One request of a device, past the border.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) authority: &'a Authority,
    pub(crate) media: MediaType,
    /// The token of the path that `RespURI` gave.
    pub(crate) token: Option<[u8; 16]>,
    /// Nobody can listen: the peer is on this machine, a terminator of TLS or a simulation.
    pub(crate) confidential: bool,
    pub(crate) message: &'a Message,
    /// What stands in `x-syncml-hmac`.
    pub(crate) mac: Mac<'a>,
    pub(crate) body_digest: [u8; 32],
    pub(crate) body_octets: usize,
}

impl Request<'_> {
    /// Whether the device says more of who it is than its name.
    fn claims(&self) -> bool {
        self.message.header.cred.is_some() || !self.mac.is_absent()
    }
}

/// What the device gets.
#[derive(Debug)]
pub(crate) enum Answer {
    /// `proved`: the device has proven itself with this message.
    Document { answer: LastAnswer, proved: bool },
    /// The same message again after a newer one, or an id that cannot be: HTTP 400.
    Stale,
    /// The credentials were wrong; to be held back by the brake.
    Refused { media: MediaType, body: Vec<u8>, tried: bool },
}

/// Why a message could not be answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoorError {
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error(transparent)]
    Row(#[from] crate::rows::RowError),
    #[error(transparent)]
    Care(#[from] care::work::WorkError),
    #[error("what a care job read could not be sealed")]
    Seal(#[from] SealError),
    #[error(transparent)]
    Account(#[from] account::AccountError),
    #[error("the answer could not be written")]
    Write(#[from] wire::WriteError),
    #[error("the campaigns could not be read")]
    Campaigns(#[from] UpdateError),
    #[error("the device was moved by others {TRIES} times in a row")]
    Contended,
}

/// Answers one message.
pub(crate) async fn receive(engine: &Engine, request: &Request<'_>) -> Result<Answer, DoorError> {
    let id = DeviceId::new(
        request.authority.name.clone(),
        request.message.header.source.loc_uri.clone(),
    );
    let shard = Shard::of(&id.root());
    let keys =
        [Table::Device, Table::Session, Table::History, Table::Values].map(|table| id.key(table));
    engine.gate.pass(shard).await;
    let mut kept = engine.kept.take(&id).filter(|kept| goes_on(&kept.session, request));
    for _ in 0..TRIES {
        let by_heart = kept.is_some();
        let found = if let Some(rows) = kept.take() {
            Some(rows.into())
        } else {
            engine.load.store_calls.fetch_add(1, Ordering::Relaxed);
            Found::read(engine.store.read(shard, &keys).await?)?
        };
        let now = engine.store.now().await?;
        let Some(found) = found else { return stranger(engine, request, &id, now) };
        let Found { device, revision, session, history, values } = found;
        let mut attempt = Attempt {
            engine,
            request,
            id: &id,
            shard,
            now,
            by_heart,
            revision,
            history,
            values,
            parts: Vec::new(),
            care: None,
        };
        if lacks_word(request, &device, &engine.live.snapshot()) {
            engine.refresh_since(now).await?;
            engine.load.store_calls.fetch_add(1, Ordering::Relaxed);
        }
        attempt.parts = attempt.read_parts(&session).await?;
        attempt.care = care::work::load(engine, shard, &id, &device).await?;
        if let Some(answer) = attempt.run(device, session).await? {
            return Ok(answer);
        }
        tracing::debug!("a device was moved meanwhile; deciding anew");
    }
    Err(DoorError::Contended)
}

/// Whether the message is the very next of this session: only then what is known of it by heart may still be true.
fn goes_on(row: &SessionRow, request: &Request<'_>) -> bool {
    let place = row.session.place(request.message, &request.body_digest, request.claims());
    *row.session.id() == request.message.header.session_id && place == Place::Next { gap: 0 }
}

/// What there is of a device and its session.
struct Found {
    device: Device,
    revision: u64,
    session: StoredSession,
    history: Option<Row>,
    values: Option<Row>,
}

impl Found {
    /// Rows as they were read; `None` when nobody registered the device.
    fn read(rows: Vec<Option<Row>>) -> Result<Option<Self>, DoorError> {
        let mut rows = rows.into_iter();
        let Some(device) = rows.next().flatten() else { return Ok(None) };
        let session = rows.next().flatten();
        // A session row of another version is a session lost, not an error: the device starts anew.
        let session = StoredSession {
            revision: session.as_ref().map(|row| row.revision),
            row: session.and_then(|row| SessionRow::from_octets(&row.bytes).ok()),
        };
        Ok(Some(Self {
            device: Device::from_octets(&device.bytes)?,
            revision: device.revision,
            session,
            history: rows.next().flatten(),
            values: rows.next().flatten(),
        }))
    }
}

impl From<kept::Rows> for Found {
    fn from(kept: kept::Rows) -> Self {
        let kept::Rows { device, revision, session, session_revision, history, values } = kept;
        let session = StoredSession { row: Some(session), revision: Some(session_revision) };
        Self { device, revision, session, history, values }
    }
}

/// Whether the device answers a notification for a campaign that, as far as this process knows, may not begin yet. Whoever sent
/// the notification knew better; a session that has nothing to do would leave the job to wait for a device that was here.
fn lacks_word(request: &Request<'_>, device: &Device, live: &Snapshot) -> bool {
    request.message.header.session_id.answers_notification(device.next_sid)
        && device.jobs.iter().any(|active| {
            matches!(active.job, Job::Waiting { .. } | Job::Notified { .. })
                && live.get(active.seq).is_none_or(|live| !live.state.may_begin())
        })
}

/// A device that nobody registered runs the same code, with a secret that nobody knows: it must not tell itself apart.
fn stranger(
    engine: &Engine,
    request: &Request<'_>,
    id: &DeviceId,
    now: Instant,
) -> Result<Answer, DoorError> {
    let account = account::stranger(&engine.vault, id, request.authority.integrity);
    let challenges =
        nonce::challenges(&engine.vault, id, &request.message.header.session_id, 0, now);
    let proof = Proof {
        account: &account,
        candidates: &challenges,
        challenge: first(&challenges),
        proven: false,
        learnt: Learnt::default(),
    };
    let next_nonce = nonce::fresh();
    let context = proof.context(engine, request, &next_nonce, None, &Nothing);
    match session::open(request.message, &context) {
        Opening::Refused { reply } => refused(engine, request, &reply, Refused::UnknownDevice),
        // Nobody knows the secret; if somebody guessed it, there is nothing here for them.
        Opening::Opened(_) => Ok(Answer::Stale),
    }
}

fn first(challenges: &[Nonce; 4]) -> &Nonce {
    let [first, ..] = challenges;
    first
}

fn refused(
    engine: &Engine,
    request: &Request<'_>,
    reply: &Message,
    why: Refused,
) -> Result<Answer, DoorError> {
    engine.metrics.messages_refused.at(why).increment(1);
    engine.load.refused.fetch_add(1, Ordering::Relaxed);
    engine.load.messages.fetch_add(1, Ordering::Relaxed);
    Ok(Answer::Refused {
        media: request.media,
        body: request.media.encoding.write(reply)?,
        tried: request.claims(),
    })
}

fn why_refused(request: &Request<'_>) -> Refused {
    if request.claims() { Refused::Credentials } else { Refused::Challenged }
}

/// The work of a device that nobody registered.
struct Nothing;

impl session::Work for Nothing {
    fn plans(&self, _: &session::Facts) -> Vec<session::Plan> {
        Vec::new()
    }

    fn settings(
        &self,
        _: session::JobRef,
        _: &session::Facts,
        _: &session::Reads,
    ) -> Result<Vec<session::Setting>, session::Unfit> {
        Err(session::Unfit::Gone)
    }
}

/// What a device may prove itself with, and whether its request did already.
#[derive(Clone, Copy)]
struct Proof<'a> {
    account: &'a Account,
    candidates: &'a [Nonce],
    challenge: &'a Nonce,
    proven: bool,
    learnt: Learnt,
}

impl<'a> Proof<'a> {
    fn context(
        self,
        engine: &'a Engine,
        request: &'a Request<'_>,
        next_nonce: &'a Nonce,
        resp_uri: Option<&'a str>,
        work: &'a dyn session::Work,
    ) -> Context<'a> {
        let limits = &engine.config.session;
        Context {
            server_id: &request.authority.server_id,
            url: &request.authority.url,
            resp_uri,
            account: self.account,
            learnt: self.learnt,
            candidates: self.candidates,
            challenge: self.challenge,
            next_nonce,
            proven: self.proven,
            mac: request.mac,
            body_digest: request.body_digest,
            encoding: request.media.encoding,
            reply_octets: limits.reply_size,
            max_msg_size: u32::try_from(limits.max_msg_size).unwrap_or(u32::MAX),
            max_obj_size: u32::try_from(limits.max_obj_size).unwrap_or(u32::MAX),
            parts: &[],
            only_nonces: false,
            work,
        }
    }
}

/// One try to answer a message from one reading of the rows.
struct Attempt<'a> {
    engine: &'a Engine,
    request: &'a Request<'a>,
    id: &'a DeviceId,
    shard: Shard,
    now: Instant,
    /// The rows were not read for this message: another worker may have moved them.
    by_heart: bool,
    /// Of the device's row.
    revision: u64,
    history: Option<Row>,
    values: Option<Row>,
    /// The stored parts of the large object that ends with this message.
    parts: Vec<Vec<u8>>,
    /// What the device's care job does, when it has one.
    care: Option<CareWork>,
}

/// The session as it was found.
struct StoredSession {
    row: Option<SessionRow>,
    /// Of whatever stands there, readable or not: only that may be overwritten.
    revision: Option<u64>,
}

/// What is to be done about a message.
enum Decision {
    /// It was answered before, so.
    Repeat(LastAnswer),
    /// Older than the last, or not of this session.
    Stale,
    /// Nothing is to be stored. `opens`: it would have begun a session.
    Refused { reply: Box<Message>, opens: bool },
    /// To be stored, then answered.
    Conclude(Box<Turn>, Box<SessionRow>, Box<Step>),
}

impl Attempt<'_> {
    /// The answer; `None` when the rows changed meanwhile.
    async fn run(
        &mut self,
        device: Device,
        stored: StoredSession,
    ) -> Result<Option<Answer>, DoorError> {
        let live = self.engine.live.snapshot();
        match self.decide(device, stored, &live)? {
            // What no commit confirms is decided from what is read.
            Decision::Repeat(_) | Decision::Stale | Decision::Refused { .. } if self.by_heart => {
                Ok(None)
            }
            Decision::Repeat(answer) => {
                self.engine.load.repeats.fetch_add(1, Ordering::Relaxed);
                self.engine.metrics.messages_repeated.increment(1);
                self.engine.load.messages.fetch_add(1, Ordering::Relaxed);
                Ok(Some(Answer::Document { answer, proved: false }))
            }
            Decision::Stale => Ok(Some(Answer::Stale)),
            Decision::Refused { reply, opens } => {
                if opens {
                    self.engine.metrics.milestones.at(Milestone::Connected).increment(1);
                }
                let why = why_refused(self.request);
                refused(self.engine, self.request, &reply, why).map(Some)
            }
            Decision::Conclude(turn, row, step) => self.conclude(*turn, *row, *step, &live).await,
        }
    }

    /// The stored parts that the session needs for this message: of the device whose session it is, and of no other.
    async fn read_parts(&self, stored: &StoredSession) -> Result<Vec<Vec<u8>>, DoorError> {
        let message = self.request.message;
        let current =
            stored.row.as_ref().filter(|row| *row.session.id() == message.header.session_id);
        let wanted = current.map_or(0, |row| row.session.parts_wanted(message));
        if wanted == 0 {
            return Ok(Vec::new());
        }
        self.engine.load.store_calls.fetch_add(1, Ordering::Relaxed);
        Ok(parts::read(self.engine.store(), self.shard, self.id, wanted).await?)
    }

    /// What is to be done about the message. Nothing is read or written here.
    fn decide(
        &self,
        device: Device,
        stored: StoredSession,
        live: &Snapshot,
    ) -> Result<Decision, DoorError> {
        let (engine, request, message) = (self.engine, self.request, self.request.message);
        let current =
            stored.row.as_ref().filter(|row| *row.session.id() == message.header.session_id);
        let place =
            current.map(|row| row.session.place(message, &request.body_digest, request.claims()));
        let goes_on = match place {
            Some(Place::Repeat) => {
                let answer = stored.row.and_then(|row| row.answer);
                return Ok(answer.map_or(Decision::Stale, Decision::Repeat));
            }
            Some(Place::Stale) => return Ok(Decision::Stale),
            Some(Place::Next { .. } | Place::AgainAfterRefusal) => true,
            Some(Place::Restart) | None => false,
        };
        let mut turn = Turn::new(self.id.clone(), device, self.revision, self.now);
        turn.stop(live);

        let mut account =
            account::account(&engine.vault, self.id, &turn.device, request.authority.integrity)?;
        let zeros = self.under_zeros(&turn.device, &account, goes_on);
        if let (Some(zeros), Some(server)) = (&zeros, &mut account.server) {
            server.nonce = zeros.clone();
        }
        let token = current.filter(|_| goes_on).map_or_else(nonce::token, |row| row.token);
        let proven = goes_on && request.token.is_some_and(|given| given.ct_eq(&token).into());
        let next_nonce = nonce::fresh();
        // A message that is proven and brings no credentials is neither tried nor challenged, unless a digest over its
        // body is due.
        let challenges =
            (!proven || request.claims() || account.kind == AuthKind::Hmac).then(|| {
                let session = &message.header.session_id;
                nonce::challenges(&engine.vault, self.id, session, turn.device.auth_count, self.now)
            });
        // Within its session a device may use the nonce it was just given in message after message; a new session takes
        // one that was never used (D5).
        let issued = turn.device.issued.clone().filter(|_| goes_on || !turn.device.issued_used);
        let imported = turn.device.imported.clone().filter(|_| !goes_on);
        let opening = zeros.clone().filter(|_| !goes_on);
        let mut candidates: Vec<Nonce> =
            issued.into_iter().chain(imported).chain(opening).collect();
        for challenge in challenges.iter().flatten() {
            // Without an older key of the vault they come twice.
            if !candidates.contains(challenge) {
                candidates.push(challenge.clone());
            }
        }
        let challenge = challenges.as_ref().map_or(&next_nonce, first);
        let lost = stored.row.as_ref().is_some_and(|row| row.session.lost_to_a_large_reply());
        let mut learnt = turn.device.learnt;
        if lost && !goes_on {
            learnt.quirks = learnt.quirks.with(Quirk::SmallReplies);
        }
        let proof = Proof { account: &account, candidates: &candidates, challenge, proven, learnt };
        let resp_uri = format!("{}/{}", request.authority.url, hex::encode(token));
        // Work sees the device as it was before this message: what the message teaches comes with its facts.
        let desk = Desk {
            live,
            id: self.id,
            device: &turn.device,
            scope: &request.authority.scope,
            care: self.care.as_ref(),
            confidential: request.confidential,
            settings: self.settings(&turn.device, live)?,
        };
        let context = Context {
            parts: &self.parts,
            only_nonces: zeros.is_some(),
            ..proof.context(engine, request, &next_nonce, Some(&resp_uri), &desk)
        };
        let (step, row) = match stored.row {
            Some(row) if goes_on => (row.session.clone().receive(message, &context), row),
            _ => match session::open(message, &context) {
                Opening::Refused { reply } => {
                    return Ok(Decision::Refused { reply: Box::new(reply), opens: true });
                }
                Opening::Opened(step) => {
                    let row = SessionRow::new(step.session.clone(), token, self.now);
                    (step, row)
                }
            },
        };
        if step.news.contains(&News::Refused) {
            return Ok(Decision::Refused { reply: Box::new(step.reply), opens: false });
        }
        turn.guard_session(stored.revision);
        turn.device.learnt = learnt;
        if !goes_on {
            turn.device.resync.opened(zeros.is_some(), self.now);
        }
        if goes_on && request.claims() {
            turn.device.issued_used = true;
        }
        Ok(Decision::Conclude(Box::new(turn), Box::new(row), Box::new(step)))
    }

    /// The nonce of zeros, if that is what this message was proven with, or the session that it goes on with (D5).
    fn under_zeros(&self, device: &Device, account: &Account, goes_on: bool) -> Option<Nonce> {
        let message = self.request.message;
        let id = &message.header.session_id;
        let zeros = resync::zeros();
        let is = if goes_on {
            device.resync.is_open(id)
        } else {
            self.engine.config.session.resync
                && device.resync.admits(id, self.now)
                && session::is_under(&zeros, message, account, self.request.mac)
        };
        is.then_some(zeros)
    }

    /// Values read in earlier sessions, if one of the device's campaigns looks at them.
    fn settings(
        &self,
        device: &Device,
        live: &Snapshot,
    ) -> Result<BTreeMap<String, String>, DoorError> {
        let wanted = device
            .jobs
            .iter()
            .any(|job| live.get(job.seq).is_some_and(|live| live.looks_at_settings));
        let values = if wanted { read::<ValuesRow>(self.values.as_ref())? } else { None };
        Ok(values.map(ValuesRow::into_settings).unwrap_or_default())
    }

    /// Stores what the message led to, then answers.
    async fn conclude(
        &mut self,
        mut turn: Turn,
        mut row: SessionRow,
        step: Step,
        live: &Snapshot,
    ) -> Result<Option<Answer>, DoorError> {
        let body = self.request.media.encoding.write(&step.reply)?;
        row.session = step.session.clone();
        row.messages += 1;
        row.octets_in += self.request.body_octets as u64;
        row.octets_out += body.len() as u64;
        if turn.device.encoding.is_none() {
            turn.device.encoding = Some(self.request.media.encoding);
        }
        let settlement = Settlement {
            live,
            config: &self.engine.config,
            now: self.now,
            history: read(self.history.as_ref())?,
            values: read::<ValuesRow>(self.values.as_ref())?,
        };
        let waited = waited(&turn, &step, live);
        let begins_under_zeros = row.messages == 1 && turn.device.resync.is_open(row.session.id());
        for news in &step.news {
            if let (News::Read(told), Some(care)) = (news, &mut self.care) {
                care.take(&self.engine.vault, &mut turn, told)?;
            }
        }
        settlement.settle(&mut turn, &mut row, &step);
        let proved = step.news.contains(&News::Authenticated);
        let hmac = step.seal.as_ref().map(|seal| seal.header(&body));
        let answer = LastAnswer { media: self.request.media, body, hmac };
        row.answer = Some(answer.clone());
        // What is over is kept for as long as its last message may be repeated.
        let session = &self.engine.config.session;
        let life = if row.session.over() {
            session.life.min(4 * session.answer_within)
        } else {
            session.life
        };
        turn.keep_session(&row, life);
        turn.keep_parts(step.parts, session.life);
        self.engine.load.store_calls.fetch_add(1, Ordering::Relaxed);
        let (change, device) = turn.finish();
        let place = |table| change.puts.iter().position(|put| put.key == self.id.key(table));
        let places = (place(Table::Device), place(Table::Session));
        let put = self.engine.store.commit_one(self.shard, change).await?;
        let Some(revisions) = put else { return Ok(None) };
        if self.care.is_some() {
            self.engine.care.news.tell(self.shard);
        }
        self.engine.load.messages.fetch_add(1, Ordering::Relaxed);
        if begins_under_zeros {
            self.engine.metrics.resyncs.at(Resync::Opened).increment(1);
        }
        self.count(&row, &step.news, waited, answer.body.len());
        if !row.session.over() {
            // From memory nobody gets it again.
            row.answer = None;
            self.keep(device, row, places, &revisions);
        }
        Ok(Some(Answer::Document { answer, proved }))
    }

    /// Keeps the rows for the next message. `places`: of the device's and of the session's row among those that were put.
    fn keep(
        &mut self,
        device: Device,
        session: SessionRow,
        (device_place, session_place): (Option<usize>, Option<usize>),
        revisions: &[u64],
    ) {
        let revision_at = |place: usize| revisions.get(place).copied();
        let revision = device_place.map_or(Some(self.revision), revision_at);
        let (Some(revision), Some(session_revision)) =
            (revision, session_place.and_then(revision_at))
        else {
            return;
        };
        let (history, values) = (self.history.take(), self.values.take());
        let rows = kept::Rows { device, revision, session, session_revision, history, values };
        self.engine.kept.keep(self.id.clone(), rows);
    }

    /// Counts a message whose effect is stored.
    fn count(&self, row: &SessionRow, news: &[News], waited: Option<Duration>, octets_out: usize) {
        let (metrics, encoding) = (&self.engine.metrics, self.request.media.encoding);
        metrics.messages.at(encoding).increment(1);
        metrics.message_octets.at(Direction::In).increment(self.request.body_octets as u64);
        metrics.message_octets.at(Direction::Out).increment(octets_out as u64);
        if row.messages == 1 {
            metrics.session_opened(encoding, row.started);
        }
        if let Some(waited) = waited {
            metrics.notified_to_session.record(waited.as_secs_f64());
        }
        for news in news {
            match news {
                News::Over(end) => {
                    if *end == session::End::Resynchronised {
                        metrics.resyncs.at(Resync::Healed).increment(1);
                    }
                    metrics.session_ended(*end, encoding, (row.started, self.now));
                }
                News::Event(_) => metrics.faults.at(Fault::Event).increment(1),
                News::ServerRefused => {
                    metrics.faults.at(Fault::ServerCredentialsRefused).increment(1);
                }
                News::Stray(answers) => {
                    self.engine.load.strays.fetch_add(u64::from(*answers), Ordering::Relaxed);
                }
                _ => {}
            }
        }
    }
}

/// How long the notification of a job was out when this message began to work on the job.
fn waited(turn: &Turn, step: &Step, live: &Snapshot) -> Option<Duration> {
    step.news.iter().find_map(|news| {
        let News::Started(started) = news else { return None };
        let Job::Notified { deadline, .. } = turn.device.job(started.seq)?.job else { return None };
        let within = live.get(started.seq)?.terms.answer_within;
        Some(within.saturating_sub(deadline.since(turn.now())))
    })
}

fn read<R: Stored>(row: Option<&Row>) -> Result<Option<R>, crate::rows::RowError> {
    row.map(|row| R::from_octets(&row.bytes)).transpose()
}
