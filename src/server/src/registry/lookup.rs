//! Devices by number: `msisdn:…` and `imsi:…` do wherever a device is named.
//!
//! A look-up row is written before the row of its device, and believed only when that row says the same. So a crash
//! between the two leaves a row that misleads nobody (D1).

use super::RegistryError;
use crate::{
    compact,
    rows::{Device, DeviceId, Stored},
    store::{Key, Shard, Store, Table},
    update,
};
use campaign::time::Instant;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which of a subscriber's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Msisdn,
    Imsi,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Msisdn, Self::Imsi];

    /// The key of an import, and what stands before the colon in a name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Msisdn => "msisdn",
            Self::Imsi => "imsi",
        }
    }
}

/// A subscriber's number, digits alone. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number {
    pub kind: Kind,
    digits: String,
}

impl Number {
    /// Reads the digits of an E.164 number (a plus before them is dropped) or of an IMSI: 5 to 15 of them.
    pub fn parse(kind: Kind, text: &str) -> Option<Self> {
        let digits = match kind {
            Kind::Msisdn => text.strip_prefix('+').unwrap_or(text),
            Kind::Imsi => text,
        };
        let sound =
            (5..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
        sound.then(|| Self { kind, digits: digits.to_owned() })
    }

    /// The number that `name` asks for; `None` when it names a device by its id.
    /// `Some(None)` when it says that it is a number and is none.
    pub fn of_name(name: &str) -> Option<Option<Self>> {
        let (kind, digits) = name.split_once(':')?;
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind)?;
        Some(Self::parse(kind, digits))
    }

    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// How a device is asked for by this number.
    pub fn name(&self) -> String {
        format!("{}:{}", self.kind.name(), self.digits)
    }

    /// The numbers that the row of a device says are its own.
    pub fn all_of(device: &Device) -> impl Iterator<Item = Self> {
        let own = [(Kind::Msisdn, &device.msisdn), (Kind::Imsi, &device.imsi)];
        own.into_iter().filter_map(|(kind, digits)| Some(Self { kind, digits: digits.clone()? }))
    }

    /// Whether the row of a device says that this number is its own.
    pub fn belongs_to(&self, device: &Device) -> bool {
        Self::all_of(device).any(|own| own == *self)
    }

    pub(super) fn take_from(&self, device: &mut Device) {
        match self.kind {
            Kind::Msisdn => device.msisdn = None,
            Kind::Imsi => device.imsi = None,
        }
    }

    /// The look-up row of this number, and its shard.
    pub(super) fn row(&self, authority: &str) -> (Shard, Key) {
        let mut id = Vec::with_capacity(24 + authority.len());
        for part in
            [authority.as_bytes(), &[0], self.kind.name().as_bytes(), &[0], self.digits.as_bytes()]
        {
            id.extend_from_slice(part);
        }
        (Shard::of(&id), Key { table: Table::Lookup, id })
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:…", self.kind.name())
    }
}

/// The `i` row: whose number this is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LookupRow {
    pub(super) device: String,
    /// Whose it was before: still right while the row of `device` is not written yet.
    pub(super) before: Option<String>,
    /// The news that gave it to `device`; older news do not take it away.
    pub(super) as_of: Instant,
}

impl Stored for LookupRow {
    const VERSION: u8 = 2;

    /// There are two of these for a device, so its name is packed.
    fn to_octets(&self) -> Vec<u8> {
        let packed = |device: &String| compact::pack(device.as_bytes());
        let row = (packed(&self.device), self.before.as_ref().map(packed), self.as_of);
        postcard::to_extend(&row, vec![Self::VERSION]).expect("octets and numbers can be written")
    }

    fn read(rest: &[u8]) -> Result<Self, postcard::Error> {
        let (device, before, as_of): (Vec<u8>, Option<Vec<u8>>, Instant) =
            postcard::from_bytes(rest)?;
        let name = |packed: Vec<u8>| {
            let name = compact::unpack(&packed).and_then(|name| String::from_utf8(name).ok());
            name.ok_or(postcard::Error::DeserializeBadEncoding)
        };
        Ok(Self { device: name(device)?, before: before.map(name).transpose()?, as_of })
    }

    fn from_before(rest: &[u8]) -> Option<Result<Self, postcard::Error>> {
        Some(postcard::from_bytes(rest))
    }
}

impl fmt::Debug for LookupRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookupRow").field("device", &self.device).finish_non_exhaustive()
    }
}

/// The device that `name` names: its id, `msisdn:…` or `imsi:…`.
///
/// A number is looked up and verified; none when it is nobody's. An id is taken as it is, whether or not there is such a
/// device; none when no device can have it.
pub async fn resolve(
    store: &dyn Store,
    authority: &str,
    name: &str,
) -> Result<Option<DeviceId>, RegistryError> {
    let number = match Number::of_name(name) {
        None => return Ok(is_device_name(name).then(|| DeviceId::new(authority, name))),
        Some(None) => return Ok(None),
        Some(Some(number)) => number,
    };
    let (shard, key) = number.row(authority);
    let Some((row, _)) = update::load::<LookupRow>(store, shard, &key).await? else {
        return Ok(None);
    };
    for device in std::iter::once(row.device).chain(row.before) {
        let id = DeviceId::new(authority, device);
        let device =
            update::load::<Device>(store, Shard::of(&id.root()), &id.key(Table::Device)).await?;
        if device.is_some_and(|(device, _)| number.belongs_to(&device)) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Whether a device may have this id: 1 to 128 octets of text without control characters, not padded with white space,
/// and not to be mistaken for a number.
pub fn is_device_name(name: &str) -> bool {
    (1..=DeviceId::LONGEST).contains(&name.len())
        && !name.chars().any(char::is_control)
        && name.trim() == name
        && Number::of_name(name).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_in_the_spellings_that_people_use_and_never_shown() {
        let number = Number::parse(Kind::Msisdn, "+447700900123").unwrap();
        assert_eq!(number.digits(), "447700900123");
        assert_eq!(Number::of_name("msisdn:447700900123"), Some(Some(number.clone())));
        assert_eq!(format!("{number:?}"), "msisdn:…");
        for wrong in ["", "+", "4477", "44 7700 900123", "0x447700900123", "4477009001234567"] {
            assert_eq!(Number::parse(Kind::Msisdn, wrong), None, "{wrong}");
        }
        assert_eq!(Number::of_name("imsi:x"), Some(None));
        assert_eq!(Number::of_name("IMEI:350000000000017"), None);
    }

    #[test]
    fn a_device_name_is_never_a_number() {
        for right in ["IMEI:350000000000017", "urn:uuid:1", "a", "Ärger mit Leerzeichen"] {
            assert!(is_device_name(right), "{right}");
        }
        for wrong in ["", " a", "a\n", "a\0b", "msisdn:1", "imsi:234150999999999", &"x".repeat(129)]
        {
            assert!(!is_device_name(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_look_up_row_comes_back_as_it_was_stored_now_and_by_the_version_before() {
        let name = |digits| format!("IMEI:35000000000001{digits}");
        for before in [None, Some(name(8))] {
            let row = LookupRow { device: name(7), before, as_of: Instant(9) };
            let stored = row.to_octets();
            assert!(stored.len() < 24, "{} octets", stored.len());
            assert!(LookupRow::from_octets(&stored).unwrap() == row);
            let old = postcard::to_extend(&row, vec![1]).unwrap();
            assert!(LookupRow::from_octets(&old).unwrap() == row);
            assert!(LookupRow::from_octets(&stored[..9]).is_err());
        }
    }

    #[test]
    fn numbers_of_two_kinds_or_authorities_have_rows_of_their_own() {
        let row = |kind, authority| Number::parse(kind, "23415099999").unwrap().row(authority).1;
        assert_ne!(row(Kind::Msisdn, "a"), row(Kind::Imsi, "a"));
        assert_ne!(row(Kind::Imsi, "a"), row(Kind::Imsi, "b"));
    }
}
