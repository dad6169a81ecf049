//! What a setting is when nobody says: a working single node. `deploy/reveille.toml` shows the same values.

use super::{
    AdminDoor, Broker, Config, DevicesDoor, Dispatch, Http, LogFormat, Retention, Role, Session,
    Store, Telemetry, Vault, Worker,
};
use campaign::scope::Scope;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

impl Config {
    /// What a file starts from: nothing is derived yet, because the file may change what it would be derived from.
    pub(super) fn bare() -> Self {
        Self {
            store: Store::default(),
            broker: Broker::default(),
            vault: Vault::default(),
            routes: Vec::new(),
            authorities: Vec::new(),
            http: Http::default(),
            session: Session::default(),
            dispatch: Dispatch::default(),
            retention: Retention::default(),
            telemetry: Telemetry::default(),
            worker: Worker::default(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let mut config = Self::bare();
        config.fill_in();
        config
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::Embedded { path: store_path(), cache: store_cache() }
    }
}

impl Default for Broker {
    fn default() -> Self {
        Self::None {}
    }
}

impl Default for DevicesDoor {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: String::new(),
            max_body: 256 * 1024,
            header_wait: Duration::from_secs(15),
            body_wait: Duration::from_secs(30),
            max_connections: 8_192,
            max_in_flight: 1_024,
            hold: Duration::from_secs(5),
            grace: Duration::from_secs(10),
        }
    }
}

impl Default for AdminDoor {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            header_wait: Duration::from_secs(15),
            timeout: Duration::from_secs(30),
            max_connections: 256,
            grace: Duration::from_secs(10),
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self {
            answer_within: Duration::from_mins(1),
            life: Duration::from_mins(30),
            max_msg_size: 64 * 1024,
            max_obj_size: 256 * 1024,
            reply_size: 16 * 1024,
            resync: false,
        }
    }
}

impl Default for Dispatch {
    fn default() -> Self {
        Self {
            retry_base: Duration::from_mins(1),
            retry_cap: Duration::from_hours(1),
            lease: Duration::from_secs(30),
            poll: Duration::from_millis(100),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { events: Duration::from_hours(1), history: Duration::from_hours(30 * 24) }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { log: "info".into(), format: LogFormat::Text, listen: None }
    }
}

pub(super) fn store_path() -> PathBuf {
    PathBuf::from("reveille-data")
}

pub(super) fn store_cache() -> usize {
    64 * 1024 * 1024
}

pub(super) fn expected_devices() -> u64 {
    1_000_000
}

pub(super) fn store_timeout() -> Duration {
    Duration::from_secs(5)
}

pub(super) fn store_in_flight() -> usize {
    512
}

pub(super) fn prefetch() -> u16 {
    32
}

pub(super) fn retry_after() -> Duration {
    Duration::from_secs(10)
}

pub(super) fn retries() -> u32 {
    30
}

pub(crate) fn keep_events() -> Duration {
    Duration::from_hours(7 * 24)
}

pub(super) fn most_waiting() -> u64 {
    1_000_000
}

pub(super) fn upstream() -> Vec<Role> {
    vec![Role::Upstream]
}

pub(super) fn per_second() -> u32 {
    1_000
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn binds() -> usize {
    1
}

pub(super) fn fallback_after() -> Duration {
    Duration::from_secs(30)
}

pub(super) fn connections() -> usize {
    8
}

pub(super) fn initiator() -> String {
    "reveille.local".into()
}

pub(super) fn network() -> String {
    "GSM".into()
}

pub(super) fn bearer() -> String {
    "SMS".into()
}

pub(super) fn content_type() -> String {
    wire::pap::Content::notification(&[]).media_type.to_owned()
}

pub(super) fn application_id() -> String {
    wire::pap::Content::notification(&[]).application_id.unwrap_or_default().to_owned()
}

pub(super) fn window() -> usize {
    32
}

/// Octets (SMPP 3.4 section 5.2.19).
pub(super) fn data_coding() -> u8 {
    4
}

pub(super) fn connect_timeout() -> Duration {
    Duration::from_secs(5)
}

pub(super) fn response_timeout() -> Duration {
    Duration::from_secs(10)
}

pub(super) fn enquire_link() -> Duration {
    Duration::from_secs(30)
}

pub(super) fn udp_bind() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 0))
}

/// WAP push, connectionless (IANA `wap-push`).
pub(super) fn wap_push_port() -> u16 {
    2948
}

/// What an authority may do before its grants are read: nothing.
pub(super) fn no_scope() -> Arc<Scope> {
    Arc::new(Scope::new(&[], &[]).expect("without patterns there is no bad pattern"))
}

pub(super) fn user_owned() -> Vec<String> {
    vec!["./User".into()]
}
