//! The small values that settings are made of: durations, sizes, networks, secrets.

use campaign::time::parse_duration;
use serde::{Deserialize, Deserializer, de::Error};
use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

/// A duration with its unit: `"500ms"`, `"30s"`, `"10m"`, `"2h"`, `"7d"`. Never zero.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let duration = parse_duration(&text)
        .map_err(|error| D::Error::custom(format_args!("`{text}`: {error}")))?;
    if duration.is_zero() || duration > LONGEST {
        return Err(D::Error::custom(format_args!("`{text}` is not between 1ms and ten years")));
    }
    Ok(duration)
}

/// Ten years: far enough for every setting, near enough that no sum of instants overflows.
const LONGEST: Duration = Duration::from_hours(10 * 366 * 24);

/// A size: a number of octets, or text with a unit: `"64 KiB"`, `"256 MiB"`, `"1 GiB"`. Never zero.
pub(super) fn octets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Spelling {
        Number(u64),
        Text(String),
    }
    let spelling = Spelling::deserialize(deserializer).map_err(|_anything| {
        D::Error::custom("a size is a number of octets or text such as \"64 KiB\"")
    })?;
    let (size, text) = match spelling {
        Spelling::Number(number) => (Some(number), number.to_string()),
        Spelling::Text(text) => (read_octets(&text), text),
    };
    size.and_then(|size| usize::try_from(size).ok()).filter(|&size| size > 0).ok_or_else(|| {
        D::Error::custom(format_args!(
            "`{text}` is not a size such as \"512 B\", \"64 KiB\", \"256 MiB\" or \"1 GiB\""
        ))
    })
}

fn read_octets(text: &str) -> Option<u64> {
    let (number, unit) =
        text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let scale: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale)
}

/// An address block, `10.0.0.0/8` or `2001:db8::/32`; a bare address is a block of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u32,
}

impl Network {
    pub fn contains(&self, peer: IpAddr) -> bool {
        match (self.base, peer.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(peer)) => {
                let mask = u32::MAX.checked_shl(32 - self.prefix).unwrap_or(0);
                base.to_bits() & mask == peer.to_bits() & mask
            }
            (IpAddr::V6(base), IpAddr::V6(peer)) => {
                let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
                base.to_bits() & mask == peer.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a network such as \"10.0.0.0/8\" or \"2001:db8::/32\"");
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_not_an_address| wrong())?;
        let widest = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => {
                prefix.parse().ok().filter(|&prefix| prefix <= widest).ok_or_else(wrong)?
            }
            None => widest,
        };
        Ok(Self { base, prefix })
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_neither_zero_nor_endless() {
        #[derive(Debug, Deserialize)]
        struct Wait {
            #[serde(deserialize_with = "duration")]
            wait: Duration,
        }
        let read = |text: &str| {
            toml::from_str::<Wait>(&format!("wait = \"{text}\"")).map(|wait| wait.wait)
        };
        assert_eq!(read("10m").unwrap(), Duration::from_mins(10));
        for wrong in ["", "10", "0s", "400000d"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_size_is_octets_or_has_a_binary_unit() {
        assert_eq!(read_octets("64 KiB"), Some(65_536));
        assert_eq!(read_octets("1GiB"), Some(1 << 30));
        assert_eq!(read_octets("512"), Some(512));
        for wrong in ["", "KiB", "64 KB", "-1", "99999999999 GiB"] {
            assert_eq!(read_octets(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        let net: Network = "10.1.0.0/16".parse().unwrap();
        assert!(net.contains("10.1.255.3".parse().unwrap()));
        assert!(net.contains("::ffff:10.1.2.3".parse().unwrap()), "an IPv4 peer on an IPv6 socket");
        assert!(!net.contains("10.2.0.0".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("8.8.8.8".parse().unwrap()));
        assert!(
            "2001:db8::/32".parse::<Network>().unwrap().contains("2001:db8:1::1".parse().unwrap())
        );
        for wrong in ["10.0.0.0/33", "10.0.0/8", "", "/8", "::/129"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_does_not_show() {
        assert_eq!(format!("{:?}", Secret::from("redis://u:pw@h".to_owned())), "…");
    }
}
