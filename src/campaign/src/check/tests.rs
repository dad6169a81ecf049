use super::*;
use crate::scope::{Grant, Right};

const NOW: Instant = Instant(1_790_000_000_000); // 2026-09-21T14:13:20Z

fn scope() -> Scope {
    let grants = ["./AP", "./ConnMO", "./Vendor"]
        .map(|uri| Grant { uri: uri.into(), rights: vec![Right::Write, Right::Exec] });
    Scope::new(&grants, &["./AP/*/Personal".into()]).unwrap()
}

fn check_with(
    lines: &str,
    change: impl FnOnce(&mut Grounds<'_>),
) -> Result<Campaign, Vec<Problem>> {
    let settings = lines.lines().any(|line| line.starts_with("settings:"));
    let devices = lines.lines().any(|line| line.starts_with("devices:"));
    let text = format!(
        "campaign: c1\nauthority: operator\n{}{}{lines}\n",
        if devices { "" } else { "devices: {group: gold}\n" },
        if settings { "" } else { "settings: [{uri: ./AP/x/Addr, value: x}]\n" },
    );
    let (scope, attributes) = (scope(), ["plan", "apn"].map(ToOwned::to_owned).into());
    let mut grounds = Grounds {
        scopes: &scope,
        authority: Some("operator"),
        now: NOW,
        attributes: Some(&attributes),
        rights: Rights { care: false, urgent: true },
    };
    change(&mut grounds);
    read(&text, &grounds)
}

fn problems(lines: &str) -> Vec<Problem> {
    check_with(lines, |_| ()).err().unwrap_or_default()
}

#[test]
fn every_rule_has_a_problem_of_its_own() {
    for (lines, path, what) in [
        // the whole
        ("devices: {membership: snapshot}", "devices", "names no device"),
        ("devices: {group: a;b}", "devices.group", "is no name of a group"),
        ("devices: {file: \" \"}", "devices.file", "names no file"),
        ("confirm: {ask: \"Apply?\"}", "confirm", "would ask every user of a mass campaign"),
        (
            "deliver: {ui: informative}",
            "deliver.ui",
            "shows something to a user who is asked nothing",
        ),
        ("deliver: {ui: interactive}", "deliver.ui", "shows something"),
        ("deliver: {mode: pull}", "when.expires", "nothing else ends the wait"),
        (
            "when: {start: 2027-01-02T00:00:00Z, expires: 2027-01-01T00:00:00Z}",
            "when.expires",
            "is not after `when.start`",
        ),
        ("when: {expires: 2026-01-01T00:00:00Z}", "when.expires", "2026-01-01T00:00:00Z is over"),
        (
            "deliver: {mode: pull}\nwhen: {expires: 2027-01-01T00:00:00Z, time_zone: UTC, windows: [{from: \"01:00\", to: \"02:00\"}]}",
            "when.windows",
            "notifies none",
        ),
        (
            "deliver: {mode: pull}\nwhen: {expires: 2027-01-01T00:00:00Z}\npace: {ramp: {from: 1, double_every: 1m}}",
            "pace.ramp",
            "notifies none",
        ),
        (
            "deliver: {mode: {pull_until: 2027-01-01T00:00:00Z}}\nwhen: {expires: 2027-01-01T00:00:00Z}",
            "deliver.mode",
            "no device would be notified",
        ),
        (
            "deliver: {mode: {pull_until: 2026-01-01T00:00:00Z}}",
            "deliver.mode",
            "nothing to wait for",
        ),
        (
            "when: {start: 2026-11-23T00:00:00Z, expires: 2026-11-27T00:00:00Z, time_zone: UTC, windows: [{days: sun, from: \"01:00\", to: \"02:00\"}]}",
            "when.windows",
            "no window opens between the start and the end",
        ),
        (
            "when: {expires: 2026-10-02T00:00:00Z, time_zone: device, blackout: [{from: 2026-09-01, to: 2026-10-31}]}",
            "when.windows",
            "no window opens",
        ),
        ("lane: care", "lane", "`care` needs a right of its own"),
        // scope
        (
            "settings: [{uri: ./DevInfo/Mod, value: x}]",
            "settings[0].uri",
            "no grant of the authority lets it ensure here",
        ),
        (
            "settings: [{uri: ./AP/x/personal/Tone, value: x}]",
            "settings[0].uri",
            "belongs to the user (`./AP/*/Personal`)",
        ),
        (
            "settings: [{uri: ./AP/x, do: delete}]",
            "settings[0].uri",
            "below this lies what belongs to the user",
        ),
        ("settings: [{uri: \"./Vendor/{{ model }}/../x\", value: x}]", "settings[0].uri", "dot"),
        (
            "settings: [{uri: \"./{{ model }}/x/y\", do: read}, {uri: \"./No/{{ model }}\", value: x}]",
            "settings[1].uri",
            "no grant",
        ),
        (
            "settings: [{uri: \"./AP/{{ attributes.apn }}/Personal\", value: x}]",
            "settings[0].uri",
            "belongs to the user",
        ),
        ("settings: [{uri: ./Inbox/x, value: x}]", "settings[0].uri", "Inbox"),
        (
            "settings: [{uri: ./Vendor/x?prop=ACL, do: replace, value: x}]",
            "settings[0].uri",
            "no grant",
        ),
        (
            "settings: [{uri: ./Vendor/x?prop=Title, do: replace, value: x}]",
            "settings[0].uri",
            "not `Title`",
        ),
        ("settings: [{uri: ./Vendor?list=TNDS, do: read}]", "settings[0].uri", "TNDS"),
        ("settings: [{uri: /Vendor/x, value: x}]", "settings[0].uri", "slash"),
        (
            "variants: [{when: \"true\", settings: [{uri: ./DevInfo/Mod, value: x}]}]",
            "variants[0].settings[0].uri",
            "no grant",
        ),
        // values
        (
            "settings: [{uri: ./AP/x/Port, format: int, value: 80a}]",
            "settings[0].value",
            "`80a` is no int: not a decimal integer",
        ),
        (
            "settings: [{uri: ./AP/x/Key, format: b64, value: \"??\", secret: true}]",
            "settings[0].value",
            "the secret is no b64",
        ),
        (
            "settings: [{uri: ./AP/x/On, format: bool, value: maybe}]",
            "settings[0].value",
            "`maybe` is no bool",
        ),
        (
            "settings: [{uri: ./AP/x/N, format: node, value: x}]",
            "settings[0].value",
            "format node has no value",
        ),
        (
            "settings: [{uri: ./AP/x/T, format: xml, value: \"<MgmtTree/>\"}]",
            "settings[0].value",
            "a management tree",
        ),
        ("settings: [{uri: ./AP/x/Addr}]", "settings[0]", "`ensure` needs a value"),
        (
            "settings: [{uri: ./AP/x/Addr, do: delete, value: x}]",
            "settings[0].value",
            "`delete` takes no value",
        ),
        (
            "settings: [{uri: ./AP/x/Addr, do: read, value: x}]",
            "settings[0].value",
            "`read` takes no value",
        ),
        (
            "settings: [{uri: ./AP/x/Addr, do: read, secret: true}]",
            "settings[0].secret",
            "a secret is never read",
        ),
        (
            "settings: [{uri: ./AP/x/A, value: x, secret: true, readable: true}]",
            "settings[0].readable",
            "never read back",
        ),
        (
            "settings: [{uri: ./AP/x/A, value: x}, {uri: AP/x/%41, do: delete}]",
            "settings[1].uri",
            "stands in settings[0] already",
        ),
        // templates and conditions
        (
            "settings: [{uri: ./AP/x/A, value: \"{{ attributes.pln }}\"}]",
            "settings[0]",
            "no device has `attributes.pln`",
        ),
        (
            "settings: [{uri: ./AP/x/A, value: \"{{ atributes.plan }}\"}]",
            "settings[0].value",
            "`atributes` is not known",
        ),
        (
            "settings: [{uri: ./AP/x/A, value: \"{{ attributes.plan | int + }}\"}]",
            "settings[0].value",
            "cannot be read",
        ),
        (
            "apply: unconditional\nsettings: [{uri: ./AP/x/A, value: \"{{ read['./AP/y/A'] }}\"}]",
            "settings[0]",
            "`apply: unconditional` does not read",
        ),
        (
            "settings: [{uri: ./AP/x/A, value: \"{{ read['./DevInfo/Mod'] }}\"}]",
            "settings[0]",
            "./DevInfo/Mod may not be read",
        ),
        ("devices: {where: \"model = 5\"}", "devices.where", "line 1, column"),
        (
            "devices: {where: \"attributes.region == 'n'\"}",
            "devices.where",
            "no device has `attributes.region`",
        ),
        (
            "devices: {where: \"setting['./DevInfo/Mod'] == 'n'\"}",
            "devices.where",
            "./DevInfo/Mod may not be read",
        ),
        ("variants: [{when: \"mdl == 'x'\", skip: x}]", "variants[0].when", "`mdl` is not known"),
    ] {
        let problems = problems(lines);
        assert_eq!(problems.len(), 1, "{lines}: {problems:?}");
        let problem = &problems[0];
        assert_eq!(problem.path, path, "{lines}: {problem}");
        assert!(problem.what.contains(what) && !problem.help.is_empty(), "{lines}: {problem}");
        assert!(problem.line.is_some() || path == "when.expires", "{lines}: {problem}");
    }
}

#[test]
fn what_is_in_order_is_accepted() {
    for lines in [
        "",
        "confirm: {ask: \"Apply?\"}\nconfirm_mass: true\ndeliver: {ui: interactive}",
        "confirm: {ask: \"Apply?\"}\nlane: urgent",
        "deliver: {mode: pull}\nwhen: {expires: 2027-01-01T00:00:00Z}",
        "when: {start: 2026-01-01T00:00:00Z, expires: 2027-01-01T00:00:00Z}",
        "settings: [{uri: \"./AP/{{ attributes.apn | default('x') }}/Addr\", value: \"{{ read['./AP/y/Addr'] }}\"}]",
        "settings: [{uri: \"./AP/{{ model }}/{{ model }}\", value: x}]",
        "settings: [{uri: ./AP/x/N, format: node}, {uri: ./AP/x/E, value: \"\"}, {uri: ./Vendor/Go, do: exec}, {uri: ./Vendor, do: read}]",
        "settings: [{uri: ./AP/x/Port, format: int, value: \"{{ attributes.plan }}\"}]",
        "variants: [{when: model.startsWith(\"L\"), settings: [{uri: ./AP/x/Addr, value: y}]}, {when: dm_version == \"1.1\", skip: too old}]",
        "devices: {list: [d1, d1], file: f.csv, group: g, where: attributes.plan == \"gold\"}",
    ] {
        let campaign = check_with(lines, |_| ());
        assert!(campaign.is_ok(), "{lines}: {campaign:?}");
    }
}

#[test]
fn problems_of_reading_and_of_rules_come_together_in_the_order_of_lines() {
    let lines = "settings:\n  - {uri: ./DevInfo/Mod, value: x}\n  - {uri: ./AP/x/A, format: integer, value: 1}\n  - {uri: ./AP/x/B, format: int, value: x}\nlane: care\nwaves: []";
    let found: Vec<_> = problems(lines).into_iter().map(|problem| problem.path).collect();
    assert_eq!(
        found,
        ["settings[0].uri", "settings[1].format", "settings[2].value", "lane", "waves"]
    );
}

#[test]
fn what_follows_from_an_unreadable_key_is_no_second_problem() {
    for lines in [
        "devices: {list: x}",
        "devices: {grup: gold}",
        "settings: [{uri: ./AP/x/A, valu: x}]",
        "deliver: {mode: pull}\nwhen: {expires: soon}",
    ] {
        let problems = problems(lines);
        assert!(!problems.is_empty());
        assert!(problems.len() <= 2, "{lines}: {problems:?}");
    }
    assert_eq!(problems("deliver: {mode: pull}\nwhen: {expires: soon}").len(), 1);
    assert_eq!(problems("devices: {list: x}").len(), 1);
}

#[test]
fn another_authority_is_not_spoken_for() {
    let problems = check_with("", |grounds| grounds.authority = Some("enterprise")).unwrap_err();
    assert_eq!(
        (problems.len(), problems[0].path.as_str(), problems[0].help.as_str()),
        (1, "authority", "write `enterprise`")
    );
}

#[test]
fn offline_nothing_is_held_against_a_document_but_itself() {
    let scope = Scope::everything();
    let text = "campaign: c\nauthority: any\nlane: care\ndevices: {group: g}\nsettings: [{uri: ./X, value: \"{{ attributes.anything }}\"}]\n";
    assert!(read(text, &Grounds::offline(&scope, NOW)).is_ok());
}

#[test]
fn a_campaign_accepted_long_ago_is_still_read_from_the_store() {
    let campaign = check_with("when: {expires: 2027-01-01T00:00:00Z}", |_| ()).unwrap();
    let again = Campaign::from_stored(&campaign.to_stored()).unwrap();
    assert!(again.document().same_as(campaign.document()));
    assert_eq!(again.document().text, campaign.document().text);
    for bad in [&b""[..], b"\x02x", b"\x01\xff", b"\x01nonsense: [", b"\x01campaign: x"] {
        assert!(Campaign::from_stored(bad).is_err());
    }
}
