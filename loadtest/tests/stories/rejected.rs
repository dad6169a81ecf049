//! Messages that can never be done: each is put aside with a reason that a person can act on, and the queue goes on.

use crate::{
    rabbit::{Told, Upstream, plan, ready, shared},
    upstream::{campaign, chunk},
    world::a_world,
};
use api::MessageType::{self, Chunk, Control, Device, Submit};
use std::collections::BTreeMap;

const VHOST: usize = 1;

/// C6: poison, an unknown campaign, an unknown type, 10 MB, a wrong schema, a user without the right: each ends among the
/// rejected with its reason, who sent it and what it was; what came behind them is done.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_rejected_with_a_reason_and_the_queue_goes_on() {
    let broker = shared().await;
    let world = a_world(plan(&broker, VHOST, "retries = 2", 5)).await;
    ready(&world.operator).await;
    let billing = Upstream::at(&broker, "billing", VHOST).await;
    let stranger = Upstream::at(&broker, "stranger", VHOST).await;
    let gateway = Upstream::at(&broker, "gateway", VHOST).await;

    let mut events = billing.listen().await;
    billing.send(Submit, "twice", campaign("twice")).await;
    world.until("twice", "there", |_| true).await;
    // Each with a piece of the reason that it must get.
    let mut wanted: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    let mut expect = |id, reason, words| {
        wanted.insert(id, (reason, words));
    };

    billing.send(Chunk, "poison", [0xFF, 0x00, b'{', 0x01]).await;
    expect("poison", "bad-body", "line 1");
    billing
        .send(Chunk, "unknown-campaign", r#"{"campaign":"nobody","part":0,"devices":["IMEI:1"]}"#)
        .await;
    expect("unknown-campaign", "no-such-campaign", "tried again 2 times");
    let odd = billing.named("unknown-type").with_type("campaign.reverse".into());
    billing.publish("chunk.operator", odd, b"{}").await.unwrap();
    expect("unknown-type", "bad-request", "`campaign.reverse`");
    billing.publish("chunk.operator", billing.named("no-type"), b"{}").await.unwrap();
    expect("no-type", "bad-request", "`type` is missing");
    billing.send(Chunk, "large", vec![b' '; 10 * 1024 * 1024]).await;
    expect("large", "too-large", "10485760 octets");
    billing.send(Chunk, "schema", r#"{"campaign":"twice","port":0,"devices":[]}"#).await;
    expect("schema", "bad-body", "port");
    billing.send(Chunk, "bad-name", r#"{"campaign":"twice","part":0,"devices":[""]}"#).await;
    expect("bad-name", "bad-body", "no device of this part");
    stranger.send(Chunk, "no-right", r#"{"campaign":"twice","part":0,"devices":["IMEI:1"]}"#).await;
    expect("no-right", "forbidden", "`stranger`");
    billing.send(Control, "no-operator", r#"{"campaign":"twice","do":"abort"}"#).await;
    expect("no-operator", "forbidden", "amqp_users");
    gateway.send(Submit, "no-upstream", campaign("three")).await;
    expect("no-upstream", "forbidden", "`gateway`");
    let unsigned = lapin::BasicProperties::default()
        .with_type(Chunk.name().into())
        .with_message_id("unsigned".into());
    billing.publish("chunk.operator", unsigned, b"{}").await.unwrap();
    expect("unsigned", "forbidden", "user_id");
    let elsewhere = billing.named("elsewhere").with_type(Chunk.name().into());
    billing.publish("chunk.enterprise", elsewhere, b"{}").await.unwrap();
    expect("elsewhere", "no-such-authority", "`enterprise`");
    billing.send(Submit, "different", campaign("twice").replace("10.20.0.1", "10.9.9.9")).await;
    expect("different", "other-campaign", "an id of its own");
    billing.send(Submit, "mistakes", "campaign: x\nauthority: operator\ndevcies: {}\n").await;
    expect("mistakes", "bad-campaign", "nothing was stored");
    let urgent = campaign("urgent") + "lane: urgent\n";
    billing.send(Submit, "urgent", urgent).await;
    expect("urgent", "bad-campaign", "nothing was stored");
    let early = r#"{"device":"IMEI:7","model":"RV-1","as_of":"2026-01-01T00:00:00Z"}"#;
    billing.send(Device, "unregistered", early).await;
    expect("unregistered", "no-such-device", "1 devices are not registered; tried again 2 times");
    billing.send(Device, "undated", r#"{"device":"IMEI:9","secret":"s"}"#).await;
    expect("undated", "bad-body", "no device");
    let half = "{\"device\":\"IMEI:9\",\"secret\":\"s\",\"as_of\":\"2026-01-01T00:00:00Z\"}\n{\"device\":\"IMEI:8\",\"as_of\":\"soon\"}";
    billing.send(Device, "half", half).await;
    expect("half", "bad-body", "1 devices were refused");

    let rejected = billing.rejected(wanted.len()).await;
    let mut told = Told::default();
    told.until(&mut events, |told| told.rejected.len() == wanted.len()).await;
    for one in &rejected {
        let (reason, words) = wanted.remove(one.id.as_str()).unwrap_or_else(|| panic!("{one:#?}"));
        assert_eq!(one.reason, reason, "{one:#?}");
        assert!(one.detail.contains(words), "{}: {}", one.id, one.detail);
        assert!(
            one.header("reveille-queue").is_some() && one.header("reveille-rejected-at").is_some()
        );
        // The event says the same, without the body.
        let event = told.rejected.values().find(|told| told.message_id.as_ref() == Some(&one.id));
        let event = event.unwrap_or_else(|| panic!("nothing was told of {}", one.id));
        assert_eq!((&event.reason, &event.detail), (&one.reason, &one.detail));
        assert_eq!(event.user, one.header("reveille-user"));
        assert_eq!(Some(&event.queue), one.header("reveille-queue").as_ref());
        match one.id.as_str() {
            "no-right" => assert_eq!(one.header("reveille-user").as_deref(), Some("stranger")),
            "mistakes" => assert!(one.header("reveille-problems").unwrap().contains("devcies")),
            "urgent" => assert!(one.header("reveille-problems").unwrap().contains("right")),
            "undated" => assert!(one.header("reveille-problems").unwrap().contains("as_of")),
            "half" => assert!(one.header("reveille-problems").unwrap().contains("line 2")),
            "large" => assert_eq!(one.header("reveille-body").as_deref(), Some("cut")),
            "schema" => assert!(one.delivery.data.starts_with(b"{\"campaign\":\"twice\"")),
            _ => {}
        }
    }
    assert!(wanted.is_empty(), "not rejected: {wanted:?}");

    // Whoever sends the same once more gets the same event.
    stranger.send(Chunk, "no-right", r#"{"campaign":"twice","part":0,"devices":["IMEI:1"]}"#).await;
    told.until(&mut events, |told| told.repeats > 0).await;
    assert_eq!((told.rejected.len(), billing.rejected(1).await.len()), (rejected.len(), 1));

    // What came behind them is done.
    billing.send(Chunk, "good", chunk(&world, "twice", 0, Some(1), 5)).await;
    assert_eq!(world.end_of("twice").await.count("applied"), 5);
    for kind in MessageType::ALL {
        assert_eq!(billing.waiting_in(kind.queue()).await, 0, "{kind:?}");
    }
    assert_eq!(billing.waiting_in("reveille.delayed").await, 0);
    world.ends_well().await;
}

/// C6: a message that takes down every process that works on it comes back to the next one. It does not do so for ever: in the
/// end the broker itself puts it aside, with its own word for why.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_takes_its_process_down_again_and_again_is_put_aside_by_the_broker() {
    const VHOST: usize = 14;
    let broker = shared().await;
    let world = a_world(plan(&broker, VHOST, "", 1)).await;
    ready(&world.operator).await;
    // The queues stay; from here on we are the processes that die.
    world.ends_well().await;
    let billing = Upstream::at(&broker, "billing", VHOST).await;
    billing.send(Chunk, "deadly", "{}").await;
    let times = billing.give_back(Chunk.queue()).await;
    assert!((100..=102).contains(&times), "{times}");
    let rejected = billing.rejected(1).await;
    assert_eq!(rejected[0].id, "deadly");
    assert_eq!(rejected[0].header("x-first-death-reason").as_deref(), Some("delivery_limit"));
    assert_eq!(rejected[0].header("x-first-death-queue").as_deref(), Some("reveille.chunks"));
}
