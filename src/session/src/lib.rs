//! The server's half of an OMA DM session, as plain data: a message of the device and what is known about it go in, a
//! [`Step`] comes out. No I/O, no clock, no dice.
//!
//! ```text
//! open(first message)  ->  a challenge, after which nothing is stored, or the first Step
//! session.place(next)  ->  a repeat (send the stored answer), the next one, too old, or a new beginning
//! session.receive(next) -> Step { session, reply, ends, news }
//! ```
//!
//! | module | about |
//! | --- | --- |
//! | [`context`] | what the caller brings: account, nonces, and the [`Work`] that waits for the device |
//! | [`step`] | what a message leads to |
//! | [`place`] | repeats, gaps and restarts |
//! | [`quirks`] | what a device is known to do otherwise than the standard says |
//! | [`correlator`] | work that a device takes up now and reports on later |
//! | [`hmac`] | the digest over a whole body, in both directions |
//! | `setup` | the first message: version, trust, what the device says of itself |
//! | `auth` | credentials, in both directions |
//! | `exchange` | one message in, one reply out: the order in which things are looked at |
//! | `conduct` | the jobs of a session: taken up, gone on with, ended |
//! | `sending` | what is asked of the device in a reply |
//! | `alerts` | what a device reports by itself |
//! | `hearing` | what each command of a message means, and the status that it is owed |
//! | `results` | what the values mean that a device sends |
//! | `large_object` | values that are longer than a message, in parts |
//! | `telling` | values for somebody who waits for them |
//! | `owed` | statuses that did not fit into their reply |
//! | `listing` | reading whole subtrees |
//! | `sent` | commands that wait for their answers |
//! | `command` | what is sent, as commands of the protocol |
//! | `reply` | a reply in the making, within the size that the device takes |
//! | `job` | one job while a message is answered: its plan, its settings, what is known of them |
//! | `run` | what is stored of it between two messages |
//! | `phases` | query, ask, write, prove |
//! | `pin` | the digest that ties a job to its rendering |

mod alerts;
mod auth;
mod command;
mod conduct;
pub mod context;
pub mod correlator;
mod exchange;
mod hearing;
pub mod hmac;
mod job;
pub mod large_object;
mod listing;
mod owed;
mod phases;
mod pin;
pub mod place;
pub mod quirks;
mod reply;
mod results;
mod run;
mod sending;
mod sent;
mod setup;
pub mod step;
mod telling;

pub use auth::is_under;
pub use context::{
    Account, Atomic, AuthKind, Context, Facts, JobRef, Learnt, Plan, Prove, Question, Reads,
    ServerCredential, ServerSecret, Setting, Unfit, Verb, Work,
};
pub use correlator::Correlator;
pub use hmac::{Mac, Seal};
pub use large_object::{Part, Parts};
pub use place::Place;
pub use quirks::{Quirk, Quirks};
pub use setup::open;
pub use step::{
    Awaited, CommandReport, End, Event, Failure, JobEnd, News, Opening, Outcome, Phase, Step, Told,
    Why,
};

use alerts::Login;
use auth::{Proof, ServerAuth};
use correlator::Word;
use exchange::Exchange;
use large_object::Incoming;
use owed::Owed;
use run::Run;
use sent::Sent;
use serde::{Deserialize, Serialize};
use wire::{
    digest::Nonce,
    ids::{MsgId, SessionId},
    message::Message,
};

/// One management session with one device, between two messages. Stored, it stays below 4 kB (D6): the values to be
/// written are not in it, only their digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    id: SessionId,
    last: Last,
    /// The `MsgID` of our last reply.
    ours: u32,
    /// Messages that were accepted, those with parts of large objects aside.
    messages: u16,
    /// Messages with parts of large objects, of either side.
    part_messages: u16,
    /// Messages of the device's unfinished package so far.
    unfinished: u8,
    /// The device's `MaxMsgSize`, as last given.
    max_msg_size: Option<u32>,
    /// The device's `MaxObjSize`, as last given.
    max_obj_size: Option<u32>,
    learnt: Learnt,
    facts: Facts,
    /// The large object of which parts have come.
    incoming: Option<Incoming>,
    server_auth: ServerAuth,
    /// The nonce that the device gave in this session, if it did.
    server_nonce: Option<Nonce>,
    /// Statuses that did not fit into our last message.
    owed: Owed,
    /// Our last message had room for statuses only.
    postponed: bool,
    /// Commands of ours that wait for their answers.
    sent: Option<Sent>,
    stage: Stage,
    /// Jobs that this session is done with.
    done: Vec<JobRef>,
    /// Who is logged in, where the device says so.
    login: Option<Login>,
    /// What the device reported of work it took up.
    words: Vec<Word>,
    /// What the last reply had at most, in octets.
    last_octets: u32,
}

/// The last message that counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Last {
    msg: MsgId,
    body: [u8; 32],
    /// Messages in a row with the right token and wrong credentials.
    refusals: u8,
}

/// Where a session stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Stage {
    /// Package 1 is coming in; or it said nothing of the device, and the device was asked.
    Setup {
        asked: bool,
    },
    /// No job runs; the next is chosen when the device's package is complete.
    Between,
    Working(Box<Run>),
    Over(End),
}

impl Session {
    /// The most messages of a device in one session: a conversation that needs more leads nowhere.
    pub const MOST_MESSAGES: u16 = 250;
    /// The most messages with parts of large objects, which come on top.
    pub const MOST_PART_MESSAGES: u16 = 1000;
    /// The most messages of one package that bring no part of a large object.
    const MOST_UNFINISHED: u8 = 16;
    /// The most jobs in one session; what is left comes in the next.
    const MOST_JOBS: usize = 16;
    /// Wrong credentials in a row beside the right token, after which the session ends.
    const MOST_REFUSALS: u8 = 3;

    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Whether nothing follows any more.
    pub fn over(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }

    /// Whether the device fell silent after a reply so large that some clients lose it.
    pub fn lost_to_a_large_reply(&self) -> bool {
        let small = u32::try_from(Quirks::SMALL_REPLY).unwrap_or(u32::MAX);
        !self.over() && self.last_octets > small
    }

    /// The job that is being done.
    pub fn job(&self) -> Option<JobRef> {
        match &self.stage {
            Stage::Working(run) => Some(run.job),
            Stage::Setup { .. } | Stage::Between | Stage::Over(_) => None,
        }
    }

    /// The next message of the session, as [`Session::place`] found it. Total: any message leaves a defined state.
    ///
    /// A message that neither comes with a proof ([`Context::proven`]) nor carries a valid `Cred` is challenged and
    /// moves nothing; its only news is [`News::Refused`].
    pub fn receive(mut self, message: &Message, context: &Context<'_>) -> Step {
        if let Some(refusal) = setup::unsupported(message, context, self.next_msg_id(message)) {
            return self.refused(refusal);
        }
        match auth::examine(message, context) {
            proof @ (Proof::Transport | Proof::Given(_)) => {
                Exchange::resumed(self, message, context, proof).run()
            }
            Proof::Missing => self.unmoved(message, context, Proof::Missing),
            // Who answers for every body by itself is known by nothing else.
            Proof::Wrong if context.proven && context.account.kind != AuthKind::Hmac => {
                let reply = self.challenge(message, context, Proof::Wrong);
                let parts = self.count_refusal(message, context);
                let news = match self.stage {
                    Stage::Over(end) => vec![News::Over(end)],
                    Stage::Setup { .. } | Stage::Between | Stage::Working(_) => Vec::new(),
                };
                Step { session: self, reply, ends: Vec::new(), news, parts, seal: None }
            }
            Proof::Wrong => self.unmoved(message, context, Proof::Wrong),
        }
    }

    fn unmoved(self, message: &Message, context: &Context<'_>, proof: Proof) -> Step {
        let reply = self.challenge(message, context, proof);
        self.refused(reply)
    }

    fn challenge(&self, message: &Message, context: &Context<'_>, proof: Proof) -> Message {
        let tries = message.header.msg_id.0.saturating_sub(self.last.msg.0);
        setup::challenge(message, context, self.next_msg_id(message), proof, tries)
    }

    fn refused(self, reply: Message) -> Step {
        let news = vec![News::Refused];
        let (ends, parts) = (Vec::new(), Parts::default());
        Step { session: self, reply, ends, news, parts, seal: None }
    }

    /// The right token with wrong credentials: the sender is known well enough to remember the refusal. Gives what becomes
    /// of the stored parts of an object that was coming.
    fn count_refusal(&mut self, message: &Message, context: &Context<'_>) -> Parts {
        self.ours = self.next_msg_id(message);
        self.last = Last {
            msg: message.header.msg_id,
            body: context.body_digest,
            refusals: self.last.refusals.saturating_add(1),
        };
        if self.last.refusals >= Self::MOST_REFUSALS && !self.over() {
            self.sent = None;
            self.stage = Stage::Over(End::GaveUp);
            let done = self.incoming.take().map_or(0, |incoming| incoming.parts);
            return Parts { done, keep: None };
        }
        Parts::default()
    }

    /// The `MsgID` of the reply to `message`. It keeps step with the device's, so that the challenge to a message that
    /// may leave no trace has a number of its own too.
    fn next_msg_id(&self, message: &Message) -> u32 {
        self.ours.saturating_add(1).max(message.header.msg_id.0)
    }
}
