//! Messages that are odd rather than wrong (`wire/tests/vectors/bad/xml.jsonl`): what a session makes of them. Those that
//! it refuses are in `bad`.

use crate::{
    bad::{code_for, first_message, reply, scene, statuses, vector},
    scene::Came,
};
use session::AuthKind;
use wire::{digest::Nonce, ids::StatusTarget, message::Command};

/// C3: what old clients send opens a session like anything else.
#[test]
fn the_spellings_of_old_clients_open_a_session() {
    for name in [
        "b30-wrong-namespace",
        "b31-no-namespace",
        "b32-prefixed-ns",
        "b36-doctype-public",
        "b37-latin1",
        "b38-bom",
    ] {
        let (reply, _) = reply(scene("./Log").receive(&vector(name), false));
        assert_eq!(code_for(&reply, "SyncHdr"), 212, "{name}");
    }
}

#[test]
fn digests_need_no_format() {
    let mut scene = scene("./Log");
    scene.account.kind = AuthKind::Md5;
    scene.candidates.push(Nonce::from_base64("ABEiM0RVZneImaq7zN3u/w==").expect("16 octets"));
    let (reply, _) = reply(scene.receive(&vector("b42-cred-no-format"), false));
    assert_eq!(code_for(&reply, "SyncHdr"), 212);
}

#[test]
fn two_commands_of_one_name_get_a_status_each() {
    let (reply, _) = reply(scene("./Log").receive(&vector("b02-duplicate-cmdid"), false));
    let about: Vec<_> = statuses(&reply).filter(|it| it.about != StatusTarget::Header).collect();
    assert_eq!(about.len(), 2);
    assert_ne!(about[0].cmd, about[1].cmd, "each says which of the two it means");
}

#[test]
fn a_gap_is_passed_and_a_message_of_nothing_is_answered() {
    for name in ["b15-msgid-gap", "b44-empty-body"] {
        let mut scene = scene("./Log");
        let _opened = scene.receive(&first_message(), false);
        let (reply, _) = reply(scene.receive(&vector(name), true));
        assert!(matches!(code_for(&reply, "SyncHdr"), 200 | 212), "{name}");
    }
}

#[test]
fn a_message_that_comes_again_gets_the_same_answer() {
    let mut scene = scene("./Log");
    let _opened = scene.receive(&first_message(), false);
    let message = vector("b14-msgid-repeat");
    let (first, _) = reply(scene.receive(&message, true));
    let Came::Again(again) = scene.receive(&message, true) else { panic!("it is a repeat") };
    assert_eq!(again, first);
    assert!(!again.commands.iter().any(|command| matches!(command, Command::Atomic(_))));
}
