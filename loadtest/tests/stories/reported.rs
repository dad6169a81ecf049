//! What devices say by themselves: each report is in the log for whoever listens, and work that goes on after a session ends
//! with the word of the device.

use crate::world::{Plan, World, a_world};
use loadtest::{Habits, Mix, device::End};
use server::{
    events::{DeviceAlert, Event},
    rows::Stored as _,
    store::{EventId, Shard},
};
use std::collections::BTreeMap;

/// All alerts in the log, by device.
async fn alerts(world: &World) -> BTreeMap<String, Vec<DeviceAlert>> {
    let store = world.running.engine().store();
    let mut alerts: BTreeMap<String, Vec<DeviceAlert>> = BTreeMap::new();
    for shard in Shard::all() {
        for (_, octets) in store.events(shard, EventId(0), 10_000).await.unwrap() {
            if let Event::Alert { device, alert, .. } = Event::from_octets(&octets).unwrap() {
                alerts.entry(device.device).or_default().push(alert);
            }
        }
    }
    alerts
}

fn of_kind<'a>(alerts: &'a [DeviceAlert], kind: &str) -> Vec<&'a DeviceAlert> {
    alerts.iter().filter(|alert| alert.kind.as_deref() == Some(kind)).collect()
}

/// R6, R22: an Exec that a device only takes up ends with the report of a later session, by its correlator or, from a device
/// that knows none, by its node; one client reports in the message that answers. Whatever devices say is in the log, once a
/// session, with its type, its correlator and its data.
#[tokio::test(flavor = "multi_thread")]
async fn what_devices_report_is_in_the_log_and_ends_the_work_that_it_is_about() {
    let mix = Mix { xml: 0.5, windows: 0.3, reports: 0.5, hmac: 0.2, ..Mix::healthy() };
    let world = a_world(Plan::new(mix, 48)).await;
    let later = |index: u64| world.fleet.expected(index).habits != Habits::A;
    let awaited = (0..48).filter(|index| later(*index)).count() as u64;
    let view = world
        .submit(
            "
campaign: update
authority: operator
devices: {group: demo}
settings: [{uri: ./Op/Update, do: exec, within: 2h}]
deliver: {attempts: 1, answer_within: 20s}
",
        )
        .await;
    world.until(&view.id, "waiting for devices", |view| view.progress.ended == 48 - awaited).await;
    crate::world::at_rest(&world.fleet).await;
    let view = world.operator.view("operator", &view.id).await.unwrap();
    assert_eq!(view.progress.ended, 48 - awaited, "202 is no end");

    for index in (0..48).filter(|index| later(*index)) {
        assert_eq!(world.fleet.connect(index).await, Some(End::Complete));
    }
    let ending = world.end_of(&view.id).await;
    let alerts = alerts(&world).await;
    for (index, result) in world.each(&ending) {
        let kind = world.fleet.expected(index);
        let (outcome, code) = if index % 4 == 3 { ("failed", "410") } else { ("applied", "200") };
        assert_eq!(result.outcome, outcome, "{kind:?} {result:?}");

        let said = alerts.get(&world.name(index)).map_or(&[][..], Vec::as_slice);
        let update = of_kind(said, "org.openmobilealliance.dm.firmwareupdate.update");
        assert_eq!(update.len(), 1, "{kind:?} {said:?}");
        assert_eq!((update[0].code, update[0].data.as_deref()), (1226, Some(code)), "{said:?}");
        assert_eq!(update[0].source.as_deref(), Some("./Op/Update"), "{said:?}");
        let is_windows = kind.habits == Habits::Windows;
        assert_eq!(update[0].correlator.is_none(), is_windows, "{kind:?} {said:?}");

        let sessions = if later(index) { 2 } else { 1 };
        let worn = of_kind(said, "com.acme.fault:battery");
        assert_eq!(worn.len(), if kind.report.is_some() { sessions } else { 0 }, "{said:?}");
        assert!(worn.iter().all(|worn| worn.data.as_deref() == Some("the battery is worn")
            && worn.mark.as_deref() == Some("warning")));
        // A client event, which says who is there.
        let login = of_kind(said, "com.microsoft/MDM/LoginStatus");
        assert_eq!(login.len(), if is_windows { sessions } else { 0 }, "{said:?}");
        assert!(login.iter().all(|login| login.code == 1224));
    }
    world.ends_well().await;
}
