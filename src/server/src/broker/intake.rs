//! The queues that work comes from, and what becomes of a message in the end.
//!
//! A message is acknowledged when its effect is committed, or when the broker has confirmed it elsewhere: among the
//! delayed, when it may be done later; among the rejected, when it never can. While the store is away messages are held,
//! not judged. Never more than the prefetch of each queue is in memory.

use super::{
    envelope::{self, Envelope, SENDER, TRIES},
    link::{Trouble, answered, connect, publish, publishing},
    supervise::Post,
    topology::{self, DELAYED, REJECTED},
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
    protocol::BasicProperties,
    types::{AMQPValue, FieldTable},
};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// How long the store is left alone before a message that waits for it is tried again.
const STORE_AWAY: Duration = Duration::from_secs(1);
/// How long messages in work may take to finish at shutdown; what is not done by then comes again.
const GRACE: Duration = Duration::from_secs(10);
/// How often the broker is asked whether it holds our messages up.
const LOOK: Duration = Duration::from_secs(1);
/// Octets of a rejected message that are kept with its reason.
const MOST_KEPT: usize = api::MOST_MESSAGE_OCTETS;
/// Octets of the list of single mistakes in a header.
const MOST_PROBLEMS: usize = 16 * 1024;

/// Takes work until `engine.stop` or until something is wrong with the broker.
pub(super) async fn run(post: Post) -> Result<(), Trouble> {
    let engine = Arc::clone(&post.engine);
    let Broker::RabbitMq(broker) = &engine.config.broker else { return Ok(()) };
    let taking = connect(broker, "intake").await?;
    // A broker that is full stops whoever publishes: acknowledgements go over a connection of their own.
    let giving = Arc::new(connect(broker, "replies").await?);
    answered(topology::declare(&answered(taking.create_channel()).await?)).await?;
    let desk = Arc::new(Desk {
        engine: Arc::clone(&engine),
        broker: broker.clone(),
        ourselves: taking.status().username(),
        out: publishing(&giving).await?,
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
            () = tokio::time::sleep(LOOK) => look(&post, &giving),
        }
    }
}

fn look(post: &Post, giving: &Connection) {
    if giving.status().blocked() {
        post.held_up(&Trouble::Blocked);
    } else {
        post.up();
    }
}

/// What all queues share.
#[derive(Debug)]
struct Desk {
    engine: Arc<Engine>,
    broker: RabbitMq,
    /// Our own name at the broker.
    ourselves: String,
    /// For messages that are put aside.
    out: Channel,
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
                desk.delay(&delivery, &why).await?;
            }
            Fate::Later(why) => {
                let tries = desk.broker.retries;
                let detail = format!("{}; tried again {tries} times in vain", why.detail);
                desk.reject(kind, &delivery, &ProblemDocument { detail, ..why }).await?;
            }
            Fate::Never(why) => desk.reject(kind, &delivery, &why).await?,
        }
        delivery.ack(BasicAckOptions::default()).await?;
        return Ok(());
    }
}

async fn attempt(desk: &Desk, kind: MessageType, delivery: &Delivery) -> Result<(), Refusal> {
    let envelope = Envelope::read(kind, delivery, &desk.ourselves, &desk.engine.config)?;
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
        Some(P::NoSuchCampaign | P::NoSuchDevice | P::Busy | P::Contended | P::Internal) => {
            Fate::Later(why)
        }
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

impl Desk {
    /// Puts a message among those that come back after a while.
    async fn delay(&self, delivery: &Delivery, why: &ProblemDocument) -> Result<(), Trouble> {
        tracing::debug!(detail = why.detail, "a message is put aside for a while");
        let mut headers = self.headers(delivery);
        headers.insert(TRIES.into(), AMQPValue::LongUInt(envelope::tries(delivery) + 1));
        let after = self.broker.retry_after.as_millis().to_string();
        let properties = self.properties(delivery, headers).with_expiration(after.into());
        let key = delivery.routing_key.as_str();
        publish(&self.out, DELAYED, key, &delivery.data, properties).await
    }

    /// Puts a message among those that a person must look at, with the reason.
    async fn reject(
        &self,
        kind: MessageType,
        delivery: &Delivery,
        why: &ProblemDocument,
    ) -> Result<(), Trouble> {
        let reason = ProblemType::from_uri(&why.kind).map_or("unknown", ProblemType::name);
        tracing::warn!(reason, detail = why.detail, queue = kind.queue(), "a message is rejected");
        let mut headers = self.headers(delivery);
        let mut put = |name: &str, text: &str| {
            headers.insert(name.into(), AMQPValue::LongString(text.into()));
        };
        put("reveille-reason", reason);
        put("reveille-detail", &why.detail);
        put("reveille-queue", kind.queue());
        if !why.problems.is_empty() {
            put("reveille-problems", &problems(why));
        }
        if let Ok(now) = self.engine.store().now().await {
            put("reveille-rejected-at", &now.to_string());
        }
        let kept = delivery.data.get(..MOST_KEPT).unwrap_or(&delivery.data);
        if kept.len() < delivery.data.len() {
            put("reveille-body", "cut");
        }
        let properties = self.properties(delivery, headers);
        publish(&self.out, REJECTED, delivery.routing_key.as_str(), kept, properties).await
    }

    /// The headers of the message, with who sent it.
    fn headers(&self, delivery: &Delivery) -> FieldTable {
        let mut headers = delivery.properties.headers().clone().unwrap_or_default();
        if let Some(sender) = envelope::sender(delivery, &self.ourselves) {
            headers.insert(SENDER.into(), AMQPValue::LongString(sender.into()));
        }
        headers
    }

    /// The properties of the message as we send it on, under our own name.
    fn properties(&self, delivery: &Delivery, headers: FieldTable) -> BasicProperties {
        let of = &delivery.properties;
        let mut properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_user_id(self.ourselves.as_str().into())
            .with_headers(headers);
        if let Some(id) = of.message_id() {
            properties = properties.with_message_id(id.clone());
        }
        if let Some(kind) = of.kind() {
            properties = properties.with_type(kind.clone());
        }
        if let Some(content_type) = of.content_type() {
            properties = properties.with_content_type(content_type.clone());
        }
        if let Some(correlation) = of.correlation_id() {
            properties = properties.with_correlation_id(correlation.clone());
        }
        properties
    }
}

/// The single mistakes, a line each, as many as a header takes.
fn problems(why: &ProblemDocument) -> String {
    let mut text = String::new();
    for problem in &why.problems {
        let line = problem.to_string();
        if text.len() + line.len() > MOST_PROBLEMS {
            text.push('…');
            break;
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}
