//! What a line says of a device, each text judged by the rules of its key. Nothing here knows what the registry holds.

mod rules;
#[cfg(test)]
mod tests;

use super::{
    line::{Cells, Fault, Text},
    lookup::{Kind, Number, is_device_name},
};
use crate::rows::{Auth, DeviceId};
use campaign::time::Instant;
use std::{collections::BTreeMap, fmt};
use wire::{Encoding, digest::Nonce};

/// The longest text of a key, in octets, unless its rule says less.
pub const LONGEST_TEXT: usize = 256;
/// The longest maker, model, firmware, version, zone, group, or name of an attribute, in octets.
pub const LONGEST_NAME: usize = 64;
/// The most groups of a device.
pub const MOST_GROUPS: usize = 64;
/// The most attributes of a device.
pub const MOST_ATTRIBUTES: usize = 64;

const ATTRIBUTE: &str = "attributes.";

/// The keys of a line, `attributes.NAME` aside.
pub const KEYS: [&str; 22] = [
    "device",
    "authority",
    "auth",
    "user",
    "secret",
    "nonce",
    "server_auth",
    "server_user",
    "server_secret",
    "server_nonce",
    "msisdn",
    "imsi",
    "address",
    "cert_sha256",
    "encoding",
    "manufacturer",
    "model",
    "firmware",
    "dm_version",
    "time_zone",
    "groups",
    "as_of",
];

/// A secret on its way to the vault. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What a line says of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Said<T> {
    #[default]
    Nothing,
    /// The value is taken away.
    Gone,
    Is(T),
}

impl<T> Said<T> {
    /// Writes what was said over `value`; answers nothing when nothing was said.
    pub fn lay_over(self, value: &mut Option<T>) {
        match self {
            Self::Nothing => {}
            Self::Gone => *value = None,
            Self::Is(new) => *value = Some(new),
        }
    }

    fn is(self) -> Option<T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Nothing | Self::Gone => None,
        }
    }
}

impl Said<String> {
    /// As [`Self::lay_over`], for a text that is empty when it is not known.
    pub fn lay_over_text(self, value: &mut String) {
        match self {
            Self::Nothing => {}
            Self::Gone => value.clear(),
            Self::Is(new) => *value = new,
        }
    }
}

/// One line, understood.
#[derive(Clone)]
pub struct Record {
    pub id: DeviceId,
    pub auth: Option<Auth>,
    pub user: Option<String>,
    pub secret: Option<Password>,
    pub nonce: Said<Nonce>,
    pub server_auth: Said<Auth>,
    pub server_user: Option<String>,
    pub server_secret: Option<Password>,
    pub server_nonce: Said<Nonce>,
    pub msisdn: Said<Number>,
    pub imsi: Said<Number>,
    pub address: Said<String>,
    pub cert_sha256: Said<[u8; 32]>,
    pub encoding: Said<Encoding>,
    pub manufacturer: Said<String>,
    pub model: Said<String>,
    pub firmware: Said<String>,
    pub dm_version: Said<String>,
    pub time_zone: Said<String>,
    /// The groups as a whole: none, when they are gone.
    pub groups: Option<Vec<String>>,
    pub attributes: BTreeMap<String, Option<String>>,
    pub as_of: Option<Instant>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whether `key` may stand in a line.
pub fn is_known(key: &str) -> Result<(), Fault> {
    match key.strip_prefix(ATTRIBUTE) {
        Some(name) if is_identifier(name) => Ok(()),
        Some(_) => Err(Fault::new(
            key,
            "is not the name of an attribute",
            format!("up to {LONGEST_NAME} letters, digits and '_', not beginning with a digit"),
        )),
        None if KEYS.contains(&key) => Ok(()),
        None => Err(Fault::new(
            key,
            "is not known",
            format!("the keys are {}, and attributes.NAME", KEYS.join(", ")),
        )),
    }
}

/// Something that expressions can name: `attributes.plan`.
fn is_identifier(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
}

impl Record {
    /// Judges the cells of a line. `authority` is that of lines that name none.
    ///
    /// # Errors
    /// The first key that is wrong, with what and what to do.
    pub fn read(cells: Cells<'_>, authority: Option<&str>) -> Result<Self, Fault> {
        let mut texts = Texts(BTreeMap::new());
        let mut attributes = BTreeMap::new();
        for (key, text) in cells {
            is_known(&key)?;
            if let Some(name) = key.strip_prefix(ATTRIBUTE) {
                attributes.insert(name.to_owned(), rules::attribute(&key, text)?);
            } else {
                texts.0.insert(key.into_owned(), text);
            }
        }
        if attributes.len() > MOST_ATTRIBUTES {
            return Err(Fault::new(
                "attributes",
                format!("are more than {MOST_ATTRIBUTES}"),
                "take some out",
            ));
        }
        Ok(Self {
            id: id(&mut texts, authority)?,
            auth: texts.needed("auth", rules::auth)?,
            user: texts.needed("user", |text| rules::plain(text, DeviceId::LONGEST))?,
            secret: texts.needed("secret", rules::password)?,
            nonce: texts.read("nonce", rules::nonce)?,
            server_auth: texts.read("server_auth", rules::auth)?,
            server_user: texts
                .needed("server_user", |text| rules::plain(text, DeviceId::LONGEST))?,
            server_secret: texts.needed("server_secret", rules::password)?,
            server_nonce: texts.read("server_nonce", rules::nonce)?,
            msisdn: texts.read("msisdn", |text| rules::number(Kind::Msisdn, text))?,
            imsi: texts.read("imsi", |text| rules::number(Kind::Imsi, text))?,
            address: texts.read("address", rules::address)?,
            cert_sha256: texts.read("cert_sha256", rules::digest)?,
            encoding: texts.read("encoding", rules::encoding)?,
            manufacturer: texts.read("manufacturer", rules::name)?,
            model: texts.read("model", rules::name)?,
            firmware: texts.read("firmware", rules::name)?,
            dm_version: texts.read("dm_version", rules::name)?,
            time_zone: texts.read("time_zone", rules::name)?,
            groups: match texts.read("groups", rules::groups)? {
                Said::Nothing => None,
                Said::Gone => Some(Vec::new()),
                Said::Is(groups) => Some(groups),
            },
            attributes,
            as_of: texts.needed("as_of", rules::as_of)?,
        })
    }

    /// The numbers that the line gives to its device.
    pub fn numbers(&self) -> impl Iterator<Item = &Number> {
        [&self.msisdn, &self.imsi].into_iter().filter_map(|said| match said {
            Said::Is(number) => Some(number),
            Said::Nothing | Said::Gone => None,
        })
    }
}

/// The texts of a line by key.
struct Texts<'a>(BTreeMap<String, Text<'a>>);

impl Texts<'_> {
    fn read<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, rules::Wrong>,
    ) -> Result<Said<T>, Fault> {
        match self.0.remove(key) {
            None => Ok(Said::Nothing),
            Some(Text::Gone) => Ok(Said::Gone),
            Some(Text::Is(text)) => {
                parse(&text).map(Said::Is).map_err(|(what, help)| Fault::new(key, what, help))
            }
        }
    }

    /// As [`Self::read`], for what a device cannot be without.
    fn needed<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, rules::Wrong>,
    ) -> Result<Option<T>, Fault> {
        match self.read(key, parse)? {
            Said::Gone => Err(Fault::new(
                key,
                "cannot be taken away",
                "give it a value, or leave the key out",
            )),
            said => Ok(said.is()),
        }
    }
}

fn id(texts: &mut Texts<'_>, authority: Option<&str>) -> Result<DeviceId, Fault> {
    let device = texts.needed("device", |text| {
        if is_device_name(text) {
            Ok(text.to_owned())
        } else {
            Err((
                "is not the name of a device",
                "1 to 128 octets of text, and not msisdn:… or imsi:…",
            ))
        }
    })?;
    let device = device.ok_or_else(|| {
        Fault::new("device", "is missing", "name the device: the Source LocURI of its sessions")
    })?;
    let own = texts.needed("authority", |text| Ok(text.to_owned()))?;
    match (own, authority) {
        (Some(own), Some(asked)) if own != asked => Err(Fault::new(
            "authority",
            format!("is not `{asked}`, for which this import is"),
            "import the lines of each authority by themselves",
        )),
        (Some(own), _) => Ok(DeviceId::new(own, device)),
        (None, Some(asked)) => Ok(DeviceId::new(asked, device)),
        (None, None) => Err(Fault::new(
            "authority",
            "is missing",
            "name it in the line, or for the whole import",
        )),
    }
}
