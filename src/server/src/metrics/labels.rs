//! The values that labels can have. A label that came from outside would let anybody make series without end.

use crate::readiness::Part;
use api::ProblemType;
use campaign::{document::Lane, job::Outcome};
use wire::Encoding;

/// The values of one label.
pub(crate) trait Label: Copy + PartialEq + 'static {
    const ALL: &'static [Self];

    fn name(self) -> &'static str;
}

macro_rules! labels {
    ($($(#[doc = $about:literal])+ $name:ident { $($(#[doc = $doc:literal])* $value:ident = $text:literal,)+ })+) => {$(
        $(#[doc = $about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[doc = $doc])* $value,)+ }

        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$value),+];

            fn name(self) -> &'static str {
                match self { $(Self::$value => $text,)+ }
            }
        }
    )+};
}

labels! {
    /// The way of a job, step by step.
    Milestone {
        /// It stands in its device's row.
        Enrolled = "enrolled",
        /// The dispatcher took it from its queue for the first time.
        Due = "due",
        /// Its first notification was recorded.
        Notified = "notified",
        /// A registered device asked for a session. One that is challenged asks twice.
        Connected = "connected",
        /// The device proved itself and has its session.
        Authenticated = "authenticated",
        /// A write was sent.
        Written = "written",
        /// It ended with the device known to be as wanted.
        Proven = "proven",
        /// It ended, and its result and the event of it are stored.
        Reported = "reported",
    }

    /// The milestones that are summed for each campaign.
    CampaignMilestone {
        Enrolled = "enrolled",
        Notified = "notified",
        Silent = "silent",
        Connected = "connected",
        Written = "written",
        Proven = "proven",
        Reported = "reported",
    }

    /// Jobs without an outcome.
    JobState {
        /// Neither notified nor worked on yet.
        Waiting = "waiting",
        /// Notified, in a session, or to be tried again.
        UnderWay = "under_way",
    }

    /// What became of a device that was to be enrolled.
    Enrolment {
        Enrolled = "enrolled",
        Already = "already",
        Unknown = "unknown",
        Later = "later",
    }

    /// Why due jobs were left where they are.
    HeldBy {
        /// The campaign's pace or the route's rate.
        Limit = "limit",
        /// The devices' door has its hands full.
        Load = "load",
    }

    /// Why a notification was not sent.
    NotSent {
        /// The registry has none, or none that the route can use.
        Address = "address",
        /// The server's credentials for the device cannot be opened.
        Credentials = "credentials",
        /// It cannot be written: a server id that is too long, for instance.
        Unwritable = "unwritable",
        /// The network did not take it.
        Network = "network",
        /// No bind of the route is up.
        Down = "down",
        /// The other side has no room, or we are too fast.
        Throttled = "throttled",
        /// The other side refused it.
        Refused = "refused",
        /// The other side did not answer: it may have left.
        Unanswered = "unanswered",
    }

    /// How a route is.
    RouteCondition {
        /// It carries.
        Up = "up",
        /// After a rest, a few notifications find out whether it carries again.
        Probing = "probing",
        /// It refused everything, and rests.
        Resting = "resting",
        /// No bind is up.
        Down = "down",
    }

    /// What a delivery receipt says.
    ReceiptFate {
        /// The handset has the message.
        Delivered = "delivered",
        /// The carrier has given it up.
        Lost = "lost",
        /// The carrier still holds it.
        Held = "held",
        /// It is about no message that is known here.
        Unmatched = "unmatched",
    }

    /// Why a session ended.
    SessionEnd {
        Complete = "complete",
        Aborted = "aborted",
        GaveUp = "gave_up",
        RenderingChanged = "rendering_changed",
        /// Both sides have new nonces, which is all that it was for.
        Resynchronised = "resynchronised",
        /// The device fell silent with a job in work.
        Lost = "lost",
    }

    /// What came of calls under a nonce of zeros.
    Resync {
        /// One left.
        Called = "called",
        /// Its device opened the session under zeros.
        Opened = "opened",
        /// Both sides have new nonces.
        Healed = "healed",
    }

    /// Why a message was answered with a challenge or a refusal.
    Refused {
        /// It brought no credentials.
        Challenged = "challenged",
        /// It brought wrong ones.
        Credentials = "credentials",
        /// Nobody registered the device.
        UnknownDevice = "unknown_device",
    }

    /// Why a request at the devices' door got no message for an answer.
    Rejection {
        /// No such authority, no such path.
        Path = "path",
        /// From a network that may not speak without protection.
        Network = "network",
        /// Neither of the content types that are understood, or encoded once more.
        MediaType = "media_type",
        TooLarge = "too_large",
        /// The body did not come whole, or not in time.
        Incomplete = "incomplete",
        /// The body is no SyncML message, or names no device.
        NoMessage = "no_message",
        /// It was answered before and something newer since, or belongs to no session.
        Stale = "stale",
        /// No place was free in time.
        Busy = "busy",
        /// It could not be answered: the store, or what is stored.
        Failed = "failed",
    }

    /// Which way octets went.
    Direction {
        In = "in",
        Out = "out",
    }

    /// What a device reported by itself.
    Fault {
        /// A generic alert.
        Event = "event",
        ServerCredentialsRefused = "server_credentials_refused",
    }

    /// Where one connects.
    Door {
        Devices = "devices",
        Admin = "admin",
        Telemetry = "telemetry",
    }

    /// Who takes events.
    Sink {
        Amqp = "amqp",
    }

    /// The calls of the store that can be slow.
    Operation {
        Read = "read",
        Commit = "commit",
        Claim = "claim",
        Earliest = "earliest",
        Counters = "counters",
        Events = "events",
        Trim = "trim",
        Scan = "scan",
    }

    /// The states of a campaign that is not forgotten yet.
    State {
        Checking = "checking",
        Enrolling = "enrolling",
        Running = "running",
        Paused = "paused",
        Ending = "ending",
        Ended = "ended",
    }
}

impl From<session::End> for SessionEnd {
    fn from(end: session::End) -> Self {
        match end {
            session::End::Complete => Self::Complete,
            session::End::Aborted => Self::Aborted,
            session::End::GaveUp => Self::GaveUp,
            session::End::RenderingChanged => Self::RenderingChanged,
            session::End::Resynchronised => Self::Resynchronised,
        }
    }
}

impl From<&campaign::control::CampaignState> for State {
    fn from(state: &campaign::control::CampaignState) -> Self {
        use campaign::control::CampaignState as S;
        match state {
            S::Checking => Self::Checking,
            S::Enrolling => Self::Enrolling,
            S::Running => Self::Running,
            S::Paused { .. } => Self::Paused,
            S::Ending { .. } => Self::Ending,
            S::Ended { .. } => Self::Ended,
        }
    }
}

impl Label for Outcome {
    const ALL: &'static [Self] = &Self::ALL;

    fn name(self) -> &'static str {
        self.name()
    }
}

impl Label for Part {
    const ALL: &'static [Self] = &Self::ALL;

    fn name(self) -> &'static str {
        self.name()
    }
}

impl Label for Lane {
    const ALL: &'static [Self] = &[Self::Care, Self::Urgent, Self::Mass];

    fn name(self) -> &'static str {
        self.name()
    }
}

impl Label for Encoding {
    const ALL: &'static [Self] = &[Self::Xml, Self::Wbxml];

    fn name(self) -> &'static str {
        match self {
            Self::Xml => "xml",
            Self::Wbxml => "wbxml",
        }
    }
}

/// How a request at the operators' door ended: well, or with a problem of this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AdminResult(pub(crate) Option<ProblemType>);

#[expect(clippy::indexing_slicing, reason = "the compiler does this, and would stop")]
/// One more than there are problems: `ok` comes first.
const ADMIN_RESULTS: [AdminResult; ProblemType::ALL.len() + 1] = {
    let mut all = [AdminResult(None); ProblemType::ALL.len() + 1];
    let mut rest: &[ProblemType] = ProblemType::ALL;
    let mut place = 1;
    while let [problem, others @ ..] = rest {
        all[place] = AdminResult(Some(*problem));
        rest = others;
        place += 1;
    }
    all
};

impl Label for AdminResult {
    const ALL: &'static [Self] = &ADMIN_RESULTS;

    fn name(self) -> &'static str {
        self.0.map_or("ok", ProblemType::name)
    }
}
