//! Push messages and the notifications in them.

use super::{
    documents,
    layer::{Layer, Look, Packet, Problem},
    packet, words,
};
use serde_json::json;
use wire::{
    bootstrap::{Key, Protection, Security},
    notification::{Initiator, Notification, NotificationError, UiMode},
    wap_push::{self, Header, NOTIFICATION, Push},
};

/// A WAP push message, with what it carries.
pub(super) fn push(octets: &[u8], look: Look<'_>) -> Result<Packet, Problem> {
    let push = wap_push::parse(octets).map_err(|error| Problem::new(error.to_string()))?;
    let begins = octets.len() - push.body.len();
    let mut layer = headers(&push, octets.len());
    layer = match Protection::of_push(&push) {
        Ok(Some(protection)) => protected(layer, &protection, push.body, look),
        Ok(None) => layer,
        Err(error) => layer.fact("protected", format!("not readably: {error}")),
    };
    let inside = match push.content_type {
        _ if push.body.is_empty() => Err(Problem::new("the push carries nothing")),
        Some(NOTIFICATION) => notification(push.body, look),
        Some(CONNECTIVITY_WBXML | DM_WBXML) => documents::wbxml(push.body, look),
        Some(CONNECTIVITY_XML | DM_XML) => documents::xml(push.body, look),
        _ => packet::recognise(push.body, look).or_else(|_unknown| Ok(unknown(push.body))),
    };
    Ok(Packet::Layer(match inside {
        Ok(inside) => layer.holding([inside]),
        Err(problem) => {
            let whence = format!("in the body of the push, which begins at octet {begins}");
            layer.broken(Some(problem.within(&whence)))
        }
    }))
}

fn headers(push: &Push<'_>, octets: usize) -> Layer {
    let content_type = match push.media_type {
        Some(name) => words::plain(name),
        None => content_type_name(push.content_type),
    };
    let mut layer = Layer::new("push", format!("WAP push, {}", words::count(octets, "octet")))
        .number("transaction", format!("{:#04x}", push.tid), push.tid)
        .keyed("tid")
        .number("content", content_type, json!(push.content_type))
        .keyed("content_type")
        .number("application", application_name(push.application_id), json!(push.application_id))
        .keyed("application_id");
    for header in push.headers() {
        layer = match header {
            Header::Registered { field: 0x2F, text: None, .. } => layer,
            Header::Registered { field, number, text } => {
                let value = text.map_or_else(
                    || number.map_or_else(|| "octets".to_owned(), |number| number.to_string()),
                    words::plain,
                );
                layer.fact(&field_name(field), value)
            }
            Header::Text { name, value } => layer.said(&words::plain(name), value),
        };
    }
    layer
}

/// How the sender proves itself, and whether it does when enough is known of the device.
fn protected(layer: Layer, protection: &Protection, body: &[u8], look: Look<'_>) -> Layer {
    let layer = layer.fact("protected", protection_name(protection.security));
    let Some(mac) = protection.mac() else { return layer };
    let keys = Key::candidates(protection.security, look.imsi, look.pin);
    let verdict = if keys.is_empty() {
        "not checked; say --imsi or --pin"
    } else if keys.iter().any(|key| protection.proves(key, body)) {
        "right"
    } else {
        "WRONG for this IMSI or PIN"
    };
    layer.secret("MAC", &mac, look).fact("proof", verdict)
}

fn unknown(octets: &[u8]) -> Packet {
    let layer = Layer::new("body", "body, of no kind that is known here");
    Packet::Layer(layer.number("octets", words::octets(octets), hex::encode(octets)))
}

const CONNECTIVITY_XML: u16 = 0x35;
const CONNECTIVITY_WBXML: u16 = 0x36;
const DM_WBXML: u16 = 0x42;
const DM_XML: u16 = 0x43;

/// Package #0.
pub(super) fn notification(octets: &[u8], look: Look<'_>) -> Result<Packet, Problem> {
    match Notification::parse(octets) {
        Ok(received) => Ok(Packet::Layer(described(octets, &received.notification, look))),
        Err(error) => partial(octets, &error, look),
    }
}

/// More than any sender's: a digest, a header, the name of a server, and what a vendor adds; short messages carry it.
const LIKELY: usize = 4 * 1024;

/// Package #0, unless no sender would write it so: nearly any octets have the shape of a notification.
pub(super) fn likely_notification(octets: &[u8], look: Look<'_>) -> Result<Packet, Problem> {
    let version = match octets {
        [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, high, low, ..] => {
            u16::from_be_bytes([*high, *low]) >> 6
        }
        _ => return Err(Problem::new(NotificationError::TooShort.to_string())),
    };
    if octets.len() > LIKELY {
        let told = format!("no notification has {} octets", octets.len());
        return Err(Problem::new(told));
    }
    if !(1..=20).contains(&version) {
        let told = format!("at octet 16: no notification has version {}", version_name(version));
        return Err(Problem::new(told));
    }
    notification(octets, look)
}

fn described(octets: &[u8], notification: &Notification, look: Look<'_>) -> Layer {
    let Notification { version, ui, initiator, session_id, server_id, vendor } = notification;
    let digest = hex::encode(octets.get(..16).unwrap_or_default());
    let layer = titled(octets)
        .number("server", words::plain(server_id), json!(server_id))
        .keyed("server_id")
        .number("session", session_name(*session_id), *session_id)
        .keyed("session_id")
        .fact("user", ui_name(*ui))
        .keyed("ui")
        .fact("caused by", initiator_name(*initiator))
        .keyed("initiator")
        .number("version", version_name(*version), *version);
    let layer = if vendor.is_empty() {
        layer
    } else {
        layer.number("vendor", words::octets(vendor), hex::encode(vendor))
    };
    layer.secret("digest", &digest, look)
}

/// The header, which is whole, of a notification whose rest is wrong.
fn partial(octets: &[u8], error: &NotificationError, look: Look<'_>) -> Result<Packet, Problem> {
    let problem = Problem::new(error.to_string());
    let Some((header, _)) = octets.get(16..).and_then(|rest| rest.split_first_chunk::<8>()) else {
        return Err(problem.at(octets, octets.len()));
    };
    let [.., high, low, length] = *header;
    let header = u64::from_be_bytes(*header);
    let ui = match header >> 52 & 3 {
        0 => UiMode::NotSpecified,
        1 => UiMode::Background,
        2 => UiMode::Informative,
        _ => UiMode::Interactive,
    };
    let initiator = if header >> 51 & 1 == 0 { Initiator::User } else { Initiator::Server };
    let version = u16::try_from(header >> 54).unwrap_or_default();
    let session_id = u16::from_be_bytes([high, low]);
    let at = if session_id == 0 { 21 } else { 23 };
    let layer = titled(octets)
        .number("server", format!("of {} announced", words::count(length.into(), "octet")), length)
        .number("session", session_name(session_id), session_id)
        .fact("user", ui_name(ui))
        .fact("caused by", initiator_name(initiator))
        .number("version", version_name(version), version)
        .secret("digest", &hex::encode(octets.get(..16).unwrap_or_default()), look);
    Ok(Packet::Layer(layer.broken(Some(problem.at(octets, at)))))
}

fn titled(octets: &[u8]) -> Layer {
    let octets = words::count(octets.len(), "octet");
    Layer::new("notification", format!("notification (package #0), {octets}"))
}

fn session_name(id: u16) -> String {
    format!("{id:#06x}; the device writes {id:X}")
}

fn version_name(version: u16) -> String {
    format!("{}.{}", version / 10, version % 10)
}

fn ui_name(ui: UiMode) -> &'static str {
    match ui {
        UiMode::NotSpecified => "not specified",
        UiMode::Background => "background",
        UiMode::Informative => "informative",
        UiMode::Interactive => "interactive",
    }
}

fn initiator_name(initiator: Initiator) -> &'static str {
    match initiator {
        Initiator::User => "the user",
        Initiator::Server => "the server",
    }
}

/// The method, and what a device needs to check it.
pub(super) fn protection_name(security: Security) -> String {
    let by = match security {
        Security::Network => "the IMSI",
        Security::User => "a PIN",
        Security::UserAndNetwork => "IMSI and PIN",
        Security::UserWithMac => "a PIN with the digits of the MAC",
    };
    format!("by {} ({by})", security.name())
}

/// Registered numbers of media types that DM and its neighbours use (WSP, content type assignments).
fn content_type_name(code: Option<u16>) -> String {
    let name = match code {
        None => return "named by nothing that is known here".to_owned(),
        Some(CONNECTIVITY_XML) => "text/vnd.wap.connectivity-xml",
        Some(CONNECTIVITY_WBXML) => "application/vnd.wap.connectivity-wbxml",
        Some(DM_WBXML) => "application/vnd.syncml.dm+wbxml",
        Some(DM_XML) => "application/vnd.syncml.dm+xml",
        Some(NOTIFICATION) => "application/vnd.syncml.notification",
        Some(0x4E) => "application/vnd.syncml.ds.notification",
        Some(0x58) => "application/vnd.syncml.dm.notification",
        Some(0x0302) => "application/vnd.syncml+xml",
        Some(0x0303) => "application/vnd.syncml+wbxml",
        Some(other) => return format!("type number {other:#04x}"),
    };
    name.to_owned()
}

/// Registered application ids (OMNA).
fn application_name(code: Option<u16>) -> String {
    let name = match code {
        None => return "not named".to_owned(),
        Some(0x00) => "*",
        Some(0x01) => "push.sia",
        Some(0x02) => "wml.ua",
        Some(0x03) => "wta.ua",
        Some(0x04) => "mms.ua",
        Some(0x05) => "push.syncml",
        Some(0x06) => "loc.ua",
        Some(wap_push::DM_APPLICATION) => "syncml.dm",
        Some(0x08) => "drm.ua",
        Some(0x09) => "emn.ua",
        Some(0x0A) => "wv.ua",
        Some(other) => return format!("number {other:#04x}"),
    };
    format!("x-wap-application:{name}")
}

/// Registered header fields (WSP 1.3).
fn field_name(field: u8) -> String {
    match field {
        0x0D => "Content-Length".to_owned(),
        0x2F => "X-Wap-Application-Id".to_owned(),
        0x30 => "X-Wap-Content-URI".to_owned(),
        0x31 => "X-Wap-Initiator-URI".to_owned(),
        0x34 => "Push-Flag".to_owned(),
        0x3F => "X-Wap-Tod".to_owned(),
        other => format!("field {other:#04x}"),
    }
}
