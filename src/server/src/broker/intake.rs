//! The queues that work comes from, and what becomes of a message in the end.
//!
//! A message is acknowledged when its effect is committed, or when the broker has confirmed it elsewhere: among the
//! delayed, when it may be done later; among the rejected, when it never can. While the store is away messages are held,
//! not judged. Never more than the prefetch of each queue is in memory.

use super::{
    aside::Aside,
    envelope::{self, Envelope},
    link::{Trouble, answered, connect, publishing},
    supervise::Post,
    topology,
    work::work,
};
use crate::{
    config::{Broker, RabbitMq},
    engine::Engine,
    http::admin::problem::Refusal,
};
use api::{MessageType, ProblemDocument, ProblemType};
use futures_util::{FutureExt, StreamExt};
use lapin::{
    Channel, Connection,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// How long the store is left alone before a message that waits for it is tried again.
const STORE_AWAY: Duration = Duration::from_secs(1);
/// How long messages in work may take to finish at shutdown; what is not done by then comes again.
const GRACE: Duration = Duration::from_secs(10);
/// How often the broker is asked whether it holds our messages up.
const LOOK: Duration = Duration::from_secs(1);

/// Takes work until `engine.stop` or until something is wrong with the broker.
pub(super) async fn run(post: Post) -> Result<(), Trouble> {
    let engine = Arc::clone(&post.engine);
    let Broker::RabbitMq(broker) = &engine.config.broker else { return Ok(()) };
    let taking = connect(broker, "intake").await?;
    // A broker that is full stops whoever publishes: acknowledgements go over a connection of their own.
    let giving = Arc::new(connect(broker, "replies").await?);
    let declaring = answered(taking.create_channel()).await?;
    answered(topology::intake().declare(&declaring)).await?;
    // What is rejected is told as an event, too.
    answered(topology::events(broker.keep_events).declare(&declaring)).await?;
    let desk = Arc::new(Desk {
        engine: Arc::clone(&engine),
        broker: broker.clone(),
        aside: Aside {
            engine: Arc::clone(&engine),
            retry_after: broker.retry_after,
            ourselves: taking.status().username(),
            out: publishing(&giving).await?,
        },
    });
    let mut queues = JoinSet::new();
    for kind in MessageType::ALL {
        let channel = answered(taking.create_channel()).await?;
        queues.spawn(take(Arc::clone(&desk), *kind, channel));
    }
    post.up();
    loop {
        tokio::select! {
            ended = queues.join_next() => match ended {
                // Each ends well at the stop alone, and the last of them ends this.
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(trouble))) => return Err(trouble),
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                None => return Ok(()),
            },
            () = tokio::time::sleep(LOOK) => look(&post, &taking, &giving)?,
        }
    }
}

/// A connection that is gone fails whoever waits on it; who waits for nothing but messages must not wait for ever.
fn look(post: &Post, taking: &Connection, giving: &Connection) -> Result<(), Trouble> {
    if !taking.status().connected() || !giving.status().connected() {
        return Err(Trouble::Closed);
    }
    if giving.status().blocked() {
        post.held_up(&Trouble::Blocked);
    } else {
        post.up();
    }
    Ok(())
}

/// What all queues share.
#[derive(Debug)]
struct Desk {
    engine: Arc<Engine>,
    broker: RabbitMq,
    aside: Aside,
}

/// Takes the messages of one queue.
async fn take(desk: Arc<Desk>, kind: MessageType, channel: Channel) -> Result<(), Trouble> {
    let prefetch = desk.broker.prefetch;
    answered(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
    let consuming = channel.basic_consume(
        kind.queue().into(),
        "".into(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    let mut deliveries = answered(consuming).await?;
    let stop = desk.engine.stop.clone();
    let mut working = JoinSet::new();
    loop {
        tokio::select! {
            delivery = deliveries.next() => match delivery {
                Some(delivery) => drop(working.spawn(handle(Arc::clone(&desk), kind, delivery?))),
                None => return Err(Trouble::Cancelled(kind.queue())),
            },
            Some(handled) = working.join_next() => settled(handled)?,
            () = tokio::time::sleep(LOOK) => if !channel.status().connected() {
                return Err(Trouble::Closed);
            },
            () = stop.cancelled() => break,
        }
    }
    let finish = async {
        while let Some(handled) = working.join_next().await {
            settled(handled)?;
        }
        Ok(())
    };
    tokio::time::timeout(GRACE, finish).await.unwrap_or(Ok(()))
}

fn settled(handled: Result<Result<(), Trouble>, tokio::task::JoinError>) -> Result<(), Trouble> {
    handled.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Works on one message until it is done, put aside, or the connection is gone.
async fn handle(desk: Arc<Desk>, kind: MessageType, delivery: Delivery) -> Result<(), Trouble> {
    loop {
        let doing = AssertUnwindSafe(attempt(&desk, kind, &delivery)).catch_unwind();
        let fate = match doing.await {
            Ok(Ok(())) => Fate::Done,
            Ok(Err(refusal)) => fate(refusal.into_document()),
            // The panic is in the log. Others shall not wait behind this message.
            Err(_panic) => {
                let detail = "the server made a mistake while it worked on this message";
                Fate::Later(ProblemDocument::new(ProblemType::Internal, detail))
            }
        };
        match fate {
            Fate::Done => {}
            Fate::Held => {
                if !delivery.acker.usable() {
                    return Ok(());
                }
                tokio::select! {
                    () = tokio::time::sleep(STORE_AWAY) => continue,
                    // Not acknowledged, so it comes again, here or elsewhere.
                    () = desk.engine.stop.cancelled() => return Ok(()),
                }
            }
            Fate::Later(why) if envelope::tries(&delivery) < desk.broker.retries => {
                desk.aside.delay(&delivery, &why).await?;
            }
            Fate::Later(why) => {
                let tries = desk.broker.retries;
                let detail = format!("{}; tried again {tries} times in vain", why.detail);
                desk.aside.reject(kind, &delivery, &ProblemDocument { detail, ..why }).await?;
            }
            Fate::Never(why) => desk.aside.reject(kind, &delivery, &why).await?,
        }
        delivery.ack(BasicAckOptions::default()).await?;
        return Ok(());
    }
}

async fn attempt(desk: &Desk, kind: MessageType, delivery: &Delivery) -> Result<(), Refusal> {
    let envelope = Envelope::read(kind, delivery, &desk.aside.ourselves, &desk.engine.config)?;
    work(&desk.engine, kind, &envelope, &delivery.data).await
}

/// What is done with a message.
enum Fate {
    Done,
    /// The store is away, and it is not the message's fault.
    Held,
    /// It may be done when something else has come or gone.
    Later(ProblemDocument),
    Never(ProblemDocument),
}

fn fate(why: ProblemDocument) -> Fate {
    use ProblemType as P;
    match P::from_uri(&why.kind) {
        Some(P::StoreAway | P::TimedOut | P::NotReady) => Fate::Held,
        // Queues overtake each other: what this message names may be on its way.
        Some(
            P::NoSuchCampaign
            | P::NoSuchCare
            | P::CareUnderWay
            | P::NoSuchDevice
            | P::Busy
            | P::Contended
            | P::Internal,
        ) => Fate::Later(why),
        Some(
            P::BadRequest
            | P::Forbidden
            | P::NoSuchPath
            | P::NoSuchAuthority
            | P::WrongMethod
            | P::TooSlow
            | P::OtherCampaign
            | P::WrongState
            | P::TooLarge
            | P::WrongMediaType
            | P::BadCampaign
            | P::BadBody,
        )
        | None => Fate::Never(why),
    }
}
