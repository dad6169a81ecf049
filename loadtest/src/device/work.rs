//! Carrying out what the server orders, and saying how it went in the manner of one of the clients.

use super::{
    account::Work,
    answers,
    object::{self, Incoming, Piece},
    package,
};
use crate::{
    faults::{Answer, Fault, Habits},
    identity::Identity,
    tree::Tree,
    verdict::Finding,
};
use wire::{
    Encoding,
    alert::AlertCode,
    ids::{MsgId, StatusTarget},
    message::{Alert, Block, Command, Data, Edit, Exec, Item, Status},
    meta::Format,
    status::StatusCode,
};

/// What came of the orders of one message.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Statuses and results, without ids yet.
    pub(crate) answers: Vec<Command>,
    /// The user was asked, and did not say yes.
    pub(crate) denied: bool,
    /// The server ended the session.
    pub(crate) aborted: bool,
    /// The server ended the account: nothing is answered any more.
    pub(crate) left: bool,
    /// What is wrong with the orders, as far as it shows only when they are carried out.
    pub(crate) findings: Vec<Finding>,
    /// Writes that took effect.
    pub(crate) writes: u32,
    /// What goes on after the session.
    pub(crate) taken_up: Option<Work>,
}

/// What the work is done on.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    pub(super) identity: &'a Identity,
    pub(super) tree: &'a mut Tree,
    pub(super) incoming: &'a mut Option<Incoming>,
    /// The server's `MaxObjSize`, as far as it is known.
    pub(super) most_object_octets: Option<u64>,
}

/// Carries out all commands of a message.
pub(super) fn carry_out<'a>(
    desk: Desk<'_>,
    answered: MsgId,
    commands: impl Iterator<Item = &'a Command>,
) -> Done {
    let Desk { identity, tree, incoming, most_object_octets } = desk;
    let (results, done) = (Vec::new(), Done::default());
    let mut worker =
        Worker { identity, tree, incoming, most_object_octets, answered, results, done };
    for command in commands {
        worker.command(command);
    }
    worker.done.answers.append(&mut worker.results);
    if worker.incoming.is_some() && identity.kind.habits == Habits::B {
        worker.done.answers.push(answers::alert(AlertCode::NextMessage));
    }
    worker.done
}

/// Answers all commands with the same code, and does nothing.
pub(crate) fn refuse<'a>(
    identity: &Identity,
    answered: MsgId,
    commands: impl Iterator<Item = &'a Command>,
    code: StatusCode,
) -> Vec<Command> {
    fn each<'a>(command: &'a Command, all: &mut Vec<&'a Command>) {
        all.push(command);
        if let Command::Atomic(block) | Command::Sequence(block) = command {
            for inner in &block.commands {
                each(inner, all);
            }
        }
    }
    let mut all = Vec::new();
    commands.for_each(|command| each(command, &mut all));
    all.into_iter().map(|command| status(identity, answered, command, code, None)).collect()
}

/// Somebody at the desk.
pub(super) struct Worker<'a> {
    pub(super) identity: &'a Identity,
    pub(super) tree: &'a mut Tree,
    incoming: &'a mut Option<Incoming>,
    pub(super) most_object_octets: Option<u64>,
    pub(super) answered: MsgId,
    /// Results that wait until all statuses are written.
    pub(super) results: Vec<Command>,
    pub(super) done: Done,
}

impl Worker<'_> {
    fn command(&mut self, command: &Command) {
        match command {
            Command::Get(edit) => self.get(command, edit),
            Command::Atomic(block) => self.atomic(command, block),
            Command::Sequence(block) => {
                self.report(command, &[StatusCode::Ok]);
                for inner in &block.commands {
                    if self.done.denied {
                        self.report(inner, &[StatusCode::NotExecuted]);
                    } else {
                        self.command(inner);
                    }
                }
            }
            other => {
                let codes = self.execute(other);
                self.report(other, &codes);
            }
        }
    }

    /// Does one command, item by item; the codes are one per item, or one for all.
    fn execute(&mut self, command: &Command) -> Vec<StatusCode> {
        match command {
            Command::Add(edit) => self.each("Add", edit, Tree::add),
            Command::Replace(edit) => self.each("Replace", edit, Tree::replace),
            Command::Delete(edit) => self.each("Delete", edit, |tree, uri, _, _| tree.delete(uri)),
            Command::Exec(exec) => {
                let uri = exec
                    .items
                    .first()
                    .and_then(|item| item.target.as_ref())
                    .map_or("", |target| &target.loc_uri);
                self.done.left |= self.tree.is_unenrolment(uri);
                vec![self.tree.exec(uri).map_or_else(|code| code, |()| self.take_up(exec, uri))]
            }
            Command::Alert(alert) => vec![self.alert(alert)],
            Command::Copy(_) => match self.identity.kind.habits {
                Habits::A => vec![StatusCode::NotImplemented],
                Habits::B | Habits::Windows => vec![StatusCode::NotSupported],
            },
            Command::Get(_) | Command::Atomic(_) | Command::Sequence(_) => {
                vec![StatusCode::CommandFailed]
            }
            Command::Status(_) | Command::Results(_) | Command::Unknown(_) => {
                vec![StatusCode::NotSupported]
            }
        }
    }

    /// Begins what was ordered; what takes its time is reported.
    fn take_up(&mut self, exec: &Exec, uri: &str) -> StatusCode {
        if !self.tree.lasts(uri) {
            return StatusCode::Ok;
        }
        let correlator = exec.correlator.as_ref().map(ToString::to_string);
        let work = Work { correlator, uri: uri.to_owned(), told: false };
        match self.identity.kind.habits {
            // This client is quick, and reports in the message that answers.
            Habits::A => {
                self.results.push(Command::Alert(package::outcome(self.identity, &work)));
                StatusCode::Ok
            }
            Habits::B | Habits::Windows => {
                self.done.taken_up = Some(work);
                StatusCode::Accepted
            }
        }
    }

    fn each(
        &mut self,
        name: &'static str,
        edit: &Edit,
        write: impl Fn(&mut Tree, &str, &Format, String) -> Result<(), StatusCode>,
    ) -> Vec<StatusCode> {
        let mut codes = Vec::with_capacity(edit.items.len());
        for item in &edit.items {
            let written = self.whole(name, edit, item).and_then(|whole| {
                let Some((uri, format, value)) = whole else {
                    return Ok(StatusCode::ChunkAccepted);
                };
                write(self.tree, uri, &format, value)?;
                self.done.writes += 1;
                Ok(if self.tree.defers(uri) { StatusCode::Accepted } else { StatusCode::Ok })
            });
            codes.push(written.unwrap_or_else(|code| code));
        }
        codes
    }

    /// What an item wants written where; nothing while more of it is to come.
    fn whole<'i>(
        &mut self,
        name: &'static str,
        edit: &Edit,
        item: &'i Item,
    ) -> Result<Option<(&'i str, Format, String)>, StatusCode> {
        let (format, text) = value(edit, item)?;
        let uri = &item.target.as_ref().ok_or(StatusCode::Incomplete)?.loc_uri;
        // Properties of nodes are read only here.
        if uri.contains('?') {
            return Err(StatusCode::NotAllowed);
        }
        if self.incoming.as_ref().is_some_and(|object| !object.goes_on(name, uri)) {
            // The rest of the object before never came.
            *self.incoming = None;
            self.done.answers.push(answers::alert(AlertCode::NoEndOfData));
        }
        let (habits, findings) = (self.identity.kind.habits, &mut self.done.findings);
        match object::take(self.incoming, habits, (name, uri), item, text, findings) {
            Piece::Whole(text) => Ok(Some((uri, format, text))),
            Piece::Part => Ok(None),
            Piece::Refused(code) => Err(code),
        }
    }

    fn alert(&mut self, alert: &Alert) -> StatusCode {
        let habits = self.identity.kind.habits;
        match alert.code {
            Some(AlertCode::Display | AlertCode::ConfirmOrReject)
                if self.identity.kind.fault == Fault::CannotAsk =>
            {
                self.done.denied = true;
                StatusCode::NotSupported
            }
            Some(AlertCode::Display) => StatusCode::Ok,
            Some(AlertCode::ConfirmOrReject) => match self.identity.kind.answer {
                Answer::Yes => StatusCode::Ok,
                Answer::No => {
                    self.done.denied = true;
                    StatusCode::NotModified
                }
                Answer::Nothing => {
                    self.done.denied = true;
                    StatusCode::Timeout
                }
            },
            Some(AlertCode::SessionAbort) if habits != Habits::A => {
                self.done.aborted = true;
                StatusCode::Ok
            }
            Some(AlertCode::NextMessage) if habits != Habits::A => StatusCode::Ok,
            Some(AlertCode::SessionAbort | AlertCode::NextMessage) => StatusCode::CommandFailed,
            _ => StatusCode::NotSupported,
        }
    }

    fn atomic(&mut self, command: &Command, block: &Block) {
        if self.identity.kind.fault == Fault::NoAtomic {
            self.report(command, &[StatusCode::NotSupported]);
            for inner in &block.commands {
                self.report(inner, &[StatusCode::NotExecuted]);
            }
            return;
        }
        match self.identity.kind.habits {
            // Runs what is inside one after another, undoes nothing and says nothing of the Atomic itself.
            Habits::A => block.commands.iter().for_each(|inner| self.command(inner)),
            Habits::B | Habits::Windows => self.all_or_nothing(command, block),
        }
    }

    fn all_or_nothing(&mut self, command: &Command, block: &Block) {
        let (before, writes) = (self.tree.changes().to_vec(), self.done.writes);
        let mut outcomes: Vec<Vec<StatusCode>> = Vec::new();
        let mut failed = None;
        for inner in &block.commands {
            if failed.is_some() {
                outcomes.push(vec![StatusCode::NotExecuted]);
                continue;
            }
            let codes = self.execute(inner);
            if !codes.iter().all(|code| code.is_success()) {
                failed = Some(outcomes.len());
            }
            outcomes.push(codes);
        }
        let code = if failed.is_some() { StatusCode::AtomicFailed } else { StatusCode::Ok };
        if let Some(failed) = failed {
            self.tree.restore(before);
            self.done.writes = writes;
            for undone in outcomes.iter_mut().take(failed) {
                *undone = vec![StatusCode::RolledBack];
            }
        }
        self.report(command, &[code]);
        for (inner, codes) in block.commands.iter().zip(&outcomes) {
            self.report(inner, codes);
        }
    }

    /// A `Status` for each item, or one where one code stands for all.
    pub(super) fn report(&mut self, command: &Command, codes: &[StatusCode]) {
        let items: &[Item] = match command {
            Command::Add(edit)
            | Command::Replace(edit)
            | Command::Delete(edit)
            | Command::Copy(edit)
            | Command::Get(edit) => &edit.items,
            Command::Exec(exec) => &exec.items,
            _ => &[],
        };
        let Some(last) = codes.last() else {
            return self.done.answers.push(status(
                self.identity,
                self.answered,
                command,
                StatusCode::Incomplete,
                None,
            ));
        };
        if items.is_empty() {
            return self.done.answers.push(status(
                self.identity,
                self.answered,
                command,
                *last,
                None,
            ));
        }
        for (place, item) in items.iter().enumerate() {
            let code = *codes.get(place).unwrap_or(last);
            let several = items.len() > 1 || self.identity.kind.habits != Habits::Windows;
            let uri = item.target.as_ref().map(|target| target.loc_uri.as_str());
            let uri = uri.filter(|_| several);
            self.done.answers.push(status(self.identity, self.answered, command, code, uri));
        }
    }
}

/// What an item wants written, in the form that the tree keeps.
fn value(edit: &Edit, item: &Item) -> Result<(Format, String), StatusCode> {
    let format =
        item.meta.format.clone().or_else(|| edit.meta.format.clone()).unwrap_or(Format::Chr);
    let text = match &item.data {
        None => String::new(),
        Some(Data::Elements(_)) => return Err(StatusCode::UnsupportedFormat),
        Some(Data::Opaque(octets)) if format == Format::Bin => crate::digest::base64(octets),
        Some(data) => data.as_text().ok_or(StatusCode::UnsupportedFormat)?.to_owned(),
    };
    Ok((format, text))
}

fn status(
    identity: &Identity,
    answered: MsgId,
    command: &Command,
    code: StatusCode,
    uri: Option<&str>,
) -> Command {
    let with_target = match (identity.kind.habits, command) {
        (_, Command::Alert(_)) | (Habits::B, Command::Exec(_) | Command::Copy(_)) => None,
        _ => uri,
    };
    // A later version of this client says what it thinks itself of a failure.
    let explains = identity.kind.habits == Habits::Windows && identity.index % 3 == 1;
    let own_code = (explains && !code.is_success() && identity.kind.encoding == Encoding::Xml)
        .then(|| ("msft:originalerror".to_owned(), "0x86000002".to_owned()));
    Command::Status(Status {
        id: None,
        msg_ref: Some(answered),
        about: command.id().map_or(StatusTarget::Unnamed, |id| StatusTarget::Command(id.clone())),
        cmd: command.name().into(),
        target_refs: with_target.map(Into::into).into_iter().collect(),
        source_refs: Vec::new(),
        cred: None,
        chal: None,
        code: Some(code),
        code_attributes: own_code.into_iter().collect(),
        items: Vec::new(),
        other: Vec::new(),
    })
}
