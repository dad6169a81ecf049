//! What is asked of the device in a reply: as many commands as fit, all or none of an Atomic, or the first part of a value.

use crate::{
    Exchange, Failure, Phase, Why, command,
    reply::NoRoom,
    sent::{Sent, What},
};
use wire::{
    ids::CmdIds,
    message::{Block, Command},
};

impl Exchange<'_> {
    /// Sends as many of `whats` as fit. An error is about the first, when not even that one does.
    pub(crate) fn send(&mut self, whats: &[What]) -> Result<(), Failure> {
        let first = self.reply.next_number();
        let mut fitting = 0;
        for what in whats.iter().take(Sent::MOST) {
            match self.reply.push(|ids| command::build(*what, ids.next_id(), self.job.as_ref())) {
                Ok(()) => fitting += 1,
                Err(NoRoom::Full) if fitting == 0 => {
                    let command = command::build(*what, self.reply.next_id(), self.job.as_ref());
                    if command.is_some_and(|command| self.postpone(&command)) {
                        return Ok(());
                    }
                    return self.begin_object(*what);
                }
                Err(no_room) if fitting == 0 => return Err(self.unsendable(*what, no_room)),
                Err(NoRoom::Full | NoRoom::Unwritable) => break,
            }
        }
        self.note_sent(first, whats.iter().take(fitting).copied());
        Ok(())
    }

    /// Sends all of `whats` as one Atomic, which has to fit into one message.
    pub(crate) fn send_atomic(&mut self, whats: &[What]) -> Result<(), Failure> {
        let first = self.reply.next_number();
        let atomic = |ids: &mut CmdIds| {
            let id = Some(ids.next_id());
            let writes =
                whats.iter().map(|what| command::build(*what, ids.next_id(), self.job.as_ref()));
            let commands = writes.collect::<Option<_>>()?;
            Some(Command::Atomic(Block { id, commands, ..Block::default() }))
        };
        let pushed =
            if whats.len() < Sent::MOST { self.reply.push(atomic) } else { Err(NoRoom::Full) };
        if pushed == Err(NoRoom::Full)
            && whats.len() < Sent::MOST
            && let Some(command) = atomic(&mut CmdIds::default())
            && self.postpone(&command)
        {
            return Ok(());
        }
        pushed.map_err(|no_room| self.unsendable(What::Block, no_room))?;
        self.note_sent(first, std::iter::once(What::Block).chain(whats.iter().copied()));
        Ok(())
    }

    pub(crate) fn unsendable(&self, what: What, no_room: NoRoom) -> Failure {
        let why = match no_room {
            NoRoom::Full => Why::TooLarge,
            NoRoom::Unwritable => Why::Unwritable,
        };
        match &self.job {
            Some(job) => job.failure(what, None, why),
            None => Failure { uri: String::new(), status: None, phase: Phase::Query, why },
        }
    }

    pub(crate) fn note_sent(&mut self, first: u32, whats: impl Iterator<Item = What> + Clone) {
        if let Some(job) = &mut self.job {
            for what in whats.clone() {
                self.news.extend(job.note_sent(what));
            }
        }
        self.session.sent = Some(Sent::new(self.reply.msg_id(), first, whats));
        self.session.postponed = false;
    }

    /// Leaves what does not fit beside the statuses to our next message, if it fits there. Once in a row: the next one
    /// has fewer statuses, or it never will.
    fn postpone(&mut self, command: &Command) -> bool {
        let octets = self.context.encoding.command_octets(command).unwrap_or(usize::MAX);
        let fits = self.reply.bare_octets().saturating_add(octets) <= self.reply.limit();
        if !fits || !self.reply.has_statuses() || self.session.postponed {
            return false;
        }
        self.ask_for_next();
        (self.open, self.session.postponed) = (true, true);
        true
    }
}
