//! A fleet on real sockets, with a scripted server on the other side.

use super::*;
use crate::{
    faults::Mix,
    scripted::{self, Script},
    verdict::{Rule, push::tests::push},
};
use std::sync::atomic::Ordering;
use std::{
    collections::HashMap,
    net::UdpSocket,
    sync::{Mutex, atomic::AtomicU32},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What the scripted server does besides answering rightly.
#[derive(Debug, Default)]
struct Manners {
    /// So many connections are closed without an answer.
    drops: AtomicU32,
    /// So many requests get 503.
    busy: AtomicU32,
    /// Sends orders that no server may send.
    rude: bool,
}

/// A server for devices of one plan: reads a node, writes it, is content.
struct Server {
    mix: Mix,
    seed: u64,
    /// By device: its script, and how far it is.
    sessions: Mutex<HashMap<String, (Script, usize)>>,
    manners: Manners,
}

impl Server {
    async fn start(mix: Mix, manners: Manners) -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/dm/operator", listener.local_addr().unwrap());
        let server = Arc::new(Self { mix, seed: 1, sessions: Mutex::default(), manners });
        let serving = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = Arc::clone(&serving);
                tokio::spawn(async move { server.connection(stream).await });
            }
        });
        (server, url)
    }

    async fn connection(&self, mut stream: TcpStream) -> Option<()> {
        let mut octets = Vec::new();
        loop {
            let (head, body) = loop {
                if let Some(end) = octets.windows(4).position(|window| window == b"\r\n\r\n") {
                    let head = String::from_utf8(octets[..end].to_vec()).unwrap();
                    let length =
                        head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
                    let whole = end + 4 + length.unwrap().parse::<usize>().unwrap();
                    if octets.len() >= whole {
                        let body = octets[end + 4..whole].to_vec();
                        octets.drain(..whole);
                        break (head, body);
                    }
                }
                if stream.read_buf(&mut octets).await.ok()? == 0 {
                    return None;
                }
            };
            let spend = |count: &AtomicU32| {
                count
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok()
            };
            if spend(&self.manners.drops) {
                return None;
            }
            let (status, reply) = if spend(&self.manners.busy) {
                (
                    "503 Busy
Retry-After: 1",
                    Vec::new(),
                )
            } else {
                ("200 OK", self.reply(&body))
            };
            let media_type = head.lines().find(|line| line.starts_with("Content-Type")).unwrap();
            let answer = format!(
                "HTTP/1.1 {status}\r\n{media_type}\r\ncontent-length: {}\r\n\r\n",
                reply.len()
            );
            stream.write_all(&[answer.as_bytes(), &reply].concat()).await.ok()?;
        }
    }

    fn reply(&self, body: &[u8]) -> Vec<u8> {
        let encoding =
            if body.starts_with(b"<") { wire::Encoding::Xml } else { wire::Encoding::Wbxml };
        let request = encoding.read(body, &wire::Limits::default()).unwrap();
        let device = request.header.source.loc_uri.clone();
        let index = identity::index_of_name(&device).unwrap();
        let mut sessions = self.sessions.lock().unwrap();
        let (script, step) = sessions.entry(device.to_string()).or_insert_with(|| {
            let identity = Identity::of(self.seed, index, &self.mix, "dm.operator.example");
            (Script::new(&identity), 0)
        });
        let orders = match step {
            0 => scripted::get(100, "./AP/GW/Addr"),
            1 if self.manners.rude => scripted::write("Replace", 100, "./User/Ringtone", "drums"),
            1 => scripted::write("Replace", 100, "./AP/GW/Addr", "10.20.0.1"),
            _ => String::new(),
        };
        *step += 1;
        let xml = script.accept(&request, &orders);
        script.encode(&xml)
    }
}

async fn fleet(devices: u64, mix: Mix, url: String) -> Fleet {
    Fleet::start(FleetPlan { mix, ..FleetPlan::new(devices, url) }).await.unwrap()
}

/// Notifies a device as the product would: from anywhere, to its own address.
fn notify(fleet: &Fleet, index: u64) {
    let identity = fleet.identity(index);
    let octets = push(&identity, "dm.operator.example", &identity.first_server_nonce, 7);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&octets, (identity.address, fleet.udp_port())).unwrap();
}

/// Waits for a state of the fleet; a test that waits in vain ends by its runner's limit.
async fn until(fleet: &Fleet, reached: impl Fn(&FleetReport) -> bool) -> FleetReport {
    loop {
        let report = fleet.report();
        if reached(&report) {
            return report;
        }
        tokio::task::yield_now().await;
    }
}

// R1, R17: a notification leads to a session without anybody touching the device.
#[tokio::test]
async fn notified_devices_come_and_are_configured() {
    let mix = Mix::healthy();
    let (_server, url) = Server::start(mix.clone(), Manners::default()).await;
    let fleet = fleet(20, mix, url).await;
    for index in 0..20 {
        notify(&fleet, index);
    }
    let report = until(&fleet, |report| report.sessions == 20).await;
    assert_eq!(report.breaches.first, []);
    assert_eq!(report.sessions_by_end.get("complete"), Some(&20));
    assert_eq!((report.writes, report.messages), (20, 60));
    assert_eq!(report.notified_to_session.count, 20);
    assert_eq!(report.message.count, 60);
    for index in 0..20 {
        assert_eq!(fleet.node(index, "./AP/GW/Addr").as_deref(), Some("10.20.0.1"));
        assert_eq!(fleet.sessions_of(index), 1);
    }
    notify(&fleet, 3);
    let report = until(&fleet, |report| report.notifications == 21).await;
    assert_eq!(report.sessions, 20, "the session of this notification is done");
    fleet.stop().await;
}

// R11: a device connects by itself.
#[tokio::test]
async fn a_device_connects_by_itself() {
    let mix = Mix::healthy();
    let (_server, url) = Server::start(mix.clone(), Manners::default()).await;
    let fleet = fleet(5, mix, url).await;
    assert_eq!(fleet.connect(4).await, Some(End::Complete));
    assert_eq!(fleet.connect(5).await, None, "there is no such device");
    assert_eq!(fleet.stop().await.sessions, 1);
}

#[tokio::test]
async fn polling_devices_come_without_being_asked() {
    let mix = Mix { polls: 1.0, ..Mix::healthy() };
    let (_server, url) = Server::start(mix.clone(), Manners::default()).await;
    let plan =
        FleetPlan { mix, polls_every: Some(Duration::from_millis(64)), ..FleetPlan::new(10, url) };
    let fleet = Fleet::start(plan).await.unwrap();
    until(&fleet, |report| report.sessions >= 10).await;
    assert!((0..10).all(|index| fleet.sessions_of(index) > 0));
    fleet.stop().await;
}

#[tokio::test]
async fn a_message_without_an_answer_is_sent_again_and_a_busy_server_is_given_time() {
    let manners = Manners { drops: AtomicU32::new(2), busy: AtomicU32::new(1), rude: false };
    let (_server, url) = Server::start(Mix::healthy(), manners).await;
    let fleet = fleet(1, Mix::healthy(), url).await;
    assert_eq!(fleet.connect(0).await, Some(End::Complete));
    let report = fleet.stop().await;
    assert_eq!((report.repeats, report.busy), (2, 1));
    assert_eq!(report.breaches.count, 0);
}

// R8: the octets of a breach are in the report.
#[tokio::test]
async fn a_breach_is_reported_with_its_octets() {
    let mix = Mix::healthy();
    let (_server, url) =
        Server::start(mix.clone(), Manners { rude: true, ..Manners::default() }).await;
    let fleet = fleet(1, mix, url).await;
    fleet.connect(0).await;
    let report = fleet.stop().await;
    assert_eq!(report.breaches.by_rule.get(&Rule::UserOwned), Some(&1));
    let breach = &report.breaches.first[0];
    assert_eq!((breach.device, breach.rule), (Some(0), Rule::UserOwned));
    assert!(
        breach.octets.len() > 100 && breach.octets.bytes().all(|digit| digit.is_ascii_hexdigit())
    );
    assert!(breach.what.contains("./User/Ringtone"), "{}", breach.what);
}

#[tokio::test]
async fn a_plan_that_makes_no_sense_is_refused() {
    let plan = || FleetPlan::new(10, "http://127.0.0.1:1/dm");
    for plan in [
        FleetPlan { devices: 0, ..plan() },
        FleetPlan { dm_url: "https://127.0.0.1/".to_owned(), ..plan() },
        FleetPlan { server_id: "an identifier that is too long".to_owned(), ..plan() },
    ] {
        assert!(Fleet::start(plan).await.is_err());
    }
}
