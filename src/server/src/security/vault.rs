//! Sealing what is stored: AES-256-GCM, bound to what it belongs to.
//!
//! A sealed blob is a version octet, the number of its key, a random nonce, the ciphertext and its tag: 30 octets more
//! than what it holds. Its binding (what for, whose) is authenticated with it, so that a blob copied into another row
//! does not open there.
//!
//! Secrets of devices are many and short, so theirs go without the nonce: AES-256-GCM-SIV, under a nonce that is drawn from
//! the binding and not stored, 18 octets more than what they hold. The same secret of the same device then makes the same
//! blob, and that is all that two blobs tell.

#[cfg(test)]
mod tests;

use super::key_file::{self, KeyFileError};
use crate::{
    config::{Config, Store},
    rows::{DeviceId, Sealed},
};
use aws_lc_rs::{
    aead::{
        AES_256_GCM, AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, RandomizedNonceKey,
        UnboundKey,
    },
    hmac,
};
use std::{fmt, path::Path};
use wire::digest::SecretHash;

/// A master key, from which the working keys are derived.
pub type Key = [u8; 32];

/// The form of a sealed blob with its nonce.
const RANDOM: u8 = 1;
/// The form of one whose nonce is drawn from its binding.
const DRAWN: u8 = 2;

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// H(user:password) of a device.
    DeviceSecret,
    /// What the server shows to a device: H(user:password), or the password for Basic.
    ServerSecret,
    /// H(server id:password), for notifications.
    NotificationSecret,
    /// A campaign with secret settings.
    Campaign,
    /// What a care job is to do, and what it read.
    Care,
    /// Something known, by which a process sees that it has the deployment's key.
    KeyCheck,
}

impl Purpose {
    /// Stored inside every binding: never renumber.
    const fn octet(self) -> u8 {
        match self {
            Self::DeviceSecret => 1,
            Self::ServerSecret => 2,
            Self::NotificationSecret => 3,
            Self::Campaign => 4,
            Self::KeyCheck => 5,
            Self::Care => 6,
        }
    }

    /// The form in which it is sealed.
    const fn form(self) -> u8 {
        match self {
            Self::DeviceSecret | Self::ServerSecret | Self::NotificationSecret => DRAWN,
            Self::Campaign | Self::Care | Self::KeyCheck => RANDOM,
        }
    }
}

/// What a sealed blob belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    pub purpose: Purpose,
    pub authority: &'a str,
    /// The device, or the campaign.
    pub name: &'a str,
}

impl<'a> Binding<'a> {
    pub fn device(purpose: Purpose, id: &'a DeviceId) -> Self {
        Self { purpose, authority: &id.authority, name: &id.device }
    }

    fn octets(&self, form: u8) -> Vec<u8> {
        let mut octets = vec![form, self.purpose.octet()];
        add_part(&mut octets, self.authority.as_bytes());
        add_part(&mut octets, self.name.as_bytes());
        octets
    }
}

/// Adds a part with its length before it, so that no two lists of parts make the same octets.
pub(super) fn add_part(octets: &mut Vec<u8>, part: &[u8]) {
    octets.extend_from_slice(&(part.len() as u64).to_be_bytes());
    octets.extend_from_slice(part);
}

/// Why a blob could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("a secret could not be sealed")]
    NotSealed,
    #[error("a sealed secret is too short to be one")]
    TooShort,
    #[error("a sealed secret has version {0}, which this program does not know")]
    Version(u8),
    #[error("a secret was sealed with key {0}, which the key file does not hold")]
    NoKey(u8),
    #[error("a sealed secret does not open: it was changed, or belongs elsewhere")]
    NotOpened,
    #[error("a sealed digest is not 16 octets")]
    NotADigest,
}

/// The keys, ready to work.
pub struct Vault {
    /// One or two, the one that seals first.
    keys: Vec<WorkingKey>,
}

struct WorkingKey {
    number: u8,
    seal: RandomizedNonceKey,
    seal_drawn: LessSafeKey,
    draw: hmac::Key,
    derive: hmac::Key,
}

impl Vault {
    /// The vault that the configuration names. On the first start of an embedded node its key file is made; call this
    /// before the store is opened, since a store that holds data without a key file is refused.
    pub fn at_start(config: &Config) -> Result<Self, KeyFileError> {
        let file = config.key_file().unwrap_or_default();
        match &config.store {
            Store::Embedded { path, .. } if !file.exists() => {
                if is_used(path) {
                    return Err(KeyFileError::Gone { file, store: path.clone() });
                }
                key_file::make(&file)?;
            }
            Store::Embedded { .. } | Store::Redis { .. } => {}
        }
        Self::open_file(&file)
    }

    /// The vault of a key file that is there.
    pub fn open_file(file: &Path) -> Result<Self, KeyFileError> {
        Ok(Self::of(key_file::read(file)?))
    }

    /// A vault with a new key that is kept nowhere: what it seals is lost with it.
    pub fn ephemeral() -> Self {
        Self::of(vec![(1, rand::random())])
    }

    /// Of numbered keys, the one that seals first.
    pub(crate) fn of(keys: Vec<(u8, Key)>) -> Self {
        Self { keys: keys.into_iter().map(|(number, key)| WorkingKey::new(number, &key)).collect() }
    }

    /// Seals `plain` so that it opens under the same binding only.
    pub fn seal(&self, binding: &Binding<'_>, plain: &[u8]) -> Result<Sealed, SealError> {
        let key = self.keys.first().ok_or(SealError::NotSealed)?;
        let form = binding.purpose.form();
        let (aad, mut body) = (binding.octets(form), plain.to_vec());
        let mut blob = vec![form, key.number];
        if form == DRAWN {
            let nonce = key.draw_nonce(&aad);
            key.seal_drawn
                .seal_in_place_append_tag(nonce, Aad::from(aad), &mut body)
                .map_err(|_unspecified| SealError::NotSealed)?;
        } else {
            let nonce = key
                .seal
                .seal_in_place_append_tag(Aad::from(aad), &mut body)
                .map_err(|_unspecified| SealError::NotSealed)?;
            blob.extend_from_slice(nonce.as_ref());
        }
        blob.append(&mut body);
        Ok(Sealed(blob))
    }

    /// Opens what [`Self::seal`] sealed under this binding.
    pub fn open(&self, binding: &Binding<'_>, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let ([version, number], rest) = sealed.0.split_first_chunk().ok_or(SealError::TooShort)?;
        if ![RANDOM, DRAWN].contains(version) {
            return Err(SealError::Version(*version));
        }
        let key =
            self.keys.iter().find(|key| key.number == *number).ok_or(SealError::NoKey(*number))?;
        let aad = binding.octets(*version);
        if *version == DRAWN {
            let (nonce, mut body) = (key.draw_nonce(&aad), rest.to_vec());
            let plain = key
                .seal_drawn
                .open_in_place(nonce, Aad::from(aad), &mut body)
                .map_err(|_unspecified| SealError::NotOpened)?;
            return Ok(plain.to_vec());
        }
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::TooShort)?;
        let mut body = body.to_vec();
        let plain = key
            .seal
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut body)
            .map_err(|_unspecified| SealError::NotOpened)?;
        Ok(plain.to_vec())
    }

    /// Seals a digest of credentials.
    pub fn seal_hash(&self, binding: &Binding<'_>, hash: &SecretHash) -> Result<Sealed, SealError> {
        self.seal(binding, hash.octets())
    }

    /// Opens what [`Self::seal_hash`] sealed.
    pub fn open_hash(
        &self,
        binding: &Binding<'_>,
        sealed: &Sealed,
    ) -> Result<SecretHash, SealError> {
        let plain = self.open(binding, sealed)?;
        Ok(SecretHash::from_octets(
            plain.try_into().map_err(|_wrong_length| SealError::NotADigest)?,
        ))
    }

    /// Whether `sealed` was sealed with the key that seals now; if not, sealing it anew finishes a rotation.
    pub fn is_current(&self, sealed: &Sealed) -> bool {
        self.keys.first().is_some_and(|key| sealed.0.get(1) == Some(&key.number))
    }

    /// The first 16 octets of HMAC-SHA256 over the parts, under the newest key and under the one before it (the newest
    /// again when there is no other). The parts are told apart by their lengths.
    pub(super) fn derive(&self, label: &str, parts: &[&[u8]]) -> [[u8; 16]; 2] {
        let mut octets = Vec::new();
        add_part(&mut octets, label.as_bytes());
        for part in parts {
            add_part(&mut octets, part);
        }
        let under = |key: Option<&WorkingKey>| {
            let mac = key.map(|key| hmac::sign(&key.derive, &octets));
            mac.and_then(|mac| mac.as_ref().first_chunk().copied())
                .expect("a vault has a key, and HMAC-SHA256 32 octets")
        };
        let newest = under(self.keys.first());
        [newest, if self.keys.len() > 1 { under(self.keys.last()) } else { newest }]
    }
}

/// Whether a store's directory holds anything but what an interrupted first start left.
fn is_used(directory: &Path) -> bool {
    let mut names =
        directory.read_dir().into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.any(|name| !name.to_string_lossy().starts_with(key_file::DRAFT))
}

impl WorkingKey {
    /// One key for each use, so that neither use says anything about the other.
    fn new(number: u8, master: &Key) -> Self {
        let master = hmac::Key::new(hmac::HMAC_SHA256, master);
        let seal = hmac::sign(&master, b"reveille seal 1");
        let seal_drawn = hmac::sign(&master, b"reveille seal 2");
        let draw = hmac::sign(&master, b"reveille draw 2");
        let derive = hmac::sign(&master, b"reveille derive 1");
        Self {
            number,
            seal: RandomizedNonceKey::new(&AES_256_GCM, seal.as_ref())
                .expect("HMAC-SHA256 gives the 32 octets of a key"),
            seal_drawn: UnboundKey::new(&AES_256_GCM_SIV, seal_drawn.as_ref())
                .map(LessSafeKey::new)
                .expect("HMAC-SHA256 gives the 32 octets of a key"),
            draw: hmac::Key::new(hmac::HMAC_SHA256, draw.as_ref()),
            derive: hmac::Key::new(hmac::HMAC_SHA256, derive.as_ref()),
        }
    }

    /// The nonce of what is sealed under this binding. It comes again when the secret of a device changes, which is what
    /// GCM-SIV is for.
    fn draw_nonce(&self, binding: &[u8]) -> Nonce {
        let drawn = hmac::sign(&self.draw, binding);
        let nonce = drawn.as_ref().first_chunk::<NONCE_LEN>();
        Nonce::assume_unique_for_key(*nonce.expect("HMAC-SHA256 gives 32 octets"))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("keys", &self.keys.len()).finish()
    }
}
