//! Where a message stands in its session: a repeat, the next one, an old one, or a new beginning (D5).

use crate::Session;
use wire::{
    alert::AlertCode,
    ids::MsgId,
    message::{Command, Message},
};

/// What a message is to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The last message again, octet for octet, with the digest beside it: its answer was lost. The stored answer is sent again.
    Repeat,
    /// It goes on; `gap` messages in between were never seen.
    Next { gap: u32 },
    /// Older than the last one, or the last number with another body: 400.
    Stale,
    /// Package 1 of a new session under the same id: to [`crate::open`]. Only what it proves makes it one: when it is
    /// refused there, this session stays as it is.
    Restart,
    /// The number of the last message, which was refused, with another body: as `Next`.
    AgainAfterRefusal,
}

impl Session {
    /// Where a message with this session's id stands. `body_digest` is that of [`crate::Context`]; `claims` is whether it
    /// brings credentials, in it or beside it.
    pub fn place(&self, message: &Message, body_digest: &[u8; 32], claims: bool) -> Place {
        let MsgId(last) = self.last.msg;
        let MsgId(this) = message.header.msg_id;
        if this == last && self.last.body == *body_digest {
            return Place::Repeat;
        }
        if this == last && self.last.refusals > 0 {
            return Place::AgainAfterRefusal;
        }
        // Whatever its number is: a device that uses its session id again has been challenged meanwhile, and nothing was
        // stored of that.
        if claims && is_package_1(message) {
            return Place::Restart;
        }
        if this > last {
            return Place::Next { gap: this - last - 1 };
        }
        if this == 1 { Place::Restart } else { Place::Stale }
    }
}

/// The only message that opens a session says who began it.
fn is_package_1(message: &Message) -> bool {
    message.commands.iter().any(|command| {
        matches!(command, Command::Alert(alert)
            if matches!(alert.code, Some(AlertCode::ServerInitiated | AlertCode::ClientInitiated)))
    })
}
