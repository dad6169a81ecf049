//! The Redis of a demo: a private one with the shipped settings, or one that runs already.

use anyhow::Context;
use std::path::Path;

/// Where the demo's rows are.
#[derive(Debug)]
pub(crate) enum Redis {
    /// Started here, gone with the demo.
    Private(loadtest::redis::Redis),
    Given {
        url: String,
    },
}

impl Redis {
    pub(crate) fn given(url: &str) -> Self {
        Self::Given { url: url.to_owned() }
    }

    /// Starts one on a free port, with its files in `directory`.
    pub(crate) async fn start(directory: &Path) -> anyhow::Result<Self> {
        let started = loadtest::redis::Redis::start(directory, "").await;
        started.map(Self::Private).context(
            "no private Redis could be started; --redis redis://host:port names one that runs",
        )
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Private(server) => server.url(),
            Self::Given { url } => url.clone(),
        }
    }

    /// The process, if it is ours.
    pub(crate) fn process(&self) -> Option<u32> {
        match self {
            Self::Private(server) => server.process(),
            Self::Given { .. } => None,
        }
    }

    /// How long its append-only file is, in octets; only of a private one.
    pub(crate) async fn written(&self) -> Option<u64> {
        match self {
            Self::Private(server) => server.written().await,
            Self::Given { .. } => None,
        }
    }
}
