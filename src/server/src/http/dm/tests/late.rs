//! Two processes over one store, one of which hears of a campaign a little later than the other.

use super::world::{Phone, XML};
use crate::{
    config::Authority,
    controller,
    door::{self, Answer, Request},
    enroll,
    rows::Device,
    store::Verdict,
    turn::Turn,
    workbench::{Workbench, id},
};
use campaign::job::Job;
use session::Mac;
use wire::{
    Encoding, Limits, MediaType,
    digest::Nonce,
    ids::SessionId,
    message::{Command, Message},
};

/// Says it at the devices' door of this process.
async fn say(at: &Workbench, text: &str) -> Message {
    let message = Encoding::Xml.read(text.as_bytes(), &Limits::default()).unwrap();
    let authority: &Authority = at.config().authority("operator").unwrap();
    let request = Request {
        authority,
        media: MediaType::parse(XML).unwrap(),
        token: None,
        confidential: true,
        message: &message,
        mac: Mac::Absent,
        body_digest: super::super::body_digest(text.as_bytes(), Mac::Absent),
        body_octets: text.len(),
    };
    let body = match door::receive(at, &request).await.unwrap() {
        Answer::Document { answer, .. } => answer.body,
        Answer::Refused { body, .. } => body,
        Answer::Stale => panic!("stale"),
    };
    Encoding::Xml.read(&body, &Limits::default()).unwrap()
}

fn challenge(message: &Message) -> Nonce {
    let nonce = message.commands.iter().find_map(|command| match command {
        Command::Status(status) => status.chal.as_ref()?.next_nonce.as_deref(),
        _ => None,
    });
    Nonce::from_base64(nonce.unwrap()).unwrap()
}

async fn job(bench: &Workbench, seq: u64) -> Job {
    let (device, _): (Device, _) = bench.device(&id("IMEI:1")).await;
    device.job(seq).unwrap().job
}

/// C1: a device is notified by one process as soon as its campaign runs, and comes to another that has not heard of that yet. It
/// is worked on all the same: else its job would wait for a device that was here.
#[tokio::test]
async fn a_device_that_was_notified_is_worked_on_wherever_it_comes() {
    let one = Workbench::new().await;
    let password = Phone::PASSWORD;
    one.register(&[&format!(r#"{{"device":"IMEI:1","user":"IMEI:1","secret":"{password}"}}"#)])
        .await;
    let other = one.beside().await;
    one.launch("a", "").await;
    // What it knows: there is a campaign, and it is being enrolled.
    other.refresh().await.unwrap();
    for _ in 0..2 {
        controller::judge(&one, &one.live_campaign("a")).await.unwrap();
    }
    let live = one.live_campaign("a");
    enroll::enrol_names(&one, &live, &["IMEI:1".to_owned()]).await.unwrap();
    let (device, revision) = one.device(&id("IMEI:1")).await;
    let (sid, now) = (device.next_sid, one.store.now().await.unwrap());
    let mut turn = Turn::new(id("IMEI:1"), device, revision, now);
    turn.step(live.seq, |job| job.on_notified(sid, now, &live.terms));
    assert_eq!(one.commit(&id("IMEI:1"), turn.into_change()).await, Verdict::Done);
    assert!(live.state.may_begin() && !other.live_campaign("a").state.may_begin());

    let phone = Phone::new("IMEI:1", SessionId::from_notification(sid).as_str());
    let challenged = say(&other, &phone.hello(1, None)).await;
    say(&other, &phone.hello(2, Some(&phone.right(&challenge(&challenged))))).await;
    assert!(matches!(job(&other, live.seq).await, Job::InSession { .. }));
}

/// Of many devices that come at the same time, one lets look for all.
#[tokio::test]
async fn what_was_looked_up_since_is_not_looked_up_again() {
    let bench = Workbench::new().await;
    bench.refresh().await.unwrap();
    let now = bench.store.now().await.unwrap();
    bench.refresh_since(now.plus(std::time::Duration::from_millis(1))).await.unwrap();
    let reads = bench.store.calls().read;
    bench.refresh_since(now).await.unwrap();
    assert_eq!(bench.store.calls().read, reads);
}
