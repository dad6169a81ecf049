//! Captured HTTP: the first line, the headers, and what the body is.

use super::{
    gateway,
    layer::{Layer, Look, Packet, Problem},
    mask::HIDDEN,
    push, words,
};
use crate::octets::Found;
use base64::{Engine, engine::general_purpose::STANDARD};
use wire::{
    bootstrap::Protection,
    hmac::{self, Hmac},
};

/// The methods that devices, gateways and operators use.
const METHODS: [&str; 6] = ["POST ", "GET ", "PUT ", "HEAD ", "DELETE ", "OPTIONS "];

/// The most headers of one message.
const MOST_HEADERS: usize = 200;

pub(super) fn is(octets: &[u8]) -> bool {
    let line = octets.split(|&octet| octet == b'\n').next().unwrap_or_default();
    line.starts_with(b"HTTP/1.")
        || METHODS.iter().any(|method| line.starts_with(method.as_bytes()))
            && line.windows(6).any(|window| window == b"HTTP/1")
}

pub(super) fn read(octets: &[u8], look: Look<'_>) -> Result<Packet, Problem> {
    let (head, body) = split(octets);
    let head = std::str::from_utf8(head).map_err(|no_text| {
        Problem::new("the headers are not text").at(octets, no_text.valid_up_to())
    })?;
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default().trim_end();
    if !is(first.as_bytes()) {
        return Err(Problem::new("no HTTP/1.x request or status line begins it"));
    }
    let title = format!("HTTP, {}", words::count(octets.len(), "octet"));
    let kind = if first.starts_with("HTTP/") { "status" } else { "request" };
    let mut layer = Layer::new("http", title).said(kind, first);
    let mut headers: Vec<(&str, &str)> = Vec::new();
    for line in lines.take(MOST_HEADERS) {
        match line.split_once(':') {
            Some((name, value)) => {
                let (name, value) = (name.trim(), value.trim());
                layer = layer.said(&words::plain(name), &shown(name, value, look));
                headers.push((name, value));
            }
            None => layer = layer.said("(no header)", line),
        }
    }
    let header = |wanted: &str| {
        headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
    };
    let (body, problem) = whole(body, header("transfer-encoding"), header("content-length"));
    if body.is_empty() {
        return Ok(Packet::Layer(layer.broken(problem)));
    }
    if let Some(coding) =
        header("content-encoding").filter(|coding| !coding.eq_ignore_ascii_case("identity"))
    {
        let told = format!("{}, compressed ({})", words::octets(&body), words::plain(coding));
        return Ok(Packet::Layer(layer.fact("body", told).broken(problem)));
    }
    let layer = match header("content-type").map(Protection::of_content_type) {
        Some(Ok(Some(protection))) => {
            layer.fact("protected", push::protection_name(protection.security))
        }
        _ => layer,
    };
    let inside = inside(&body, header("content-type").unwrap_or_default(), look);
    Ok(Packet::Layer(match inside {
        Ok(inside) => layer.holding([inside]).broken(problem),
        // Why a body cannot be read says less than that it was cut.
        Err(unreadable) => layer.broken(problem.or_else(|| Some(unreadable.within("in the body")))),
    }))
}

/// Head and body, at the first empty line.
fn split(octets: &[u8]) -> (&[u8], &[u8]) {
    let end = |pattern: &[u8]| {
        let at = octets.windows(pattern.len()).position(|window| window == pattern)?;
        Some((at, at + pattern.len()))
    };
    let first = [end(b"\r\n\r\n"), end(b"\n\n")].into_iter().flatten().min();
    let (head, body) = first.unwrap_or((octets.len(), octets.len()));
    (octets.get(..head).unwrap_or_default(), octets.get(body..).unwrap_or_default())
}

/// What of a header may be seen: who proves itself, not with what.
fn shown(name: &str, value: &str, look: Look<'_>) -> String {
    if look.show_secrets {
        return value.to_owned();
    }
    if name.eq_ignore_ascii_case(hmac::HEADER) {
        return match Hmac::parse(value) {
            Ok(hmac) => format!("username=\"{}\", mac={HIDDEN}", hmac.user),
            Err(error) => format!("{HIDDEN}, and not readable: {error}"),
        };
    }
    let secret = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
    if secret.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
        let (scheme, rest) = value.split_once(' ').unwrap_or(("", value));
        let user =
            STANDARD.decode(rest.trim()).ok().and_then(|octets| String::from_utf8(octets).ok());
        let user = user.as_deref().and_then(|text| text.split_once(':')).map(|(user, _)| user);
        return match user {
            Some(user) if scheme.eq_ignore_ascii_case("basic") => {
                format!("{scheme} user {user}, password {HIDDEN}")
            }
            _ => format!("{scheme} {HIDDEN}").trim_start().to_owned(),
        };
    }
    // MAC of a bootstrap message.
    match value.to_ascii_lowercase().find("mac=") {
        Some(at) if name.eq_ignore_ascii_case("content-type") => {
            format!("{}{HIDDEN}", value.get(..at + 4).unwrap_or_default())
        }
        _ => value.to_owned(),
    }
}

/// The body without its transfer coding, and what is wrong with its length.
fn whole(body: &[u8], coding: Option<&str>, length: Option<&str>) -> (Vec<u8>, Option<Problem>) {
    if coding.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return dechunked(body);
    }
    let announced = length.and_then(|length| length.parse::<usize>().ok());
    match announced {
        Some(announced) if announced > body.len() => {
            let told = format!(
                "{announced} octets of body are announced, and {} were captured",
                body.len()
            );
            (body.to_vec(), Some(Problem::new(told)))
        }
        // What follows is another message of the same connection.
        Some(announced) => (body.get(..announced).unwrap_or(body).to_vec(), None),
        None => (body.to_vec(), None),
    }
}

fn dechunked(body: &[u8]) -> (Vec<u8>, Option<Problem>) {
    let cut = || Some(Problem::new("the body ends in the middle of a chunk"));
    let (mut out, mut rest) = (Vec::new(), body);
    loop {
        let Some(end) = rest.iter().position(|&octet| octet == b'\n') else { return (out, cut()) };
        let line = rest.get(..end).unwrap_or_default();
        let size = line.split(|&octet| octet == b';').next().unwrap_or_default().trim_ascii();
        let size =
            std::str::from_utf8(size).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        rest = rest.get(end + 1..).unwrap_or_default();
        match size {
            Some(0) => return (out, None),
            Some(size) => {
                let Some((chunk, after)) = rest.split_at_checked(size) else {
                    out.extend(rest);
                    return (out, cut());
                };
                out.extend(chunk);
                rest = after
                    .strip_prefix(b"\r\n")
                    .or_else(|| after.strip_prefix(b"\n"))
                    .unwrap_or(after);
            }
            None => return (out, Some(Problem::new("a chunk of the body has no size"))),
        }
    }
}

fn inside(body: &[u8], content_type: &str, look: Look<'_>) -> Result<Packet, Problem> {
    if content_type.starts_with("multipart/") {
        return gateway::read(body, look);
    }
    // A log has a body of octets as hexadecimal text.
    let Found { octets, .. } = crate::octets::find(body.to_vec());
    super::packet::recognise(&octets, look)
}
