//! A push message as short messages: user data headers with ports and, where it must be cut, parts (3GPP TS 23.040).
//!
//! Every part repeats the ports, because receivers route each part by itself.

use crate::wap_push;

/// The octets of one short message, headers included.
pub const LONGEST: usize = 140;

/// The usual port of the sender; receivers ignore it.
pub const SOURCE_PORT: u16 = 9200;

/// Marks the parts of one push. Choose a new one per push and destination; a repetition keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// The common form.
    Short(u8),
    /// For many pushes to one device at a time.
    Long(u16),
}

/// The place of a short message among the parts of a push; both numbers begin at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub reference: Reference,
    pub total: u8,
    pub number: u8,
}

/// The user data of one short message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    pub destination: u16,
    pub source: u16,
    /// `None` when the push is whole.
    pub part: Option<Part>,
    pub payload: &'a [u8],
}

/// Why a push cannot be cut, or user data cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SmsError {
    #[error("the push needs more than 255 short messages")]
    TooLong,
    #[error("the user data is longer than {LONGEST} octets or ends within its headers")]
    Length,
    #[error("the user data has no ports")]
    NoPorts,
    #[error("part {number} of {total} does not exist")]
    Part { number: u8, total: u8 },
}

const IE_SHORT_REFERENCE: u8 = 0x00;
const IE_PORTS: u8 = 0x05;
const IE_LONG_REFERENCE: u8 = 0x08;

/// The length octet and the ports.
const PORTS_HEADER: usize = 7;

/// Cuts a push for port 2948. One short message if it fits, else as few as possible with `reference` in each.
pub fn segments(push: &[u8], source: u16, reference: Reference) -> Result<Vec<Vec<u8>>, SmsError> {
    if push.len() + PORTS_HEADER <= LONGEST {
        return Ok(vec![
            Segment { destination: wap_push::PORT, source, part: None, payload: push }.octets(),
        ]);
    }
    let header = PORTS_HEADER
        + match reference {
            Reference::Short(_) => 5,
            Reference::Long(_) => 6,
        };
    let parts = push.chunks(LONGEST - header);
    let total = u8::try_from(parts.len()).map_err(|_too_many| SmsError::TooLong)?;
    let segments = parts.zip(1..=total).map(|(payload, number)| {
        let part = Some(Part { reference, total, number });
        Segment { destination: wap_push::PORT, source, part, payload }.octets()
    });
    Ok(segments.collect())
}

/// The push in one piece with its ports, however long: for networks that cut it themselves (`message_payload` in SMPP).
pub fn whole(push: &[u8], source: u16) -> Vec<u8> {
    Segment { destination: wap_push::PORT, source, part: None, payload: push }.octets()
}

impl<'a> Segment<'a> {
    fn octets(&self) -> Vec<u8> {
        let mut header = vec![IE_PORTS, 4];
        header.extend(self.destination.to_be_bytes());
        header.extend(self.source.to_be_bytes());
        if let Some(Part { reference, total, number }) = self.part {
            match reference {
                Reference::Short(reference) => header.extend([IE_SHORT_REFERENCE, 3, reference]),
                Reference::Long(reference) => {
                    let [high, low] = reference.to_be_bytes();
                    header.extend([IE_LONG_REFERENCE, 4, high, low]);
                }
            }
            header.extend([total, number]);
        }
        let length = u8::try_from(header.len()).expect("12 octets at most");
        let mut octets = Vec::with_capacity(1 + header.len() + self.payload.len());
        octets.push(length);
        octets.append(&mut header);
        octets.extend(self.payload);
        octets
    }

    /// Reads user data with a header (`UDHI` set). Unknown information elements are read over.
    pub fn parse(user_data: &'a [u8]) -> Result<Self, SmsError> {
        if user_data.len() > LONGEST {
            return Err(SmsError::Length);
        }
        let (&length, rest) = user_data.split_first().ok_or(SmsError::Length)?;
        let (mut header, payload) =
            rest.split_at_checked(usize::from(length)).ok_or(SmsError::Length)?;
        let (mut ports, mut part) = (None, None);
        while let [kind, length, rest @ ..] = header {
            let (content, after) =
                rest.split_at_checked(usize::from(*length)).ok_or(SmsError::Length)?;
            match (*kind, content) {
                (IE_PORTS, &[d1, d2, s1, s2]) => {
                    ports = Some((u16::from_be_bytes([d1, d2]), u16::from_be_bytes([s1, s2])));
                }
                (IE_SHORT_REFERENCE, &[reference, total, number]) => {
                    part = Some(Part { reference: Reference::Short(reference), total, number });
                }
                (IE_LONG_REFERENCE, &[high, low, total, number]) => {
                    let reference = Reference::Long(u16::from_be_bytes([high, low]));
                    part = Some(Part { reference, total, number });
                }
                _ => {}
            }
            header = after;
        }
        if let Some(Part { total, number, .. }) = part
            && (number == 0 || number > total)
        {
            return Err(SmsError::Part { number, total });
        }
        let (destination, source) = ports.ok_or(SmsError::NoPorts)?;
        Ok(Self { destination, source, part, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_together_are_the_push() {
        let push: Vec<u8> = (0..=255).cycle().take(5000).collect();
        for (reference, first) in [(Reference::Short(7), 128), (Reference::Long(0xBEEF), 127)] {
            let cut = segments(&push, SOURCE_PORT, reference).unwrap();
            let mut joined = Vec::new();
            for (octets, number) in cut.iter().zip(1..) {
                let segment = Segment::parse(octets).unwrap();
                let total = u8::try_from(cut.len()).unwrap();
                assert_eq!(segment.part, Some(Part { reference, total, number }));
                assert_eq!((segment.destination, segment.source), (2948, 9200));
                joined.extend(segment.payload);
            }
            assert_eq!(
                (joined.as_slice(), cut[0].len() - (LONGEST - first)),
                (push.as_slice(), first)
            );
        }
        assert_eq!(segments(&[0].repeat(255 * 128), 1, Reference::Short(0)).unwrap().len(), 255);
        assert_eq!(
            segments(&[0].repeat(255 * 128 + 1), 1, Reference::Short(0)),
            Err(SmsError::TooLong)
        );
    }

    #[test]
    fn headers_that_lie_are_refused_and_unknown_ones_read_over() {
        for (octets, why) in [
            (b"".as_slice(), SmsError::Length),
            (b"\x09\x05\x04", SmsError::Length),
            (b"\x03\x05\x09\x00", SmsError::Length),
            (b"\x02\x70\x00abc", SmsError::NoPorts),
            (
                b"\x0B\x05\x04\x0B\x84\x23\xF0\x00\x03\x01\x02\x03",
                SmsError::Part { number: 3, total: 2 },
            ),
            (&[0; 141], SmsError::Length),
        ] {
            assert_eq!(Segment::parse(octets), Err(why), "{octets:02X?}");
        }
        let segment = Segment::parse(b"\x09\x70\x01\x00\x05\x04\x0B\x84\x23\xF0push").unwrap();
        assert_eq!((segment.payload, segment.part), (b"push".as_slice(), None));
    }
}
