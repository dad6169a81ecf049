//! What each command of a message means to the session, and the status that it is owed.

use crate::{
    News, Outcome, Quirk, Stage,
    auth::{ServerAuth, given_nonce},
    exchange::Exchange,
    large_object::{Kind, Taken},
    results::size_fault,
    sent::{Note, Sent},
    setup::command_id,
};
use wire::{
    alert::AlertCode,
    ids::StatusTarget,
    message::{Alert, Command, Data, Edit, Status},
    status::StatusCode,
    uri::LocUri,
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

    /// Whether a message without credentials of ours was passed over as a whole: client A does not say that it wants any. A
    /// device that answers with status 0 and does what it is told all the same shows that by its results.
    fn lacks_credentials(&self) -> bool {
        let orders = self.session.sent.as_ref().map(Sent::orders).unwrap_or_default();
        self.session.server_auth == ServerAuth::Unneeded
            && orders.iter().any(|order| order.is_get())
            && orders.iter().all(|order| order.code().is_none() && order.note == Note::Nothing)
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
