//! The store that the configuration names, opened.

use crate::{
    config::{self, Config},
    store::{
        Store, StoreError,
        embedded::{Embedded, EmbeddedConfig},
        redis::{Place, RedisConfig, RedisStore},
    },
};
use anyhow::Context;
use std::{path::Path, sync::Arc, time::Duration};

/// How long a start waits for a Redis that is just starting too.
const REDIS_STARTS: Duration = Duration::from_secs(30);
/// Between two looks for it.
const LOOK: Duration = Duration::from_millis(500);

/// An open store.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    /// The embedded one, which can fail for good: then the process has to go.
    embedded: Option<Arc<Embedded>>,
}

impl Opened {
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        match &config.store {
            config::Store::Embedded { path, cache } => embedded(path, *cache),
            config::Store::Redis(settings) => {
                let store = redis(&redis_config(settings)?).await?;
                Ok(Self { store: Arc::new(store), embedded: None })
            }
        }
    }

    /// Returns, with the reason, when the store failed for good. A Redis never does: it comes back.
    pub(super) async fn failed(embedded: Option<Arc<Embedded>>) -> String {
        match embedded {
            Some(store) => store.failed().await.to_owned(),
            None => std::future::pending().await,
        }
    }

    pub(super) fn failing(&self) -> Option<Arc<Embedded>> {
        self.embedded.clone()
    }
}

fn embedded(path: &Path, cache: usize) -> anyhow::Result<Opened> {
    let settings = EmbeddedConfig { cache_octets: cache as u64, ..EmbeddedConfig::new(path) };
    let store = Embedded::open(&settings).with_context(|| {
        let path = settings.path.display();
        format!("the store in {path} cannot be opened; does another server use it?")
    })?;
    let store = Arc::new(store);
    Ok(Opened { store: Arc::<Embedded>::clone(&store), embedded: Some(store) })
}

/// Connects; a Redis that is not there yet, or still reads its files, is waited for.
async fn redis(config: &RedisConfig) -> anyhow::Result<RedisStore> {
    let connecting = async {
        loop {
            match RedisStore::connect(config).await {
                Ok(store) => return Ok(store),
                Err(error @ (StoreError::Backend { .. } | StoreError::Unavailable { .. })) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "Redis is not there yet"
                    );
                    tokio::time::sleep(LOOK).await;
                }
                Err(error) => return Err(error),
            }
        }
    };
    match tokio::time::timeout(REDIS_STARTS, connecting).await {
        Ok(connected) => connected.context("the store in Redis cannot be opened"),
        Err(_elapsed) => {
            // Once more for the reason.
            RedisStore::connect(config)
                .await
                .context("Redis did not answer for 30 s; is `store.urls` right?")
        }
    }
}

fn redis_config(settings: &config::Redis) -> anyhow::Result<RedisConfig> {
    let place = match (&settings.sentinel, settings.cluster) {
        (Some(sentinel), _) => Place::Sentinel {
            master: sentinel.master.clone(),
            user: sentinel.user.clone(),
            password: sentinel.password.as_ref().map(|password| password.reveal().to_owned()),
        },
        (None, true) => Place::Cluster,
        (None, false) => Place::Server,
    };
    let authorities = settings.ca_file.as_ref().map(|file| {
        std::fs::read(file)
            .with_context(|| format!("`store.ca_file`: {} cannot be read", file.display()))
    });
    Ok(RedisConfig {
        urls: settings.urls.iter().map(|url| url.reveal().to_owned()).collect(),
        place,
        authorities: authorities.transpose()?,
        expected_devices: settings.expected_devices,
        timeout: settings.timeout,
        in_flight: settings.in_flight,
        replicas: settings.replicas,
    })
}
