//! Campaigns from submitted to ended, without the loops: each step is made by the test.

use super::{rows::Directory, *};
use crate::{
    controller, enroll,
    rows::ResultRow,
    store::Change,
    update,
    workbench::{Workbench, document, id, sums},
};
use campaign::job::Outcome;

async fn fleet() -> Workbench {
    let bench = Workbench::new().await;
    bench
        .register(&[r#"{"device":"IMEI:1","secret":"s"}"#, r#"{"device":"IMEI:2","secret":"s"}"#])
        .await;
    bench
}

async fn enrol(bench: &Workbench, campaign: &str, devices: &[&str]) {
    let live = bench.live_campaign(campaign);
    let names: Vec<String> = devices.iter().map(|name| (*name).to_owned()).collect();
    enroll::enrol_names(bench, &live, &names).await.unwrap();
}

/// C4: submitting twice is submitting once; another document under the same id is refused.
#[tokio::test]
async fn a_campaign_is_accepted_once() {
    let bench = fleet().await;
    let text = document("a", "");
    let dry = submit(&bench, &text, true).await.unwrap();
    assert!(!dry.created && bench.live.snapshot().all().count() == 0);
    let first = submit(&bench, &text, false).await.unwrap();
    let again = submit(&bench, &text.replace("purpose: a test", "purpose:   \"a test\""), false)
        .await
        .unwrap();
    assert!(first.created && !again.created);
    assert_eq!(first.view.seq, again.view.seq);
    let other = submit(&bench, &text.replace("./A/B", "./A/C"), false).await.unwrap_err();
    assert!(matches!(other, Error::Different(_)), "{other}");
    assert_eq!(bench.live.snapshot().all().count(), 1);
}

/// C6, invariant 1: an abort ends every job that was not written, once, and then the campaign is over.
#[tokio::test]
async fn an_aborted_campaign_is_swept_and_ends() {
    let bench = fleet().await;
    let live = bench.launch("a", "").await;
    enrol(&bench, "a", &["IMEI:1", "IMEI:2"]).await;
    // One of them was written to: nobody knows what it has.
    let (device, revision) = bench.device(&id("IMEI:2")).await;
    let now = bench.store.now().await.unwrap();
    let mut turn = crate::turn::Turn::new(id("IMEI:2"), device, revision, now);
    turn.step(live.seq, |job| job.on_session_started(now).on_write_sent(now));
    bench.commit(&id("IMEI:2"), turn.into_change()).await;

    control(&bench, "operator", "a", Control::Abort, Asked::at_the_door("enough")).await.unwrap();
    for _ in 0..3 {
        controller::judge(&bench, &bench.live_campaign("a")).await.unwrap();
    }
    assert!(bench.device(&id("IMEI:1")).await.0.jobs.is_empty());
    assert_eq!(bench.device(&id("IMEI:2")).await.0.jobs.len(), 1, "it goes on to a proven end");
    let seen = view(&bench, "operator", "a").await.unwrap();
    assert_eq!(
        (seen.state.as_str(), seen.progress.outcomes["cancelled"], seen.progress.active),
        ("ending", 1, 1)
    );

    let (device, revision) = bench.device(&id("IMEI:2")).await;
    let mut turn = crate::turn::Turn::new(id("IMEI:2"), device, revision, now);
    turn.end(live.seq, Outcome::Applied, None);
    bench.commit(&id("IMEI:2"), turn.into_change()).await;
    live::touch(bench.store()).await.unwrap();
    controller::judge(&bench, &live_now(&bench).await).await.unwrap();
    assert_eq!(view(&bench, "operator", "a").await.unwrap().state, "ended");
    assert_eq!(bench.live.snapshot().all().count(), 0);
    let late = submit::find(&bench, &rows::CampaignId::new("operator", "a")).await.unwrap_err();
    assert!(matches!(late, Error::Closed("ended")), "{late}");
    assert_eq!(
        bench.counters(live.seq).await,
        sums(&[
            ("enrolled", 2),
            ("m.connected", 1),
            ("m.written", 1),
            ("o.applied", 1),
            ("o.cancelled", 1)
        ])
    );
}

async fn live_now(bench: &Workbench) -> std::sync::Arc<live::LiveCampaign> {
    bench.refresh().await.unwrap();
    bench.live_campaign("a")
}

/// C6: a message that comes again changes nothing, even when somebody did the contrary in between.
#[tokio::test]
async fn an_order_that_comes_twice_is_done_once() {
    let bench = fleet().await;
    bench.launch("a", "").await;
    let order = async |what: Control, message: &str| {
        let message = Some(update::MessageId::new("operator", message));
        let asked = Asked { by: "noc".into(), why: String::new(), message };
        control(&bench, "operator", "a", what, asked).await.unwrap().state
    };
    assert_eq!(order(Control::Resume, "m0").await, "enrolling", "it is not paused");
    assert_eq!(order(Control::Pause, "m1").await, "paused");
    assert_eq!(order(Control::Resume, "m0").await, "paused", "a repeat of what changed nothing");
    assert_eq!(order(Control::Resume, "m2").await, "enrolling");
    assert_eq!(order(Control::Pause, "m1").await, "enrolling", "a repeat");
    assert_eq!(order(Control::Pause, "m3").await, "paused");
}

/// A part that is offered again after the campaign ended was taken: only a new one comes too late.
#[tokio::test]
async fn a_repeated_part_of_an_ended_campaign_is_no_mistake() {
    let bench = fleet().await;
    let live = bench.launch("a", "devices: {file: x}\n").await;
    let part = async |part: u32| {
        enroll_part(&bench, "operator", "a", part, None, vec!["IMEI:1".to_owned()]).await
    };
    part(0).await.unwrap();
    control(&bench, "operator", "a", Control::Abort, Asked::default()).await.unwrap();
    assert_eq!(part(0).await.unwrap().already, 1);
    controller::judge(&bench, &live_now(&bench).await).await.unwrap();
    drop(live);
    assert_eq!(part(0).await.unwrap().already, 1);
    assert!(matches!(part(1).await, Err(Error::Closed(_))));
}

#[tokio::test]
async fn commands_work_once_and_not_too_late() {
    let bench = fleet().await;
    bench.launch("a", "").await;
    let state = async |control_: Control| {
        control(&bench, "operator", "a", control_, Asked::at_the_door("why"))
            .await
            .map(|view| view.state)
    };
    assert_eq!(state(Control::Pause).await.unwrap(), "paused");
    assert_eq!(state(Control::Pause).await.unwrap(), "paused");
    assert!(!bench.live_campaign("a").state.may_begin(), "memory follows at once");
    assert_eq!(state(Control::Resume).await.unwrap(), "enrolling");
    assert_eq!(state(Control::Abort).await.unwrap(), "ending");
    assert!(matches!(state(Control::Resume).await, Err(Error::TooLate(_))));
    let missing = control(&bench, "operator", "b", Control::Pause, Asked::default()).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })));
}

/// The results of one campaign, page by page, and nobody else's.
#[tokio::test]
async fn results_come_in_pages() {
    let bench = fleet().await;
    bench.launch("a", "").await;
    bench.launch("b", "").await;
    let strangers: Vec<String> = (0..50).map(|n| format!("IMEI:9{n}")).collect();
    for campaign in ["a", "b"] {
        enrol(&bench, campaign, &strangers.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = results(&bench, "operator", "b", cursor.as_deref(), 7).await.unwrap();
        assert!(page.results.len() <= 7);
        found.extend(page.results.into_iter().map(|line| (line.device, line.outcome)));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 50);
    assert!(found.iter().all(|(_, outcome)| outcome == "unknown_device"));
    for bad in ["256", "-", "x", "1-zz", "99999999999"] {
        let page = results(&bench, "operator", "b", Some(bad), 7).await;
        assert!(matches!(page, Err(Error::Cursor)), "{bad}");
    }
}

/// C5: parts of a file in any order, each once; the file is complete when all of them are there.
#[tokio::test]
async fn a_file_comes_in_parts() {
    let bench = fleet().await;
    let live = bench.launch("a", "devices: {file: devices.csv}").await;
    bench.launch("list", "").await;
    let part = async |part: u32, parts: Option<u32>, names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        enroll_part(&bench, "operator", "a", part, parts, names).await
    };
    assert_eq!(part(1, Some(2), &["IMEI:2"]).await.unwrap().enrolled, 1);
    assert_eq!(part(1, Some(2), &["IMEI:2"]).await.unwrap().already, 1);
    assert!(!bench.enrolment(&live).await.0.parts_complete());
    assert!(
        matches!(part(0, Some(3), &["IMEI:1"]).await, Err(Error::Part { .. })),
        "another number of parts"
    );
    assert!(
        matches!(part(2, Some(2), &["IMEI:1"]).await, Err(Error::Part { .. })),
        "beyond the last"
    );
    assert_eq!(
        part(0, None, &["IMEI:1"]).await.unwrap().already,
        1,
        "enrolled by the refused part, once"
    );
    assert!(bench.enrolment(&live).await.0.parts_complete());
    let wrong = enroll_part(&bench, "operator", "list", 0, None, vec!["IMEI:1".to_owned()]).await;
    assert!(matches!(wrong, Err(Error::NoFile)));
    let gone = enroll_part(&bench, "operator", "none", 0, None, Vec::new()).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })));
}

/// D2: an entry of the directory whose campaign never came is no campaign, and a struck one does not come back.
#[tokio::test]
async fn the_directory_survives_what_a_crash_leaves() {
    let bench = fleet().await;
    bench.launch("a", "").await;
    let orphan = rows::Entry {
        seq: 99,
        id: rows::CampaignId::new("operator", "never-came"),
        added: campaign::time::Instant(1),
    };
    update::update::<Directory>(
        bench.store(),
        Directory::shard(),
        &Directory::key(),
        |directory| {
            let mut directory = directory.unwrap().clone();
            directory.version += 1;
            directory.active.push(orphan.clone());
            Some(directory)
        },
    )
    .await
    .unwrap();
    bench.refresh().await.unwrap();
    bench.refresh().await.unwrap();
    let directory =
        update::load::<Directory>(bench.store(), Directory::shard(), &Directory::key()).await;
    let (directory, _) = directory.unwrap().unwrap();
    assert_eq!(directory.active.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1]);
    assert_eq!(bench.live.snapshot().all().count(), 1);
    live::strike(bench.store(), 1).await.unwrap();
    live::strike(bench.store(), 1).await.unwrap();
    bench.refresh().await.unwrap();
    assert_eq!(bench.live.snapshot().all().count(), 0);
}

/// A part that gets to another process while its campaign is being accepted must come again, and not be turned away for good.
#[tokio::test]
async fn a_campaign_that_is_about_to_be_there_is_not_said_to_be_closed() {
    let bench = fleet().await;
    let live = bench.launch("a", "devices: {file: x}\n").await;
    // Its row is there, and what this process knows was read before.
    live::strike(bench.store(), live.seq).await.unwrap();
    bench.refresh().await.unwrap();
    let early = enroll_part(&bench, "operator", "a", 0, None, vec!["IMEI:1".to_owned()]).await;
    assert!(matches!(early, Err(Error::NotFound { .. })), "{early:?}");
}

/// A result that stands guards against the job, even if the device's row forgot it.
#[tokio::test]
async fn a_device_with_a_result_is_not_enrolled_again() {
    let bench = fleet().await;
    let live = bench.launch("a", "").await;
    let result = ResultRow {
        outcome: Outcome::Applied,
        at: campaign::time::Instant(1),
        attempts: 1,
        detail: None,
    };
    let change = Change::new()
        .put(id("IMEI:1").result_key(live.seq, 0), crate::rows::Stored::to_octets(&result));
    bench.commit(&id("IMEI:1"), change).await;
    enrol(&bench, "a", &["IMEI:1"]).await;
    assert!(bench.device(&id("IMEI:1")).await.0.jobs.is_empty());
    assert_eq!(bench.counters(live.seq).await, sums(&[]));
}

/// A document that cannot be read in one place is looked at in all others too.
#[tokio::test]
async fn every_mistake_of_a_document_is_told_at_once() {
    let bench = fleet().await;
    let text = document("a", "devcies: {group: x}\nsettings: [{uri: ./User/Ringtone, value: x}]\n");
    let problems = submit(&bench, &text, false).await.unwrap_err().problems().to_vec();
    assert!(problems.iter().any(|problem| problem.to_string().contains("devcies")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.path.contains("settings")), "{problems:?}");
}
