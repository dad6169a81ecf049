//! Enrolment: by name, by number, by search; again and again.

use super::*;
use crate::workbench::{Workbench, id, sums};
use std::fmt::Write as _;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// D1, D2: a device is enrolled once, however it is named and however often.
#[tokio::test]
async fn a_device_gets_one_job_whatever_it_is_called() {
    let bench = Workbench::new().await;
    bench.register(&[r#"{"device":"IMEI:1","secret":"s","msisdn":"447700900001"}"#]).await;
    let live = bench.launch("a", "").await;
    let enrol = async |list: &[&str]| enrol_names(&bench, &live, &names(list)).await.unwrap();
    assert_eq!(enrol(&["IMEI:1"]).await, Tally { enrolled: 1, ..Tally::default() });
    let again = enrol(&["msisdn:447700900001", "IMEI:1", "msisdn:+447700900001"]).await;
    assert_eq!(again, Tally { already: 3, ..Tally::default() });
    assert_eq!(bench.device(&id("IMEI:1")).await.0.jobs.len(), 1);
    assert_eq!(bench.counters(live.seq).await, sums(&[("enrolled", 1)]));
}

#[tokio::test]
async fn two_names_of_one_device_in_one_list_make_one_job() {
    let bench = Workbench::new().await;
    bench.register(&[r#"{"device":"IMEI:1","secret":"s","imsi":"234150000000001"}"#]).await;
    let live = bench.launch("a", "").await;
    let tally = enrol_names(&bench, &live, &names(&["IMEI:1", "imsi:234150000000001", "IMEI:1"]))
        .await
        .unwrap();
    assert_eq!(tally, Tally { enrolled: 1, already: 2, ..Tally::default() });
    assert_eq!(bench.counters(live.seq).await, sums(&[("enrolled", 1)]));
}

#[tokio::test]
async fn whom_the_registry_does_not_know_is_reported_once() {
    let bench = Workbench::new().await;
    let live = bench.launch("a", "").await;
    let list = names(&["IMEI:404", "msisdn:447700900404", "imsi:nonsense"]);
    let tally = enrol_names(&bench, &live, &list).await.unwrap();
    assert_eq!(tally, Tally { unknown: 3, ..Tally::default() });
    assert_eq!(
        enrol_names(&bench, &live, &list).await.unwrap(),
        Tally { already: 3, ..Tally::default() }
    );
    assert_eq!(bench.counters(live.seq).await, sums(&[("enrolled", 3), ("o.unknown_device", 3)]));
}

#[tokio::test]
async fn a_name_that_no_row_can_be_kept_under_makes_no_row() {
    let bench = Workbench::new().await;
    let live = bench.launch("a", "").await;
    let list = names(&["x".repeat(DeviceId::LONGEST + 1).as_str(), "y".repeat(10_000).as_str()]);
    let tally = enrol_names(&bench, &live, &list).await.unwrap();
    assert_eq!(tally, Tally { unknown: 2, ..Tally::default() });
    assert_eq!(bench.counters(live.seq).await, sums(&[]));
}

/// D2: sixteen jobs a device; the next one is offered again later.
#[tokio::test]
async fn a_device_that_has_enough_to_do_is_enrolled_later() {
    let bench = Workbench::new().await;
    bench.register(&[r#"{"device":"IMEI:1","secret":"s"}"#]).await;
    for n in 0..Device::MOST_JOBS {
        let live = bench.launch(&format!("c{n}"), "").await;
        assert_eq!(enrol_names(&bench, &live, &names(&["IMEI:1"])).await.unwrap().enrolled, 1);
    }
    let live = bench.launch("one-more", "").await;
    let later = Tally { later: 1, ..Tally::default() };
    assert_eq!(enrol_names(&bench, &live, &names(&["IMEI:1"])).await.unwrap(), later);
    advance_enrolment(&bench, &live).await.unwrap();
    let (row, _) = bench.enrolment(&live).await;
    assert!(!row.list_done, "a list with somebody left is not done");
    let (device, revision) = bench.device(&id("IMEI:1")).await;
    let mut turn = Turn::new(id("IMEI:1"), device, revision, Instant(1));
    turn.end(bench.live_campaign("c3").seq, Outcome::Applied, None);
    bench.commit(&id("IMEI:1"), turn.into_change()).await;
    advance_enrolment(&bench, &live).await.unwrap();
    assert!(bench.enrolment(&live).await.0.list_done);
    assert!(bench.device(&id("IMEI:1")).await.0.job(live.seq).is_some());
}

/// R3: whoever is in the group and whoever fits the expression, over all shards, each once.
#[tokio::test]
async fn a_search_finds_all_that_fit_and_nobody_else() {
    let bench = Workbench::new().await;
    let mut lines = Vec::new();
    for n in 0..700 {
        let mut line = String::new();
        let (group, model) =
            (if n % 2 == 0 { "pilot" } else { "rest" }, if n % 5 == 0 { "M5" } else { "M1" });
        write!(
            line,
            r#"{{"device":"IMEI:{n}","secret":"s","groups":"{group}","model":"{model}"}}"#
        )
        .unwrap();
        lines.push(line);
    }
    bench.register(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let live = bench.launch("a", "devices: {group: pilot, where: model == \"M5\"}").await;
    advance_enrolment(&bench, &live).await.unwrap();
    assert_eq!(bench.counters(live.seq).await, sums(&[("enrolled", 420)]));
    let (row, _) = bench.enrolment(&live).await;
    assert!(matches!(row.scan, Scan::Done) && row.complete(false));
    // Searched again from the start, as after a crash before the mark: nobody twice.
    mark(&bench, &live, |row| row.scan = Scan::At { shard: 0, cursor: None }).await.unwrap();
    advance_enrolment(&bench, &live).await.unwrap();
    assert_eq!(bench.counters(live.seq).await, sums(&[("enrolled", 420)]));
}

/// Invariant 3: a row that cannot be read holds up neither the search nor the sweep of anybody else.
#[tokio::test]
async fn a_damaged_row_is_passed_over() {
    let bench = Workbench::new().await;
    let lines: Vec<_> = (0..300)
        .map(|n| format!(r#"{{"device":"IMEI:{n}","secret":"s","groups":"gold"}}"#))
        .collect();
    bench.register(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let damaged = Change::new().put(id("IMEI:7").key(Table::Device), vec![9, 9, 9]);
    bench.commit(&id("IMEI:7"), damaged).await;
    let live = bench.launch("a", "devices: {group: gold}").await;
    advance_enrolment(&bench, &live).await.unwrap();
    assert_eq!(bench.counters(live.seq).await, sums(&[("enrolled", 299)]));
    let abort = crate::campaigns::Control::Abort;
    crate::campaigns::control(&bench, "operator", "a", abort, crate::campaigns::Asked::default())
        .await
        .unwrap();
    crate::controller::judge(&bench, &bench.live_campaign("a")).await.unwrap();
    assert_eq!(bench.counters(live.seq).await, sums(&[("enrolled", 299), ("o.cancelled", 299)]));
}

/// A job of a campaign that starts later waits for its start.
#[tokio::test]
async fn nothing_is_due_before_the_start() {
    let bench = Workbench::new().await;
    bench.register(&[r#"{"device":"IMEI:1","secret":"s"}"#]).await;
    let text = crate::workbench::document("a", "")
        .replace("when: {", "when: {start: 2098-01-01T00:00:00Z, ");
    crate::campaigns::submit(&bench, &text, false).await.unwrap();
    let live = bench.live_campaign("a");
    enrol_names(&bench, &live, &names(&["IMEI:1"])).await.unwrap();
    let (device, _) = bench.device(&id("IMEI:1")).await;
    let campaign::job::Job::Waiting { not_before, .. } = device.jobs[0].job else {
        panic!("it waits")
    };
    assert_eq!(Some(not_before), live.campaign.start());
}
