//! The processes of a deployment: that they agree on what all must share, and who does what of the work.
//!
//! One row tells which settings hold and which processes are there; each renews its entry twice a second. From it each knows
//! its share of every limit, so that all of them together keep it, and for which campaigns and shards it is the one that looks.
//! A share grows only when everybody has seen that it may.

mod key;
mod members;
#[cfg(test)]
mod tests;

use crate::{
    config::{Config, Route},
    engine::Engine,
    readiness::Part,
    rows::Stored,
    store::{Key, Shard, Table},
    update::{self, UpdateError},
};
use campaign::time::Instant;
pub(crate) use key::check as check_key;
use members::{DeploymentRow, Settings};
use sha2::{Digest, Sha256};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How often a process renews its entry.
const RENEW: Duration = Duration::from_millis(500);
/// Who could not renew its entry for so long stops taking up work: before others take its share.
const BLIND: Duration = Duration::from_secs(2);

/// This process among the others.
#[derive(Debug, Default)]
pub(crate) struct Deployment {
    /// Absent: it is alone, by the nature of its store.
    shared: Option<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Names this process, as long as it lives.
    id: String,
    settings: Settings,
    views: Mutex<Views>,
}

/// What the row said last, and before that as long as not everybody had seen it.
#[derive(Debug, Default)]
struct Views {
    /// How many processes share the work, and which of them this one is; the newest last.
    views: Vec<(u32, Option<u32>)>,
    looked: Option<Instant>,
}

impl Deployment {
    /// A process over a store that others use too.
    pub(crate) fn among_others(config: &Config) -> Self {
        let id = hex::encode(rand::random::<[u8; 8]>());
        Self { shared: Some(Shared { id, settings: settings(config), views: Mutex::default() }) }
    }

    /// Whether there may be others.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Whether this process has the settings of the others and knows of them.
    pub(crate) fn takes_part(&self, now: Instant) -> bool {
        let Some(shared) = &self.shared else { return true };
        let views = shared.views();
        views.fresh(now) && views.views.last().is_some_and(|(_, number)| number.is_some())
    }

    /// This process's part of a limit for all of them; 0: it has to wait.
    pub(crate) fn share(&self, of: u32, now: Instant) -> u32 {
        let Some(shared) = &self.shared else { return of };
        let views = shared.views();
        if !views.fresh(now) {
            return 0;
        }
        let part = |&(count, number): &(u32, Option<u32>)| match (number, of.checked_div(count)) {
            (Some(number), Some(share)) => share + u32::from(number < of % count),
            _ => 0,
        };
        views.views.iter().map(part).min().unwrap_or(0)
    }

    /// Whether this process is the one that looks after the thing of this number. For a moment it may be two.
    pub(crate) fn looks_after(&self, thing: u64, now: Instant) -> bool {
        let Some(shared) = &self.shared else { return true };
        let views = shared.views();
        let mine = |&(count, number): &(u32, Option<u32>)| {
            number.is_some_and(|number| thing % u64::from(count.max(1)) == u64::from(number))
        };
        views.fresh(now) && views.views.iter().any(mine)
    }
}

impl Shared {
    fn views(&self) -> MutexGuard<'_, Views> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Views {
    fn fresh(&self, now: Instant) -> bool {
        self.looked.is_some_and(|looked| now.since(looked) < BLIND)
    }

    /// Takes a new view; the old ones count until everybody has seen it. Who `comes` has no share until then.
    fn take(&mut self, comes: bool, view: (u32, Option<u32>), all_saw: bool, now: Instant) {
        if comes {
            self.views = vec![(1, None)];
        }
        if all_saw {
            self.views.clear();
        }
        if self.views.last() != Some(&view) {
            self.views.push(view);
        }
        self.looked = Some(now);
    }
}

/// Keeps this process's entry until `engine.stop`, and takes it out then.
pub(crate) async fn run(engine: Arc<Engine>) {
    let Some(shared) = &engine.deployment.shared else { return };
    loop {
        if let Err(error) = renew(&engine, shared).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "this process could not renew its entry among the others"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(RENEW) => {}
            () = engine.stop.cancelled() => break,
        }
    }
    let key = key();
    let left = update::update::<DeploymentRow>(engine.store(), shard(), &key, |row| {
        let mut row = row?.clone();
        row.leave(&shared.id);
        Some(row)
    });
    if let Err(error) = left.await {
        tracing::debug!(error = &error as &dyn std::error::Error, "its entry ends by itself");
    }
}

/// Renews the entry once, and tells whether this process may work. Call it before anything is taken up.
pub(crate) async fn join(engine: &Engine) -> Result<(), UpdateError> {
    match &engine.deployment.shared {
        Some(shared) => renew(engine, shared).await,
        None => Ok(()),
    }
}

async fn renew(engine: &Engine, shared: &Shared) -> Result<(), UpdateError> {
    let now = engine.store.now().await?;
    let mut comes = false;
    let (row, _) = update::update::<DeploymentRow>(engine.store(), shard(), &key(), |row| {
        let mut row = row.cloned().unwrap_or_default();
        comes = row.renew(&shared.id, &shared.settings, now);
        Some(row)
    })
    .await?;
    let row = row.unwrap_or_default();
    shared.views().take(comes, row.view(&shared.id), row.all_saw(), now);
    match row.difference(&shared.settings) {
        None => engine.readiness.ready(Part::Configuration),
        Some(what) => engine.readiness.not_ready(
            Part::Configuration,
            format!("{what} is not what the other processes of this deployment have; give all of them the same settings"),
        ),
    }
    Ok(())
}

fn shard() -> Shard {
    Shard::of(b"deployment")
}

fn key() -> Key {
    Key { table: Table::Control, id: b"deployment".to_vec() }
}

impl Stored for DeploymentRow {}

/// What all processes must have alike: name of the thing to a digest of its settings. Where a process listens, and what it
/// is called by from outside, is its own affair.
fn settings(config: &Config) -> Settings {
    let digest = |text: String| {
        let digest = Sha256::digest(text.as_bytes());
        digest.first_chunk().copied().unwrap_or_default()
    };
    let authorities = config.authorities.iter().map(|authority| {
        let mut common = authority.clone();
        common.url.clear();
        (format!("authority `{}`", authority.name), digest(format!("{common:?}")))
    });
    let routes = config
        .routes
        .iter()
        .map(|route: &Route| (format!("route `{}`", route.name()), digest(format!("{route:?}"))));
    authorities.chain(routes).collect()
}
