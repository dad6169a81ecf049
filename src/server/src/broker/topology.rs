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

use api::MessageType;
use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use std::time::Duration;

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

/// A durable topic exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
}

/// A durable queue.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) exchange: &'static str,
    /// What of the exchange comes into it.
    pub(super) key: String,
    pub(super) arguments: Vec<(&'static str, Argument)>,
}

/// What a queue is told of how it shall be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Argument {
    Text(&'static str),
    Number(i64),
}

/// Exchanges and queues that belong together.
#[derive(Debug)]
pub(super) struct Topology {
    pub(super) exchanges: Vec<Exchange>,
    pub(super) queues: Vec<Queue>,
}

/// What work comes in by.
pub(super) fn intake() -> Topology {
    let mut queues: Vec<Queue> = MessageType::ALL.iter().map(|kind| waiting(*kind)).collect();
    queues.push(Queue {
        name: DELAYED,
        about: "Messages that are tried again later. The program's own.",
        exchange: DELAYED,
        key: "#".to_owned(),
        arguments: vec![
            ("x-queue-type", Argument::Text("quorum")),
            ("x-dead-letter-exchange", Argument::Text(IN)),
            // A message on its way back is in one of the two queues at every moment.
            ("x-dead-letter-strategy", Argument::Text("at-least-once")),
            ("x-overflow", Argument::Text("reject-publish")),
        ],
    });
    queues.push(Queue {
        name: REJECTED,
        about: "Messages that can never be done, with the reason in their headers, for a person to read.",
        exchange: REJECTED,
        key: "#".to_owned(),
        arguments: vec![
            ("x-queue-type", Argument::Text("quorum")),
            ("x-max-length", Argument::Number(MOST_REJECTED)),
            ("x-overflow", Argument::Text("drop-head")),
        ],
    });
    let exchanges = vec![
        Exchange { name: IN, about: "Where work is sent to." },
        Exchange { name: REJECTED, about: "Puts messages aside for good. The program's own." },
        Exchange { name: DELAYED, about: "Puts messages aside for a while. The program's own." },
    ];
    Topology { exchanges, queues }
}

fn waiting(kind: MessageType) -> Queue {
    Queue {
        name: kind.queue(),
        about: "Where messages wait until a server takes them.",
        exchange: IN,
        key: format!("{}.*", kind.key()),
        arguments: vec![
            ("x-queue-type", Argument::Text("quorum")),
            ("x-delivery-limit", Argument::Number(MOST_DELIVERIES)),
            ("x-dead-letter-exchange", Argument::Text(REJECTED)),
        ],
    }
}

/// What events go out by. `keep`: how long an event stays that nobody takes.
pub(super) fn events(keep: Duration) -> Topology {
    let age = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    Topology {
        exchanges: vec![Exchange { name: EVENTS, about: "Where events come out." }],
        queues: vec![Queue {
            name: EVENT_LOG,
            about: "All events, kept for a time and within a size, for whoever has no queue of his own.",
            exchange: EVENTS,
            key: "#".to_owned(),
            arguments: vec![
                ("x-queue-type", Argument::Text("quorum")),
                ("x-message-ttl", Argument::Number(age)),
                ("x-max-length-bytes", Argument::Number(MOST_EVENT_OCTETS)),
                ("x-overflow", Argument::Text("drop-head")),
            ],
        }],
    }
}

impl Topology {
    /// Declares it, and changes nothing that is as it should be.
    pub(super) async fn declare(&self, channel: &Channel) -> Result<(), lapin::Error> {
        for exchange in &self.exchanges {
            let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
            let none = FieldTable::default();
            channel
                .exchange_declare(exchange.name.into(), ExchangeKind::Topic, options, none)
                .await?;
        }
        for queue in &self.queues {
            queue.declare(channel).await?;
        }
        Ok(())
    }
}

impl Queue {
    async fn declare(&self, channel: &Channel) -> Result<(), lapin::Error> {
        let mut arguments = FieldTable::default();
        for (name, argument) in &self.arguments {
            let value = match argument {
                Argument::Text(text) => AMQPValue::LongString((*text).into()),
                Argument::Number(number) => AMQPValue::LongLongInt(*number),
            };
            arguments.insert((*name).into(), value);
        }
        channel.queue_declare(self.name.into(), QueueDeclareOptions::durable(), arguments).await?;
        let (exchange, key) = (self.exchange.into(), self.key.as_str().into());
        let options = QueueBindOptions::default();
        channel.queue_bind(self.name.into(), exchange, key, options, FieldTable::default()).await
    }
}
