//! A push as it is posted: two parts, the control entity and the content, and what is wrong with them (notification.md
//! section 7).

use super::request::Request;
use crate::{
    clock::Moment,
    verdict::{Finding, Rule},
};
use wire::pap::{DeliveryMethod, Document, Pap, PushMessage};

/// A push that can be read.
#[derive(Debug)]
pub(super) struct Push {
    pub(super) control: PushMessage,
    /// Package #0.
    pub(super) content: Vec<u8>,
    /// What is wrong with it all the same.
    pub(super) findings: Vec<Finding>,
}

/// The two types, as they are registered.
const NOTIFICATION: &str = "application/vnd.syncml.notification";
const APPLICATION: &str = "x-wap-application:syncml.dm";

impl Push {
    pub(super) fn read(request: &Request) -> Result<Self, Finding> {
        let wrong = |detail: &str| Finding::new(Rule::PushRequest, detail);
        if request.method != "POST" {
            return Err(wrong("It is not posted."));
        }
        let boundary = boundary(request.header("content-type").unwrap_or_default())
            .ok_or_else(|| wrong("It is no multipart/related of application/xml."))?;
        let [control, content] = parts(&request.body, boundary).ok_or_else(|| {
            wrong("Its body does not have two parts, each between boundaries as announced.")
        })?;
        let xml = control.header("content-type").unwrap_or_default();
        if !xml.eq_ignore_ascii_case("application/xml")
            && !xml.to_ascii_lowercase().starts_with("application/xml;")
        {
            return Err(wrong("Its first part is no XML."));
        }
        let message = match Pap::parse(control.octets) {
            Ok(Pap { document: Document::Push(message), .. }) => message,
            Ok(Pap { document, .. }) => {
                let detail = format!("It holds a {}.", document.name());
                return Err(Finding::new(Rule::PushControl, detail));
            }
            Err(error) => return Err(Finding::new(Rule::PushControl, error.to_string())),
        };
        let mut findings = judge(&message);
        for (header, wanted) in
            [("content-type", NOTIFICATION), ("x-wap-application-id", APPLICATION)]
        {
            let said = content.header(header).unwrap_or_default();
            if said != wanted {
                findings.push(Finding::new(
                    Rule::PushContent,
                    format!("{header} is {said:?} and not {wanted:?}."),
                ));
            }
        }
        Ok(Self { control: message, content: content.octets.to_vec(), findings })
    }

    /// Digits of the number that it is for.
    pub(super) fn number(&self) -> Option<&str> {
        let [address] = self.control.addresses.as_slice() else { return None };
        number(address.text())
    }
}

/// What is wrong with a control entity that can be read.
fn judge(message: &PushMessage) -> Vec<Finding> {
    let id = &message.push_id;
    let quality = message.quality.clone().unwrap_or_default();
    let one = match message.addresses.as_slice() {
        [address] => number(address.text()).is_some(),
        _ => false,
    };
    let before = message.deliver_before.as_deref().unwrap_or_default();
    let table: [(bool, &str); 6] = [
        (
            id.split_once('@').is_some_and(|(id, host)| !id.is_empty() && !host.is_empty())
                && id.bytes().all(|octet| octet.is_ascii_graphic()),
            "push-id is not of the form id@host",
        ),
        (one, "there is not one address, of a number"),
        (is_moment(before), "deliver-before-timestamp is no moment"),
        (
            message.notify_requested_to.as_ref().is_none_or(|url| url.starts_with("http")),
            "ppg-notify-requested-to is no URL",
        ),
        (
            matches!(quality.delivery_method, Some(DeliveryMethod::Unconfirmed)),
            "delivery-method is not unconfirmed",
        ),
        (
            quality.network_required == quality.bearer_required,
            "network-required and bearer-required differ",
        ),
    ];
    let wrong = table.into_iter().filter(|(fits, _)| !fits);
    wrong.map(|(_, what)| Finding::new(Rule::PushControl, format!("The {what}."))).collect()
}

/// Whether a time is over. Written alike, times are in the order of their texts.
pub(super) fn is_over(before: &str, now: Moment) -> bool {
    is_moment(before) && before < now.text().as_str()
}

/// `2024-05-01T10:00:00Z`
fn is_moment(text: &str) -> bool {
    let digits = |octet: &u8| if octet.is_ascii_digit() { b'0' } else { *octet };
    text.bytes().map(|octet| digits(&octet)).eq(*b"0000-00-00T00:00:00Z")
}

/// `WAPPUSH=+999.../TYPE=PLMN@gateway`
fn number(address: &str) -> Option<&str> {
    let (number, place) = address.strip_prefix("WAPPUSH=+")?.split_once("/TYPE=PLMN@")?;
    let digits = (7..=15).contains(&number.len()) && number.bytes().all(|d| d.is_ascii_digit());
    (digits && !place.is_empty()).then_some(number)
}

/// The boundary that a `Content-Type` announces.
fn boundary(content_type: &str) -> Option<&str> {
    let mut fields = content_type.split(';').map(str::trim);
    if !fields.next()?.eq_ignore_ascii_case("multipart/related") {
        return None;
    }
    let (mut boundary, mut kind) = (None, None);
    for field in fields {
        let (name, value) = field.split_once('=')?;
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        match name.to_ascii_lowercase().as_str() {
            "boundary" => boundary = Some(value),
            "type" => kind = Some(value),
            _ => {}
        }
    }
    (kind? == "application/xml").then_some(boundary?).filter(|boundary| !boundary.is_empty())
}

struct Part<'a> {
    head: &'a str,
    octets: &'a [u8],
}

impl Part<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.split("\r\n").filter_map(|line| line.split_once(':'));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// The two parts of a body that is nothing but them (RFC 2046).
fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<[Part<'a>; 2]> {
    let delimiter = format!("\r\n--{boundary}");
    let rest = body.strip_prefix(delimiter.trim_start().as_bytes())?;
    let (control, rest) = part(rest, delimiter.as_bytes())?;
    let (content, rest) = part(rest, delimiter.as_bytes())?;
    matches!(rest, b"--" | b"--\r\n").then_some([control, content])
}

fn part<'a>(rest: &'a [u8], delimiter: &[u8]) -> Option<(Part<'a>, &'a [u8])> {
    let find = |octets: &[u8], wanted: &[u8]| {
        octets.windows(wanted.len()).position(|window| window == wanted)
    };
    let rest = rest.strip_prefix(b"\r\n")?;
    let (head, rest) = rest.split_at_checked(find(rest, b"\r\n\r\n")?)?;
    let rest = rest.strip_prefix(b"\r\n\r\n")?;
    let (octets, rest) = rest.split_at_checked(find(rest, delimiter)?)?;
    Some((Part { head: std::str::from_utf8(head).ok()?, octets }, rest.strip_prefix(delimiter)?))
}
