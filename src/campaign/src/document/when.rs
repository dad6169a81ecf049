//! The keys about time: `when`, `pace`, and until when a device is waited for.

use super::Mode;
use super::reader::{Reader, Section, Words};
use super::schema::{node_of, sub};
use super::tree::{Node, Value};
use crate::limits;
use crate::pace::{Gcra, Ramp};
use crate::schedule::{Blackout, Days, Minute, Schedule, Window, Zone, time_zone};
use crate::time::Instant;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::time::Duration;

const WHEN: Words =
    Words { known: &["start", "expires", "windows", "time_zone", "blackout"], later: &[] };
const WINDOW: Words = Words { known: &["days", "from", "to"], later: &[] };
const BLACKOUT: Words = Words { known: &["from", "to"], later: &[] };
const OTHERWISE: Words = Words { known: &["device_or"], later: &[] };
const PACE: Words = Words { known: &["per_second", "ramp", "spread", "per"], later: &[] };
const RAMP: Words = Words { known: &["from", "double_every"], later: &[] };
const PULL: Words = Words { known: &["pull_until"], later: &[] };

/// What `when` says.
#[derive(Debug, Default)]
pub(super) struct When {
    pub start: Option<Instant>,
    pub expires: Option<Instant>,
    pub schedule: Schedule,
}

pub(super) fn when(reader: &mut Reader, root: &Section<'_>) -> When {
    let Some(section) = sub(reader, root, "when", WHEN) else { return When::default() };
    let windows = reader.list(&section, "windows", limits::WINDOWS);
    let windows: Vec<_> =
        windows.into_iter().filter_map(|(path, node)| window(reader, &path, node)).collect();
    let blackout = reader.list(&section, "blackout", limits::BLACKOUTS);
    let blackout: Vec<_> =
        blackout.into_iter().filter_map(|(path, node)| left_out(reader, &path, node)).collect();
    let zone = zone(reader, &section);
    if zone.is_some() && windows.is_empty() && blackout.is_empty() {
        let line = node_of(&section, "time_zone").and_then(|node| node.line);
        reader.problem(
            "when.time_zone",
            line,
            "has nothing to say: there are neither windows nor days left out",
            "add `windows`, or leave it out",
        );
    }
    if zone.is_none() && !Reader::has(&section, "time_zone") {
        // Whose night is meant decides who is woken: it is never guessed.
        for key in ["windows", "blackout"] {
            if let Some(node) = node_of(&section, key) {
                reader.problem(
                    &section.path_of(key),
                    node.line,
                    "is read by a clock that `when.time_zone` does not name",
                    "add `time_zone: device`, or a name such as Europe/Berlin or UTC",
                );
                break;
            }
        }
    }
    When {
        start: reader.instant(&section, "start"),
        expires: reader.instant(&section, "expires"),
        schedule: Schedule { windows, blackout, zone: zone.unwrap_or(Zone::Named(TimeZone::UTC)) },
    }
}

fn window(reader: &mut Reader, path: &str, node: &Node) -> Option<Window> {
    let section = reader.section(path, node, WINDOW)?;
    let days = if Reader::has(&section, "days") {
        reader.parsed(&section, "days", "write mon-fri, or sat,sun", |text| {
            Days::parse(text).ok_or_else(|| "names no days".to_owned())
        })?
    } else {
        Days::ALL
    };
    let (from, to) = (minute(reader, &section, "from")?, minute(reader, &section, "to")?);
    if from == to {
        reader.problem(
            path,
            node.line,
            "ends when it begins",
            "for the whole day, write from 00:00 to 24:00",
        );
        return None;
    }
    if from == Minute::END {
        reader.problem(
            path,
            node.line,
            "begins when the day ends",
            "write 00:00 and the day after",
        );
        return None;
    }
    Some(Window { days, from, to })
}

fn minute(reader: &mut Reader, section: &Section<'_>, key: &str) -> Option<Minute> {
    reader.missing(section, key, "write a time of day in quotes, as in \"01:00\"");
    reader.parsed(section, key, "write a time of day in quotes, as in \"01:00\"", |text| {
        Minute::parse(text).ok_or_else(|| "is no time of day".to_owned())
    })
}

fn left_out(reader: &mut Reader, path: &str, node: &Node) -> Option<Blackout> {
    let section = reader.section(path, node, BLACKOUT)?;
    let mut date = |key| {
        reader.missing(&section, key, "write a date, as in 2026-12-24");
        reader.parsed(&section, key, "write a date, as in 2026-12-24", |text| {
            text.parse::<Date>()
                .ok()
                .filter(|date| (1970..=9998).contains(&date.year()))
                .ok_or_else(|| "is no date".to_owned())
        })
    };
    let (from, to) = (date("from"), date("to"));
    let (from, to) = (from?, to?);
    if to < from {
        reader.problem(path, node.line, "ends before it begins", "both days are left out too");
        return None;
    }
    Some(Blackout { from, to })
}

/// `device`, the name of a time zone, or `{device_or: NAME}`.
fn zone(reader: &mut Reader, section: &Section<'_>) -> Option<Zone> {
    const HELP: &str =
        "write device, {device_or: Europe/Berlin}, or a name such as Europe/Berlin, UTC or +02:00";
    let named = |text: &str| time_zone(text).ok_or_else(|| "is no time zone".to_owned());
    let node = reader.node(section, "time_zone")?;
    if let Value::Map(_) = node.value {
        let path = section.path_of("time_zone");
        let section = reader.section(&path, node, OTHERWISE)?;
        reader.missing(&section, "device_or", HELP);
        let otherwise = reader.parsed(&section, "device_or", HELP, named)?;
        return Some(Zone::Device { otherwise: Some(otherwise) });
    }
    reader.parsed(section, "time_zone", HELP, |text| match text {
        "device" => Ok(Zone::Device { otherwise: None }),
        text => named(text).map(Zone::Named),
    })
}

/// What `pace` says.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pub per_second: Option<u32>,
    pub ramp: Option<Ramp>,
    /// Over how long first notifications are spread.
    pub spread: Duration,
    pub per: BTreeMap<String, u32>,
}

pub(super) fn pace(reader: &mut Reader, root: &Section<'_>) -> Pace {
    let Some(section) = sub(reader, root, "pace", PACE) else { return Pace::default() };
    let per_second = reader.number(&section, "per_second", 1..=Gcra::FASTEST);
    let spread = reader.duration(&section, "spread", limits::SPREAD).unwrap_or_default();
    let ramp = ramp(reader, &section, per_second);
    Pace { per_second, ramp, spread, per: per(reader, &section) }
}

/// `{ATTRIBUTE: DEVICES A SECOND}`.
fn per(reader: &mut Reader, pace: &Section<'_>) -> BTreeMap<String, u32> {
    const HELP: &str = "write attributes and devices a second, as in {cell: 20}";
    let path = pace.path_of("per");
    let Some(node) = reader.node(pace, "per") else { return BTreeMap::new() };
    let Value::Map(entries) = &node.value else {
        reader.problem(&path, node.line, "is no map", HELP);
        return BTreeMap::new();
    };
    if entries.is_empty() || entries.len() > limits::PACED_BY {
        let what = format!("names {} attributes", entries.len());
        let help = format!("name 1 to {}", limits::PACED_BY);
        reader.problem(&path, node.line, what, help);
        return BTreeMap::new();
    }
    let mut per = BTreeMap::new();
    for entry in entries {
        let path = format!("{path}.{}", entry.key);
        let rate = match &entry.node.value {
            Value::Text(text) => {
                text.parse().ok().filter(|rate| (1..=Gcra::FASTEST).contains(rate))
            }
            Value::Absent | Value::List(_) | Value::Map(_) => None,
        };
        match rate {
            None => reader.problem(
                &path,
                entry.line,
                "is no such number",
                format!("write a whole number from 1 to {}", Gcra::FASTEST),
            ),
            Some(rate) if per.insert(entry.key.clone(), rate).is_some() => {
                reader.problem(&path, entry.line, "is there twice", "leave one of them out");
            }
            Some(_) => {}
        }
        let is_name = |key: &str| {
            let octets = || key.bytes();
            (1..=64).contains(&key.len())
                && octets().all(|octet| octet.is_ascii_alphanumeric() || b"_-".contains(&octet))
        };
        if !is_name(&entry.key) {
            reader.problem(&path, entry.line, "is no name of an attribute", HELP);
        }
    }
    per
}

fn ramp(reader: &mut Reader, pace: &Section<'_>, per_second: Option<u32>) -> Option<Ramp> {
    let node = reader.node(pace, "ramp")?;
    let path = pace.path_of("ramp");
    let section = reader.section(&path, node, RAMP)?;
    reader.missing(&section, "from", "say how many devices a second it begins with");
    reader.missing(&section, "double_every", "say after how long it doubles, as in 1m");
    let from = reader.number(&section, "from", 1..=Gcra::FASTEST);
    let double_every = reader.duration(&section, "double_every", limits::DOUBLE_EVERY);
    let (from, double_every) = (from?, double_every?);
    if let Some(per_second) = per_second.filter(|per_second| *per_second <= from) {
        reader.problem(
            &section.path_of("from"),
            node.line,
            format!("is not below `pace.per_second` ({per_second}): it could never grow"),
            "begin lower, or leave the ramp out",
        );
        return None;
    }
    Some(Ramp { from, double_every })
}

/// `push`, `pull`, or `{pull_until: INSTANT}`.
pub(super) fn mode(reader: &mut Reader, deliver: &Section<'_>) -> Option<Mode> {
    let node = reader.node(deliver, "mode")?;
    if let Value::Map(_) = node.value {
        let section = reader.section(&deliver.path_of("mode"), node, PULL)?;
        reader.missing(&section, "pull_until", "say from when on devices are notified");
        return reader.instant(&section, "pull_until").map(Mode::PullUntil);
    }
    reader.choice(deliver, "mode", &[("push", Mode::Push), ("pull", Mode::Pull)], &[])
}
