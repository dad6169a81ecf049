//! Results that a push proxy gateway posts: to whom knows the path, about what was pushed, answered so that it stops.

use super::world::{Server, Socket, post, until};
use crate::{
    campaigns,
    registry::{self, Import},
    rows::{Device, DeviceId, Stored},
    store::{Shard, Table},
};
use campaign::job::Job;
use std::path::PathBuf;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const TOKEN: &str = "0123456789abcdef";
const XML: &str = "application/xml";

fn settings(more: &str) -> String {
    format!(
        "[[route]]\nkind = \"pap\"\nname = \"ppg\"\nurls = [\"http://127.0.0.1:1/\"]\nreceipts_token = \"{TOKEN}\"\n{more}"
    )
}

fn vector(name: &str) -> Vec<u8> {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "wire", "tests", "vectors", name].iter().collect();
    std::fs::read(path).unwrap()
}

fn to(route: &str, token: &str, body: &[u8]) -> Vec<u8> {
    post(&format!("/pap/{route}/{token}"), XML, body)
}

/// C2
#[tokio::test]
async fn a_result_is_answered_octet_for_octet_so_that_the_gateway_stops() {
    let server = Server::start(&settings("")).await;
    let expected = String::from_utf8(vector("pap/09-resultnotification-response.xml")).unwrap();
    for name in ["05", "06", "07", "08"] {
        let name = ["delivered", "expired", "undeliverable", "aborted"]
            .iter()
            .zip(5..)
            .find(|(_, number)| format!("{number:02}") == name)
            .map(|(state, _)| format!("pap/{name}-resultnotification-{state}.xml"))
            .unwrap();
        let reply = server.send(&to("ppg", TOKEN, &vector(&name))).await;
        assert_eq!(reply.status, 200, "{name}");
        assert_eq!(reply.headers["content-type"], XML);
        // The files end their lines as files do, the wire as mail does.
        assert_eq!(
            String::from_utf8(reply.body).unwrap(),
            expected.replace('\n', "\r\n"),
            "{name}"
        );
    }
    server.running.stop().await;
}

#[tokio::test]
async fn who_does_not_know_the_path_posts_no_result() {
    let elsewhere = settings("receipts_from = [\"10.0.0.0/8\"]").replace("\"ppg\"", "\"far\"");
    let deaf = settings("receipts = false").replace("\"ppg\"", "\"deaf\"");
    let server = Server::start(&format!("{}\n{elsewhere}\n{deaf}", settings(""))).await;
    let result = vector("pap/05-resultnotification-delivered.xml");
    for (what, request, wanted) in [
        ("another token", to("ppg", "0123456789abcdeF", &result), 404),
        ("no token", to("ppg", "", &result), 404),
        ("another route", to("udp", TOKEN, &result), 404),
        ("a route that asks for none", to("deaf", TOKEN, &result), 404),
        ("another network", to("far", TOKEN, &result), 403),
        ("no document", to("ppg", TOKEN, b"hello"), 400),
        ("another document", to("ppg", TOKEN, &vector("pap/10-cancel-message.xml")), 400),
        ("too much", to("ppg", TOKEN, &vec![b' '; 70 * 1024]), 413),
    ] {
        let reply = server.send(&request).await;
        assert_eq!(reply.status, wanted, "{what}");
        if wanted == 400 {
            let told = String::from_utf8(reply.body).unwrap();
            assert!(told.contains("<badmessage-response code=\""), "{what}: {told}");
        }
    }
    server.running.stop().await;
}

/// R23, C2: from a campaign over the gateway to the result that brings the next attempt forward.
#[tokio::test]
async fn a_push_that_the_gateway_gives_up_makes_its_job_wait_for_the_next_attempt() {
    let ppg = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = ppg.local_addr().unwrap().to_string();
    let server = Server::start(&settings("").replace("127.0.0.1:1", &at)).await;
    let engine = server.running.engine();
    let import = Import::json_lines(engine.store(), engine.vault(), engine.config());
    let line = br#"{"device":"IMEI:1","secret":"s","msisdn":"447700900123"}"#;
    registry::import(&import, line.as_slice()).await.unwrap();
    let text = "campaign: push\nauthority: operator\npurpose: a test\ndevices: {list: [\"IMEI:1\"]}\n\
                settings: [{uri: ./A/B, value: \"1\"}]\nwhen: {expires: 2099-01-01T00:00:00Z}\n";
    campaigns::submit(engine, text, false).await.unwrap();
    let (mut stream, _) = ppg.accept().await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"--\r\n") {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0);
    }
    let said = String::from_utf8_lossy(&heard).into_owned();
    let between = |from: &str| said.split_once(from).unwrap().1.split_once('"').unwrap().0;
    let push_id = between("push-id=\"");
    let results_to = between("ppg-notify-requested-to=\"");
    assert_eq!(results_to, format!("http://{}/pap/ppg/{TOKEN}", server.at()));
    let was = "dm-1a2-447700900123@dm.operator.example";
    let about = |name| String::from_utf8(vector(name)).unwrap().replace(was, push_id).into_bytes();
    let accepted = about("pap/02-push-response-accepted.xml");
    let head = format!("HTTP/1.1 202 Accepted\r\nContent-Length: {}\r\n\r\n", accepted.len());
    stream.write_all(&[head.as_bytes(), &accepted].concat()).await.unwrap();
    let job = async || {
        let id = DeviceId::new("operator", "IMEI:1");
        let shard = Shard::of(&id.root());
        let row = engine.store().read(shard, &[id.key(Table::Device)]).await.unwrap().remove(0);
        Device::from_octets(&row.unwrap().bytes).unwrap().jobs[0].job
    };
    until(async || matches!(job().await, Job::Notified { .. })).await;
    let undeliverable = to("ppg", TOKEN, &about("pap/07-resultnotification-undeliverable.xml"));
    let mut socket = Socket::open(server.at()).await;
    until(async || {
        // A gateway repeats itself; what came before the notice of the push was kept is looked at again later.
        socket.write(&undeliverable).await;
        assert_eq!(socket.reply().await.expect("an answer").status, 200);
        matches!(job().await, Job::Waiting { so_far, .. } if so_far.attempts == 1)
    })
    .await;
    server.running.stop().await;
}
