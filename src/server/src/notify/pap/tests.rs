//! Pushes against a small gateway of the tests: what it hears is compared octet for octet, what it answers is scripted.

use super::*;
use crate::dispatch::Pass;
use crate::{
    config::{self, Config, Route},
    notify::Attempt,
    rows::DeviceId,
};
use std::{path::PathBuf, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What the gateway heard.
struct Heard {
    head: String,
    body: Vec<u8>,
}

struct Ppg {
    listener: TcpListener,
    at: String,
}

impl Ppg {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap().to_string();
        Self { listener, at }
    }

    async fn accept(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }
}

async fn hear(stream: &mut TcpStream) -> Heard {
    let mut octets = Vec::new();
    loop {
        let end = octets.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8(octets[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
            });
            if octets.len() == end + 4 + length.unwrap() {
                return Heard { head, body: octets.split_off(end + 4) };
            }
        }
        assert_ne!(stream.read_buf(&mut octets).await.unwrap(), 0, "the request is whole");
    }
}

async fn answer(stream: &mut TcpStream, status: u16, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
}

fn vector(name: &str) -> Vec<u8> {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "wire", "tests", "vectors", name].iter().collect();
    std::fs::read(path).unwrap()
}

/// The body of the push of the vectors.
fn pushed() -> Vec<u8> {
    hex::decode(String::from_utf8(vector("pap/01-push-message.http-body.hex")).unwrap().trim())
        .unwrap()
}

fn settings(at: &[&str], more: &str) -> config::Pap {
    let urls: Vec<_> = at.iter().map(|at| format!("\"http://{at}/wappush\"")).collect();
    let text = format!(
        "[[route]]\nkind = \"pap\"\nname = \"ppg\"\nurls = [{}]\naddress = \"WAPPUSH=+{{msisdn}}/TYPE=PLMN@ppg.operator.example\"\n\
         initiator = \"dm.operator.example\"\nreceipts_url = \"https://dm.operator.example\"\n\
         receipts_token = \"0123456789abcdef\"\n{more}\n",
        urls.join(", ")
    );
    let config = Config::read("a test", &text, &[]).unwrap();
    match config.routes.into_iter().next() {
        Some(Route::Pap(pap)) => *pap,
        other => panic!("{other:?}"),
    }
}

fn route(at: &[&str], more: &str) -> PapRoute {
    let settings = settings(at, more);
    let results = settings.results_to("http://unused");
    crate::notify::open_pap(&settings, results).unwrap()
}

async fn device() -> Device {
    let bench = crate::workbench::Workbench::new().await;
    bench.register(&[r#"{"device":"IMEI:1","secret":"s","msisdn":"447700900123"}"#]).await;
    bench.device(&crate::workbench::id("IMEI:1")).await.0
}

struct Notice {
    id: DeviceId,
    device: Device,
    package0: Vec<u8>,
}

impl Notice {
    /// The notification of the vectors.
    async fn new() -> Self {
        let body = pushed();
        let parts = wire::pap::Parts::parse(&body).unwrap();
        let package0 = parts.parts[1].octets.to_vec();
        Self { id: DeviceId::new("operator", "IMEI:1"), device: device().await, package0 }
    }

    fn push(&self, number: u8) -> Push<'_> {
        Push {
            octets: &[],
            package0: &self.package0,
            reference: 0x1a2,
            validity: Duration::from_hours(1),
            urgent: true,
            attempt: Attempt { device: &self.id, seq: 7, run: 0, sid: 0x1a2, number },
        }
    }
}

fn now() -> Instant {
    Instant(Instant::parse("2024-05-01T10:00:00Z").unwrap().0 + 700)
}

/// C2: the whole request, against the vector of a push: only what names us, the id and the place for results differ.
#[tokio::test]
async fn a_notification_is_posted_octet_for_octet_as_a_push_message() {
    let ppg = Ppg::new().await;
    let route = route(&[&ppg.at], "user = \"pusher\"\npassword = \"secret\"");
    let notice = Notice::new().await;
    let push = notice.push(1);
    let (sent, heard) =
        tokio::join!(route.send(&notice.device, &push, now(), &Pass::Free), async {
            let mut stream = ppg.accept().await;
            let heard = hear(&mut stream).await;
            answer(&mut stream, 202, &vector("pap/02-push-response-accepted.xml")).await;
            heard
        });
    let id = sent.unwrap().pop().unwrap();
    let (digest, rest) = id.split_once('-').unwrap();
    assert_eq!((digest.len(), rest), (32, "1@dm.operator.example"));
    assert!(!id.contains("447700900123"), "the number stays out of logs");
    let mut expected = pushed();
    for (was, is) in [
        ("dm-boundary-7f3a", format!("reveille-{digest}").as_str()),
        ("dm-server", "Reveille"),
        ("dm-1a2-447700900123@dm.operator.example", &id),
        (" deliver-after-timestamp=\"2024-05-01T10:00:00Z\"", ""),
        (" source-reference=\"dm\"", ""),
        (" progress-notes-requested=\"false\"", ""),
        ("/pap/notify", "/pap/ppg/0123456789abcdef"),
    ] {
        expected = replace(&expected, was.as_bytes(), is.as_bytes());
    }
    assert_eq!(String::from_utf8_lossy(&heard.body), String::from_utf8_lossy(&expected));
    assert_eq!(heard.body, expected);
    let head = heard.head.to_ascii_lowercase();
    assert!(head.starts_with("post /wappush http/1.1\r\n"), "{head}");
    assert!(heard.head.contains("Basic cHVzaGVyOnNlY3JldA=="), "{head}");
    let kind = format!("multipart/related; boundary=reveille-{digest}; type=\"application/xml\"");
    assert!(head.contains(&format!("content-type: {kind}")), "{head}");
}

fn replace(octets: &[u8], was: &[u8], is: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::new();
    let mut rest = octets;
    while let Some(at) = rest.windows(was.len()).position(|window| window == was) {
        replaced.extend(&rest[..at]);
        replaced.extend(is);
        rest = &rest[at + was.len()..];
    }
    replaced.extend(rest);
    replaced
}

#[tokio::test]
async fn what_is_repeated_has_its_id_and_the_next_attempt_another() {
    let form = Form::new(&settings(&["127.0.0.1:1"], ""), None);
    let notice = Notice::new().await;
    let id = |push: &Push<'_>| form.submission(&notice.device, push, now()).unwrap().push_id;
    let first = id(&notice.push(1));
    assert_eq!(first, id(&notice.push(1)), "the gateway says that it has it");
    let second = id(&notice.push(2));
    assert_ne!(first, second, "or it would never be delivered");
    assert_eq!(
        first.split('-').next(),
        second.split('-').next(),
        "and people see what belongs together"
    );
    let mut other = notice.push(1);
    other.attempt.sid += 1;
    assert_ne!(first.split('-').next(), id(&other).split('-').next());
}

#[tokio::test]
async fn the_way_of_a_push_is_as_it_is_configured() {
    let settings = settings(&["127.0.0.1:1"], "");
    let settings = config::Pap {
        priority: config::PapPriority::Low,
        delivery_method: config::PapMethod::NotSpecified,
        network: String::new(),
        bearer: String::new(),
        application_id: "x-wap-application:syncml.dm;app-encoding=7".to_owned(),
        address: Some("WAPPUSH={imsi}/TYPE=USER@ppg".to_owned()),
        ..settings
    };
    let form = Form::new(&settings, None);
    let mut notice = Notice::new().await;
    let push = |notice: &Notice| {
        let push = Push { urgent: false, ..notice.push(1) };
        form.submission(&notice.device, &push, now())
    };
    let refused = push(&notice).unwrap_err();
    assert_eq!(refused.to_string(), "the device has no `imsi`, which the route's `address` names");
    assert_eq!(PapError::from(refused).remedy().0, Remedy::GiveUp);
    notice.device.imsi = Some("234159876543210".to_owned());
    let body = push(&notice).unwrap().body;
    let text = String::from_utf8_lossy(&body.octets);
    for said in [
        "address-value=\"WAPPUSH=234159876543210/TYPE=USER@ppg\"",
        "<quality-of-service priority=\"low\" delivery-method=\"notspecified\"/>",
        "X-Wap-Application-Id: x-wap-application:syncml.dm;app-encoding=7\r\n",
        "deliver-before-timestamp=\"2024-05-01T11:00:00Z\">",
    ] {
        assert!(text.contains(said), "{said} in {text}");
    }
}

/// HTTP status and body, and what is made of them.
type Case = (u16, Vec<u8>, Result<(), Remedy>, Standing);

/// The answers of the vectors, and all else that can come back.
#[tokio::test]
async fn each_answer_has_its_remedy() {
    let ppg = Ppg::new().await;
    let route = route(&[&ppg.at], "connections = 1");
    let notice = Notice::new().await;
    let push = notice.push(1);
    let of = |code: u16| {
        format!("<pap><push-response push-id=\"1@h\"><response-result code =\"{code}\"/></push-response></pap>")
            .into_bytes()
    };
    let accepted = vector("pap/02-push-response-accepted.xml");
    let query = vector("pap/13-statusquery-response.xml");
    let cases: Vec<Case> = vec![
        (202, accepted.clone(), Ok(()), Standing::Carries),
        (200, of(1000), Ok(()), Standing::Carries),
        (200, of(2007), Ok(()), Standing::Carries),
        (500, accepted, Ok(()), Standing::Carries),
        (
            202,
            vector("pap/03-push-response-address-error.xml"),
            Err(Remedy::GiveUp),
            Standing::Unknown,
        ),
        (400, vector("pap/04-badmessage-response.xml"), Err(Remedy::Mend), Standing::Fails),
        (202, of(2001), Err(Remedy::Mend), Standing::Fails),
        (202, of(3000), Err(Remedy::Later), Standing::Unknown),
        (202, of(4001), Err(Remedy::SlowDown), Standing::Unknown),
        (202, of(5028), Err(Remedy::Later), Standing::Unknown),
        (401, b"who?".to_vec(), Err(Remedy::Mend), Standing::Fails),
        (404, b"<html>".to_vec(), Err(Remedy::Mend), Standing::Fails),
        (302, Vec::new(), Err(Remedy::Mend), Standing::Fails),
        (429, Vec::new(), Err(Remedy::SlowDown), Standing::Unknown),
        (503, b"<html>".to_vec(), Err(Remedy::SlowDown), Standing::Fails),
        (502, b"<html>".to_vec(), Err(Remedy::Later), Standing::Fails),
        (200, b"<html>welcome</html>".to_vec(), Err(Remedy::Mend), Standing::Fails),
        (200, Vec::new(), Err(Remedy::Mend), Standing::Fails),
        (200, query, Err(Remedy::Mend), Standing::Fails),
    ];
    let server = async {
        // One connection serves them all.
        let mut stream = ppg.accept().await;
        for (status, body, ..) in &cases {
            hear(&mut stream).await;
            answer(&mut stream, *status, body).await;
        }
        stream
    };
    let client = async {
        for (status, body, wanted, standing) in &cases {
            let sent = route.send(&notice.device, &push, now(), &Pass::Free).await;
            let told = format!("{status} {}: {sent:?}", String::from_utf8_lossy(body));
            let stands = sent.as_ref().map_or_else(PapError::standing, |_| Standing::Carries);
            assert_eq!(stands, *standing, "{told}");
            assert_eq!(sent.map(drop).map_err(|error| error.remedy().0), *wanted, "{told}");
        }
    };
    tokio::join!(server, client);
}

#[tokio::test]
async fn a_kept_connection_that_the_gateway_closed_costs_no_push() {
    let ppg = Ppg::new().await;
    let route = route(&[&ppg.at], "connections = 1");
    let notice = Notice::new().await;
    let push = notice.push(1);
    let accepted = vector("pap/02-push-response-accepted.xml");
    let server = async {
        let mut stream = ppg.accept().await;
        hear(&mut stream).await;
        answer(&mut stream, 202, &accepted).await;
        // It takes the next request in and closes without a word.
        hear(&mut stream).await;
        drop(stream);
        let mut stream = ppg.accept().await;
        hear(&mut stream).await;
        answer(&mut stream, 202, &accepted).await;
        // A new connection that says nothing is another matter: the push may have been taken.
        hear(&mut stream).await;
        drop(stream);
        let mut stream = ppg.accept().await;
        hear(&mut stream).await;
        drop(stream);
    };
    let client = async {
        for _ in 0..2 {
            route.send(&notice.device, &push, now(), &Pass::Free).await.unwrap();
        }
        let error = route.send(&notice.device, &push, now(), &Pass::Free).await.unwrap_err();
        assert!(matches!(error, PapError::Trouble(Trouble::Unanswered(_))), "{error:?}");
    };
    tokio::join!(server, client);
}

#[tokio::test]
async fn a_gateway_that_is_away_is_passed_over_and_one_that_is_silent_is_given_up() {
    let (away, ppg) = (Ppg::new().await.at, Ppg::new().await);
    let route = route(&[&away, &ppg.at], "connections = 1\nresponse_timeout = \"100ms\"");
    let notice = Notice::new().await;
    let push = notice.push(1);
    let accepted = vector("pap/02-push-response-accepted.xml");
    let (sent, mut stream) =
        tokio::join!(route.send(&notice.device, &push, now(), &Pass::Free), async {
            let mut stream = ppg.accept().await;
            hear(&mut stream).await;
            answer(&mut stream, 202, &accepted).await;
            stream
        });
    sent.unwrap();
    let (sent, _) =
        tokio::join!(route.send(&notice.device, &push, now(), &Pass::Free), hear(&mut stream));
    let error = sent.unwrap_err();
    assert!(matches!(error, PapError::Trouble(Trouble::Unanswered(_))), "{error:?}");
    drop((stream, ppg));
    let error = route.send(&notice.device, &push, now(), &Pass::Free).await.unwrap_err();
    assert!(matches!(error, PapError::Trouble(Trouble::Unreachable(_))), "{error:?}");
    assert_eq!((error.remedy().0, error.standing()), (Remedy::Later, Standing::Fails));
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let ppg = Ppg::new().await;
    let route = route(&[&ppg.at], "connections = 1");
    let notice = Notice::new().await;
    let push = notice.push(1);
    let (sent, ()) = tokio::join!(route.send(&notice.device, &push, now(), &Pass::Free), async {
        let mut stream = ppg.accept().await;
        hear(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
        stream.write_all(head).await.unwrap();
        while stream.write_all(&[b' '; 4096]).await.is_ok() {}
    });
    let error = sent.unwrap_err();
    assert!(matches!(error, PapError::Trouble(Trouble::Unanswered(_))), "{error:?}");
}
