//! What a device is known to do otherwise than the standard says, learnt from its answers and kept from session to session.
//!
//! A quirk never forbids what a campaign demands; it only chooses the gentler of two ways that both lead there.

use crate::{
    job::Job,
    sent::{Manner, Order, What},
};
use serde::{Deserialize, Serialize};
use wire::{status::StatusCode, uri::Suffix};

/// One habit of a device. The number is its bit in a stored set: never used again for another meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Quirk {
    /// It sends its messages to the address it was configured with, whatever `RespURI` says.
    IgnoresRespUri = 0,
    /// It refuses Atomic, or runs its commands one by one and undoes nothing: writes go out singly where that is allowed.
    NoAtomic = 1,
    /// It refuses `?list=`.
    NoList = 2,
    /// It refuses Copy.
    NoCopy = 3,
    /// It refuses to tell properties (`?prop=`).
    NoProperties = 4,
    /// It was not heard of again after a large reply: replies stay below [`Quirks::SMALL_REPLY`].
    SmallReplies = 5,
    /// It does not know correlators: none is sent.
    NoCorrelator = 6,
    /// It answers what it does not accept with status 0.
    StatusZero = 7,
}

impl Quirk {
    pub const ALL: [Self; 8] = [
        Self::IgnoresRespUri,
        Self::NoAtomic,
        Self::NoList,
        Self::NoCopy,
        Self::NoProperties,
        Self::SmallReplies,
        Self::NoCorrelator,
        Self::StatusZero,
    ];

    /// In a word, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IgnoresRespUri => "ignores_resp_uri",
            Self::NoAtomic => "no_atomic",
            Self::NoList => "no_list",
            Self::NoCopy => "no_copy",
            Self::NoProperties => "no_properties",
            Self::SmallReplies => "small_replies",
            Self::NoCorrelator => "no_correlator",
            Self::StatusZero => "status_zero",
        }
    }

    /// What a device that shows this one sign is known for besides: the only client that answers with status 0 rolls back
    /// no Atomic and loses sessions to large replies.
    const fn family(self) -> &'static [Self] {
        match self {
            Self::StatusZero => &[Self::NoAtomic, Self::SmallReplies],
            Self::IgnoresRespUri
            | Self::NoAtomic
            | Self::NoList
            | Self::NoCopy
            | Self::NoProperties
            | Self::SmallReplies
            | Self::NoCorrelator => &[],
        }
    }

    const fn bit(self) -> u32 {
        1 << (self as u8)
    }
}

/// The quirks of one device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quirks(u32);

impl Quirks {
    /// The largest reply to a device that loses larger ones, in octets.
    pub const SMALL_REPLY: usize = 16_000;

    pub const fn has(self, quirk: Quirk) -> bool {
        self.0 & quirk.bit() != 0
    }

    /// With this quirk, and with what is known to come with it.
    #[must_use]
    pub fn with(self, quirk: Quirk) -> Self {
        quirk.family().iter().fold(Self(self.0 | quirk.bit()), |all, more| Self(all.0 | more.bit()))
    }

    #[must_use]
    pub const fn without(self, quirk: Quirk) -> Self {
        Self(self.0 & !quirk.bit())
    }

    pub fn iter(self) -> impl Iterator<Item = Quirk> {
        Quirk::ALL.into_iter().filter(move |quirk| self.has(*quirk))
    }
}

/// What the answers to the commands of one message show.
pub(crate) fn shown(job: &Job, orders: &[Order]) -> Vec<Quirk> {
    let refused = |order: &Order| {
        matches!(order.code(), Some(StatusCode::NotSupported | StatusCode::NotImplemented))
    };
    let mut shown: Vec<Quirk> = orders
        .iter()
        .filter(|order| refused(order))
        .filter_map(|order| match order.what {
            What::Block => Some(Quirk::NoAtomic),
            What::Write { manner: Manner::Copy, .. } => Some(Quirk::NoCopy),
            What::Keep(_) | What::Compare(_) | What::Proof(_) => {
                match job.node(order.what)?.suffix()? {
                    Suffix::List(_) => Some(Quirk::NoList),
                    Suffix::Prop(_) => Some(Quirk::NoProperties),
                }
            }
            What::Fact(_)
            | What::LargeObjects
            | What::Ask
            | What::PutBack(_)
            | What::Parent { .. }
            | What::Write { .. } => None,
        })
        .collect();
    if let Some((block, writes)) = orders.split_first()
        && block.what == What::Block
        && block.code().is_none()
        && writes.iter().any(|order| order.code().is_some())
    {
        // Its commands were answered and it was not: it is no more than a bracket to this device.
        shown.push(Quirk::NoAtomic);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quirk_has_a_bit_and_a_name_of_its_own() {
        for (place, quirk) in Quirk::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(quirk as u8), place, "{quirk:?}");
            assert_eq!(Quirk::ALL.iter().filter(|other| other.name() == quirk.name()).count(), 1);
        }
    }

    #[test]
    fn one_sign_tells_the_family() {
        let quirks = Quirks::default().with(Quirk::StatusZero);
        assert!(quirks.has(Quirk::SmallReplies) && quirks.has(Quirk::NoAtomic));
        assert!(!quirks.has(Quirk::NoList));
        let back = quirks.without(Quirk::SmallReplies);
        assert_eq!(back.iter().count(), quirks.iter().count() - 1);
    }
}
