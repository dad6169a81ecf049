//! What stands between the processes of a deployment and a stranger in its network: TLS to Redis and to the broker, checked
//! against the operator's own authority; and one key for all secrets.

use crate::{
    hand_over::a_fleet,
    operator::LOOK,
    process::{Redis, Site, text},
    rabbit::{Told, Upstream, ready, settings},
    upstream::campaign,
    world::{at_rest, import, no_breach},
};
use api::MessageType::{Chunk, Submit};
use loadtest::{
    Mix,
    broker::{Broker, Identity},
};
use server::store::{
    StoreError,
    redis::{RedisConfig, RedisStore},
};
use std::{
    error::Error,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const DEVICES: u64 = 5;

/// R17, R18: work in, rows, and results out, all of it over TLS; and whoever trusts somebody else connects to neither server.
#[tokio::test(flavor = "multi_thread")]
async fn redis_and_the_broker_are_reached_over_tls_and_only_if_their_certificates_are_trusted() {
    let home = tempfile::tempdir().unwrap();
    let ours = an_authority(home.path(), "ours");
    let foreign = an_authority(home.path(), "foreign").authorities;
    let redis = Redis::start_with_tls(ours.clone());
    let node = home.path().join("rabbit");
    std::fs::create_dir(&node).unwrap();
    let broker = Broker::start_with_tls(&node, ours.clone()).await.unwrap();
    assert!(redis.url().starts_with("rediss://") && broker.url("noc", 0).starts_with("amqps://"));
    let trusting = |authorities: &Path| {
        let more = format!("ca_file = {}", text(authorities));
        Site::over_with(&redis, &settings(&broker.url("reveille", 0), &more))
    };

    let site = trusting(&ours.authorities);
    let server = site.start().await;
    let operator = site.operator();
    ready(&operator).await;
    let sites = [site];
    let fleet = a_fleet(&sites, DEVICES, Mix::healthy(), 11).await;
    import(&operator, &fleet, 0..DEVICES, "", |_| String::new()).await;
    let billing = Upstream::at(&broker, "billing", 0).await;
    let mut events = billing.listen().await;
    billing.send(Submit, "s", campaign("over-tls")).await;
    let devices = (0..DEVICES).map(|index| fleet.identity(index).device).collect();
    let chunk = api::ChunkMessage { campaign: "over-tls".into(), part: 0, parts: Some(1), devices };
    billing.send(Chunk, "c", serde_json::to_string(&chunk).unwrap()).await;
    let mut told = Told::default();
    let all = |told: &Told| told.results.len() as u64 == DEVICES && told.ended("over-tls");
    assert!(told.until(&mut events, all).await);
    assert!(told.results.values().all(|outcome| outcome == "applied"));
    at_rest(&fleet).await;
    no_breach(&fleet.stop().await);
    server.terminate().await;

    let strange = trusting(&foreign);
    let server = strange.start().await;
    let said = |said: &str| said.contains("UnknownIssuer") && said.contains("broker.ca_file");
    strange.operator().not_ready_for(said).await;
    server.terminate().await;
    let config = |authorities: Option<&Path>| RedisConfig {
        authorities: authorities.map(|file| std::fs::read(file).unwrap()),
        timeout: Duration::from_secs(2),
        ..RedisConfig::new(redis.url())
    };
    // Nor does it help that the system trusts many others.
    for authorities in [Some(foreign.as_path()), None] {
        let refused = RedisStore::connect(&config(authorities)).await.unwrap_err();
        assert!(causes(&refused).contains("certificate"), "{}", causes(&refused));
    }
    RedisStore::connect(&config(Some(&ours.authorities))).await.unwrap();
}

/// R17: what one process sealed the next must be able to open, so a wrong key is found before anything is done with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_with_another_key_than_that_of_the_redis_does_not_start() {
    let redis = Redis::start();
    let first = Site::over(&redis);
    let server = first.start().await;
    let said = Site::over_with_another_key(&redis).start_in_vain().await;
    assert!(said.contains("not the key file of this deployment"), "{said}");
    // Nothing of the first was touched, and one with its key still starts.
    let second = Site::over(&redis);
    let beside = second.start().await;
    while !(first.operator().ready().await && second.operator().ready().await) {
        tokio::time::sleep(LOOK).await;
    }
    for server in [server, beside] {
        server.terminate().await;
    }
}

/// An authority that nobody but its makers knows, and a certificate of it for loopback.
fn an_authority(home: &Path, name: &str) -> Identity {
    let file = |what: &str| home.join(format!("{name}-{what}.pem"));
    let make = |arguments: &[&str]| {
        let made = Command::new("openssl").args(arguments).current_dir(home).output();
        let made = made.expect("openssl is there; install it with: apt-get install openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let (authorities, authority_key) = (file("ca"), file("ca-key"));
    let (certificate, key, request) = (file("server"), file("server-key"), file("request"));
    let extensions = file("extensions");
    std::fs::write(&extensions, "subjectAltName = IP:127.0.0.1\n").unwrap();
    let new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"];
    let subject = format!("/CN={name}");
    make(
        &[
            &new[..],
            &[&text(&authority_key), "-x509", "-days", "2", "-subj", &subject, "-out"],
            &[&text(&authorities)],
        ]
        .concat(),
    );
    make(&[&new[..], &[&text(&key), "-subj", "/CN=server", "-out", &text(&request)]].concat());
    make(&[
        "x509",
        "-req",
        "-days",
        "2",
        "-in",
        &text(&request),
        "-CA",
        &text(&authorities),
        "-CAkey",
        &text(&authority_key),
        "-CAcreateserial",
        "-extfile",
        &text(&extensions),
        "-out",
        &text(&certificate),
    ]);
    Identity { certificate, key, authorities }
}

/// An error with everything that led to it.
fn causes(error: &StoreError) -> String {
    let first: &dyn Error = error;
    let causes = std::iter::successors(Some(first), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
