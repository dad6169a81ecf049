//! The campaigns that are not ended, in memory: what the dispatcher claims for and what sessions work on (D9).
//!
//! One row, the directory, tells that something changed; it is read every 200 ms, and what changed is loaded anew.

use crate::{
    campaigns::rows::{CampaignId, CampaignRow, Directory},
    care,
    config::Config,
    security::vault::Vault,
    store::Store,
    update::{self, UpdateError},
};
use arc_swap::ArcSwap;
use campaign::{
    Campaign, Scope, check,
    control::CampaignState,
    document::{Declared, Document, Then},
    job::Terms,
    pace::Climb,
    retry::Retry,
    time::Instant,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How often the directory is read.
pub(crate) const REFRESH: Duration = Duration::from_millis(200);
/// Who could not look for so long stops claiming.
const BLIND: Duration = Duration::from_secs(1);
/// How long a directory entry may wait for its campaign's row before it is taken for an orphan.
const ORPHAN: Duration = Duration::from_mins(1);

/// One campaign, ready to work with.
#[derive(Debug)]
pub(crate) struct LiveCampaign {
    pub(crate) seq: u64,
    pub(crate) id: CampaignId,
    pub(crate) campaign: Arc<Campaign>,
    pub(crate) state: CampaignState,
    pub(crate) terms: Terms,
    /// How far its ramp is.
    pub(crate) climb: Option<Climb>,
    /// It carries a secret: its jobs wait for a session that nobody can listen to (D11).
    pub(crate) has_secrets: bool,
    /// It looks at values read in earlier sessions.
    pub(crate) looks_at_settings: bool,
    /// The revision of the row that this was made from.
    revision: u64,
}

/// All of them at one moment.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    version: u64,
    by_seq: BTreeMap<u64, Arc<LiveCampaign>>,
}

impl Snapshot {
    /// The campaign of care jobs is always there, and in no directory.
    pub(crate) fn get(&self, seq: u64) -> Option<&Arc<LiveCampaign>> {
        if seq == care::SEQ { Some(care()) } else { self.by_seq.get(&seq) }
    }

    /// In the order of their sequences.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<LiveCampaign>> {
        self.by_seq.values()
    }
}

/// The snapshot in force, and when it was last known to be true.
#[derive(Debug, Default)]
pub(crate) struct Live {
    snapshot: ArcSwap<Snapshot>,
    looked: AtomicU64,
    /// Held by whoever looks: of two looks the later one counts.
    looking: tokio::sync::Mutex<()>,
}

impl Live {
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Whether the snapshot is recent enough to claim by.
    pub(crate) fn fresh(&self, now: Instant) -> bool {
        now.since(Instant(self.looked.load(Ordering::Relaxed))) < BLIND
    }

    /// As if nobody had looked for long.
    #[cfg(test)]
    pub(crate) fn is_blind(&self) {
        self.looked.store(0, Ordering::Relaxed);
    }

    /// Looks whether anything changed, and loads what did.
    pub(crate) async fn refresh(
        &self,
        store: &dyn Store,
        vault: &Vault,
        config: &Config,
    ) -> Result<(), UpdateError> {
        let _looking = self.looking.lock().await;
        self.look(store, vault, config).await
    }

    /// The same, unless somebody has looked since `since`: of many who want to know at a time, one looks for all.
    pub(crate) async fn refresh_since(
        &self,
        since: Instant,
        store: &dyn Store,
        vault: &Vault,
        config: &Config,
    ) -> Result<(), UpdateError> {
        let _looking = self.looking.lock().await;
        if self.looked.load(Ordering::Relaxed) >= since.0 {
            return Ok(());
        }
        self.look(store, vault, config).await
    }

    async fn look(
        &self,
        store: &dyn Store,
        vault: &Vault,
        config: &Config,
    ) -> Result<(), UpdateError> {
        let now = store.now().await?;
        let directory =
            update::load::<Directory>(store, Directory::shard(), &Directory::key()).await?;
        let (directory, version) = directory.unwrap_or_default();
        let old = self.snapshot();
        if version != old.version || old.by_seq.len() != directory.active.len() {
            let mut by_seq = BTreeMap::new();
            for entry in &directory.active {
                let row =
                    update::load::<CampaignRow>(store, entry.id.shard(), &entry.id.key()).await?;
                let Some((row, revision)) = row.filter(|(row, _)| row.seq == entry.seq) else {
                    if now.since(entry.added) > ORPHAN {
                        strike(store, entry.seq).await?;
                    }
                    continue;
                };
                let kept = old.get(entry.seq).filter(|live| live.revision == revision);
                let live = match kept {
                    Some(live) => Arc::clone(live),
                    None => match LiveCampaign::new(
                        entry.id.clone(),
                        row,
                        revision,
                        old.get(entry.seq),
                        vault,
                        config,
                    ) {
                        Ok(live) => Arc::new(live),
                        Err(problem) => {
                            tracing::error!(
                                seq = entry.seq,
                                problem,
                                "a stored campaign cannot be read by this version"
                            );
                            continue;
                        }
                    },
                };
                by_seq.insert(entry.seq, live);
            }
            self.snapshot.store(Arc::new(Snapshot { version, by_seq }));
        }
        self.looked.store(now.0, Ordering::Relaxed);
        Ok(())
    }
}

impl LiveCampaign {
    fn new(
        id: CampaignId,
        row: CampaignRow,
        revision: u64,
        old: Option<&Arc<Self>>,
        vault: &Vault,
        config: &Config,
    ) -> Result<Self, String> {
        // A change of state does not change the document: it is compiled once.
        let campaign = match old {
            Some(old) => Arc::clone(&old.campaign),
            None => Arc::new(row.campaign(vault, &id).map_err(|error| error.to_string())?),
        };
        let terms = campaign.terms();
        let retry = Retry {
            base: config.dispatch.retry_base,
            cap: config.dispatch.retry_cap,
            ..terms.retry
        };
        let terms = Terms { retry, ..terms };
        let has_secrets = has_secrets(campaign.document());
        let looks_at_settings = !campaign.settings_needed().is_empty();
        Ok(Self {
            seq: row.seq,
            id,
            campaign,
            state: row.state,
            terms,
            climb: row.climb,
            has_secrets,
            looks_at_settings,
            revision,
        })
    }
}

impl LiveCampaign {
    /// The campaign of a care job, with what it does.
    pub(crate) fn of_care(campaign: Arc<Campaign>) -> Self {
        Self {
            seq: care::SEQ,
            id: CampaignId::new(campaign.authority(), campaign.id()),
            state: CampaignState::Running,
            terms: care::TERMS,
            climb: None,
            has_secrets: has_secrets(campaign.document()),
            looks_at_settings: !campaign.settings_needed().is_empty(),
            revision: 0,
            campaign,
        }
    }

    /// Devices that may be notified a second, as far as its ramp is.
    pub(crate) fn per_second(&self) -> Option<u32> {
        let most = self.campaign.per_second();
        match (self.campaign.ramp(), &self.climb) {
            (None, _) => most,
            (Some(ramp), None) => Some(ramp.from),
            (Some(_), Some(climb)) => Some(most.map_or(climb.rate, |most| most.min(climb.rate))),
        }
    }

    /// Whether devices may be notified at all: it runs, it notifies, and a window is open where one is open for all alike.
    pub(crate) fn may_notify(&self, now: Instant) -> bool {
        self.state.may_notify()
            && !self.terms.pull
            && self.terms.pull_until.is_none_or(|until| until <= now)
            && self.campaign.schedule().opening_for_all(now) == Some(now)
    }
}

/// The campaign of all care jobs, as far as it is the same for all: what one does stands beside its device.
pub(crate) fn care() -> &'static Arc<LiveCampaign> {
    const DOCUMENT: &str = "\
        campaign: care\nauthority: care\npurpose: care\nlane: care\ndevices: {list: [any]}\n\
        settings: [{uri: ./DevInfo/DevId, do: read}]\n";
    static CARE: LazyLock<Arc<LiveCampaign>> = LazyLock::new(|| {
        let document = Document::parse(DOCUMENT).expect("a document that stands here");
        let anything = Scope::everything();
        let grounds = check::Grounds::offline(&anything, Instant::default());
        let campaign = check::check(document, &grounds).expect("a sound one");
        Arc::new(LiveCampaign::of_care(Arc::new(campaign)))
    });
    &CARE
}

fn has_secrets(document: &Document) -> bool {
    let secret = |settings: &[Declared]| settings.iter().any(|setting| setting.secret);
    secret(&document.settings)
        || document
            .variants
            .iter()
            .any(|variant| matches!(&variant.then, Then::Settings(settings) if secret(settings)))
}

/// Takes a campaign out of the directory.
pub(crate) async fn strike(store: &dyn Store, seq: u64) -> Result<(), UpdateError> {
    update::update::<Directory>(store, Directory::shard(), &Directory::key(), |directory| {
        let mut directory = directory?.clone();
        let before = directory.active.len();
        directory.active.retain(|entry| entry.seq != seq);
        (directory.active.len() != before).then(|| {
            directory.version += 1;
            directory
        })
    })
    .await
    .map(drop)
}

/// Tells every worker that some campaign's control changed.
pub(crate) async fn touch(store: &dyn Store) -> Result<(), UpdateError> {
    update::update::<Directory>(store, Directory::shard(), &Directory::key(), |directory| {
        let mut directory = directory.cloned().unwrap_or_default();
        directory.version += 1;
        Some(directory)
    })
    .await
    .map(drop)
}
