//! The connectionless WSP push message that carries a notification to port 2948 (WAP-230, DM Notification 1.2).

/// The port on which devices listen for push messages.
pub const PORT: u16 = 2948;

/// A push message as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Push<'a> {
    /// The same in every repetition of one push.
    pub tid: u8,
    /// The registered number of the media type, such as [`NOTIFICATION`]; `None` when it came as text.
    pub content_type: Option<u16>,
    /// The media type where it came as text.
    pub media_type: Option<&'a str>,
    /// The registered number of the application, such as [`DM_APPLICATION`]; `None` when absent or text.
    pub application_id: Option<u16>,
    /// What follows the media type, see [`Push::parameters`].
    parameters: &'a [u8],
    /// What follows the content type, see [`Push::headers`].
    headers: &'a [u8],
    pub body: &'a [u8],
}

/// What a content type says beside the media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter<'a> {
    /// `SEC`: how a bootstrap message is protected.
    Security(u8),
    /// `MAC`: its hexadecimal digits.
    Mac(&'a [u8]),
    /// Any other, by its registered number.
    Other(u8),
}

/// A header beside the content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header<'a> {
    /// The registered number of the field, and its value as number where it has one.
    Registered { field: u8, number: Option<u16>, text: Option<&'a str> },
    /// Name and value in text.
    Text { name: &'a str, value: &'a str },
}

/// The parameter `SEC` as it begins in a content type.
pub(crate) const SEC: u8 = 0x80 | 0x11;
/// The parameter `MAC` as it begins in a content type.
pub(crate) const MAC: u8 = 0x80 | 0x12;

/// `application/vnd.syncml.notification`
pub const NOTIFICATION: u16 = 0x44;
/// `x-wap-application:syncml.dm`
pub const DM_APPLICATION: u16 = 0x07;

const PDU_PUSH: u8 = 0x06;
const APPLICATION_ID: u8 = 0x2F;

/// Why octets are no push message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    #[error("the push message ends in the middle")]
    Truncated,
    #[error("PDU type {0:#04x} is no push")]
    PduType(u8),
    #[error("a length in the headers passes their end")]
    Length,
}

/// Octets of [`push`] before the package.
pub const BEFORE_PACKAGE: usize = 6;

/// The push message for package #0.
///
/// Its five octets before the package are fixed: content type and application id must be in their short forms.
pub fn push(tid: u8, package0: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(6 + package0.len());
    message.extend([tid, PDU_PUSH, 3, 0xC4, 0xAF, 0x87]);
    message.extend(package0);
    message
}

/// The push message for any body: `content_type` is the media type and its parameters, without their length.
pub(crate) fn general(tid: u8, content_type: &[u8], body: &[u8]) -> Vec<u8> {
    let mut headers = Vec::with_capacity(2 + content_type.len());
    if content_type.len() > 30 {
        headers.push(31);
    }
    uintvar(content_type.len(), &mut headers);
    headers.extend(content_type);
    let mut message = vec![tid, PDU_PUSH];
    uintvar(headers.len(), &mut message);
    message.append(&mut headers);
    message.extend(body);
    message
}

/// Seven bits an octet, the highest first; the same as `mb_u_int32` of WBXML.
pub(crate) fn uintvar(number: usize, out: &mut Vec<u8>) {
    let low = |number: usize| u8::try_from(number & 0x7F).expect("seven bits");
    let mut groups = vec![low(number)];
    let mut rest = number >> 7;
    while rest > 0 {
        groups.push(low(rest) | 0x80);
        rest >>= 7;
    }
    out.extend(groups.iter().rev());
}

/// Reads a push message with any headers.
pub fn parse(message: &[u8]) -> Result<Push<'_>, PushError> {
    let mut rest = Octets(message);
    let tid = rest.octet()?;
    match rest.octet()? {
        PDU_PUSH => {}
        other => return Err(PushError::PduType(other)),
    }
    let length = rest.uintvar()?;
    let mut headers = Octets(rest.take(length)?);
    let body = rest.0;
    let mut parameters: &[u8] = &[];
    let (content_type, media_type) = match headers.value()? {
        Value::Number(number) => (Some(number), None),
        // General form: the type is the first value inside, parameters follow.
        Value::Octets(general) => {
            let mut inside = Octets(general);
            let kind = match inside.value()? {
                Value::Number(number) => (Some(number), None),
                // A number of more than seven bits.
                Value::Octets(octets) => (number_of(octets), None),
                Value::Text(text) => (None, std::str::from_utf8(text).ok()),
            };
            parameters = inside.0;
            kind
        }
        Value::Text(text) => (None, std::str::from_utf8(text).ok()),
    };
    let all = headers.0;
    let mut application_id = None;
    while let Ok(field) = headers.octet() {
        if field & 0x80 == 0 {
            // A header named by text: its value is text too.
            headers.text()?;
            headers.text()?;
            continue;
        }
        let value = headers.value()?;
        if field & 0x7F == APPLICATION_ID {
            application_id = match value {
                Value::Number(number) => Some(number),
                Value::Octets(octets) => number_of(octets),
                Value::Text(_) => None,
            };
        }
    }
    Ok(Push { tid, content_type, media_type, application_id, parameters, headers: all, body })
}

/// A long integer, as far as registered numbers go.
fn number_of(octets: &[u8]) -> Option<u16> {
    match *octets {
        [one] => Some(u16::from(one)),
        [high, low] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

impl<'a> Push<'a> {
    /// The parameters of the content type; they end where they make no sense any more.
    pub fn parameters(&self) -> impl Iterator<Item = Parameter<'a>> {
        let mut rest = Octets(self.parameters);
        std::iter::from_fn(move || {
            let name = rest.octet().ok()?;
            if name & 0x80 == 0 {
                rest.text().ok()?;
                rest.value().ok()?;
                return Some(Parameter::Other(name));
            }
            Some(match (name, rest.value().ok()?) {
                (SEC, Value::Number(number)) => {
                    Parameter::Security(u8::try_from(number).unwrap_or(u8::MAX))
                }
                (MAC, Value::Text(text)) => Parameter::Mac(text),
                _ => Parameter::Other(name & 0x7F),
            })
        })
    }

    /// The headers beside the content type, [`Push::application_id`] among them; they end where they make no sense.
    pub fn headers(&self) -> impl Iterator<Item = Header<'a>> {
        let mut rest = Octets(self.headers);
        std::iter::from_fn(move || {
            let (&first, after) = rest.0.split_first()?;
            if first & 0x80 == 0 {
                let name = std::str::from_utf8(rest.text().ok()?).ok()?;
                let value = std::str::from_utf8(rest.text().ok()?).ok()?;
                return Some(Header::Text { name, value });
            }
            rest.0 = after;
            let (number, text) = match rest.value().ok()? {
                Value::Number(number) => (Some(number), None),
                Value::Octets(octets) => (number_of(octets), None),
                Value::Text(text) => (None, std::str::from_utf8(text).ok()),
            };
            Some(Header::Registered { field: first & 0x7F, number, text })
        })
    }
}

struct Octets<'a>(&'a [u8]);

enum Value<'a> {
    Number(u16),
    Octets(&'a [u8]),
    Text(&'a [u8]),
}

impl<'a> Octets<'a> {
    fn octet(&mut self) -> Result<u8, PushError> {
        let (&first, rest) = self.0.split_first().ok_or(PushError::Truncated)?;
        self.0 = rest;
        Ok(first)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], PushError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(PushError::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Seven bits an octet, the highest first.
    fn uintvar(&mut self) -> Result<usize, PushError> {
        let mut number = 0u32;
        for _ in 0..5 {
            let octet = self.octet()?;
            number = number.checked_mul(128).ok_or(PushError::Length)? | u32::from(octet & 0x7F);
            if octet & 0x80 == 0 {
                return usize::try_from(number).map_err(|_too_long| PushError::Length);
            }
        }
        Err(PushError::Length)
    }

    /// A header value; its first octet tells its form (WSP, "Header values").
    fn value(&mut self) -> Result<Value<'a>, PushError> {
        let whole = self.0;
        match self.octet()? {
            short @ 0x80.. => Ok(Value::Number(u16::from(short & 0x7F))),
            length @ 0..=30 => Ok(Value::Octets(self.take(usize::from(length))?)),
            31 => {
                let length = self.uintvar()?;
                Ok(Value::Octets(self.take(length)?))
            }
            0x20..=0x7F => {
                // Its first octet is text already.
                self.0 = whole;
                self.text().map(Value::Text)
            }
        }
    }

    /// Text up to its zero octet; a quote before it is no part of it.
    fn text(&mut self) -> Result<&'a [u8], PushError> {
        let end = self.0.iter().position(|&octet| octet == 0).ok_or(PushError::Truncated)?;
        let text = self.take(end)?;
        self.octet()?;
        Ok(text.strip_prefix(b"\x7F").or_else(|| text.strip_prefix(b"\"")).unwrap_or(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_form_is_what_devices_expect() {
        let message = push(0x2A, b"package");
        assert_eq!(message, b"\x2A\x06\x03\xC4\xAF\x87package");
        let read = parse(&message).unwrap();
        assert_eq!((read.tid, read.body), (0x2A, b"package".as_slice()));
        assert_eq!(
            (read.content_type, read.application_id),
            (Some(NOTIFICATION), Some(DM_APPLICATION))
        );
        let application = Header::Registered { field: APPLICATION_ID, number: Some(7), text: None };
        assert_eq!(read.headers().collect::<Vec<_>>(), [application]);
    }

    #[test]
    fn other_forms_of_headers_are_read_over() {
        // general content type with a parameter; a push flag; a header in text; the application id with a length
        let headers = b"\x03\xC4\x81\x84\xB4\x81x-a\0b\0\xAF\x01\x07";
        let message =
            [b"\x01\x06".as_slice(), &[u8::try_from(headers.len()).unwrap()], headers, b"body"]
                .concat();
        let read = parse(&message).unwrap();
        assert_eq!(
            (read.content_type, read.application_id, read.body),
            (Some(0x44), Some(7), b"body".as_slice())
        );
        assert_eq!(read.parameters().collect::<Vec<_>>(), [Parameter::Other(1)]);
        let headers: Vec<_> = read.headers().collect();
        assert_eq!(headers[1], Header::Text { name: "x-a", value: "b" });
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for (message, why) in [
            (b"".as_slice(), PushError::Truncated),
            (b"\x01\x07\x03\xC4\xAF\x87", PushError::PduType(7)),
            (b"\x01\x06\x09\xC4\xAF\x87", PushError::Length),
            (b"\x01\x06\xFF\xFF\xFF\xFF\xFF\x7F", PushError::Length),
            (b"\x01\x06\x02\x1E\xC4", PushError::Length),
            (b"\x01\x06\x03\xC4x\0", PushError::Truncated),
        ] {
            assert_eq!(parse(message), Err(why), "{message:02X?}");
        }
    }
}
