//! The wanted reactions to messages that no client should send (`wire/tests/vectors/bad/xml.jsonl`), as far as they
//! are the session's to give.

use crate::{
    bench::Bench,
    scene::{Came, Scene},
};
use session::{AuthKind, JobRef, News, Plan};
use std::path::Path;
use wire::{
    digest::SecretHash,
    ids::StatusTarget,
    message::{Command, Message, Status},
    uri::LocUri,
};

/// The constants of the vectors.
const USER: &str = "352099001761481";
const PASSWORD: &str = "Kq7-client-secret";

pub(crate) fn vector(name: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/vectors/bad");
    std::fs::read(directory.join(format!("{name}.xml"))).expect("the vector is there")
}

/// A server that asks for `node` as soon as it may.
pub(crate) fn scene(node: &str) -> Scene {
    let job = JobRef { seq: 1, run: 0 };
    let plan = Plan {
        job,
        query: vec![LocUri::parse(node).expect("an address")],
        keep: Vec::new(),
        conditional: true,
        atomic: session::Atomic::Never,
        prove: session::Prove::Status,
        ask: None,
        skip: None,
        tell: false,
    };
    let mut scene =
        Scene::new(Bench { plans: vec![plan], settings: [(job, Ok(Vec::new()))].into() });
    scene.account.kind = AuthKind::Basic;
    scene.account.secret = SecretHash::of(USER, PASSWORD);
    scene
}

pub(crate) fn reply(came: Came) -> (Message, Vec<News>) {
    match came {
        Came::Reply { reply, news, .. } => (reply, news),
        Came::Again(_) | Came::BadRequest => panic!("it is neither a repeat nor old"),
    }
}

pub(crate) fn statuses(reply: &Message) -> impl Iterator<Item = &Status> {
    reply.commands.iter().filter_map(|command| match command {
        Command::Status(status) => Some(status),
        _ => None,
    })
}

/// The code for the first command of that name; 0 when there is none.
pub(crate) fn code_for(reply: &Message, cmd: &str) -> u16 {
    let found = statuses(reply).find(|status| status.cmd == cmd);
    found.and_then(|status| status.code).map_or(0, wire::status::StatusCode::code)
}

#[test]
fn bad_first_messages_get_the_code_that_fits() {
    for (name, cmd, code) in [
        ("b01-missing-cmdid", "Alert", 400),
        ("b03-cmdid-zero", "Alert", 400),
        ("b04-no-alert", "SyncHdr", 212),
        ("b05-no-devinfo", "SyncHdr", 212),
        ("b06-final-first", "SyncHdr", 212),
        ("b07-two-final", "SyncHdr", 212),
        ("b08-unknown-element", "Frobnicate", 501),
        ("b09-client-sends-get", "Get", 405),
        ("b10-client-sends-exec", "Exec", 405),
        ("b29-wrong-verdtd", "SyncHdr", 505),
        ("b40-cred-garbage", "SyncHdr", 401),
        ("b41-cred-unknown-type", "SyncHdr", 401),
    ] {
        let (reply, _) = reply(scene("./Log").receive(&vector(name), false));
        assert_eq!(code_for(&reply, cmd), code, "{name}");
    }
}

#[test]
fn an_unknown_alert_and_one_without_its_type_are_told_apart_from_the_good_one() {
    for (name, codes) in [("b27-unknown-alert", [200, 406]), ("b28-alert-1226-no-type", [200, 412])]
    {
        let (reply, news) = reply(scene("./Log").receive(&vector(name), false));
        let alerts = statuses(&reply).filter(|status| status.cmd == "Alert");
        let found: Vec<u16> =
            alerts.filter_map(|status| status.code).map(wire::status::StatusCode::code).collect();
        assert_eq!(found, codes, "{name}");
        assert!(!news.iter().any(|item| matches!(item, News::Event(_))));
    }
}

#[test]
fn a_command_without_a_name_is_answered_without_one() {
    let (reply, _) = reply(scene("./Log").receive(&vector("b01-missing-cmdid"), false));
    let alert = statuses(&reply).find(|status| status.cmd == "Alert").expect("a status");
    assert_eq!(alert.about, StatusTarget::Unnamed);
}

#[test]
fn bad_results_are_refused_and_never_taken_for_a_value() {
    for (name, node, code) in [
        ("b19-results-without-get", "./Log", 404),
        ("b20-moredata-no-size", "./Log", 411),
        ("b22-size-huge", "./Log", 416),
        ("b23-size-mismatch", "./Log", 424),
        ("b26-dotdot-uri", "./B", 400),
        ("b17-status-unknown-ref", "./Log", 0),
        ("b18-status-no-code", "./Log", 0),
    ] {
        let mut scene = scene(node);
        // One command in the first message, so that our first Get is command 3, as the vectors have it.
        let first = first_message();
        let (opened, _) = reply(scene.receive(&first, false));
        let gets = opened.commands.iter().filter(|command| matches!(command, Command::Get(_)));
        assert_eq!(
            gets.filter_map(Command::id).map(ToString::to_string).collect::<Vec<_>>(),
            ["3"],
            "{name}"
        );
        let Came::Reply { reply, ends, .. } = scene.receive(&vector(name), true) else {
            panic!("{name}")
        };
        assert_eq!(code_for(&reply, "Results"), code, "{name}");
        assert!(ends.iter().all(|end| end.read.is_empty()), "{name}");
    }
}

#[test]
fn odd_values_are_taken_as_they_come() {
    for (name, value) in [("b24-bad-base64", "@@not-base64@@"), ("b25-bad-format-value", "x")] {
        let mut scene = scene("./Pic");
        scene.receive(&first_message(), false);
        let Came::Reply { ends, .. } = scene.receive(&vector(name), true) else { panic!("{name}") };
        assert_eq!(ends[0].read, [("./Pic".to_owned(), value.to_owned())], "{name}");
    }
}

#[test]
fn another_devices_message_proves_nothing_in_this_session() {
    let mut scene = scene("./Log");
    scene.receive(&first_message(), false);
    let (reply, news) = reply(scene.receive(&vector("b13-session-hijack"), false));
    assert_eq!(code_for(&reply, "SyncHdr"), 407);
    assert_eq!(news, [News::Refused]);
}

/// Package 1 of the vectors with Basic credentials and nothing but DevInfo.
pub(crate) fn first_message() -> Vec<u8> {
    let text = String::from_utf8(vector("b03-cmdid-zero")).expect("text");
    let (before, rest) = text.split_once("<Alert>").expect("an alert");
    let (_, after) = rest.split_once("</Alert>").expect("its end");
    format!("{before}{after}").into_bytes()
}
