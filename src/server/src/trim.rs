//! Keeps the shards' logs within their time.

use crate::{
    config::Broker,
    engine::Engine,
    events::Event,
    rows::Stored,
    sinks,
    store::{EventId, Shard},
    update::UpdateError,
};
use campaign::time::Instant;
use std::{sync::Arc, time::Duration};

/// How often the logs are looked at.
const LOOK: Duration = Duration::from_secs(30);
/// Events looked at in one step.
const STEP: usize = 512;

/// Trims until `engine.stop`.
pub(crate) async fn run(engine: Arc<Engine>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = engine.stop.cancelled() => return,
        }
        for shard in Shard::all() {
            if !engine.looks_after(shard.number().into()).await {
                continue;
            }
            if let Err(error) = trim(&engine, shard).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a log could not be trimmed"
                );
                break;
            }
        }
    }
}

async fn trim(engine: &Engine, shard: Shard) -> Result<(), UpdateError> {
    let now = engine.store.now().await?;
    let keep = engine.config.retention.events;
    // What the broker has not got stays, however old it is.
    let through = match engine.config.broker {
        Broker::None {} => None,
        Broker::RabbitMq(_) => Some(sinks::through(engine.store(), shard, sinks::AMQP).await?),
    };
    loop {
        let events = engine.store.events(shard, EventId::default(), STEP).await?;
        let old = |octets: &[u8]| {
            Event::from_octets(octets).map_or(true, |event| now.since(event.at()) > keep)
        };
        let delivered = |place: EventId| through.is_none_or(|through| place <= through);
        let Some((last, _)) =
            events.iter().take_while(|(place, octets)| delivered(*place) && old(octets)).last()
        else {
            return Ok(());
        };
        engine.store.trim(shard, *last).await?;
        if events.len() < STEP {
            return Ok(());
        }
    }
}

impl Event {
    /// When it happened.
    pub(crate) fn at(&self) -> Instant {
        match self {
            Self::Result { result, .. } => result.at,
            Self::Session { record, .. } => record.ended,
            Self::Fault { at, .. }
            | Self::Campaign { at, .. }
            | Self::Alert { at, .. }
            | Self::Care { at, .. } => *at,
        }
    }
}
