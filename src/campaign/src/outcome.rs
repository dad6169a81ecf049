//! How a job ended.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! outcomes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// How a job ended. Every job has exactly one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Outcome {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Outcome {
            /// All, in the order of the documentation.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// The name in documents, events and counters.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The counter of jobs that ended so.
            pub const fn field(self) -> &'static str {
                match self { $(Self::$name => concat!("o.", $text),)+ }
            }

            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

outcomes! {
    /// Written and proven as asked.
    Applied = "applied",
    /// The device was as wanted already.
    Unchanged = "unchanged",
    /// The user said no.
    Declined = "declined",
    /// The user did not answer in time.
    NoAnswer = "no_answer",
    /// A command failed.
    Failed = "failed",
    /// The proof failed; the previous values are back and were proven.
    Reverted = "reverted",
    /// The proof failed, or never came after a write was sent, and nothing was put back.
    Broken = "broken",
    /// A variant said skip, the device lacks what is needed or cannot ask its user, it unenrolled, or it no longer matches.
    NotApplicable = "not_applicable",
    /// Outside the authority's scope or on a user-owned path, found after templating.
    Refused = "refused",
    /// All attempts used, no session that came to an end.
    Unreachable = "unreachable",
    /// The campaign's end came first.
    Expired = "expired",
    /// Aborted before anything was written to the device.
    Cancelled = "cancelled",
    /// Newer campaigns of the authority set every node that this one would have set.
    Superseded = "superseded",
    /// The registry does not know the device.
    UnknownDevice = "unknown_device",
}

impl Outcome {
    /// The device is proven to be as wanted.
    pub fn is_proven(self) -> bool {
        matches!(self, Self::Applied | Self::Unchanged)
    }

    /// Something went wrong on the device: what stop rules and wave gates call failed.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Broken | Self::Reverted)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_found_by_its_name() {
        assert_eq!(Outcome::ALL.len(), 14);
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_name(outcome.name()), Some(outcome));
            assert_eq!(outcome.field(), format!("o.{outcome}"));
        }
        assert_eq!(Outcome::from_name("done"), None);
    }
}
