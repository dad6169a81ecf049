//! The stored form of a device: words first, then everything else in little room.
//!
//! A *word* is a text that many devices share: the kind of a device, its time zone, the names of its attributes, a group. A
//! row begins with its version and its words, so that a store may write a short code for each without knowing more of the
//! row ([`crate::store::words`]). What is absent takes one bit, digits half an octet, an IPv4 address with its port six.

use super::{Auth, Device, Sealed, ServerAccount};
use crate::{
    compact,
    store::words::{join, split},
};
use postcard::Error::{self, SerdeDeCustom};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, net::SocketAddrV4};
use wire::Encoding;

const AUTHS: [Auth; 4] = [Auth::Md5, Auth::Basic, Auth::Hmac, Auth::Tls];
const ENCODINGS: [Option<Encoding>; 3] = [None, Some(Encoding::Xml), Some(Encoding::Wbxml)];

/// What there is, bit by bit; behind these stand two numbers of two bits and the encoding.
mod has {
    pub(super) const SERVER: u32 = 1;
    pub(super) const IMPORTED: u32 = 1 << 1;
    pub(super) const AS_OF: u32 = 1 << 2;
    pub(super) const ADDRESS_V4: u32 = 1 << 3;
    pub(super) const ISSUED: u32 = 1 << 4;
    pub(super) const ISSUED_USED: u32 = 1 << 5;
    pub(super) const SEEN: u32 = 1 << 6;
    pub(super) const MSISDN: u32 = 1 << 7;
    pub(super) const IMSI: u32 = 1 << 8;
    pub(super) const AUTH: u32 = 9;
    pub(super) const SERVER_AUTH: u32 = 11;
    pub(super) const ENCODING: u32 = 13;
    pub(super) const JOBS: u32 = 1 << 15;
    pub(super) const ADDRESS: u32 = 1 << 16;
    pub(super) const CERTIFICATE: u32 = 1 << 17;
    pub(super) const LEARNT: u32 = 1 << 18;
    pub(super) const NOTIFICATION: u32 = 1 << 19;
    pub(super) const RESYNC: u32 = 1 << 20;
}

/// Writes a device.
pub(super) fn write(device: &Device) -> Vec<u8> {
    let mut body = Writer(Vec::with_capacity(256));
    let flags = write_body(device, &mut body);
    let mut rest = Writer(Vec::with_capacity(body.0.len() + 3));
    rest.put(&flags);
    rest.0.append(&mut body.0);

    let kind = [&device.manufacturer, &device.model, &device.firmware, &device.dm_version];
    let kind = if kind.iter().all(|text| text.is_empty()) { Vec::new() } else { octets(&kind) };
    let names: Vec<&String> = device.attributes.keys().collect();
    let names = if names.is_empty() { Vec::new() } else { octets(&names) };
    let server_user = device.server.as_ref().map_or("", |server| &server.user);
    let mut words: Vec<&[u8]> =
        vec![server_user.as_bytes(), &kind, device.time_zone.as_bytes(), &names];
    words.extend(device.groups.iter().map(String::as_bytes));
    join(&words, &rest.0)
}

/// Writes what stands behind the flags; answers these.
fn write_body(device: &Device, body: &mut Writer) -> u32 {
    let mut flags = place(&AUTHS, &device.auth) << has::AUTH
        | place(&ENCODINGS, &device.encoding) << has::ENCODING;
    let mut say = |flag, is| flags |= if is { flag } else { 0 };

    body.put_packed(&device.user);
    body.put(&device.secret);
    say(has::SERVER, device.server.is_some());
    if let Some(server) = &device.server {
        body.put(&server.secret);
        say(has::NOTIFICATION, body.put_some(server.notification.as_ref()));
        body.put(&server.nonce);
    }
    say(has::ISSUED, body.put_some(device.issued.as_ref()));
    say(has::ISSUED_USED, device.issued_used);
    say(has::IMPORTED, body.put_some(device.imported.as_ref()));
    body.put(&device.auth_count);
    body.0.extend_from_slice(&device.next_sid.to_be_bytes());
    for (flag, number) in [(has::MSISDN, &device.msisdn), (has::IMSI, &device.imsi)] {
        say(flag, number.is_some());
        if let Some(digits) = number {
            body.put_packed(digits);
        }
    }
    match device.address.as_deref().map(|text| (text, four(text))) {
        None => {}
        Some((_, Some(address))) => {
            say(has::ADDRESS_V4, true);
            body.0.extend_from_slice(&address.ip().octets());
            body.0.extend_from_slice(&address.port().to_be_bytes());
        }
        Some((text, None)) => {
            say(has::ADDRESS, true);
            body.put(text);
        }
    }
    say(has::CERTIFICATE, body.put_some(device.cert_sha256.as_ref()));
    for value in device.attributes.values() {
        body.put(value);
    }
    say(has::AS_OF, body.put_some(device.as_of.as_ref()));
    say(has::SEEN, body.put_some(device.seen.as_ref()));
    say(has::JOBS, !device.jobs.is_empty());
    if !device.jobs.is_empty() {
        body.put(&device.jobs);
    }
    let learnt = device.learnt != session::Learnt::default();
    say(has::LEARNT, learnt);
    if learnt {
        body.put(&device.learnt);
    }
    say(has::RESYNC, !device.resync.is_blank());
    if !device.resync.is_blank() {
        body.put(&device.resync);
    }
    flags |=
        device.server.as_ref().map_or(0, |server| place(&AUTHS, &server.auth)) << has::SERVER_AUTH;
    flags
}

/// Reads what [`write`] wrote, behind the version.
pub(super) fn read(row: &[u8]) -> Result<Device, Error> {
    let (words, rest) = split(row).ok_or(SerdeDeCustom)?;
    let [server_user, kind, time_zone, names, groups @ ..] = words.as_slice() else {
        return Err(SerdeDeCustom);
    };
    let kind: [String; 4] =
        if kind.is_empty() { Default::default() } else { postcard::from_bytes(kind)? };
    let [manufacturer, model, firmware, dm_version] = kind;
    let names: Vec<String> =
        if names.is_empty() { Vec::new() } else { postcard::from_bytes(names)? };

    let mut body = Reader(rest);
    let flags: u32 = body.take()?;
    let has = |flag| flags & flag != 0;
    let number = |at: u32| (flags >> at & 3) as usize;
    let auth = |at| AUTHS.get(number(at)).copied().ok_or(SerdeDeCustom);
    // In the order in which they are written.
    let device = Device {
        auth: auth(has::AUTH)?,
        user: body.take_packed()?,
        secret: body.take()?,
        server: if has(has::SERVER) {
            Some(ServerAccount {
                auth: auth(has::SERVER_AUTH)?,
                user: text(server_user)?,
                secret: body.take()?,
                notification: body.take_if::<Sealed>(has(has::NOTIFICATION))?,
                nonce: body.take()?,
            })
        } else {
            None
        },
        issued: body.take_if(has(has::ISSUED))?,
        issued_used: has(has::ISSUED_USED),
        imported: body.take_if(has(has::IMPORTED))?,
        auth_count: body.take()?,
        next_sid: u16::from_be_bytes(body.take_octets()?),
        msisdn: has(has::MSISDN).then(|| body.take_packed()).transpose()?,
        imsi: has(has::IMSI).then(|| body.take_packed()).transpose()?,
        address: if has(has::ADDRESS_V4) {
            let ip: [u8; 4] = body.take_octets()?;
            let port = u16::from_be_bytes(body.take_octets()?);
            Some(SocketAddrV4::new(ip.into(), port).to_string())
        } else {
            body.take_if(has(has::ADDRESS))?
        },
        cert_sha256: body.take_if(has(has::CERTIFICATE))?,
        encoding: ENCODINGS.get(number(has::ENCODING)).copied().ok_or(SerdeDeCustom)?,
        manufacturer,
        model,
        firmware,
        dm_version,
        time_zone: text(time_zone)?,
        groups: groups.iter().map(|group| text(group)).collect::<Result<_, _>>()?,
        attributes: names
            .into_iter()
            .map(|name| Ok((name, body.take()?)))
            .collect::<Result<BTreeMap<_, _>, Error>>()?,
        as_of: body.take_if(has(has::AS_OF))?,
        seen: body.take_if(has(has::SEEN))?,
        jobs: body.take_if(has(has::JOBS))?.unwrap_or_default(),
        learnt: body.take_if(has(has::LEARNT))?.unwrap_or_default(),
        resync: body.take_if(has(has::RESYNC))?.unwrap_or_default(),
    };
    if body.0.is_empty() { Ok(device) } else { Err(SerdeDeCustom) }
}

/// An address as six octets, if they give the very same text back.
fn four(text: &str) -> Option<SocketAddrV4> {
    text.parse().ok().filter(|address: &SocketAddrV4| address.to_string() == text)
}

fn text(word: &[u8]) -> Result<String, Error> {
    String::from_utf8(word.to_vec()).map_err(|_not_text| Error::DeserializeBadUtf8)
}

fn octets<T: Serialize>(value: &T) -> Vec<u8> {
    let mut writer = Writer(Vec::new());
    writer.put(value);
    writer.0
}

fn place<T: PartialEq>(list: &[T], value: &T) -> u32 {
    list.iter().position(|known| known == value).and_then(|at| u32::try_from(at).ok()).unwrap_or(0)
}

struct Writer(Vec<u8>);

impl Writer {
    fn put<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.0 = postcard::to_extend(value, std::mem::take(&mut self.0))
            .expect("rows hold nothing that postcard cannot write");
    }

    /// Writes what is there; answers whether it is.
    fn put_some<T: Serialize>(&mut self, value: Option<&T>) -> bool {
        if let Some(value) = value {
            self.put(value);
        }
        value.is_some()
    }

    fn put_packed(&mut self, text: &str) {
        self.put(&compact::pack(text.as_bytes()));
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let (value, rest) = postcard::take_from_bytes(self.0)?;
        self.0 = rest;
        Ok(value)
    }

    fn take_if<T: DeserializeOwned>(&mut self, is: bool) -> Result<Option<T>, Error> {
        is.then(|| self.take()).transpose()
    }

    fn take_packed(&mut self) -> Result<String, Error> {
        let packed: Vec<u8> = self.take()?;
        text(&compact::unpack(&packed).ok_or(SerdeDeCustom)?)
    }

    fn take_octets<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (octets, rest) = self.0.split_first_chunk().ok_or(Error::DeserializeUnexpectedEnd)?;
        self.0 = rest;
        Ok(*octets)
    }
}
