//! Many peers at once that cost the server what they can: others are served meanwhile, and what they cost is bounded.

use super::world::{Phone, Server, Socket, XML, post};
use crate::http::bodies::LARGE_AT_ONCE;
use tokio::io::AsyncWriteExt;

fn request() -> Vec<u8> {
    post("/dm/operator", XML, Phone::new("IMEI:1", "5").hello(1, None).as_bytes())
}

/// A request whose body never ends: it says `length` octets and sends `sent`.
fn unfinished(length: usize, sent: usize) -> Vec<u8> {
    let whole = post("/dm/operator", XML, &vec![b' '; length]);
    whole[..whole.len() - (length - sent)].to_vec()
}

#[tokio::test]
async fn a_thousand_connections_that_never_send_hold_up_nobody() {
    let server = Server::start("max_connections = 1100").await;
    server.register(&["IMEI:1"]).await;
    let mut silent = Vec::new();
    for index in 0..1000 {
        let mut socket = Socket::open(server.at()).await;
        // Some say nothing, some a little, some all but the end.
        let said: &[u8] = match index % 3 {
            0 => b"",
            1 => b"POST /dm/operator HTTP/1.1\r\nHost: x\r\n",
            _ => &unfinished(9_000, 8_000),
        };
        socket.write(said).await;
        silent.push(socket);
    }
    let (_, opened) = Phone::new("IMEI:1", "5").open(&server).await;
    assert_eq!(opened.code(), 212, "a device is served all the same");
    drop(silent);
    server.stop().await;
}

/// Memory is bounded by the places for large bodies, not by the connections.
#[tokio::test]
async fn large_bodies_that_never_end_take_only_their_own_places() {
    let server = Server::start("hold = \"200ms\"\nbody_wait = \"30s\"").await;
    let mut large = Vec::new();
    for _ in 0..LARGE_AT_ONCE {
        let mut socket = Socket::open(server.at()).await;
        socket.write(&unfinished(200_000, 20_000)).await;
        large.push(socket);
    }
    // One more waits for a place in vain, as soon as all of those have theirs.
    let more = unfinished(200_000, 20_000);
    let refused = loop {
        let mut socket = Socket::open(server.at()).await;
        drop(socket.stream.write_all(&more).await);
        let answer = tokio::time::timeout(std::time::Duration::from_secs(1), socket.reply()).await;
        if let Ok(Some(reply)) = answer {
            break reply;
        }
    };
    assert_eq!((refused.status, refused.headers["retry-after"].as_str()), (503, "30"));
    assert_eq!(server.send(&request()).await.code(), 407, "small ones need no place");
    drop(large);
    let padded = format!("{}{}", Phone::new("IMEI:1", "5").hello(1, None), " ".repeat(100_000));
    let whole = post("/dm/operator", XML, padded.as_bytes());
    while server.send(&whole).await.status == 503 {}
    assert_eq!(server.send(&whole).await.code(), 407, "the places are free again");
    server.stop().await;
}

#[tokio::test]
async fn headers_that_come_octet_by_octet_end_in_time() {
    let server = Server::start("header_wait = \"300ms\"").await;
    let mut socket = Socket::open(server.at()).await;
    let drip = async {
        for octet in request().chunks(1) {
            // The peer is as slow as it can be: it sends when it hears that nothing has come.
            if socket.stream.write_all(octet).await.is_err() {
                return;
            }
            let nothing = std::time::Duration::from_millis(20);
            let answer = tokio::time::timeout(nothing, socket.stream.readable()).await;
            if answer.is_ok() {
                return;
            }
        }
        panic!("all of it was waited for");
    };
    drip.await;
    assert!(socket.reply().await.is_none_or(|reply| reply.status == 408));
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_ends_in_the_middle_of_its_body_is_let_go() {
    let server = Server::start("").await;
    let request = request();
    for cut in [1, 50, 500] {
        let mut socket = Socket::open(server.at()).await;
        socket.write(&request[..request.len() - cut]).await;
        socket.stream.shutdown().await.unwrap();
        assert!(socket.reply().await.is_none_or(|reply| reply.status == 400), "{cut}");
    }
    assert_eq!(server.send(&request).await.code(), 407);
    server.stop().await;
}

/// Invariant 6: what a device only says of itself, without proof, is stored nowhere: neither an alert nor its leaving.
#[tokio::test]
async fn what_is_told_without_proof_is_stored_nowhere() {
    let server = Server::start("").await;
    server.register(&["IMEI:1"]).await;
    let before = server.written();
    let phone = Phone::new("IMEI:1", "5");
    let alert = |code: u16, kind: &str| {
        format!(
            "<Alert><CmdID>4</CmdID><Data>{code}</Data><Item><Meta><Type xmlns=\"syncml:metinf\">{kind}</Type>\
             <Mark xmlns=\"syncml:metinf\">critical</Mark></Meta><Data>1</Data></Item></Alert>"
        )
    };
    let hello = phone.hello(1, None);
    for told in [
        alert(1226, "com.microsoft:mdm.unenrollment.userrequest"),
        alert(1224, "com.acme.fault:battery"),
        alert(1223, ""),
        "<Results><CmdID>4</CmdID><MsgRef>1</MsgRef><CmdRef>1</CmdRef><Item><Source><LocURI>./A</LocURI></Source>\
         <Data>x</Data></Item></Results>"
            .to_owned(),
    ] {
        let said = hello.replace("<Final/>", &format!("{told}<Final/>"));
        assert_eq!(server.say(&said).await.code(), 407, "{told}");
    }
    assert_eq!(server.written(), before);
    server.stop().await;
}
