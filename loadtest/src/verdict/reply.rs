//! A decoded reply, against the message that it answers.

use super::{Finding, Rule, orders};
use crate::faults::Habits;
use std::collections::HashSet;
use wire::{
    alert::AlertCode,
    ids::{CmdId, MsgId, SessionId, StatusTarget},
    message::{Command, Message, Status, Version},
    meta::Format,
    status::StatusCode,
};

/// A command of the device's last message.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) id: CmdId,
    pub(crate) name: &'static str,
    /// The alert code, of an alert.
    pub(crate) alert: Option<AlertCode>,
    /// It holds a part of a value, and the rest is to come.
    pub(crate) part: bool,
}

/// Who has the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The server, which may give orders.
    Server,
    /// The device, whose package goes on in another message.
    Device,
    /// Nobody: the device has ended the session.
    Nobody,
}

/// What the device knows when the reply comes.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) habits: Habits,
    pub(crate) session_id: &'a SessionId,
    pub(crate) version: &'a Version,
    /// `MsgID`, `Target` and `Source` of the message that is answered.
    pub(crate) msg_id: MsgId,
    pub(crate) target: &'a str,
    pub(crate) source: &'a str,
    pub(crate) sent: &'a [Sent],
    /// `MsgID` of the server's last message, 0 before the first; `None` where the device has confused the server.
    pub(crate) server_msg_id: Option<u32>,
    /// The `MaxMsgSize` that the device announced.
    pub(crate) most_octets: u64,
    pub(crate) turn: Turn,
    /// The address of a large object whose rest is to come.
    pub(crate) incoming: Option<&'a str>,
    pub(crate) questions_expected: bool,
    /// The user said no, or nothing, earlier in this session.
    pub(crate) denied: bool,
    /// Subtrees that belong to the user.
    pub(crate) user_owned: &'a [String],
}

/// What is wrong with a reply of `octets` octets. The credentials in it are judged by the device, which has the secrets.
pub(crate) fn judge(asked: &Asked<'_>, message: &Message, octets: usize) -> Vec<Finding> {
    let mut judge = Judge { asked, findings: Vec::new() };
    judge.header(message, octets);
    judge.command_ids(message);
    judge.statuses(message);
    let mut findings = judge.findings;
    findings.extend(orders::judge(asked, message));
    findings
}

/// The status of the header, wherever it stands.
pub(crate) fn header_status(message: &Message) -> Option<&Status> {
    statuses(message).find(|status| status.about == StatusTarget::Header)
}

/// The commands that are not statuses.
pub(crate) fn orders(message: &Message) -> impl Iterator<Item = &Command> {
    message.commands.iter().filter(|command| !matches!(command, Command::Status(_)))
}

pub(crate) fn is_challenge(message: &Message) -> bool {
    header_status(message).and_then(|status| status.code).is_some_and(StatusCode::is_challenge)
}

fn statuses(message: &Message) -> impl Iterator<Item = &Status> {
    message.commands.iter().filter_map(|command| match command {
        Command::Status(status) => Some(status),
        _ => None,
    })
}

struct Judge<'a> {
    asked: &'a Asked<'a>,
    findings: Vec<Finding>,
}

impl Judge<'_> {
    fn header(&mut self, message: &Message, octets: usize) {
        let (asked, header) = (self.asked, &message.header);
        if header.session_id != *asked.session_id {
            self.found(
                Rule::Header,
                format!("Its SessionID is {}, not {}.", header.session_id, asked.session_id),
            );
        }
        if header.version != *asked.version {
            self.found(
                Rule::Header,
                format!(
                    "It speaks {}, not {}.",
                    header.version.protocol(),
                    asked.version.protocol()
                ),
            );
        }
        if header.target.loc_uri != asked.source {
            self.found(Rule::Header, "Its Target is not this device.");
        }
        if header.source.loc_uri.is_empty() {
            self.found(Rule::Header, "Its Source is empty.");
        }
        if let Some(last) = asked.server_msg_id.filter(|last| header.msg_id.0 != last + 1) {
            self.found(Rule::MsgId, format!("It is {} after {last}.", header.msg_id));
        }
        if u64::try_from(octets).is_ok_and(|octets| octets > asked.most_octets) {
            self.found(
                Rule::TooLarge,
                format!("It has {octets} octets; the device takes {}.", asked.most_octets),
            );
        }
        let unfinished = message.commands.iter().any(|command| match command {
            Command::Add(edit) | Command::Replace(edit) => edit.items.iter().any(|item| item.more),
            Command::Alert(alert) => alert.code == Some(AlertCode::NextMessage),
            _ => false,
        });
        if !message.last && !unfinished {
            self.found(Rule::NoFinal, "");
        }
    }

    fn command_ids(&mut self, message: &Message) {
        fn visit<'a>(commands: &'a [Command], seen: &mut HashSet<&'a CmdId>) -> Result<(), String> {
            for command in commands {
                match command.id() {
                    None => return Err(format!("{} has none.", command.name())),
                    Some(id) if !seen.insert(id) => {
                        return Err(format!("{id} is used twice."));
                    }
                    Some(_) => {}
                }
                if let Command::Atomic(block) | Command::Sequence(block) = command {
                    visit(&block.commands, seen)?;
                }
            }
            Ok(())
        }
        if let Err(detail) = visit(&message.commands, &mut HashSet::new()) {
            self.found(Rule::CmdId, detail);
        }
    }

    fn statuses(&mut self, message: &Message) {
        let asked = self.asked;
        match message.commands.first() {
            Some(Command::Status(status)) if status.about == StatusTarget::Header => {}
            _ => self.found(Rule::HeaderStatusFirst, ""),
        }
        let header_code = header_status(message).and_then(|status| status.code);
        for status in statuses(message) {
            if status.msg_ref != Some(asked.msg_id) {
                let named = status.msg_ref.map_or_else(|| "none".to_owned(), |id| id.to_string());
                self.found(
                    Rule::MsgRef,
                    format!("It names {named} where {} is answered.", asked.msg_id),
                );
            }
            match &status.about {
                StatusTarget::Header => self.header_status(status),
                StatusTarget::Unnamed => self.found(Rule::CmdRef, "It has no CmdRef."),
                StatusTarget::Command(id) => match asked.sent.iter().find(|sent| sent.id == *id) {
                    None => {
                        self.found(Rule::CmdRef, format!("There was no command {id} to answer."));
                    }
                    Some(sent) => self.command_status(status, sent, header_code),
                },
            }
        }
        let owed = |sent: &&Sent| matches!(sent.name, "Alert" | "Replace") || sent.part;
        for sent in asked.sent.iter().filter(owed) {
            if !statuses(message)
                .any(|status| status.about == StatusTarget::Command(sent.id.clone()))
            {
                self.found(
                    Rule::MissingStatus,
                    format!("It was the {} with CmdID {}.", sent.name, sent.id),
                );
            }
        }
        if header_code.is_some_and(StatusCode::is_challenge) && orders(message).next().is_some() {
            self.found(Rule::ChallengeWithCommands, "");
        }
    }

    fn header_status(&mut self, status: &Status) {
        let asked = self.asked;
        if status.cmd != "SyncHdr" {
            self.found(
                Rule::CmdRef,
                format!("CmdRef 0 goes with SyncHdr, not with {}.", status.cmd),
            );
        }
        if status.target_refs.iter().any(|target| target != asked.target) {
            self.found(
                Rule::CmdRef,
                "The TargetRef of the header is not the Target of the answered message.",
            );
        }
        if status.source_refs.iter().any(|source| source != asked.source) {
            self.found(
                Rule::CmdRef,
                "The SourceRef of the header is not the Source of the answered message.",
            );
        }
        match status.code {
            Some(StatusCode::Ok | StatusCode::Authenticated) => {}
            Some(code) if code.is_challenge() => self.challenge(status),
            code => {
                self.found(Rule::StatusCode, format!("SyncHdr was answered with {}.", shown(code)));
            }
        }
    }

    fn challenge(&mut self, status: &Status) {
        let Some(chal) = &status.chal else {
            return self.found(Rule::Challenge, "It has no Chal.");
        };
        match chal.media_type.as_deref() {
            Some("syncml:auth-basic") => {}
            Some("syncml:auth-md5" | "syncml:auth-MAC") => {
                let nonce = chal.next_nonce.as_deref().and_then(crate::digest::from_base64);
                if nonce.is_none_or(|nonce| nonce.is_empty()) {
                    self.found(Rule::Challenge, "It has no NextNonce in base64.");
                }
                if chal.format != Some(Format::B64) {
                    self.found(Rule::Challenge, "Its Format is not b64.");
                }
            }
            _ => self.found(Rule::Challenge, "It demands credentials of an unknown type."),
        }
    }

    fn command_status(&mut self, status: &Status, sent: &Sent, header: Option<StatusCode>) {
        if status.cmd != sent.name {
            self.found(
                Rule::CmdRef,
                format!("It calls the {} with CmdID {} a {}.", sent.name, sent.id, status.cmd),
            );
        }
        if !matches!(sent.name, "Alert" | "Replace" | "Results") {
            self.found(Rule::CmdRef, format!("A {} needs no answer.", sent.name));
        }
        let challenged = header.filter(|code| code.is_challenge());
        let right = match (challenged, sent.alert) {
            (Some(code), _) => status.code == Some(code),
            (None, _) if sent.part => {
                // Who cannot take the object may say so; who takes it takes it part by part.
                if status
                    .code
                    .is_none_or(|code| code.code() < 400 && code != StatusCode::ChunkAccepted)
                {
                    self.found(
                        Rule::PartNotTaken,
                        format!("It was answered with {}.", shown(status.code)),
                    );
                }
                true
            }
            (None, Some(AlertCode::ClientEvent | AlertCode::GenericAlert)) => {
                status.code.is_some_and(|code| {
                    code.is_success()
                        || matches!(code, StatusCode::NotSupported | StatusCode::UnsupportedFormat)
                })
            }
            (None, _) => status.code.is_some_and(StatusCode::is_success),
        };
        if !right && sent.name != "Results" {
            self.found(
                Rule::StatusCode,
                format!("{} was answered with {}.", sent.name, shown(status.code)),
            );
        }
    }

    fn found(&mut self, rule: Rule, detail: impl Into<String>) {
        self.findings.push(Finding::new(rule, detail));
    }
}

fn shown(code: Option<StatusCode>) -> String {
    code.map_or_else(|| "no code".to_owned(), |code| code.code().to_string())
}
