//! Which keys there are, section by section, and what each may be.

use super::reader::{Reader, Section, Words};
use super::tree::{Node, Value};
use super::when::{self, Pace, When};
use super::{
    Apply, Atomic, Confirm, Declared, Deliver, Devices, Document, Lane, Mode, On, Prove, Report,
    Then, Ui, Variant,
};
use crate::limits;
use crate::problem::suggestion;
use crate::scope::Verb;
use std::time::Duration;
use wire::meta::Format;

/// The keys of a campaign's document, but for those of its sections.
pub const KEYS: &[&str] = &[
    "campaign",
    "authority",
    "purpose",
    "devices",
    "settings",
    "variants",
    "apply",
    "atomic",
    "prove",
    "on_broken",
    "confirm",
    "confirm_mass",
    "deliver",
    "when",
    "pace",
    "lane",
    "report",
    "keep_results",
    "on",
    "quiet",
    "runs",
];
const ROOT: Words = Words { known: KEYS, later: &["repeat", "revert_until", "waves", "stop"] };
const ON: Words = Words { known: &["reason"], later: &[] };
const RUNS: Words = Words { known: &["most", "per"], later: &[] };
const DEVICES: Words =
    Words { known: &["list", "file", "group", "where", "membership"], later: &[] };
const SETTING: Words = Words {
    known: &["uri", "do", "format", "value", "from", "within", "secret", "readable"],
    later: &["acl"],
};
const VARIANT: Words = Words { known: &["when", "settings", "skip"], later: &[] };
const CONFIRM: Words = Words { known: &["ask", "default", "wait"], later: &[] };
const DELIVER: Words = Words { known: &["mode", "ui", "attempts", "answer_within"], later: &[] };

/// The document, as far as it could be read; none when it is no map at all.
pub(super) fn document(reader: &mut Reader, node: &Node) -> Option<Document> {
    let root = reader.section("", node, ROOT)?;
    let campaign = reader.id(&root, "campaign").unwrap_or_default();
    let authority = reader.id(&root, "authority").unwrap_or_default();
    let on = on(reader, &root);
    if !Reader::has(&root, "on") {
        reader.missing(
            &root,
            "devices",
            "say whom the campaign is for: `list`, `file`, `group` or `where`",
        );
    }
    if !Reader::has(&root, "variants") {
        reader.missing(&root, "settings", "say what the campaign does on a device");
    }
    reader.choice(&root, "on_broken", &[("keep", ())], &["revert"]);
    let When { start, expires, schedule } = when::when(reader, &root);
    let Pace { per_second, ramp, spread, per } = when::pace(reader, &root);
    // Whoever is named by a trigger has a service that is wrong right now.
    let usual_lane = if Reader::has(&root, "on") { Lane::Urgent } else { Lane::Mass };
    Some(Document {
        text: String::new(),
        campaign,
        authority,
        purpose: reader.text(&root, "purpose", limits::PURPOSE_OCTETS).unwrap_or_default(),
        devices: devices(reader, &root),
        settings: settings(reader, &root),
        variants: variants(reader, &root),
        apply: reader.choice(&root, "apply", Apply::WORDS, &[]).unwrap_or(Apply::Conditional),
        atomic: reader.choice(&root, "atomic", Atomic::WORDS, &[]).unwrap_or(Atomic::WhenSupported),
        prove: reader
            .choice(&root, "prove", Prove::WORDS, &["reconnect"])
            .unwrap_or(Prove::ReadBack),
        confirm: confirm(reader, &root),
        confirm_mass: reader.flag(&root, "confirm_mass").unwrap_or(false),
        deliver: deliver(reader, &root),
        start,
        expires,
        schedule,
        per_second,
        ramp,
        spread,
        per,
        lane: reader.choice(&root, "lane", Lane::WORDS, &[]).unwrap_or(usual_lane),
        report: reader.choice(&root, "report", Report::WORDS, &[]).unwrap_or(Report::EveryDevice),
        keep_results: reader
            .duration(&root, "keep_results", limits::KEEP_RESULTS)
            .unwrap_or(Duration::from_hours(30 * 24)),
        on,
        lines: std::collections::BTreeMap::new(),
    })
}

/// What takes devices into a standing campaign, and how often.
fn on(reader: &mut Reader, root: &Section<'_>) -> Option<On> {
    for key in ["quiet", "runs"] {
        if let Some(node) = node_of(root, key).filter(|_| !Reader::has(root, "on")) {
            let help = "add `on: {reason: …}`, or leave it out";
            reader.problem(key, node.line, "is for standing campaigns alone", help);
        }
    }
    let quiet = reader.duration(root, "quiet", limits::QUIET);
    let runs = sub(reader, root, "runs", RUNS);
    let most = runs.as_ref().and_then(|runs| reader.number(runs, "most", limits::RUNS));
    let per = runs.as_ref().and_then(|runs| reader.duration(runs, "per", limits::QUIET));
    let section = sub(reader, root, "on", ON)?;
    let reason = reader.id(&section, "reason")?;
    Some(On {
        reason,
        quiet: quiet.unwrap_or(Duration::from_hours(1)),
        most: most.unwrap_or(3),
        per: per.unwrap_or(Duration::from_hours(24)),
    })
}

pub(super) fn sub<'n>(
    reader: &mut Reader,
    root: &Section<'n>,
    key: &str,
    words: Words,
) -> Option<Section<'n>> {
    let node = reader.node(root, key)?;
    reader.section(&root.path_of(key), node, words)
}

fn devices(reader: &mut Reader, root: &Section<'_>) -> Devices {
    let Some(section) = sub(reader, root, "devices", DEVICES) else { return Devices::default() };
    reader.choice(&section, "membership", &[("snapshot", ())], &["open"]);
    let list = reader.list(&section, "list", limits::LISTED_DEVICES);
    let list = list.into_iter().filter_map(|(path, node)| {
        let name = reader.text_of(&path, node, limits::DEVICE_NAME_OCTETS)?;
        if let Err(what) = device_name(&name) {
            reader.problem(
                &path,
                node.line,
                what,
                "write the device's id, or `msisdn:` or `imsi:` and digits",
            );
            return None;
        }
        Some(name)
    });
    let list = list.collect();
    Devices {
        list,
        file: reader.text(&section, "file", limits::FILE_NAME_OCTETS),
        group: reader.text(&section, "group", limits::GROUP_OCTETS),
        where_: reader.text(&section, "where", limits::EXPRESSION_OCTETS),
    }
}

/// Whether a text may name a device. What is wrong is said without the name: it may be a subscriber's number.
fn device_name(name: &str) -> Result<(), String> {
    let digits = |text: &str, range: std::ops::RangeInclusive<usize>| {
        range.contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit())
    };
    if let Some(number) = name.strip_prefix("msisdn:") {
        return if digits(number, 3..=15) {
            Ok(())
        } else {
            Err("a subscriber number is 3 to 15 digits, without plus or spaces".to_owned())
        };
    }
    if let Some(number) = name.strip_prefix("imsi:") {
        return if digits(number, 6..=15) {
            Ok(())
        } else {
            Err("an IMSI is 6 to 15 digits".to_owned())
        };
    }
    if name.is_empty() || name.trim() != name || name.chars().any(char::is_control) {
        return Err(
            "is no name of a device: empty, with spaces around it or with control characters"
                .to_owned(),
        );
    }
    Ok(())
}

fn settings(reader: &mut Reader, section: &Section<'_>) -> Vec<Declared> {
    if let Some(Node { line, value: Value::List(list) }) = node_of(section, "settings")
        && list.is_empty()
    {
        reader.problem(
            &section.path_of("settings"),
            *line,
            "is an empty list",
            "name at least one node, or leave the key out",
        );
    }
    let list = reader.list(section, "settings", limits::SETTINGS);
    list.into_iter().filter_map(|(path, node)| setting(reader, path, node)).collect()
}

fn setting(reader: &mut Reader, path: String, node: &Node) -> Option<Declared> {
    let section = reader.section(&path, node, SETTING)?;
    reader.missing(&section, "uri", "name the node, as in ./ConnMO/QoS/MaxDownlink");
    let verbs: Vec<_> = Verb::ALL.into_iter().map(|verb| (verb.name(), verb)).collect();
    let verb = if Reader::has(&section, "do") {
        reader.choice(&section, "do", &verbs, &[])
    } else {
        Some(Verb::Ensure)
    };
    let format = format(reader, &section);
    // `value:` with nothing behind it is no value, which is what some nodes take.
    let absent = node_of(&section, "value").is_none_or(|node| node.value == Value::Absent);
    let value = if absent {
        Some(None)
    } else {
        reader.text(&section, "value", limits::VALUE_OCTETS).map(Some)
    };
    let secret = reader.flag(&section, "secret").unwrap_or(false);
    let readable = reader.flag(&section, "readable");
    let from = reader.text(&section, "from", limits::URI_TEMPLATE_OCTETS);
    let within = reader.duration(&section, "within", limits::EXEC_WITHIN);
    let uri = reader.text(&section, "uri", limits::URI_TEMPLATE_OCTETS)?;
    Some(Declared {
        path,
        uri,
        verb: verb?,
        format: format?,
        value: value?,
        from,
        within,
        secret,
        readable,
    })
}

pub(super) fn node_of<'n>(section: &Section<'n>, key: &str) -> Option<&'n Node> {
    section.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
}

fn format(reader: &mut Reader, section: &Section<'_>) -> Option<Format> {
    const NAMES: [&str; 11] =
        ["chr", "int", "bool", "float", "b64", "bin", "xml", "date", "time", "node", "null"];
    if !Reader::has(section, "format") {
        return Some(Format::Chr);
    }
    let name = reader.text(section, "format", 64)?;
    match Format::from_name(&name) {
        Format::Other(_) => {
            let line = node_of(section, "format").and_then(|node| node.line);
            reader.problem(
                &section.path_of("format"),
                line,
                format!("`{}` is no format", super::printable(&name)),
                suggestion(&name, &NAMES),
            );
            None
        }
        known => Some(known),
    }
}

fn variants(reader: &mut Reader, root: &Section<'_>) -> Vec<Variant> {
    let list = reader.list(root, "variants", limits::VARIANTS);
    list.into_iter().filter_map(|(path, node)| variant(reader, path, node)).collect()
}

fn variant(reader: &mut Reader, path: String, node: &Node) -> Option<Variant> {
    let section = reader.section(&path, node, VARIANT)?;
    reader.missing(&section, "when", "say for which devices, as in model.startsWith(\"LEGACY\")");
    let when = reader.text(&section, "when", limits::EXPRESSION_OCTETS);
    let then = match (Reader::has(&section, "settings"), Reader::has(&section, "skip")) {
        (true, false) => Some(Then::Settings(settings(reader, &section))),
        (false, true) => reader.text(&section, "skip", limits::REASON_OCTETS).map(Then::Skip),
        (true, true) => {
            reader.problem(&path, node.line, "has both `settings` and `skip`", "keep one of them");
            None
        }
        (false, false) => {
            reader.problem(
                &path,
                node.line,
                "says nothing to do",
                "add `settings`, or `skip` with a reason",
            );
            None
        }
    };
    Some(Variant { path, when: when?, then: then? })
}

fn confirm(reader: &mut Reader, root: &Section<'_>) -> Option<Confirm> {
    let node = reader.node(root, "confirm")?;
    if node.value == Value::Text("none".to_owned()) {
        return None;
    }
    if !matches!(node.value, Value::Map(_)) {
        reader.problem(
            "confirm",
            node.line,
            "is neither `none` nor a question",
            "write {ask: \"…\", default: no, wait: 2m}",
        );
        return None;
    }
    let section = reader.section("confirm", node, CONFIRM)?;
    reader.missing(&section, "ask", "write the question as the user shall read it");
    // Whoever does not answer has not agreed.
    if Reader::has(&section, "default") {
        match reader.text(&section, "default", 64).as_deref() {
            Some("no" | "false") | None => {}
            Some(_) => {
                let line = node_of(&section, "default").and_then(|node| node.line);
                reader.problem(
                    "confirm.default",
                    line,
                    "only `no` may be the default: silence is no consent",
                    "write `default: no`, or leave it out",
                );
            }
        }
    }
    let wait =
        reader.duration(&section, "wait", limits::CONFIRM_WAIT).unwrap_or(Duration::from_mins(2));
    let ask = reader.text(&section, "ask", limits::QUESTION_OCTETS)?;
    if ask.trim().is_empty() {
        let line = node_of(&section, "ask").and_then(|node| node.line);
        reader.problem(
            "confirm.ask",
            line,
            "is empty",
            "write the question as the user shall read it",
        );
    }
    Some(Confirm { ask, wait })
}

fn deliver(reader: &mut Reader, root: &Section<'_>) -> Deliver {
    let mut deliver = Deliver {
        mode: Mode::Push,
        ui: Ui::Background,
        attempts: 5,
        answer_within: Duration::from_mins(10),
    };
    let Some(section) = sub(reader, root, "deliver", DELIVER) else { return deliver };
    if let Some(mode) = when::mode(reader, &section) {
        deliver.mode = mode;
    }
    if let Some(ui) = reader.choice(&section, "ui", Ui::WORDS, &[]) {
        deliver.ui = ui;
    }
    if let Some(attempts) = reader.number(&section, "attempts", limits::ATTEMPTS) {
        deliver.attempts = u8::try_from(attempts).unwrap_or(u8::MAX);
    }
    if let Some(answer_within) = reader.duration(&section, "answer_within", limits::ANSWER_WITHIN) {
        deliver.answer_within = answer_within;
    }
    deliver
}
