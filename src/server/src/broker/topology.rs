//! Exchanges and queues, declared by the program each time it connects: the same again changes nothing.
//!
//! ```text
//! reveille.in ----> reveille.campaigns, .control, .chunks, .devices, .triggers      quorum queues, one for each kind
//!     ^                      |  cannot be done yet            |  can never be done
//!     |                      v                                v
//!     +------ TTL --- reveille.delayed                 reveille.rejected            bounded; for a person to read
//!
//! reveille.events --> reveille.event-log                                            kept for a time and within a size
//! ```

use crate::config::RabbitMq;
use api::MessageType;
use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

/// Where work is sent to, with a routing key such as `submit.operator`.
pub const IN: &str = "reveille.in";
/// Where events come out, with a routing key such as `results.operator.gold`.
pub const EVENTS: &str = "reveille.events";
/// The queue of all events, for whoever has none of his own.
pub const EVENT_LOG: &str = "reveille.event-log";
/// The exchange and the queue of messages that can never be done.
pub const REJECTED: &str = "reveille.rejected";
/// The exchange and the queue of messages that are tried again later.
pub(super) const DELAYED: &str = "reveille.delayed";

/// Deliveries after which a message that takes its worker down is put aside by the broker. Each loss of a connection
/// counts as one, so it is generous.
const MOST_DELIVERIES: i64 = 100;
/// Rejected messages that are kept; the oldest leave first.
const MOST_REJECTED: i64 = 100_000;
/// Octets of events that nobody took; the oldest leave first.
const MOST_EVENT_OCTETS: i64 = 512 * 1024 * 1024;

/// Declares what work comes in by, and changes nothing that is as it should be.
pub(super) async fn declare(channel: &Channel) -> Result<(), lapin::Error> {
    for exchange in [IN, REJECTED, DELAYED] {
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        channel
            .exchange_declare(exchange.into(), ExchangeKind::Topic, options, FieldTable::default())
            .await?;
    }
    for kind in MessageType::ALL {
        let arguments = table(&[
            ("x-queue-type", text("quorum")),
            ("x-delivery-limit", AMQPValue::LongLongInt(MOST_DELIVERIES)),
            ("x-dead-letter-exchange", text(REJECTED)),
        ]);
        queue(channel, kind.queue(), IN, &format!("{}.*", kind.key()), arguments).await?;
    }
    let arguments = table(&[
        ("x-queue-type", text("quorum")),
        ("x-dead-letter-exchange", text(IN)),
        // A message on its way back is in one of the two queues at every moment.
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ]);
    queue(channel, DELAYED, DELAYED, "#", arguments).await?;
    let arguments = table(&[
        ("x-queue-type", text("quorum")),
        ("x-max-length", AMQPValue::LongLongInt(MOST_REJECTED)),
        ("x-overflow", text("drop-head")),
    ]);
    queue(channel, REJECTED, REJECTED, "#", arguments).await
}

/// Declares what events go out by, and changes nothing that is as it should be.
pub(super) async fn declare_events(
    channel: &Channel,
    broker: &RabbitMq,
) -> Result<(), lapin::Error> {
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel
        .exchange_declare(EVENTS.into(), ExchangeKind::Topic, options, FieldTable::default())
        .await?;
    let age = i64::try_from(broker.keep_events.as_millis()).unwrap_or(i64::MAX);
    let arguments = table(&[
        ("x-queue-type", text("quorum")),
        ("x-message-ttl", AMQPValue::LongLongInt(age)),
        ("x-max-length-bytes", AMQPValue::LongLongInt(MOST_EVENT_OCTETS)),
        ("x-overflow", text("drop-head")),
    ]);
    queue(channel, EVENT_LOG, EVENTS, "#", arguments).await
}

async fn queue(
    channel: &Channel,
    name: &str,
    exchange: &str,
    key: &str,
    arguments: FieldTable,
) -> Result<(), lapin::Error> {
    channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments).await?;
    let options = QueueBindOptions::default();
    channel
        .queue_bind(name.into(), exchange.into(), key.into(), options, FieldTable::default())
        .await
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert((*key).into(), value.clone());
    }
    table
}
