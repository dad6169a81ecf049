//! The broker: work comes in from `RabbitMQ`, results and events go out to it.
//!
//! There is no domain logic here. A message is read, handed to the function that serves the same request over HTTP, and
//! acknowledged when that function has committed. What is kept lies in the store alone, so a message may be worked on twice
//! and an event may be sent twice; both carry ids by which that is known.
//!
//! | module | about |
//! | --- | --- |
//! | [`topology`] | exchanges and queues, declared by the program |
//! | `link` | a connection, and what went wrong with it in words |
//! | `supervise` | keeps each half of the work going; readiness follows |
//! | `intake` | the queues that work comes from, and what becomes of a message in the end |
//! | `aside` | messages that come back later, and those that are rejected with a reason |
//! | `envelope` | what a message says of itself: its kind, its authority, its sender, its id |
//! | `events` | the logs of the shards, drained into the exchange of events |
//! | `cloud` | events as they are told outside |
//! | `work` | from a message to the function that does it |
//! | [`asyncapi`] | all of it as one document for programs |

mod aside;
pub mod asyncapi;
mod cloud;
mod envelope;
mod events;
mod intake;
mod link;
mod supervise;
pub mod topology;
mod work;

use crate::{
    config::{Broker, RabbitMq},
    engine::Engine,
    sinks,
};
use lapin::uri::AMQPUri;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Starts what the configured broker needs, into `tasks`.
pub(crate) fn start(engine: &Arc<Engine>, tasks: &mut JoinSet<()>) {
    let Broker::RabbitMq(_) = &engine.config.broker else { return };
    let health = Arc::new(supervise::Health::new(engine));
    tasks.spawn(supervise::keep_up(
        Arc::clone(engine),
        Arc::clone(&health),
        supervise::Half::Intake,
        intake::run,
    ));
    tasks.spawn(supervise::keep_up(
        Arc::clone(engine),
        health,
        supervise::Half::Events,
        events::run,
    ));
    tasks.spawn(sinks::watch_backlog(Arc::clone(engine)));
}

/// Where the broker is and who we are there, or what is wrong with the setting.
pub(crate) fn address(broker: &RabbitMq) -> Result<AMQPUri, String> {
    let mut uri: AMQPUri = broker
        .url
        .reveal()
        .parse()
        // The parser's words may hold the URL, and with it the password.
        .map_err(|_error| "is not the address of a broker".to_owned())?;
    if let Some(user) = &broker.user {
        uri.authority.userinfo.username.clone_from(user);
    }
    if let Some(password) = &broker.password {
        password.reveal().clone_into(&mut uri.authority.userinfo.password);
    }
    Ok(uri)
}
