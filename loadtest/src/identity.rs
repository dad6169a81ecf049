//! Who a device is: its names, numbers, secrets and first nonces, all from the seed and its index.

use crate::{
    dice::Dice,
    digest,
    faults::{Auth, Habits, Kind, Mix, Model},
};
use std::{fmt, net::Ipv4Addr};
use wire::{Encoding, message::Version};

/// A device as its maker and its operator made it. Secrets and numbers are not shown by `Debug`.
#[derive(Clone)]
pub struct Identity {
    pub index: u64,
    pub kind: Kind,
    /// The `Source` of its sessions: `IMEI:` and 15 digits, the last of them the check digit; 32 hexadecimal digits of
    /// a Windows client.
    pub device: String,
    /// The user name of its credentials: the digits of the IMEI.
    pub user: String,
    /// The password in the registry. A device with [`Fault::WrongPassword`](crate::faults::Fault::WrongPassword) uses another.
    pub secret: String,
    /// With what name and password the server proves itself; the name is the server id.
    pub server_user: String,
    pub server_secret: String,
    /// The nonce that the registry holds for the device's first credentials.
    pub first_nonce: [u8; 16],
    pub first_server_nonce: [u8; 16],
    /// E.164 digits without the plus, in a range that no country uses.
    pub msisdn: String,
    /// In the network for tests, 001-01.
    pub imsi: String,
    /// Its own address, in 127/8.
    pub address: Ipv4Addr,
    pub firmware: &'static str,
    pub language: &'static str,
    pub plan: &'static str,
    pub region: String,
    own_account: String,
    server_account: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("index", &self.index)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The most devices that have an address of their own in 127/8.
pub const MOST_DEVICES: u64 = 16_000_000;

/// The maker of every device but those with Windows.
pub const MANUFACTURER: &str = "Acme";

/// How subscriber numbers begin: a code that no country has.
const COUNTRY: &str = "999";

/// How the names of Windows devices begin; the index follows.
const HARDWARE: &str = "A1B2C3D4E5F60718";

impl Identity {
    pub fn of(seed: u64, index: u64, mix: &Mix, server_id: &str) -> Self {
        let kind = mix.kind(seed, index);
        let mut dice = Dice::of(seed, index, 2);
        let digits = imei(index);
        let secret = dice.secret();
        let server_secret = dice.secret();
        let first_nonce = dice.octets();
        let first_server_nonce = dice.octets();
        let own_secret = match kind.fault {
            crate::faults::Fault::WrongPassword => dice.secret(),
            _ => secret.clone(),
        };
        let firmware = match dice.below(3) {
            0 => "4.1.0",
            1 => "4.1.2",
            _ => "4.2.0",
        };
        let plan = match dice.below(10) {
            0..2 => "gold",
            2..5 => "silver",
            _ => "basic",
        };
        Self {
            index,
            device: match kind.habits {
                Habits::A | Habits::B => format!("IMEI:{digits}"),
                Habits::Windows => format!("{HARDWARE}{index:016X}"),
            },
            own_account: digest::account(&digits, &own_secret),
            server_account: digest::account(server_id, &server_secret),
            user: digits,
            secret,
            server_user: server_id.to_owned(),
            server_secret,
            first_nonce,
            first_server_nonce,
            msisdn: number(index),
            imsi: format!("00101{index:010}"),
            address: address(index),
            firmware,
            language: if dice.below(4) == 0 { "de-DE" } else { "en-GB" },
            plan,
            region: format!("region-{}", dice.below(40)),
            kind,
        }
    }

    /// The device of the dialogue that runs through vectors 01 to 06.
    #[cfg(test)]
    pub(crate) fn of_vectors(kind: Kind) -> Self {
        let nonce = |hex: u128| hex.to_be_bytes();
        let mut identity = Self::of(1, 1, &Mix::healthy(), "dm.operator.example");
        "352099001761481".clone_into(&mut identity.user);
        "IMEI:352099001761481".clone_into(&mut identity.device);
        "Kq7-client-secret".clone_into(&mut identity.secret);
        "Zm4-server-secret".clone_into(&mut identity.server_secret);
        identity.first_nonce = nonce(0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF);
        identity.first_server_nonce = nonce(0x0F1E_2D3C_4B5A_6978_8796_A5B4_C3D2_E1F0);
        identity.own_account = digest::account(&identity.user, &identity.secret);
        identity.server_account = digest::account(&identity.server_user, &identity.server_secret);
        identity.kind = kind;
        identity
    }

    /// `B64(H(user ":" password))` of the password that the device itself believes in.
    pub(crate) fn own_account(&self) -> &str {
        &self.own_account
    }

    /// The same for the server, as the device knows it.
    pub(crate) fn server_account(&self) -> &str {
        &self.server_account
    }

    pub fn version(&self) -> Version {
        match self.kind.model {
            Model::Rv100 | Model::Rv200 | Model::Laptop => Version::Dm12,
            Model::Legacy7 => Version::Dm11,
        }
    }

    /// `./DevInfo/DmV`.
    pub fn dm_version(&self) -> &'static str {
        match self.kind.model {
            Model::Rv100 | Model::Rv200 => "1.2",
            Model::Legacy7 => "1.1",
            // It says so, and speaks DM/1.2.
            Model::Laptop => "1.3",
        }
    }

    /// `./DevDetail/LrgObj`. One client says so without being able to.
    pub fn takes_large_objects(&self) -> bool {
        match self.kind.habits {
            Habits::A | Habits::B => true,
            Habits::Windows => false,
        }
    }

    /// `./DevInfo/Man`.
    pub fn manufacturer(&self) -> &'static str {
        match self.kind.model {
            Model::Rv100 | Model::Rv200 | Model::Legacy7 => MANUFACTURER,
            Model::Laptop => "Maker & Co",
        }
    }

    /// The media type of its requests. One client writes the names of data synchronisation.
    pub fn media_type(&self) -> &'static str {
        match (self.kind.habits, self.kind.encoding) {
            (Habits::A, Encoding::Xml) => "application/vnd.syncml+xml",
            (Habits::A, Encoding::Wbxml) => "application/vnd.syncml+wbxml",
            (Habits::B | Habits::Windows, Encoding::Xml) => "application/vnd.syncml.dm+xml",
            (Habits::B | Habits::Windows, Encoding::Wbxml) => "application/vnd.syncml.dm+wbxml",
        }
    }

    /// `Content-Type` of its requests.
    pub fn content_type(&self) -> &'static str {
        match (self.kind.habits, self.kind.encoding, self.index % 2) {
            (Habits::Windows, Encoding::Xml, 1) => "application/vnd.syncml.dm+xml; charset=utf-8",
            _ => self.media_type(),
        }
    }

    /// A URL as the client asks for it: that of Windows adds a query of its own.
    pub(crate) fn with_query(&self, url: &str) -> String {
        match self.kind.habits {
            Habits::A | Habits::B => url.to_owned(),
            Habits::Windows => {
                let mark = if url.contains('?') { '&' } else { '?' };
                format!("{url}{mark}mode=Maintenance&Platform=WoA")
            }
        }
    }

    /// Whether it goes where `RespURI` says. Of a Windows client this is not known, so there are both.
    pub(crate) fn follows_resp_uri(&self) -> bool {
        self.kind.habits != Habits::Windows || self.index.is_multiple_of(2)
    }

    /// Whether it answers a challenge under the number of the message that was challenged, as a test client does.
    pub(crate) fn repeats_number_when_challenged(&self) -> bool {
        self.kind.habits == Habits::Windows && self.index % 4 == 2
    }

    /// The columns of [`Identity::registry_line`].
    pub const REGISTRY_HEADER: &'static str = "device,authority,auth,user,secret,nonce,server_auth,server_user,\
        server_secret,server_nonce,msisdn,imsi,address,encoding,manufacturer,model,firmware,dm_version,groups,\
        attributes.plan,attributes.region";

    /// The device as a line of the registry's import, without a line end.
    ///
    /// All are in group `demo`, and in one named for their plan. Every second device leaves its encoding to be learnt.
    pub fn registry_line(&self, authority: &str, udp_port: u16) -> String {
        let auth = match self.kind.auth {
            Auth::Md5 => "md5",
            Auth::Basic => "basic",
            Auth::Hmac => "hmac",
        };
        let encoding = match (self.index % 2, self.kind.encoding) {
            (0, Encoding::Xml) => "xml",
            (0, Encoding::Wbxml) => "wbxml",
            _ => "",
        };
        let server = if self.kind.proves_server {
            let nonce = digest::base64(&self.first_server_nonce);
            // A digest of the message in one direction goes with one in the other.
            let kind = if self.kind.auth == Auth::Hmac { "hmac" } else { "md5" };
            format!("{kind},{},{},{nonce}", self.server_user, self.server_secret)
        } else {
            ",,,".to_owned()
        };
        format!(
            "{},{authority},{auth},{},{},{},{server},{},{},{}:{udp_port},{encoding},{},{},{},{},demo;{},{},{}",
            self.device,
            self.user,
            self.secret,
            digest::base64(&self.first_nonce),
            self.msisdn,
            self.imsi,
            self.address,
            self.manufacturer(),
            quoted(self.kind.model.name()),
            self.firmware,
            self.dm_version(),
            self.plan,
            self.plan,
            self.region,
        )
    }
}

/// A field of CSV that may hold a comma.
fn quoted(text: &str) -> String {
    if text.contains(',') { format!("\"{text}\"") } else { text.to_owned() }
}

/// The index of the device that has this address.
pub(crate) fn index_of(address: Ipv4Addr) -> Option<u64> {
    u64::from(u32::from(address))
        .checked_sub(u64::from(FIRST_ADDRESS))
        .filter(|index| *index < MOST_DEVICES)
}

/// The subscriber number of a device: E.164 digits without the plus.
pub(crate) fn number(index: u64) -> String {
    format!("{COUNTRY}{index:010}")
}

/// The index of the device that has this subscriber number.
pub(crate) fn index_of_number(digits: &str) -> Option<u64> {
    let index = digits.strip_prefix(COUNTRY).filter(|rest| rest.len() == 10)?;
    index.parse().ok().filter(|index| *index < MOST_DEVICES)
}

/// The index of the device of this name, if it is one of ours.
pub(crate) fn index_of_name(device: &str) -> Option<u64> {
    if let Some(digits) = device.strip_prefix(HARDWARE) {
        let index = u64::from_str_radix(digits, 16).ok()?;
        return (device == format!("{HARDWARE}{index:016X}")).then_some(index);
    }
    let digits = device.strip_prefix("IMEI:")?;
    let serial: u64 = digits.get(2..14)?.parse().ok()?;
    (imei(serial) == digits).then_some(serial)
}

/// 127.1.0.1; the addresses before it belong to whatever else runs here.
const FIRST_ADDRESS: u32 = 0x7F01_0001;

fn address(index: u64) -> Ipv4Addr {
    Ipv4Addr::from(FIRST_ADDRESS.saturating_add(u32::try_from(index).unwrap_or(u32::MAX)))
}

/// 35, twelve digits of the index, and the check digit of ISO/IEC 7812 (Luhn).
fn imei(index: u64) -> String {
    let mut digits = format!("35{:012}", index % 1_000_000_000_000);
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match (place % 2, digit) {
                (0, 5..) => digit * 2 - 9,
                (0, _) => digit * 2,
                _ => digit,
            }
        })
        .sum();
    digits.push(char::from_digit((10 - sum % 10) % 10, 10).unwrap_or('0'));
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_numbers_are_found_again() {
        for index in [0, 1, 255, 65_536, 199_999, 15_999_999] {
            let identity = Identity::of(1, index, &Mix::demo(), "dm.example");
            assert_eq!(index_of(identity.address), Some(index));
            assert_eq!(index_of_name(&identity.device), Some(index));
            assert_eq!(index_of_number(&identity.msisdn), Some(index));
            if identity.kind.habits == Habits::Windows {
                assert_eq!(identity.device.len(), 32);
            } else {
                assert_eq!(identity.device.len(), "IMEI:".len() + 15);
            }
            assert!(identity.address.is_loopback());
        }
        assert_eq!(index_of(Ipv4Addr::LOCALHOST), None);
        assert_eq!(index_of_number("447700900123"), None);
        assert_eq!(index_of_name("IMEI:350000000000018"), None, "the check digit is wrong");
    }

    #[test]
    fn the_check_digit_is_that_of_luhn() {
        assert_eq!(imei(0), "350000000000006");
        assert_eq!(imei(1), "350000000000014");
    }

    #[test]
    fn a_registry_line_has_a_field_for_each_column() {
        let columns = Identity::REGISTRY_HEADER.split(',').count();
        for index in 0..200 {
            let line =
                Identity::of(5, index, &Mix::demo(), "dm.example").registry_line("operator", 2948);
            assert_eq!(
                line.replace("\"Laptop 7,1\"", "Laptop").split(',').count(),
                columns,
                "{line}"
            );
        }
    }

    #[test]
    fn secrets_and_numbers_do_not_show() {
        let identity = Identity::of(5, 17, &Mix::demo(), "dm.example");
        let shown = format!("{identity:?}");
        for hidden in [
            &identity.secret,
            &identity.server_secret,
            &identity.msisdn,
            &identity.imsi,
            &identity.user,
        ] {
            assert!(!shown.contains(hidden.as_str()), "{shown}");
        }
    }
}
