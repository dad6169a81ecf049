//! Where Redis is, and how the store behaves towards it.

use std::time::Duration;

use redis::{Client, ConnectionAddr, ConnectionInfo, RedisError, TlsCertificates};

use crate::store::StoreError;

use super::failed;

/// Where Redis is, and how the store behaves towards it.
#[derive(Clone)]
pub struct RedisConfig {
    /// As in `redis://user:password@host:port/0` or `rediss://…`; with [`Place::Sentinel`] those of the Sentinels.
    pub urls: Vec<String>,
    pub place: Place,
    /// Certificates (PEM) of who signed the servers'; `None`: those that the system trusts.
    pub authorities: Option<Vec<u8>>,
    /// Decides the number of buckets when the deployment is made; later it changes nothing.
    pub expected_devices: u64,
    /// How long a call may take, tries included.
    pub timeout: Duration,
    /// Calls on their way at one time; more wait.
    pub in_flight: usize,
    /// Replicas that must have a change that says [`Change::replicated`](crate::store::Change::replicated).
    pub replicas: u32,
}

/// What kind of Redis it is.
#[derive(Clone)]
pub enum Place {
    /// One server.
    Server,
    /// A master that Sentinels watch.
    Sentinel {
        /// The name that they know it by.
        master: String,
        /// For the master; the URLs carry what the Sentinels ask for.
        user: Option<String>,
        password: Option<String>,
    },
    /// A Redis Cluster.
    Cluster,
}

impl std::fmt::Debug for RedisConfig {
    // URLs and passwords stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisConfig").field("urls", &self.urls.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Server => "Server",
            Self::Sentinel { .. } => "Sentinel",
            Self::Cluster => "Cluster",
        })
    }
}

impl RedisConfig {
    /// One server, with the waits that suit it.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            place: Place::Server,
            authorities: None,
            expected_devices: 1_000_000,
            timeout: Duration::from_secs(5),
            in_flight: 512,
            replicas: 0,
        }
    }

    /// A client for each URL.
    pub(super) fn clients(&self) -> Result<Vec<Client>, StoreError> {
        let client = |url: &String| self.client(url.as_str());
        self.urls
            .iter()
            .map(client)
            .collect::<Result<_, _>>()
            .map_err(failed("read the address of Redis"))
    }

    pub(super) fn client(&self, at: impl redis::IntoConnectionInfo) -> Result<Client, RedisError> {
        let info = at.into_connection_info()?;
        match (&self.authorities, info.addr()) {
            (Some(pem), ConnectionAddr::TcpTls { .. }) => {
                let trusted = TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) };
                Client::build_with_tls(info, trusted)
            }
            _ => Client::open(info),
        }
    }
}

/// The same way of connecting, to another server.
pub(super) fn elsewhere(info: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
    let addr = match info.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
            host: host.to_owned(),
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host.to_owned(), port),
    };
    info.clone().set_addr(addr)
}
