use super::*;

/// The smallest document that says everything it must.
const SMALL: &str = "campaign: c1\nauthority: operator\ndevices: {group: gold}\nsettings:\n  - {uri: ./A/B, value: x}\n";

/// The small document with lines in place of (or besides) its own.
fn with(lines: &str) -> String {
    let own = |line: &&str| {
        let key = line.split(':').next().unwrap_or_default();
        !lines.lines().any(|other| other.starts_with(&format!("{key}:"))) || line.starts_with(' ')
    };
    let settings =
        lines.lines().any(|line| line.starts_with("settings:") || line.starts_with("!settings"));
    let kept: Vec<_> = SMALL
        .lines()
        .filter(own)
        .filter(|line| !(settings && (line.starts_with("settings") || line.starts_with(' '))))
        .collect();
    let lines = lines.lines().filter(|line| !line.starts_with('!')).collect::<Vec<_>>();
    format!("{}\n{}\n", kept.join("\n"), lines.join("\n"))
}

fn problems(text: &str) -> Vec<Problem> {
    Document::parse(text).err().unwrap_or_default()
}

#[test]
fn everything_this_version_knows_is_read() {
    let document = Document::parse(
        r#"
campaign: qos-uplift-2026-11
authority: operator
purpose: Gold plan goes from 20 to 50 Mbit/s
devices:
  list: [IMEI:350000000000017, "msisdn:447700900123", 350000000000018]
  file: gold.csv
  group: gold
  where: model == "RV-100"
  membership: snapshot
settings:
  - {uri: ./A, format: int, value: 50000, readable: false}
  - {uri: ./B, do: replace, value: "{{ attributes.x }}", secret: true}
  - {uri: ./C, do: delete}
  - {uri: ./D, do: read}
  - {uri: ./E, do: exec, value: now}
  - {uri: ./F, do: add, format: node}
variants:
  - {when: model == "OLD", settings: [{uri: ./Z, value: "1.10"}]}
  - {when: dm_version == "1.1", skip: model cannot do this}
apply: unconditional
atomic: required
prove: status
on_broken: keep
confirm: {ask: "Apply now?", default: no, wait: 90s}
confirm_mass: true
deliver: {mode: pull, ui: interactive, attempts: 3, answer_within: 30s}
when: {start: "2026-11-25T01:00:00+01:00", expires: 2026-11-27T05:00:00+01:00}
pace: {per_second: 2000}
lane: urgent
report: failures
keep_results: 7d
"#,
    )
    .unwrap();
    assert_eq!(
        document.devices.list,
        ["IMEI:350000000000017", "msisdn:447700900123", "350000000000018"]
    );
    assert_eq!(document.devices.where_.as_deref(), Some("model == \"RV-100\""));
    let verbs: Vec<_> = document.settings.iter().map(|setting| setting.verb).collect();
    assert_eq!(
        verbs,
        [Verb::Ensure, Verb::Replace, Verb::Delete, Verb::Read, Verb::Exec, Verb::Add]
    );
    assert_eq!(
        (document.settings[0].value.as_deref(), document.settings[0].readable),
        (Some("50000"), Some(false))
    );
    assert!(document.settings[1].secret && document.settings[5].format == Format::Node);
    let Then::Settings(settings) = &document.variants[0].then else { panic!() };
    assert_eq!(
        (settings[0].value.as_deref(), settings[0].path.as_str()),
        (Some("1.10"), "variants[0].settings[0]")
    );
    assert_eq!(document.variants[1].then, Then::Skip("model cannot do this".into()));
    assert_eq!(
        (document.apply, document.atomic, document.prove),
        (Apply::Unconditional, Atomic::Required, Prove::Status)
    );
    assert_eq!(
        document.confirm,
        Some(Confirm { ask: "Apply now?".into(), wait: Duration::from_secs(90) })
    );
    assert!(document.confirm_mass);
    let deliver = Deliver {
        mode: Mode::Pull,
        ui: Ui::Interactive,
        attempts: 3,
        answer_within: Duration::from_secs(30),
    };
    assert_eq!(document.deliver, deliver);
    assert_eq!(document.expires.unwrap().to_string(), "2026-11-27T04:00:00Z");
    assert_eq!(
        (document.per_second, document.lane, document.report),
        (Some(2_000), Lane::Urgent, Report::Failures)
    );
    assert_eq!(document.keep_results, Duration::from_hours(7 * 24));
}

#[test]
fn what_is_left_out_has_the_default_of_a_careful_mass_change() {
    let document = Document::parse(SMALL).unwrap();
    assert_eq!(
        (document.apply, document.atomic, document.prove),
        (Apply::Conditional, Atomic::WhenSupported, Prove::ReadBack)
    );
    let deliver = Deliver {
        mode: Mode::Push,
        ui: Ui::Background,
        attempts: 5,
        answer_within: Duration::from_mins(10),
    };
    assert_eq!(
        (document.deliver, document.confirm.is_none(), document.lane),
        (deliver, true, Lane::Mass)
    );
    assert_eq!((document.start, document.expires, document.per_second), (None, None, None));
    assert_eq!(document.keep_results, Duration::from_hours(30 * 24));
    let setting = &document.settings[0];
    assert_eq!(
        (setting.verb, &setting.format, setting.secret, setting.readable),
        (Verb::Ensure, &Format::Chr, false, None)
    );
}

#[test]
fn json_and_yaml_say_the_same() {
    let json = r#"{"campaign": "c1", "authority": "operator", "devices": {"group": "gold"}, "settings": [{"uri": "./A/B", "value": "x"}]}"#;
    let (yaml, json) = (Document::parse(SMALL).unwrap(), Document::parse(json).unwrap());
    assert!(yaml.same_as(&json) && yaml != json);
    assert!(!yaml.same_as(&Document::parse(&with("lane: care")).unwrap()));
}

/// R2: a campaign that waits for triggers, with defaults that make no loop.
#[test]
fn a_standing_campaign_is_urgent_and_takes_a_device_in_a_few_times_a_day() {
    let document = Document::parse(
        "campaign: c1\nauthority: operator\non: {reason: stale_gateway}\nsettings: [{uri: ./A, value: x}]\n",
    );
    let document = document.unwrap();
    let hour = Duration::from_hours(1);
    let on = On { reason: "stale_gateway".into(), quiet: hour, most: 3, per: 24 * hour };
    assert_eq!((document.on, document.lane), (Some(on), Lane::Urgent));
    let document =
        Document::parse(&with("on: {reason: r}\nquiet: 24h\nruns: {most: 5, per: 7d}\nlane: mass"));
    let document = document.unwrap();
    let on = On { reason: "r".into(), quiet: 24 * hour, most: 5, per: 7 * 24 * hour };
    assert_eq!((document.on, document.lane), (Some(on), Lane::Mass));
    for (lines, path) in [
        ("quiet: 24h", "quiet"),
        ("runs: {most: 3, per: 1d}", "runs"),
        ("on: {}", "on.reason"),
        ("on: {reason: A b}", "on.reason"),
        ("on: {reason: r}\nruns: {most: 0, per: 1d}", "runs.most"),
    ] {
        let problems = problems(&with(lines));
        assert_eq!(problems.len(), 1, "{lines}: {problems:?}");
        assert_eq!(problems[0].path, path);
    }
}

#[test]
fn a_key_of_a_later_version_is_refused_by_its_name() {
    for (lines, path, word) in [
        ("repeat: {every: 7d}", "repeat", "repeat"),
        ("devices: {group: g, membership: open}", "devices.membership", "open"),
        ("settings: [{uri: ./A, value: x, acl: own}]", "settings[0].acl", "acl"),
        ("prove: {reconnect: {within: 15m}}", "prove.reconnect", "reconnect"),
        ("prove: reconnect", "prove", "reconnect"),
        ("on_broken: revert", "on_broken", "revert"),
        ("revert_until: 7d", "revert_until", "revert_until"),
        ("waves: [{share: 1%}]", "waves", "waves"),
        ("stop: [{failed: 5%}]", "stop", "stop"),
    ] {
        let problems = problems(&with(lines));
        assert_eq!(problems.len(), 1, "{lines}: {problems:?}");
        assert_eq!(
            (problems[0].path.as_str(), problems[0].what.as_str()),
            (path, format!("`{word}` is not available in this version").as_str())
        );
        assert!(problems[0].line.is_some());
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one mistake a row")]
fn every_bad_key_and_value_has_a_problem_of_its_own() {
    for (lines, path, what, help) in [
        // keys
        ("setings: []", "setings", "there is no key `setings` here", "did you mean `settings`?"),
        ("devices: {lst: [x]}", "devices.lst", "no key `lst`", "did you mean `list`?"),
        (
            "settings: [{uri: ./A, value: x, formt: int}]",
            "settings[0].formt",
            "no key `formt`",
            "did you mean `format`?",
        ),
        ("deliver: {colour: red}", "deliver.colour", "no key `colour`", "there are `mode`, `ui`"),
        (
            "variants: [{when: \"true\", skip: x, wen: x}]",
            "variants[0].wen",
            "no key `wen`",
            "did you mean `when`?",
        ),
        ("lane: mass\nlane: care", "lane", "a second time", "keep one"),
        ("pace: {per_second: 1, per_second: 2}", "pace.per_second", "a second time", "keep one"),
        // kinds
        ("devices: gold", "devices", "is a text, not a map of keys", "`list`, `file`"),
        ("settings: {uri: ./A}", "settings", "is a map of keys, not a list", "`-`"),
        ("settings: [x]", "settings[0]", "is a text, not a map", "`uri`"),
        ("settings: []", "settings", "is an empty list", "at least one"),
        ("purpose: [a]", "purpose", "is a list, not a text", "one value"),
        ("purpose:", "purpose", "has no value", "leave the key out"),
        ("devices: {list: x}", "devices.list", "is a text, not a list", "`-`"),
        // missing
        ("!settings", "settings", "is missing", "what the campaign does"),
        ("settings: [{value: x}]", "settings[0].uri", "is missing", "./ConnMO"),
        (
            "variants: [{settings: [{uri: ./A, value: x}]}]",
            "variants[0].when",
            "is missing",
            "LEGACY",
        ),
        ("variants: [{when: \"true\"}]", "variants[0]", "says nothing to do", "`skip`"),
        (
            "variants: [{when: \"true\", skip: x, settings: [{uri: ./A, value: x}]}]",
            "variants[0]",
            "has both",
            "keep one",
        ),
        ("confirm: {wait: 2m}", "confirm.ask", "is missing", "the question"),
        // ids and names
        ("campaign: My Campaign", "campaign", "`My Campaign` is no id", "1 to 64 of a-z"),
        ("campaign: a.b", "campaign", "`a.b` is no id", "1 to 64"),
        ("authority: \"\"", "authority", "`` is no id", "1 to 64"),
        (
            "devices: {list: [\"msisdn:+447700900123\"]}",
            "devices.list[0]",
            "a subscriber number is 3 to 15 digits",
            "`msisdn:`",
        ),
        (
            "devices: {list: [\"imsi:12a\"]}",
            "devices.list[0]",
            "an IMSI is 6 to 15 digits",
            "`imsi:`",
        ),
        ("devices: {list: [\" x\"]}", "devices.list[0]", "is no name of a device", ""),
        ("devices: {list: [[x]]}", "devices.list[0]", "is a list, not a text", ""),
        // words
        (
            "apply: conditionally",
            "apply",
            "`conditionally` is not known here",
            "did you mean `conditional`?",
        ),
        (
            "atomic: yes",
            "atomic",
            "`yes` is not known here",
            "there are `never`, `when_supported`, `required`",
        ),
        ("prove: readback", "prove", "`readback` is not known", "did you mean `read_back`?"),
        ("on_broken: leave", "on_broken", "`leave` is not known", "`keep`"),
        ("lane: fast", "lane", "`fast` is not known", "`care`"),
        ("report: all", "report", "`all` is not known", "`summary`"),
        ("deliver: {mode: pul}", "deliver.mode", "`pul` is not known", "did you mean `pull`?"),
        ("deliver: {ui: silent}", "deliver.ui", "`silent` is not known", "`background`"),
        ("settings: [{uri: ./A, do: wipe}]", "settings[0].do", "`wipe` is not known", "`ensure`"),
        (
            "settings: [{uri: ./A, format: integer, value: 1}]",
            "settings[0].format",
            "`integer` is no format",
            "there are `chr`",
        ),
        ("confirm: always", "confirm", "is neither `none` nor a question", "ask:"),
        (
            "confirm: {ask: \"?\", default: yes}",
            "confirm.default",
            "only `no` may be the default",
            "leave it out",
        ),
        ("confirm: {ask: \" \"}", "confirm.ask", "is empty", "the question"),
        // flags, numbers, durations, instants
        (
            "confirm_mass: maybe",
            "confirm_mass",
            "`maybe` is neither true nor false",
            "true or false",
        ),
        (
            "settings: [{uri: ./A, value: x, secret: 1}]",
            "settings[0].secret",
            "`1` is neither true nor false",
            "",
        ),
        ("pace: {per: 20}", "pace.per", "is no map", "as in {cell: 20}"),
        ("pace: {per: {}}", "pace.per", "names 0 attributes", "name 1 to 4"),
        ("pace: {per: {cell: 0}}", "pace.per.cell", "is no such number", "from 1 to 1000000"),
        ("pace: {per: {a b: 1}}", "pace.per.a b", "is no name of an attribute", "as in"),
        ("pace: {per_second: 0}", "pace.per_second", "`0` is out of range", "from 1 to 1000000"),
        ("pace: {spread: 25h}", "pace.spread", "is out of range", "to 1d"),
        ("pace: {per_second: fast}", "pace.per_second", "`fast` is no such number", "whole number"),
        ("pace: {per_second: 1.5}", "pace.per_second", "`1.5` is no such number", "whole number"),
        ("deliver: {attempts: 21}", "deliver.attempts", "out of range", "from 1 to 20"),
        (
            "deliver: {answer_within: 10}",
            "deliver.answer_within",
            "`10` is no duration",
            "from 1s to 7d",
        ),
        ("deliver: {answer_within: 8d}", "deliver.answer_within", "out of range", "from 1s to 7d"),
        ("confirm: {ask: \"?\", wait: 2 h}", "confirm.wait", "out of range", "from 1s to 30m"),
        ("keep_results: 1y", "keep_results", "`y` is no unit", "as in 30s"),
        ("when: {start: tomorrow}", "when.start", "`tomorrow` is not an instant", "+01:00"),
        (
            "when: {expires: 2026-11-27T05:00:00}",
            "when.expires",
            "is not an instant",
            "with its offset",
        ),
    ] {
        let problems = problems(&with(lines));
        assert_eq!(problems.len(), 1, "{lines}: {problems:?}");
        let problem = &problems[0];
        assert_eq!(problem.path, path, "{lines}: {problem}");
        assert!(problem.what.contains(what), "{lines}: {problem}");
        assert!(problem.help.contains(help), "{lines}: {problem}");
        assert!(problem.line.is_some(), "{lines}: {problem}");
    }
}

#[test]
fn all_problems_are_reported_at_once_with_their_lines() {
    let text = "campaign: C 1\nauthority: operator\nwaves: []\ndevices:\n  grup: gold\nsettings:\n  - uri: ./A\n    format: number\n  - url: ./B\n    value: x\napply: maybe\n";
    let found: Vec<_> =
        problems(text).into_iter().map(|problem| (problem.path, problem.line.unwrap())).collect();
    for expected in [
        ("campaign", 1),
        ("waves", 3),
        ("devices.grup", 5),
        ("settings[0].format", 8),
        ("settings[1].url", 9),
        ("settings[1].uri", 9),
        ("apply", 11),
    ] {
        assert!(found.contains(&(expected.0.to_owned(), expected.1)), "{expected:?} in {found:?}");
    }
    assert_eq!(found.len(), 7, "{found:?}");
}

#[test]
fn a_document_that_is_no_map_is_refused() {
    for text in ["- a\n- b\n", "just text", "7"] {
        let problems = problems(text);
        assert_eq!((problems.len(), problems[0].path.as_str()), (1, "document"), "{text}");
    }
}

#[test]
fn sizes_are_bounded() {
    let many = |n: usize, entry: &str| vec![entry; n].join(",");
    for (lines, path) in [
        (format!("devices: {{list: [{}]}}", many(10_001, "d")), "devices.list"),
        (format!("settings: [{}]", many(201, "{uri: ./A, value: x}")), "settings"),
        (format!("variants: [{}]", many(33, "{when: x, skip: y}")), "variants"),
        (format!("purpose: {}", "x".repeat(1_025)), "purpose"),
        (format!("settings: [{{uri: ./A, value: {}}}]", "x".repeat(65_537)), "settings[0].value"),
        (format!("devices: {{where: {}}}", "x".repeat(4_097)), "devices.where"),
        (format!("devices: {{list: [{}]}}", "d".repeat(257)), "devices.list[0]"),
    ] {
        let problems = problems(&with(&lines));
        assert_eq!((problems.len(), problems[0].path.as_str()), (1, path), "{:?}", problems[0]);
        assert!(problems[0].help.starts_with("at most"), "{}", problems[0]);
    }
    assert!(Document::parse(&with(&format!("devices: {{list: [{}]}}", many(10_000, "d")))).is_ok());
}

#[test]
fn many_mistakes_cost_little_and_are_listed_up_to_a_bound() {
    let keys = (0..40_000).map(|n| format!("k{n}: 1")).collect::<Vec<_>>().join("\n");
    let found = problems(&keys);
    assert_eq!((found.len(), found[0].what.as_str()), (1, "has 40000 keys"));
    let devices = vec!["' x'"; 10_000].join(",");
    let found = problems(&with(&format!("devices: {{list: [{devices}]}}")));
    assert_eq!((found.len(), found[100].what.as_str()), (101, "has more problems than are listed"));
}

#[test]
fn what_is_shown_of_a_bad_value_is_short_and_printable() {
    let problems = problems(&with(&format!("lane: \"\\e[31m{}\"", "x".repeat(200))));
    assert!(
        problems[0].what.len() < 120 && !problems[0].what.contains('\u{1b}'),
        "{:?}",
        problems[0].what
    );
}

#[test]
fn printing_a_document_shows_no_values_and_no_devices() {
    let document = Document::parse(&with(
        "devices: {list: [\"msisdn:447700900123\"]}\nsettings: [{uri: ./A, value: s3cret}]",
    ))
    .unwrap();
    let shown = format!("{document:?} {:?} {:?}", document.devices, document.settings);
    assert!(!shown.contains("447700900123") && !shown.contains("s3cret"), "{shown}");
}

#[test]
fn times_are_read_whole() {
    let document = Document::parse(&format!(
        "{SMALL}
when:
  start: 2026-11-25T01:00:00+01:00
  expires: 2026-12-27T05:00:00+01:00
  windows: [{{days: mon-fri, from: \"01:00\", to: \"05:00\"}}, {{from: \"22:00\", to: \"24:00\"}}]
  time_zone: {{device_or: Europe/Berlin}}
  blackout: [{{from: 2026-12-24, to: 2026-12-26}}]
pace: {{per_second: 2000, ramp: {{from: 10, double_every: 1m}}}}
deliver: {{mode: {{pull_until: 2026-12-01T00:00:00Z}}}}
"
    ))
    .unwrap();
    assert_eq!((document.schedule.windows.len(), document.schedule.blackout.len()), (2, 1));
    assert!(document.schedule.is_by_device());
    assert_eq!(document.ramp, Some(Ramp { from: 10, double_every: Duration::from_mins(1) }));
    let until = Instant::parse("2026-12-01T00:00:00Z").unwrap();
    assert_eq!(document.deliver.mode, Mode::PullUntil(until));
}

#[test]
fn times_that_cannot_be_are_refused_where_they_stand() {
    let window = |window: &str| format!("when: {{time_zone: UTC, windows: [{window}]}}");
    for (text, path, word) in [
        (window("{from: \"01:00\", to: \"01:00\"}"), "when.windows[0]", "ends when it begins"),
        (window("{from: \"01:00\"}"), "when.windows[0].to", "missing"),
        (
            window("{days: someday, from: \"01:00\", to: \"02:00\"}"),
            "when.windows[0].days",
            "no days",
        ),
        (window("{from: \"25:00\", to: \"02:00\"}"), "when.windows[0].from", "no time of day"),
        (
            "when: {windows: [{from: \"01:00\", to: \"02:00\"}]}".to_owned(),
            "when.windows",
            "time_zone",
        ),
        ("when: {time_zone: device}".to_owned(), "when.time_zone", "nothing to say"),
        (
            "when: {time_zone: Mars, blackout: [{from: 2026-12-24, to: 2026-12-24}]}".to_owned(),
            "when.time_zone",
            "no time zone",
        ),
        (
            "when: {time_zone: UTC, blackout: [{from: 2026-12-24, to: 2026-12-23}]}".to_owned(),
            "when.blackout[0]",
            "before it begins",
        ),
        (
            "when: {time_zone: UTC, blackout: [{from: 24.12.2026, to: 2026-12-25}]}".to_owned(),
            "when.blackout[0].from",
            "no date",
        ),
        (
            "pace: {per_second: 10, ramp: {from: 10, double_every: 1m}}".to_owned(),
            "pace.ramp.from",
            "grow",
        ),
        ("pace: {ramp: {from: 10}}".to_owned(), "pace.ramp.double_every", "missing"),
        (
            "deliver: {mode: {pull_until: tomorrow}}".to_owned(),
            "deliver.mode.pull_until",
            "instant",
        ),
        ("deliver: {mode: sometimes}".to_owned(), "deliver.mode", "sometimes"),
    ] {
        let problems = Document::parse(&format!("{SMALL}\n{text}\n")).unwrap_err();
        assert!(
            problems.iter().any(|problem| problem.path == path
                && format!("{} {}", problem.what, problem.help).contains(word)),
            "{text}: {problems:?}"
        );
    }
}
