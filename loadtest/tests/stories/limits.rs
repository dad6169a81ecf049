//! One limit over several processes, judged where it counts: at the carrier's socket.

use crate::{
    operator::{LOOK, Operator, PATIENCE},
    process::{Redis, Serving, Site},
    short_messages::route,
    world::AUTHORITY,
};
use loadtest::{Smsc, SmscPlan};
use std::{fmt::Write as _, time::Duration};

/// Of the route; what is not kept for care is nine tenths.
const LIMIT: u32 = 100;
const DEVICES: u64 = 2_000;

/// Devices that nobody simulates: the centre knows none of their numbers, so each is sent one message.
async fn import(operator: &Operator) {
    let mut lines = "device,authority,secret,msisdn,groups".to_owned();
    for device in 0..DEVICES {
        write!(lines, "\nIMEI:{device:015},{AUTHORITY},secret,4670{device:08},demo").unwrap();
    }
    let report = operator.import(lines).await.unwrap();
    assert_eq!(report.imported, DEVICES, "{report:?}");
}

/// Waits until so many messages have come.
async fn until(smsc: &Smsc, submitted: u64) {
    let waiting = async {
        while smsc.report().submitted < submitted {
            tokio::time::sleep(LOOK).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "{} of {submitted} messages came", smsc.report().submitted);
}

/// C1, C2 and invariant 4: processes are killed, stopped and started while they share one route, and no second sees more
/// messages than the route may send.
#[tokio::test(flavor = "multi_thread")]
async fn a_route_s_limit_holds_over_processes_that_die_join_and_stand_still() {
    let redis = Redis::start();
    let smsc = Smsc::start(SmscPlan::default()).await.unwrap();
    let sites: Vec<_> = (0..3).map(|_| Site::over_with(&redis, &route(&smsc, ""))).collect();
    let mut servers: Vec<Serving> = Vec::new();
    for site in &sites[..2] {
        servers.push(site.start().await);
    }
    let operator = sites[0].operator();
    import(&operator).await;
    let document = format!(
        "
campaign: limits
authority: {AUTHORITY}
devices: {{group: demo}}
settings: [{{uri: ./AP/GW/Addr, value: 10.20.0.1}}]
deliver: {{attempts: 2, answer_within: 1h}}
"
    );
    let id = operator.submit(&document).await.unwrap().id;

    until(&smsc, 200).await;
    // One joins, one stands still for longer than its leases hold, one dies and comes again.
    servers.push(sites[2].start().await);
    until(&smsc, 500).await;
    servers[1].stand_still().await;
    until(&smsc, 800).await;
    servers[1].go_on().await;
    until(&smsc, 1_100).await;
    servers.remove(2).kill().await;
    servers.push(sites[2].start().await);
    until(&smsc, 1_400).await;
    for server in &servers {
        server.stand_still().await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    for server in &servers {
        server.go_on().await;
    }
    let ending = operator.end_of(AUTHORITY, &id).await;
    assert_eq!(ending.count("unreachable"), DEVICES, "no number is known to the centre");
    for server in servers {
        server.terminate().await;
    }
    let report = smsc.stop().await;
    println!("{} messages, by the second {:?}", report.submitted, report.per_second);
    // A message may be repeated by whoever takes over from one that died.
    assert!((DEVICES..DEVICES + DEVICES / 10).contains(&report.submitted), "{}", report.submitted);
    // What is read late looks as if it came together.
    assert!(report.per_second.busiest <= LIMIT + LIMIT / 10, "{:?}", report.per_second);
}
