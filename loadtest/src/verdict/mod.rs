//! The server as a device sees it: each rule that a real client needs kept, and a breach when it is not.
//!
//! | module | judges |
//! | --- | --- |
//! | `push` | notifications |
//! | `octets` | a reply before it is decoded: what a decoder would forgive |
//! | `reply` | a decoded reply, against the message that it answers |
//! | `orders` | the commands in it |
//!
//! The rules come from the protocol notes (client-behaviour.md, syncml.md, security.md, notification.md). What is right
//! for both field clients is right for the field, so every rule is put to every reply, whichever client a device imitates.

pub(crate) mod octets;
mod orders;
pub(crate) mod push;
pub(crate) mod reply;

use serde::Serialize;

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What a server must not do to a device, or to a carrier.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Rule {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Rule {
            /// Every rule, in the order in which a device comes across them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The rule that was broken, as a sentence.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

rules! {
    /// What was said to the short message centre does not fit the state of the bind.
    SmppProtocol,
    /// The short message is not submitted as a binary WAP push has to be.
    SubmissionField,
    /// The user data header is not that of a push to port 2948.
    UserDataHeader,
    /// The parts of a push do not belong together.
    PartsMismatch,
    /// What was posted to the push proxy gateway is no push of two parts.
    PushRequest,
    /// The control entity of a push is not what the gateway needs.
    PushControl,
    /// The content of a push is not called what it is.
    PushContent,
    /// The push message is not a WSP push of a notification.
    PushMalformed,
    /// Package #0 is malformed.
    NotificationMalformed,
    /// The notification is not of the server that this device knows.
    NotificationServer,
    /// The digest of the notification is wrong.
    NotificationDigest,
    /// Another session id was notified while the last one had not been answered.
    NotificationSession,
    /// The notification wants to be seen by the user, though nothing is to be asked.
    NotificationVisible,
    /// A right message was not answered with HTTP 200.
    HttpStatus,
    /// The reply has another media type than the request.
    MediaType,
    /// The reply does not say how long it is.
    ContentLength,
    /// The reply is not well-formed.
    NotWellFormed,
    /// Something follows after the end of the message.
    TrailingOctets,
    /// The XML begins with a byte order mark.
    ByteOrderMark,
    /// A child of Meta is not in the namespace syncml:metinf by an xmlns of its own.
    MetaNamespace,
    /// The XML holds a reference that clients do not understand.
    Reference,
    /// The WBXML is not of version 1.2.
    WbxmlVersion,
    /// The reply cannot be read as a SyncML message.
    Unreadable,
    /// The header does not belong to this session.
    Header,
    /// The MsgID does not count on from the last message of the server.
    MsgId,
    /// The message is larger than the device takes.
    TooLarge,
    /// The message has no Final and no unfinished object.
    NoFinal,
    /// A CmdID is missing, 0 or used twice.
    CmdId,
    /// The first command is not the Status of the header.
    HeaderStatusFirst,
    /// A Status names another message than the one that is answered.
    MsgRef,
    /// A Status answers a command that was not sent.
    CmdRef,
    /// A command was not answered by a Status.
    MissingStatus,
    /// A correct header or command was answered with an unexpected code.
    StatusCode,
    /// A challenge lacks what the device needs to answer it.
    Challenge,
    /// A challenge came together with commands.
    ChallengeWithCommands,
    /// An accepted message was answered with the nonce that the device had already used.
    NonceRepeated,
    /// Right credentials were refused.
    RightCredentialsRefused,
    /// The server did not prove itself.
    ServerCredentialsMissing,
    /// The credentials of the server are wrong.
    ServerCredentialsWrong,
    /// The server sent credentials to a device that has no account for it.
    ServerCredentialsUnasked,
    /// A command was sent that crashes a client or ends its session.
    ForbiddenCommand,
    /// A command was sent before the device had said all, or after it had ended the session.
    OrderOutOfTurn,
    /// The rest of an unfinished package was not asked for.
    RestNotAskedFor,
    /// A part of a large value was not taken with 213.
    PartNotTaken,
    /// A large object does not say its size in its first part.
    PartWithoutSize,
    /// Something else came before the last part of a large object, or with a part.
    ObjectInterrupted,
    /// A large object does not have the size that was announced.
    ObjectSize,
    /// An item lacks Target, Format or Data.
    ItemIncomplete,
    /// An alert to the user lacks its options item with Data.
    AlertIncomplete,
    /// The answer to a repeated message is not the answer that was given the first time.
    RepeatDiffers,
    /// The user was shown or asked something, though nothing was to be asked.
    QuestionUnasked,
    /// A write came together with the question whether it is allowed.
    WriteBeforeAnswer,
    /// A write came after the user had not said yes.
    WriteAfterNo,
    /// A write touches what belongs to the user.
    UserOwned,
}

/// A rule that one piece of the server's output breaks, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub rule: Rule,
    /// What is wrong here, in words. Empty when the rule says it all.
    pub detail: String,
}

impl Finding {
    pub(crate) fn new(rule: Rule, detail: impl Into<String>) -> Self {
        Self { rule, detail: detail.into() }
    }
}

/// A rule that the server broke towards one device, with the octets that prove it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Breach {
    /// Index of the device, if it is about one.
    pub device: Option<u64>,
    pub rule: Rule,
    /// The rule, and how it was broken.
    pub what: String,
    /// What the server sent, as hexadecimal digits; of a long message the first [`Breach::MOST_OCTETS`] octets.
    pub octets: String,
}

impl Breach {
    pub const MOST_OCTETS: usize = 32 * 1024;

    pub(crate) fn new(device: impl Into<Option<u64>>, finding: &Finding, octets: &[u8]) -> Self {
        use std::fmt::Write as _;

        let mut what = finding.rule.sentence().to_owned();
        if !finding.detail.is_empty() {
            what.push(' ');
            what.push_str(&finding.detail);
        }
        let mut hex = String::with_capacity(2 * octets.len().min(Self::MOST_OCTETS));
        for octet in octets.iter().take(Self::MOST_OCTETS) {
            write!(hex, "{octet:02x}").expect("writing to a string cannot fail");
        }
        Self { device: device.into(), rule: finding.rule, what, octets: hex }
    }
}
