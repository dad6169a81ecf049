//! Proof of identity: Basic and MD5 credentials, nonces, challenges, and the keyed digest that notifications share
//! with `x-syncml-hmac` (DM Security 1.2).
//!
//! With H = MD5 and B64 = base64, everything starts from H(user ":" password), the [`SecretHash`]: passwords are
//! hashed where they arrive and not kept. Comparisons take the same time whatever they find.

use crate::{
    message::{Cred, Data},
    meta::{Format, Meta},
};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::ConstantTimeEq;

/// `Type` of Basic credentials; also what a `Cred` without a type means.
pub const BASIC: &str = "syncml:auth-basic";
/// `Type` of MD5 credentials.
pub const MD5: &str = "syncml:auth-md5";
/// `Type` of a challenge that asks for the `x-syncml-hmac` header.
pub const MAC: &str = "syncml:auth-MAC";

/// Reads what clients write: padding present or not, stray bits at the end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The octets of a base64 text, white space in it ignored; `None` when it is no base64.
pub(crate) fn base64_octets(text: &str) -> Option<Vec<u8>> {
    if text.bytes().any(|octet| octet.is_ascii_whitespace()) {
        let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        return LENIENT.decode(packed).ok();
    }
    LENIENT.decode(text).ok()
}

pub(crate) fn base64_text(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

/// H(user ":" password): what both sides know. Never printed.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 16]);

impl SecretHash {
    pub fn of(user: &str, password: &str) -> Self {
        Self(
            Md5::new()
                .chain_update(user)
                .chain_update(":")
                .chain_update(password)
                .finalize()
                .into(),
        )
    }

    pub const fn from_octets(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    pub const fn octets(&self) -> &[u8; 16] {
        &self.0
    }
}

/// In constant time.
impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

impl Eq for SecretHash {}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// What one side gives the other to mix into its next digest. Raw octets; base64 only on the wire. Never printed.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>")]
pub struct Nonce(Box<[u8]>);

/// Why something is no nonce.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NonceError {
    #[error("a nonce has at most {} octets", Nonce::LONGEST)]
    TooLong,
    #[error("a nonce is base64 text")]
    NotBase64,
}

impl Nonce {
    /// The longest nonce accepted, in octets.
    pub const LONGEST: usize = 128;

    pub fn new(octets: &[u8]) -> Result<Self, NonceError> {
        if octets.len() > Self::LONGEST {
            Err(NonceError::TooLong)
        } else {
            Ok(Self(octets.into()))
        }
    }

    /// Decodes `NextNonce`. Empty text is an empty nonce.
    pub fn from_base64(text: &str) -> Result<Self, NonceError> {
        if text.len() > 2 * Self::LONGEST {
            return Err(NonceError::TooLong);
        }
        Self::new(&base64_octets(text).ok_or(NonceError::NotBase64)?)
    }

    pub fn to_base64(&self) -> String {
        base64_text(&self.0)
    }

    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<u8>> for Nonce {
    type Error = NonceError;

    fn try_from(octets: Vec<u8>) -> Result<Self, NonceError> {
        Self::new(&octets)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({} octets)", self.0.len())
    }
}

/// The digest that proves knowledge of the secret under a nonce: H(B64(secret) ":" nonce).
pub fn md5(secret: &SecretHash, nonce: &Nonce) -> [u8; 16] {
    keyed(secret, nonce).finalize().into()
}

/// The digest that also covers a body: H(B64(secret) ":" nonce ":" B64(H(body))). Notifications carry it as octets,
/// `x-syncml-hmac` as base64.
pub fn mac(secret: &SecretHash, nonce: &Nonce, body: &[u8]) -> [u8; 16] {
    keyed(secret, nonce)
        .chain_update(":")
        .chain_update(base64_text(&Md5::digest(body)))
        .finalize()
        .into()
}

fn keyed(secret: &SecretHash, nonce: &Nonce) -> Md5 {
    Md5::new().chain_update(base64_text(&secret.0)).chain_update(":").chain_update(nonce.octets())
}

/// Whether two digests are the same, in constant time.
pub fn same(one: &[u8; 16], other: &[u8; 16]) -> bool {
    one.ct_eq(other).into()
}

/// What a `Cred` claims.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// User and password, hashed at once.
    Basic { hash: SecretHash },
    /// The digest as received; [`Self::proves`] compares it.
    Md5([u8; 16]),
    /// A type that the server does not know, as written.
    Other(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { .. } => f.write_str("Basic(…)"),
            Self::Md5(_) => f.write_str("Md5(…)"),
            Self::Other(kind) => write!(f, "Other({kind:?})"),
        }
    }
}

/// Why a `Cred` cannot be read; all of them are answered like a wrong credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredError {
    #[error("the data of the credential is no base64 text")]
    NotBase64,
    #[error("a basic credential has no colon between user and password")]
    NoColon,
    #[error("an MD5 digest has 16 octets, not {0}")]
    Length(usize),
}

impl Credential {
    /// Reads a `Cred`. Absent `Format` means base64, absent `Type` means Basic; an MD5 digest may also come as its
    /// 16 octets (`RepPro` 1.1.2 has no need for base64 in WBXML).
    pub fn read(cred: &Cred) -> Result<Self, CredError> {
        let kind = cred.meta.media_type.as_deref().unwrap_or(BASIC).trim();
        if kind.eq_ignore_ascii_case(MD5) {
            let octets = match &cred.data {
                Data::Opaque(octets) if octets.len() == 16 => octets.clone(),
                Data::Text(text) if text.len() == 16 => text.as_bytes().to_vec(),
                data => decoded(data)?,
            };
            let digest =
                octets.try_into().map_err(|octets: Vec<u8>| CredError::Length(octets.len()))?;
            return Ok(Self::Md5(digest));
        }
        if kind.eq_ignore_ascii_case(BASIC) {
            let octets = decoded(&cred.data)?;
            if !octets.contains(&b':') {
                return Err(CredError::NoColon);
            }
            return Ok(Self::Basic { hash: SecretHash(Md5::digest(&octets).into()) });
        }
        Ok(Self::Other(kind.to_owned()))
    }

    /// Whether this proves knowledge of the secret, under the nonce where one takes part.
    pub fn proves(&self, secret: &SecretHash, nonce: &Nonce) -> bool {
        match self {
            Self::Basic { hash } => hash == secret,
            Self::Md5(digest) => same(digest, &md5(secret, nonce)),
            Self::Other(_) => false,
        }
    }
}

fn decoded(data: &Data) -> Result<Vec<u8>, CredError> {
    data.as_text().and_then(base64_octets).ok_or(CredError::NotBase64)
}

/// MD5 credentials.
pub fn md5_cred(secret: &SecretHash, nonce: &Nonce) -> Cred {
    Cred { meta: auth_meta(MD5), data: Data::text(base64_text(&md5(secret, nonce))) }
}

/// Basic credentials.
pub fn basic_cred(user: &str, password: &str) -> Cred {
    Cred {
        meta: auth_meta(BASIC),
        data: Data::text(base64_text(format!("{user}:{password}").as_bytes())),
    }
}

/// The content of a `Chal` that asks for MD5 credentials under `nonce`.
pub fn chal_md5(nonce: &Nonce) -> Meta {
    Meta { next_nonce: Some(nonce.to_base64().into()), ..auth_meta(MD5) }
}

/// The content of a `Chal` that asks for the `x-syncml-hmac` header under `nonce`.
pub fn chal_mac(nonce: &Nonce) -> Meta {
    Meta { next_nonce: Some(nonce.to_base64().into()), ..auth_meta(MAC) }
}

/// The content of a `Chal` that asks for Basic credentials.
pub fn chal_basic() -> Meta {
    auth_meta(BASIC)
}

fn auth_meta(kind: &str) -> Meta {
    Meta { format: Some(Format::B64), media_type: Some(kind.into()), ..Meta::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_nonces_do_not_print() {
        let secret = SecretHash::of("user", "password");
        let nonce = Nonce::new(b"12345678").unwrap();
        let cred = Credential::read(&basic_cred("user", "password")).unwrap();
        assert_eq!(format!("{secret:?} {nonce:?}"), "SecretHash(…) Nonce(8 octets)");
        assert_eq!(format!("{cred:?}"), "Basic(…)");
    }

    #[test]
    fn both_kinds_of_credentials_prove_the_same_secret() {
        let secret = SecretHash::of("user", "pass:word");
        let nonce = Nonce::from_base64("bm9uY2U").unwrap();
        assert_eq!(nonce.octets(), b"nonce");
        for cred in [basic_cred("user", "pass:word"), md5_cred(&secret, &nonce)] {
            let credential = Credential::read(&cred).unwrap();
            assert!(credential.proves(&secret, &nonce));
            assert!(!credential.proves(&SecretHash::of("user", "other"), &nonce));
        }
        let under_another = Credential::read(&md5_cred(&secret, &Nonce::default())).unwrap();
        assert!(!under_another.proves(&secret, &nonce));
    }

    #[test]
    fn unreadable_credentials_say_why() {
        let cred = |kind: Option<&str>, data: &str| Cred {
            meta: Meta { media_type: kind.map(Into::into), ..Meta::default() },
            data: Data::text(data),
        };
        assert_eq!(Credential::read(&cred(None, "bm9jb2xvbg==")), Err(CredError::NoColon));
        assert_eq!(Credential::read(&cred(Some(BASIC), "!!")), Err(CredError::NotBase64));
        assert_eq!(Credential::read(&cred(Some(MD5), "AAAA")), Err(CredError::Length(3)));
        assert_eq!(
            Credential::read(&cred(Some("syncml:auth-foo"), "")),
            Ok(Credential::Other("syncml:auth-foo".into()))
        );
    }

    #[test]
    fn a_nonce_is_bounded_wherever_it_comes_from() {
        assert_eq!(Nonce::new(&[0; 129]), Err(NonceError::TooLong));
        assert_eq!(Nonce::from_base64(&"A".repeat(300)), Err(NonceError::TooLong));
        assert!(serde_json::from_str::<Nonce>(&format!("{:?}", vec![0; 129])).is_err());
        let nonce = Nonce::new(&[0, 1, 255]).unwrap();
        assert_eq!(
            serde_json::from_str::<Nonce>(&serde_json::to_string(&nonce).unwrap()).unwrap(),
            nonce
        );
        assert_eq!(Nonce::from_base64(&nonce.to_base64()), Ok(nonce));
    }
}
