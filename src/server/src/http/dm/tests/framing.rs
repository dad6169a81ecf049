//! What is no message: each thing that can be wrong around one and in one has its status, and costs little.

use super::world::{Phone, Server, Socket, WBXML, XML, post, until, wbxml};
use std::{fmt::Write as _, sync::atomic::Ordering};
use tokio::io::AsyncWriteExt;

fn hello() -> String {
    Phone::new("IMEI:1", "5").hello(1, None)
}

/// A request with these header lines.
fn raw(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("POST /dm/operator HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n").as_bytes(), body].concat()
}

fn typed(kind: &str, more: &str, body: &[u8]) -> Vec<u8> {
    raw(&format!("Content-Type: {kind}\r\nContent-Length: {}{more}", body.len()), body)
}

#[tokio::test]
async fn each_wrong_request_has_its_status() {
    let server = Server::start("").await;
    server.register(&["IMEI:1"]).await;
    let hello = hello();
    let said = hello.as_bytes();
    let named =
        |name: &str| typed(XML, "", hello.replace("IMEI:1<", &format!("{name}<")).as_bytes());
    let before = server.written();
    let wrong: Vec<(&str, Vec<u8>, u16)> = vec![
        ("no content type", raw(&format!("Content-Length: {}", said.len()), said), 415),
        ("another content type", typed("text/xml", "", said), 415),
        ("a content type that is no text", typed("\u{ff}", "", said), 415),
        (
            "compressed",
            typed(XML, "\r\nContent-Encoding: gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
            415,
        ),
        ("no body", raw(&format!("Content-Type: {XML}"), b""), 400),
        ("an empty body", typed(XML, "", b""), 400),
        ("an empty WBXML body", typed(WBXML, "", b""), 400),
        ("XML that calls itself WBXML", typed(WBXML, "", said), 400),
        ("WBXML that calls itself XML", typed(XML, "", &wbxml(&hello)), 400),
        ("a length too small", typed(XML, "", said).replace_length(said.len(), 40), 400),
        (
            "a length that is none",
            raw(&format!("Content-Type: {XML}\r\nContent-Length: many"), said),
            400,
        ),
        ("two lengths", typed(XML, "\r\nContent-Length: 7", said), 400),
        ("another authority", post("/dm/nobody", XML, said), 404),
        ("no authority", post("/dm/", XML, said), 404),
        ("a path that climbs", post("/dm/../dm/operator", XML, said), 404),
        ("a short token", post("/dm/operator/abcd", XML, said), 404),
        (
            "a token that is no number",
            post(&format!("/dm/operator/{}", "x".repeat(32)), XML, said),
            404,
        ),
        ("a long token", post(&format!("/dm/operator/{}", "a".repeat(34)), XML, said), 404),
        ("another method", b"GET /dm/operator HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), 405),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), 400),
        ("no name", named(""), 400),
        ("a name longer than any row", named(&"x".repeat(129)), 400),
        ("a message of nothing", typed(XML, "", b"<SyncML/>"), 400),
        ("half a header", typed(XML, "", &said[..said.len() / 2]), 400),
    ];
    for (what, request, status) in wrong {
        let mut socket = Socket::open(server.at()).await;
        // Who is refused half-way cannot send the rest.
        drop(socket.stream.write_all(&request).await);
        let reply = socket.reply().await;
        assert_eq!(reply.map(|reply| reply.status), Some(status), "{what}");
    }
    // The server hangs up in the middle, so its answer may be lost with what was still on its way.
    let mut socket = Socket::open(server.at()).await;
    drop(socket.stream.write_all(&raw(&format!("X: {}", "x".repeat(1 << 20)), b"")).await);
    assert!(socket.reply().await.is_none_or(|reply| reply.status == 431), "a header without end");
    assert_eq!(server.written(), before);
    assert_eq!(server.say(&hello).await.code(), 407, "and the door stands");
    server.stop().await;
}

trait Lie {
    fn replace_length(self, from: usize, to: usize) -> Self;
}

impl Lie for Vec<u8> {
    fn replace_length(self, from: usize, to: usize) -> Self {
        let text = String::from_utf8(self).unwrap();
        text.replacen(&format!("Content-Length: {from}"), &format!("Content-Length: {to}"), 1)
            .into_bytes()
    }
}

#[tokio::test]
async fn documents_that_grow_when_they_are_read_are_refused() {
    let server = Server::start("").await;
    let mut bomb = "<?xml version=\"1.0\"?><!DOCTYPE SyncML [<!ENTITY a0 \"ha\">".to_owned();
    for n in 1..40 {
        write!(bomb, "<!ENTITY a{n} \"&a{p};&a{p};\">", p = n - 1).unwrap();
    }
    bomb += "]><SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><SessionID>&a39;</SessionID></SyncHdr></SyncML>";
    let file = "<!DOCTYPE SyncML [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><SyncML>&f;</SyncML>";
    let deep = format!("<SyncML>{}", "<Item>".repeat(40_000));
    let wide = format!("<SyncML>{}</SyncML>", "<Final/>".repeat(30_000));
    // SyncML, SyncBody, and then Item in Item; a string table of four gigabytes; an opaque of as many.
    let deep_wbxml = [b"\x02\xA4\x01\x6A\x00\x6D\x6B".to_vec(), vec![0x54; 100_000]].concat();
    let table = b"\x02\xA4\x01\x6A\x8F\xFF\xFF\xFF\x7F\x6D".to_vec();
    let opaque = b"\x02\xA4\x01\x6A\x00\x6D\x6B\xC3\x8F\xFF\xFF\xFF\x7F".to_vec();
    for (what, kind, body) in [
        ("a bomb", XML, bomb.into_bytes()),
        ("a file", XML, file.as_bytes().to_vec()),
        ("deep", XML, deep.into_bytes()),
        ("wide", XML, wide.into_bytes()),
        ("deep WBXML", WBXML, deep_wbxml),
        ("a string table", WBXML, table),
        ("an opaque", WBXML, opaque),
    ] {
        let reply = server.send(&post("/dm/operator", kind, &body)).await;
        assert_eq!(reply.status, 400, "{what}");
        assert!(reply.body.len() < 1000, "{what}: the refusal is short");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_body_in_chunks_is_a_body() {
    let server = Server::start("").await;
    let mut request =
        format!("Content-Type: {XML}; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunk in hello().as_bytes().chunks(97) {
        write!(request, "{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap())
            .unwrap();
    }
    let request = format!("POST /dm/operator HTTP/1.1\r\nHost: x\r\n{request}0\r\n\r\n");
    assert_eq!(server.send(request.as_bytes()).await.code(), 407);
    let broken = request.replacen("61\r\n", "zz\r\n", 1);
    assert_eq!(server.send(broken.as_bytes()).await.status, 400);
    server.stop().await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_taken_in() {
    let server = Server::start("").await;
    let most = server.running.engine().config().http.devices.max_body;
    let declared = raw(&format!("Content-Type: {XML}\r\nContent-Length: {}", 1_u64 << 40), b"");
    assert_eq!(server.send(&declared).await.status, 413, "before one octet of it is sent");

    let mut socket = Socket::open(server.at()).await;
    socket.write(&raw(&format!("Content-Type: {XML}\r\nTransfer-Encoding: chunked"), b"")).await;
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000)).into_bytes();
    let mut sent = 0;
    while sent < 256 * most && socket.stream.write_all(&chunk).await.is_ok() {
        sent += chunk.len();
    }
    assert!(sent < 256 * most, "the server took all of it");
    let exact = format!("{}{}", hello(), " ".repeat(most - hello().len()));
    assert_eq!(server.say(&exact).await.code(), 407, "what just fits is taken");
    assert_eq!(server.say(&format!("{exact} ")).await.status, 413);
    server.stop().await;
}

#[tokio::test]
async fn what_follows_a_message_on_its_connection_harms_nobody() {
    let server = Server::start("").await;
    let good = post("/dm/operator", XML, hello().as_bytes());
    let mut socket = Socket::open(server.at()).await;
    socket.write(&[good.as_slice(), &good, b"\0\xffnonsense\r\n\r\n"].concat()).await;
    assert_eq!(socket.reply().await.unwrap().code(), 407);
    assert_eq!(socket.reply().await.unwrap().code(), 407);
    assert_eq!(socket.reply().await.unwrap().status, 400);
    assert!(socket.ended().await);
    // A refused message ends its connection: what comes behind it might be the rest of it.
    let mut socket = Socket::open(server.at()).await;
    let cut = post("/dm/operator", XML, &hello().as_bytes()[..99]);
    socket.write(&[cut.as_slice(), &good].concat()).await;
    assert_eq!(socket.reply().await.unwrap().status, 400);
    assert!(socket.reply().await.is_none());
    server.stop().await;
}

/// A device that leaves before its answer is not counted as being served for ever.
#[tokio::test]
async fn devices_that_hang_up_leave_nothing_behind() {
    let server = Server::start("").await;
    server.register(&["IMEI:1"]).await;
    let whole = post("/dm/operator", XML, hello().as_bytes());
    for part in (0..300).map(|n| whole.len() - n % 3) {
        let mut socket = Socket::open(server.at()).await;
        socket.write(&whole[..part]).await;
        drop(socket);
    }
    let load = server.running.engine().load();
    until(async || load.in_flight.load(Ordering::Relaxed) == 0).await;
    assert_eq!(server.say(&hello()).await.code(), 407);
    assert!(!load.full());
    server.stop().await;
}
