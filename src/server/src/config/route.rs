//! The ways to reach devices.

use super::{Condition, Pap, defaults, values::duration};
use crate::{
    config::Secret,
    notify::smpp::{Mode, receipt::ReceiptId, submission::Segmentation},
};
use serde::Deserialize;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// A way to reach devices.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Route {
    /// WAP push in datagrams, straight to the address of the device.
    Udp {
        /// 1 to 32 of a-z, 0-9, '_', '-'.
        name: String,
        /// Notifications a second.
        #[serde(default = "defaults::per_second")]
        per_second: u32,
        /// The local address to send from.
        #[serde(default = "defaults::udp_bind")]
        bind: SocketAddr,
        /// The port of a device whose address names none.
        #[serde(default = "defaults::wap_push_port")]
        port: u16,
        /// Which devices it is for; absent: all that no earlier route took.
        #[serde(default)]
        when: Option<Condition>,
        /// Routes that carry for it while it is away, the first that is not away itself.
        #[serde(default)]
        fallback: Vec<String>,
        /// How long it must have been away before another one carries for it.
        #[serde(default = "defaults::fallback_after", deserialize_with = "duration")]
        fallback_after: Duration,
    },
    /// WAP push in short messages, over binds to an SMSC.
    Smpp(Box<Smpp>),
    /// Push messages, handed to a push proxy gateway.
    Pap(Box<Pap>),
}

/// A group of binds to one SMSC (SMPP 3.4).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smpp {
    /// 1 to 32 of a-z, 0-9, '_', '-'.
    pub name: String,
    /// Short messages a second, over all binds.
    #[serde(default = "defaults::per_second")]
    pub per_second: u32,
    /// `host:port`; a bind whose host is away goes to the next.
    pub hosts: Vec<String>,
    pub system_id: String,
    #[serde(default)]
    pub password: Option<Secret>,
    /// A file that holds the password instead.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    #[serde(default)]
    pub system_type: String,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default = "defaults::binds")]
    pub binds: usize,
    /// Messages that may wait for their answer on one bind.
    #[serde(default = "defaults::window")]
    pub window: usize,
    /// Who the messages come from: letters, a short code or a number.
    pub source: String,
    /// Type of number and numbering plan of `source`; absent: told from its form.
    #[serde(default)]
    pub source_ton: Option<u8>,
    #[serde(default)]
    pub source_npi: Option<u8>,
    #[serde(default)]
    pub service_type: String,
    #[serde(default = "defaults::data_coding")]
    pub data_coding: u8,
    #[serde(default)]
    pub segmentation: Segmentation,
    /// References of 16 bits instead of 8 for pushes that need several messages.
    #[serde(default)]
    pub long_references: bool,
    /// Whether delivery receipts are asked for.
    #[serde(default = "defaults::yes")]
    pub receipts: bool,
    #[serde(default)]
    pub receipt_id: ReceiptId,
    #[serde(default = "defaults::connect_timeout", deserialize_with = "duration")]
    pub connect_timeout: Duration,
    #[serde(default = "defaults::response_timeout", deserialize_with = "duration")]
    pub response_timeout: Duration,
    /// How long nothing may move on a bind before it is asked whether it lives.
    #[serde(default = "defaults::enquire_link", deserialize_with = "duration")]
    pub enquire_link: Duration,
    #[serde(default)]
    pub tls: bool,
    /// The certificate authorities to trust, in PEM; absent: those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Which devices it is for; absent: all that no earlier route took.
    #[serde(default)]
    pub when: Option<Condition>,
    /// Routes that carry for it while it is away, the first that is not away itself.
    #[serde(default)]
    pub fallback: Vec<String>,
    /// How long it must have been away before another one carries for it.
    #[serde(default = "defaults::fallback_after", deserialize_with = "duration")]
    pub fallback_after: Duration,
}

/// The settings that every route has, of whatever kind it is.
struct Common<'a> {
    name: &'a str,
    per_second: u32,
    when: Option<&'a Condition>,
    fallback: &'a [String],
    fallback_after: Duration,
}

impl Route {
    fn common(&self) -> Common<'_> {
        let (name, per_second, when, fallback, fallback_after) = match self {
            Self::Udp { name, per_second, when, fallback, fallback_after, .. } => {
                (name, per_second, when, fallback, fallback_after)
            }
            Self::Smpp(smpp) => {
                (&smpp.name, &smpp.per_second, &smpp.when, &smpp.fallback, &smpp.fallback_after)
            }
            Self::Pap(pap) => {
                (&pap.name, &pap.per_second, &pap.when, &pap.fallback, &pap.fallback_after)
            }
        };
        Common {
            name,
            per_second: *per_second,
            when: when.as_ref(),
            fallback,
            fallback_after: *fallback_after,
        }
    }

    pub fn name(&self) -> &str {
        self.common().name
    }

    pub fn per_second(&self) -> u32 {
        self.common().per_second
    }

    /// Which devices it is for; none: all that no earlier route took.
    pub fn when(&self) -> Option<&Condition> {
        self.common().when
    }

    /// The names of those that carry for it while it is away.
    pub fn fallback(&self) -> &[String] {
        self.common().fallback
    }

    /// How long it must have been away before that.
    pub fn fallback_after(&self) -> Duration {
        self.common().fallback_after
    }

    /// What is wrong with what is of its kind alone.
    pub(super) fn check(&self) -> Vec<Wrong> {
        match self {
            Self::Udp { .. } => Vec::new(),
            Self::Smpp(smpp) => smpp.check(),
            Self::Pap(pap) => pap.check(),
        }
    }
}

/// What is wrong with a setting of a route: key, what, and what to do.
pub(super) type Wrong = (&'static str, String, &'static str);

impl Smpp {
    /// What is wrong with it: key, what, and what to do.
    fn check(&self) -> Vec<Wrong> {
        let mut found = Vec::new();
        if self.hosts.is_empty() {
            found.push((
                "hosts",
                "is empty".to_owned(),
                "name the SMSC, as in [\"smsc.example:2775\"]",
            ));
        }
        for host in &self.hosts {
            let port = host.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none_or(|port| port == 0) {
                found.push(("hosts", format!("`{host}` has no port"), "write host:port"));
            }
        }
        if self.password.is_some() == self.password_file.is_some() {
            found.push((
                "password",
                "there must be either `password` or `password_file`".to_owned(),
                "give exactly one of the two",
            ));
        }
        // SMPP 3.4 section 5.2: the lengths of the fields without their final octet.
        let password = self.password.as_ref().map_or("", Secret::reveal);
        for (key, text, most) in [
            ("system_id", self.system_id.as_str(), 15),
            ("password", password, 8),
            ("system_type", self.system_type.as_str(), 12),
            ("source", self.source.as_str(), 20),
            ("service_type", self.service_type.as_str(), 5),
        ] {
            if text.len() > most || !text.is_ascii() || text.contains('\0') {
                found.push((
                    key,
                    format!(
                        "is not at most {most} octets of ASCII, which is what SMPP has room for"
                    ),
                    "ask the SMSC's operator for one that is",
                ));
            }
        }
        if !(1..=64).contains(&self.binds) {
            found.push(("binds", "is not from 1 to 64".to_owned(), "1 or 2 is usual"));
        }
        if !(1..=1_000).contains(&self.window) {
            found.push(("window", "is not from 1 to 1000".to_owned(), "10 to 100 is usual"));
        }
        if self.ca_file.is_some() && !self.tls {
            found.push((
                "ca_file",
                "is given, and `tls` is off".to_owned(),
                "set `tls = true`, or leave it out",
            ));
        }
        found
    }
}
