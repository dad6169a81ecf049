//! A connection to the broker, and what went wrong with it in words for the person who is called.

use super::address;
use crate::config::RabbitMq;
use lapin::{
    Channel, Confirmation, Connection, ConnectionProperties, ErrorKind,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError, BasicProperties},
    tcp::OwnedTLSConfig,
};
use std::time::Duration;

/// A connection that is not there by then is given up.
const CONNECT: Duration = Duration::from_secs(15);
/// An answer to a declaration that is not there by then will not come.
const ANSWER: Duration = Duration::from_secs(30);
/// A confirmation that has not come by then is taken as unknown: what was sent is sent again.
const CONFIRM: Duration = Duration::from_secs(20);

/// Why there is no work with the broker at the moment.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("`broker.url` {0}")]
    Address(String),
    #[error("`broker.ca_file` cannot be read")]
    Certificates(#[source] std::io::Error),
    #[error("{}", in_words(.0))]
    Amqp(#[from] lapin::Error),
    #[error("the broker did not answer {0}")]
    Silent(&'static str),
    #[error("the broker did not take a message: {0}")]
    Refused(&'static str),
    #[error("the broker ended the delivery of `{0}`; was the queue deleted?")]
    Cancelled(&'static str),
    #[error("the broker takes no messages at the moment: its memory or its disk is full")]
    Blocked,
    #[error("the connection to the broker is closed")]
    Closed,
    #[error("the store does not answer")]
    Store(#[from] crate::store::StoreError),
    #[error("a row could not be changed")]
    Update(#[from] crate::update::UpdateError),
}

/// What the broker said, and what to do about it.
fn in_words(error: &lapin::Error) -> String {
    let ErrorKind::ProtocolError(said) = error.kind() else {
        return match error.kind() {
            ErrorKind::IOError(error) if is_about_certificates(error) => {
                format!(
                    "the broker is not trusted: {error} (check `broker.ca_file`, and that its certificate names the host of `broker.url`)"
                )
            }
            ErrorKind::IOError(error) => format!("the broker cannot be reached: {error}"),
            ErrorKind::MissingHeartbeatError => "the broker fell silent".to_owned(),
            ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) => {
                "the connection to the broker is closed".to_owned()
            }
            _ => format!("the connection to the broker failed: {error}"),
        };
    };
    let help = match said.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
            "check `broker.user` and its password, and that this user may configure, write and read `reveille\\..*`"
        }
        AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => {
            "a queue was declared otherwise before: delete it when it is empty, and it is made anew"
        }
        AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => {
            "an exchange or a queue was deleted; it is declared anew"
        }
        AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
            "check the virtual host in `broker.url`, and that the user may use it"
        }
        AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED) => "the broker is going down",
        AMQPErrorKind::Soft(_) | AMQPErrorKind::Hard(_) => "the broker's log tells more",
    };
    format!("the broker says: {} ({help})", said.get_message())
}

fn is_about_certificates(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

/// Connects. Recovery is not left to the library: whoever works with this link makes a new one.
pub(super) async fn connect(broker: &RabbitMq, what_for: &str) -> Result<Connection, Trouble> {
    let mut uri = address(broker).map_err(Trouble::Address)?;
    uri.query.heartbeat.get_or_insert(20);
    let cert_chain = match &broker.ca_file {
        Some(file) => Some(tokio::fs::read_to_string(file).await.map_err(Trouble::Certificates)?),
        None => None,
    };
    let properties =
        ConnectionProperties::default().with_connection_name(format!("reveille {what_for}").into());
    let connecting = Connection::connect_uri_with_config(
        uri,
        properties,
        OwnedTLSConfig { identity: None, cert_chain },
        lapin::runtime::default_runtime()?,
    );
    let connected = tokio::time::timeout(CONNECT, connecting).await;
    Ok(connected.map_err(|_elapsed| Trouble::Silent("when it was called"))??)
}

/// Bounds what is asked of the broker.
pub(super) async fn answered<T>(
    asked: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_elapsed) => Err(Trouble::Silent("what it was asked")),
    }
}

/// A channel on which every message is confirmed.
pub(super) async fn publishing(connection: &Connection) -> Result<Channel, Trouble> {
    let channel = answered(connection.create_channel()).await?;
    answered(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

/// Sends one message; when this returns, the broker has it safe.
pub(super) async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &[u8],
    properties: BasicProperties,
) -> Result<(), Trouble> {
    let sending = async {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        channel.basic_publish(exchange.into(), key.into(), options, body, properties).await?.await
    };
    let confirmed = tokio::time::timeout(CONFIRM, sending).await;
    match confirmed.map_err(|_elapsed| Trouble::Silent("for a message"))?? {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) => Err(Trouble::Refused("no queue is bound for it")),
        Confirmation::Nack(_) => Err(Trouble::Refused("the queue is full or away")),
        Confirmation::NotRequested => Err(Trouble::Refused("it does not confirm")),
    }
}
