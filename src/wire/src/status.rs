//! Status codes: how a command, or a whole message, was received.
//!
//! Every number of `RepPro` section 11 is a row here; any other is kept as it came.

macro_rules! status_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        /// What the other side says of a command. Unknown codes are values, not errors: clients invent some
        /// (one answers 0, which means nothing).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum StatusCode {
            $($(#[doc = $doc])+ $name,)+
            /// A code without a row in the table.
            Other(u16),
        }

        impl StatusCode {
            pub const fn from_code(code: u16) -> Self {
                match code { $($code => Self::$name,)+ other => Self::Other(other) }
            }

            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)+ Self::Other(code) => code }
            }

            /// The name of the code in words, for people.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ Self::Other(_) => "unknown" }
            }

            /// What the code says, in one sentence; empty for a code that has no row.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ Self::Other(_) => "" }
            }
        }
    };
}

status_codes! {
    /// The command is being carried out.
    InProgress = 101,
    /// The command completed.
    Ok = 200,
    /// The item was added.
    ItemAdded = 201,
    /// Accepted; the result follows, by generic alert or polling.
    Accepted = 202,
    /// Completed, by a copy.
    NonAuthoritative = 203,
    /// Completed; the target is empty.
    NoContent = 204,
    /// Data synchronisation: reset content.
    ResetContent = 205,
    /// Data synchronisation: partial content.
    PartialContent = 206,
    /// Data synchronisation: resolved by merging.
    ConflictMerged = 207,
    /// Data synchronisation: the client won.
    ConflictClientWon = 208,
    /// Data synchronisation: resolved by duplicating.
    ConflictDuplicated = 209,
    /// Deleted, not archived.
    DeletedWithoutArchive = 210,
    /// Not deleted: it was not there.
    ItemNotDeleted = 211,
    /// The credentials hold for the whole session.
    Authenticated = 212,
    /// A part of a large object was taken; send the next.
    ChunkAccepted = 213,
    /// The user cancelled the operation.
    Cancelled = 214,
    /// Not executed, because of another command or the user.
    NotExecuted = 215,
    /// Executed and undone with its Atomic.
    RolledBack = 216,
    /// Redirection: several choices.
    MultipleChoices = 300,
    /// Redirection: moved for good.
    MovedPermanently = 301,
    /// Redirection: moved for now.
    Found = 302,
    /// Redirection: see elsewhere.
    SeeOther = 303,
    /// Not modified; to a question: the user said no.
    NotModified = 304,
    /// Redirection: use the proxy.
    UseProxy = 305,
    /// The request was malformed.
    BadRequest = 400,
    /// The credentials were wrong or too weak; a challenge may follow.
    InvalidCredentials = 401,
    /// Payment is needed.
    PaymentNeeded = 402,
    /// Refused, and not for want of rights.
    Forbidden = 403,
    /// The target is not there.
    NotFound = 404,
    /// The command is not allowed on the target.
    NotAllowed = 405,
    /// An optional feature that is not supported.
    NotSupported = 406,
    /// Credentials are required; a challenge follows.
    CredentialsMissing = 407,
    /// Time ran out; to a question: the user did not answer.
    Timeout = 408,
    /// The state of the target does not allow it.
    Conflict = 409,
    /// The target is gone for good.
    Gone = 410,
    /// A large object came without its size.
    SizeRequired = 411,
    /// The command lacked something.
    Incomplete = 412,
    /// The request is too large.
    TooLarge = 413,
    /// The address is too long.
    UriTooLong = 414,
    /// The media type or format is not supported.
    UnsupportedFormat = 415,
    /// The announced size is too big; of an alert: it cannot be displayed.
    SizeTooBig = 416,
    /// Try again later.
    RetryLater = 417,
    /// The target is already there.
    AlreadyExists = 418,
    /// Data synchronisation: the server won.
    ConflictServerWon = 419,
    /// No room left on the device.
    DeviceFull = 420,
    /// Data synchronisation: unknown search grammar.
    UnknownSearchGrammar = 421,
    /// Data synchronisation: bad script.
    BadScript = 422,
    /// Data synchronisation: soft delete conflict.
    SoftDeleteConflict = 423,
    /// The object was not as long as announced.
    SizeMismatch = 424,
    /// The access control list forbids it.
    PermissionDenied = 425,
    /// A partial item was not accepted.
    PartialItem = 426,
    /// The item is not empty.
    NotEmpty = 427,
    /// Data synchronisation: the move failed.
    MoveFailed = 428,
    /// The command failed.
    CommandFailed = 500,
    /// The command is not implemented.
    NotImplemented = 501,
    /// A gateway failed.
    BadGateway = 502,
    /// The service is unavailable for now.
    Unavailable = 503,
    /// A gateway did not answer.
    GatewayTimeout = 504,
    /// The DTD version is not supported.
    UnsupportedDtd = 505,
    /// The device erred while processing.
    ProcessingError = 506,
    /// The Atomic failed.
    AtomicFailed = 507,
    /// Data synchronisation: refresh required.
    RefreshRequired = 508,
    /// The data store failed.
    DataStoreFailure = 510,
    /// A severe failure.
    ServerFailure = 511,
    /// The session failed at application level.
    SyncFailed = 512,
    /// The protocol version is not supported.
    UnsupportedProtocol = 513,
    /// Cancelled before it was processed.
    CancelledBeforehand = 514,
    /// Undoing an Atomic failed; the state is unknown.
    RollBackFailed = 516,
    /// The answers to the Atomic do not fit one message.
    AtomicResponseTooLarge = 517,
}

impl StatusCode {
    /// Whether the code says that the command did what was asked: any 2xx that leaves nothing open.
    ///
    /// 213 (send the rest), 214 (cancelled), 215 (not executed) and 216 (undone) are 2xx too, and are not success.
    pub const fn is_success(self) -> bool {
        matches!(self.code(), 200..=212)
    }

    /// Whether the code refuses or demands credentials.
    pub const fn is_challenge(self) -> bool {
        matches!(self, Self::InvalidCredentials | Self::CredentialsMissing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_as_itself() {
        for code in 0..=u16::MAX {
            assert_eq!(StatusCode::from_code(code).code(), code);
        }
    }

    #[test]
    fn half_done_is_not_success() {
        for code in [213, 214, 215, 216, 304, 404] {
            assert!(!StatusCode::from_code(code).is_success(), "{code}");
        }
        assert!(StatusCode::Accepted.is_success() && StatusCode::Authenticated.is_success());
    }
}
