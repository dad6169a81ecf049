//! Keeps the shards' logs within their time.

use crate::{
    engine::Engine,
    events::Event,
    rows::Stored,
    store::{EventId, Shard, StoreError},
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

async fn trim(engine: &Engine, shard: Shard) -> Result<(), StoreError> {
    let now = engine.store.now().await?;
    let keep = engine.config.retention.events;
    loop {
        let events = engine.store.events(shard, EventId::default(), STEP).await?;
        let old = |octets: &[u8]| {
            Event::from_octets(octets).map_or(true, |event| now.since(event.at()) > keep)
        };
        let Some((last, _)) = events.iter().take_while(|(_, octets)| old(octets)).last() else {
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
    fn at(&self) -> Instant {
        match self {
            Self::Result { result, .. } => result.at,
            Self::Session { record, .. } => record.ended,
            Self::Fault { at, .. } => *at,
        }
    }
}
