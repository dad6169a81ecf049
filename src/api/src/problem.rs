//! Refusals, as RFC 9457 problem documents with a stable `type`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What stands before the name of every problem type.
const BASE: &str = "https://reveille.invalid/problems/";

macro_rules! problem_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal, $title:literal;)*) => {
        /// Every kind of refusal: its stable name, its HTTP status, its title.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemType { $($(#[$doc])* $variant,)* }

        impl ProblemType {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The last segment of the type's URI.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status),* }
            }

            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }
        }
    };
}

problem_types! {
    /// A path parameter, a query parameter or a cursor that cannot be read.
    BadRequest = "bad-request", 400, "The request cannot be understood";
    /// A request that a web page made, or for a host name that is not this machine's.
    Forbidden = "forbidden", 403, "This request is not taken";
    NoSuchPath = "no-such-path", 404, "There is nothing under this path";
    NoSuchCampaign = "no-such-campaign", 404, "There is no such campaign";
    NoSuchCare = "no-such-care", 404, "There is no such care job";
    NoSuchDevice = "no-such-device", 404, "There is no such device";
    NoSuchAuthority = "no-such-authority", 404, "There is no such authority";
    WrongMethod = "wrong-method", 405, "This path does not know this method";
    TooSlow = "too-slow", 408, "The request did not arrive in time";
    /// The id is taken by a campaign with another document.
    OtherCampaign = "other-campaign", 409, "Another campaign has this id";
    /// The campaign's state does not allow this.
    WrongState = "wrong-state", 409, "The campaign's state does not allow this";
    /// One care job of a device at a time.
    CareUnderWay = "care-under-way", 409, "A care job of this device is under way";
    /// Too much of something is under way; it passes.
    Busy = "busy", 409, "There is no room for this at the moment";
    /// Others changed the same rows again and again; repeating the request is right.
    Contended = "contended", 409, "Others are changing the same data";
    TooLarge = "too-large", 413, "The body is too large";
    WrongMediaType = "wrong-media-type", 415, "The body is of a kind that is not accepted here";
    /// With the member `problems`: one entry for each mistake.
    BadCampaign = "bad-campaign", 422, "The campaign cannot be accepted";
    BadBody = "bad-body", 422, "The body does not say what is needed";
    Internal = "internal", 500, "The server made a mistake";
    StoreAway = "store-away", 503, "The store does not answer";
    TimedOut = "timed-out", 503, "The server could not finish in time";
    NotReady = "not-ready", 503, "The server is not ready";
}

impl ProblemType {
    /// The URI that goes into `type`.
    pub fn uri(self) -> String {
        format!("{BASE}{}", self.name())
    }

    /// The type a URI stands for, if it is one of ours.
    pub fn from_uri(uri: &str) -> Option<Self> {
        let name = uri.strip_prefix(BASE)?;
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// A refusal.
///
/// ```
/// use api::{ProblemDocument, ProblemType};
/// let refusal = ProblemDocument::new(ProblemType::NoSuchCampaign, "operator has no campaign `qos`");
/// let text = serde_json::to_string(&refusal).unwrap();
/// assert_eq!(text, concat!(
///     r#"{"type":"https://reveille.invalid/problems/no-such-campaign","#,
///     r#""title":"There is no such campaign","status":404,"detail":"operator has no campaign `qos`"}"#,
/// ));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemDocument {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// What happened here, and what to do.
    #[serde(default)]
    pub detail: String,
    /// The single mistakes of a document that has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

impl ProblemDocument {
    pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        Self {
            kind: kind.uri(),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: detail.into(),
            problems: Vec::new(),
        }
    }

    pub fn with_problems(self, problems: Vec<Problem>) -> Self {
        Self { problems, ..self }
    }
}

impl fmt::Display for ProblemDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.title)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

/// One mistake in a document: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The place in the document, as `settings[0].uri`; empty when it is the whole.
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    pub what: String,
    #[serde(default)]
    pub help: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}", self.what)?;
        if !self.help.is_empty() {
            write!(f, " ({})", self.help)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_again_by_its_uri_and_no_two_share_one() {
        for &kind in ProblemType::ALL {
            assert_eq!(ProblemType::from_uri(&kind.uri()), Some(kind));
        }
        assert_eq!(ProblemType::from_uri("about:blank"), None);
    }

    #[test]
    fn a_problem_reads_as_a_sentence() {
        let problem = Problem {
            path: "settings[0].uri".into(),
            line: Some(4),
            what: "is above what `operator` may write".into(),
            help: "name a node under ./ConnMO".into(),
        };
        assert_eq!(
            problem.to_string(),
            "line 4: settings[0].uri: is above what `operator` may write (name a node under ./ConnMO)"
        );
    }
}
