//! The body of a push: the control entity and the content, each a part of one `multipart/related` (RFC 2046, RFC 2387).

use super::{Document, Pap, PapError, PushMessage};

/// What is pushed: its type, the application it is for, and its octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content<'a> {
    pub media_type: &'a str,
    /// The value of `X-Wap-Application-Id`.
    pub application_id: Option<&'a str>,
    pub octets: &'a [u8],
}

impl<'a> Content<'a> {
    /// Package #0 for a device's DM client; the gateway makes the push message.
    pub const fn notification(package0: &'a [u8]) -> Self {
        Self {
            media_type: "application/vnd.syncml.notification",
            application_id: Some("x-wap-application:syncml.dm"),
            octets: package0,
        }
    }
}

/// The body of a request, and the `Content-Type` that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    pub content_type: String,
    pub octets: Vec<u8>,
}

/// The longest boundary (RFC 2046).
const LONGEST_BOUNDARY: usize = 70;

impl PushMessage {
    /// The body that pushes `content`. `boundary` must not occur in it; a random one of 16 characters will do.
    pub fn compose(
        &self,
        product_name: Option<&str>,
        content: &Content<'_>,
        boundary: &str,
    ) -> Result<Body, PapError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "'()+_,-./:=?".contains(c);
        if boundary.is_empty()
            || boundary.len() > LONGEST_BOUNDARY
            || !boundary.chars().all(allowed)
        {
            return Err(PapError::Boundary);
        }
        let control = Pap {
            product_name: product_name.map(str::to_owned),
            document: Document::Push(self.clone()),
        }
        .write()?;
        let delimiter = format!("--{boundary}");
        if find(content.octets, delimiter.as_bytes()).is_some() || control.contains(&delimiter) {
            return Err(PapError::BoundaryInContent);
        }
        let application = content
            .application_id
            .map(|id| format!("X-Wap-Application-Id: {id}\r\n"))
            .unwrap_or_default();
        let mut octets = format!(
            "{delimiter}\r\nContent-Type: application/xml; charset=UTF-8\r\n\r\n{control}\r\n{delimiter}\r\n\
             Content-Type: {}\r\n{application}Content-Transfer-Encoding: binary\r\n\r\n",
            content.media_type
        )
        .into_bytes();
        octets.extend(content.octets);
        octets.extend(format!("\r\n{delimiter}--\r\n").into_bytes());
        // Some boundaries need quotes, and those that do not may have them (RFC 2045).
        let plain = boundary.chars().all(|c| c.is_ascii_alphanumeric() || "'+_-.".contains(c));
        let quote = if plain { "" } else { "\"" };
        let content_type = format!(
            "multipart/related; boundary={quote}{boundary}{quote}; type=\"application/xml\""
        );
        Ok(Body { content_type, octets })
    }
}

/// One part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// Names as written, values trimmed.
    pub headers: Vec<(&'a str, &'a str)>,
    pub octets: &'a [u8],
}

impl<'a> Part<'a> {
    /// The value of a header, its name in any case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}

/// The parts of a `multipart` body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts<'a> {
    pub boundary: &'a str,
    pub parts: Vec<Part<'a>>,
}

/// Control entity, content, capabilities, and room for what nobody uses.
const MOST_PARTS: usize = 8;
const MOST_HEADERS: usize = 32;

impl<'a> Parts<'a> {
    /// Takes a body apart by the boundary on its first line.
    pub fn parse(body: &'a [u8]) -> Result<Self, PapError> {
        let error = |at, what| PapError::Multipart { at, what };
        let no_boundary = || error(0, "no boundary begins the body");
        let start = body.strip_prefix(b"--").ok_or_else(no_boundary)?;
        let (line, _) = line(start).ok_or_else(no_boundary)?;
        let boundary = std::str::from_utf8(line).map_err(|_no_text| no_boundary())?.trim_end();
        if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY {
            return Err(no_boundary());
        }
        let next = format!("\r\n--{boundary}");
        let mut parts = Vec::new();
        // After the boundary, at the end of its line or at the two dashes that end the body.
        let mut at = 2 + boundary.len();
        loop {
            let rest = body.get(at..).unwrap_or_default();
            if rest.starts_with(b"--") {
                return Ok(Self { boundary, parts });
            }
            if parts.len() == MOST_PARTS {
                return Err(error(at, "more parts than a push has"));
            }
            let (_, rest) =
                self::line(rest).ok_or_else(|| error(at, "the body ends in a boundary"))?;
            let begins = body.len() - rest.len();
            let (headers, rest) = headers(rest, begins)?;
            let begins = body.len() - rest.len();
            let length = find(rest, next.as_bytes())
                .ok_or_else(|| error(begins, "no boundary ends the part that begins here"))?;
            parts.push(Part { headers, octets: rest.get(..length).unwrap_or_default() });
            at = begins + length + next.len();
        }
    }
}

type Headers<'a> = Vec<(&'a str, &'a str)>;

/// The headers up to the empty line, and what follows it.
fn headers(octets: &[u8], at: usize) -> Result<(Headers<'_>, &[u8]), PapError> {
    let mut headers = Vec::new();
    let mut rest = octets;
    loop {
        let here = at + octets.len() - rest.len();
        let error = |what| PapError::Multipart { at: here, what };
        let (line, after) = line(rest).ok_or_else(|| error("the body ends in a header"))?;
        rest = after;
        if line.is_empty() {
            return Ok((headers, rest));
        }
        let text =
            std::str::from_utf8(line).map_err(|_no_text| error("a header that is no text"))?;
        let (name, value) =
            text.split_once(':').ok_or_else(|| error("a header without a colon"))?;
        if headers.len() == MOST_HEADERS {
            return Err(error("too many headers"));
        }
        headers.push((name.trim(), value.trim()));
    }
}

/// The first line without its end, and the rest; `None` when no line ends.
fn line(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = octets.iter().position(|&octet| octet == b'\n')?;
    let (line, rest) = octets.split_at_checked(end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..)?))
}

fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    octets.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pap::Address;

    fn push() -> PushMessage {
        PushMessage {
            push_id: "1@host".into(),
            addresses: vec![Address::of_number("447700900123", "ppg")],
            ..PushMessage::default()
        }
    }

    #[test]
    fn what_is_composed_comes_apart_again_octet_for_octet() {
        let package: Vec<u8> = (0..=255).chain(*b"\r\n--other\r\n").collect();
        let content = Content::notification(&package);
        let body = push().compose(None, &content, "a:b").unwrap();
        assert!(body.content_type.contains("boundary=\"a:b\""), "{}", body.content_type);
        let parts = Parts::parse(&body.octets).unwrap();
        let [control, pushed] = parts.parts.as_slice() else { panic!("{parts:?}") };
        assert_eq!((parts.boundary, pushed.octets), ("a:b", package.as_slice()));
        assert_eq!(pushed.header("content-type"), Some("application/vnd.syncml.notification"));
        assert_eq!(Pap::parse(control.octets).unwrap().document, Document::Push(push()));
    }

    #[test]
    fn a_boundary_that_would_cut_the_content_is_refused() {
        let compose = |content: &[u8], boundary: &str| {
            push().compose(None, &Content::notification(content), boundary)
        };
        assert!(matches!(compose(b"x--abc", "abc"), Err(PapError::BoundaryInContent)));
        for boundary in ["", "a b", "a\r\nb", &"x".repeat(71)] {
            assert!(matches!(compose(b"x", boundary), Err(PapError::Boundary)), "{boundary:?}");
        }
    }

    /// C3
    #[test]
    fn a_body_that_is_cut_or_invented_is_refused_with_the_place() {
        let body = push().compose(None, &Content::notification(b"package"), "b").unwrap().octets;
        for cut in 0..body.len() - 4 {
            assert!(Parts::parse(&body[..cut]).is_err(), "{cut}");
        }
        let endless = b"--b\r\n\r\n".repeat(20);
        for (body, told) in [
            (b"".as_slice(), "at octet 0: no boundary begins the body"),
            (b"--b\r\nNo colon\r\n\r\n", "at octet 5: a header without a colon"),
            (b"--b\r\nA: b\r\n\r\nrest", "at octet 13: no boundary ends the part that begins here"),
            (&endless, "more parts"),
        ] {
            let error = Parts::parse(body).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
