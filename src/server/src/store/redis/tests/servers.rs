//! Private Redis servers on free ports, gone with the test: one, a cluster of three masters, a master under a Sentinel.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{FromRedisValue, IntoConnectionInfo};
use tempfile::TempDir;

use crate::store::StoreError;
use crate::store::redis::{Place, RedisConfig, RedisStore};

/// Longer than anything takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// What operators are given, so that its promises are what is tested.
const SETTINGS: &str = include_str!("../../../../../../deploy/redis.conf");

/// One Redis.
pub(super) struct Server {
    process: Child,
    pub(super) port: u16,
    more: Vec<(&'static str, String)>,
    directory: TempDir,
}

impl Server {
    pub(super) fn start() -> Self {
        Self::with(Vec::new())
    }

    fn with(more: Vec<(&'static str, String)>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = a_port();
        Self { process: run(directory.path(), port, &more), port, more, directory }
    }

    /// Kills it and starts it again on the same files.
    pub(super) fn crash(&mut self) {
        self.stop();
        self.process = run(self.directory.path(), self.port, &self.more);
    }

    pub(super) fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Stops it for a while without its noticing, as a machine does that swaps.
    pub(super) fn stall(&self, stalled: bool) {
        let signal = if stalled { "-STOP" } else { "-CONT" };
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn config(&self) -> RedisConfig {
        RedisConfig { expected_devices: 20_000, ..RedisConfig::new(self.url()) }
    }

    pub(super) async fn connect(&self) -> RedisStore {
        connect(&self.config()).await
    }

    /// Says something to it, again and again until it answers.
    pub(super) async fn say<T: FromRedisValue>(&self, command: &str) -> T {
        say(self.port, command).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Connects when everything answers.
pub(super) async fn connect(config: &RedisConfig) -> RedisStore {
    let answering = async {
        loop {
            match RedisStore::connect(config).await {
                Ok(store) => return store,
                // Not listening yet, or still loading its files.
                Err(StoreError::Backend { .. } | StoreError::Unavailable { .. }) => {
                    a_moment().await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, answering).await.expect("Redis starts")
}

pub(super) async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

async fn say<T: FromRedisValue>(port: u16, command: &str) -> T {
    let said = async {
        loop {
            let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
            if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
                let mut words = command.split(' ');
                let mut asked = redis::cmd(words.next().unwrap());
                words.for_each(|word| {
                    asked.arg(word);
                });
                if let Ok(answer) = asked.query_async(&mut connection).await {
                    return answer;
                }
            }
            a_moment().await;
        }
    };
    tokio::time::timeout(PATIENCE, said).await.unwrap_or_else(|_late| panic!("{command}"))
}

fn a_port() -> u16 {
    // Below those that the system gives out by itself, so that it stays free while its server is down; and its bus port,
    // 10000 above, is free too.
    let free = |port: &u16| {
        [*port, *port + 10_000].iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
    };
    std::iter::repeat_with(|| rand::random_range(10_000..22_000)).take(200).find(free).unwrap()
}

fn run(directory: &Path, port: u16, more: &[(&'static str, String)]) -> Child {
    std::fs::write(directory.join("redis.conf"), SETTINGS).unwrap();
    let mut command = Command::new("redis-server");
    command.current_dir(directory).arg("redis.conf").arg("--port").arg(port.to_string());
    command.args(more.iter().flat_map(|(name, value)| [*name, value.as_str()]));
    spawn(command)
}

fn spawn(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap_or_else(|error| {
        panic!("redis-server cannot be started ({error}); install it with: apt-get install redis-server")
    })
}

/// A Redis Cluster of three masters.
pub(super) struct Cluster {
    pub(super) nodes: Vec<Server>,
}

impl Cluster {
    const NODES: u16 = 3;

    pub(super) async fn start() -> Self {
        let more = || {
            vec![
                ("--cluster-enabled", "yes".to_owned()),
                ("--cluster-config-file", "nodes.conf".to_owned()),
                ("--cluster-node-timeout", "2000".to_owned()),
            ]
        };
        let nodes: Vec<_> = (0..Self::NODES).map(|_| Server::with(more())).collect();
        for (number, node) in (0u16..).zip(&nodes) {
            let (first, next) = (bound(number), bound(number + 1));
            node.say::<String>(&format!("CLUSTER ADDSLOTSRANGE {first} {}", next - 1)).await;
            // A refusal means that it has one already.
            let epoch = format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1);
            node.say::<String>(&epoch).await;
        }
        for node in nodes.iter().skip(1) {
            nodes[0].say::<String>(&format!("CLUSTER MEET 127.0.0.1 {}", node.port)).await;
        }
        let cluster = Self { nodes };
        cluster.is_well().await;
        cluster
    }

    /// Waits until every node says so.
    pub(super) async fn is_well(&self) {
        let well = async {
            for node in &self.nodes {
                while !node.say::<String>("CLUSTER INFO").await.contains("cluster_state:ok") {
                    a_moment().await;
                }
            }
        };
        tokio::time::timeout(PATIENCE, well).await.expect("the cluster comes about");
    }

    pub(super) fn config(&self) -> RedisConfig {
        RedisConfig {
            urls: self.nodes.iter().map(Server::url).collect(),
            place: Place::Cluster,
            ..self.nodes[0].config()
        }
    }

    pub(super) async fn empty(&self) {
        for node in &self.nodes {
            node.say::<String>("FLUSHALL").await;
        }
    }
}

fn bound(number: u16) -> u32 {
    16384 * u32::from(number) / u32::from(Cluster::NODES)
}

/// A master, its replica, and a Sentinel that watches both.
pub(super) struct Watched {
    pub(super) master: Server,
    pub(super) replica: Server,
    sentinel: Child,
    sentinel_port: u16,
    _directory: TempDir,
}

impl Watched {
    pub(super) const NAME: &str = "reveille";

    pub(super) async fn start() -> Self {
        let master = Server::start();
        let replica = Server::with(vec![("--replicaof", format!("127.0.0.1 {}", master.port))]);
        let directory = tempfile::tempdir().unwrap();
        let (file, sentinel_port) = (directory.path().join("sentinel.conf"), a_port());
        let name = Self::NAME;
        let config = format!(
            "port {sentinel_port}\nbind 127.0.0.1\ndir {}\n\
             sentinel monitor {name} 127.0.0.1 {} 1\nsentinel down-after-milliseconds {name} 500\n\
             sentinel failover-timeout {name} 3000\n",
            directory.path().display(),
            master.port
        );
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel");
        let sentinel = spawn(command);
        let watched = Self { master, replica, sentinel, sentinel_port, _directory: directory };
        let ready = async {
            while !watched
                .replica
                .say::<String>("INFO replication")
                .await
                .contains("master_link_status:up")
                || !watched.sentinel_says("INFO sentinel").await.contains("slaves=1")
            {
                a_moment().await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("the replica follows");
        watched
    }

    async fn sentinel_says(&self, command: &str) -> String {
        say(self.sentinel_port, command).await
    }

    /// Waits until Sentinel has made the replica the master.
    pub(super) async fn replica_leads(&self) {
        let leads = async {
            while !self.replica.say::<String>("INFO replication").await.contains("role:master") {
                a_moment().await;
            }
        };
        tokio::time::timeout(PATIENCE, leads).await.expect("the replica becomes the master");
    }

    pub(super) fn config(&self) -> RedisConfig {
        let url = format!("redis://127.0.0.1:{}", self.sentinel_port);
        assert!(url.as_str().into_connection_info().is_ok());
        RedisConfig {
            urls: vec![url],
            place: Place::Sentinel { master: Self::NAME.to_owned(), user: None, password: None },
            replicas: 1,
            timeout: Duration::from_secs(15),
            ..self.master.config()
        }
    }

    pub(super) async fn empty(&self) {
        self.master.say::<String>("FLUSHALL").await;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.sentinel.kill().unwrap();
        self.sentinel.wait().unwrap();
    }
}
