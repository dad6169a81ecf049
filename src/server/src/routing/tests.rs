//! The first route whose condition a device meets, and no other.

use super::*;
use crate::{
    enroll,
    workbench::{Workbench, id},
};
use campaign::job::Job;

/// Two countries, each with its route, and what is left.
fn three(last: &str) -> Config {
    let text = format!(
        "[[route]]\nkind = \"udp\"\nname = \"gb\"\nwhen = 'attributes.country == \"gb\"'\n\
         [[route]]\nkind = \"udp\"\nname = \"fr\"\nwhen = '\"fr\" in groups || attributes.country == \"fr\"'\n{last}"
    );
    Config::read("a test", &text, &[]).unwrap()
}

const REST: &str = "[[route]]\nkind = \"udp\"\nname = \"rest\"\n";

const DEVICES: [&str; 4] = [
    r#"{"device":"IMEI:1","secret":"s","attributes.country":"gb","groups":["fr"]}"#,
    r#"{"device":"IMEI:2","secret":"s","groups":["fr"]}"#,
    r#"{"device":"IMEI:3","secret":"s","attributes.country":"es"}"#,
    r#"{"device":"IMEI:4","secret":"s"}"#,
];

#[tokio::test]
async fn the_first_route_whose_condition_a_device_meets_is_its_route() {
    let bench = Workbench::new().await;
    bench.register(&DEVICES).await;
    let (closed, open) = (three(""), three(REST));
    for (device, wanted) in
        [("IMEI:1", Some("gb")), ("IMEI:2", Some("fr")), ("IMEI:3", None), ("IMEI:4", None)]
    {
        let (row, _) = bench.device(&id(device)).await;
        assert_eq!(choose(&closed, &id(device), &row), wanted, "{device}");
        assert_eq!(choose(&open, &id(device), &row), wanted.or(Some("rest")), "{device}");
    }
}

/// How a route is taken out of service.
#[tokio::test]
async fn a_route_that_is_for_nobody_gives_its_jobs_to_the_routes_of_their_devices() {
    let bench = Workbench::with(three(REST)).await;
    bench.register(&DEVICES).await;
    let live = bench.launch("a", "").await;
    enroll::enrol_names(&bench, &live, &["IMEI:1".to_owned()]).await.unwrap();
    let closing = format!(
        "[[route]]\nkind = \"udp\"\nname = \"gb\"\nwhen = 'false'\nfallback = [\"rest\"]\n{REST}"
    );
    let closing = Config::read("a test", &closing, &[]).unwrap();
    let (device, revision) = bench.device(&id("IMEI:1")).await;
    let mut turn = Turn::new(id("IMEI:1"), device, revision, bench.store.now().await.unwrap());
    assert!(!stays(&mut turn, live.seq, &closing));
    assert_eq!(turn.device.job(live.seq).unwrap().route, "rest");
}

#[test]
fn a_route_behind_one_that_takes_all_is_idle_unless_it_stands_in_for_another() {
    let of = |more: &str| {
        let config = three(&format!("{REST}{more}"));
        idle(&config).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(of("").is_empty());
    let late = "[[route]]\nkind = \"udp\"\nname = \"late\"\n";
    assert_eq!(of(late), ["late"]);
    assert!(of(&format!("fallback = [\"late\"]\n{late}")).is_empty());
}

#[tokio::test]
async fn a_device_that_no_route_is_for_ends_with_the_reason_and_the_others_wait_where_they_should()
{
    let bench = Workbench::with(three("")).await;
    bench.register(&DEVICES).await;
    let live = bench.launch("a", "").await;
    let names = ["IMEI:1", "IMEI:2", "IMEI:3"].map(str::to_owned);
    enroll::enrol_names(&bench, &live, &names).await.unwrap();
    for (device, wanted) in [("IMEI:1", "gb"), ("IMEI:2", "fr")] {
        assert_eq!(bench.device(&id(device)).await.0.job(live.seq).unwrap().route, wanted);
    }
    assert!(bench.device(&id("IMEI:3")).await.0.job(live.seq).is_none());
    let result: crate::rows::ResultRow =
        bench.row(&id("IMEI:3"), id("IMEI:3").result_key(live.seq, 0)).await.unwrap().0;
    assert_eq!(result.outcome, Outcome::Unreachable);
    assert!(result.detail.unwrap().why.unwrap().contains("no route is for this device"));
}

#[tokio::test]
async fn a_device_that_moved_since_it_was_enrolled_goes_to_the_queue_of_its_new_route() {
    let bench = Workbench::with(three(REST)).await;
    bench.register(&DEVICES).await;
    let live = bench.launch("a", "").await;
    enroll::enrol_names(&bench, &live, &["IMEI:3".to_owned()]).await.unwrap();
    let (device, revision) = bench.device(&id("IMEI:3")).await;
    let now = bench.store.now().await.unwrap();
    let mut turn = Turn::new(id("IMEI:3"), device, revision, now);
    assert!(stays(&mut turn, live.seq, &bench.config));
    turn.device.attributes.insert("country".into(), "gb".into());
    assert!(!stays(&mut turn, live.seq, &bench.config));
    let active = turn.device.job(live.seq).unwrap();
    assert_eq!(active.route, "gb");
    assert!(matches!(active.job, Job::Waiting { not_before, .. } if not_before == now));
}
