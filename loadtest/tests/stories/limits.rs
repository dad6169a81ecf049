//! One limit over several processes, judged where it counts: at the sockets, by those that write and by the carrier.

use crate::{
    operator::{LOOK, Operator, PATIENCE},
    process::{Redis, Serving, Site},
    short_messages::route,
    world::AUTHORITY,
};
use loadtest::{Smsc, SmscPlan};
use std::{fmt::Write as _, time::Duration};

/// Messages a second of the route; what is not kept for care is nine tenths. Without optimisation three programs and Redis
/// on a small machine do not come to what the story is about, so there it is less.
const LIMIT: u32 = if cfg!(debug_assertions) { 60 } else { 400 };
const DEVICES: u64 = LIMIT as u64 * 20;

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
    let routes = route(&smsc, "").replace("per_second = 100", &format!("per_second = {LIMIT}"));
    let told = "[telemetry]\nlog = \"warn,server::notify::smpp::link=trace\"\n";
    let sites: Vec<_> =
        (0..3).map(|_| Site::over_with(&redis, &format!("{told}{routes}"))).collect();
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

    until(&smsc, DEVICES * 2 / 20).await;
    // One joins, one stands still for longer than its leases hold, one dies and comes again.
    servers.push(sites[2].start().await);
    until(&smsc, DEVICES * 5 / 20).await;
    servers[1].stand_still().await;
    until(&smsc, DEVICES * 8 / 20).await;
    servers[1].go_on().await;
    until(&smsc, DEVICES * 11 / 20).await;
    servers.remove(2).kill().await;
    servers.push(sites[2].start().await);
    until(&smsc, DEVICES * 14 / 20).await;
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
    // Those who write know when it left.
    let logs: Vec<_> = sites.iter().map(Site::log).collect();
    let busiest = busiest(logs.iter().flat_map(|log| log.lines()));
    println!("{busiest} of {LIMIT} messages left in the busiest second");
    assert!(busiest <= LIMIT, "{busiest} messages left within a second, and {LIMIT} may");
}

/// The most messages that programs say they wrote in any window of one second.
fn busiest<'l>(lines: impl Iterator<Item = &'l str>) -> u32 {
    const SECOND: Duration = Duration::from_secs(1);
    let mut written: Vec<(Duration, u32)> = lines
        .filter_map(|line| {
            let (_, messages) = line.split_once(" a write is out messages=")?;
            let (_, time) = line.split_once('T')?;
            let (time, _) = time.split_once('Z')?;
            Some((time_of_day(time)?, messages.trim().parse().unwrap()))
        })
        .collect();
    written.sort_unstable();
    let all: u32 = written.iter().map(|(_, messages)| messages).sum();
    assert!(u64::from(all) >= DEVICES, "{all} of {DEVICES} messages were told of");
    let (mut first, mut within, mut most) = (0, 0, 0);
    for (at, messages) in &written {
        within += messages;
        while at.saturating_sub(written[first].0) >= SECOND {
            within -= written[first].1;
            first += 1;
        }
        most = most.max(within);
    }
    most
}

/// `23:59:59.123456`.
fn time_of_day(text: &str) -> Option<Duration> {
    let mut parts = text.splitn(3, ':');
    let (hours, minutes) = (parts.next()?.parse::<u64>().ok()?, parts.next()?.parse::<u64>().ok()?);
    let seconds = parts.next()?.parse().ok()?;
    Some(Duration::from_secs(hours * 3_600 + minutes * 60) + Duration::from_secs_f64(seconds))
}
