//! What can be done about a notification that was not taken, whoever refused it.

/// What is to be done about a message that was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Remedy {
    /// The carrier is full or we are too fast: the whole route slows down, and the message is sent again soon.
    SlowDown,
    /// Something passes by: the message is sent again later, as if nobody had answered.
    Later,
    /// This device can not be reached this way.
    GiveUp,
    /// The route is not set up as the carrier wants it: nothing will pass until somebody changes a setting.
    Mend,
}

impl Remedy {
    /// The word for it in metrics and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SlowDown => "slow_down",
            Self::Later => "later",
            Self::GiveUp => "give_up",
            Self::Mend => "mend",
        }
    }
}

/// What a notification that was tried says of its route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It was taken: the route carries.
    Carries,
    /// It was refused in a way that would meet every other one too.
    Fails,
    /// Nothing.
    Unknown,
}

impl From<Remedy> for Standing {
    fn from(remedy: Remedy) -> Self {
        match remedy {
            Remedy::Mend => Self::Fails,
            Remedy::GiveUp | Remedy::Later | Remedy::SlowDown => Self::Unknown,
        }
    }
}
