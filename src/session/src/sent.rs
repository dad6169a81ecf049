//! Commands that wait for their answers, and how statuses and results find them.
//!
//! Only one message of ours has open commands at a time: the next commands go out when the device's package is
//! complete. Its commands are numbered in a row, so a `CmdRef` is a place in this list.

use serde::{Deserialize, Serialize};
use wire::{
    ids::{CmdId, MsgId},
    status::StatusCode,
};

/// The commands of one message of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    msg: u32,
    /// The `CmdID` of the first.
    first: u32,
    orders: Vec<Order>,
}

/// One command, and what has been said of it so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) what: What,
    code: Option<u16>,
    pub(crate) note: Note,
}

/// What a command is for. Numbers are places: of a fact, of a node that the plan reads, of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    /// Get of a node of `./DevInfo` that package 1 did not bring.
    Fact(u8),
    /// Get of a node that the plan reads.
    Keep(u8),
    /// Get of a setting's node, to compare or to report.
    Compare(u8),
    /// Get of `./DevDetail/LrgObj`.
    LargeObjects,
    /// Alert 1101.
    Ask,
    /// The `Atomic` around the writes that follow.
    Block,
    /// Add of an interior node above a setting's node, `depth` segments below the root.
    Parent {
        slot: u8,
        depth: u8,
    },
    Write {
        slot: u8,
        manner: Manner,
    },
    /// Replace, or Delete, that undoes a write of which the device took only a part.
    PutBack(u8),
    /// Get of a setting's node after the write.
    Proof(u8),
}

/// How a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Manner {
    Replace,
    Add,
    Delete,
    Exec,
    Copy,
}

/// What results said. The value itself is not kept here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Note {
    Nothing,
    /// A value came, and there is nothing to compare it with.
    Seen,
    Same,
    Differs,
    /// Asterisks in place of a value.
    Masked,
    /// The value is more than is taken.
    Partial,
    /// The value broke on its way, and may be asked for again.
    Broken,
}

impl Sent {
    /// The most commands in one message.
    pub(crate) const MOST: usize = 64;

    pub(crate) fn new(msg: u32, first: u32, whats: impl IntoIterator<Item = What>) -> Self {
        let order = |what| Order { what, code: None, note: Note::Nothing };
        Self { msg, first, orders: whats.into_iter().map(order).collect() }
    }

    pub(crate) fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// Whether a `MsgRef` means this message. An absent one does.
    pub(crate) fn is_meant(&self, msg_ref: Option<MsgId>) -> bool {
        msg_ref.is_none_or(|MsgId(msg)| msg == self.msg)
    }

    /// The command that a `CmdRef` means.
    pub(crate) fn place(&self, cmd_ref: &CmdId) -> Option<usize> {
        let place = cmd_ref.number()?.checked_sub(self.first)?;
        usize::try_from(place).ok().filter(|place| *place < self.orders.len())
    }

    /// A status for the command at `place`. Of several the worst counts, so that a "no" is never talked over.
    pub(crate) fn status(&mut self, place: usize, code: StatusCode) {
        // 0 is client A's way to say nothing; 101 says that the answer is still to come.
        if matches!(code, StatusCode::Other(0) | StatusCode::InProgress) {
            return;
        }
        if let Some(order) = self.orders.get_mut(place) {
            let is_settled =
                order.code().is_some_and(|earlier| !earlier.is_success() || code.is_success());
            if !is_settled {
                order.code = Some(code.code());
            }
        }
    }

    /// What results said of the command at `place`. The first word stands, unless it was cut short.
    pub(crate) fn note(&mut self, place: usize, note: Note) {
        if let Some(order) = self.orders.get_mut(place)
            && matches!(order.note, Note::Nothing | Note::Broken)
        {
            order.note = note;
        }
    }
}

impl Order {
    pub(crate) fn code(self) -> Option<StatusCode> {
        self.code.map(StatusCode::from_code)
    }

    /// Whether it asks for a value.
    pub(crate) fn is_get(self) -> bool {
        matches!(self.what, What::Keep(_) | What::Compare(_) | What::Proof(_))
    }

    /// Whether a Get was said to be done, and no value has come.
    pub(crate) fn is_value_withheld(self) -> bool {
        self.is_get()
            && self.note == Note::Nothing
            && self.code().is_some_and(StatusCode::is_success)
    }

    /// The command, answered by the code of another that stands for it.
    pub(crate) fn answered_by(self, other: Self) -> Self {
        Self { code: other.code, ..self }
    }

    /// What is known of a node that was asked for.
    pub(crate) fn answer(self) -> Answer {
        match (self.code(), self.note) {
            (Some(StatusCode::NotFound | StatusCode::Gone), _) => Answer::Absent,
            // The node is there, and its value cannot be had: no right to read it, a secret, or too large.
            (
                Some(
                    StatusCode::NotAllowed
                    | StatusCode::InvalidCredentials
                    | StatusCode::Forbidden
                    | StatusCode::PermissionDenied
                    | StatusCode::TooLarge,
                ),
                _,
            ) => Answer::Hidden,
            (Some(code), _) if !code.is_success() => Answer::Refused(code),
            (_, Note::Masked | Note::Partial) => Answer::Hidden,
            (_, Note::Broken) => Answer::Broken,
            (_, Note::Same) => Answer::Same,
            (_, Note::Differs) => Answer::Differs,
            (_, Note::Seen) => Answer::Seen,
            (Some(_), Note::Nothing) => Answer::Empty,
            (None, Note::Nothing) => Answer::Silence,
        }
    }
}

/// What is known of a node that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Absent,
    Hidden,
    Same,
    Differs,
    Seen,
    /// A good status, and no value.
    Empty,
    Refused(StatusCode),
    /// The value did not come whole.
    Broken,
    Silence,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_no_is_never_talked_over() {
        for codes in [[200, 304], [304, 200]] {
            let mut sent = Sent::new(2, 3, [What::Ask]);
            for code in codes {
                sent.status(0, StatusCode::from_code(code));
            }
            assert_eq!(sent.orders()[0].code(), Some(StatusCode::NotModified));
        }
    }

    #[test]
    fn status_zero_and_status_101_say_nothing_yet() {
        let mut sent = Sent::new(2, 3, [What::Ask]);
        sent.status(0, StatusCode::from_code(0));
        sent.status(0, StatusCode::InProgress);
        assert_eq!(sent.orders()[0].code(), None);
    }

    #[test]
    fn only_numbers_that_were_given_out_find_a_command() {
        let sent = Sent::new(2, 3, [What::Ask, What::Block]);
        for (text, place) in [
            ("3", Some(0)),
            ("4", Some(1)),
            ("2", None),
            ("5", None),
            ("x", None),
            ("4294967295", None),
        ] {
            assert_eq!(sent.place(&CmdId::parse(text).unwrap()), place, "{text}");
        }
        assert!(
            sent.is_meant(None) && sent.is_meant(Some(MsgId(2))) && !sent.is_meant(Some(MsgId(1)))
        );
    }
}
