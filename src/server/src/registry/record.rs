//! What a line says of a device, each text judged by the rules of its key. Nothing here knows what the registry holds.

use super::{
    line::{Cells, Fault, Text},
    lookup::{Kind, Number, is_device_name},
};
use crate::{
    notify::udp,
    rows::{Auth, DeviceId},
};
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
            match key.strip_prefix(ATTRIBUTE) {
                Some(name) => drop(attributes.insert(name.to_owned(), attribute(&key, text)?)),
                None => drop(texts.0.insert(key.into_owned(), text)),
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
            auth: texts.needed("auth", auth)?,
            user: texts.needed("user", |text| plain(text, DeviceId::LONGEST))?,
            secret: texts.needed("secret", password)?,
            nonce: texts.read("nonce", nonce)?,
            server_auth: texts.read("server_auth", auth)?,
            server_user: texts.needed("server_user", |text| plain(text, DeviceId::LONGEST))?,
            server_secret: texts.needed("server_secret", password)?,
            server_nonce: texts.read("server_nonce", nonce)?,
            msisdn: texts.read("msisdn", |text| number(Kind::Msisdn, text))?,
            imsi: texts.read("imsi", |text| number(Kind::Imsi, text))?,
            address: texts.read("address", address)?,
            cert_sha256: texts.read("cert_sha256", digest)?,
            encoding: texts.read("encoding", encoding)?,
            manufacturer: texts.read("manufacturer", name)?,
            model: texts.read("model", name)?,
            firmware: texts.read("firmware", name)?,
            dm_version: texts.read("dm_version", name)?,
            time_zone: texts.read("time_zone", name)?,
            groups: match texts.read("groups", groups)? {
                Said::Nothing => None,
                Said::Gone => Some(Vec::new()),
                Said::Is(groups) => Some(groups),
            },
            attributes,
            as_of: texts.needed("as_of", as_of)?,
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

/// What is wrong with a text, and what to do.
type Wrong = (&'static str, &'static str);

impl Texts<'_> {
    fn read<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
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
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
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

fn plain(text: &str, longest: usize) -> Result<String, Wrong> {
    if text.is_empty() || text.chars().any(char::is_control) {
        Err(("is empty or holds control characters", "write plain text"))
    } else if text.len() > longest {
        Err(("is too long", "64 octets for names, 128 for users, 256 for other texts"))
    } else {
        Ok(text.to_owned())
    }
}

fn name(text: &str) -> Result<String, Wrong> {
    plain(text, LONGEST_NAME)
}

fn password(text: &str) -> Result<Password, Wrong> {
    plain(text, LONGEST_TEXT).map(Password)
}

fn auth(text: &str) -> Result<Auth, Wrong> {
    match text {
        "md5" => Ok(Auth::Md5),
        "basic" => Ok(Auth::Basic),
        "hmac" | "tls" => Err(("is not served by this version", "write md5 or basic")),
        _ => Err(("is not a way to authenticate", "write md5 or basic")),
    }
}

fn nonce(text: &str) -> Result<Nonce, Wrong> {
    match Nonce::from_base64(text) {
        Ok(nonce) if !nonce.is_empty() => Ok(nonce),
        _ => Err((
            "is not base64 of 1 to 128 octets",
            "write the nonce as the device has it, in base64",
        )),
    }
}

fn number(kind: Kind, text: &str) -> Result<Number, Wrong> {
    Number::parse(kind, text).ok_or((
        "is not a number of 5 to 15 digits",
        "write digits only, international form, as 447700900123",
    ))
}

fn address(text: &str) -> Result<String, Wrong> {
    match udp::address(text, 1).map(|address| (address.ip().is_unspecified(), address.port())) {
        Ok((false, 1..)) => Ok(text.to_owned()),
        _ => Err((
            "is not an address",
            "write host:port with a literal address, as 192.0.2.7:2948 or [2001:db8::7]:2948",
        )),
    }
}

fn digest(text: &str) -> Result<[u8; 32], Wrong> {
    let mut octets = [0; 32];
    let wrong = |_| ("is not a SHA-256", "write 64 hexadecimal digits");
    hex::decode_to_slice(text.replace(':', ""), &mut octets).map_err(wrong)?;
    Ok(octets)
}

fn encoding(text: &str) -> Result<Encoding, Wrong> {
    match text {
        "wbxml" => Ok(Encoding::Wbxml),
        "xml" => Ok(Encoding::Xml),
        _ => Err(("is not an encoding", "write wbxml or xml, or leave it out: it is learnt")),
    }
}

fn groups(text: &str) -> Result<Vec<String>, Wrong> {
    let mut groups: Vec<String> = Vec::new();
    for group in text.split(';').map(str::trim).filter(|group| !group.is_empty()) {
        let group = name(group)?;
        if !groups.contains(&group) {
            groups.push(group);
        }
        if groups.len() > MOST_GROUPS {
            return Err((
                "are more than 64",
                "use attributes for what differs from device to device",
            ));
        }
    }
    Ok(groups)
}

fn attribute(key: &str, text: Text<'_>) -> Result<Option<String>, Fault> {
    match text {
        Text::Gone => Ok(None),
        Text::Is(text) => {
            plain(&text, LONGEST_TEXT).map(Some).map_err(|(what, help)| Fault::new(key, what, help))
        }
    }
}

fn as_of(text: &str) -> Result<Instant, Wrong> {
    Instant::parse(text).map_err(|_error| ("is not an instant", "write it as 2026-11-25T01:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::super::line::{Header, json_cells};
    use super::*;
    use proptest::prelude::*;

    fn read(json: &str) -> Result<Record, Fault> {
        json_cells(json.as_bytes()).and_then(|cells| Record::read(cells, Some("operator")))
    }

    #[test]
    fn a_line_with_every_key_is_understood() {
        let record = read(
            r#"{"device":"IMEI:1","authority":"operator","auth":"basic","user":"u","secret":"s","nonce":"AAEC",
                "server_auth":"md5","server_user":"v","server_secret":"t","server_nonce":"AwQF","msisdn":"+447700900123",
                "imsi":"234150999999999","address":"192.0.2.7:2948","cert_sha256":"AB:CD","encoding":"xml",
                "manufacturer":"Acme","model":"RV-100","firmware":"1.2","dm_version":"1.2","time_zone":"Europe/Berlin",
                "groups":"gold; test","attributes.plan":"gold","as_of":"2026-11-25T01:00:00Z"}"#
                .replace("AB:CD", &"ab".repeat(32))
                .as_str(),
        )
        .unwrap();
        assert_eq!(record.id, DeviceId::new("operator", "IMEI:1"));
        assert_eq!(record.auth, Some(Auth::Basic));
        assert_eq!(
            record.numbers().map(Number::digits).collect::<Vec<_>>(),
            ["447700900123", "234150999999999"]
        );
        assert_eq!(record.groups, Some(vec!["gold".to_owned(), "test".into()]));
        assert_eq!(record.cert_sha256, Said::Is([0xAB; 32]));
        assert_eq!(record.attributes.get("plan"), Some(&Some("gold".into())));
    }

    #[test]
    fn each_wrong_key_is_named_with_what_to_do() {
        for (key, value) in [
            ("device", r#""msisdn:447700900123""#),
            ("authority", r#""other""#),
            ("auth", r#""tls""#),
            ("auth", r#""MD5""#),
            ("user", r#""""#),
            ("secret", "null"),
            ("nonce", r#""not base64!""#),
            ("server_auth", r#""none""#),
            ("server_nonce", r#""""#),
            ("msisdn", r#""44 7700""#),
            ("imsi", "[]"),
            ("address", r#""phone.example:2948""#),
            ("address", r#""0.0.0.0:2948""#),
            ("cert_sha256", r#""abcd""#),
            ("encoding", r#""json""#),
            ("model", r#""a\u0000b""#),
            ("groups", r#"[1]"#),
            ("attributes.1st", r#""x""#),
            ("attributes.plan", "{}"),
            ("as_of", r#""yesterday""#),
            ("modell", r#""x""#),
        ] {
            let device = if key == "device" { "" } else { r#""device":"IMEI:1","# };
            let fault = read(&format!("{{{device}\"{key}\":{value}}}")).unwrap_err();
            assert_eq!(fault.key, key, "{fault:?}");
            assert!(!fault.what.is_empty() && !fault.help.is_empty(), "{fault:?}");
        }
        assert_eq!(read("{}").unwrap_err().key, "device");
        let cells = json_cells(br#"{"device":"IMEI:1"}"#).unwrap();
        assert_eq!(Record::read(cells, None).unwrap_err().key, "authority");
    }

    #[test]
    fn a_record_shows_neither_secrets_nor_numbers() {
        let record =
            read(r#"{"device":"IMEI:1","secret":"geheim","msisdn":"447700900123"}"#).unwrap();
        let shown = format!("{record:?} {:?} {:?}", record.secret, record.msisdn);
        assert!(!shown.contains("geheim") && !shown.contains("447700900123"), "{shown}");
    }

    /// What lines may say of a key that is not text alone.
    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("null".to_owned()),
            Just("[]".to_owned()),
            Just("{}".to_owned()),
            any::<i64>().prop_map(|number| number.to_string()),
            any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
            Just(r#""md5""#.to_owned()),
        ]
    }

    proptest! {
        /// Bad input: any line at all yields a record, or an error that names its key or the whole line.
        #[test]
        fn any_line_is_a_record_or_an_error(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Err(fault) = json_cells(&line).and_then(|cells| Record::read(cells, Some("a"))) {
                prop_assert!(!fault.what.is_empty());
            }
            let header = Header::parse(b"device,secret,groups,attributes.x", is_known).unwrap();
            if let Err(fault) = header.cells(&line).and_then(|cells| Record::read(cells, Some("a"))) {
                prop_assert!(!fault.what.is_empty());
            }
        }

        #[test]
        fn a_bad_value_is_blamed_on_its_key(key in prop::sample::select(KEYS.to_vec()), value in value()) {
            let line = if key == "device" {
                format!(r#"{{"device":{value}}}"#)
            } else {
                format!(r#"{{"device":"IMEI:1","{key}":{value}}}"#)
            };
            match read(&line) {
                Ok(record) => prop_assert!(is_device_name(&record.id.device)),
                Err(fault) => prop_assert_eq!(fault.key, key),
            }
        }
    }
}
