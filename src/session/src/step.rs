//! What a message leads to: the session as it is now, the reply, jobs that ended, and news for whoever records them.

use crate::{Facts, JobRef, Learnt, Parts, Seal, Session, Verb};
use serde::{Deserialize, Serialize};
use wire::{alert::AlertCode, digest::Nonce, message::Message, status::StatusCode};

/// Answer to the first message of a session.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "made once a message and taken apart at once")]
pub enum Opening {
    /// A challenge, or a refusal. Nothing may be stored (invariant 6).
    Refused {
        reply: Message,
    },
    Opened(Step),
}

/// What one message leads to. Store first, answer second.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub session: Session,
    pub reply: Message,
    pub ends: Vec<JobEnd>,
    /// In the order in which they happened.
    pub news: Vec<News>,
    /// Of a large object that comes in parts; empty for almost every message.
    pub parts: Parts,
    /// What the octets of the reply are to be sealed with, in `x-syncml-hmac`.
    pub seal: Option<Seal>,
}

/// What happened, besides jobs ending.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// The device has proven itself: once, with the first message that does.
    Authenticated,
    /// The message proved nothing. The session has not moved, and nothing of this step may be stored; only the reply
    /// is sent. The only news of its step.
    Refused,
    /// `next_nonce` was given to the device: its next digest may be made with it.
    NonceIssued(Nonce),
    /// The device gave a nonce for the server's next digest.
    ServerNonce(Nonce),
    /// The device does not accept the server's credentials.
    ServerRefused,
    /// What the device says of itself; again whenever it says more.
    Facts(Facts),
    /// Something new is known of how the device behaves.
    Learnt(Learnt),
    Started(JobRef),
    /// The reply asks the user.
    Asked(JobRef),
    /// The reply carries the job's first write.
    WriteSent(JobRef),
    /// The reply reads back what was written.
    Proving(JobRef),
    /// A part of a large object went by: the session works on this job, and needs more messages for it than others do.
    Part(JobRef),
    /// So many messages of the device were never seen.
    Gap(u32),
    /// So many answers to what is no longer asked, or never was: repeated ones, late ones. They change nothing.
    Stray(u32),
    /// The device, or its user, ended the session (alert 1223).
    Abort,
    /// The device reports something.
    Event(Event),
    /// What was read for a job whose plan says so ([`crate::Plan::tell`]).
    Read(Told),
    /// Everything of a job is done but work that the device took up (202) and will report on.
    Awaits(Awaited),
    /// The session is over; the reply is the last.
    Over(End),
}

/// What one message brought of the nodes that a job reads. Never a value of a secret setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub job: JobRef,
    /// What the values were read for.
    pub phase: Phase,
    /// Canonical address and value, in the order in which they came; at most [`Told::OCTETS`] octets. A node without a value
    /// has an empty one, a list its addresses, one a line.
    pub values: Vec<(String, String)>,
    /// Nodes that were asked for and not told, and what the device said.
    pub unread: Vec<Failure>,
}

impl Told {
    /// The most octets of values told of one message, addresses included.
    pub const OCTETS: usize = 16 * 1024;
}

/// A job that the session lets go of until its device reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Awaited {
    pub job: JobRef,
    /// The settings, by place, that the device has to report on.
    pub places: Vec<u8>,
    /// How long it may take.
    pub seconds: u32,
    /// As in [`JobEnd::read`].
    pub read: Vec<(String, String)>,
}

/// A client event or a generic alert. Its data at most [`Event::LONGEST_DATA`] octets, every other text at most
/// [`Event::LONGEST`]; cut there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// 1224 or 1226.
    pub code: AlertCode,
    pub correlator: Option<String>,
    /// The node that it is about.
    pub source: Option<String>,
    /// `Meta/Type`, which says what it means.
    pub kind: Option<String>,
    pub format: Option<String>,
    pub mark: Option<String>,
    pub data: Option<String>,
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum End {
    /// Nothing is left to do.
    Complete,
    /// The device ended it.
    Aborted,
    /// One side could not prove itself, or the conversation led nowhere.
    GaveUp,
    /// The settings of the running job are not what they were when it began.
    RenderingChanged,
    /// Both sides have new nonces, which is all that it was for ([`crate::Context::only_nonces`]).
    Resynchronised,
}

/// How a job ended, and what was learnt on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEnd {
    pub job: JobRef,
    pub outcome: Outcome,
    /// One for each setting that was sent to the device, at most [`JobEnd::MOST_COMMANDS`] (R6).
    pub commands: Vec<CommandReport>,
    /// Canonical address and value of what was read and, as far as the job knows, is still so: after a write only what
    /// was read back. Never of secret settings; at most [`JobEnd::MOST_READ`] values and [`JobEnd::READ_OCTETS`] octets,
    /// and of what came before the last message, the oldest values that fit into a session.
    pub read: Vec<(String, String)>,
}

/// How a job ended in this session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Applied,
    Unchanged,
    Declined,
    NoAnswer,
    Failed(Failure),
    /// Written, but the proof failed.
    Broken(Failure),
    NotApplicable(String),
    Refused {
        uri: String,
        why: String,
    },
    Superseded,
}

/// Where and how a job failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{phase}: {uri}: {why}")]
pub struct Failure {
    pub uri: String,
    /// What the device said, when it said something.
    pub status: Option<StatusCode>,
    pub phase: Phase,
    #[source]
    pub why: Why,
}

/// The phases of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    Query,
    Ask,
    Write,
    Prove,
}

impl Phase {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Ask => "ask",
            Self::Write => "write",
            Self::Prove => "prove",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Why {
    #[error("the device refused the command")]
    Status,
    #[error("the device gave no status for the command")]
    NoStatus,
    #[error("the device gave no value for the node")]
    NoValue,
    #[error(
        "the device ended the session where the value should have come; it may be too large for it to send"
    )]
    Withheld,
    #[error("the value did not come whole, however often it was asked for")]
    CutShort,
    #[error("the node does not hold what was written")]
    Differs,
    #[error("the command alone is larger than the messages that the device takes")]
    TooLarge,
    #[error("the value is larger than the objects that the device takes")]
    ObjectTooLarge,
    #[error("a value is too large for one message, and an Atomic cannot be sent in parts")]
    LargeInAtomic,
    #[error("the device took the first part of the value for the whole")]
    Truncated,
    #[error(
        "the device took the first part of the value for the whole; what it held before was put back"
    )]
    PutBack,
    #[error("the encoding of the device cannot carry the value")]
    Unwritable,
    #[error("the values that came with it are more than are told at one time")]
    TooMuchTold,
    #[error("the values that the templates need are more than a session keeps")]
    TooMuchRead,
    #[error("the job has more settings than a session keeps")]
    TooManySettings,
    #[error("the device reported that it failed")]
    Reported,
    #[error("the device does not know this command")]
    Unsupported,
    #[error("no user is logged in whose part of the tree could be reached")]
    NoUser,
    #[error("the device could not undo the commands of a failed Atomic")]
    NotRolledBack,
}

/// What became of one setting's command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandReport {
    pub verb: Verb,
    pub uri: String,
    /// The last status of it; `None` when the device gave none.
    pub status: Option<StatusCode>,
}

impl JobEnd {
    /// The most command reports.
    pub const MOST_COMMANDS: usize = 32;
    /// The most values read.
    pub const MOST_READ: usize = 64;
    /// The most octets of values read, addresses included.
    pub const READ_OCTETS: usize = 4096;
}

impl Event {
    /// The longest text of an event but its data, in octets.
    pub const LONGEST: usize = 256;
    /// The longest data of an event, in octets.
    pub const LONGEST_DATA: usize = 4096;
}
