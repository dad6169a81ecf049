//! The user data header of a short message, and what it says of ports and parts (notification.md section 3).

use crate::verdict::{Finding, Rule};

/// The port of WAP push.
pub(crate) const WAP_PUSH: u16 = 2948;
/// Octets of one short message, header included.
pub(crate) const MOST: usize = 140;

/// One message's share of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// Which of the parts it is; `None` when it is all.
    pub(crate) part: Option<Part>,
    pub(crate) payload: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) reference: u16,
    /// Whether the reference has 16 bits.
    pub(crate) long: bool,
    pub(crate) total: u8,
    /// From 1 on.
    pub(crate) number: u8,
}

impl<'a> Piece<'a> {
    /// Reads user data that begins with a header.
    pub(crate) fn read(user_data: &'a [u8]) -> Result<Self, Finding> {
        let wrong = |detail: String| Finding::new(Rule::UserDataHeader, detail);
        let short = || wrong("It ends in the middle.".to_owned());
        let (length, rest) = user_data.split_first().ok_or_else(short)?;
        let (mut header, payload) =
            rest.split_at_checked(usize::from(*length)).ok_or_else(short)?;
        let (mut ports, mut part) = (None, None);
        while let Some((kind, rest)) = header.split_first() {
            let (length, rest) = rest.split_first().ok_or_else(short)?;
            let (content, rest) = rest.split_at_checked(usize::from(*length)).ok_or_else(short)?;
            header = rest;
            let again = match (kind, content) {
                (0x05, [d1, d2, s1, s2]) => {
                    let both = (u16::from_be_bytes([*d1, *d2]), u16::from_be_bytes([*s1, *s2]));
                    ports.replace(both).is_some()
                }
                (0x00, [reference, total, number]) => {
                    let reference = u16::from(*reference);
                    let (total, number) = (*total, *number);
                    part.replace(Part { reference, long: false, total, number }).is_some()
                }
                (0x08, [high, low, total, number]) => {
                    let reference = u16::from_be_bytes([*high, *low]);
                    let (total, number) = (*total, *number);
                    part.replace(Part { reference, long: true, total, number }).is_some()
                }
                (kind, content) => {
                    return Err(wrong(format!(
                        "Nobody needs its element {kind:#04x} of {} octets.",
                        content.len()
                    )));
                }
            };
            if again {
                return Err(wrong(format!("It says {kind:#04x} twice.")));
            }
        }
        match ports {
            None => return Err(wrong("It has no ports.".to_owned())),
            Some((WAP_PUSH, source)) if source > 0 => {}
            Some((to, from)) => return Err(wrong(format!("Its ports are {to} from {from}."))),
        }
        Self { part, payload }.checked()
    }

    /// A piece whose numbers make sense.
    pub(crate) fn checked(self) -> Result<Self, Finding> {
        let wrong = |detail: String| Err(Finding::new(Rule::UserDataHeader, detail));
        if let Some(Part { total, number, .. }) = self.part {
            if total < 2 {
                return wrong(format!("It is one of {total} parts."));
            }
            if number == 0 || number > total {
                return wrong(format!("It is part {number} of {total}."));
            }
        }
        if self.payload.is_empty() {
            return wrong("Nothing follows it.".to_owned());
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(user_data: &[u8]) -> String {
        let finding = Piece::read(user_data).unwrap_err();
        assert_eq!(finding.rule, Rule::UserDataHeader);
        finding.detail
    }

    // The octets of notification.md section 3.
    #[test]
    fn the_three_forms_are_read() {
        let single = b"\x06\x05\x04\x0B\x84\x23\xF0push";
        assert_eq!(Piece::read(single).unwrap(), Piece { part: None, payload: b"push" });
        let short = b"\x0B\x05\x04\x0B\x84\x23\xF0\x00\x03\x5A\x02\x01pu";
        let part = Part { reference: 0x5A, long: false, total: 2, number: 1 };
        assert_eq!(Piece::read(short).unwrap(), Piece { part: Some(part), payload: b"pu" });
        let long = b"\x0C\x08\x04\x12\x34\x03\x03\x05\x04\x0B\x84\xC0\x02sh";
        let part = Part { reference: 0x1234, long: true, total: 3, number: 3 };
        assert_eq!(Piece::read(long).unwrap(), Piece { part: Some(part), payload: b"sh" });
    }

    #[test]
    fn each_fault_is_noticed() {
        for (user_data, says) in [
            (b"".as_slice(), "ends"),
            (b"\x06\x05\x04\x0B", "ends"),
            (b"\x03\x05\x04\x0B\x84", "ends"),
            (b"\x00push", "no ports"),
            (b"\x06\x05\x04\x0B\x85\x23\xF0push", "2949"),
            (b"\x06\x05\x04\x0B\x84\x00\x00push", "from 0"),
            (b"\x06\x05\x04\x0B\x84\x23\xF0", "Nothing follows"),
            (b"\x0C\x05\x04\x0B\x84\x23\xF0\x05\x04\x0B\x84\x23\xF0push", "twice"),
            (b"\x0B\x05\x04\x0B\x84\x23\xF0\x00\x03\x5A\x02\x03push", "part 3 of 2"),
            (b"\x0B\x05\x04\x0B\x84\x23\xF0\x00\x03\x5A\x02\x00push", "part 0 of 2"),
            (b"\x0B\x05\x04\x0B\x84\x23\xF0\x00\x03\x5A\x01\x01push", "one of 1"),
            (b"\x09\x05\x04\x0B\x84\x23\xF0\x24\x01\x01push", "0x24"),
        ] {
            let said = detail(user_data);
            assert!(said.contains(says), "{said:?} for {user_data:02x?}");
        }
    }
}
