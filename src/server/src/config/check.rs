//! What the settings mean together: gaps filled in, then every contradiction found, all at once.

#[cfg(test)]
mod tests;

use super::{
    Authority, Broker, Condition, Config, Integrity, Redis, Route, Store, defaults, read::Finding,
};
use campaign::scope::{Grant, Right, Scope};
use std::{collections::BTreeSet, ops::RangeInclusive, sync::Arc, time::Duration};

/// The longest `server_id`, in octets (D11): it must fit the smallest notification.
const LONGEST_SERVER_ID: usize = 23;

/// Between these stands every size of a message or a body.
const SIZES: RangeInclusive<usize> = 2 * 1024..=64 * 1024 * 1024;

impl Config {
    /// Gives what is absent its default, where that default depends on other settings.
    pub(super) fn fill_in(&mut self) {
        if self.http.devices.public_url.is_empty() {
            self.http.devices.public_url = format!("http://{}", self.http.devices.listen);
        }
        if self.routes.is_empty() {
            self.routes.push(Route::Udp {
                name: "udp".into(),
                per_second: defaults::per_second(),
                bind: defaults::udp_bind(),
                port: defaults::wap_push_port(),
                when: None,
                fallback: Vec::new(),
                fallback_after: defaults::fallback_after(),
            });
        }
        if self.authorities.is_empty() {
            self.authorities.push(Authority {
                name: "operator".into(),
                server_id: "reveille.local".into(),
                url: String::new(),
                integrity: Integrity::None,
                networks: Vec::new(),
                scopes: vec![Grant {
                    uri: ".".into(),
                    rights: vec![Right::Read, Right::Write, Right::Exec],
                }],
                user_owned: defaults::user_owned(),
                per_second: None,
                amqp_users: Vec::new(),
                scope: defaults::no_scope(),
            });
        }
        let base = self.http.devices.public_url.trim_end_matches('/');
        for authority in &mut self.authorities {
            if authority.url.is_empty() {
                authority.url = format!("{base}/dm/{}", authority.name);
            }
            // Where a pattern is bad, `check` says which.
            if let Ok(scope) = Scope::new(&authority.scopes, &authority.user_owned) {
                authority.scope = Arc::new(scope);
            }
        }
    }

    /// Everything that is wrong, in the order of the sections.
    pub(super) fn check(&self) -> Vec<Finding> {
        let mut findings = Findings::default();
        self.check_store(&mut findings);
        self.check_broker(&mut findings);
        self.check_routes(&mut findings);
        for name in self.worker.routes.iter().flatten() {
            if self.route(name).is_none() {
                findings.add(
                    "worker.routes",
                    format!("`{name}` is no route"),
                    "name routes of this file; an empty list carries on none",
                );
            }
        }
        for (number, authority) in self.authorities.iter().enumerate() {
            self.check_authority(number, authority, &mut findings);
        }
        self.check_doors(&mut findings);
        self.check_times_and_sizes(&mut findings);
        findings.0
    }

    fn check_store(&self, findings: &mut Findings) {
        match &self.store {
            Store::Embedded { path, cache } => {
                if path.as_os_str().is_empty() {
                    findings.add("store.path", "is empty", "name a directory");
                }
                if *cache < 1024 * 1024 {
                    findings.add(
                        "store.cache",
                        "is less than 1 MiB",
                        "the store needs some memory; 64 MiB is the default",
                    );
                }
            }
            Store::Redis(redis) => {
                check_redis(redis, findings);
                if self.vault.key_file.is_none() {
                    findings.add(
                        "vault.key_file",
                        "is not given, and with Redis no key is ever made by itself",
                        "give every process the same key file",
                    );
                }
            }
        }
    }

    fn check_broker(&self, findings: &mut Findings) {
        let Broker::RabbitMq(broker) = &self.broker else { return };
        if let Err(what) = crate::broker::address(broker) {
            findings.add("broker.url", what, "write it as amqp://rabbit.example:5672/vhost");
        }
        if broker.password.is_some() && broker.password_file.is_some() {
            findings.add("broker.password", "there is `password_file`, too", "give one of the two");
        }
        if broker.prefetch == 0 || broker.prefetch > 1_000 {
            findings.add(
                "broker.prefetch",
                "is not between 1 and 1000",
                "32 is the default: a message may hold 1000 devices",
            );
        }
        if broker.retries == 0 || broker.retry_after > Duration::from_hours(24) {
            findings.add(
                "broker.retries",
                "a message that comes too early would come back never, or after days",
                "try at least once more, within a day",
            );
        }
        if broker.most_waiting < 1_000 {
            findings.add(
                "broker.most_waiting",
                "is less than 1000: enrolment would stop whenever the broker pauses",
                "the default is a million",
            );
        }
    }

    fn check_routes(&self, findings: &mut Findings) {
        let mut names = BTreeSet::new();
        for (number, route) in self.routes.iter().enumerate() {
            let key = |key: &str| format!("route[{number}].{key}");
            if !is_name(route.name(), 32) {
                findings.add(
                    key("name"),
                    "is not 1 to 32 of a-z, 0-9, '_', '-'",
                    "choose another name",
                );
            } else if route.name() == crate::rows::PULL {
                findings.add(
                    key("name"),
                    "`pull` is the name of waiting for the device",
                    "choose another name",
                );
            } else if !names.insert(route.name()) {
                findings.add(
                    key("name"),
                    format!("there are two routes `{}`", route.name()),
                    "give each its own name",
                );
            }
            for (name, what, help) in route.check() {
                findings.add(key(name), what, help);
            }
            self.check_choice(number, route, findings);
            if route.per_second() == 0 {
                findings.add(
                    key("per_second"),
                    "is 0: nothing would ever be sent",
                    "take the route out, or give it a limit",
                );
            }
        }
    }

    /// Which devices a route is for, and who stands in for it.
    fn check_choice(&self, number: usize, route: &Route, findings: &mut Findings) {
        let key = |key: &str| format!("route[{number}].{key}");
        if let Some(Err(error)) = route.when().map(Condition::check) {
            findings.add(
                key("when"),
                error.to_string(),
                "write a condition on the device, as in a campaign's `where`: attributes.country == \"gb\"",
            );
        }
        for name in route.fallback() {
            if name == route.name() || self.route(name).is_none() {
                findings.add(
                    key("fallback"),
                    format!("`{name}` is no other route"),
                    "name routes of this file",
                );
            } else if self.worker.carries(route.name()) && !self.worker.carries(name) {
                findings.add(
                    "worker.routes",
                    format!(
                        "has `{}`, but not `{name}`, which carries for it while it is away",
                        route.name()
                    ),
                    "name both, or neither",
                );
            }
        }
    }

    fn check_authority(&self, number: usize, authority: &Authority, findings: &mut Findings) {
        let key = |key: &str| format!("authority[{number}].{key}");
        let earlier = self.authorities.iter().take(number);
        if !is_name(&authority.name, 64) {
            findings.add(
                key("name"),
                "is not 1 to 64 of a-z, 0-9, '_', '-'",
                "choose another name",
            );
        } else if earlier.clone().any(|other| other.name == authority.name) {
            findings.add(
                key("name"),
                format!("there are two authorities `{}`", authority.name),
                "give each its own name",
            );
        }
        let id = &authority.server_id;
        if id.is_empty() {
            findings.add(
                key("server_id"),
                "is not given: devices know this server by it",
                "without any `[[authority]]` there is one with \"reveille.local\"; one that is written takes its place as a whole",
            );
        } else if id.len() > LONGEST_SERVER_ID || id.chars().any(char::is_control) {
            findings.add(
                key("server_id"),
                format!("is not 1 to {LONGEST_SERVER_ID} octets of text"),
                "choose a shorter one",
            );
        } else if earlier.clone().any(|other| other.server_id == *id) {
            findings.add(
                key("server_id"),
                format!("`{id}` belongs to another authority"),
                "devices tell authorities apart by it: give each its own",
            );
        }
        if authority.per_second == Some(0) {
            findings.add(
                key("per_second"),
                "is 0: nothing would ever be sent",
                "leave it out, or give it a limit",
            );
        }
        if !is_url(&authority.url) {
            findings.add(
                key("url"),
                format!("`{}` is not an http or https URL", authority.url),
                URL_HELP,
            );
        }
        let mut users = BTreeSet::new();
        for (nth, known) in authority.amqp_users.iter().enumerate() {
            if known.user.is_empty() || known.user.len() > 255 || !users.insert(&known.user) {
                findings.add(
                    key("amqp_users") + &format!("[{nth}].user"),
                    "is empty, too long, or named twice",
                    "name each user of the broker once",
                );
            }
            if known.roles.is_empty() {
                findings.add(
                    key("amqp_users") + &format!("[{nth}].roles"),
                    "is empty: this user could do nothing",
                    "name upstream, operator or network",
                );
            }
        }
        self.check_integrity(number, authority, findings);
        self.check_scopes(number, authority, findings);
    }

    fn check_scopes(&self, number: usize, authority: &Authority, findings: &mut Findings) {
        let key = |key: &str, nth: usize| format!("authority[{number}].{key}[{nth}]");
        if authority.scopes.is_empty() {
            findings.add(
                format!("authority[{number}].scopes"),
                "is empty: this authority could do nothing",
                "give it a part of the tree; the one that is there without any `[[authority]]` has scopes = [{ uri = \".\", rights = [\"read\", \"write\", \"exec\"] }]",
            );
        }
        for (nth, grant) in authority.scopes.iter().enumerate() {
            if grant.rights.is_empty() {
                findings.add(
                    key("scopes", nth) + ".rights",
                    "is empty",
                    "name read, write, exec or admin",
                );
            }
            for error in Scope::new(std::slice::from_ref(grant), &[]).err().into_iter().flatten() {
                findings.add(key("scopes", nth) + ".uri", error.to_string(), PATTERN_HELP);
            }
        }
        for (nth, pattern) in authority.user_owned.iter().enumerate() {
            for error in Scope::new(&[], std::slice::from_ref(pattern)).err().into_iter().flatten()
            {
                findings.add(key("user_owned", nth), error.to_string(), PATTERN_HELP);
            }
        }
        for other in self.authorities.iter().take(number) {
            if let Some((mine, theirs)) = authority.scope.write_overlap(&other.scope) {
                findings.add(
                    format!("authority[{number}].scopes"),
                    format!("`{mine}` and `{theirs}` of `{}` meet: two authorities could write the same node", other.name),
                    "draw the line between them so that every node has one owner",
                );
            }
        }
    }

    fn check_integrity(&self, number: usize, authority: &Authority, findings: &mut Findings) {
        let key = |key: &str| format!("authority[{number}].{key}");
        match authority.integrity {
            Integrity::Tls => findings.add(
                key("integrity"),
                "`tls` is not served by this version",
                "integrity = \"hmac\" asks every device for a digest over each message; \"none\" with `networks` says that the traffic is protected otherwise, by a proxy or a closed network",
            ),
            Integrity::None if authority.networks.is_empty() && !self.http.devices.listen.ip().is_loopback() => findings.add(
                key("networks"),
                format!("nothing protects the traffic of `{}`, and devices connect at {}", authority.name, self.http.devices.listen),
                "name the networks that its devices come from, or listen on loopback",
            ),
            Integrity::Hmac | Integrity::None => {}
        }
    }

    fn check_doors(&self, findings: &mut Findings) {
        let (devices, admin) = (&self.http.devices, &self.http.admin);
        if !admin.listen.ip().is_loopback() {
            findings.add(
                "http.admin.listen",
                format!("{} is not loopback, and this version knows no tokens: anyone could command the fleet", admin.listen),
                "listen on 127.0.0.1 or [::1], and let people in through a proxy that knows them",
            );
        }
        if devices.listen == admin.listen && devices.listen.port() != 0 {
            findings.add(
                "http.admin.listen",
                "is where devices connect, too",
                "give each door its own port",
            );
        }
        if let Some(telemetry) = self.telemetry.listen
            && telemetry.port() != 0
            && [devices.listen, admin.listen].contains(&telemetry)
        {
            findings.add(
                "telemetry.listen",
                "is where devices or operators connect, too",
                "give it a port of its own, or leave it out: the operators' port has the same metrics",
            );
        }
        if !is_url(&devices.public_url) {
            findings.add(
                "http.devices.public_url",
                format!("`{}` is not an http or https URL", devices.public_url),
                URL_HELP,
            );
        }
        for (key, count) in [
            ("http.devices.max_connections", devices.max_connections),
            ("http.devices.max_in_flight", devices.max_in_flight),
            ("http.admin.max_connections", admin.max_connections),
        ] {
            if !(1..=1_000_000).contains(&count) {
                findings.add(
                    key,
                    "is not between 1 and 1000000",
                    "think of what memory and file descriptors allow",
                );
            }
        }
    }

    fn check_times_and_sizes(&self, findings: &mut Findings) {
        let (session, dispatch) = (&self.session, &self.dispatch);
        for (key, size) in [
            ("http.devices.max_body", self.http.devices.max_body),
            ("session.max_msg_size", session.max_msg_size),
            ("session.max_obj_size", session.max_obj_size),
            ("session.reply_size", session.reply_size),
        ] {
            if !SIZES.contains(&size) {
                findings.add(
                    key,
                    format!("{size} octets are not between 2 KiB and 64 MiB"),
                    "choose a size in between",
                );
            }
        }
        if self.http.devices.max_body < 2 * session.max_msg_size {
            findings.add(
                "http.devices.max_body",
                "is less than twice `session.max_msg_size`",
                "devices send more than they are told to: raise the one or lower the other",
            );
        }
        if session.life <= session.answer_within {
            findings.add(
                "session.life",
                "is not longer than `session.answer_within`",
                "a session would be gone before its device is late",
            );
        }
        if dispatch.retry_cap < dispatch.retry_base {
            findings.add("dispatch.retry_cap", "is shorter than `dispatch.retry_base`", "raise it");
        }
        if dispatch.lease <= dispatch.poll {
            findings.add(
                "dispatch.lease",
                "is not longer than `dispatch.poll`",
                "raise it; 30s is the default",
            );
        }
        if self.telemetry.log.is_empty() {
            findings.add("telemetry.log", "is empty", "`info` is the default, `off` says nothing");
        }
    }
}

fn check_redis(redis: &Redis, findings: &mut Findings) {
    if redis.urls.is_empty() == redis.urls_file.is_none() {
        findings.add(
            "store.urls",
            "there must be either `urls` or `urls_file`",
            "give exactly one of the two",
        );
    }
    for (number, url) in redis.urls.iter().enumerate() {
        // Said without the URL: it may hold a password.
        if !["redis://", "rediss://"].iter().any(|scheme| url.reveal().starts_with(scheme)) {
            findings.add(
                format!("store.urls[{number}]"),
                "does not begin with redis:// or rediss://",
                "write redis://user:password@host:6379/0, or rediss:// for TLS",
            );
        }
    }
    if redis.cluster && redis.sentinel.is_some() {
        findings.add(
            "store.sentinel",
            "is given together with `cluster = true`",
            "a cluster watches over itself: choose one of the two",
        );
    }
    if redis.urls.len() > 1 && !redis.cluster && redis.sentinel.is_none() {
        findings.add(
            "store.urls",
            "are several, and neither `cluster` nor `sentinel` says what they are",
            "say `cluster = true`, or `sentinel = { master = … }`, or name one server",
        );
    }
    if let Some(sentinel) = &redis.sentinel
        && (sentinel.master.is_empty()
            || sentinel.password.is_some() && sentinel.password_file.is_some())
    {
        findings.add(
            "store.sentinel",
            "names no master, or its password twice",
            "write { master = \"reveille\", password_file = \"…\" }",
        );
    }
    if !(8..=65_536).contains(&redis.in_flight) {
        findings.add("store.in_flight", "is not between 8 and 65536", "512 is the default");
    }
    if !(1..=1_000_000_000).contains(&redis.expected_devices) {
        findings.add(
            "store.expected_devices",
            "is not between 1 and 1000000000",
            "say how many devices the deployment will have, roughly",
        );
    }
    if !(Duration::from_millis(100)..=Duration::from_mins(1)).contains(&redis.timeout) {
        findings.add("store.timeout", "is not between 100ms and 60s", "5s is the default");
    }
}

const PATTERN_HELP: &str = "write a node's address, with `*` for any one segment: ./AP/*/Addr";
const URL_HELP: &str = "write it as devices shall call it: https://dm.operator.example";

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, key: impl Into<String>, what: impl Into<String>, help: &str) {
        self.0.push(Finding { key: key.into(), what: what.into(), help: help.to_owned() });
    }
}

fn is_name(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text.bytes().all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// Scheme and host, no query, no fragment: something that `RespURI` can be made of.
pub(super) fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    matches!(scheme, "http" | "https")
        && !rest.is_empty()
        && !rest.starts_with('/')
        && text.len() <= 255
        && rest.bytes().all(|octet| {
            octet.is_ascii_graphic() && !matches!(octet, b'?' | b'#' | b'"' | b'<' | b'>' | b'@')
        })
}
