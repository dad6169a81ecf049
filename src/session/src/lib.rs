//! The server's half of an OMA DM session, as plain data.
pub mod context;
pub mod place;
pub mod step;

pub use context::{
    Account, Atomic, AuthKind, Context, Facts, JobRef, Plan, Prove, Question, Reads,
    ServerCredential, ServerSecret, Setting, Unfit, Verb, Work,
};
pub use place::Place;
use serde::{Deserialize, Serialize};
pub use step::{
    CommandReport, End, Event, Failure, JobEnd, News, Opening, Outcome, Phase, Step, Why,
};
use wire::{
    ids::{MsgId, SessionId},
    message::Message,
};

/// One management session with one device, between two messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    id: SessionId,
    last: MsgId,
    body: [u8; 32],
    refused: bool,
    over: Option<End>,
}

/// The first message of a session: there is none yet, or the device starts anew.
pub fn open(_message: &Message, _context: &Context<'_>) -> Opening {
    unreachable!("not written yet")
}

impl Session {
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Whether nothing follows any more.
    pub fn over(&self) -> bool {
        self.over.is_some()
    }

    /// The next message of the session, as [`Session::place`] found it. Total: any message leaves a defined state.
    pub fn receive(self, _message: &Message, _context: &Context<'_>) -> Step {
        unreachable!("not written yet")
    }
}
