use super::*;
use crate::workbench::{Workbench, id};

const DAY: Duration = Duration::from_hours(24);

fn on() -> On {
    On { reason: "stale_gateway".into(), quiet: Duration::from_hours(1), most: 2, per: DAY }
}

fn hours(n: u64) -> Instant {
    Instant(n * 3_600_000)
}

/// R2: taken in, then quiet, then again, then no more until the first run is long ago.
#[test]
fn a_device_is_taken_in_a_few_times_a_day_and_left_alone_in_between() {
    let (on, mut runs) = (on(), RunsRow::default());
    let mut at = |hour: u64, seen: u64| {
        let answer = answer(&on, &runs, false, hours(seen), hours(hour));
        if answer == Answer::TakenIn {
            runs = taken_in(&runs, &on, hours(hour));
        }
        answer
    };
    assert_eq!(at(100, 100), Answer::TakenIn);
    assert_eq!(at(100, 100), Answer::Quiet);
    assert_eq!(at(102, 99), Answer::Quiet, "it was seen before the device was taken in");
    assert_eq!(at(102, 102), Answer::TakenIn);
    assert_eq!(at(104, 104), Answer::TooOften { told: false });
    assert_eq!(at(125, 125), Answer::TakenIn, "the first run is more than a day ago");
    assert_eq!((runs.next, runs.taken.len()), (3, 2), "what is over is forgotten, runs count on");
    assert_eq!(answer(&on, &runs, true, hours(500), hours(500)), Answer::UnderWay);
}

async fn bench() -> Workbench {
    let bench = Workbench::new().await;
    let line = r#"{"device":"IMEI:1","secret":"s","msisdn":"447700900123","groups":["gold"]}"#;
    bench.register(&[line, r#"{"device":"IMEI:2","secret":"s"}"#]).await;
    bench
}

fn request(device: &str) -> TriggerRequest {
    TriggerRequest {
        device: device.into(),
        reason: "stale_gateway".into(),
        observed: Some("192.0.2.10".into()),
        at: None,
    }
}

const STANDING: &str = "on: {reason: stale_gateway}\nruns: {most: 1, per: 1d}\nquiet: 1s\n";

async fn tell(
    bench: &Workbench,
    device: &str,
    message: Option<&str>,
) -> Result<Vec<(String, Option<u16>)>, TriggerError> {
    let message = message.map(|message| MessageId::new("operator", message));
    let report = trigger(bench, "operator", &request(device), message.as_ref()).await?;
    Ok(report.campaigns.into_iter().map(|answer| (answer.answer, answer.run)).collect())
}

/// R2, R21: by its number, once for a message however often that comes; whom the campaign leaves out stays out.
#[tokio::test]
async fn a_trigger_gives_the_device_a_job_once() {
    let bench = bench().await;
    assert!(matches!(tell(&bench, "IMEI:1", None).await, Err(TriggerError::NoCampaign { .. })));
    let more = format!("{STANDING}devices: {{group: gold}}\n");
    let live = bench.launch("standing", &more).await;
    let taken = vec![("taken_in".to_owned(), Some(0))];
    assert_eq!(tell(&bench, "msisdn:447700900123", Some("m1")).await.unwrap(), taken);
    assert_eq!(tell(&bench, "IMEI:1", Some("m1")).await.unwrap(), [], "a repeat");
    let under_way = vec![("under_way".to_owned(), None)];
    assert_eq!(tell(&bench, "IMEI:1", Some("m2")).await.unwrap(), under_way);
    let (device, _) = bench.device(&id("IMEI:1")).await;
    assert_eq!(device.jobs.len(), 1);
    assert_eq!(device.jobs[0].lane, campaign::document::Lane::Urgent);
    assert_eq!(tell(&bench, "IMEI:2", None).await.unwrap(), [("not_meant".to_owned(), None)]);
    for unknown in ["IMEI:9", "msisdn:1", "imsi:262019999999999"] {
        let answer = tell(&bench, unknown, None).await;
        assert!(matches!(answer, Err(TriggerError::NoDevice(_))), "{unknown}");
    }
    assert_eq!(live.campaign.on().unwrap().most, 1);
}

/// R2, R21: a device that is named again and again while its job is under way costs one look each time and leaves nothing behind.
#[tokio::test]
async fn a_storm_about_a_device_writes_once() {
    let bench = bench().await;
    bench.launch("standing", STANDING).await;
    assert_eq!(tell(&bench, "IMEI:1", Some("m0")).await.unwrap()[0].0, "taken_in");
    let before = bench.store.calls();
    for message in 1..=3_000 {
        let told = tell(&bench, "IMEI:1", Some(&format!("m{message}"))).await.unwrap();
        assert_eq!(told[0].0, "under_way");
    }
    let after = bench.store.calls();
    assert_eq!((after.commit, after.changes), (before.commit, before.changes), "nothing is kept");
    assert_eq!(after.read - before.read, 3_000);
}

/// R2: beyond `runs` a fault says so, once, and nothing loops.
#[tokio::test]
async fn a_device_that_is_named_too_often_becomes_a_fault_and_no_loop() {
    let bench = bench().await;
    let live = bench.launch("standing", &format!("{STANDING}devices: {{list: [IMEI:1]}}\n")).await;
    tell(&bench, "IMEI:1", None).await.unwrap();
    // The job is done, and the quiet hour is long over.
    let key = id("IMEI:1").runs_key(live.seq);
    let (mut runs, _) = bench.row::<RunsRow>(&id("IMEI:1"), key.clone()).await.unwrap();
    runs.taken[0] = Instant(runs.taken[0].0 - 10_000);
    let (mut device, revision) = bench.device(&id("IMEI:1")).await;
    device.jobs.clear();
    let change = crate::store::Change::new()
        .if_is(id("IMEI:1").key(Table::Device), revision)
        .put(id("IMEI:1").key(Table::Device), device.to_octets())
        .put(key.clone(), runs.to_octets());
    bench.commit(&id("IMEI:1"), change).await;
    for _ in 0..3 {
        assert_eq!(tell(&bench, "IMEI:1", None).await.unwrap()[0].0, "too_often");
    }
    let shard = Shard::of(&id("IMEI:1").root());
    let events = bench.store.events(shard, crate::store::EventId::default(), 100).await.unwrap();
    let faults = events.iter().filter(|(_, octets)| {
        matches!(
            crate::events::Event::from_octets(octets),
            Ok(crate::events::Event::Fault { kind, detail, .. })
                if kind == "named_too_often" && detail.contains("192.0.2.10")
        )
    });
    assert_eq!(faults.count(), 1);
}

#[test]
fn a_trigger_is_judged_by_itself_first() {
    let now = Instant::parse("2026-11-25T12:00:00Z").unwrap();
    let seen = |at: &str| check(&TriggerRequest { at: Some(at.into()), ..request("IMEI:1") }, now);
    assert_eq!(seen("2026-11-25T11:00:00Z").unwrap(), Instant(now.0 - 3_600_000));
    assert_eq!(check(&request("IMEI:1"), now).unwrap(), now);
    for wrong in ["2026-11-25T13:00:00Z", "yesterday"] {
        assert!(matches!(seen(wrong), Err(TriggerError::Bad { key: "at", .. })), "{wrong}");
    }
    let long = TriggerRequest { observed: Some("x".repeat(513)), ..request("IMEI:1") };
    assert!(matches!(check(&long, now), Err(TriggerError::Bad { key: "observed", .. })));
    let empty = TriggerRequest { reason: String::new(), ..request("IMEI:1") };
    assert!(matches!(check(&empty, now), Err(TriggerError::Bad { key: "reason", .. })));
}
