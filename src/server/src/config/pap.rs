//! A push proxy gateway, as the configuration names it.

use super::{
    Condition, defaults,
    route::Wrong,
    values::{Network, Secret, duration},
};
use crate::notify::pap::Target;
use serde::Deserialize;
use std::{path::PathBuf, time::Duration};

/// A push proxy gateway that is spoken to in PAP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pap {
    /// 1 to 32 of a-z, 0-9, '_', '-'.
    pub name: String,
    /// Pushes a second.
    #[serde(default = "defaults::per_second")]
    pub per_second: u32,
    /// `http://` or `https://`, taken in turn; one that is away is passed over.
    pub urls: Vec<String>,
    /// For HTTP Basic; absent: the gateway knows us otherwise.
    #[serde(default)]
    pub user: Option<String>,
    #[serde(default)]
    pub password: Option<Secret>,
    /// A file that holds the password instead.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Connections, each with one push on its way: so many may wait for their answer.
    #[serde(default = "defaults::connections")]
    pub connections: usize,
    #[serde(default = "defaults::connect_timeout", deserialize_with = "duration")]
    pub connect_timeout: Duration,
    #[serde(default = "defaults::response_timeout", deserialize_with = "duration")]
    pub response_timeout: Duration,
    /// The certificate authorities to trust, in PEM; absent: those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whom pushes are for, with [`Pap::MSISDN`] or [`Pap::IMSI`] in it; absent: the number, at the host of the first URL.
    #[serde(default)]
    pub address: Option<String>,
    /// What ids of pushes end with, behind an `@`: a name of ours.
    #[serde(default = "defaults::initiator")]
    pub initiator: String,
    /// Of campaigns in the lane `mass`; the others are `high`.
    #[serde(default)]
    pub priority: PapPriority,
    #[serde(default)]
    pub delivery_method: PapMethod,
    /// Empty: any.
    #[serde(default = "defaults::network")]
    pub network: String,
    /// Empty: any.
    #[serde(default = "defaults::bearer")]
    pub bearer: String,
    /// What the content is called; the gateway must know it by its short code on the air.
    #[serde(default = "defaults::content_type")]
    pub content_type: String,
    /// The value of `X-Wap-Application-Id`; empty: the header is left out.
    #[serde(default = "defaults::application_id")]
    pub application_id: String,
    /// Whether results are asked for.
    #[serde(default = "defaults::yes")]
    pub receipts: bool,
    /// How the gateway sees the devices' listener; absent: `http.devices.public_url`.
    #[serde(default)]
    pub receipts_url: Option<String>,
    /// The last segment of the path where results are posted: who does not know it cannot post any.
    #[serde(default)]
    pub receipts_token: Option<Secret>,
    /// A file that holds it instead.
    #[serde(default)]
    pub receipts_token_file: Option<PathBuf>,
    /// The networks that results may come from; empty: any.
    #[serde(default)]
    pub receipts_from: Vec<Network>,
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

/// What a push is before others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PapPriority {
    Low,
    #[default]
    Medium,
    High,
}

impl PapPriority {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Whether the device shall confirm a push to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PapMethod {
    #[default]
    Unconfirmed,
    PreferConfirmed,
    Confirmed,
    NotSpecified,
}

impl PapMethod {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unconfirmed => "unconfirmed",
            Self::PreferConfirmed => "preferconfirmed",
            Self::Confirmed => "confirmed",
            Self::NotSpecified => "notspecified",
        }
    }
}

/// The shortest token that nobody guesses.
const SHORTEST_TOKEN: usize = 16;

impl Pap {
    /// Stands in `address` for the telephone number of the device.
    pub const MSISDN: &str = "{msisdn}";
    /// Stands in `address` for the subscriber identity of the device.
    pub const IMSI: &str = "{imsi}";

    /// Whom pushes are for, as it is configured or by default.
    pub(crate) fn address_form(&self) -> String {
        self.address.clone().unwrap_or_else(|| {
            let host = self.targets().into_iter().flatten().next();
            let host = host.as_ref().map_or("ppg", |target| bare(&target.host));
            format!("WAPPUSH=+{}/TYPE=PLMN@{host}", Self::MSISDN)
        })
    }

    /// The URLs, read; `None` in the place of one that is none.
    pub(crate) fn targets(&self) -> Vec<Option<Target>> {
        self.urls.iter().map(|url| target(url)).collect()
    }

    /// Where the gateway is asked to post results; `base` is how devices see our listener.
    pub(crate) fn results_to(&self, base: &str) -> Option<String> {
        let token = self.receipts_token.as_ref().filter(|_| self.receipts)?;
        let base = self.receipts_url.as_deref().unwrap_or(base).trim_end_matches('/');
        Some(format!("{base}/pap/{}/{}", self.name, token.reveal()))
    }

    /// What is wrong with it: key, what, and what to do.
    pub(super) fn check(&self) -> Vec<Wrong> {
        let mut found = Vec::new();
        if self.urls.is_empty() {
            found.push((
                "urls",
                "is empty".to_owned(),
                "name the gateway, as in [\"https://ppg.example/wappush\"]",
            ));
        }
        for (url, target) in self.urls.iter().zip(self.targets()) {
            if target.is_none() {
                // Said without the URL: it may hold a password.
                let what = if url.contains('@') { "holds a user" } else { "is no http(s) URL" };
                found.push((
                    "urls",
                    format!("one {what}"),
                    "write https://ppg.example/wappush; who we are is said by `user` and `password`",
                ));
            }
        }
        let secrets =
            usize::from(self.password.is_some()) + usize::from(self.password_file.is_some());
        if secrets != usize::from(self.user.is_some()) {
            found.push((
                "user",
                "there must be `user` and either `password` or `password_file`, or none of them"
                    .to_owned(),
                "give a user and exactly one of the two",
            ));
        }
        if self.user.as_ref().is_some_and(|user| user.contains(':')) {
            found.push((
                "user",
                "has a colon, which HTTP Basic cannot carry".to_owned(),
                "ask the gateway's operator for another",
            ));
        }
        if !(1..=1_000).contains(&self.connections) {
            found.push(("connections", "is not from 1 to 1000".to_owned(), "8 to 64 is usual"));
        }
        let form = self.address_form();
        if !form.contains(Self::MSISDN) && !form.contains(Self::IMSI) {
            found.push((
                "address",
                "names neither {msisdn} nor {imsi}: all pushes would go to one device".to_owned(),
                "write it as in WAPPUSH=+{msisdn}/TYPE=PLMN@ppg.example",
            ));
        }
        for (key, text, empty) in [
            ("address", form.as_str(), false),
            ("initiator", self.initiator.as_str(), false),
            ("network", self.network.as_str(), true),
            ("bearer", self.bearer.as_str(), true),
            ("content_type", self.content_type.as_str(), false),
            ("application_id", self.application_id.as_str(), true),
        ] {
            let fits = text.len() <= 255 && text.bytes().all(|octet| matches!(octet, b' '..=b'~'));
            if !fits || (text.is_empty() && !empty) {
                found.push((
                    key,
                    "is not 1 to 255 letters, digits and marks".to_owned(),
                    "the default is right for most gateways",
                ));
            }
        }
        self.check_receipts(&mut found);
        found
    }

    fn check_receipts(&self, found: &mut Vec<Wrong>) {
        if !self.receipts {
            return;
        }
        if self.receipts_token.is_some() == self.receipts_token_file.is_some() {
            found.push((
                "receipts_token",
                "there must be either `receipts_token` or `receipts_token_file`: it is what a result is told by from anybody's word".to_owned(),
                "give one, as of: openssl rand -hex 16; or set `receipts = false`",
            ));
        }
        if let Some(token) = &self.receipts_token
            && !is_token(token.reveal())
        {
            found.push((
                "receipts_token",
                format!("is not {SHORTEST_TOKEN} to 128 letters, digits, '_' and '-'"),
                "take the output of: openssl rand -hex 16",
            ));
        }
        if self.receipts_url.as_ref().is_some_and(|url| !super::check::is_url(url)) {
            found.push((
                "receipts_url",
                "is not an http or https URL".to_owned(),
                "write it as the gateway shall call it: https://dm.operator.example",
            ));
        }
    }
}

pub(super) fn is_token(text: &str) -> bool {
    (SHORTEST_TOKEN..=128).contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-'))
}

/// The host without its port.
fn bare(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(host, _)| host)
}

fn target(url: &str) -> Option<Target> {
    let uri = url.parse::<hyper::Uri>().ok()?;
    let (tls, port) = match uri.scheme_str()? {
        "http" => (false, 80),
        "https" => (true, 443),
        _ => return None,
    };
    let authority = uri.authority()?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    let port = authority.port_u16().unwrap_or(port);
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    Some(Target { tls, host: format!("{}:{port}", authority.host()), path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_host_port_and_path() {
        let of = |tls, host: &str, path: &str| {
            Some(Target { tls, host: host.to_owned(), path: path.to_owned() })
        };
        assert_eq!(target("http://ppg.example/wappush"), of(false, "ppg.example:80", "/wappush"));
        assert_eq!(target("https://ppg.example"), of(true, "ppg.example:443", "/"));
        assert_eq!(target("http://[::1]:13/p?smsc=a"), of(false, "[::1]:13", "/p?smsc=a"));
        for wrong in
            ["ppg.example", "ftp://ppg.example", "http://u:p@ppg.example/", "http://", "/p"]
        {
            assert_eq!(target(wrong), None, "{wrong}");
        }
    }
}
