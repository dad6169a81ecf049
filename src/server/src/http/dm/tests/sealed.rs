//! Accounts that answer for every body by `x-syncml-hmac`, in both directions.

use super::world::{Phone, Reply, Server, XML};
use crate::registry::{self, Import};
use wire::{
    digest::{Nonce, SecretHash},
    hmac::Hmac,
};

const SERVER_PASSWORD: &str = "server horse";

async fn register(server: &Server, device: &str) {
    let password = Phone::PASSWORD;
    let line = format!(
        r#"{{"device":"{device}","auth":"hmac","secret":"{password}","server_auth":"hmac","server_secret":"{SERVER_PASSWORD}","server_nonce":"bm9uY2U="}}"#
    );
    let engine = server.running.engine();
    let import = Import {
        authority: Some("operator"),
        ..Import::json_lines(engine.store(), engine.vault(), engine.config())
    };
    let report = registry::import(&import, line.as_bytes()).await.unwrap();
    assert_eq!(report.imported, 1, "{report:?}");
}

fn mac(device: &str, password: &str, nonce: &Nonce, body: &str) -> String {
    Hmac::of(device, &SecretHash::of(device, password), nonce, body.as_bytes()).value()
}

async fn send(server: &Server, path: &str, body: &str, mac: Option<&str>) -> Reply {
    let mac = mac.map(|mac| format!("x-syncml-hmac: {mac}\r\n")).unwrap_or_default();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {XML}\r\n{mac}Content-Length: {}\r\n\r\n",
        body.len()
    );
    server.send(format!("{head}{body}").as_bytes()).await
}

/// R7; D5: a digest is good for its own body and once, a repeat gets the same octets and the same header, and whatever
/// proves nothing writes nothing.
#[tokio::test]
async fn an_hmac_session_is_sealed_in_both_directions_and_nothing_weaker_gets_in() {
    let server = Server::start("").await;
    register(&server, "IMEI:1").await;
    server.launch(&["IMEI:1"]).await;
    let (phone, path) = (Phone::new("IMEI:1", "5"), "/dm/operator");
    let before = server.written();
    let asked = server.say(&phone.hello(1, None)).await;
    assert_eq!(asked.code(), 407);
    let nonce = asked.nonce();
    assert_eq!(
        asked.headers.get("x-syncml-hmac"),
        None,
        "a challenge proves nothing of the server"
    );

    // The right digest in Cred, the right digest of another body, another password, no header at all, half a header.
    let hello = phone.hello(2, None);
    let right = mac("IMEI:1", Phone::PASSWORD, &nonce, &hello);
    assert_eq!(server.say(&phone.hello(2, Some(&phone.right(&nonce)))).await.code(), 401);
    let other = hello.replace("Maker", "Faker");
    assert_eq!(send(&server, path, &other, Some(&right)).await.code(), 401);
    let guessed = mac("IMEI:1", "guessed", &nonce, &hello);
    assert_eq!(send(&server, path, &hello, Some(&guessed)).await.code(), 401);
    assert_eq!(send(&server, path, &hello, None).await.code(), 407);
    assert_eq!(send(&server, path, &hello, Some("algorithm=MD5")).await.code(), 401);
    assert_eq!(server.written(), before);

    let opened = send(&server, path, &hello, Some(&right)).await;
    assert_eq!(opened.code(), 200);
    let seal = Hmac::parse(&opened.headers["x-syncml-hmac"]).unwrap();
    let ours = SecretHash::of(&seal.user, SERVER_PASSWORD);
    assert!(seal.proves(&ours, &Nonce::new(b"nonce").unwrap(), &opened.body));
    let again = send(&server, path, &hello, Some(&right)).await;
    assert_eq!(
        (&again.body, &again.headers["x-syncml-hmac"]),
        (&opened.body, &opened.headers["x-syncml-hmac"])
    );

    // Neither the token alone nor the nonce that was used opens the way for the next message.
    let (answer, token) = (phone.not_found(3, &opened.message()), opened.path());
    let before = server.written();
    assert_eq!(send(&server, &token, &answer, None).await.code(), 407);
    let stale = mac("IMEI:1", Phone::PASSWORD, &nonce, &answer);
    assert_eq!(send(&server, &token, &answer, Some(&stale)).await.code(), 401);
    assert_eq!(server.written(), before);
    let next = mac("IMEI:1", Phone::PASSWORD, &opened.nonce(), &answer);
    let went_on = send(&server, &token, &answer, Some(&next)).await;
    assert_eq!(went_on.code(), 200);
    assert_ne!(went_on.nonce(), opened.nonce());
    assert!(went_on.headers.contains_key("x-syncml-hmac"));
    server.stop().await;
}

/// D5: package 1 of a device that starts over may be the same octets, under the nonce that the lost session gave it. That is
/// no repeat: the old answer would give it the nonce which it has just used.
#[tokio::test]
async fn the_same_octets_under_another_nonce_begin_a_new_session() {
    let server = Server::start("").await;
    register(&server, "IMEI:1").await;
    server.launch(&["IMEI:1"]).await;
    let (phone, path) = (Phone::new("IMEI:1", "5"), "/dm/operator");
    let nonce = server.say(&phone.hello(1, None)).await.nonce();
    let hello = phone.hello(2, None);
    let right = mac("IMEI:1", Phone::PASSWORD, &nonce, &hello);
    let opened = send(&server, path, &hello, Some(&right)).await;

    let anew = mac("IMEI:1", Phone::PASSWORD, &opened.nonce(), &hello);
    let begun = send(&server, path, &hello, Some(&anew)).await;
    assert_eq!(begun.code(), 200);
    assert_ne!(begun.nonce(), opened.nonce());
    assert_ne!(begun.path(), opened.path(), "a session of its own");
    // Its own repeat is one; and whoever cannot prove the octets is not told what was answered to them.
    let again = send(&server, path, &hello, Some(&anew)).await;
    assert_eq!(again.body, begun.body);
    assert_eq!(send(&server, path, &hello, None).await.status, 400);
    let guessed = mac("IMEI:1", "guessed", &begun.nonce(), &hello);
    assert_eq!(send(&server, path, &hello, Some(&guessed)).await.code(), 401);
    server.stop().await;
}
