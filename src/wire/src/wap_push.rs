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
    /// The registered number of the application, such as [`DM_APPLICATION`]; `None` when absent or text.
    pub application_id: Option<u16>,
    pub body: &'a [u8],
}

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

/// The push message for package #0.
///
/// Its five octets before the package are fixed: content type and application id must be in their short forms.
pub fn push(tid: u8, package0: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(6 + package0.len());
    message.extend([tid, PDU_PUSH, 3, 0xC4, 0xAF, 0x87]);
    message.extend(package0);
    message
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
    let content_type = match headers.value()? {
        Value::Number(number) => Some(number),
        // General form: the type is the first value inside, parameters follow.
        Value::Octets(general) => match Octets(general).value() {
            Ok(Value::Number(number)) => Some(number),
            _ => None,
        },
        Value::Text => None,
    };
    let mut application_id = None;
    while let Ok(field) = headers.octet() {
        if field & 0x80 == 0 {
            // A header named by text: its value is text too.
            headers.skip_text()?;
            headers.skip_text()?;
            continue;
        }
        let value = headers.value()?;
        if field & 0x7F == APPLICATION_ID {
            application_id = match value {
                Value::Number(number) => Some(number),
                Value::Octets(&[one]) => Some(u16::from(one)),
                Value::Octets(&[high, low]) => Some(u16::from_be_bytes([high, low])),
                Value::Octets(_) | Value::Text => None,
            };
        }
    }
    Ok(Push { tid, content_type, application_id, body })
}

struct Octets<'a>(&'a [u8]);

enum Value<'a> {
    Number(u16),
    Octets(&'a [u8]),
    Text,
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
        match self.octet()? {
            short @ 0x80.. => Ok(Value::Number(u16::from(short & 0x7F))),
            length @ 0..=30 => Ok(Value::Octets(self.take(usize::from(length))?)),
            31 => {
                let length = self.uintvar()?;
                Ok(Value::Octets(self.take(length)?))
            }
            0x20..=0x7F => {
                self.skip_text()?;
                Ok(Value::Text)
            }
        }
    }

    fn skip_text(&mut self) -> Result<(), PushError> {
        while self.octet()? != 0 {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_form_is_what_devices_expect() {
        let message = push(0x2A, b"package");
        assert_eq!(message, b"\x2A\x06\x03\xC4\xAF\x87package");
        let expected = Push {
            tid: 0x2A,
            content_type: Some(NOTIFICATION),
            application_id: Some(DM_APPLICATION),
            body: b"package",
        };
        assert_eq!(parse(&message), Ok(expected));
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
