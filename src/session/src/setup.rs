//! The first message of a session: is its version known, what does it prove, and who does the device say it is?

use crate::{
    Context, Facts, Last, Opening, Owed, ServerAuth, Session, Stage,
    auth::{self, Proof},
    exchange::Exchange,
    reply::{Reply, cut, text_item},
};
use wire::{
    ids::CmdId,
    message::{Command, Content, Message, Version},
    status::StatusCode,
    uri::LocUri,
};

/// Refused messages in a row after which a challenge names no commands any more: client A repeats a wrong
/// password for ever as long as each refusal carries a status for its commands.
const MOST_CHALLENGES: u32 = 3;

/// The first message of a session: there is none yet, or the device starts anew ([`crate::Place::Restart`]).
///
/// Only a message that proves its sender opens a session. Any other is challenged, and nothing of it may be stored.
pub fn open(message: &Message, context: &Context<'_>) -> Opening {
    // Without a stored session the number of our message follows the device's.
    let ours = message.header.msg_id.0.max(1);
    if let Some(reply) = unsupported(message, context, ours) {
        return Opening::Refused { reply };
    }
    match auth::examine(message, context) {
        proof @ (Proof::Transport | Proof::Given(_)) => {
            let session = Session {
                id: message.header.session_id.clone(),
                last: Last { msg: message.header.msg_id, body: context.body_digest, refusals: 0 },
                ours: ours - 1,
                messages: 0,
                part_messages: 0,
                unfinished: 0,
                max_msg_size: None,
                max_obj_size: None,
                learnt: context.learnt,
                facts: Facts::default(),
                incoming: None,
                server_auth: ServerAuth::begin(context.account),
                server_nonce: None,
                owed: Owed::default(),
                postponed: false,
                sent: None,
                stage: Stage::Setup { asked: false },
                done: Vec::new(),
                login: None,
                words: Vec::new(),
                last_octets: 0,
            };
            Opening::Opened(Exchange::opening(session, message, context, proof).run())
        }
        proof @ (Proof::Missing | Proof::Wrong) => {
            let tries = message.header.msg_id.0;
            Opening::Refused { reply: challenge(message, context, ours, proof, tries) }
        }
    }
}

/// The refusal of a message whose version this server does not speak.
pub(crate) fn unsupported(message: &Message, context: &Context<'_>, ours: u32) -> Option<Message> {
    let (code, spoken): (_, &[&str]) = match &message.header.version {
        Version::Dm11 | Version::Dm12 | Version::Dm13 => return None,
        Version::Other { dtd, .. } if matches!(dtd.as_str(), "1.1" | "1.2") => {
            (StatusCode::UnsupportedProtocol, &["DM/1.1", "DM/1.2", "DM/1.3"])
        }
        Version::Other { .. } => (StatusCode::UnsupportedDtd, &["1.1", "1.2"]),
    };
    let mut reply = Reply::new(message, context, ours);
    reply.header_status(code, None, spoken.iter().map(|version| text_item(version)).collect());
    Some(reply.refusal())
}

/// The challenge to a message that proves too little: the same code for the message and each of its commands, because
/// client A repeats exactly the commands that were refused. No credentials of the server, no commands. `tries` is which
/// message this is after the last that was accepted.
pub(crate) fn challenge(
    message: &Message,
    context: &Context<'_>,
    ours: u32,
    proof: Proof,
    tries: u32,
) -> Message {
    let code = match proof {
        Proof::Missing => StatusCode::CredentialsMissing,
        Proof::Wrong | Proof::Transport | Proof::Given(_) => StatusCode::InvalidCredentials,
    };
    let mut reply = Reply::new(message, context, ours);
    reply.header_status(code, Some(auth::demand(context.account, context.challenge)), Vec::new());
    if tries <= MOST_CHALLENGES {
        for command in &message.commands {
            if !matches!(command, Command::Status(_) | Command::Results(_)) {
                reply.status(command_id(command).as_ref(), command.name(), code);
            }
        }
    }
    reply.refusal()
}

/// The `CmdID` of a command, also of one that nobody knows.
pub(crate) fn command_id(command: &Command) -> Option<CmdId> {
    let Command::Unknown(element) = command else { return command.id().cloned() };
    let id = element.content.iter().find_map(|content| match content {
        Content::Element(child) if child.name == "CmdID" => Some(child),
        Content::Element(_) | Content::Text(_) | Content::Opaque(_) => None,
    })?;
    id.content.iter().find_map(|content| match content {
        Content::Text(text) => CmdId::parse(text),
        Content::Element(_) | Content::Opaque(_) => None,
    })
}

impl Facts {
    /// The longest fact, in octets.
    pub const LONGEST: usize = 64;

    /// The nodes of `./DevInfo`, in the order of the standard.
    pub(crate) const NODES: [&'static str; 5] =
        ["./DevInfo/DevId", "./DevInfo/Man", "./DevInfo/Mod", "./DevInfo/DmV", "./DevInfo/Lang"];

    /// Whether the device has said nothing at all of itself.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes down the value of a node of `./DevInfo`. Others, and empty values (client B sends them), are passed over.
    pub(crate) fn note(&mut self, uri: &LocUri, value: &str) {
        // One client ends texts with a zero octet.
        let value = value.trim_end_matches('\0').trim();
        let Some(place) = Self::NODES.iter().position(|node| *node == uri.as_str()) else { return };
        let field = match place {
            0 => &mut self.dev_id,
            1 => &mut self.manufacturer,
            2 => &mut self.model,
            3 => &mut self.dm_version,
            _ => &mut self.language,
        };
        if !value.is_empty() {
            *field = Some(cut(value, Self::LONGEST));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_says_of_itself_is_bounded() {
        let mut facts = Facts::default();
        let note = |facts: &mut Facts, uri: &str, value: &str| {
            facts.note(&LocUri::parse(uri).unwrap(), value);
        };
        note(&mut facts, "./DevInfo/Mod", &"ü".repeat(100));
        note(&mut facts, "./DevInfo/Man", "Maker\0");
        note(&mut facts, "./DevInfo/Lang", "  ");
        note(&mut facts, "./DevInfo/Ext/Man", "other");
        assert_eq!(facts.model.as_deref().map(str::len), Some(Facts::LONGEST));
        assert_eq!(facts.manufacturer.as_deref(), Some("Maker"));
        assert_eq!(
            facts,
            Facts { language: None, dev_id: None, dm_version: None, ..facts.clone() }
        );
    }
}
