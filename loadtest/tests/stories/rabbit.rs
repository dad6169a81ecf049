//! A private broker, and whoever else is at it: upstream systems, a network entity, somebody who reads what was rejected.

use crate::{
    contract,
    operator::{LOOK, Operator, PATIENCE},
    world::Plan,
};
use api::{CloudEvent, EventData, JobResult, MessageType};
use futures_util::StreamExt;
use lapin::{
    Channel, Confirmation, Connection, ConnectionProperties, Consumer,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
        BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions,
    },
    protocol::BasicProperties,
    tcp::OwnedTLSConfig,
    types::{AMQPValue, FieldTable, ShortString},
};
use loadtest::{Mix, broker::Broker};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The broker of the stories that leave it alone; each has a virtual host of its own. It ends with the run of the tests.
pub(crate) async fn shared() -> Broker {
    let run = std::os::unix::process::parent_id();
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rabbit-{run}"));
    Broker::shared(&home, run).await.unwrap()
}

/// The settings of a server at a broker: one authority, whose users have their roles.
pub(crate) fn settings(url: &str, more: &str) -> String {
    format!(
        r#"
[broker]
kind = "rabbitmq"
url = "{url}"
retry_after = "500ms"
{more}
[[authority]]
name = "operator"
server_id = "reveille.local"
integrity = "none"
scopes = [{{ uri = ".", rights = ["read", "write", "exec"] }}]
amqp_users = [
  {{ user = "billing" }},
  {{ user = "noc", roles = ["operator"] }},
  {{ user = "gateway", roles = ["network"] }},
]
"#
    )
}

/// A world of healthy devices whose server works at this virtual host of the broker; `more` are keys of `[broker]`.
pub(crate) fn plan(broker: &Broker, vhost: usize, more: &str, devices: u64) -> Plan {
    let authorities = settings(&broker.url("reveille", vhost), more);
    Plan { authorities, ..Plan::new(Mix::healthy(), devices) }
}

/// Waits until the server works with its broker.
pub(crate) async fn ready(operator: &Operator) {
    let waiting = async {
        while !operator.ready().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    let ready = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(ready.is_ok(), "the server is not ready");
}

/// A program at the broker.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) channel: Channel,
    user: String,
    _connection: Connection,
}

/// A message that was put aside, and why.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) id: String,
    pub(crate) reason: String,
    pub(crate) detail: String,
    pub(crate) delivery: Delivery,
}

impl Rejected {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        header(&self.delivery, name)
    }
}

fn header(delivery: &Delivery, name: &str) -> Option<String> {
    let value = delivery.properties.headers().as_ref()?.inner().get(name)?;
    let AMQPValue::LongString(text) = value else { return None };
    Some(String::from_utf8_lossy(text.as_bytes()).into_owned())
}

impl Upstream {
    pub(crate) async fn at(broker: &Broker, user: &str, vhost: usize) -> Self {
        Self::try_at(broker, user, vhost).await.expect("the broker is there")
    }

    /// `None` while the broker is away.
    pub(crate) async fn try_at(broker: &Broker, user: &str, vhost: usize) -> Option<Self> {
        let url = broker.url(user, vhost);
        let trusted = broker.authorities().map(|file| std::fs::read_to_string(file).unwrap());
        let connecting = Connection::connect_with_config(
            &url,
            ConnectionProperties::default(),
            OwnedTLSConfig { identity: None, cert_chain: trusted },
            lapin::runtime::default_runtime().ok()?,
        );
        let connection = connecting.await.ok()?;
        let channel = connection.create_channel().await.ok()?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.ok()?;
        Some(Self { channel, user: user.to_owned(), _connection: connection })
    }

    /// Sends a message for the one authority; the broker has it when this returns.
    pub(crate) async fn send(&self, kind: MessageType, id: &str, body: impl AsRef<[u8]>) {
        let key = format!("{}.operator", kind.key());
        let properties = self.named(id).with_type(kind.name().into());
        assert!(self.publish(&key, properties, body.as_ref()).await.is_some());
    }

    /// The properties that every message has.
    pub(crate) fn named(&self, id: &str) -> BasicProperties {
        BasicProperties::default()
            .with_delivery_mode(2)
            .with_message_id(id.into())
            .with_user_id(self.user.as_str().into())
    }

    /// `None`: the broker did not say that it has it.
    pub(crate) async fn publish(
        &self,
        key: &str,
        properties: BasicProperties,
        body: &[u8],
    ) -> Option<()> {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let key = ShortString::from(key);
        let sent =
            self.channel.basic_publish("reveille.in".into(), key, options, body, properties).await;
        match sent.ok()?.await.ok()? {
            Confirmation::Ack(None) => Some(()),
            other => panic!("{other:?}"),
        }
    }

    /// Takes so many rejected messages, waiting for them.
    pub(crate) async fn rejected(&self, most: usize) -> Vec<Rejected> {
        let mut all = Vec::new();
        let taking = async {
            while all.len() < most {
                let options = BasicGetOptions { no_ack: true };
                match self.channel.basic_get("reveille.rejected".into(), options).await.unwrap() {
                    Some(message) => all.push(rejected(message.delivery)),
                    None => tokio::time::sleep(LOOK).await,
                }
            }
        };
        let taken = tokio::time::timeout(PATIENCE, taking).await;
        assert!(taken.is_ok(), "{} of {most} were rejected: {all:#?}", all.len());
        all
    }

    /// Takes the only message of a queue and gives it back, until it is not there any more; answers how often.
    pub(crate) async fn give_back(&self, queue: &str) -> u32 {
        let mut times = 0;
        let giving = async {
            loop {
                let taken =
                    self.channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap();
                let Some(message) = taken else { return };
                times += 1;
                let back = BasicNackOptions { requeue: true, ..Default::default() };
                message.delivery.nack(back).await.unwrap();
            }
        };
        let given = tokio::time::timeout(PATIENCE, giving).await;
        assert!(given.is_ok(), "it is still there after {times} times");
        times
    }

    /// How many messages wait in a queue.
    pub(crate) async fn waiting_in(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
        self.channel
            .queue_declare(queue.into(), options, FieldTable::default())
            .await
            .unwrap()
            .message_count()
    }

    /// Everything that comes out from now on, in a queue that outlives the broker.
    pub(crate) async fn listen(&self) -> Consumer {
        let none = FieldTable::default;
        let queue: ShortString = "listener".into();
        let declared = QueueDeclareOptions::durable();
        self.channel.queue_declare(queue.clone(), declared, none()).await.unwrap();
        let options = QueueBindOptions::default();
        let bound = self.channel.queue_bind(
            queue.clone(),
            "reveille.events".into(),
            "#".into(),
            options,
            none(),
        );
        bound.await.unwrap();
        self.hear().await
    }

    /// Goes on listening where somebody left off.
    pub(crate) async fn hear(&self) -> Consumer {
        self.try_hear().await.expect("the queue is there")
    }

    /// `None` while the broker is not all there.
    pub(crate) async fn try_hear(&self) -> Option<Consumer> {
        let (tag, options) = (ShortString::from(""), BasicConsumeOptions::default());
        let consuming =
            self.channel.basic_consume("listener".into(), tag, options, FieldTable::default());
        consuming.await.ok()
    }
}

fn rejected(delivery: Delivery) -> Rejected {
    contract::names_headers_of(&delivery);
    let id = delivery.properties.message_id().as_ref().map(ToString::to_string);
    Rejected {
        id: id.unwrap_or_default(),
        reason: header(&delivery, "reveille-reason").unwrap_or_default(),
        detail: header(&delivery, "reveille-detail").unwrap_or_default(),
        delivery,
    }
}

/// What was told so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Sequences and states of campaigns, as they came.
    pub(crate) states: Vec<(u64, String)>,
    /// Which campaigns have ended.
    ended: BTreeSet<String>,
    /// Outcomes by the id of the result.
    pub(crate) results: BTreeMap<String, String>,
    pub(crate) sessions: BTreeSet<String>,
    pub(crate) faults: Vec<(String, api::events::Fault)>,
    /// Messages that were rejected, by the id of the event.
    pub(crate) rejected: BTreeMap<String, api::events::Rejected>,
    pub(crate) care: Vec<api::events::Care>,
    /// Results and events that came more than once.
    pub(crate) repeats: usize,
}

impl Told {
    pub(crate) fn ended(&self, campaign: &str) -> bool {
        self.ended.contains(campaign)
    }

    /// Listens until it is as wanted; false when the connection is gone before.
    pub(crate) async fn until(
        &mut self,
        events: &mut Consumer,
        wanted: impl Fn(&Self) -> bool,
    ) -> bool {
        while !wanted(self) {
            let next = tokio::time::timeout(PATIENCE, events.next()).await;
            let next = next.unwrap_or_else(|_late| panic!("nothing more is told: {self:#?}"));
            let Some(Ok(delivery)) = next else { return false };
            contract::holds(&delivery);
            let event: CloudEvent = serde_json::from_slice(&delivery.data).unwrap();
            assert_eq!(delivery.properties.message_id().as_ref().unwrap().as_str(), event.id);
            self.take(event);
            if delivery.ack(BasicAckOptions::default()).await.is_err() {
                return false;
            }
        }
        true
    }

    fn take(&mut self, event: CloudEvent) {
        match event.data {
            EventData::Results(batch) => {
                assert!((1..=500).contains(&batch.results.len()));
                for JobResult { id, result } in batch.results {
                    if let Some(before) = self.results.insert(id, result.outcome.clone()) {
                        assert_eq!(before, result.outcome, "a repeat tells the same");
                        self.repeats += 1;
                    }
                }
            }
            EventData::Campaign(state) => {
                let sequence = event.sequence.unwrap().parse().unwrap();
                if state.state == "ended" {
                    self.ended.insert(state.campaign);
                }
                self.states.push((sequence, state.state));
            }
            EventData::Session(session) => {
                self.repeats += usize::from(!self.sessions.insert(session.session));
            }
            EventData::Fault(fault) => self.faults.push((event.id, fault)),
            EventData::Rejected(message) => {
                if let Some(before) = self.rejected.insert(event.id, message.clone()) {
                    assert_eq!(before, message, "a repeat tells the same");
                    self.repeats += 1;
                }
            }
            EventData::Alert(alert) => panic!("no device reports anything here: {alert:?}"),
            EventData::Care(care) => self.care.push(care),
        }
    }
}
