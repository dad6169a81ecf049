//! Statuses that did not fit into the reply that owed them. They go out with the next one, before anything new.

use crate::reply::cut;
use serde::{Deserialize, Serialize};
use wire::{
    ids::{CmdId, MsgId, StatusTarget},
    message::Status,
    status::StatusCode,
};

/// The statuses that are owed, oldest first. Stored with the session, so they are few: what is beyond is never sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owed(Vec<One>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct One {
    msg: u32,
    /// The `CmdID` that is answered, as it was written.
    about: String,
    cmd: String,
    code: u16,
}

impl Owed {
    /// The most octets that are stored of all of them, roughly.
    const MOST_OCTETS: usize = 1000;
    /// The longest command name; those of the protocol are shorter.
    const LONGEST_NAME: usize = 16;

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes down a status of a command that can be named.
    pub(crate) fn add(&mut self, status: &Status) {
        let StatusTarget::Command(about) = &status.about else { return };
        let one = One {
            msg: status.msg_ref.map_or(0, |msg| msg.0),
            about: about.to_string(),
            cmd: cut(&status.cmd, Self::LONGEST_NAME),
            code: status.code.map_or(0, StatusCode::code),
        };
        let octets: usize = self.0.iter().chain([&one]).map(One::octets).sum();
        if octets <= Self::MOST_OCTETS {
            self.0.push(one);
        }
    }

    /// What each of them says: message, command, its name, the code.
    pub(crate) fn into_parts(self) -> impl Iterator<Item = (MsgId, CmdId, String, StatusCode)> {
        self.0.into_iter().filter_map(|One { msg, about, cmd, code }| {
            Some((MsgId(msg), CmdId::parse(&about)?, cmd, StatusCode::from_code(code)))
        })
    }
}

impl One {
    fn octets(&self) -> usize {
        self.about.len() + self.cmd.len() + 10
    }
}
