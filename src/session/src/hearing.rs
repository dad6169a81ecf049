//! What each command of a message means to the session, and the status that it is owed.

use crate::{
    Facts, Failure, News, Outcome, Quirk, Stage, Verb, Why,
    auth::{ServerAuth, given_nonce},
    exchange::Exchange,
    large_object::{Kind, Taken},
    listing,
    sent::{Note, Sent, What},
    setup::command_id,
};
use wire::{
    alert::AlertCode,
    ids::StatusTarget,
    message::{Alert, Command, Data, Edit, Item, Results, Status},
    meta::Format,
    status::StatusCode,
    uri::LocUri,
    value::{self, Found},
};

/// What a message says beyond the answers to open commands, which are filed with those.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Alert 1223.
    pub(crate) aborted: bool,
    /// The device did not accept our message for want of credentials.
    pub(crate) challenged: bool,
    /// The device cannot be convinced.
    pub(crate) distrusted: bool,
    /// What it says of our message as a whole.
    pub(crate) header: Option<StatusCode>,
    /// How the running job ends, whatever else is answered.
    pub(crate) failed: Option<Outcome>,
    /// Alerts 1225: a large object of ours broke on its way.
    pub(crate) no_ends: usize,
}

impl Exchange<'_> {
    /// Goes through the commands of the message in their order.
    pub(crate) fn hear(&mut self) -> Heard {
        let mut heard = Heard::default();
        let message = self.message;
        for command in &message.commands {
            self.interrupt(command);
            let owed = match command {
                Command::Status(status) => {
                    self.hear_status(status, &mut heard);
                    None
                }
                Command::Results(results) => self.hear_results(results, &mut heard),
                // What cannot be named in a status was not understood.
                command if command.id().is_none() && !matches!(command, Command::Unknown(_)) => {
                    Some(StatusCode::BadRequest)
                }
                Command::Alert(alert) => Some(self.hear_alert(alert, &mut heard)),
                Command::Replace(edit) => Some(self.hear_replace(edit)),
                // Only a server sends these (DM RepPro 1.2, "who may send what").
                Command::Add(_)
                | Command::Delete(_)
                | Command::Copy(_)
                | Command::Get(_)
                | Command::Exec(_)
                | Command::Atomic(_)
                | Command::Sequence(_) => Some(StatusCode::NotAllowed),
                Command::Unknown(_) => command_id(command).map(|_| StatusCode::NotImplemented),
            };
            if let Some(code) = owed
                && !wants_no_status(command)
                && !message.header.no_resp
            {
                self.reply.status(command_id(command).as_ref(), command.name(), code);
            }
        }
        if self.strays > 0 {
            self.news.push(News::Stray(self.strays));
        }
        heard.distrusted |= heard.header == Some(StatusCode::Other(0)) && self.lacks_credentials();
        heard
    }

    /// Whether a message without credentials of ours was passed over as a whole: client A does not say that it wants any.
    fn lacks_credentials(&self) -> bool {
        let orders = self.session.sent.as_ref().map(Sent::orders).unwrap_or_default();
        self.session.server_auth == ServerAuth::Unneeded
            && orders.iter().all(|order| order.code().is_none())
    }

    fn hear_status(&mut self, status: &Status, heard: &mut Heard) {
        let session = &mut self.session;
        let is_last = status.msg_ref.is_none_or(|msg| msg.0 == session.ours);
        match &status.about {
            StatusTarget::Header => {
                let is_open =
                    session.sent.as_ref().is_some_and(|sent| sent.is_meant(status.msg_ref));
                if !is_last && !is_open {
                    return;
                }
                if let Some(nonce) = status.chal.as_ref().and_then(given_nonce) {
                    session.server_nonce = Some(nonce.clone());
                    self.news.push(News::ServerNonce(nonce));
                }
                // In the first message it is about our challenge, where there was nothing to accept.
                if status.code == Some(StatusCode::Other(0)) {
                    self.learn(Quirk::StatusZero);
                }
                let session = &mut self.session;
                if let Some(code) = status.code
                    && !self.opening
                {
                    heard.challenged |= code.is_challenge();
                    heard.header = Some(code);
                    heard.distrusted |= !session.server_auth.heard(code, status.chal.as_ref());
                }
            }
            StatusTarget::Command(cmd_ref) => {
                let is_meant =
                    session.sent.as_ref().is_some_and(|sent| sent.is_meant(status.msg_ref));
                if let (Some(sent), Some(code)) = (&mut session.sent, status.code)
                    && is_meant
                    && let Some(place) = sent.place(cmd_ref)
                {
                    sent.status(place, code);
                }
                // (Of our last message, it may be about an alert, which waits for nothing.)
                if !is_last && !is_meant {
                    self.strays += 1;
                }
            }
            StatusTarget::Unnamed => {}
        }
    }

    /// Files values with the commands that asked for them. Results are owed a status only when something is wrong.
    fn hear_results(&mut self, results: &Results, heard: &mut Heard) -> Option<StatusCode> {
        let is_other = match &self.session.sent {
            Some(sent) => !sent.is_meant(results.msg_ref),
            None => results.msg_ref.is_some_and(|msg| msg.0 != self.session.ours),
        };
        let goes_on = results.items.iter().any(|item| self.open_results(results, item).is_some());
        if is_other && !goes_on {
            // Windows repeats results in the message that follows.
            self.strays += 1;
            return None;
        }
        let mut owed = None;
        for item in &results.items {
            match self.hear_item(results, item, heard) {
                Ok(()) => {}
                Err(code) => owed = Some(code),
            }
        }
        owed
    }

    fn hear_item(
        &mut self,
        results: &Results,
        item: &Item,
        heard: &mut Heard,
    ) -> Result<(), StatusCode> {
        let open_results = self.open_results(results, item);
        let address =
            item.source.as_ref().or(item.target.as_ref()).map(|address| address.loc_uri.as_str());
        let address = address.or(results.source_ref.as_deref()).or(results.target_ref.as_deref());
        let uri = match address {
            Some(text) => Some(LocUri::parse(text).map_err(|_no_address| StatusCode::BadRequest)?),
            None => None,
        };
        let place = open_results
            .or_else(|| self.asked_for(results, uri.as_ref()))
            .ok_or(StatusCode::NotFound)?;
        let known = self.session.sent.as_ref().and_then(|sent| sent.orders().get(place)).copied();
        let begins = item.meta.size.is_some();
        let list = known.and_then(|order| self.asked_node(order.what)).filter(listing::is_list);
        match known.map(|order| order.note) {
            // What is left of an object that broke is not the whole.
            Some(Note::Broken) if !begins && open_results.is_none() => {
                return Err(StatusCode::PartialItem);
            }
            None | Some(Note::Nothing | Note::Broken) => {}
            // A list comes node by node.
            Some(Note::Seen) if list.is_some() => {}
            // The first word stands.
            Some(Note::Seen | Note::Same | Note::Differs | Note::Masked | Note::Partial) => {
                return Ok(());
            }
        }
        let format = results.meta.format.as_ref();
        let kind = Kind::Results(u8::try_from(place).unwrap_or(u8::MAX));
        let (note, owed) = match (self.take_part(kind, item, format), known) {
            (Taken::Part, _) => return Err(StatusCode::ChunkAccepted),
            (Taken::Fault { code, again }, _) => {
                (if again { Note::Broken } else { Note::Partial }, Err(code))
            }
            (Taken::Plain, Some(order)) => {
                match size_fault(item, format, self.context.max_obj_size) {
                    Some(code) => (Note::Partial, Err(code)),
                    None => (self.file(order.what, list, item, format, heard), Ok(())),
                }
            }
            (Taken::Whole(whole), Some(order)) => {
                (self.file(order.what, list, &whole, format, heard), Ok(()))
            }
            (Taken::Plain | Taken::Whole(_), None) => (Note::Nothing, Ok(())),
        };
        if let Some(sent) = &mut self.session.sent {
            sent.note(place, note);
        }
        owed
    }

    /// Files one whole value, of a node that was asked for or of one in a list.
    fn file(
        &mut self,
        what: What,
        list: Option<LocUri>,
        item: &Item,
        format: Option<&Format>,
        heard: &mut Heard,
    ) -> Note {
        let found = found(item, format);
        match list {
            Some(list) => self.note_listed(&list, item, &found, heard),
            None => self.weigh(what, &found, heard),
        }
    }

    /// The open command that asked for a node: the one that is referred to, or, when the reference is missing or speaks
    /// of another node, the one that asked for this address.
    fn asked_for(&self, results: &Results, uri: Option<&LocUri>) -> Option<usize> {
        let sent = self.session.sent.as_ref()?;
        if !sent.is_meant(results.msg_ref) {
            return None;
        }
        let matches = |place: usize| {
            let what = sent.orders().get(place)?.what;
            let node = self.asked_node(what)?;
            uri.is_none_or(|uri| listing::answers(&node, uri)).then_some(place)
        };
        if let Some(cmd_ref) = &results.cmd_ref
            && let Some(place) = sent.place(cmd_ref).and_then(matches)
        {
            return Some(place);
        }
        uri?;
        (0..sent.orders().len()).find_map(matches)
    }

    /// The node that a Get of ours asked for.
    pub(crate) fn asked_node(&self, what: What) -> Option<LocUri> {
        match what {
            What::Fact(place) => LocUri::parse(Facts::NODES.get(usize::from(place))?).ok(),
            What::Keep(_) | What::Compare(_) | What::LargeObjects | What::Proof(_) => {
                self.job.as_ref()?.node(what)
            }
            What::Ask
            | What::Block
            | What::Parent { .. }
            | What::Write { .. }
            | What::PutBack(_) => None,
        }
    }

    /// What a value means to the command that asked for it.
    fn weigh(&mut self, what: What, found: &Found, heard: &mut Heard) -> Note {
        let text = value::text(found);
        if let What::Fact(_) = what {
            if let (Some(uri), Some(text)) = (self.asked_node(what), text) {
                self.session.facts.note(&uri, &text);
            }
            return Note::Seen;
        }
        if what == What::LargeObjects {
            self.hear_large_objects(text.as_deref().unwrap_or_default());
            return Note::Seen;
        }
        let (Some(uri), Some(job)) = (self.asked_node(what), &mut self.job) else {
            return Note::Seen;
        };
        let note = match what {
            What::Compare(slot) | What::Proof(slot) => {
                let Some(setting) = job.setting(slot) else { return Note::Seen };
                match setting.verb {
                    Verb::Read | Verb::Exec | Verb::Copy | Verb::Delete => Note::Seen,
                    Verb::Ensure | Verb::Replace | Verb::Add => {
                        let without_value =
                            setting.format == Format::Node && setting.value.is_none();
                        let masked = text.as_deref().is_some_and(is_masked);
                        match value::same(&setting.format, setting.value.as_deref(), found) {
                            true => Note::Same,
                            // It is there, and more is not wanted of an interior node.
                            false if without_value => Note::Same,
                            false if masked => Note::Masked,
                            false => Note::Differs,
                        }
                    }
                }
            }
            What::Keep(_)
            | What::Fact(_)
            | What::Ask
            | What::Block
            | What::Parent { .. }
            | What::Write { .. }
            | What::LargeObjects
            | What::PutBack(_) => Note::Seen,
        };
        let secret = match what {
            What::Compare(slot) | What::Proof(slot) => {
                job.setting(slot).is_none_or(|setting| setting.secret) || note == Note::Masked
            }
            What::Keep(_) => false,
            What::Fact(_)
            | What::LargeObjects
            | What::Ask
            | What::Block
            | What::Parent { .. }
            | What::Write { .. }
            | What::PutBack(_) => true,
        };
        if let Some(text) = text
            && !secret
            && !job.note_read(&uri, text)
        {
            let failure: Failure = job.failure(what, None, Why::TooMuchRead);
            heard.failed = Some(Outcome::Failed(failure));
        }
        note
    }

    fn hear_alert(&mut self, alert: &Alert, heard: &mut Heard) -> StatusCode {
        let Some(code) = alert.code else { return StatusCode::Incomplete };
        match code {
            AlertCode::ServerInitiated | AlertCode::ClientInitiated | AlertCode::NextMessage => {
                StatusCode::Ok
            }
            AlertCode::NoEndOfData => {
                heard.no_ends += 1;
                StatusCode::Ok
            }
            AlertCode::SessionAbort => {
                heard.aborted = true;
                StatusCode::Ok
            }
            AlertCode::ClientEvent | AlertCode::GenericAlert => self.hear_report(code, alert),
            AlertCode::Display
            | AlertCode::ConfirmOrReject
            | AlertCode::TextInput
            | AlertCode::SingleChoice
            | AlertCode::MultipleChoice
            | AlertCode::Other(_) => StatusCode::NotSupported,
        }
    }

    /// Package 1 brings `./DevInfo` as a Replace. Later in the session it is acknowledged and changes nothing: the work
    /// was chosen by what the device said at first.
    fn hear_replace(&mut self, edit: &Edit) -> StatusCode {
        let mut owed = if edit.items.is_empty() { StatusCode::Incomplete } else { StatusCode::Ok };
        for item in &edit.items {
            let address = item.source.as_ref().or(item.target.as_ref());
            let Some(uri) = address.and_then(|address| LocUri::parse(&address.loc_uri).ok()) else {
                return StatusCode::BadRequest;
            };
            if uri.segments().next().as_deref() != Some("DevInfo") {
                return StatusCode::NotAllowed;
            }
            let format = edit.meta.format.as_ref();
            let whole = match self.take_part(Kind::Replace, item, format) {
                Taken::Plain => match size_fault(item, format, self.context.max_obj_size) {
                    Some(fault) => return fault,
                    None => None,
                },
                Taken::Whole(whole) => Some(whole),
                Taken::Part => {
                    owed = StatusCode::ChunkAccepted;
                    continue;
                }
                Taken::Fault { code, .. } => return code,
            };
            let text = whole.as_deref().unwrap_or(item).data.as_ref().and_then(Data::as_text);
            if let (Stage::Setup { .. }, Some(text)) = (&self.session.stage, text) {
                self.session.facts.note(&uri, text);
            }
        }
        owed
    }
}

/// `NoResp`: the sender wants no status for the command.
fn wants_no_status(command: &Command) -> bool {
    match command {
        Command::Add(edit)
        | Command::Replace(edit)
        | Command::Delete(edit)
        | Command::Copy(edit)
        | Command::Get(edit) => edit.no_resp,
        Command::Exec(exec) => exec.no_resp,
        Command::Alert(alert) => alert.no_resp,
        Command::Atomic(block) | Command::Sequence(block) => block.no_resp,
        Command::Status(_) | Command::Results(_) | Command::Unknown(_) => false,
    }
}

/// The value of an item of results.
fn found(item: &Item, format: Option<&Format>) -> Found {
    let format = item.meta.format.as_ref().or(format).cloned();
    Found { format, data: item.data.clone() }
}

/// What is wrong with the size of a value that came whole.
fn size_fault(item: &Item, format: Option<&Format>, max_obj_size: u32) -> Option<StatusCode> {
    let size = item.meta.size?;
    let octets = match &item.data {
        Some(Data::Text(text)) => text.len() as u64,
        Some(Data::Opaque(octets)) => octets.len() as u64,
        Some(Data::Elements(_)) | None => 0,
    };
    if size > u64::from(max_obj_size) {
        return Some(StatusCode::SizeTooBig);
    }
    // Of base64 text, some count the octets that it stands for.
    let encoded = matches!(item.meta.format.as_ref().or(format), Some(Format::B64 | Format::Bin));
    let elements = matches!(item.data, Some(Data::Elements(_)));
    (size != octets && !encoded && !elements).then_some(StatusCode::SizeMismatch)
}

/// Asterisks: what some devices answer in place of a password.
fn is_masked(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet == b'*')
}
