//! Where a row lives: 256 shards, fixed for the life of a deployment, and the text that names each one in Redis.

use std::fmt;
use std::sync::LazyLock;

/// The number of shards.
pub const SHARDS: u16 = 256;

/// One of the 256 parts of the store. Everything that one change touches lives in one shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(u8);

impl Shard {
    /// The shard of a root: (authority, device), (authority, campaign) or (kind, key) as octets.
    ///
    /// The function is part of the stored format and never changes: FNV-1a of 64 bits, mixed by the finalizer of
    /// `MurmurHash3` because the upper bits of FNV of short texts are poor, and then the top eight bits.
    pub fn of(root: &[u8]) -> Self {
        let [top, ..] = stable_hash(root).to_be_bytes();
        Self(top)
    }

    /// Every shard, in order.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        (0..=u8::MAX).map(Self)
    }

    pub const fn number(self) -> u8 {
        self.0
    }

    /// The hash tag of the shard's keys in Redis, without braces. Any contiguous split of the 16384 slots over masters
    /// gives each master its share of the shards (decision D1).
    pub fn tag(self) -> &'static str {
        TAGS.get(usize::from(self.0)).map_or("", String::as_str)
    }

    /// The slot of all the shard's keys in a Redis cluster.
    pub(super) fn slot(self) -> u16 {
        slot(self.tag().as_bytes())
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shard({})", self.0)
    }
}

impl From<u8> for Shard {
    fn from(number: u8) -> Self {
        Self(number)
    }
}

/// A hash that is the same on every machine and in every version of the program. Not for use against an attacker.
pub(super) fn stable_hash(octets: &[u8]) -> u64 {
    let fnv = octets.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

/// Slots of one shard: 16384 slots over 256 shards.
const SLOTS_PER_SHARD: u16 = 16384 / SHARDS;

/// For each shard the smallest text, by length and then by octets, whose slot lies in its range.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut tags = vec![String::new(); usize::from(SHARDS)];
    let mut missing = tags.len();
    for text in texts() {
        let shard = slot(text.as_bytes()) / SLOTS_PER_SHARD;
        if let Some(tag) = tags.get_mut(usize::from(shard)).filter(|tag| tag.is_empty()) {
            *tag = text;
            missing -= 1;
        }
        if missing == 0 {
            break;
        }
    }
    tags
});

/// All texts of digits and small letters, the shorter first.
fn texts() -> impl Iterator<Item = String> {
    const LETTERS: &str = "0123456789abcdefghijklmnopqrstuvwxyz";
    let mut longest = vec![String::new()];
    std::iter::from_fn(move || {
        longest = longest
            .iter()
            .flat_map(|text| LETTERS.chars().map(move |letter| format!("{text}{letter}")))
            .collect();
        Some(longest.clone())
    })
    .flatten()
}

/// The slot of a key in a Redis cluster: CRC16 (XMODEM: polynomial 0x1021, from 0) of the tag, modulo 16384.
fn slot(tag: &[u8]) -> u16 {
    let crc = tag.iter().fold(0u16, |crc, octet| {
        (0..8).fold(crc ^ (u16::from(*octet) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % 16384
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn the_shard_of_a_root_never_changes() {
        let fixed = [
            ("", 239u8),
            ("a", 130),
            ("acme\0IMEI:490154203237518", 201),
            ("acme\0winter", 64),
            ("msisdn\x004670000001", 164),
        ];
        let found: Vec<_> =
            fixed.iter().map(|(root, _)| Shard::of(root.as_bytes()).number()).collect();
        assert_eq!(found, fixed.map(|(_, shard)| shard));
    }

    #[test]
    fn devices_with_numbers_in_a_row_spread_evenly_over_the_shards() {
        let mut devices = BTreeMap::new();
        for number in 0..256_000u32 {
            *devices
                .entry(Shard::of(format!("acme\0IMEI:{number:015}").as_bytes()))
                .or_insert(0u32) += 1;
        }
        assert_eq!(devices.len(), 256);
        // 1000 each, give or take five standard deviations.
        assert!(devices.values().all(|count| (840..1160).contains(count)), "{devices:?}");
    }

    #[test]
    fn slots_are_those_that_redis_computes() {
        // 0x31C3 is the check value of CRC-16/XMODEM; 12182 is what CLUSTER KEYSLOT answers for "foo".
        assert_eq!(slot(b"123456789"), 0x31C3);
        assert_eq!(slot(b"foo"), 12182);
    }

    #[test]
    fn every_shard_has_its_own_short_tag_in_its_own_range_of_slots() {
        for shard in Shard::all() {
            let tag = shard.tag();
            assert!((1..=3).contains(&tag.len()), "{shard:?} {tag:?}");
            assert_eq!(slot(tag.as_bytes()) / 64, u16::from(shard.number()));
        }
        assert_eq!(Shard::all().map(Shard::tag).collect::<BTreeSet<_>>().len(), 256);
    }

    #[test]
    fn the_table_of_tags_never_changes() {
        let digest = Shard::all().fold(String::new(), |all, shard| all + shard.tag() + " ");
        assert_eq!(stable_hash(digest.as_bytes()), 8_700_621_809_998_410_800, "{digest}");
    }

    #[test]
    fn any_even_split_of_the_slots_gives_every_master_its_share() {
        for masters in [1u16, 2, 3, 5, 7, 10, 16] {
            let mut shards = BTreeMap::new();
            for shard in Shard::all() {
                let master = u32::from(slot(shard.tag().as_bytes())) * u32::from(masters) / 16384;
                *shards.entry(master).or_insert(0u16) += 1;
            }
            let mean = SHARDS / masters;
            assert!(
                shards.values().all(|count| (mean.saturating_sub(1)..=mean + 2).contains(count)),
                "{shards:?}"
            );
        }
    }
}
