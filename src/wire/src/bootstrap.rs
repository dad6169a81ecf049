//! What gives a device its first account: provisioning documents (OMA CP) and bootstrap messages (OMA DM), and the MAC
//! that says who sent them.
//!
//! A device that knows no server yet trusts whoever knows its IMSI, a PIN given out of band, or both: the [`Key`]. The
//! MAC over the octets of the body travels as a parameter of the content type.
//!
//! | module | about |
//! | --- | --- |
//! | `provisioning` | the document, from and to XML and WBXML |
//! | `read`, `write`, `tokens` | its WBXML, which has token tables of its own |

mod provisioning;
mod read;
mod tokens;
mod write;

pub use provisioning::{Characteristic, Parm, Provisioning, ProvisioningError};

use crate::wap_push::{self, Parameter, Push};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::fmt;
use subtle::ConstantTimeEq;

/// What the sender of a bootstrap message shows that it knows (`SEC`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// What network and device share: the IMSI.
    Network,
    /// A PIN that the user was told and types.
    User,
    /// Both.
    UserAndNetwork,
    /// A PIN that holds the digits of the MAC; none travels with the message.
    UserWithMac,
}

impl Security {
    const ALL: [Self; 4] = [Self::Network, Self::User, Self::UserAndNetwork, Self::UserWithMac];

    /// The number of a push message (OMA CP).
    pub const fn number(self) -> u8 {
        match self {
            Self::Network => 0,
            Self::User => 1,
            Self::UserAndNetwork => 2,
            Self::UserWithMac => 3,
        }
    }

    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|security| security.number() == number)
    }

    /// The name in OMA CP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "NETWPIN",
            Self::User => "USERPIN",
            Self::UserAndNetwork => "USERNETWPIN",
            Self::UserWithMac => "USERPINMAC",
        }
    }

    /// Reads the name of OMA CP or of OMA DM.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.trim() {
            "NETWORKID" => Some(Self::Network),
            "USERPIN_NETWORKID" => Some(Self::UserAndNetwork),
            name => Self::ALL.into_iter().find(|security| security.name() == name),
        }
    }
}

/// What makes the MAC. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

/// Why something is no key or no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapError {
    #[error("an IMSI has 6 to 15 digits")]
    Imsi,
    #[error("a PIN has digits only")]
    Pin,
    #[error("the MAC has 40 hexadecimal digits")]
    Mac,
    #[error("the security method {0} is unknown")]
    Security(u8),
}

impl Key {
    /// The IMSI as the SIM holds it: an octet of header, then two digits an octet, the earlier one low.
    pub fn of_imsi(imsi: &str) -> Result<Self, BootstrapError> {
        let digits: Vec<u8> = imsi.bytes().map(|digit| digit.wrapping_sub(b'0')).collect();
        if !(6..=15).contains(&digits.len()) || digits.iter().any(|digit| *digit > 9) {
            return Err(BootstrapError::Imsi);
        }
        let (first, rest) = digits.split_first().ok_or(BootstrapError::Imsi)?;
        let odd = u8::from(digits.len() % 2 == 1);
        let mut octets = vec![first << 4 | odd << 3 | 1];
        for pair in rest.chunks(2) {
            octets.push(match pair {
                [low, high] => high << 4 | low,
                [low] => 0xF0 | low,
                _ => 0xFF,
            });
        }
        Ok(Self(octets))
    }

    /// Text as it is: a PIN, or the IMSI where the operator's devices take its digits instead.
    pub fn of_text(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }

    /// Of OMA CP with both: the IMSI as the SIM holds it, then the PIN.
    pub fn of_imsi_and_pin(imsi: &str, pin: &str) -> Result<Self, BootstrapError> {
        let mut key = Self::of_imsi(imsi)?;
        key.0.extend(pin.as_bytes());
        Ok(key)
    }

    /// Of OMA DM with both: `PIN:secret`.
    pub fn of_pin_and_secret(pin: &str, secret: &str) -> Self {
        Self(format!("{pin}:{secret}").into_bytes())
    }

    /// The keys that a method may mean for a device, the likeliest first: what is known decides.
    pub fn candidates(security: Security, imsi: Option<&str>, pin: Option<&str>) -> Vec<Self> {
        match (security, imsi, pin) {
            (Security::Network, Some(imsi), _) => {
                Self::of_imsi(imsi).into_iter().chain([Self::of_text(imsi)]).collect()
            }
            (Security::User | Security::UserWithMac, _, Some(pin)) => vec![Self::of_text(pin)],
            (Security::UserAndNetwork, Some(imsi), Some(pin)) => {
                let both = Self::of_imsi_and_pin(imsi, pin);
                both.into_iter().chain([Self::of_pin_and_secret(pin, imsi)]).collect()
            }
            _ => Vec::new(),
        }
    }

    /// HMAC-SHA1 over the octets of the body as sent.
    pub fn mac(&self, body: &[u8]) -> [u8; 20] {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).expect("a key may have any length");
        mac.update(body);
        mac.finalize().into_bytes().into()
    }

    /// The digits that [`Security::UserWithMac`] adds to the PIN: as many as the PIN has.
    pub fn digits(&self, body: &[u8]) -> String {
        let mac = self.mac(body);
        let digits = mac.iter().take(self.0.len()).map(|octet| char::from(b'0' + octet % 10));
        digits.collect()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} octets)", self.0.len())
    }
}

/// Whether what the user typed is a PIN and the digits that belong to it and the body ([`Security::UserWithMac`]).
pub fn proves_typed(typed: &str, body: &[u8]) -> Result<bool, BootstrapError> {
    if typed.is_empty() || typed.len() % 2 == 1 || !typed.bytes().all(|c| c.is_ascii_digit()) {
        return Err(BootstrapError::Pin);
    }
    let (pin, digits) = typed.split_at_checked(typed.len() / 2).ok_or(BootstrapError::Pin)?;
    Ok(Key::of_text(pin).digits(body).as_bytes().ct_eq(digits.as_bytes()).into())
}

/// What a content type says of the sender: the method, and the MAC where one travels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Protection {
    pub security: Security,
    mac: Option<[u8; 20]>,
}

impl Protection {
    pub fn new(security: Security, key: &Key, body: &[u8]) -> Self {
        Self { security, mac: Some(key.mac(body)) }
    }

    /// What the content type of a push message says; `None` when it has no such parameters.
    pub fn of_push(push: &Push<'_>) -> Result<Option<Self>, BootstrapError> {
        let (mut security, mut mac) = (None, None);
        for parameter in push.parameters() {
            match parameter {
                Parameter::Security(number) => {
                    let known =
                        Security::from_number(number).ok_or(BootstrapError::Security(number))?;
                    security = Some(known);
                }
                Parameter::Mac(text) => mac = Some(mac_of(text)?),
                Parameter::Other(_) => {}
            }
        }
        Ok(security
            .or_else(|| mac.map(|_| Security::Network))
            .map(|security| Self { security, mac }))
    }

    /// What a content type in text says: `…; SEC=NETWORKID; MAC=…`, names in any case.
    pub fn of_content_type(content_type: &str) -> Result<Option<Self>, BootstrapError> {
        let parameter = |wanted: &str| {
            content_type.split(';').skip(1).find_map(|parameter| {
                let (name, value) = parameter.split_once('=')?;
                let value = value.trim().trim_matches('"');
                name.trim().eq_ignore_ascii_case(wanted).then_some(value)
            })
        };
        let mac = parameter("MAC").map(|text| mac_of(text.as_bytes())).transpose()?;
        let security = match parameter("SEC") {
            None if mac.is_none() => return Ok(None),
            // Absent means the network's (OMA CP).
            None => Security::Network,
            Some(name) => Security::from_name(name).ok_or(BootstrapError::Security(u8::MAX))?,
        };
        Ok(Some(Self { security, mac }))
    }

    /// Whether the sender knows the key and nothing was changed. False when no MAC travels.
    pub fn proves(&self, key: &Key, body: &[u8]) -> bool {
        self.mac.is_some_and(|mac| mac.ct_eq(&key.mac(body)).into())
    }

    /// The digits of the MAC, as they travel.
    pub fn mac(&self) -> Option<String> {
        self.mac.map(hex::encode_upper)
    }
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protection").field("security", &self.security).finish_non_exhaustive()
    }
}

fn mac_of(text: &[u8]) -> Result<[u8; 20], BootstrapError> {
    let mut mac = [0; 20];
    hex::decode_to_slice(text.trim_ascii(), &mut mac).map_err(|_no_mac| BootstrapError::Mac)?;
    Ok(mac)
}

/// The push message that brings a provisioning document to a device.
pub fn push(tid: u8, protection: &Protection, document: &[u8]) -> Vec<u8> {
    const CONNECTIVITY_WBXML: u8 = 0x80 | 0x36;
    let mut content_type =
        vec![CONNECTIVITY_WBXML, wap_push::SEC, 0x80 | protection.security.number()];
    if let Some(mac) = protection.mac() {
        content_type.push(wap_push::MAC);
        content_type.extend(mac.as_bytes());
        content_type.push(0);
    }
    wap_push::general(tid, &content_type, document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_imsi_is_packed_as_the_sim_packs_it() {
        let packed = |imsi: &str| Key::of_imsi(imsi).map(|key| hex::encode(key.0));
        assert_eq!(packed("234159876543210").as_deref(), Ok("2943518967452301"));
        // an even number of digits: no parity bit, the last half filled
        assert_eq!(packed("23415987654321").as_deref(), Ok("21435189674523f1"));
        for bad in ["", "12345", "1234567890123456", "23415987654321x"] {
            assert_eq!(Key::of_imsi(bad), Err(BootstrapError::Imsi), "{bad}");
        }
    }

    #[test]
    fn keys_and_macs_do_not_print() {
        let key = Key::of_text("4711");
        let protection = Protection::new(Security::User, &key, b"body");
        assert_eq!(
            format!("{key:?} {protection:?}"),
            "Key(4 octets) Protection { security: User, .. }"
        );
    }

    #[test]
    fn parameters_that_make_no_sense_are_refused() {
        let of = Protection::of_content_type;
        assert_eq!(of("a/b"), Ok(None));
        assert_eq!(of("a/b; MAC=12"), Err(BootstrapError::Mac));
        assert_eq!(of("a/b; sec=PIN"), Err(BootstrapError::Security(255)));
        let mac = "a".repeat(40);
        let read = of(&format!("a/b;mac=\"{mac}\"")).unwrap().unwrap();
        assert_eq!((read.security, read.mac()), (Security::Network, Some(mac.to_uppercase())));
        assert_eq!(proves_typed("123", b""), Err(BootstrapError::Pin));
        assert_eq!(proves_typed("", b""), Err(BootstrapError::Pin));
    }
}
