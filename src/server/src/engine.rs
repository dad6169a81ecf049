//! The engine: the parts that every role shares, built once from the configuration.

use crate::{
    campaigns::live::Live, care, config::Config, deployment::Deployment,
    dispatch::permits::Permits, enroll::Desks, gate::Gate, kept::Kept, load::Load,
    metrics::Metrics, notify::Routes, readiness::Readiness, receipts::Awaited,
    security::vault::Vault, sinks::Backlog, store::Store, update::UpdateError,
};
use campaign::time::Instant;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What the loops and the doors work with. Cheap to share: clone the `Arc`.
#[derive(Debug)]
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Vault,
    pub(crate) config: Config,
    pub(crate) live: Live,
    pub(crate) routes: Routes,
    pub(crate) load: Load,
    pub(crate) gate: Gate,
    /// Rows of sessions that go on here, most likely.
    pub(crate) kept: Kept,
    pub(crate) deployment: Deployment,
    pub(crate) metrics: Arc<Metrics>,
    /// What each part that can be away says of itself.
    pub(crate) readiness: Readiness,
    /// Whether too many events wait to be sent.
    pub(crate) backlog: Backlog,
    /// Rung when there may be devices to enrol.
    pub(crate) enrol: Notify,
    /// Where devices to enrol are put together.
    pub(crate) desks: Desks,
    /// Rung when there may be jobs to dispatch.
    pub(crate) dispatch: Notify,
    /// What this process has for care jobs.
    pub(crate) care: care::Desk,
    /// Messages whose receipts may come.
    pub(crate) awaited: Awaited,
    /// The right to send, under all limits.
    pub(crate) permits: Permits,
    pub(crate) stop: CancellationToken,
}

impl Engine {
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether this process is the one of its deployment that looks after the thing of this number; nobody is when the store
    /// does not answer.
    pub(crate) async fn looks_after(&self, thing: u64) -> bool {
        self.store.now().await.is_ok_and(|now| self.deployment.looks_after(thing, now))
    }

    /// Looks whether any campaign changed, and loads what did.
    pub(crate) async fn refresh(&self) -> Result<(), UpdateError> {
        self.live.refresh(self.store(), &self.vault, &self.config).await
    }

    /// What is known of the campaigns is as of `since` from here on, or later.
    pub(crate) async fn refresh_since(&self, since: Instant) -> Result<(), UpdateError> {
        self.live.refresh_since(since, self.store(), &self.vault, &self.config).await
    }

    /// What the devices' door has done so far.
    pub fn load(&self) -> &Load {
        &self.load
    }
}
