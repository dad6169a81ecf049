//! What goes wrong is told: which node, which status, in which phase; and every session leaves a record.

use crate::world::{AUTHORITY, World, a_world_with};
use loadtest::{Fault, Mix};
use server::{
    events::Event,
    rows::{DeviceId, HistoryRow, Stored},
    store::{EventId, Shard, Table},
};
use std::collections::BTreeSet;

/// R6: a device that does not let a node be written is reported with the node, its own status and the phase. What else the
/// campaign wanted of it was done, and the other devices are as wanted.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_write_is_reported_with_its_node_and_its_status() {
    let world = a_world_with(Mix { read_only_nodes: 0.4, ..Mix::healthy() }, 30).await;
    let ending = world
        .run(
            "
campaign: failures
authority: operator
devices: {group: demo}
settings:
  - {uri: ./AP/GW/Addr, value: 10.20.0.1}
  - {uri: ./ConnMO/QoS/MaxDownlink, format: int, value: 50000}
atomic: never
",
        )
        .await;
    let mut statuses = BTreeSet::new();
    for (index, result) in world.each(&ending) {
        if world.fleet.expected(index).fault != Fault::ReadOnlyNodes {
            assert_eq!(result.outcome, "applied", "{result:?}");
            assert_eq!((&result.uri, result.status, &result.phase), (&None, None, &None));
            continue;
        }
        assert_eq!(result.outcome, "failed", "{result:?}");
        assert_eq!(result.uri.as_deref(), Some("./ConnMO/QoS/MaxDownlink"));
        // One half of these devices says "not allowed", the other "permission denied".
        assert_eq!(result.status, Some(if index.is_multiple_of(2) { 405 } else { 425 }));
        assert_eq!(result.phase.as_deref(), Some("write"));
        statuses.extend(result.status);
        assert_eq!(world.node(index, "./ConnMO/QoS/MaxDownlink").as_deref(), Some("20000"));
        assert_eq!(world.node(index, "./AP/GW/Addr").as_deref(), Some("10.20.0.1"));
    }
    assert_eq!(statuses, BTreeSet::from([405, 425]));
    world.ends_well().await;
}

/// R6: commands that name what is not there, or cannot be done, fail with the status that the device gave.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_be_done_tells_why() {
    let world = a_world_with(Mix::healthy(), 4).await;
    for (id, setting, uri, status) in [
        ("replace", "{uri: ./AP/NONE/Addr, do: replace, value: x}", "./AP/NONE/Addr", 404),
        ("exec", "{uri: ./AP/GW/Addr, do: exec}", "./AP/GW/Addr", 405),
        ("delete", "{uri: ./DevInfo/Mod, do: delete}", "./DevInfo/Mod", 405),
    ] {
        let document = format!(
            "{{campaign: {id}, authority: {AUTHORITY}, devices: {{group: demo}}, settings: [{setting}]}}"
        );
        let ending = world.run(&document).await;
        assert_eq!(ending.count("failed"), 4, "{id}: {:?}", ending.results);
        for result in ending.results.values() {
            assert_eq!((result.uri.as_deref(), result.status), (Some(uri), Some(status)), "{id}");
            assert_eq!(result.phase.as_deref(), Some("write"), "{id}");
        }
    }
    world.ends_well().await;
}

/// R24: every session is recorded under an id of its own, with what it ended and how much was said; every job's outcome
/// stands in the log under its own id, once.
#[tokio::test(flavor = "multi_thread")]
async fn every_session_and_every_job_leaves_one_record() {
    let world = a_world_with(Mix { read_only_nodes: 0.3, ..Mix::healthy() }, 20).await;
    let campaign = |id: &str, value: u32| {
        format!(
            "{{campaign: {id}, authority: {AUTHORITY}, devices: {{group: demo}}, \
             settings: [{{uri: ./ConnMO/QoS/MaxDownlink, format: int, value: {value}}}]}}"
        )
    };
    let first = world.run(&campaign("first", 50_000)).await.view.seq;
    let second = world.run(&campaign("second", 60_000)).await.view.seq;
    assert!(second > first);

    let mut ids = BTreeSet::new();
    for index in 0..20 {
        let history = history(&world, index).await;
        assert_eq!(history.sessions.len(), 2, "device {index}");
        for (record, seq) in history.sessions.iter().zip([first, second]) {
            assert!(ids.insert(record.id.clone()), "two sessions under one id");
            let fault = world.fleet.expected(index).fault;
            let outcome = if fault == Fault::ReadOnlyNodes { "failed" } else { "applied" };
            let jobs: Vec<_> =
                record.jobs.iter().map(|(seq, outcome)| (*seq, outcome.name())).collect();
            assert_eq!(jobs, [(seq, outcome)]);
            assert_eq!(record.end, "complete");
            assert!(record.messages > 1 && record.octets_in > 0 && record.octets_out > 0);
            assert!(record.ended >= record.started);
        }
    }
    assert_eq!(ids.len(), 40);

    let (mut sessions, mut jobs) = (BTreeSet::new(), BTreeSet::new());
    for event in events(&world).await {
        match event {
            Event::Session { record, .. } => {
                assert!(sessions.insert(record.id), "a session is recorded twice");
            }
            Event::Result { seq, run, device, .. } => {
                assert!(jobs.insert((seq, run, device)), "an outcome is told twice");
            }
            Event::Campaign { .. } => {}
            Event::Fault { kind, .. } => panic!("nothing is at fault here: {kind}"),
            Event::Alert { alert, .. } => panic!("no device reports anything here: {alert:?}"),
            Event::Care { step, .. } => panic!("nobody asked for care: {step}"),
        }
    }
    assert_eq!((sessions, jobs.len()), (ids, 40));
    world.ends_well().await;
}

async fn history(world: &World, index: u64) -> HistoryRow {
    let id = DeviceId::new(AUTHORITY, world.name(index));
    let store = world.running.engine().store();
    let rows = store.read(Shard::of(&id.root()), &[id.key(Table::History)]).await.unwrap();
    HistoryRow::from_octets(&rows[0].as_ref().unwrap().bytes).unwrap()
}

async fn events(world: &World) -> Vec<Event> {
    let mut events = Vec::new();
    for shard in Shard::all() {
        let page =
            world.running.engine().store().events(shard, EventId::default(), 1_000).await.unwrap();
        events.extend(page.iter().map(|(_, octets)| Event::from_octets(octets).unwrap()));
    }
    events
}
