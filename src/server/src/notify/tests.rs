//! Who carries: the route itself, who stands in for it, or nobody.

use super::*;
use tokio::net::TcpListener;

/// A route over an SMSC that is not there, and one over UDP that is.
fn config(smsc: &str, more: &str) -> Config {
    let text = format!(
        "[[route]]\nkind = \"smpp\"\nname = \"smsc\"\nhosts = [\"{smsc}\"]\nsystem_id = \"r\"\npassword = \"s\"\n\
         source = \"DMSRV\"\nfallback = [\"ppg\", \"air\"]\nfallback_after = \"10s\"\n\
         [[route]]\nkind = \"udp\"\nname = \"air\"\n\
         [[route]]\nkind = \"pap\"\nname = \"ppg\"\nurls = [\"http://127.0.0.1:1/\"]\nreceipts = false\n{more}"
    );
    let fallback = text
        .replace("[[route]]\nkind = \"udp\"", "[[route]]\nkind = \"udp\"\nfallback = [\"ppg\"]");
    Config::read("a test", &fallback, &[]).unwrap()
}

const START: Instant = Instant(1_000_000);

fn after(seconds: u64) -> Instant {
    START.plus(Duration::from_secs(seconds))
}

/// Who carries for the SMSC now, and how many at most.
fn way<'a>(routes: &'a Routes, config: &'a Config, now: Instant) -> Option<(&'a str, u32)> {
    let smsc = config.route("smsc").unwrap();
    routes.way(config, smsc, now).map(|way| (way.route.name(), way.most))
}

async fn away() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_route_that_is_away_for_long_enough_is_stood_in_for_by_the_first_that_is_not() {
    let config = config(&away().await, "");
    let (routes, _) = Routes::open(&config, &CancellationToken::new()).await.unwrap();
    assert_eq!(way(&routes, &config, after(0)), None, "it may come back in a moment");
    assert_eq!(way(&routes, &config, after(9)), None);
    assert_eq!(way(&routes, &config, after(10)), Some(("ppg", u32::MAX)));
    // Who stands in is not tried out with the devices of others: from its rest on, the next one carries.
    let ppg = routes.get("ppg").unwrap();
    for _ in 0..5 {
        ppg.health().breaker.failed(after(10));
    }
    assert_eq!(way(&routes, &config, after(11)), Some(("air", u32::MAX)));
    assert_eq!(ppg.condition(after(11)), RouteCondition::Resting);
    assert_eq!(ppg.condition(after(30)), RouteCondition::Probing);
    assert_eq!(way(&routes, &config, after(30)), Some(("air", u32::MAX)));
    assert_eq!(routes.get("smsc").unwrap().condition(after(30)), RouteCondition::Down);
    ppg.health().breaker.passed();
    assert_eq!(way(&routes, &config, after(31)), Some(("ppg", u32::MAX)));
}

#[tokio::test]
async fn a_route_that_comes_back_is_tried_by_a_few_while_the_others_go_on_elsewhere() {
    let mut config = config(&away().await, "");
    // The route over the gateway is the one that fails here: it is up as soon as its rest is over.
    config.routes.retain(|route| route.name() != "smsc");
    let (routes, _) = Routes::open(&config, &CancellationToken::new()).await.unwrap();
    let air = config.route("air").unwrap();
    let way = |now| routes.way(&config, air, now).map(|way| (way.route.name(), way.most));
    let channel = routes.get("air").unwrap();
    assert_eq!(way(after(0)), Some(("air", u32::MAX)));
    for _ in 0..5 {
        channel.health().breaker.failed(after(0));
    }
    assert_eq!(way(after(1)), None, "not yet");
    let probes = (0..60).map(after).find(|now| way(*now) == Some(("air", 3))).unwrap();
    assert_eq!(probes, after(15), "its rest is shorter than the grace");
    channel.took_up(3, probes);
    assert_eq!(way(probes), None);
    channel.health().breaker.failed(after(31));
    assert_eq!(way(after(32)), Some(("ppg", u32::MAX)), "it has been away since the beginning");
    assert_eq!(way(after(61)), Some(("air", 3)));
    channel.took_up(2, after(61));
    assert_eq!(way(after(61)), Some(("air", 1)));
    channel.took_up(1, after(61));
    assert_eq!(way(after(61)), Some(("ppg", u32::MAX)), "the others do not wait for the probes");
    channel.health().breaker.passed();
    assert_eq!(way(after(62)), Some(("air", u32::MAX)));
}

#[tokio::test]
async fn a_process_does_not_connect_to_routes_of_others_and_takes_nothing_from_their_queues() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let far = "[[route]]\nkind = \"pap\"\nname = \"far\"\nurls = [\"http://127.0.0.1:1/\"]\nreceipts_token = \"0123456789abcdef\"\n";
    let config = config(&at, &format!("{far}[worker]\nroutes = [\"air\", \"ppg\"]\n"));
    let (routes, receipts) = Routes::open(&config, &CancellationToken::new()).await.unwrap();
    assert_eq!(way(&routes, &config, after(0)), None);
    assert_eq!(way(&routes, &config, after(60)), None, "nobody here knows how it is");
    assert_eq!(
        routes.conditions(after(0)).map(|(name, _)| name).collect::<Vec<_>>(),
        ["air", "ppg"]
    );
    let results: Vec<_> = receipts.iter().map(|(route, _)| route.as_str()).collect();
    assert_eq!(results, ["far"], "a gateway may be led to any process");
    assert!(routes.results("far").is_some() && routes.results("ppg").is_none());
}
