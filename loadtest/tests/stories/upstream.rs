//! An upstream system that speaks AMQP alone: it registers devices, submits, names the devices in chunks.

use crate::{
    operator::LOOK,
    rabbit::{Told, Upstream, plan, ready, shared},
    world::{AUTHORITY, World, an_empty_world},
};
use api::MessageType::{Chunk, Control, Device, Submit};

const VHOST: usize = 0;

pub(crate) fn campaign(id: &str) -> String {
    format!(
        "
campaign: {id}
authority: {AUTHORITY}
devices: {{file: chunks}}
settings: [{{uri: ./AP/GW/Addr, value: 10.20.0.1}}]
deliver: {{attempts: 3, answer_within: 5s}}
"
    )
}

/// The devices of a range as a message of the registry.
pub(crate) fn lines(world: &World, devices: std::ops::Range<u64>, as_of: &str) -> String {
    let header: Vec<_> = world.fleet.registry_csv_header().split(',').map(str::to_owned).collect();
    let mut lines = Vec::new();
    for line in world.fleet.registry_lines(devices) {
        let cells = header.iter().cloned().zip(line.split(',').map(str::to_owned));
        let mut object = serde_json::Map::new();
        for (key, value) in cells.filter(|(_, value)| !value.is_empty()) {
            let value = match key.as_str() {
                "groups" => value.split(';').collect::<Vec<_>>().into(),
                _ => value.into(),
            };
            object.insert(key, value);
        }
        object.insert("as_of".into(), as_of.into());
        lines.push(serde_json::Value::from(object).to_string());
    }
    lines.join("\n")
}

pub(crate) fn chunk(world: &World, id: &str, part: u32, parts: Option<u32>, of: u64) -> String {
    let first = u64::from(part) * of;
    let devices: Vec<_> = (first..first + of).map(|index| world.name(index)).collect();
    let chunk = api::ChunkMessage { campaign: id.into(), part, parts, devices };
    serde_json::to_string(&chunk).unwrap()
}

/// C6: devices, a campaign and its parts over AMQP; parts in any order, before the campaign is there, and again. Two
/// programs send at once. Every device has one result, and an order that comes twice is done once.
#[tokio::test(flavor = "multi_thread")]
async fn chunks_come_in_any_order_and_again_and_each_device_is_enrolled_once() {
    let broker = shared().await;
    let world = an_empty_world(plan(&broker, VHOST, "", 60)).await;
    ready(&world.operator).await;
    let billing = Upstream::at(&broker, "billing", VHOST).await;
    let noc = Upstream::at(&broker, "noc", VHOST).await;
    let mut events = billing.listen().await;

    billing.send(Device, "d1", lines(&world, 0..60, "2026-11-01T00:00:00Z")).await;
    // Older news than the registry has, which came late.
    let old =
        format!(r#"{{"device":"{}","model":"OLD","as_of":"2020-01-01T00:00:00Z"}}"#, world.name(7));
    billing.send(Device, "d0", old).await;
    // Whoever is not registered when its part comes is unknown to the campaign: queues overtake each other.
    for device in 0..60 {
        let name = world.name(device);
        while world.operator.device(AUTHORITY, &name).await.is_err() {
            tokio::time::sleep(LOOK).await;
        }
    }
    // Parts before their campaign: they wait for it.
    billing.send(Chunk, "c2", chunk(&world, "gold", 2, None, 10)).await;
    billing.send(Chunk, "c5", chunk(&world, "gold", 5, Some(6), 10)).await;
    billing.send(Submit, "s1", campaign("gold")).await;
    for (number, part) in [4, 0, 2, 3, 0].into_iter().enumerate() {
        let sender = if number % 2 == 0 { &billing } else { &noc };
        sender.send(Chunk, &format!("c{part}"), chunk(&world, "gold", part, None, 10)).await;
    }
    let at_work =
        world.until("gold", "most are enrolled", |view| view.progress.enrolled >= 50).await;
    assert_ne!(at_work.state, "ended", "a part is missing");
    noc.send(Control, "p1", r#"{"campaign":"gold","do":"pause","why":"a test"}"#).await;
    let paused = world.until("gold", "paused", |view| view.state == "paused").await;
    assert_eq!(paused.why.as_deref(), Some("noc: a test"));
    noc.send(Control, "r1", r#"{"campaign":"gold","do":"resume"}"#).await;
    world.until("gold", "going on", |view| view.state != "paused").await;
    noc.send(Control, "p1", r#"{"campaign":"gold","do":"pause","why":"a test"}"#).await;
    billing.send(Submit, "s1", campaign("gold")).await;
    billing.send(Chunk, "c1", chunk(&world, "gold", 1, None, 10)).await;

    let ending = world.end_of("gold").await;
    assert_eq!((ending.count("applied"), ending.view.progress.enrolled), (60, 60));

    // What came out of it.
    let mut told = Told::default();
    told.until(&mut events, |told| told.results.len() == 60 && told.ended("gold")).await;
    assert_eq!(told.sessions.len(), 60);
    let states: Vec<_> = told.states.iter().map(|(_, state)| state.as_str()).collect();
    assert_eq!(states.first(), Some(&"enrolling"), "{states:?}");
    assert!(states.contains(&"paused") && states.ends_with(&["ended"]), "{states:?}");
    assert!(told.states.is_sorted_by(|(a, _), (b, _)| a < b), "{:?}", told.states);
    assert!(told.results.values().all(|outcome| outcome == "applied"));
    let seventh = world.operator.device(AUTHORITY, &world.name(7)).await.unwrap();
    assert_ne!(seventh.model, "OLD");
    // A part that comes again after the end changes nothing and is no mistake.
    billing.send(Chunk, "c1", chunk(&world, "gold", 1, None, 10)).await;
    billing.send(Device, "again", lines(&world, 0..1, "2026-11-01T00:00:00Z")).await;
    billing.send(Chunk, "unknown", r#"{"campaign":"none","part":0,"devices":[]}"#).await;
    let rejected = billing.rejected(1).await;
    assert_eq!(rejected[0].id, "unknown", "{rejected:#?}");
    world.ends_well().await;
}
