use super::*;
use crate::RenderError;
use crate::check::{Grounds, read};
use crate::scope::Scope;
use std::collections::BTreeMap;

const DOCUMENT: &str = r#"
campaign: qos
authority: operator
devices:
  list: [d0]
  group: gold
  where: attributes.plan == "gold" && setting["./QoS/Down"] < 50000
settings:
  - {uri: ./QoS/Down, format: int, value: "{{ attributes.kbps | default(50000) }}"}
  - {uri: "./AP/{{ attributes.apn | default('std') }}/Old", value: "{{ read['./QoS/Down'] }}"}
  - {uri: ./AP/Key, value: "{{ attributes.key }}", secret: true}
variants:
  - {when: model.startsWith("LEGACY"), settings: [{uri: ./Vendor/Bandwidth, value: high}]}
  - {when: dm_version == "1.1", skip: model cannot do this}
  - {when: int(firmware) > 5, skip: too new}
deliver: {attempts: 3, answer_within: 30s}
"#;

fn campaign() -> Campaign {
    read(DOCUMENT, &Grounds::offline(&Scope::everything(), Instant(0))).unwrap()
}

fn fields(change: impl FnOnce(&mut Fields)) -> Fields {
    let mut fields = Fields { model: "RV-100".into(), firmware: "1".into(), ..Fields::default() };
    fields.attributes.insert("key".into(), "s3cret".into());
    change(&mut fields);
    fields
}

#[test]
fn a_campaign_is_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&std::sync::Arc::new(campaign()));
}

#[test]
fn r3_a_device_is_wanted_by_group_or_by_expression() {
    let campaign = campaign();
    let gold = |fields: &mut Fields| {
        fields.attributes.insert("plan".into(), "gold".into());
        fields.settings.insert("./QoS/Down".into(), "20000".into());
    };
    assert_eq!(campaign.wants(&fields(gold)), Ok(true));
    assert_eq!(campaign.wants(&fields(|fields| fields.groups.push("gold".into()))), Ok(true));
    assert_eq!(campaign.wants(&fields(|_| ())), Ok(false));
    assert_eq!(campaign.settings_needed(), [LocUri::parse("./QoS/Down").unwrap()]);
}

#[test]
fn r4_the_first_variant_that_fits_replaces_the_settings() {
    let campaign = campaign();
    let part = |change: fn(&mut Fields)| match campaign.part_for(&fields(change)) {
        Part::Settings(settings) => settings.iter().map(|setting| setting.path.clone()).collect(),
        Part::Skip(reason) => vec![reason],
    };
    assert_eq!(part(|_| ()), ["settings[0]", "settings[1]", "settings[2]"]);
    assert_eq!(part(|fields| fields.model = "LEGACY-1".into()), ["variants[0].settings[0]"]);
    assert_eq!(part(|fields| fields.dm_version = "1.1".into()), ["model cannot do this"]);
    let unknown = part(|fields| fields.firmware = "x.y".into());
    assert!(
        unknown[0].starts_with("variants[2].when cannot be evaluated"),
        "neither written nor guessed: {unknown:?}"
    );
}

#[test]
fn a_device_that_no_variant_fits_is_skipped_when_there_is_no_default() {
    let text = "campaign: c\nauthority: a\ndevices: {group: g}\nvariants: [{when: model == \"X\", settings: [{uri: ./A, value: x}]}]\n";
    let campaign = read(text, &Grounds::offline(&Scope::everything(), Instant(0))).unwrap();
    assert_eq!(
        campaign.part_for(&Fields::default()),
        Part::Skip("no variant fits this device".into())
    );
}

#[test]
fn r15_settings_are_filled_in_for_one_device() {
    let campaign = campaign();
    let reads = [("./QoS/Down".to_owned(), "20000".to_owned())].into();
    let device = fields(|fields| {
        fields.attributes.insert("kbps".into(), "64000".into());
    });
    let rendered: Vec<_> = campaign
        .settings()
        .iter()
        .map(|setting| setting.render(&device, &reads).unwrap())
        .collect();
    let shown: Vec<_> = rendered
        .iter()
        .map(|setting| (setting.uri.as_str(), setting.value.as_deref().unwrap()))
        .collect();
    assert_eq!(shown, [("./QoS/Down", "64000"), ("./AP/std/Old", "20000"), ("./AP/Key", "s3cret")]);
    assert!(rendered[2].secret && !rendered[2].readable && rendered[0].readable);
    assert!(!format!("{rendered:?} {campaign:?}").contains("s3cret"));
    assert_eq!(campaign.reads_needed(), [LocUri::parse("./QoS/Down").unwrap()]);
    assert_eq!(reads_of(&campaign.settings()[..1]), []);
}

#[test]
fn what_cannot_be_filled_in_says_whose_fault_it_is() {
    let campaign = campaign();
    let settings = campaign.settings();
    let lacking = settings[1].render(&fields(|_| ()), &BTreeMap::new()).unwrap_err();
    assert_eq!(lacking, RenderError::Lacks { what: "value at ./QoS/Down".into() });
    let fast = fields(|fields| {
        fields.attributes.insert("kbps".into(), "fast".into());
    });
    let unfit = settings[0].render(&fast, &BTreeMap::new()).unwrap_err();
    assert!(matches!(&unfit, RenderError::Value { format, .. } if format == "int"), "{unfit}");
}

#[test]
fn the_terms_of_a_job_are_the_campaigns() {
    let terms = campaign().terms();
    assert_eq!(
        (terms.retry.attempts, terms.answer_within, terms.pull),
        (3, Duration::from_secs(30), false)
    );
    assert_eq!(terms.retry.base, Duration::from_secs(30));
}

/// Devices of one cell do not answer at once: each has its moment, the same whenever it is asked for, and inside a window.
#[test]
fn a_spread_gives_each_device_its_moment_inside_the_windows() {
    let document = "campaign: c\nauthority: a\ndevices: {group: g}\nsettings: [{uri: ./A/B, value: x}]\npace: {spread: 10m}\n\
        when: {expires: 2099-01-01T00:00:00Z, windows: [{from: \"01:00\", to: \"05:00\"}], time_zone: UTC}\n";
    let campaign = read(document, &Grounds::offline(&Scope::everything(), Instant(0))).unwrap();
    let at = |text: &str| Instant::parse(text).unwrap();
    let turn = |from, lot| campaign.first_turn(from, "", lot).unwrap().unwrap();
    let opening = at("2026-11-25T01:00:00Z");
    let moments: Vec<_> =
        (0..600).map(|lot| turn(at("2026-11-24T12:00:00Z"), lot * 1_000).since(opening)).collect();
    assert_eq!(moments.first(), Some(&Duration::ZERO));
    assert_eq!(moments.last(), Some(&Duration::from_secs(599)));
    assert_eq!(turn(opening, 600_000), opening, "the lot goes round");
    let late = at("2026-11-25T04:55:00Z");
    assert_eq!(turn(late, 299_000), at("2026-11-25T04:59:59Z"));
    assert_eq!(turn(late, 301_000), at("2026-11-26T01:00:00Z"), "behind the end: the next window");
}
