//! The broker is killed in the middle of intake and of events, starts again, and stands still for a while.

use crate::{
    rabbit::{Told, Upstream, plan, settings},
    upstream::{campaign, chunk},
    world::{AUTHORITY, Plan, World, a_world},
};
use api::MessageType::{self, Chunk, Submit};
use loadtest::{Mix, broker::Broker};
use std::time::Duration;

const VHOST: usize = 0;
const DEVICES: u64 = 400;
const OF: u64 = 20;

/// Sends until the broker says that it has the message, as whoever must not lose it does.
pub(crate) async fn send_until_taken(
    broker: &Broker,
    sender: &mut Upstream,
    (kind, vhost): (MessageType, usize),
    id: &str,
    body: &str,
) {
    loop {
        let properties = sender.named(id).with_type(kind.name().into());
        let key = format!("{}.operator", kind.key());
        let sent = sender.publish(&key, properties, body.as_bytes());
        match tokio::time::timeout(Duration::from_secs(5), sent).await {
            Ok(Some(())) => return,
            Ok(None) | Err(_) => *sender = back(broker, "billing", vhost).await,
        }
    }
}

/// Connects as soon as the broker is there.
pub(crate) async fn back(broker: &Broker, user: &str, vhost: usize) -> Upstream {
    loop {
        let connected =
            tokio::time::timeout(Duration::from_secs(5), Upstream::try_at(broker, user, vhost));
        match connected.await {
            Ok(Some(upstream)) => return upstream,
            Ok(None) | Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

async fn until_ready(world: &World, wanted: bool) {
    let waiting = async {
        while world.operator.ready().await != wanted {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(Duration::from_mins(2), waiting).await.is_err() {
        let says = world.operator.not_ready_for(|_| true).await;
        panic!("the server never said ready: {wanted}; it says {says}");
    }
}

/// C1, C6 and the second invariant: `kill -9` of the broker while chunks come in and while results go out, and a broker that
/// stands still. What it had taken is not lost, every device is enrolled once, every result is told at least once under
/// the same id; readiness follows.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_or_stands_still_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let broker = Broker::start(home.path()).await.unwrap();
    let world = a_world(plan(&broker, VHOST, "", DEVICES)).await;
    until_ready(&world, true).await;
    let mut billing = Upstream::at(&broker, "billing", VHOST).await;
    let noc = Upstream::at(&broker, "noc", VHOST).await;
    drop(noc.listen().await);
    let mut told = Told::default();
    billing.send(Submit, "s1", campaign("gold") + "pace: {per_second: 60}\n").await;

    // In the middle of intake.
    let parts = u32::try_from(DEVICES / OF).unwrap();
    for part in 0..parts / 2 {
        let body = chunk(&world, "gold", part, Some(parts), OF);
        send_until_taken(&broker, &mut billing, (Chunk, VHOST), &format!("c{part}"), &body).await;
    }
    broker.kill();
    until_ready(&world, false).await;
    broker.restart().await.unwrap();
    for part in parts / 2..parts {
        let body = chunk(&world, "gold", part, Some(parts), OF);
        send_until_taken(&broker, &mut billing, (Chunk, VHOST), &format!("c{part}"), &body).await;
    }
    until_ready(&world, true).await;

    // In the middle of events: some were told, the rest waits or is on its way.
    let mut listener = back(&broker, "noc", VHOST).await;
    let mut events = listener.hear().await;
    assert!(told.until(&mut events, |told| told.results.len() > 50).await);
    broker.kill();
    broker.restart().await.unwrap();
    listener = back(&broker, "noc", VHOST).await;
    events = listener.hear().await;
    assert!(told.until(&mut events, |told| told.results.len() > 150).await);

    // A broker that stands still: nothing is known, nothing is lost.
    broker.stand_still();
    tokio::time::sleep(Duration::from_secs(5)).await;
    broker.go_on();

    let ending = world.end_of("gold").await;
    assert_eq!((ending.count("applied"), ending.view.progress.enrolled), (DEVICES, DEVICES));
    let all = |told: &Told| told.results.len() as u64 == DEVICES && told.ended("gold");
    while !told.until(&mut events, all).await {
        listener = back(&broker, "noc", VHOST).await;
        events = listener.hear().await;
    }
    assert!(told.results.values().all(|outcome| outcome == "applied"));
    println!("{} were told again", told.repeats);
    until_ready(&world, true).await;
    assert_eq!(listener.waiting_in("reveille.chunks").await, 0);
    assert_eq!(listener.waiting_in("reveille.rejected").await, 0);
    let view = world.operator.view(AUTHORITY, "gold").await.unwrap();
    assert_eq!(view.state, "ended");
    world.ends_well().await;
}

/// Somebody who may not is told so, at the door where people look, in words to act on.
#[tokio::test(flavor = "multi_thread")]
async fn missing_permissions_make_the_server_not_ready_and_say_what_to_do() {
    let broker = crate::rabbit::shared().await;
    for (url, words) in [
        (broker.url("powerless", 3), "may configure"),
        (broker.url("nobody", 3), "broker.user"),
        (broker.url("reveille", 99), "virtual host"),
        ("amqp://127.0.0.1:1/v0".to_owned(), "cannot be reached"),
    ] {
        let plan = Plan { authorities: settings(&url, ""), ..Plan::new(Mix::healthy(), 1) };
        let world = a_world(plan).await;
        let problem = world.operator.not_ready_for(|text| text.contains(words)).await;
        assert!(problem.contains(words), "{problem}");
        assert!(!problem.contains("secret"), "a password shows: {problem}");
        world.running.stop().await;
    }
}
