//! A broker that cannot be worked with: the server says so, and what to do.

use crate::{
    rabbit::settings,
    world::{Plan, a_world},
};
use loadtest::Mix;

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
