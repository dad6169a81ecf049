//! Where a message stands in its session: a repeat, the next one, an old one, or a new beginning (D5).

use crate::Session;
use wire::{ids::MsgId, message::Message};

/// What a message is to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The last message again, octet for octet: its answer was lost. The stored answer is sent again.
    Repeat,
    /// It goes on; `gap` messages in between were never seen.
    Next { gap: u32 },
    /// Older than the last one, or the last number with another body: 400.
    Stale,
    /// The first message of a new session under the same id: to [`crate::open`]. Only what it proves makes it one: when
    /// it is refused there, this session stays as it is.
    Restart,
    /// The number of the last message, which was refused, with another body: as `Next`.
    AgainAfterRefusal,
}

impl Session {
    /// Where a message with this session's id stands. `body_digest` is the SHA-256 of its body.
    pub fn place(&self, message: &Message, body_digest: &[u8; 32]) -> Place {
        let MsgId(last) = self.last.msg;
        let MsgId(this) = message.header.msg_id;
        if this == last && self.last.body == *body_digest {
            return Place::Repeat;
        }
        if this == last && self.last.refusals > 0 {
            return Place::AgainAfterRefusal;
        }
        if this > last {
            return Place::Next { gap: this - last - 1 };
        }
        if this == 1 { Place::Restart } else { Place::Stale }
    }
}
