//! Who may do what: challenges, credentials, tokens, repeats. Whoever has not proven himself leaves no trace.

use super::world::{PATIENCE, Phone, Reply, Server, WBXML, XML, post, wbxml};
use crate::{
    clock::stopwatch,
    http::brake::Brake,
    rows::DeviceId,
    store::{Change, Shard, Table},
};
use std::sync::atomic::Ordering;

/// An answer without what must differ from device to device and from moment to moment.
fn shape(reply: &Reply, phone: &Phone) -> (u16, Vec<(String, String)>, String) {
    let body = String::from_utf8(reply.body.clone()).unwrap();
    let body = body.replace(&reply.nonce().to_base64(), "NONCE").replace(&phone.device, "DEVICE");
    let headers = reply.headers.iter().filter(|(name, _)| *name != "date");
    (reply.status, headers.map(|(name, value)| (name.clone(), value.clone())).collect(), body)
}

/// R27: nobody can find out which devices there are.
#[tokio::test]
async fn a_stranger_is_challenged_like_a_known_device() {
    let server = Server::start("").await;
    server.register(&["IMEI:1"]).await;
    let (known, stranger) = (Phone::new("IMEI:1", "5"), Phone::new("IMEI:9", "5"));
    let mut shapes = Vec::new();
    for phone in [&known, &stranger] {
        let asked = server.say(&phone.hello(1, None)).await;
        assert_eq!(asked.code(), 407);
        assert_eq!(asked.nonce().octets().len(), 16);
        let wrong = server.say(&phone.hello(2, Some(&phone.cred("guessed", &asked.nonce())))).await;
        assert_eq!(wrong.code(), 401);
        let again = server.say(&phone.hello(1, None)).await;
        assert_eq!(again.nonce(), asked.nonce(), "the same nonce within its period");
        shapes.push((shape(&asked, phone), shape(&wrong, phone)));
    }
    assert_eq!(shapes[0], shapes[1]);
    assert!(!shapes[0].0.2.contains("<Cred>"), "a challenge carries no credentials of the server");
    server.stop().await;
}

/// D5: never a lock-out; and whoever is held back takes nobody's place.
#[tokio::test]
async fn guessing_becomes_slow_and_holds_up_nobody_else() {
    let server = Server::start("max_in_flight = 1").await;
    server.register(&["IMEI:1", "IMEI:2"]).await;
    let phone = Phone::new("IMEI:1", "5");
    let nonce = server.say(&phone.hello(1, None)).await.nonce();
    let guess = phone.hello(2, Some(&phone.cred("guessed", &nonce)));
    for _ in 0..Brake::FREE {
        assert_eq!(server.say(&guess).await.code(), 401);
    }
    let watch = stopwatch();
    let (slow, other) = tokio::join!(server.say(&guess), async {
        let (_, reply) = Phone::new("IMEI:2", "5").open(&server).await;
        (reply.code(), watch.elapsed())
    });
    assert_eq!(slow.code(), 401);
    assert!(watch.elapsed() >= Brake::PAUSE);
    assert!(other.1 < Brake::PAUSE, "another device waited {:?}", other.1);
    assert_eq!(server.say(&phone.hello(2, Some(&phone.right(&nonce)))).await.code(), 212);
    server.stop().await;
}

/// D5: what opened one session opens no other, whatever the message around it says.
#[tokio::test]
async fn the_same_credentials_never_open_a_second_session() {
    let server = Server::start("").await;
    server.register(&["IMEI:1"]).await;
    server.launch(&["IMEI:1"]).await;
    let phone = Phone::new("IMEI:1", "5");
    let nonce = server.say(&phone.hello(1, None)).await.nonce();
    let cred = phone.right(&nonce);
    let opened = server.say(&phone.hello(2, Some(&cred))).await;
    assert_eq!(opened.code(), 212);
    let before = server.written();
    for session in ["5", "6"] {
        for msg in [1, 3, 9] {
            let reply = server.say(&Phone::new("IMEI:1", session).hello(msg, Some(&cred))).await;
            assert_eq!(reply.code(), 401, "session {session}, message {msg}");
        }
    }
    assert_eq!(server.written(), before);
    // The session that was opened is none the worse for it.
    let answer = phone.not_found(3, &opened.message());
    assert_eq!(server.send(&post(&opened.path(), XML, answer.as_bytes())).await.code(), 200);
    assert_eq!(server.say(&Phone::new("IMEI:1", "7").hello(1, Some(&cred))).await.code(), 401);
    server.stop().await;
}

/// D5: the nonce given beside 212 opens the next session at once, one time.
#[tokio::test]
async fn the_nonce_that_was_given_opens_one_more_session() {
    let server = Server::start("").await;
    server.register(&["IMEI:1"]).await;
    let (_, opened) = Phone::new("IMEI:1", "5").open(&server).await;
    let next = Phone::new("IMEI:1", "6");
    let cred = next.right(&opened.nonce());
    let reply = server.say(&next.hello(1, Some(&cred))).await;
    assert_eq!(reply.code(), 212);
    assert_ne!(reply.nonce(), opened.nonce());
    assert_eq!(server.say(&Phone::new("IMEI:1", "7").hello(1, Some(&cred))).await.code(), 401);
    server.stop().await;
}

/// R18: a session is kept for a while, and a device that was cut off for longer asks for an answer that is gone with it. It is not
/// turned away: it proves itself, and goes on.
#[tokio::test]
async fn a_device_that_asks_for_an_answer_that_is_not_kept_any_more_is_challenged() {
    let server = Server::start("").await;
    server.register(&["IMEI:1"]).await;
    server.launch(&["IMEI:1"]).await;
    let phone = Phone::new("IMEI:1", "5");
    let (_, opened) = phone.open(&server).await;
    let said = phone.not_found(3, &opened.message());
    let request = post(&opened.path(), XML, said.as_bytes());
    assert_eq!(server.send(&request).await.code(), 200);
    let id = DeviceId::new("operator", "IMEI:1");
    let gone = vec![Change::new().delete(id.key(Table::Session))];
    server.running.engine().store().commit(Shard::of(&id.root()), gone).await.unwrap();
    let asked = server.send(&request).await;
    assert_eq!((asked.status, asked.code()), (200, 407));
    let proven = phone.hello(4, Some(&phone.right(&asked.nonce())));
    assert_eq!(server.say(&proven).await.code(), 212);
    server.stop().await;
}

/// R18: a lost answer is asked for with the same message, and is the same to the octet.
#[tokio::test]
async fn a_repeated_message_gets_the_same_octets_and_no_other_place_in_the_session_does() {
    let server = Server::start("").await;
    server.register(&["IMEI:1"]).await;
    server.launch(&["IMEI:1"]).await;
    let phone = Phone::new("IMEI:1", "5");
    let (hello, opened) = phone.open(&server).await;
    let mut answer = opened.clone();
    let mut said = (hello, "/dm/operator".to_owned());
    for msg in [3, 4] {
        let before = server.written();
        let again = server.send(&post(&said.1, XML, said.0.as_bytes())).await;
        assert_eq!((again.body, again.status), (answer.body.clone(), answer.status));
        assert_eq!(again.headers["content-type"], answer.headers["content-type"]);
        let last = msg - 1;
        let path = opened.path();
        for (number, words) in
            [(last, "another body with the number of the last"), (last - 1, "an older number")]
        {
            let other =
                phone.message(number, None, "<Alert><CmdID>7</CmdID><Data>1226</Data></Alert>");
            let reply = server.send(&post(&path, XML, other.as_bytes())).await;
            // Number 1 is a new beginning, and proves nothing here.
            let expected = if number == 1 { 200 } else { 400 };
            assert_eq!(reply.status, expected, "{words}");
        }
        assert_eq!(server.written(), before, "nothing of that was stored");
        let next = phone.not_found(msg, &answer.message());
        answer = server.send(&post(&path, XML, next.as_bytes())).await;
        assert_eq!(answer.code(), 200);
        said = (next, path);
    }
    assert_eq!(server.running.engine().load().repeats.load(Ordering::Relaxed), 2);
    server.stop().await;
}

/// Invariant 6: a device's message can only move the jobs of that device.
#[tokio::test]
async fn a_token_is_good_for_its_own_session_alone() {
    let server = Server::start("").await;
    server.register(&["IMEI:1", "IMEI:2"]).await;
    server.launch(&["IMEI:1", "IMEI:2"]).await;
    let (one, two) = (Phone::new("IMEI:1", "5"), Phone::new("IMEI:2", "5"));
    let (_, first) = one.open(&server).await;
    let (_, second) = two.open(&server).await;
    let before = server.written();
    let answer = one.not_found(3, &first.message());
    let nobody = format!("/dm/operator/{}", "0".repeat(32));
    for path in [second.path(), nobody, "/dm/operator".to_owned()] {
        let reply = server.send(&post(&path, XML, answer.as_bytes())).await;
        assert_eq!(reply.code(), 407, "{path}");
    }
    // Nor does the token speak for a session that is still to come, or for a name that is not its own.
    let later = Phone::new("IMEI:1", "6").hello(1, None);
    assert_eq!(server.send(&post(&first.path(), XML, later.as_bytes())).await.code(), 407);
    assert_eq!(server.written(), before);
    assert_eq!(server.send(&post(&first.path(), XML, answer.as_bytes())).await.code(), 200);
    server.stop().await;
}

/// Whoever holds the token and still shows wrong credentials is told so a few times, and then the session is over.
#[tokio::test]
async fn wrong_credentials_beside_the_right_token_end_the_session() {
    let server = Server::start("").await;
    server.register(&["IMEI:1"]).await;
    server.launch(&["IMEI:1"]).await;
    let phone = Phone::new("IMEI:1", "5");
    let (_, opened) = phone.open(&server).await;
    for msg in 3..6 {
        let wrong = phone.message(msg, Some(&phone.cred("guessed", &opened.nonce())), "");
        assert_eq!(server.send(&post(&opened.path(), XML, wrong.as_bytes())).await.code(), 401);
    }
    assert_eq!(
        Phone::new("IMEI:1", "6").open(&server).await.1.code(),
        212,
        "and the next one begins"
    );
    server.stop().await;
}

/// Invariant 6: an unauthenticated message writes nothing.
#[tokio::test]
async fn nothing_is_written_for_whoever_has_not_proven_himself() {
    let server = Server::start("").await;
    server.register(&["IMEI:1", "IMEI:2"]).await;
    server.launch(&["IMEI:1", "IMEI:2"]).await;
    let (idle, busy, stranger) =
        (Phone::new("IMEI:1", "5"), Phone::new("IMEI:2", "5"), Phone::new("IMEI:9", "5"));
    let (hello, opened) = busy.open(&server).await;
    let before = server.written();
    for phone in [&idle, &busy, &stranger] {
        let nonce = server.say(&phone.hello(1, None)).await.nonce();
        let (guessed, others) =
            (phone.cred("guessed", &nonce), Phone::new("IMEI:7", "5").right(&nonce));
        for (cred, msg) in [(None, 1), (None, 2), (None, 3), (None, u32::MAX)].into_iter().chain([
            (Some(&guessed), 1),
            (Some(&guessed), 3),
            (Some(&others), 1),
            (Some(&others), 9),
        ]) {
            let said = phone.hello(msg, cred);
            server.say(&said).await;
            server
                .say(&said.replace("DM/1.2", "DM/9.9").replace("<VerDTD>1.2", "<VerDTD>9.9"))
                .await;
        }
        let said = phone.hello(1, None);
        for end in (0..said.len()).step_by(41) {
            assert_eq!(server.say(&said[..end]).await.status, 400, "cut at {end}");
        }
        let said = wbxml(&said);
        for end in (0..said.len()).step_by(11) {
            assert_eq!(
                server.send(&post("/dm/operator", WBXML, &said[..end])).await.status,
                400,
                "cut at {end}"
            );
        }
        // One octet other than it was, anywhere: whatever it is then, it proves nothing.
        for place in (0..said.len()).step_by(5) {
            let mut said = said.clone();
            said[place] ^= 0x15;
            let status = server.send(&post("/dm/operator", WBXML, &said)).await.status;
            assert!(matches!(status, 200 | 400), "{status} for a change at {place}");
        }
    }
    assert_eq!(
        server.say(&hello).await.body,
        opened.body,
        "a repeat is answered from what is stored"
    );
    assert_eq!(server.written(), before);
    assert!(server.calls().read > 100, "they were looked at, all the same");
    let load = server.running.engine().load();
    assert_eq!(load.in_flight.load(Ordering::Relaxed), 0);
    tokio::time::timeout(PATIENCE, server.stop()).await.unwrap();
}
