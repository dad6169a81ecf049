//! The user data of short messages: ports, parts, and the push that the parts are together.

use super::{
    layer::{Layer, Look, Packet, Problem},
    push, words,
};
use serde_json::json;
use wire::{
    sms::{Part, Reference, Segment},
    wap_push,
};

/// Whether octets are the user data of one short message: a header whose length is right, with ports in it.
pub(super) fn is(octets: &[u8]) -> bool {
    matches!(
        octets,
        [0x06..=0x20, 0x05, 0x04, ..]
            | [0x0B..=0x20, 0x00, 0x03, ..]
            | [0x0C..=0x20, 0x08, 0x04, ..]
    ) && Segment::parse(octets).is_ok()
}

/// Whether every line is one.
pub(super) fn are(lines: &[Vec<u8>]) -> bool {
    lines.len() > 1 && lines.iter().all(|line| is(line))
}

/// Each short message, and below them the push that they are together.
pub(super) fn read(lines: &[Vec<u8>], look: Look<'_>) -> Result<Packet, Problem> {
    let mut parsed = Vec::new();
    for (line, number) in lines.iter().zip(1..) {
        let segment = Segment::parse(line).map_err(|error| {
            let which =
                if lines.len() > 1 { format!("short message {number}: ") } else { String::new() };
            Problem::new(format!("{which}{error}")).at(line, 0)
        })?;
        parsed.push((line.len(), segment));
    }
    if let [(octets, segment)] = parsed.as_slice() {
        return Ok(Packet::Layer(one(*octets, segment, look)));
    }
    let segments: Vec<Segment<'_>> = parsed.iter().map(|(_, segment)| segment.clone()).collect();
    let each = parsed.iter().map(|(octets, segment)| Packet::Layer(facts(*octets, segment)));
    let title = words::count(parsed.len(), "short message");
    let layer = Layer::new("short_messages", title).holding(each.collect::<Vec<_>>());
    Ok(Packet::Layer(match joined(&segments) {
        Ok(whole) => opened(layer, &whole, look),
        Err(problem) => layer.broken(Some(problem)),
    }))
}

/// One short message with what it carries, as far as that goes.
pub(super) fn one(octets: usize, segment: &Segment<'_>, look: Look<'_>) -> Layer {
    let layer = facts(octets, segment);
    match segment.part {
        None => opened(layer, segment.payload, look),
        Some(Part { number: 1, .. }) => {
            // The headers of the push are in its first part, mostly the notification too; a document is cut in the middle.
            match push::push(segment.payload, look) {
                Ok(push) if push.problem().is_none() => {
                    layer.fact("inside", "the push as far as its first part goes").holding([push])
                }
                Ok(_) | Err(_) => cut(layer, segment.payload),
            }
        }
        Some(_) => cut(layer, segment.payload),
    }
}

fn cut(layer: Layer, payload: &[u8]) -> Layer {
    let told = format!("{}; the push is read with the other parts", words::octets(payload));
    layer.number("inside", told, hex::encode(payload))
}

/// What ports and parts say.
pub(super) fn facts(octets: usize, segment: &Segment<'_>) -> Layer {
    let Segment { destination, source, part, .. } = segment;
    let title = format!("short message, {}", words::count(octets, "octet"));
    let layer = Layer::new("short_message", title)
        .number("from port", source.to_string(), *source)
        .number("to port", port_name(*destination), *destination);
    match part {
        None => layer,
        Some(Part { reference, total, number }) => {
            let (reference, bits) = match reference {
                Reference::Short(reference) => (u16::from(*reference), 8),
                Reference::Long(reference) => (*reference, 16),
            };
            layer.number(
                "part",
                format!("{number} of {total}, reference {reference:#04x} ({bits} bits)"),
                json!({"number": number, "total": total, "reference": reference}),
            )
        }
    }
}

/// The payload in place of which the segments stand, in whatever order they came; a repeated one is taken once.
pub(super) fn joined(segments: &[Segment<'_>]) -> Result<Vec<u8>, Problem> {
    let parts: Option<Vec<(Part, &[u8])>> =
        segments.iter().map(|segment| segment.part.map(|part| (part, segment.payload))).collect();
    let Some(mut parts) = parts else {
        return Err(Problem::new("some of the short messages are whole and some are parts"));
    };
    parts.sort_by_key(|(part, _)| part.number);
    parts.dedup();
    let Some((first, _)) = parts.first().copied() else {
        return Err(Problem::new("there is no short message"));
    };
    if parts.iter().any(|(part, _)| part.reference != first.reference || part.total != first.total)
    {
        return Err(Problem::new("the short messages are parts of different pushes"));
    }
    let missing: Vec<String> = (1..=first.total)
        .filter(|number| parts.iter().all(|(part, _)| part.number != *number))
        .map(|number| number.to_string())
        .collect();
    if !missing.is_empty() {
        let told = format!("of {} parts these are missing: {}", first.total, missing.join(", "));
        return Err(Problem::new(told));
    }
    if parts.len() != usize::from(first.total) {
        return Err(Problem::new("a part came twice and said something else"));
    }
    Ok(parts.into_iter().flat_map(|(_, payload)| payload.iter().copied()).collect())
}

/// A layer with the push that it carries.
pub(super) fn opened(layer: Layer, payload: &[u8], look: Look<'_>) -> Layer {
    match push::push(payload, look) {
        Ok(push) => layer.holding([push]),
        Err(problem) => layer.broken(Some(problem.within("the push in it cannot be read"))),
    }
}

fn port_name(port: u16) -> String {
    match port {
        wap_push::PORT => format!("{port}, where devices wait for WAP push"),
        2949 => format!("{port}, where devices wait for secure WAP push"),
        _ => port.to_string(),
    }
}
