//! What a failed call means: whether anything happened, and what to do next. The one place that judges errors of Redis.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// What a failed call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It may have happened: the answer did not come.
    Unknown,
    /// Nothing happened, and another server may be the right one.
    Elsewhere,
    /// Nothing happened; the server cannot do it at the moment.
    Later,
    /// Nothing happened; the server does not know the script yet.
    NoScript,
    /// Nothing happened, and trying again will not help.
    Refused,
}

impl Trouble {
    /// Judges an error that came as an answer or instead of one. A call that could not even be sent is [`Trouble::Elsewhere`].
    pub(super) fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(kind) => match kind {
                ServerErrorKind::NoScript => Self::NoScript,
                // A transaction is given up when one of its commands was refused, mostly because it moved.
                ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::ExecAbort => Self::Elsewhere,
                ServerErrorKind::BusyLoading | ServerErrorKind::TryAgain => Self::Later,
                _ => Self::of_code(error),
            },
            ErrorKind::Extension => Self::of_code(error),
            ErrorKind::AuthenticationFailed
            | ErrorKind::InvalidClientConfig
            | ErrorKind::Client
            | ErrorKind::RESP3NotSupported => Self::Refused,
            // Broken connections, answers that cannot be understood, and whatever else the library thinks of.
            _ => Self::Unknown,
        }
    }

    /// Codes that the library has no name for, and those within the message of a script that failed.
    fn of_code(error: &RedisError) -> Self {
        const LATER: [&str; 5] = ["OOM", "NOREPLICAS", "BUSY", "MISCONF", "UNKILLABLE"];
        const ELSEWHERE: [&str; 3] = ["READONLY", "MASTERDOWN", "CLUSTERDOWN"];
        let (code, detail) = (error.code().unwrap_or_default(), error.detail().unwrap_or_default());
        // A script hands on the error of its command, with the command's code or inside the text of an ERR.
        let is =
            |known: &&str| code == *known || detail.trim_start_matches('-').starts_with(*known);
        if LATER.iter().any(is) {
            Self::Later
        } else if ELSEWHERE.iter().any(is) {
            Self::Elsewhere
        } else {
            Self::Refused
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(line: &str) -> Trouble {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        Trouble::of(&value.extract_error().unwrap_err())
    }

    #[test]
    fn every_refusal_of_redis_is_known_to_have_done_nothing() {
        for (line, trouble) in [
            ("NOSCRIPT No matching script", Trouble::NoScript),
            ("MOVED 1 127.0.0.1:7000", Trouble::Elsewhere),
            ("ASK 1 127.0.0.1:7000", Trouble::Elsewhere),
            ("CLUSTERDOWN Hash slot not served", Trouble::Elsewhere),
            ("READONLY You can't write against a read only replica.", Trouble::Elsewhere),
            (
                "READONLY You can't write against a read only replica. script: a, on @user_script:1.",
                Trouble::Elsewhere,
            ),
            ("LOADING Redis is loading the dataset in memory", Trouble::Later),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Trouble::Later),
            ("OOM command not allowed when used memory > 'maxmemory'.", Trouble::Later),
            ("NOREPLICAS Not enough good replicas to write.", Trouble::Later),
            ("MISCONF Errors writing to the AOF file", Trouble::Later),
            ("BUSY Redis is busy running a script.", Trouble::Later),
            ("ERR unknown command", Trouble::Refused),
            ("NOPERM this user has no permissions", Trouble::Refused),
            ("WRONGTYPE Operation against a key", Trouble::Refused),
        ] {
            assert_eq!(answered(line), trouble, "{line}");
        }
    }

    #[test]
    fn a_broken_connection_leaves_open_what_happened() {
        let error = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(Trouble::of(&error), Trouble::Unknown);
    }
}
