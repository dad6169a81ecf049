//! Every setting, in one struct: read once, whole, before any socket opens.
//!
//! One TOML file with environment variables over it; each key has a default that is right for a single node, and its
//! line in `deploy/reveille.toml`. `read` finds mistakes of form, `check` mistakes of meaning; both name the key,
//! its line and what to do.

mod check;
mod condition;
pub(crate) mod defaults;
mod pap;
mod read;
#[cfg(test)]
mod reference;
mod route;
mod values;

pub use condition::Condition;
pub use pap::{Pap, PapMethod, PapPriority};
pub use read::{ConfigError, Problem};
pub use route::{Route, Smpp};
pub use values::{Network, Secret};

use campaign::scope::{Grant, Scope};
use serde::Deserialize;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use values::{duration, octets};

/// All settings.
///
/// [`Config::default`] is a working single node: embedded store in `./reveille-data`, devices on 127.0.0.1:8080, the
/// admin interface on 127.0.0.1:8081, one authority `operator`, one route `udp`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default = "Config::bare", deny_unknown_fields)]
pub struct Config {
    pub store: Store,
    pub broker: Broker,
    pub vault: Vault,
    /// Ways to reach devices; empty means one `udp` route.
    #[serde(rename = "route")]
    pub routes: Vec<Route>,
    /// Who may manage what; empty means the authority `operator` with the whole tree but `./User`.
    #[serde(rename = "authority")]
    pub authorities: Vec<Authority>,
    pub http: Http,
    pub session: Session,
    pub dispatch: Dispatch,
    pub retention: Retention,
    pub telemetry: Telemetry,
    pub worker: Worker,
}

/// What this process does of the work of its deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worker {
    /// The routes that it carries on; absent: all of them. One that is not named is not connected to, and nothing is taken
    /// from its queue here.
    pub routes: Option<Vec<String>>,
}

impl Worker {
    /// Whether this process carries on the route of this name.
    pub fn carries(&self, route: &str) -> bool {
        self.routes.as_ref().is_none_or(|routes| routes.iter().any(|name| name == route))
    }
}

/// Where rows, queues, counters and events live.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Store {
    /// On this machine's disk, for one process.
    Embedded {
        #[serde(default = "defaults::store_path")]
        path: PathBuf,
        /// Memory for blocks read from disk: the part of the server's memory that grows with the store.
        #[serde(default = "defaults::store_cache", deserialize_with = "octets")]
        cache: usize,
    },
    /// In Redis, for any number of processes.
    Redis(Box<Redis>),
}

/// A Redis: one server, a master that Sentinels watch, or a cluster.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// `redis://user:password@host:6379/0`, or `rediss://…` for TLS. One for a server; of a cluster as many of its nodes as
    /// one likes; with `sentinel` those of the Sentinels.
    #[serde(default)]
    pub urls: Vec<Secret>,
    /// A file that holds the URLs instead, one a line.
    #[serde(default)]
    pub urls_file: Option<PathBuf>,
    /// Whether the servers are a Redis Cluster.
    #[serde(default)]
    pub cluster: bool,
    /// Present: Sentinels tell which server is the master.
    #[serde(default)]
    pub sentinel: Option<Sentinel>,
    /// With TLS: certificates (PEM) of who signed those of the servers; absent, those that the system trusts.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Decides how rows are spread when the deployment is made; later it changes nothing.
    #[serde(default = "defaults::expected_devices")]
    pub expected_devices: u64,
    /// How long one call may take, tries included.
    #[serde(default = "defaults::store_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// Calls on their way at one time; more wait.
    #[serde(default = "defaults::store_in_flight")]
    pub in_flight: usize,
    /// Replicas that must have what ends a job or stores what a user said, before it counts as done.
    #[serde(default)]
    pub replicas: u32,
}

/// How the master is found that Sentinels watch.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sentinel {
    /// The name that the Sentinels know it by.
    pub master: String,
    /// For the master itself; the URLs carry what the Sentinels ask for.
    #[serde(default)]
    pub user: Option<String>,
    #[serde(default)]
    pub password: Option<Secret>,
    /// A file that holds the password instead.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
}

/// Where upstream systems put work, and where results go.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Broker {
    /// Nowhere: requests come over HTTP.
    None {},
    /// A `RabbitMQ` broker.
    RabbitMq(RabbitMq),
}

/// How the broker is reached, and how much of it is taken at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RabbitMq {
    /// `amqp://host:5672/vhost`, or `amqps://` for TLS. It may hold user and password.
    pub url: Secret,
    #[serde(default)]
    pub user: Option<String>,
    #[serde(default)]
    pub password: Option<Secret>,
    /// A file that holds the password instead.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Certificates that the broker's is checked against, PEM; absent, those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Messages of each queue that one process works on at a time.
    #[serde(default = "defaults::prefetch")]
    pub prefetch: u16,
    /// How long a message waits that cannot be done now.
    #[serde(default = "defaults::retry_after", deserialize_with = "duration")]
    pub retry_after: Duration,
    /// How often such a message comes back before it is rejected.
    #[serde(default = "defaults::retries")]
    pub retries: u32,
    /// How long the broker keeps events that nobody took.
    #[serde(default = "defaults::keep_events", deserialize_with = "duration")]
    pub keep_events: Duration,
    /// Events that may wait for the broker; beyond, no more devices are enrolled.
    #[serde(default = "defaults::most_waiting")]
    pub most_waiting: u64,
}

/// Somebody who may put work into the broker for an authority.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmqpUser {
    /// As the broker knows and checks it (`user_id`).
    pub user: String,
    #[serde(default = "defaults::upstream")]
    pub roles: Vec<Role>,
}

/// What somebody may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Devices, mass campaigns and their devices, triggers.
    Upstream,
    /// All that an upstream system may, urgent campaigns, and control of campaigns.
    Operator,
    /// Triggers alone: a network entity.
    Network,
}

/// The keys that secrets are sealed with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vault {
    /// Absent: `vault.key` in the directory of the embedded store, made at the first start.
    pub key_file: Option<PathBuf>,
}

/// A management authority: a tenant with its own identity, its own part of the devices' trees, its own way in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// 1 to 64 of a-z, 0-9, '_', '-'; the path of its sessions is `/dm/{name}`.
    pub name: String,
    /// What devices know this server by; unique, at most 23 octets.
    #[serde(default)]
    pub server_id: String,
    /// The `Source` of our messages and the base of `RespURI`; absent: `http.devices.public_url` and `/dm/{name}`.
    #[serde(default)]
    pub url: String,
    #[serde(default)]
    pub integrity: Integrity,
    /// With integrity `none`: the networks that its devices come from. Loopback is always among them.
    #[serde(default)]
    pub networks: Vec<Network>,
    /// What it may do, and where in the tree: `uri` names a node and all below it, `*` any one segment; `rights` are
    /// `read`, `write`, `exec`, `admin`.
    #[serde(default)]
    pub scopes: Vec<Grant>,
    /// Segments a second on all routes together; absent: as many as the routes bear.
    #[serde(default)]
    pub per_second: Option<u32>,
    /// Subtrees that belong to the user: never written, whatever the scopes say.
    #[serde(default = "defaults::user_owned")]
    pub user_owned: Vec<String>,
    /// Who may put work into the broker on its behalf.
    #[serde(default)]
    pub amqp_users: Vec<AmqpUser>,
    /// `scopes` and `user_owned`, compiled.
    #[serde(skip, default = "defaults::no_scope")]
    pub scope: Arc<Scope>,
}

/// How an authority's traffic is protected (D13).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Integrity {
    #[default]
    Tls,
    /// By a digest over each body (`x-syncml-hmac`), in both directions; what is said can be read on the way.
    Hmac,
    /// By nothing: for loopback, or for networks that are protected otherwise and are named.
    None,
}

/// The two doors.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    pub devices: DevicesDoor,
    pub admin: AdminDoor,
}

/// Where devices connect.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DevicesDoor {
    pub listen: SocketAddr,
    /// How devices see this listener; absent: `http://` and `listen`.
    pub public_url: String,
    /// The largest body of a request. Devices send more than they are told to, so this is several times
    /// `session.max_msg_size`.
    #[serde(deserialize_with = "octets")]
    pub max_body: usize,
    /// From the first octet of a request to the end of its headers, and between two requests of a connection.
    #[serde(deserialize_with = "duration")]
    pub header_wait: Duration,
    /// From the end of the headers to the end of the body; and how long a device may leave its answer untaken.
    #[serde(deserialize_with = "duration")]
    pub body_wait: Duration,
    /// Open connections; more wait in the backlog.
    pub max_connections: usize,
    /// Requests in work at once; more are held.
    pub max_in_flight: usize,
    /// How long a request is held for a place before it is answered 503.
    #[serde(deserialize_with = "duration")]
    pub hold: Duration,
    /// How long open requests may take to finish at shutdown.
    #[serde(deserialize_with = "duration")]
    pub grace: Duration,
}

/// Where operators and upstream systems connect.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminDoor {
    /// Loopback only: there are no tokens yet.
    pub listen: SocketAddr,
    #[serde(deserialize_with = "duration")]
    pub header_wait: Duration,
    /// From the end of the headers to the answer; and how long a caller may leave it untaken.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    pub max_connections: usize,
    #[serde(deserialize_with = "duration")]
    pub grace: Duration,
}

/// How sessions are led.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    /// Within a session, how long the device may take to its next message before its job counts the session as lost.
    #[serde(deserialize_with = "duration")]
    pub answer_within: Duration,
    /// How long the row of a session is kept.
    #[serde(deserialize_with = "duration")]
    pub life: Duration,
    /// The `MaxMsgSize` that we announce.
    #[serde(deserialize_with = "octets")]
    pub max_msg_size: usize,
    /// The `MaxObjSize` that we announce.
    #[serde(deserialize_with = "octets")]
    pub max_obj_size: usize,
    /// The largest message for a device that announces no `MaxMsgSize`.
    #[serde(deserialize_with = "octets")]
    pub reply_size: usize,
    /// Whether a device that hears notifications and believes none is called once under a nonce of zeros (D5).
    pub resync: bool,
}

/// How jobs are taken from the queues and devices notified.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dispatch {
    /// The pause before the second notification of a job; it doubles with each one, with jitter.
    #[serde(deserialize_with = "duration")]
    pub retry_base: Duration,
    /// The longest pause between two notifications of a job.
    #[serde(deserialize_with = "duration")]
    pub retry_cap: Duration,
    /// How long a claimed job stays hidden from others.
    #[serde(deserialize_with = "duration")]
    pub lease: Duration,
    /// How often an empty queue is looked at.
    #[serde(deserialize_with = "duration")]
    pub poll: Duration,
}

/// How long things are kept that no campaign decides about.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Events in the log of each shard, for those who watch.
    #[serde(deserialize_with = "duration")]
    pub events: Duration,
    /// What a device said and did in its last sessions, counted from the last one.
    #[serde(deserialize_with = "duration")]
    pub history: Duration,
}

/// What the program says of itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// A filter as of the `tracing` libraries: `info`, or `info,server=debug`.
    pub log: String,
    pub format: LogFormat,
    /// Where `/metrics` and `/health` stand by themselves, for other machines; absent: only at the operators' door.
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For collectors.
    Json,
}

impl Config {
    pub fn authority(&self, name: &str) -> Option<&Authority> {
        self.authorities.iter().find(|authority| authority.name == name)
    }

    pub fn route(&self, name: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.name() == name)
    }

    /// Where the key file is: as configured, or beside the embedded store.
    pub fn key_file(&self) -> Option<PathBuf> {
        match (&self.vault.key_file, &self.store) {
            (Some(file), _) => Some(file.clone()),
            (None, Store::Embedded { path, .. }) => Some(path.join("vault.key")),
            (None, Store::Redis(_)) => None,
        }
    }
}

impl Authority {
    /// What a user of the broker may ask for; nothing for one who is not named.
    pub fn amqp_roles(&self, user: &str) -> &[Role] {
        self.amqp_users.iter().find(|known| known.user == user).map_or(&[], |known| &known.roles)
    }

    /// Whether traffic from `peer` is protected as this authority asks (D13).
    pub fn admits(&self, peer: IpAddr) -> bool {
        match self.integrity {
            Integrity::None => {
                peer.to_canonical().is_loopback()
                    || self.networks.iter().any(|net| net.contains(peer))
            }
            // Every message brings its own digest, wherever it comes from.
            Integrity::Hmac => true,
            // It is not built: `check` lets no such authority through.
            Integrity::Tls => false,
        }
    }
}
