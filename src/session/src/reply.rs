//! A reply in the making: statuses first, then commands, within the size that the device takes.

use crate::{Context, Owed};
use wire::{
    ids::{CmdId, CmdIds, MsgId, StatusTarget},
    message::{Address, Command, Cred, Data, Header, Item, Message, Status},
    meta::Meta,
    status::StatusCode,
};

/// The reply to one message.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    message: &'a Message,
    context: &'a Context<'a>,
    msg_id: MsgId,
    ids: CmdIds,
    commands: Vec<Command>,
    /// What the reply has at most in octets, as it stands.
    octets: usize,
    /// What it has with nothing but the status for the message itself.
    bare: usize,
    statuses: usize,
    /// The most octets that it may have.
    limit: usize,
    /// Statuses for which there is no room.
    owed: Owed,
}

/// Why a command is not in the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    Full,
    Unwritable,
}

impl<'a> Reply<'a> {
    /// Prologue, header and body without their texts, in XML, credentials included. WBXML has less.
    const FRAME_OCTETS: usize = 900;
    /// The most statuses: a message with more commands than that is no device's.
    const MOST_STATUSES: usize = 256;
    /// What "send the next message" takes.
    const NEXT_OCTETS: usize = 100;
    /// The longest reply, in octets, whatever a device claims to take: the larger of two field clients took 60 kB.
    const LONGEST: usize = 60_000;
    /// The longest text that is echoed, in octets.
    const LONGEST_ECHO: usize = 1024;

    pub(crate) fn new(message: &'a Message, context: &'a Context<'a>, msg_id: u32) -> Self {
        let header = &message.header;
        let texts = [
            header.source.loc_uri.as_str(),
            context.url,
            context.server_id,
            context.resp_uri.unwrap_or_default(),
        ];
        let octets = Self::FRAME_OCTETS + texts.into_iter().map(escaped_octets).sum::<usize>();
        let (ids, commands) = (CmdIds::default(), Vec::new());
        let bare = octets;
        Self {
            message,
            context,
            msg_id: MsgId(msg_id),
            ids,
            commands,
            octets,
            bare,
            statuses: 0,
            limit: 0,
            owed: Owed::default(),
        }
        .within(header.meta.max_msg_size)
    }

    /// Within the `MaxMsgSize` of a device, as far as it is known.
    pub(crate) fn within(mut self, max_msg_size: Option<u64>) -> Self {
        let device = max_msg_size.map(|octets| usize::try_from(octets).unwrap_or(usize::MAX));
        self.limit = device.unwrap_or(self.context.reply_octets).min(Self::LONGEST);
        self
    }

    /// No larger than this, whatever the device claims to take.
    pub(crate) fn at_most(mut self, octets: usize) -> Self {
        self.limit = self.limit.min(octets);
        self
    }

    pub(crate) fn msg_id(&self) -> u32 {
        self.msg_id.0
    }

    /// The status for the message as a whole; it comes first (`RepPro`, "Status").
    pub(crate) fn header_status(&mut self, code: StatusCode, chal: Option<Meta>, items: Vec<Item>) {
        let header = &self.message.header;
        let status = Status {
            target_refs: vec![echo(&header.target.loc_uri).into()],
            source_refs: vec![echo(&header.source.loc_uri).into()],
            chal,
            items,
            ..self.status_of(StatusTarget::Header, "SyncHdr", code)
        };
        self.push_status(status);
        self.bare = self.octets;
    }

    /// The status for a command of the message. One for all its items, so it names none of them.
    pub(crate) fn status(&mut self, id: Option<&CmdId>, name: &str, code: StatusCode) {
        let about = id.map_or(StatusTarget::Unnamed, |id| StatusTarget::Command(id.clone()));
        let status = self.status_of(about, &echo(name), code);
        self.push_status(status);
    }

    fn status_of(&self, about: StatusTarget, cmd: &str, code: StatusCode) -> Status {
        Status {
            id: None,
            msg_ref: Some(self.message.header.msg_id),
            about,
            cmd: cmd.into(),
            target_refs: Vec::new(),
            source_refs: Vec::new(),
            cred: None,
            chal: None,
            code: Some(code),
            code_attributes: Vec::new(),
            items: Vec::new(),
            other: Vec::new(),
        }
    }

    fn push_status(&mut self, status: Status) {
        if self.statuses >= Self::MOST_STATUSES {
            return;
        }
        let mut ids = self.ids.clone();
        let command = Command::Status(Status { id: Some(ids.next_id()), ..status });
        let octets = self.context.encoding.command_octets(&command).unwrap_or(Self::LONGEST_ECHO);
        let is_full = self.octets + octets + Self::NEXT_OCTETS > self.limit;
        if let Command::Status(status) = &command
            && self.statuses > 0
            && (is_full || !self.owed.is_empty())
        {
            self.owed.add(status);
            return;
        }
        self.statuses += 1;
        self.octets += octets;
        self.ids = ids;
        self.commands.push(command);
    }

    /// The statuses that an earlier reply had no room for.
    pub(crate) fn owed_statuses(&mut self, owed: Owed) {
        for (msg, about, cmd, code) in owed.into_parts() {
            let status = self.status_of(StatusTarget::Command(about), &cmd, code);
            self.push_status(Status { msg_ref: Some(msg), ..status });
        }
    }

    pub(crate) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    pub(crate) fn take_owed(&mut self) -> Owed {
        std::mem::take(&mut self.owed)
    }

    /// Whether there are statuses in it besides the one for the message itself.
    pub(crate) fn has_statuses(&self) -> bool {
        self.statuses > 1
    }

    /// Takes out everything but statuses: nothing else is said in the last message of a session.
    pub(crate) fn keep_statuses(&mut self) {
        self.commands.truncate(self.statuses);
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// What the reply has at most in octets, as it stands.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// The number that the next command will have.
    pub(crate) fn next_number(&self) -> u32 {
        self.next_id().number().unwrap_or(1)
    }

    /// The id that the next command will have.
    pub(crate) fn next_id(&self) -> CmdId {
        self.ids.clone().next_id()
    }

    pub(crate) fn bare_octets(&self) -> usize {
        self.bare
    }

    /// Whether a command fits.
    pub(crate) fn room_for(&self, command: &Command) -> Result<(), NoRoom> {
        let octets = self.context.encoding.command_octets(command);
        match octets {
            Ok(octets) if self.octets + octets <= self.limit => Ok(()),
            Ok(_) => Err(NoRoom::Full),
            Err(_) => Err(NoRoom::Unwritable),
        }
    }

    /// Adds what `build` makes of the next ids, if it fits.
    pub(crate) fn push(
        &mut self,
        build: impl FnOnce(&mut CmdIds) -> Option<Command>,
    ) -> Result<(), NoRoom> {
        let mut ids = self.ids.clone();
        let command = build(&mut ids).ok_or(NoRoom::Unwritable)?;
        let octets = self
            .context
            .encoding
            .command_octets(&command)
            .map_err(|_cannot_carry| NoRoom::Unwritable)?;
        if self.octets + octets > self.limit {
            return Err(NoRoom::Full);
        }
        self.octets += octets;
        self.ids = ids;
        self.commands.push(command);
        Ok(())
    }

    /// Adds a command that belongs to the answer itself, such as "send the next message".
    pub(crate) fn push_anyway(&mut self, build: impl FnOnce(CmdId) -> Command) {
        let command = build(self.ids.next_id());
        self.octets += self.context.encoding.command_octets(&command).unwrap_or_default();
        self.commands.push(command);
    }

    /// A challenge or a refusal: statuses, and nothing of the server.
    pub(crate) fn refusal(self) -> Message {
        self.message_with(Head::default(), true)
    }

    /// The reply, ready to be encoded.
    pub(crate) fn message_with(self, head: Head, last: bool) -> Message {
        let device = &self.message.header;
        let loc_name = head
            .proves
            .then(|| self.context.account.server.as_ref().map(|server| server.user.clone()));
        let header = Header {
            version: device.version.clone(),
            session_id: device.session_id.clone(),
            msg_id: self.msg_id,
            target: Address::new(echo(&device.source.loc_uri)),
            source: Address {
                loc_uri: self.context.url.into(),
                loc_name: loc_name.flatten().map(Into::into),
            },
            resp_uri: head.resp_uri.map(Into::into),
            no_resp: false,
            cred: head.cred,
            meta: head.meta,
        };
        Message { header, commands: self.commands, last }
    }
}

/// What the header of a reply says beyond addresses.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) resp_uri: Option<String>,
    pub(crate) cred: Option<Cred>,
    /// The server proves itself with this reply, in it or beside it.
    pub(crate) proves: bool,
    pub(crate) meta: Meta,
}

/// An item that holds only text.
pub(crate) fn text_item(text: &str) -> Item {
    Item { data: Some(Data::text(text)), ..Item::default() }
}

/// A text of the device, cut to a bearable length.
fn echo(text: &str) -> String {
    cut(text, Reply::LONGEST_ECHO)
}

/// The beginning of a text, at most `most` octets.
pub(crate) fn cut(text: &str, most: usize) -> String {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default().to_owned()
}

/// The octets of a text in XML, escaped.
fn escaped_octets(text: &str) -> usize {
    let escapes = text.bytes().filter(|octet| matches!(octet, b'&' | b'<' | b'>' | b'"')).count();
    text.len() + 5 * escapes
}
