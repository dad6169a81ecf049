//! The rows of a campaign: itself, how far its enrolment is, and the directory of those that are not ended.

use crate::{
    events::Event,
    rows::{Sealed, Stored},
    security::vault::{Binding, Purpose, SealError, Vault},
    store::{Change, Key, Shard, Table},
};
use campaign::{
    Campaign, StoredError, control::CampaignState, document::Report, pace::Climb, time::Instant,
};
use serde::{Deserialize, Serialize};

/// Which campaign: its id within its authority.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct CampaignId {
    pub authority: String,
    pub id: String,
}

impl CampaignId {
    pub(crate) fn new(authority: impl Into<String>, id: impl Into<String>) -> Self {
        Self { authority: authority.into(), id: id.into() }
    }

    /// Reads what a campaign's key holds.
    pub(crate) fn from_root(root: &[u8]) -> Option<Self> {
        let (authority, id) = std::str::from_utf8(root).ok()?.split_once('\0')?;
        Some(Self::new(authority, id))
    }

    fn root(&self) -> Vec<u8> {
        format!("{}\0{}", self.authority, self.id).into_bytes()
    }

    fn binding(&self) -> Binding<'_> {
        Binding { purpose: Purpose::Campaign, authority: &self.authority, name: &self.id }
    }

    /// The home shard: the campaign's rows live there (D1).
    pub(crate) fn shard(&self) -> Shard {
        Shard::of(&self.root())
    }

    pub(crate) fn key(&self) -> Key {
        Key { table: Table::Campaign, id: self.root() }
    }

    pub(crate) fn enrolment_key(&self) -> Key {
        Key { table: Table::Part, id: self.root() }
    }
}

/// The campaign as accepted, and its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CampaignRow {
    /// Given at acceptance, unique in the deployment, growing.
    pub seq: u64,
    /// The document, as submitted; sealed, because settings may be secret.
    pub document: Sealed,
    pub state: CampaignState,
    pub submitted: Instant,
    /// When the state last changed.
    pub changed: Instant,
    /// How far its ramp is, once it runs.
    pub climb: Option<Climb>,
}

/// The row as the version before wrote it.
#[derive(Debug, Deserialize)]
struct CampaignRowV1 {
    seq: u64,
    document: Sealed,
    state: CampaignState,
    submitted: Instant,
    changed: Instant,
}

impl Stored for CampaignRow {
    const VERSION: u8 = 2;

    fn from_before(rest: &[u8]) -> Option<Result<Self, postcard::Error>> {
        Some(postcard::from_bytes(rest).map(|row: CampaignRowV1| {
            let CampaignRowV1 { seq, document, state, submitted, changed } = row;
            Self { seq, document, state, submitted, changed, climb: None }
        }))
    }
}

/// Why a stored document cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Stored(#[from] StoredError),
}

impl CampaignRow {
    pub(crate) fn seal(
        vault: &Vault,
        id: &CampaignId,
        campaign: &Campaign,
    ) -> Result<Sealed, SealError> {
        vault.seal(&id.binding(), &campaign.to_stored())
    }

    /// What is written beside the row when it leaves `revision` for another state: the event that tells of it.
    pub(crate) fn moved(
        &self,
        id: &CampaignId,
        revision: u64,
        to: &CampaignState,
        at: Instant,
    ) -> Change {
        let event = Event::Campaign {
            authority: id.authority.clone(),
            id: id.id.clone(),
            seq: self.seq,
            sequence: revision,
            at,
            state: to.name().to_owned(),
            why: to.why(),
        };
        Change::new().event(event.to_octets())
    }

    /// The campaign, compiled.
    pub(crate) fn campaign(
        &self,
        vault: &Vault,
        id: &CampaignId,
    ) -> Result<Campaign, DocumentError> {
        Ok(Campaign::from_stored(&vault.open(&id.binding(), &self.document)?)?)
    }
}

/// How far enrolment is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EnrolmentRow {
    /// `devices.list` is enrolled.
    pub list_done: bool,
    pub scan: Scan,
    /// Parts of `devices.file` that are enrolled, as inclusive ranges in order.
    pub parts: Vec<(u32, u32)>,
    /// How many parts there are, once one of them said so.
    pub expected: Option<u32>,
}

impl Stored for EnrolmentRow {}

/// How far the search through the registry is, for `devices.where` and `devices.group`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Scan {
    /// At this shard, from this cursor on.
    At {
        shard: u16,
        cursor: Option<Vec<u8>>,
    },
    #[default]
    NotAsked,
    Done,
}

impl EnrolmentRow {
    /// Parts of one campaign: a hundred million devices in parts of a thousand.
    pub(crate) const MOST_PARTS: u32 = 100_000;

    /// Marks a part as enrolled; false when it was already.
    pub(crate) fn mark(&mut self, part: u32) -> bool {
        let at = self.parts.partition_point(|(_, last)| *last < part);
        if self.parts.get(at).is_some_and(|(first, last)| (*first..=*last).contains(&part)) {
            return false;
        }
        self.parts.insert(at, (part, part));
        // Neighbours that now touch become one range, so that a complete file is a single one.
        self.parts.dedup_by(|next, range| {
            let touch = range.1.checked_add(1) == Some(next.0);
            if touch {
                range.1 = next.1;
            }
            touch
        });
        true
    }

    /// Whether the part is enrolled.
    pub(crate) fn has(&self, part: u32) -> bool {
        self.parts.iter().any(|(first, last)| (*first..=*last).contains(&part))
    }

    /// Whether part 0 to part `expected - 1` are all enrolled.
    pub(crate) fn parts_complete(&self) -> bool {
        match self.expected {
            None => false,
            Some(0) => true,
            Some(expected) => {
                self.parts.first().is_some_and(|(first, last)| *first == 0 && *last >= expected - 1)
            }
        }
    }

    /// Whether every source of devices that the campaign names has been read to its end.
    pub(crate) fn complete(&self, file: bool) -> bool {
        self.list_done && !matches!(self.scan, Scan::At { .. }) && (!file || self.parts_complete())
    }
}

/// Which campaign a sequence belongs to, also when it is ended: reports name campaigns by their ids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NameRow {
    pub id: CampaignId,
    /// Which results are told.
    pub report: Report,
}

impl Stored for NameRow {}

impl NameRow {
    pub(crate) fn shard(seq: u64) -> Shard {
        Shard::of(&seq.to_be_bytes())
    }

    /// Look-ups of numbers begin with the name of an authority, this with an octet that is in none.
    pub(crate) fn key(seq: u64) -> Key {
        let mut id = vec![3];
        id.extend_from_slice(&seq.to_be_bytes());
        Key { table: Table::Lookup, id }
    }
}

/// The campaigns that are not ended, and the last sequence given. One row for the deployment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Directory {
    pub last_seq: u64,
    pub active: Vec<Entry>,
    /// Grows with every change of any campaign's control, so that workers notice by reading this row alone (D9).
    pub version: u64,
}

/// One campaign in the directory. It may be an orphan: readers look whether its row says the same sequence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub seq: u64,
    pub id: CampaignId,
    pub added: Instant,
}

impl Stored for Directory {}

impl Directory {
    /// Campaigns that may be open at one time.
    pub(crate) const MOST: usize = 256;

    pub(crate) fn shard() -> Shard {
        Shard::of(b"campaigns")
    }

    pub(crate) fn key() -> Key {
        Key { table: Table::Control, id: b"campaigns".to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_in_any_order_make_one_range_and_a_repeated_part_changes_nothing() {
        let mut row = EnrolmentRow { expected: Some(5), ..EnrolmentRow::default() };
        for part in [3, 0, 4, 1] {
            assert!(row.mark(part));
            assert!(!row.mark(part), "part {part} again");
            assert!(!row.parts_complete());
        }
        assert!(row.mark(2));
        assert_eq!(row.parts, [(0, 4)]);
        assert!(row.parts_complete());
    }

    #[test]
    fn a_campaign_of_the_version_before_is_read() {
        let row = CampaignRow {
            seq: 7,
            document: Sealed(vec![1, 2]),
            state: CampaignState::Running,
            submitted: Instant(3),
            changed: Instant(4),
            climb: None,
        };
        let mut octets = row.to_octets();
        assert_eq!((octets.first(), octets.last()), (Some(&2), Some(&0)));
        octets.pop();
        if let Some(version) = octets.first_mut() {
            *version = 1;
        }
        assert_eq!(CampaignRow::from_octets(&octets).unwrap(), row);
    }

    #[test]
    fn a_file_without_a_stated_end_is_not_complete() {
        let mut row = EnrolmentRow { list_done: true, ..EnrolmentRow::default() };
        row.mark(0);
        assert!(!row.complete(true));
        assert!(row.complete(false));
        row.expected = Some(1);
        assert!(row.complete(true));
    }
}
