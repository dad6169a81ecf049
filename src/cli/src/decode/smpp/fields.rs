//! What the fields of PDUs say: names of the specification, addresses, times, codings, and the text of receipts.

use super::super::{layer::Layer, words};
use rusmpp::{
    CommandId, CommandStatus,
    values::{DataCoding, EsmClass, Npi, RegisteredDelivery, Ton},
};
use serde_json::json;
use std::fmt::Debug;

pub(super) fn delivery(
    layer: Layer,
    class: EsmClass,
    receipts: RegisteredDelivery,
    coding: DataCoding,
) -> Layer {
    let class = u8::from(class);
    let mut notes = Vec::new();
    match class & 0x3C {
        0x00 => {}
        0x04 => notes.push("a delivery receipt"),
        0x08 => notes.push("a delivery acknowledgement"),
        0x10 => notes.push("a user acknowledgement"),
        0x20 => notes.push("an intermediate notification"),
        _ => notes.push("of another kind"),
    }
    if class & 0x40 != 0 {
        notes.push("the user data begins with a header");
    }
    let about = if notes.is_empty() { "an ordinary message".to_owned() } else { notes.join(", ") };
    let receipts = u8::from(receipts);
    let wanted = match receipts & 0x03 {
        1 => "whatever the end",
        2 => "when it fails",
        3 => "when it arrives",
        _ => "none",
    };
    let coding = u8::from(coding);
    layer
        .number("class", format!("{class:#04x}, {about}"), class)
        .number("receipt", wanted, receipts)
        .number("coding", format!("{coding:#04x}, {}", coding_name(coding)), coding)
}

pub(super) fn in_words(coding: u8, octets: &[u8]) -> Option<String> {
    match coding {
        0x00 | 0x01 => {
            std::str::from_utf8(octets).ok().filter(|text| text.is_ascii()).map(str::to_owned)
        }
        0x03 => Some(octets.iter().copied().map(char::from).collect()),
        0x08 => {
            let units = octets.chunks_exact(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0,
            });
            String::from_utf16(&units.collect::<Vec<_>>()).ok()
        }
        _ => None,
    }
}

/// The facts in the text of a delivery receipt, in the order of SMPP 3.4, appendix B.
pub(super) fn receipt(layer: Layer, text: &[u8]) -> Layer {
    const KEYS: [(&str, &str); 7] = [
        ("id:", "receipt for"),
        ("sub:", "submitted"),
        ("dlvrd:", "delivered"),
        ("submit date:", "sent at"),
        ("done date:", "done at"),
        ("stat:", "outcome"),
        ("err:", "error"),
    ];
    let text = String::from_utf8_lossy(text);
    let ends = ["sub:", "dlvrd:", "submit date:", "done date:", "stat:", "err:", "text:"];
    KEYS.iter().fold(layer, |layer, (key, label)| {
        let Some((before, rest)) = text.split_once(key) else { return layer };
        // `sub:` is no key inside another word.
        if !(before.is_empty() || before.ends_with(' ')) {
            return layer;
        }
        let end = ends.iter().filter_map(|end| rest.find(&format!(" {end}"))).min();
        layer.said(label, rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest).trim())
    })
}

pub(super) fn address(ton: Ton, npi: Npi, text: &str) -> String {
    if text.is_empty() {
        return "not given".to_owned();
    }
    let plus = if ton == Ton::International { "+" } else { "" };
    let plan = match npi {
        Npi::Unknown => String::new(),
        Npi::Isdn => ", ISDN".to_owned(),
        npi => format!(", {}", snake(&npi)),
    };
    format!("{plus}{} ({}{plan})", words::plain(text), snake(&ton))
}

/// `YYMMDDhhmmsstnnp`: from now on when it ends in R, else at that time.
pub(super) fn timed(layer: Layer, label: &str, time: &str) -> Layer {
    if time.is_empty() {
        return layer;
    }
    let numbers: Vec<u8> = (0..6)
        .filter_map(|at| time.get(at * 2..at * 2 + 2).and_then(|digits| digits.parse().ok()))
        .collect();
    let meaning = match (numbers.as_slice(), time.ends_with('R')) {
        (numbers @ [_, _, _, _, _, _], true) => {
            let units = ["year", "month", "day", "hour", "minute", "second"];
            let told = numbers.iter().zip(units).filter(|(number, _)| **number > 0);
            let told: Vec<_> =
                told.map(|(number, unit)| words::count(usize::from(*number), unit)).collect();
            if told.is_empty() { "at once".to_owned() } else { told.join(", ") }
        }
        ([year, month, day, hour, minute, second], false) => {
            format!("20{year:02}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
        }
        _ => "not readable".to_owned(),
    };
    layer.number(label, format!("{} ({meaning})", words::plain(time)), json!(time))
}

/// The data coding schemes of SMPP, and those of GSM with a message class (3GPP TS 23.038).
fn coding_name(coding: u8) -> String {
    let name = match coding {
        0x00 => "the default alphabet of the centre",
        0x01 => "ASCII",
        0x02 | 0x04 => "octets",
        0x03 => "Latin 1",
        0x05 => "JIS",
        0x06 => "Cyrillic",
        0x07 => "Hebrew",
        0x08 => "UCS-2",
        0xF0..=0xFF => {
            let what = if coding & 0x04 == 0 { "7-bit text" } else { "octets" };
            return format!("{what}, GSM message class {}", coding & 0x03);
        }
        _ => "another coding",
    };
    name.to_owned()
}

pub(super) fn id_name(id: CommandId) -> String {
    snake(&id)
}

/// `EsmeRthrottled` is `ESME_RTHROTTLED` in the specification.
pub(super) fn status_name(status: CommandStatus) -> String {
    let name = format!("{status:?}");
    match name.strip_prefix("Esme") {
        Some(rest) => format!("ESME_{}", rest.to_ascii_uppercase()),
        None => format!("unknown ({name})"),
    }
}

/// The codec's `SubmitSm` is `submit_sm` in the specification.
pub(super) fn snake(name: &impl Debug) -> String {
    let mut out = String::new();
    for c in format!("{name:?}").chars() {
        if c.is_ascii_uppercase() && !out.is_empty() && !out.ends_with('(') {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::layer::Packet;

    #[test]
    fn names_are_those_of_the_specification() {
        assert_eq!(id_name(CommandId::BindTransceiverResp), "bind_transceiver_resp");
        assert_eq!(status_name(CommandStatus::EsmeRthrottled), "ESME_RTHROTTLED");
        assert_eq!(status_name(CommandStatus::from(0x0400)), "unknown (Other(1024))");
    }

    #[test]
    fn times_are_told_as_people_say_them() {
        let text = |time: &str| {
            let mut text = String::new();
            Packet::Layer(timed(Layer::new("", ""), "valid", time)).text(&mut text).unwrap();
            text.trim().to_owned()
        };
        assert!(text("000000013000000R").ends_with("(1 hour, 30 minutes)"));
        assert!(text("240501100000000+").ends_with("(2024-05-01 10:00:00)"));
        assert!(text("x").ends_with("(not readable)"));
    }
}
