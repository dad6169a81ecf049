//! The broker of a demo: the campaign and its devices go in as messages, and result events are counted as they come out.

use super::LINES;
use anyhow::{Context, bail};
use api::{ChunkMessage, CloudEvent, EventData, MessageType};
use campaign::document::Document;
use futures_util::StreamExt;
use lapin::{
    Channel, Confirmation, Connection, ConnectionProperties, Consumer,
    options::{
        BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    protocol::BasicProperties,
    types::FieldTable,
    uri::AMQPUri,
};
use server::broker::topology::{EVENTS, IN};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, Notify},
    task::JoinHandle,
};

/// How long results may take to come out when the campaign is over.
const LAST_RESULTS: Duration = Duration::from_mins(1);
/// How often a broker is called whose exchanges the server has not declared yet.
const LOOK: Duration = Duration::from_millis(100);
/// How long that may take.
const START: Duration = Duration::from_mins(1);

/// Whether there is a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    None,
    Rabbitmq,
}

/// A broker for the demo.
#[derive(Debug)]
pub(crate) struct Broker {
    /// For the server.
    url: String,
    /// For the upstream system.
    upstream: String,
    user: String,
    /// Started here, gone with the demo, and its files after it.
    _private: Option<(loadtest::broker::Broker, tempfile::TempDir)>,
}

impl Broker {
    /// One that runs already; the demo needs a virtual host of it, and may leave its queues there.
    pub(crate) fn given(url: &str) -> anyhow::Result<Self> {
        // The parser's words may hold the URL, and with it a password.
        let uri: AMQPUri = url.parse().map_err(|_error| {
            anyhow::anyhow!(
                "--rabbitmq is not the address of a broker, such as amqp://host:5672/vhost"
            )
        })?;
        let user = uri.authority.userinfo.username;
        Ok(Self { url: url.to_owned(), upstream: url.to_owned(), user, _private: None })
    }

    /// Starts one on free ports.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir().context("no directory for the broker")?;
        let started = loadtest::broker::Broker::start(directory.path()).await;
        let private =
            started.context("use one that runs with --rabbitmq amqp://host:5672/vhost")?;
        Ok(Self {
            url: private.url("reveille", 0),
            upstream: private.url("billing", 0),
            user: "billing".into(),
            _private: Some((private, directory)),
        })
    }

    /// What the server must know.
    pub(crate) fn settings(&self) -> anyhow::Result<String> {
        let (url, user) = (serde_json::to_string(&self.url)?, serde_json::to_string(&self.user)?);
        Ok(format!(
            r#"
[broker]
kind = "rabbitmq"
url = {url}
[[authority]]
name = "operator"
server_id = "reveille.local"
integrity = "none"
scopes = [{{ uri = ".", rights = ["read", "write", "exec"] }}]
amqp_users = [{{ user = {user}, roles = ["operator"] }}]
"#
        ))
    }

    /// Comes as the upstream system, as soon as the server has declared what it needs.
    pub(crate) async fn upstream(&self) -> anyhow::Result<Upstream> {
        let calling = async {
            loop {
                match Upstream::call(self).await {
                    Ok(upstream) => return upstream,
                    Err(_) => tokio::time::sleep(LOOK).await,
                }
            }
        };
        tokio::time::timeout(START, calling)
            .await
            .context("the server has not declared its exchanges; what does its log say?")
    }
}

/// A campaign for the broker.
#[derive(Debug)]
pub(crate) struct Campaign {
    pub(crate) authority: String,
    pub(crate) id: String,
    text: String,
    /// Its devices come in chunks.
    chunked: bool,
}

/// The campaign with its devices in chunks: where it names the group that all of them are in, they are listed instead.
pub(crate) fn chunked(text: &str) -> anyhow::Result<Campaign> {
    let text = text.replacen("group: demo", "file: chunks", 1);
    let document = Document::parse(&text).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the campaign cannot be read:\n{}", problems.join("\n"))
    })?;
    Ok(Campaign {
        chunked: document.devices.file.is_some(),
        authority: document.authority,
        id: document.campaign,
        text,
    })
}

/// The upstream system of the demo.
pub(crate) struct Upstream {
    channel: Channel,
    _connection: Connection,
    user: String,
    heard: Arc<Heard>,
    listening: JoinHandle<()>,
}

/// The results that were heard.
#[derive(Debug, Default)]
struct Heard {
    ids: Mutex<Ids>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Ids {
    once: HashSet<String>,
    again: u64,
}

impl Upstream {
    async fn call(broker: &Broker) -> anyhow::Result<Self> {
        let connection =
            Connection::connect(&broker.upstream, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let events = listen(&connection.create_channel().await?).await?;
        let heard = Arc::new(Heard::default());
        let listening = tokio::spawn(hear(events, Arc::clone(&heard)));
        Ok(Self { channel, _connection: connection, user: broker.user.clone(), heard, listening })
    }

    /// The campaign, and its devices in chunks when it names a file of them.
    pub(crate) async fn submit(
        &self,
        campaign: &Campaign,
        devices: impl Iterator<Item = String>,
    ) -> anyhow::Result<()> {
        let id = &campaign.id;
        self.send(MessageType::Submit, id.clone(), campaign.text.clone().into()).await?;
        if !campaign.chunked {
            return Ok(());
        }
        let mut devices = devices.peekable();
        let mut chunks = Vec::new();
        while devices.peek().is_some() {
            chunks.push(devices.by_ref().take(usize::try_from(LINES)?).collect::<Vec<_>>());
        }
        let parts = Some(u32::try_from(chunks.len())?);
        let sending = (0..).zip(chunks).map(async |(part, devices)| {
            let chunk = ChunkMessage { campaign: id.clone(), part, parts, devices };
            self.send(MessageType::Chunk, format!("{id}-{part}"), serde_json::to_vec(&chunk)?).await
        });
        futures_util::future::try_join_all(sending).await?;
        Ok(())
    }

    async fn send(&self, kind: MessageType, id: String, body: Vec<u8>) -> anyhow::Result<()> {
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_type(kind.name().into())
            .with_message_id(id.into())
            .with_user_id(self.user.as_str().into());
        let key = format!("{}.operator", kind.key());
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let sent = self
            .channel
            .basic_publish(IN.into(), key.into(), options, &body, properties)
            .await?
            .await?;
        match sent {
            Confirmation::Ack(None) => Ok(()),
            _ => bail!("the broker did not take a message for {IN}"),
        }
    }

    /// Waits until so many results were told; answers how many were, and how many of them again.
    pub(crate) async fn heard(self, jobs: u64) -> (u64, u64) {
        let waiting = async {
            while (self.heard.ids.lock().await.once.len() as u64) < jobs {
                self.heard.more.notified().await;
            }
        };
        // What has not come by then is missing from the count.
        let waited = tokio::time::timeout(LAST_RESULTS, waiting).await;
        if waited.is_err() {
            tracing::warn!("result events are missing");
        }
        self.listening.abort();
        let ids = self.heard.ids.lock().await;
        (ids.once.len() as u64, ids.again)
    }
}

/// A queue of our own, gone with us, for the results.
async fn listen(channel: &Channel) -> Result<Consumer, lapin::Error> {
    let none = FieldTable::default;
    let declared = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::exclusive() };
    let queue = channel.queue_declare("".into(), declared, none()).await?.name().clone();
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.clone(), EVENTS.into(), "results.#".into(), options, none()).await?;
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    channel.basic_consume(queue, "".into(), options, none()).await
}

async fn hear(mut events: Consumer, heard: Arc<Heard>) {
    while let Some(Ok(delivery)) = events.next().await {
        let Ok(event) = serde_json::from_slice::<CloudEvent>(&delivery.data) else { continue };
        let EventData::Results(batch) = event.data else { continue };
        let mut ids = heard.ids.lock().await;
        for result in batch.results {
            if !ids.once.insert(result.id) {
                ids.again += 1;
            }
        }
        drop(ids);
        heard.more.notify_one();
    }
}
