//! Which server holds a shard: always the same, the one that Sentinels name, or as the cluster's map says.
//!
//! Every call of the store stays within one shard, so it goes to one server; nothing is ever spread over several.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use redis::{Client, ConnectionInfo, IntoConnectionInfo, RedisError, Value};
use tokio::sync::Mutex;

use crate::clock;
use crate::store::{SHARDS, Shard};

use super::config::{Place, RedisConfig, elsewhere};
use super::node::{Asked, Node};

/// How long a server may take to say who holds what.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(1);

/// The servers.
pub(super) struct Nodes {
    config: RedisConfig,
    /// Those that the configuration names.
    seeds: Vec<Arc<Node>>,
    map: ArcSwap<Map>,
    /// Counts up when the map is found anew.
    changes: AtomicU64,
    /// Held while it is found out who holds what; when that was last tried.
    finding: Mutex<Option<std::time::Instant>>,
}

/// Who holds each shard.
#[derive(Default)]
struct Map {
    by_shard: Vec<Arc<Node>>,
}

impl Nodes {
    pub(super) fn new(config: RedisConfig, seeds: Vec<Client>) -> Self {
        let seeds = seeds.into_iter().map(|client| Arc::new(Node::new(client))).collect();
        Self {
            config,
            seeds,
            map: ArcSwap::default(),
            changes: AtomicU64::new(0),
            finding: Mutex::default(),
        }
    }

    /// The server that holds the shard, as far as is known.
    pub(super) async fn of(&self, shard: Shard) -> Result<Arc<Node>, RedisError> {
        let known = |map: &Map| map.by_shard.get(usize::from(shard.number())).cloned();
        if let Some(node) = known(&self.map.load()) {
            return Ok(node);
        }
        self.find().await?;
        known(&self.map.load()).ok_or_else(|| trouble("nobody is known to hold the shard"))
    }

    /// Finds out anew who holds what; of many who ask at once, one does it.
    pub(super) async fn find(&self) -> Result<(), RedisError> {
        let asked = clock::stopwatch();
        let mut found = self.finding.lock().await;
        if found.is_some_and(|at| at >= asked) {
            return Ok(());
        }
        let by_shard = match &self.config.place {
            Place::Server => {
                let node = self.seeds.first().ok_or_else(|| trouble("no server is named"))?;
                vec![Arc::clone(node); usize::from(SHARDS)]
            }
            Place::Sentinel { master, user, password } => {
                let node = self.master(master, user.as_deref(), password.as_deref()).await?;
                vec![node; usize::from(SHARDS)]
            }
            Place::Cluster => self.cluster().await?,
        };
        self.map.store(Arc::new(Map { by_shard }));
        self.changes.fetch_add(1, Ordering::Relaxed);
        *found = Some(clock::stopwatch());
        Ok(())
    }

    /// How often it was found out who holds what: as often, at least, as a server came back or another took its place.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// One server of each that holds something.
    pub(super) fn all(&self) -> Vec<Arc<Node>> {
        let mut all: Vec<Arc<Node>> = Vec::new();
        for node in &self.map.load().by_shard {
            if !all.iter().any(|known| Arc::ptr_eq(known, node)) {
                all.push(Arc::clone(node));
            }
        }
        all
    }

    /// The node at an address, with its connections if it is known already.
    fn node(&self, info: ConnectionInfo) -> Result<Arc<Node>, RedisError> {
        let address = info.addr().to_string();
        let known = self.map.load().by_shard.iter().find(|node| node.address() == address).cloned();
        match known {
            Some(node) => Ok(node),
            None => Ok(Arc::new(Node::new(self.config.client(info)?))),
        }
    }

    async fn master(
        &self,
        name: &str,
        user: Option<&str>,
        password: Option<&str>,
    ) -> Result<Arc<Node>, RedisError> {
        let mut last = trouble("no Sentinel is named");
        for sentinel in shuffled(&self.seeds) {
            let asked = ask(&sentinel, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name]).await;
            let told: Option<(String, u16)> =
                match asked.and_then(|value| Ok(redis::from_redis_value(value)?)) {
                    Ok(told) => told,
                    Err(error) => {
                        last = error;
                        continue;
                    }
                };
            let Some((host, port)) = told else {
                last = trouble("the Sentinels know no master of that name");
                continue;
            };
            let info = elsewhere(sentinel.client().get_connection_info(), &host, port);
            let mut settings = redis::RedisConnectionInfo::default();
            if let Some(user) = user {
                settings = settings.set_username(user);
            }
            if let Some(password) = password {
                settings = settings.set_password(password);
            }
            let node = self.node(info.set_redis_settings(settings).into_connection_info()?)?;
            // Sentinels name a server before it knows itself that it is the master now.
            match ask(&node, &["ROLE"]).await {
                Ok(Value::Array(role)) if role.first().is_some_and(is_master) => return Ok(node),
                Ok(_) => last = trouble("whom the Sentinels name is not a master yet"),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn cluster(&self) -> Result<Vec<Arc<Node>>, RedisError> {
        let mut last = trouble("no node of the cluster is named");
        let known = self.all();
        for node in shuffled(&known).into_iter().chain(shuffled(&self.seeds)) {
            match ask(&node, &["CLUSTER", "SLOTS"]).await {
                Ok(slots) => match self.by_slots(&node, slots) {
                    Ok(by_shard) => return Ok(by_shard),
                    Err(error) => last = error,
                },
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Reads an answer to CLUSTER SLOTS: first slot, last slot, then host and port of the master, and its replicas.
    fn by_slots(&self, told_by: &Node, slots: Value) -> Result<Vec<Arc<Node>>, RedisError> {
        let info = told_by.client().get_connection_info();
        let mut masters = Vec::new();
        for range in redis::from_redis_value::<Vec<Vec<Value>>>(slots)? {
            let mut range = range.into_iter();
            let (Some(first), Some(last), Some(master)) =
                (range.next(), range.next(), range.next())
            else {
                return Err(trouble("the map of the cluster cannot be read"));
            };
            let (first, last): (u16, u16) =
                (redis::from_redis_value(first)?, redis::from_redis_value(last)?);
            let mut master = redis::from_redis_value::<Vec<Value>>(master)?.into_iter();
            let host: Option<String> =
                master.next().map(redis::from_redis_value).transpose()?.flatten();
            let port: u16 = master.next().map_or(Ok(0), redis::from_redis_value)?;
            // Without a host it speaks of itself.
            let host = host
                .filter(|host| !host.is_empty() && host != "?")
                .unwrap_or_else(|| host_of(info));
            masters.push((first..=last, self.node(elsewhere(info, &host, port))?));
        }
        let holder = |shard: Shard| masters.iter().find(|(slots, _)| slots.contains(&shard.slot()));
        Shard::all()
            .map(|shard| holder(shard).map(|(_, node)| Arc::clone(node)))
            .collect::<Option<_>>()
            .ok_or_else(|| trouble("the cluster does not serve all slots"))
    }
}

fn host_of(info: &ConnectionInfo) -> String {
    match info.addr() {
        redis::ConnectionAddr::Tcp(host, _) | redis::ConnectionAddr::TcpTls { host, .. } => {
            host.clone()
        }
        _ => String::new(),
    }
}

fn is_master(role: &Value) -> bool {
    redis::from_redis_value_ref::<String>(role).is_ok_and(|role| role == "master")
}

async fn ask(node: &Node, command: &[&str]) -> Result<Value, RedisError> {
    let mut pipeline = redis::pipe();
    let mut words = command.iter();
    pipeline.cmd(words.next().unwrap_or(&"PING"));
    for word in words {
        pipeline.arg(*word);
    }
    let mut values =
        node.ask(&Asked::each(pipeline, 1), ANSWER).await.map_err(|failure| failure.error)?;
    values.pop().ok_or_else(|| trouble("an answer without a value"))
}

/// In any order, so that not all workers ask the same one first.
fn shuffled(nodes: &[Arc<Node>]) -> Vec<Arc<Node>> {
    let first = if nodes.is_empty() { 0 } else { rand::random_range(0..nodes.len()) };
    nodes.iter().cycle().skip(first).take(nodes.len()).map(Arc::clone).collect()
}

fn trouble(what: &'static str) -> RedisError {
    RedisError::from((redis::ErrorKind::ClusterConnectionNotFound, what))
}
