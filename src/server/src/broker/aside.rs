//! Messages that are put aside: among the delayed, to come back; or among the rejected, where a person finds them with the
//! reason, and an event tells of it.

use super::{
    cloud,
    envelope::{self, SENDER, TRIES},
    link::{Trouble, publish},
    topology::{DELAYED, REJECTED},
};
use crate::engine::Engine;
use api::{MessageType, ProblemDocument, ProblemType, events::Rejected};
use lapin::{
    Channel,
    message::Delivery,
    protocol::BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};

/// Octets of a rejected message that are kept with its reason.
const MOST_KEPT: usize = api::MOST_MESSAGE_OCTETS;
/// Octets of the list of single mistakes in a header.
const MOST_PROBLEMS: usize = 16 * 1024;

/// The word of a refusal.
const REASON: &str = "reveille-reason";
const DETAIL: &str = "reveille-detail";
const PROBLEMS: &str = "reveille-problems";
const QUEUE: &str = "reveille-queue";
const REJECTED_AT: &str = "reveille-rejected-at";
const BODY: &str = "reveille-body";
/// The headers of a rejected message, and what each tells.
pub(super) const HEADERS: [(&str, &str); 8] = [
    (REASON, "The same word as the `type` of a refusal over HTTP."),
    (DETAIL, "A sentence: what is wrong, and what to do."),
    (PROBLEMS, "Each mistake with its line and its place, when there are several."),
    (SENDER, "Who sent it, as the broker vouches."),
    (QUEUE, "Where it was."),
    (REJECTED_AT, "When it was rejected."),
    (TRIES, "How often it was put aside before."),
    (BODY, "`cut` when the body was too long and only its beginning is kept."),
];

/// Where messages are put aside.
#[derive(Debug)]
pub(super) struct Aside {
    pub(super) engine: Arc<Engine>,
    /// After which a delayed message comes back.
    pub(super) retry_after: Duration,
    /// Our own name at the broker.
    pub(super) ourselves: String,
    pub(super) out: Channel,
}

impl Aside {
    /// Puts a message among those that come back after a while.
    pub(super) async fn delay(
        &self,
        delivery: &Delivery,
        why: &ProblemDocument,
    ) -> Result<(), Trouble> {
        tracing::debug!(detail = why.detail, "a message is put aside for a while");
        let mut headers = self.headers(delivery);
        headers.insert(TRIES.into(), AMQPValue::LongUInt(envelope::tries(delivery) + 1));
        let after = self.retry_after.as_millis().to_string();
        let properties = self.properties(delivery, headers).with_expiration(after.into());
        let key = delivery.routing_key.as_str();
        publish(&self.out, DELAYED, key, &delivery.data, properties).await
    }

    /// Puts a message among those that a person must look at, with the reason, and tells of it.
    pub(super) async fn reject(
        &self,
        kind: MessageType,
        delivery: &Delivery,
        why: &ProblemDocument,
    ) -> Result<(), Trouble> {
        let reason = ProblemType::from_uri(&why.kind).map_or("unknown", ProblemType::name);
        tracing::warn!(reason, detail = why.detail, queue = kind.queue(), "a message is rejected");
        // The store may be what is away. Nothing is decided by this instant.
        let at = self.engine.store().now().await.unwrap_or_else(|_away| crate::clock::wall());
        let mut headers = self.headers(delivery);
        let mut put = |name: &str, text: &str| {
            headers.insert(name.into(), AMQPValue::LongString(text.into()));
        };
        put(REASON, reason);
        put(DETAIL, &why.detail);
        put(QUEUE, kind.queue());
        put(REJECTED_AT, &at.to_string());
        if !why.problems.is_empty() {
            put(PROBLEMS, &problems(why));
        }
        let kept = delivery.data.get(..MOST_KEPT).unwrap_or(&delivery.data);
        if kept.len() < delivery.data.len() {
            put(BODY, "cut");
        }
        let properties = self.properties(delivery, headers);
        publish(&self.out, REJECTED, delivery.routing_key.as_str(), kept, properties).await?;
        let told = Rejected {
            queue: kind.queue().to_owned(),
            reason: reason.to_owned(),
            detail: why.detail.clone(),
            message_id: text(delivery.properties.message_id().as_ref()),
            message_type: text(delivery.properties.kind().as_ref()),
            user: envelope::sender(delivery, &self.ourselves),
            octets: delivery.data.len() as u64,
        };
        // The event leaves from here and not by the log of a shard: what anybody may send must not fill the store.
        let named = delivery.routing_key.as_str().split_once('.').map(|(_, name)| name);
        let authority = named.filter(|name| self.engine.config().authority(name).is_some());
        match cloud::rejected(authority, id(delivery, &told), at, told).tell(&self.out).await {
            // The message itself is safe among the rejected, and others must not wait for somebody's full queue.
            Err(Trouble::Refused(why)) => {
                tracing::warn!(why, "that a message was rejected could not be told");
                Ok(())
            }
            other => other,
        }
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

/// The same for the same message, however often it is rejected.
fn id(delivery: &Delivery, told: &Rejected) -> String {
    let mut digest = Sha256::new();
    for part in [&told.message_id, &told.message_type, &told.user].into_iter().flatten() {
        digest.update(part);
        digest.update([0]);
    }
    digest.update(delivery.routing_key.as_str());
    digest.update([0]);
    digest.update(&delivery.data);
    let digest = digest.finalize();
    format!("rejected-{}", hex::encode(digest.get(..16).unwrap_or(&digest)))
}

/// Text of a stranger as it is told; a broker passes on 255 octets of it at most.
fn text(property: Option<&ShortString>) -> Option<String> {
    property.map(|text| text.as_str().to_owned())
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
