//! The annotated reference, `deploy/reveille.toml`, is held to the types: what it says is the default, and it says all.

use super::Config;
use std::collections::BTreeSet;

const REFERENCE: &str = include_str!("../../../../deploy/reveille.toml");

/// The keys that a table takes, as the refusal of one that it does not take lists them.
fn keys(table: &str) -> Vec<String> {
    let said =
        Config::read("", &table.replace("KEY", "no_such_key = 1"), &[]).unwrap_err().to_string();
    let (_, list) =
        said.split_once("unknown key `no_such_key`, expected ").unwrap_or_else(|| panic!("{said}"));
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The keys that the reference shows under a header, set or behind a `#`.
fn shown(header: &str) -> BTreeSet<String> {
    let (_, rest) =
        REFERENCE.split_once(&format!("\n{header}\n")).unwrap_or_else(|| panic!("no {header}"));
    let section = rest.split("\n[").next().unwrap();
    let assignments =
        section.lines().filter_map(|line| line.trim_start_matches("# ").split_once(" = "));
    let names = assignments.map(|(key, _)| key.to_owned());
    names
        .filter(|key| key.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_'))
        .collect()
}

#[test]
fn the_reference_shows_every_key_there_is_and_no_other() {
    let tables = [
        ("[vault]", "[vault]\nKEY"),
        ("[[authority]]", "[[authority]]\nKEY"),
        ("[http.devices]", "[http.devices]\nKEY"),
        ("[http.admin]", "[http.admin]\nKEY"),
        ("[session]", "[session]\nKEY"),
        ("[dispatch]", "[dispatch]\nKEY"),
        ("[retention]", "[retention]\nKEY"),
        ("[telemetry]", "[telemetry]\nKEY"),
        ("[worker]", "[worker]\nKEY"),
    ];
    for (header, table) in tables {
        assert_eq!(shown(header), keys(table).into_iter().collect(), "{header}");
    }
    let tagged = |tables: &[&str]| -> BTreeSet<String> {
        tables.iter().flat_map(|table| keys(table)).chain(["kind".to_owned()]).collect()
    };
    assert_eq!(
        shown("[store]"),
        tagged(&["[store]\nkind = \"embedded\"\nKEY", "[store]\nkind = \"redis\"\nKEY"])
    );
    let rabbit = "[broker]\nkind = \"rabbitmq\"\nKEY";
    assert_eq!(shown("[broker]"), tagged(&[rabbit]));
    let [udp, smpp, pap] =
        ["udp", "smpp", "pap"].map(|kind| format!("[[route]]\nkind = \"{kind}\"\nKEY"));
    assert_eq!(shown("[[route]]"), tagged(&[&udp, &smpp, &pap]));
    let sections = keys("KEY");
    for section in &sections {
        let there =
            [format!("\n[{section}]"), format!("\n[[{section}]]"), format!("\n[{section}.")];
        assert!(there.iter().any(|header| REFERENCE.contains(header)), "{section}");
    }
    assert_eq!(sections.len(), 11, "a new section needs its line above");
}

#[test]
fn what_the_reference_sets_is_the_default() {
    let reference = Config::read("deploy/reveille.toml", REFERENCE, &[]).unwrap();
    assert_eq!(format!("{reference:#?}"), format!("{:#?}", Config::default()));
}
