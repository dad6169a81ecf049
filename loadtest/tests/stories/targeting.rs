//! Whom a campaign is for: a list, a file in parts, a group, an expression, and what was read before.

use crate::world::{AUTHORITY, World, a_world_with};
use api::EnrolReport;
use loadtest::Mix;
use std::collections::BTreeSet;

fn campaign(id: &str, devices: &str, setting: &str) -> String {
    format!(
        "
campaign: {id}
authority: {AUTHORITY}
devices: {devices}
settings: [{setting}]
deliver: {{attempts: 3, answer_within: 5s}}
"
    )
}

const GATEWAY: &str = "{uri: ./AP/GW/Addr, value: 10.20.0.1}";

/// Which devices a campaign has changed.
fn changed(world: &World) -> BTreeSet<u64> {
    (0..world.devices)
        .filter(|index| world.node(*index, "./AP/GW/Addr").as_deref() == Some("10.20.0.1"))
        .collect()
}

/// R3: devices by their names, by telephone number and by IMSI, each once however often it is named. Names that the
/// registry does not know are outcomes of their own.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_names_devices_by_any_of_their_names() {
    let world = a_world_with(Mix::healthy(), 10).await;
    let (second, third) = (world.fleet.identity(2), world.fleet.identity(3));
    let list = format!(
        "{{list: [\"{}\", \"msisdn:{}\", \"imsi:{}\", \"{}\", \"IMEI:0\", \"msisdn:999\"]}}",
        world.name(1),
        second.msisdn,
        third.imsi,
        second.device,
    );
    let ending = world.run(&campaign("list", &list, GATEWAY)).await;
    assert_eq!(
        (ending.count("applied"), ending.count("unknown_device")),
        (3, 2),
        "{:?}",
        ending.view
    );
    assert_eq!(ending.of("IMEI:0").outcome, "unknown_device");
    assert_eq!(ending.of("msisdn:999").outcome, "unknown_device");
    assert_eq!(changed(&world), BTreeSet::from([1, 2, 3]));
    world.ends_well().await;
}

/// R3: a file that comes in parts, in any order and some of them twice. The campaign is not over before the last part.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_enrolled_part_by_part_and_each_device_once() {
    let world = a_world_with(Mix::healthy(), 20).await;
    world.submit(&campaign("file", "{file: gold.csv}", GATEWAY)).await;
    let names =
        |from: u64, to: u64| -> Vec<String> { (from..to).map(|index| world.name(index)).collect() };
    let enrol = async |part, names: Vec<String>| {
        world.operator.enrol(AUTHORITY, "file", (part, 3), &names).await.unwrap()
    };
    let report = |enrolled, already, unknown| EnrolReport { enrolled, already, unknown, later: 0 };
    assert_eq!(enrol(2, names(10, 15)).await, report(5, 0, 0));
    assert_eq!(enrol(0, names(0, 5)).await, report(5, 0, 0));
    assert_eq!(enrol(2, names(10, 15)).await, report(0, 5, 0));
    let view = world.until("file", "done with what came", |view| view.progress.ended == 10).await;
    assert_eq!(view.state, "running", "a part is missing");
    // Overlapping parts name a device once.
    let last = [names(3, 10), vec!["IMEI:1".to_owned()]].concat();
    assert_eq!(enrol(1, last).await, report(5, 2, 1));
    let ending = world.end_of("file").await;
    assert_eq!((ending.count("applied"), ending.count("unknown_device")), (15, 1));
    assert_eq!(changed(&world), (0..15).collect());
    world.ends_well().await;
}

/// R3, R22: a group and an expression over attributes; the union, each device once.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_and_an_expression_find_their_devices() {
    let world = a_world_with(Mix::healthy(), 40).await;
    let devices = r#"{group: gold, where: 'attributes.plan == "silver" && model == "RV-200" || attributes.plan == "gold"'}"#;
    world.run(&campaign("search", devices, GATEWAY)).await;
    let wanted: BTreeSet<u64> = (0..40)
        .filter(|index| {
            let identity = world.fleet.identity(*index);
            identity.plan == "gold"
                || (identity.plan == "silver" && identity.kind.model.name() == "RV-200")
        })
        .collect();
    assert!(wanted.len() > 4 && wanted.len() < 36);
    assert_eq!(changed(&world), wanted);
    world.ends_well().await;
}

/// R3, R13: one campaign reads a setting of all devices; the next finds by it those that deviate, and changes only them.
#[tokio::test(flavor = "multi_thread")]
async fn devices_are_found_by_what_was_read_from_them() {
    let world = a_world_with(Mix { as_wanted: 0.5, ..Mix::healthy() }, 30).await;
    let audit = world
        .run(&campaign(
            "audit",
            "{group: demo}",
            "{uri: ./ConnMO/QoS/MaxDownlink, do: read, format: int}",
        ))
        .await;
    assert_eq!(audit.count("unchanged"), 30, "{:?}", audit.view);
    let slow = r#"{where: 'setting["./ConnMO/QoS/MaxDownlink"] < 50000'}"#;
    let ending = world
        .run(&campaign(
            "repair",
            slow,
            "{uri: ./ConnMO/QoS/MaxDownlink, format: int, value: 50000}",
        ))
        .await;
    let deviating: BTreeSet<String> = (0..30)
        .filter(|index| !world.fleet.expected(*index).as_wanted)
        .map(|index| world.name(index))
        .collect();
    assert!(deviating.len() > 3 && deviating.len() < 27);
    assert_eq!(ending.results.keys().cloned().collect::<BTreeSet<_>>(), deviating);
    assert_eq!(ending.count("applied"), deviating.len() as u64);
    assert_eq!(world.ends_well().await.writes, deviating.len() as u64);
}
