//! Programs of others take our notifications: a short message centre from the registry of crates (`smpp34`), and a push proxy
//! gateway from the distribution's packages (`kannel`, see `scripts/have-packages`).

use crate::{
    process::a_port,
    short_messages::document,
    world::{Plan, World, a_world},
};
use async_trait::async_trait;
use loadtest::{Ears, Mix, Smsc, SmscPlan};
use smpp34::{
    SmppConnectionInformation, SmppServer, SmppServerListener, TlvTag, bind_transceiver,
    bind_transceiver_resp, server::ESME, submit_sm, submit_sm_resp,
};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    process::Stdio,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

/// What the foreign centre does with what it has read: it hands the push over and sends a receipt.
#[derive(Default)]
struct Centre {
    ears: OnceLock<Ears>,
    bound: Mutex<HashMap<String, Arc<ESME>>>,
    messages: AtomicU32,
    /// What was not as it has to be, in the words of the other program's fields.
    wrong: Mutex<Vec<String>>,
}

#[async_trait]
impl SmppServerListener for Centre {
    async fn on_bind_transceiver(
        &self,
        bind: bind_transceiver,
        _at: &SmppConnectionInformation,
        _session: &String,
    ) -> bind_transceiver_resp {
        assert_eq!((bind.system_id.as_str(), bind.password.as_str()), ("reveille", "secret"));
        bind.accept("foreign".to_owned(), Some(0x34))
    }

    async fn on_esme_bound(&self, esme: ESME, session: &String) {
        self.bound.lock().unwrap().insert(session.clone(), Arc::new(esme));
    }

    async fn on_submit_sm(
        &self,
        message: submit_sm,
        _at: &SmppConnectionInformation,
        session: &String,
    ) -> submit_sm_resp {
        let fields = [
            ("source", message.source_addr == "DMSRV"),
            ("destination type", (message.dest_addr_ton, message.dest_addr_npi) == (1, 1)),
            ("esm_class", message.esm_class == 0x40),
            ("data_coding", message.data_coding == 4),
            ("registered_delivery", message.registered_delivery == 1),
            ("validity", message.validity_period == "000000000100000R"),
            ("header", message.short_message.starts_with(b"\x06\x05\x04\x0B\x84\x23\xF0")),
            ("parameters", message.tlvs.is_empty()),
        ];
        let wrong = fields.iter().filter(|(_, right)| !right).map(|(field, _)| (*field).to_owned());
        self.wrong.lock().unwrap().extend(wrong);
        let ears = self.ears.get().unwrap();
        let device = ears.device(&message.destination_addr).unwrap();
        let (_header, push) = message.short_message.split_at(7);
        ears.hear(device, push);
        let id = format!("{:08x}", self.messages.fetch_add(1, Ordering::Relaxed));
        let esme = self.bound.lock().unwrap().get(session).map(Arc::clone);
        if let Some(esme) = esme {
            let (number, id) = (message.destination_addr.clone(), id.clone());
            tokio::spawn(async move {
                let told = esme
                    .deliver_sm()
                    .source_addr(number)
                    .esm_class(0x04)
                    .short_message(format!("id:{id} stat:DELIVRD").into_bytes())
                    .tlv(TlvTag::MessageStateTlv, [2])
                    .send()
                    .await;
                // The end of the story may come first.
                drop(told);
            });
        }
        message.accept(id)
    }
}

/// R1: the messages are read by a centre that shares nothing with us, field by field, and wake the devices.
#[tokio::test(flavor = "multi_thread")]
async fn a_short_message_centre_that_others_wrote_takes_our_messages() {
    let port = a_port();
    let centre = Arc::new(Centre::default());
    let heard: Arc<dyn SmppServerListener + Send + Sync> = Arc::<Centre>::clone(&centre);
    let mut server = SmppServer::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port, heard);
    server.start().await;
    let authorities = format!(
        "[[route]]\nkind = \"smpp\"\nname = \"foreign\"\nhosts = [\"127.0.0.1:{port}\"]\nsystem_id = \"reveille\"\n\
         password = \"secret\"\nsource = \"DMSRV\"\nper_second = 100\nbinds = 2\n"
    );
    let world = a_world(Plan { authorities, ..Plan::new(Mix::healthy(), 60) }).await;
    centre.ears.set(world.fleet.ears()).unwrap();
    let ending = world.run(&document("attempts: 2, answer_within: 1m")).await;
    assert_eq!(ending.count("applied"), 60);
    world.ends_well().await;
    server.stop().await;
    assert_eq!(*centre.wrong.lock().unwrap(), Vec::<String>::new());
    assert_eq!(centre.messages.load(Ordering::Relaxed), 60);
}

/// Kannel: a bearerbox that binds to our simulated centre, and a wapbox whose push proxy gateway takes PAP.
struct Kannel {
    _boxes: [Child; 2],
    home: tempfile::TempDir,
    pap: u16,
}

impl Kannel {
    async fn start(smsc: &Smsc) -> Self {
        let home = tempfile::tempdir().unwrap();
        let [admin, smsbox, wapbox, sendsms, pap] = [(); 5].map(|()| a_port());
        let centre = smsc.address().port();
        let settings = format!(
            "
group = core
admin-port = {admin}
smsbox-port = {smsbox}
wapbox-port = {wapbox}
admin-password = unused
box-allow-ip = \"127.0.0.1\"

group = smsc
smsc = smpp
host = 127.0.0.1
port = {centre}
transceiver-mode = true
smsc-username = \"reveille\"
smsc-password = \"secret\"
system-type = \"\"
address-range = \"\"

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
global-sender = 12345

group = wapbox
bearerbox-host = 127.0.0.1
syslog-level = none

group = ppg
ppg-url = /wappush
ppg-port = {pap}
ppg-allow-ip = \"127.0.0.1\"
concurrent-pushes = 100
trusted-pi = true
users = 0
"
        );
        let file = home.path().join("kannel.conf");
        std::fs::write(&file, settings).unwrap();
        let start = |name: &str| {
            let log = std::fs::File::create(home.path().join(format!("{name}.log"))).unwrap();
            Command::new(format!("/usr/sbin/{name}"))
                .arg("-v")
                .arg("1")
                .arg(&file)
                .current_dir(home.path())
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .kill_on_drop(true)
                .spawn()
                .expect("kannel is there; install it with: scripts/have-packages kannel")
        };
        let bearerbox = start("bearerbox");
        listening(wapbox).await;
        let wapbox = start("wapbox");
        listening(pap).await;
        Self { _boxes: [bearerbox, wapbox], home, pap }
    }
}

impl Kannel {
    /// The end of what its two programs have to say.
    fn said(&self) -> String {
        let said = ["bearerbox", "wapbox"].map(|name| {
            let log =
                std::fs::read_to_string(self.home.path().join(format!("{name}.log"))).unwrap();
            let lines: Vec<_> = log.lines().rev().take(60).collect();
            format!("{name}:\n{}\n", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
        });
        said.concat()
    }
}

/// Waits until something listens on a port.
async fn listening(port: u16) {
    let waiting = async {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_mins(1), waiting).await;
    waited.unwrap_or_else(|_late| panic!("nothing listens on port {port}"));
}

async fn a_world_behind(kannel: &Kannel) -> World {
    let authorities = format!(
        "[[route]]\nkind = \"pap\"\nname = \"kannel\"\nurls = [\"http://127.0.0.1:{}/wappush\"]\nreceipts = false\nper_second = 100\n",
        kannel.pap
    );
    a_world(Plan { authorities, ..Plan::new(Mix::healthy(), 40) }).await
}

/// R1: a gateway that others wrote takes our pushes, makes messages of its own of them and binds to our centre with them. This
/// one writes the content type in letters, which the handsets of this story read, and sends further headers of the request on
/// over the air; one message is enough all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_gateway_that_others_wrote_takes_our_pushes() {
    let smsc = Smsc::start(SmscPlan { foreign: true, ..SmscPlan::default() }).await.unwrap();
    let kannel = Kannel::start(&smsc).await;
    let world = a_world_behind(&kannel).await;
    smsc.serve(world.fleet.ears());
    let ending = world.run(&document("attempts: 3, answer_within: 20s")).await;
    assert_eq!(ending.count("applied"), 40, "{:?}\n{}", smsc.report(), kannel.said());
    world.ends_well().await;
    let report = smsc.stop().await;
    assert_eq!(report.breaches.count, 0, "{:#?}", report.breaches.first);
    assert!(report.pushes >= 40 && report.pushes_in_parts == 0, "{report:?}");
}
