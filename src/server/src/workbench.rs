//! For tests: the engine on a real store in a directory of its own, without the loops, so that a test makes each step.

use crate::{
    campaigns::{self, live::LiveCampaign, rows::EnrolmentRow},
    config::Config,
    deployment::Deployment,
    engine::Engine,
    gate::Gate,
    kept::Kept,
    load::Load,
    metrics::{Metrics, store::Watched},
    notify::Routes,
    readiness::Readiness,
    receipts::Awaited,
    registry::{self, Import},
    rows::{Device, DeviceId, Stored},
    security::vault::{self, Vault},
    sinks::Backlog,
    store::{
        Change, Key, Shard, Store, Table, Verdict,
        embedded::{Embedded, EmbeddedConfig},
    },
    update,
};
use std::{collections::BTreeMap, ops::Deref, sync::Arc};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) struct Workbench {
    engine: Arc<Engine>,
    /// Not the engine's, which is watched.
    own: Arc<dyn Store>,
    directory: Arc<tempfile::TempDir>,
    key: vault::Key,
}

impl Deref for Workbench {
    type Target = Arc<Engine>;

    fn deref(&self) -> &Arc<Engine> {
        &self.engine
    }
}

impl Workbench {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    /// With these settings.
    pub(crate) async fn with(config: Config) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let store = Arc::new(Embedded::open(&EmbeddedConfig::new(directory.path())).unwrap());
        Self::over(store, directory, rand::random(), config).await
    }

    /// Another process over the same store, which knows of campaigns what it looks up itself.
    pub(crate) async fn beside(&self) -> Self {
        self.beside_on(self.own_store()).await
    }

    /// The same, with what stands between it and the store.
    pub(crate) async fn beside_on(&self, store: Arc<dyn Store>) -> Self {
        Self::over(store, Arc::clone(&self.directory), self.key, self.config.clone()).await
    }

    /// The store itself, which nothing watches.
    pub(crate) fn own_store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.own)
    }

    async fn over(
        store: Arc<dyn Store>,
        directory: Arc<tempfile::TempDir>,
        key: vault::Key,
        config: Config,
    ) -> Self {
        let metrics = Arc::new(Metrics::new(&config).unwrap());
        let stop = CancellationToken::new();
        let engine = Engine {
            store: Arc::new(Watched::new(Arc::clone(&store), Arc::clone(&metrics))),
            metrics,
            vault: Vault::of(vec![(1, key)]),
            live: campaigns::live::Live::default(),
            routes: Routes::open(&config, &stop).await.unwrap().0,
            load: Load::default(),
            gate: Gate::new(),
            kept: Kept::default(),
            deployment: Deployment::default(),
            readiness: Readiness::default(),
            backlog: Backlog::default(),
            enrol: Notify::new(),
            desks: crate::enroll::Desks::default(),
            dispatch: Notify::new(),
            care: crate::care::Desk::default(),
            awaited: Awaited::default(),
            permits: crate::dispatch::permits::Permits::default(),
            stop,
            config,
        };
        Self { engine: Arc::new(engine), own: store, directory, key }
    }

    /// Registers devices; a line each, JSON.
    pub(crate) async fn register(&self, lines: &[&str]) {
        let import = Import::json_lines(self.store(), self.vault(), self.config());
        let report = registry::import(&import, lines.join("\n").as_bytes()).await.unwrap();
        assert_eq!(report.imported, lines.len() as u64, "{report:?}");
    }

    /// Accepts a campaign: `more` goes beside what every document must have.
    pub(crate) async fn launch(&self, id: &str, more: &str) -> Arc<LiveCampaign> {
        campaigns::submit(self, &document(id, more), false).await.unwrap();
        self.live_campaign(id)
    }

    pub(crate) fn live_campaign(&self, id: &str) -> Arc<LiveCampaign> {
        let found = self.live.snapshot().all().find(|live| live.id.id == id).cloned();
        found.expect("the campaign is not ended")
    }

    /// The row of a device, and its revision.
    pub(crate) async fn device(&self, id: &DeviceId) -> (Device, u64) {
        self.row(id, id.key(Table::Device)).await.expect("the device is registered")
    }

    /// How far a campaign's enrolment is.
    pub(crate) async fn enrolment(&self, live: &LiveCampaign) -> (EnrolmentRow, u64) {
        let row =
            update::load(self.store(), live.id.shard(), &live.id.enrolment_key()).await.unwrap();
        row.expect("every campaign has an enrolment")
    }

    pub(crate) async fn row<R: Stored>(&self, id: &DeviceId, key: Key) -> Option<(R, u64)> {
        update::load(self.store(), shard(id), &key).await.unwrap()
    }

    pub(crate) async fn commit(&self, id: &DeviceId, change: Change) -> Verdict {
        self.store.commit(shard(id), vec![change]).await.unwrap()[0]
    }

    /// The sums of a campaign's counters.
    pub(crate) async fn counters(&self, seq: u64) -> BTreeMap<String, i64> {
        let mut sums = BTreeMap::new();
        for shard in Shard::all() {
            for (field, sum) in self.store.counters(shard, seq).await.unwrap() {
                *sums.entry(field).or_default() += sum;
            }
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }
}

pub(crate) fn document(id: &str, more: &str) -> String {
    let devices = if more.contains("devices:") { "" } else { "devices: {list: [IMEI:1]}\n" };
    let settings =
        if more.contains("settings:") { "" } else { "settings: [{uri: ./A/B, value: \"1\"}]\n" };
    let when = if more.contains("when:") { "" } else { "when: {expires: 2099-01-01T00:00:00Z}\n" };
    format!(
        "campaign: {id}\nauthority: operator\npurpose: a test\n{devices}{settings}{when}{more}\n"
    )
}

pub(crate) fn id(device: &str) -> DeviceId {
    DeviceId::new("operator", device)
}

pub(crate) fn shard(id: &DeviceId) -> Shard {
    Shard::of(&id.root())
}

pub(crate) fn sums(of: &[(&str, i64)]) -> BTreeMap<String, i64> {
    of.iter().map(|(field, sum)| ((*field).to_owned(), *sum)).collect()
}
