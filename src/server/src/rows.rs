//! The rows of the store: what is kept of a device, a session, a campaign, and in which form.
//!
//! Rows are split by lifetime (D6): [`Device`] is cold and small, [`SessionRow`] lives as long as a session, [`ResultRow`] as long as its report. Every stored form begins with a version octet; a binary reads its own
//! version and the one before.

mod packed;

use crate::{
    resync::Resync,
    store::{Key, Table},
};
use campaign::{
    job::{Job, Outcome},
    time::Instant,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use wire::{Encoding, MediaType, digest::Nonce, status::StatusCode};

/// Why stored octets could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    #[error("a stored row is empty")]
    Empty,
    #[error("a stored row has version {0}; this program reads version {1}")]
    Version(u8, u8),
    #[error("a stored row is damaged")]
    Damaged(#[source] postcard::Error),
}

/// Something with a stored form: a version octet, then postcard (or what it says itself).
pub trait Stored: Serialize + DeserializeOwned {
    const VERSION: u8 = 1;

    fn to_octets(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![Self::VERSION])
            .expect("rows hold nothing that postcard cannot write")
    }

    fn from_octets(octets: &[u8]) -> Result<Self, RowError> {
        let (version, rest) = octets.split_first().ok_or(RowError::Empty)?;
        if *version == Self::VERSION {
            return Self::read(rest).map_err(RowError::Damaged);
        }
        let before = (*version == Self::VERSION - 1).then(|| Self::from_before(rest)).flatten();
        match before {
            Some(row) => row.map_err(RowError::Damaged),
            None => Err(RowError::Version(*version, Self::VERSION)),
        }
    }

    /// Reads what stands behind the version octet.
    fn read(rest: &[u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(rest)
    }

    /// Reads what the version before wrote behind its version octet; `None` when there was none.
    fn from_before(_rest: &[u8]) -> Option<Result<Self, postcard::Error>> {
        None
    }
}

/// Which device: an account of an authority.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeviceId {
    pub authority: String,
    /// The Source LocURI of its sessions.
    pub device: String,
}

impl std::fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.authority, self.device)
    }
}

impl DeviceId {
    /// The longest device name accepted, in octets.
    pub const LONGEST: usize = 128;

    pub fn new(authority: impl Into<String>, device: impl Into<String>) -> Self {
        Self { authority: authority.into(), device: device.into() }
    }

    /// What decides the shard, and names the member in queues: authority, a zero octet, device.
    pub fn root(&self) -> Vec<u8> {
        let mut root = Vec::with_capacity(self.authority.len() + 1 + self.device.len());
        root.extend_from_slice(self.authority.as_bytes());
        root.push(0);
        root.extend_from_slice(self.device.as_bytes());
        root
    }

    /// Reads what [`Self::root`] wrote.
    pub fn from_root(root: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(root).ok()?;
        let (authority, device) = text.split_once('\0')?;
        Some(Self::new(authority, device))
    }

    /// The row of this device in `table`: its `d`, `s`, `a`, `v` or `h` row.
    pub fn key(&self, table: Table) -> Key {
        Key { table, id: self.root() }
    }

    /// The row of one part of the device's large object.
    pub fn part_key(&self, number: u16) -> Key {
        let mut id = self.root();
        id.push(0);
        id.extend_from_slice(&number.to_be_bytes());
        Key { table: Table::Object, id }
    }

    /// How often a standing campaign took the device in.
    pub fn runs_key(&self, seq: u64) -> Key {
        let mut id = vec![RUNS];
        id.extend_from_slice(&seq.to_be_bytes());
        id.extend_from_slice(&self.root());
        Key { table: Table::Lookup, id }
    }

    /// The result row of a job: the sequence first, so that the results of one campaign stand together.
    pub fn result_key(&self, seq: u64, run: u16) -> Key {
        let mut id = seq.to_be_bytes().to_vec();
        id.extend_from_slice(&run.to_be_bytes());
        id.extend_from_slice(&self.root());
        Key { table: Table::Result, id }
    }
}

/// What keys of runs begin with: no look-up of a number does, since those begin with an authority.
const RUNS: u8 = 2;

/// Reads the campaign sequence of a [`RunsRow`]'s key.
pub fn read_runs_key(id: &[u8]) -> Option<u64> {
    let (&kind, rest) = id.split_first()?;
    let (seq, _) = rest.split_first_chunk::<8>()?;
    (kind == RUNS).then(|| u64::from_be_bytes(*seq))
}

/// Reads the id of a result row: campaign sequence, run, device.
pub fn read_result_key(id: &[u8]) -> Option<(u64, u16, DeviceId)> {
    let (seq, rest) = id.split_first_chunk::<8>()?;
    let (run, root) = rest.split_first_chunk::<2>()?;
    Some((u64::from_be_bytes(*seq), u16::from_be_bytes(*run), DeviceId::from_root(root)?))
}

/// Octets sealed by the vault. `Debug` shows their number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed(pub Vec<u8>);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} octets)", self.0.len())
    }
}

/// How a side proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Auth {
    Md5,
    Basic,
    Hmac,
    Tls,
}

/// The `d` row: a device as one authority sees it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// How the device proves itself.
    pub auth: Auth,
    pub user: String,
    /// H(user:password), sealed; serves Basic and MD5 alike.
    pub secret: Sealed,
    /// How the server proves itself to this device; none: it presents no credentials.
    pub server: Option<ServerAccount>,
    /// The nonce last given to the device, to open its next session with.
    pub issued: Option<Nonce>,
    /// Whether a credential under `issued` was seen: it opens no second session (D5).
    pub issued_used: bool,
    /// A nonce from the registry, good for its first use.
    pub imported: Option<Nonce>,
    /// Counts successful authentications; part of every derived nonce (D5).
    pub auth_count: u32,
    /// The session id of the next notification; advanced when a session with it ended (D4). Never 0.
    pub next_sid: u16,
    pub msisdn: Option<String>,
    pub imsi: Option<String>,
    /// host:port for the udp route.
    pub address: Option<String>,
    pub cert_sha256: Option<[u8; 32]>,
    /// Learnt from its messages when the registry does not say.
    pub encoding: Option<Encoding>,
    pub manufacturer: String,
    pub model: String,
    pub firmware: String,
    pub dm_version: String,
    pub time_zone: String,
    pub groups: Vec<String>,
    pub attributes: BTreeMap<String, String>,
    /// The instant of the newest upsert.
    pub as_of: Option<Instant>,
    /// At most [`Self::MOST_JOBS`].
    pub jobs: Vec<ActiveJob>,
    /// When it last proved itself.
    pub seen: Option<Instant>,
    /// What its sessions taught.
    pub learnt: session::Learnt,
    /// Whether it believes what it hears. (Version 2 knew nothing of it.)
    #[serde(skip)]
    pub(crate) resync: Resync,
}

/// The server's credentials towards one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerAccount {
    pub auth: Auth,
    pub user: String,
    /// H(user:password), sealed; for Basic the password itself, sealed.
    pub secret: Sealed,
    /// H(server id:password), sealed, for notifications; absent when `user` is the server id and `secret` serves.
    pub notification: Option<Sealed>,
    /// The nonce that the device last gave to the server.
    pub nonce: Nonce,
}

impl Stored for Device {
    const VERSION: u8 = crate::store::words::WORDED;

    fn to_octets(&self) -> Vec<u8> {
        packed::write(self)
    }

    fn read(rest: &[u8]) -> Result<Self, postcard::Error> {
        packed::read(rest)
    }

    /// Version 2 was postcard's own form.
    fn from_before(rest: &[u8]) -> Option<Result<Self, postcard::Error>> {
        Some(postcard::from_bytes(rest))
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("model", &self.model)
            .field("next_sid", &self.next_sid)
            .field("jobs", &self.jobs)
            .finish_non_exhaustive()
    }
}

impl Device {
    pub const MOST_JOBS: usize = 16;

    pub fn job(&self, seq: u64) -> Option<&ActiveJob> {
        self.jobs.iter().find(|job| job.seq == seq)
    }

    pub fn job_mut(&mut self, seq: u64) -> Option<&mut ActiveJob> {
        self.jobs.iter_mut().find(|job| job.seq == seq)
    }

    /// The session id after `sid`: 1 to 0xFFFF, never 0.
    pub fn sid_after(sid: u16) -> u16 {
        sid.checked_add(1).unwrap_or(1)
    }
}

/// One device's part in one campaign, while it is not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActiveJob {
    pub seq: u64,
    pub run: u16,
    pub lane: campaign::document::Lane,
    /// The route whose queue holds it, or [`PULL`].
    pub route: String,
    pub job: Job,
}

/// The route name of jobs that wait for their device (D3).
pub const PULL: &str = "pull";
/// The route name of jobs that wait for their device until an instant, and are notified from then on. No route can be
/// configured under this name.
pub const PULL_UNTIL: &str = "pull.until";

/// The `s` row: a session between two messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRow {
    pub session: session::Session,
    /// What the `RespURI` of this session carries.
    pub token: [u8; 16],
    pub started: Instant,
    pub messages: u32,
    pub octets_in: u64,
    pub octets_out: u64,
    /// Jobs that ended in this session.
    pub ended: Vec<(u64, Outcome)>,
    /// Values read, kept until the session is over: what templates see must not change under a running session.
    pub read: Vec<(String, String)>,
    /// For a device that repeats its message.
    pub answer: Option<LastAnswer>,
}

impl Stored for SessionRow {
    /// One of another version is a session lost: the device begins anew.
    const VERSION: u8 = 3;
}

impl SessionRow {
    /// Octets of values that wait in a session; what comes after them is not kept.
    const MOST_READ: usize = 2048;

    /// Keeps values that a job read.
    pub(crate) fn keep(&mut self, read: &[(String, String)]) {
        let mut octets: usize = self.read.iter().map(|(uri, value)| uri.len() + value.len()).sum();
        for (uri, value) in read {
            octets += uri.len() + value.len();
            if octets > Self::MOST_READ {
                return;
            }
            self.read.push((uri.clone(), value.clone()));
        }
    }

    pub(crate) fn new(session: session::Session, token: [u8; 16], now: Instant) -> Self {
        Self {
            session,
            token,
            started: now,
            messages: 0,
            octets_in: 0,
            octets_out: 0,
            ended: Vec::new(),
            read: Vec::new(),
            answer: None,
        }
    }
}

/// The last answer of a session, octet for octet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastAnswer {
    pub media: MediaType,
    #[serde(with = "octets")]
    pub body: Vec<u8>,
    /// The value of `x-syncml-hmac`, where the server proves itself by it.
    pub hmac: Option<String>,
}

/// Octets in one piece: otherwise they are written and read one by one.
mod octets {
    use serde::{Deserializer, Serializer, de};
    use std::fmt;

    pub(super) fn serialize<S: Serializer>(octets: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(octets)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        from.deserialize_byte_buf(Octets)
    }

    struct Octets;

    impl de::Visitor<'_> for Octets {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("octets")
        }

        fn visit_bytes<E: de::Error>(self, octets: &[u8]) -> Result<Vec<u8>, E> {
            Ok(octets.to_vec())
        }
    }
}

/// The `r` row: how a job ended. It guards against enrolling the job again and feeds every report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultRow {
    pub outcome: Outcome,
    pub at: Instant,
    pub attempts: u8,
    /// For outcomes that need words.
    pub detail: Option<Detail>,
}

impl Stored for ResultRow {}

/// How often a standing campaign took a device in. It lives as long as the results do, since runs are counted on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunsRow {
    /// The run that comes next.
    pub next: u16,
    /// When it was taken in, newest last; what is older than `runs.per` leaves.
    pub taken: Vec<Instant>,
    /// When a fault last told that the device is named too often.
    pub told: Option<Instant>,
}

impl Stored for RunsRow {}

/// Why a job ended as it did: where, with which status, in which phase. At most 256 octets of text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    pub uri: Option<String>,
    pub status: Option<StatusCode>,
    pub phase: Option<session::Phase>,
    pub why: Option<String>,
}

/// The `h` row: the last sessions and results of a device (R24).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// Newest last, at most [`Self::MOST`].
    pub sessions: Vec<SessionRecord>,
}

impl Stored for HistoryRow {}

impl HistoryRow {
    pub const MOST: usize = 16;

    pub fn push(&mut self, record: SessionRecord) {
        if self.sessions.len() >= Self::MOST {
            self.sessions.remove(0);
        }
        self.sessions.push(record);
    }
}

/// One session, recorded when it ended (R24).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The token of the session in hexadecimal: unique among all sessions.
    pub id: String,
    pub session_id: String,
    pub started: Instant,
    pub ended: Instant,
    pub messages: u32,
    pub octets_in: u64,
    pub octets_out: u64,
    /// Why it ended.
    pub end: String,
    /// Campaign sequence and outcome of the jobs that ended in it.
    pub jobs: Vec<(u64, Outcome)>,
}

/// The `v` row: values read from a device, for expressions over settings (R3).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ValuesRow {
    pub values: BTreeMap<String, (String, Instant)>,
}

impl Stored for ValuesRow {}

impl ValuesRow {
    pub const MOST: usize = 64;
    pub const OCTETS: usize = 4096;

    /// Keeps a value; the oldest leave when there are too many or they are too long.
    pub fn keep(&mut self, uri: String, value: String, at: Instant) {
        if uri.len() + value.len() > Self::OCTETS / 4 {
            return;
        }
        self.values.insert(uri, (value, at));
        while self.values.len() > Self::MOST || self.octets() > Self::OCTETS {
            let oldest =
                self.values.iter().min_by_key(|(_, (_, at))| *at).map(|(uri, _)| uri.clone());
            let Some(oldest) = oldest else { break };
            self.values.remove(&oldest);
        }
    }

    /// The values alone, as expressions see them.
    pub fn into_settings(self) -> BTreeMap<String, String> {
        self.values.into_iter().map(|(uri, (value, _))| (uri, value)).collect()
    }

    fn octets(&self) -> usize {
        self.values.iter().map(|(uri, (value, _))| uri.len() + value.len() + 10).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workbench::Workbench;

    #[test]
    fn a_device_is_found_again_from_its_root() {
        let id = DeviceId::new("operator", "IMEI:350000000000017");
        assert_eq!(DeviceId::from_root(&id.root()), Some(id.clone()));
        let key = id.result_key(7, 1);
        assert_eq!(read_result_key(&key.id), Some((7, 1, id)));
    }

    #[test]
    fn a_row_of_another_version_is_refused_by_name() {
        let error = ValuesRow::from_octets(&[9, 0]).unwrap_err();
        assert!(error.to_string().contains("version 9"), "{error}");
        assert!(matches!(ValuesRow::from_octets(&[]), Err(RowError::Empty)));
    }

    #[tokio::test]
    async fn a_device_comes_back_as_it_was_stored_now_and_by_the_version_before() {
        let bench = Workbench::new().await;
        let lines = [
            r#"{"device":"IMEI:1","user":"u","secret":"s"}"#,
            r#"{"device":"IMEI:2","user":"u1234567","secret":"s","nonce":"MDEy","server_auth":"basic","server_user":"x","server_secret":"t","server_nonce":"ZmVk","msisdn":"467000000017","imsi":"24001000000017","address":"10.1.2.3:2948","encoding":"wbxml","manufacturer":"M","time_zone":"Europe/Stockholm","groups":["a","b"],"attributes":{"plan":"gold","site":"7"}}"#,
            r#"{"device":"IMEI:3","secret":"s","address":"[2001:db8::7]:2948","encoding":"xml","firmware":"1"}"#,
        ];
        bench.register(&lines).await;
        for name in ["IMEI:1", "IMEI:2", "IMEI:3"] {
            let (mut device, _) = bench.device(&DeviceId::new("operator", name)).await;
            for _ in 0..2 {
                assert_eq!(Device::from_octets(&device.to_octets()).unwrap(), device);
                let before = postcard::to_extend(&device, vec![2]).unwrap();
                let known = Device { resync: Resync::default(), ..device.clone() };
                assert_eq!(Device::from_octets(&before).unwrap(), known);
                device.issued = Some(Nonce::new(b"0123").unwrap());
                device.issued_used = true;
                device.seen = Some(Instant(7));
                device.learnt.large_objects = Some(true);
                device.resync.delivered(Instant(1), Instant(2));
                device.resync.called(Instant(3), 7);
                device.cert_sha256 = Some([7; 32]);
                device.jobs.push(ActiveJob {
                    seq: 1,
                    run: 0,
                    lane: campaign::document::Lane::Urgent,
                    route: PULL.into(),
                    job: Job::new(Instant(5)),
                });
            }
            for length in 0..device.to_octets().len() {
                assert!(Device::from_octets(&device.to_octets()[..length]).is_err(), "{length}");
            }
        }
    }

    #[test]
    fn an_answer_comes_back_to_the_octet() {
        let media = MediaType::parse("application/vnd.syncml+wbxml").unwrap();
        for body in [Vec::new(), (0..=255).collect::<Vec<u8>>()] {
            let answer = LastAnswer { media, body, hmac: Some("x".into()) };
            let octets = postcard::to_allocvec(&answer).unwrap();
            assert_eq!(postcard::from_bytes::<LastAnswer>(&octets).unwrap(), answer);
        }
    }

    #[test]
    fn values_read_stay_within_their_bound_and_the_oldest_leave_first() {
        let mut row = ValuesRow::default();
        for n in 0..200_u64 {
            row.keep(format!("./A/{n}"), "x".repeat(40), Instant(n));
        }
        assert!(row.values.len() <= ValuesRow::MOST && row.octets() <= ValuesRow::OCTETS);
        assert!(row.values.contains_key("./A/199") && !row.values.contains_key("./A/0"));
    }

    #[test]
    fn a_session_id_is_never_zero() {
        assert_eq!(Device::sid_after(0xFFFF), 1);
        assert_eq!(Device::sid_after(1), 2);
    }
}
