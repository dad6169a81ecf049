//! `deploy/compose.yaml`, as far as it can be held without containers: what it says of itself fits together, and fits the settings.

use server::config::Config;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The entries of a section whose names stand so many spaces in, each with its lines.
fn entries(lines: &[&str], indent: usize) -> BTreeMap<String, Vec<String>> {
    let mut entries: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut name = None;
    for line in lines.iter().map(|line| line.trim_end()) {
        let text = line.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if line.len() - text.len() == indent {
            let (key, rest) = text.split_once(':').unwrap_or_else(|| panic!("{line}"));
            entries.insert(key.to_owned(), vec![rest.trim().to_owned()]);
            name = Some(key.to_owned());
        } else if let Some(name) = &name {
            entries.get_mut(name).unwrap().push(text.to_owned());
        }
    }
    entries
}

/// The lines below a key at the left margin.
fn section<'t>(compose: &'t str, name: &str) -> Vec<&'t str> {
    let below = compose.lines().skip_while(|line| !line.starts_with(&format!("{name}:"))).skip(1);
    below.take_while(|line| line.is_empty() || line.starts_with([' ', '#'])).collect()
}

/// What all workers are made of.
fn worker(compose: &str) -> Vec<String> {
    section(compose, "x-worker").iter().map(|line| line.trim().to_owned()).collect()
}

fn value<'l>(lines: &'l [String], key: &str) -> Option<&'l str> {
    lines.iter().find_map(|line| line.strip_prefix(&format!("{key}: ")))
}

/// C7: images are pinned, nothing is published beyond loopback, what is waited for has a health check, volumes are declared and
/// used, and the workers publish the port that they listen on.
#[test]
fn the_containers_of_a_deployment_fit_together_and_fit_their_settings() {
    let compose = read("deploy/compose.yaml");
    let config = Config::read("cluster.toml", &read("deploy/cluster.toml"), &[]).unwrap();
    let services = entries(&section(&compose, "services"), 2);
    let worker = worker(&compose);
    assert!(services.len() >= 6, "{:?}", services.keys());

    let (mut mounted, mut published) = (BTreeSet::new(), BTreeSet::new());
    for (name, lines) in &services {
        let own: Vec<_> = if lines.iter().any(|line| line == "<<: *worker") {
            worker.iter().chain(lines).cloned().collect()
        } else {
            lines.clone()
        };
        assert_eq!(value(&own, "restart"), Some("unless-stopped"), "{name}");
        match value(&own, "image").unwrap() {
            "reveille" => assert_eq!(value(&own, "dockerfile"), Some("deploy/Dockerfile")),
            image => {
                let (_, tag) =
                    image.split_once(':').unwrap_or_else(|| panic!("{image} is not pinned"));
                assert!(
                    tag.contains('.')
                        && tag
                            .trim_start_matches('v')
                            .starts_with(|first: char| first.is_ascii_digit()),
                    "{image}"
                );
            }
        }
        for line in &own {
            if let Some(ports) = line.strip_prefix("ports: [") {
                for port in ports.split(']').next().unwrap().split(", ") {
                    let port = port.trim_matches('"');
                    let inner = port
                        .strip_prefix("127.0.0.1:")
                        .unwrap_or_else(|| panic!("{port} is open to all"));
                    let (outer, inner) = inner.split_once(':').unwrap();
                    assert!(published.insert(outer.to_owned()), "{outer} is published twice");
                    if lines.iter().any(|line| line == "<<: *worker") {
                        assert_eq!(inner, config.http.devices.listen.port().to_string());
                    }
                }
            }
            if let Some((waited_for, _)) = line.split_once(": {condition: service_healthy}") {
                let lines = &services[waited_for];
                assert!(lines.iter().any(|line| line.starts_with("healthcheck: ")), "{waited_for}");
            }
            let volume = line.strip_prefix("- ").and_then(|line| line.split_once(':'));
            if let Some((volume, inside)) = volume
                && inside.starts_with('/')
                && !volume.starts_with('.')
            {
                mounted.insert(volume.to_owned());
            }
        }
    }
    assert_eq!(
        entries(&section(&compose, "volumes"), 2).into_keys().collect::<BTreeSet<_>>(),
        mounted
    );
}

/// C7: each secret is made by `deploy/make-secrets` and reaches whoever needs it; the image and Prometheus name the ports and the
/// files of the settings.
#[test]
fn the_secrets_and_the_image_of_a_deployment_fit_its_settings() {
    let compose = read("deploy/compose.yaml");
    let dockerfile = read("deploy/Dockerfile");
    let secrets = read("deploy/make-secrets");
    let config = Config::read("cluster.toml", &read("deploy/cluster.toml"), &[]).unwrap();
    let services = entries(&section(&compose, "services"), 2);
    let worker = worker(&compose);
    // Every variable is made by the script, and every variable that it makes is used.
    let named = |text: &str| -> BTreeSet<String> {
        let rest = text.split("${").skip(1).map(|rest| rest.split([':', '}']).next().unwrap());
        rest.map(str::to_owned).collect()
    };
    let mut used = named(&compose);
    let declared = entries(&section(&compose, "secrets"), 2);
    for lines in declared.values() {
        let (_, variable) = lines[0].trim_matches(['{', '}']).split_once(": ").unwrap();
        used.insert(variable.to_owned());
    }
    let made = secrets.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let made: BTreeSet<_> = made
        .filter(|name| name.ends_with("KEY") || name.ends_with("PASSWORD"))
        .map(str::to_owned)
        .collect();
    assert_eq!(used, made);
    let sources = worker.iter().filter_map(|line| line.strip_prefix("- {source: "));
    let sources: BTreeSet<_> =
        sources.map(|line| line.split(',').next().unwrap().to_owned()).collect();
    assert_eq!(sources, declared.into_keys().collect());

    // Who runs in the image may read the secrets; the ports that it names are those that the settings listen on.
    let user = dockerfile.lines().find_map(|line| line.strip_prefix("USER ")).unwrap();
    assert_eq!(
        worker.iter().filter(|line| line.contains(&format!("uid: \"{user}\""))).count(),
        sources_of(&worker)
    );
    let telemetry = config.telemetry.listen.unwrap().port();
    assert!(
        dockerfile.contains(&format!("EXPOSE {} {telemetry}", config.http.devices.listen.port()))
    );
    assert!(dockerfile.contains(&format!("http://127.0.0.1:{telemetry}/health/live")));
    assert!(compose.contains(&format!("\"worker-1:{telemetry}\", \"worker-2:{telemetry}\"")));
    assert!(dockerfile.contains("COPY deploy/cluster.toml /etc/reveille/reveille.toml"));
    for image in dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")) {
        assert!(image.split(' ').next().unwrap().contains(':'), "{image} is not pinned");
    }
    // Devices come from the network of the containers, and the servers are called as the settings call them.
    assert!(
        compose.contains("subnet: 172.28.0.0/16")
            && read("deploy/cluster.toml").contains("networks = [\"172.28.0.0/16\"]")
    );
    for host in ["redis://redis:6379", "amqp://rabbitmq:5672/reveille"] {
        assert!(read("deploy/cluster.toml").contains(host));
        let name = host.split("//").nth(1).unwrap().split(':').next().unwrap();
        assert!(services.contains_key(name), "{name}");
    }
}

fn sources_of(worker: &[String]) -> usize {
    worker.iter().filter(|line| line.starts_with("- {source: ")).count()
}
