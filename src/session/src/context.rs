//! What the caller brings to every message: who the device is, what may prove it, and the work that waits for it.

use crate::{Mac, Quirks};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};
use wire::{
    Encoding,
    digest::{Nonce, SecretHash},
    meta::Format,
    uri::LocUri,
};

/// Everything a message is judged by, besides the session itself.
///
/// All of it comes from outside: this crate reads no clock and throws no dice.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Who this server is to the device: the `LocName` that goes with its credentials.
    pub server_id: &'a str,
    /// The `LocURI` in the `Source` of every reply.
    pub url: &'a str,
    /// Where the device shall send what follows: a full URL with the session's token. Given with the first
    /// authenticated reply and in all after it; absent for devices that ignore it.
    pub resp_uri: Option<&'a str>,
    pub account: &'a Account,
    /// What earlier sessions taught of the device; read when a session begins.
    pub learnt: Learnt,
    /// The nonces under which a digest of the device is tried (D5).
    pub candidates: &'a [Nonce],
    /// The nonce of a challenge to a device that has not proven itself: derived, so that nothing must be stored.
    pub challenge: &'a Nonce,
    /// A fresh random nonce, given to the device beside 212.
    pub next_nonce: &'a Nonce,
    /// Whether the request itself proves who sent it: it carried the right token, or a TLS identity.
    pub proven: bool,
    /// What the request says in `x-syncml-hmac`.
    pub mac: Mac<'a>,
    /// SHA-256 of the body and of what came in `x-syncml-hmac`, by which a repeat is known.
    pub body_digest: [u8; 32],
    pub encoding: Encoding,
    /// The largest reply, in octets, to a device that names no `MaxMsgSize`.
    pub reply_octets: usize,
    /// Our `MaxMsgSize`, in octets.
    pub max_msg_size: u32,
    /// Our `MaxObjSize`, in octets.
    pub max_obj_size: u32,
    /// The stored parts of the device's large object, in their order: as many as [`crate::Session::parts_wanted`] says.
    pub parts: &'a [Vec<u8>],
    /// Whether this session does nothing but give both sides new nonces (D5): it was opened under a nonce that is no secret
    /// ([`crate::is_under`]), so nothing that it is told may matter.
    pub only_nonces: bool,
    pub work: &'a dyn Work,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("server_id", &self.server_id)
            .field("proven", &self.proven)
            .field("encoding", &self.encoding)
            .finish_non_exhaustive()
    }
}

/// How the two sides prove themselves to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What the device is asked for. MD5 is accepted from a Basic account too, being stronger; nothing weaker ever is.
    pub kind: AuthKind,
    /// H(user ":" password) of the device; verifies all kinds.
    pub secret: SecretHash,
    /// What this server proves itself with, on devices that ask for it. Sent unasked in the first authenticated reply
    /// (client A answers a reply without it with status 0), and never to a device that has none: it crashes one client.
    pub server: Option<ServerCredential>,
}

/// A kind of proof; the first two stand in `Cred`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AuthKind {
    Basic,
    Md5,
    /// A digest over each body, in the header `x-syncml-hmac`.
    Hmac,
}

/// What the server proves itself to the device with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCredential {
    pub kind: AuthKind,
    pub user: String,
    pub secret: ServerSecret,
    /// The last nonce that the device gave.
    pub nonce: Nonce,
}

impl ServerCredential {
    /// H(user ":" password).
    pub(crate) fn hash(&self) -> SecretHash {
        match &self.secret {
            ServerSecret::Hash(hash) => *hash,
            ServerSecret::Password(password) => SecretHash::of(&self.user, password),
        }
    }
}

/// The server's secret. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum ServerSecret {
    /// H(user ":" password): enough for all but Basic.
    Hash(SecretHash),
    /// Basic needs the password itself.
    Password(String),
}

impl fmt::Debug for ServerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSecret(…)")
    }
}

/// The device's work, as the session sees it. Asked again on every message: rendered values are never stored (D6).
pub trait Work {
    /// The jobs that may run now, in working order, given what the device says of itself.
    ///
    /// Asked anew at every message, so that work of a higher lane overtakes between two jobs. A job that has begun
    /// must stay in the list until it ends; once it is missing, the session lets go of it without an outcome.
    fn plans(&self, facts: &Facts) -> Vec<Plan>;

    /// The settings of a job, filled in with the values just read. The rendering is pinned by its digest: when a later
    /// message renders otherwise, the session ends.
    fn settings(&self, job: JobRef, facts: &Facts, read: &Reads) -> Result<Vec<Setting>, Unfit>;
}

/// Names a job of the device: the campaign's sequence number and the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobRef {
    pub seq: u64,
    pub run: u16,
}

/// What a device says of itself in `./DevInfo`. Each at most [`Facts::LONGEST`] octets; cut there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub dev_id: Option<String>,
    pub manufacturer: Option<String>,
    pub model: Option<String>,
    pub dm_version: Option<String>,
    pub language: Option<String>,
}

/// What sessions taught of a device beyond what it says of itself. Kept with the device ([`crate::News::Learnt`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learnt {
    /// Whether it takes values in parts: `./DevDetail/LrgObj`, or what came of it.
    pub large_objects: Option<bool>,
    /// What it does otherwise than the standard says.
    pub quirks: Quirks,
}

impl Learnt {
    /// Where a device says whether it takes large objects.
    pub(crate) const LARGE_OBJECTS: &'static str = "./DevDetail/LrgObj";
}

/// Values read from the device, by canonical address.
pub type Reads = BTreeMap<String, String>;

/// How one job is to be done on this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub job: JobRef,
    /// Nodes to read first, for the report; one that cannot be read hinders nothing. What a conditional job compares is
    /// added by the session itself.
    pub query: Vec<LocUri>,
    /// Nodes whose values the templates need: read before the settings are rendered.
    pub keep: Vec<LocUri>,
    /// Read and compare before writing, and write only what differs.
    pub conditional: bool,
    pub atomic: Atomic,
    pub prove: Prove,
    /// What the user is asked before anything is written.
    pub ask: Option<Question>,
    /// Why this device is not to be touched; the job ends as not applicable.
    pub skip: Option<String>,
    /// Somebody waits for what is read: every value is told in the message that brings it ([`crate::News::Read`]).
    pub tell: bool,
}

impl Plan {
    /// The most settings of one job: what is stored of each must fit the session's row.
    pub const MOST_SETTINGS: usize = 96;
}

/// Whether the writes of a job are sent as one `Atomic`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Atomic {
    Never,
    /// Where the device refuses it, the writes are sent one by one.
    WhenSupported,
    /// A device that refuses it is not applicable.
    Required,
}

/// What proves a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Prove {
    /// The status of the command.
    Status,
    /// Reading the node again and comparing.
    ReadBack,
}

/// A yes-or-no question to the user of the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub text: String,
    /// How long the device may wait for an answer (`MAXDT`).
    pub wait_seconds: u32,
}

/// Why a job has no settings for this device, or none any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    NotApplicable(String),
    /// Outside the authority's scope, or on a user-owned path.
    Refused {
        uri: String,
        why: String,
    },
    /// The job is not there any more; whoever ended it has reported it.
    Gone,
    /// Newer campaigns set every node that this one would set.
    Superseded,
}

/// One thing to be done in the device's tree, rendered.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting {
    pub verb: Verb,
    pub uri: LocUri,
    pub format: Format,
    pub value: Option<String>,
    /// Where a copy comes from.
    pub from: Option<LocUri>,
    /// How long the device may take for an Exec that it answers with 202 before it reports; 0: the 202 is good enough.
    pub within_seconds: u32,
    /// Never read, never reported, always written, proven by status.
    pub secret: bool,
    /// Whether a Get of the node tells its value. Otherwise always written and proven by status.
    pub readable: bool,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.secret { Some("…") } else { self.value.as_deref() };
        f.debug_struct("Setting")
            .field("verb", &self.verb)
            .field("uri", &self.uri)
            .field("format", &self.format)
            .field("value", &value)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// What a setting does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verb {
    /// Write; add the node and its missing parents where absent.
    Ensure,
    /// Write a node that must be there.
    Replace,
    /// Create a node that must not be there.
    Add,
    Delete,
    Read,
    Exec,
    /// Copy the node that [`Setting::from`] names to this one, over whatever is there.
    Copy,
}
