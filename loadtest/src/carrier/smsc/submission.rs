//! A submitted message, octet by octet as the notes lay it out (notification.md section 4), and what is wrong with it.

use super::user_data::{self, Part, Piece};
use crate::verdict::{Finding, Rule};
use std::time::Duration;

/// `submit_sm`, taken apart. Texts are without their final octet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Submission<'a> {
    service_type: &'a [u8],
    source: Address<'a>,
    destination: Address<'a>,
    esm_class: u8,
    protocol_id: u8,
    pub(crate) priority: u8,
    schedule: &'a [u8],
    validity: &'a [u8],
    registered_delivery: u8,
    replace: u8,
    data_coding: u8,
    default_message: u8,
    short_message: &'a [u8],
    parameters: Parameters<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Address<'a> {
    ton: u8,
    npi: u8,
    text: &'a [u8],
}

/// The optional parameters that a push can have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Parameters<'a> {
    payload: Option<&'a [u8]>,
    source_port: Option<u16>,
    destination_port: Option<u16>,
    reference: Option<u16>,
    total: Option<u8>,
    number: Option<u8>,
    /// One that no push needs.
    unneeded: Option<u16>,
}

/// The length of a header: command length, id, status, sequence number.
const HEADER: usize = 16;
/// A user data header is in the message.
const UDHI: u8 = 0x40;

impl<'a> Submission<'a> {
    /// Reads a whole PDU, of which only the form is judged.
    pub(crate) fn read(pdu: &'a [u8]) -> Result<Self, Finding> {
        let mut rest = Rest(pdu.get(HEADER..).unwrap_or_default());
        let service_type = rest.text("service_type", 6)?;
        let source = rest.address("source_addr")?;
        let destination = rest.address("destination_addr")?;
        let [esm_class, protocol_id, priority] = rest.octets("esm_class")?;
        let schedule = rest.text("schedule_delivery_time", 17)?;
        let validity = rest.text("validity_period", 17)?;
        let [registered_delivery, replace, data_coding, default_message, length] =
            rest.octets("registered_delivery")?;
        let short_message = rest.take("short_message", length.into())?;
        let mut parameters = Parameters::default();
        while !rest.0.is_empty() {
            parameters.read(&mut rest)?;
        }
        Ok(Self {
            service_type,
            source,
            destination,
            esm_class,
            protocol_id,
            priority,
            schedule,
            validity,
            registered_delivery,
            replace,
            data_coding,
            default_message,
            short_message,
            parameters,
        })
    }

    /// Digits of the number that it is for; none when it is no number.
    pub(crate) fn number(&self) -> Option<&'a str> {
        let text = std::str::from_utf8(self.destination.text).ok()?;
        (!text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())).then_some(text)
    }

    pub(crate) fn wants_receipt(&self) -> bool {
        self.registered_delivery & 0b11 == 1
    }

    /// How long it is worth delivering; `None`: as long as the centre likes.
    pub(crate) fn valid_for(&self) -> Option<Duration> {
        let period = self.validity.strip_suffix(b"000R").filter(|digits| digits.len() == 12)?;
        let mut pairs = period.chunks(2).map(|pair| std::str::from_utf8(pair).ok()?.parse().ok());
        let mut pair = || pairs.next()?;
        let (years, months, days): (u64, u64, u64) = (pair()?, pair()?, pair()?);
        let (hours, minutes, seconds): (u64, u64, u64) = (pair()?, pair()?, pair()?);
        let days = years * 365 + months * 30 + days;
        Some(Duration::from_secs(((days * 24 + hours) * 60 + minutes) * 60 + seconds))
    }

    /// What no centre or handset would take, of everything but the user data.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let says = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let Address { ton, npi, text: source } = self.source;
        let digits = source.iter().all(u8::is_ascii_digit);
        let source_fits = match (ton, npi) {
            // Alphanumeric: at most eleven characters on the air.
            (5, 0) => (1..=11).contains(&source.len()),
            (1, 1) => digits && (7..=15).contains(&source.len()),
            (0 | 3, 0 | 1) => digits && (1..=8).contains(&source.len()),
            _ => false,
        };
        let Address { ton: to_ton, npi: to_npi, text: to } = self.destination;
        let to_fits =
            (to_ton, to_npi) == (1, 1) && (7..=15).contains(&to.len()) && self.number().is_some();
        let in_parameters =
            self.parameters.reference.is_some() || self.parameters.destination_port.is_some();
        let esm_class = if in_parameters { 0 } else { UDHI };
        let table: [(bool, &str, String); 12] = [
            (
                self.parameters.unneeded.is_none(),
                "a parameter that nobody needs",
                format!("{:#06x}", self.parameters.unneeded.unwrap_or_default()),
            ),
            (matches!(self.service_type, b"" | b"WAP"), "service_type", says(self.service_type)),
            (source_fits, "source_addr", format!("{ton}/{npi} {:?}", says(source))),
            (to_fits, "destination_addr", format!("{to_ton}/{to_npi} of {} characters", to.len())),
            (self.esm_class == esm_class, "esm_class", format!("{:#04x}", self.esm_class)),
            (self.protocol_id == 0, "protocol_id", self.protocol_id.to_string()),
            (self.priority <= 1, "priority_flag", self.priority.to_string()),
            (self.schedule.is_empty(), "schedule_delivery_time", says(self.schedule)),
            (
                self.valid_for().is_some_and(|period| !period.is_zero()),
                "validity_period",
                says(self.validity),
            ),
            (
                self.registered_delivery <= 1 && self.replace == 0 && self.default_message == 0,
                "registered_delivery, replace_if_present_flag or sm_default_msg_id",
                format!("{} {} {}", self.registered_delivery, self.replace, self.default_message),
            ),
            // 8 bit, with the message class of the equipment or without one.
            (
                matches!(self.data_coding, 0x04 | 0xF5),
                "data_coding",
                format!("{:#04x}", self.data_coding),
            ),
            (
                self.short_message.len() <= user_data::MOST,
                "sm_length",
                self.short_message.len().to_string(),
            ),
        ];
        let wrong = table.into_iter().filter(|(fits, _, _)| !fits);
        wrong
            .map(|(_, field, value)| {
                Finding::new(Rule::SubmissionField, format!("{field} is {value}."))
            })
            .collect()
    }

    /// Its share of a push, from whichever place it stands in.
    pub(crate) fn piece(&self) -> Result<Piece<'a>, Finding> {
        let wrong = |detail: &str| Err(Finding::new(Rule::UserDataHeader, detail));
        let Parameters { payload, source_port, destination_port, reference, total, number, .. } =
            self.parameters;
        let user_data = match (payload, self.short_message) {
            (Some(payload), []) => payload,
            (Some(_), _) => return wrong("There is both short_message and message_payload."),
            (None, message) => message,
        };
        let ports = destination_port.zip(source_port);
        let part = match (reference, total, number) {
            (None, None, None) => None,
            (Some(reference), Some(total), Some(number)) => {
                Some(Part { reference, long: true, total, number })
            }
            _ => return wrong("Not all of the three parameters sar_* are there."),
        };
        if self.esm_class & UDHI != 0 {
            if ports.is_some() || part.is_some() {
                return wrong("There are parameters beside it that say the same.");
            }
            return Piece::read(user_data);
        }
        match ports {
            Some((user_data::WAP_PUSH, from)) if from > 0 => {}
            _ => return wrong("There is none, and no parameters that name the ports."),
        }
        if part.is_none() && payload.is_none() && user_data.len() > user_data::MOST {
            return wrong("The message is too long for one.");
        }
        Piece { part, payload: user_data }.checked()
    }
}

impl<'a> Parameters<'a> {
    fn read(&mut self, rest: &mut Rest<'a>) -> Result<(), Finding> {
        let wrong = |detail: String| Finding::new(Rule::SubmissionField, detail);
        let [t1, t2, l1, l2] = rest.octets("an optional parameter")?;
        let (tag, length) = (u16::from_be_bytes([t1, t2]), u16::from_be_bytes([l1, l2]));
        let value = rest.take("an optional parameter", length.into())?;
        let again = match (tag, value) {
            (0x0424, value) => self.payload.replace(value).is_some(),
            (0x020A, [high, low]) => {
                self.source_port.replace(u16::from_be_bytes([*high, *low])).is_some()
            }
            (0x020B, [high, low]) => {
                self.destination_port.replace(u16::from_be_bytes([*high, *low])).is_some()
            }
            (0x020C, [high, low]) => {
                self.reference.replace(u16::from_be_bytes([*high, *low])).is_some()
            }
            (0x020E, [total]) => self.total.replace(*total).is_some(),
            (0x020F, [number]) => self.number.replace(*number).is_some(),
            (tag, _) => {
                self.unneeded = Some(tag);
                false
            }
        };
        if again { Err(wrong(format!("The parameter {tag:#06x} is there twice."))) } else { Ok(()) }
    }
}

/// What is still to be read of a PDU.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, field: &str, length: usize) -> Result<&'a [u8], Finding> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(|| {
            Finding::new(Rule::SubmissionField, format!("The message ends before {field}."))
        })?;
        self.0 = rest;
        Ok(taken)
    }

    fn octets<const N: usize>(&mut self, field: &str) -> Result<[u8; N], Finding> {
        let taken = self.take(field, N)?;
        Ok(taken.try_into().expect("so many were taken"))
    }

    /// A text with its final octet, of at most `most` octets.
    fn text(&mut self, field: &str, most: usize) -> Result<&'a [u8], Finding> {
        let end = self.0.iter().take(most).position(|octet| *octet == 0).ok_or_else(|| {
            Finding::new(Rule::SubmissionField, format!("{field} has no end within {most} octets."))
        })?;
        let text = self.take(field, end)?;
        self.take(field, 1)?;
        Ok(text)
    }

    fn address(&mut self, field: &str) -> Result<Address<'a>, Finding> {
        let [ton, npi] = self.octets(field)?;
        Ok(Address { ton, npi, text: self.text(field, 21)? })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn octets(hex: &str) -> Vec<u8> {
        let octet = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(octet).collect()
    }

    pub(crate) fn vector(id: &str) -> Vec<u8> {
        include_str!("../../../../src/wire/tests/vectors/notify/smpp.jsonl")
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .find(|line| line["id"] == id)
            .map(|line| octets(line["pdu_hex"].as_str().unwrap()))
            .unwrap()
    }

    /// The published PDUs are what they have to be, every octet of them.
    #[test]
    fn nothing_is_wrong_with_the_vectors() {
        for id in [
            "smpp-01-submit-single",
            "smpp-02-submit-part1",
            "smpp-02-submit-part2",
            "smpp-03-submit-f5",
        ] {
            let pdu = vector(id);
            let submission = Submission::read(&pdu).unwrap();
            assert_eq!(submission.findings(), [], "{id}");
            assert_eq!(submission.number(), Some("447700900123"));
            assert_eq!(submission.valid_for(), Some(Duration::from_hours(1)));
            assert!(submission.wants_receipt());
            submission.piece().unwrap();
        }
    }

    /// Whatever octet of a right PDU is another one, somebody notices: here, in the user data, or in the push.
    #[test]
    fn no_octet_of_the_fields_may_be_another() {
        let pdu = vector("smpp-01-submit-single");
        let right = Submission::read(&pdu).unwrap();
        // Type and plan of the source name each other; its letters and the digits of the number are free.
        let free = |at: usize| (19..24).contains(&at) || (27..39).contains(&at);
        let end = pdu.len() - right.short_message.len();
        for at in (HEADER..end).filter(|at| !free(*at)) {
            let mut wrong = pdu.clone();
            wrong[at] ^= 0x15;
            let noticed = match Submission::read(&wrong) {
                Err(_) => true,
                Ok(read) => !read.findings().is_empty() || read.piece().is_err(),
            };
            // Another validity is a validity.
            let validity = (44..60).contains(&at);
            assert!(noticed || validity, "octet {at}");
        }
        for at in [end, end + 1, end + 2, end + 3, end + 4] {
            let mut wrong = pdu.clone();
            wrong[at] ^= 0x15;
            assert!(Submission::read(&wrong).unwrap().piece().is_err(), "octet {at}");
        }
    }

    fn with_parameters(pdu: &[u8], esm_class: u8, parameters: &[(u16, &[u8])]) -> Vec<u8> {
        let mut pdu = pdu.to_vec();
        pdu[40] = esm_class;
        for (tag, value) in parameters {
            pdu.extend(tag.to_be_bytes());
            pdu.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            pdu.extend(*value);
        }
        pdu
    }

    #[test]
    fn the_other_two_ways_to_say_it_are_read_and_their_mixture_is_not() {
        let single = vector("smpp-01-submit-single");
        assert_eq!(single[40], UDHI);
        let length = usize::from(single[65]);
        let mut empty = single[..66].to_vec();
        empty[65] = 0;
        let user_data = single[66..66 + length].to_vec();

        let payload = with_parameters(&empty, UDHI, &[(0x0424, &user_data)]);
        let read = Submission::read(&payload).unwrap();
        assert_eq!((read.findings(), read.piece().unwrap().payload), (vec![], &user_data[7..]));

        let mut bare = single[..66].to_vec();
        bare[65] = u8::try_from(length - 7).unwrap();
        bare.extend(&user_data[7..]);
        let ports: [(u16, &[u8]); 2] = [(0x020A, &[0x23, 0xF0]), (0x020B, &[0x0B, 0x84])];
        let sar: [(u16, &[u8]); 3] = [(0x020C, &[1, 2]), (0x020E, &[2]), (0x020F, &[1])];
        let all = with_parameters(&bare, 0, &[&ports[..], &sar[..]].concat());
        let read = Submission::read(&all).unwrap();
        assert_eq!(read.findings(), []);
        let part = Part { reference: 0x0102, long: true, total: 2, number: 1 };
        assert_eq!(read.piece().unwrap(), Piece { part: Some(part), payload: &user_data[7..] });

        let mixed = with_parameters(&single, UDHI, &ports);
        let read = Submission::read(&mixed).unwrap();
        assert!(!read.findings().is_empty() && read.piece().is_err());
        let twice = with_parameters(&bare, 0, &[ports[0], ports[0]]);
        assert!(Submission::read(&twice).unwrap_err().detail.contains("twice"));
        let some = with_parameters(&bare, 0, &[&ports[..], &sar[..2]].concat());
        assert!(Submission::read(&some).unwrap().piece().is_err());
        let unknown = with_parameters(&single, UDHI, &[(0x1400, &[1])]);
        let findings = Submission::read(&unknown).unwrap().findings();
        assert_eq!(findings.len(), 1);
        assert!(findings[0].detail.contains("0x1400"), "{findings:?}");
    }

    #[test]
    fn a_message_may_end_anywhere_and_nobody_falls() {
        let pdu = vector("smpp-01-submit-single");
        for end in 0..pdu.len() {
            assert!(Submission::read(&pdu[..end]).is_err(), "{end}");
        }
    }
}
