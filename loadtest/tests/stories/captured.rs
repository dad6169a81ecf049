//! What is on the wire, as the distribution's `tshark` reads it.

use crate::{
    short_messages::{document, route},
    world::{Plan, a_world},
};
use loadtest::{GatewayPlan, Mix, PushGateway, Smsc, SmscPlan};
use std::path::Path;
use tokio::process::Command;

const DEVICES: u64 = 5;
/// More than five campaigns of this size would fill.
const KEPT: usize = 1024 * 1024;

/// The values of fields, a line a packet, as `tshark` finds them in a capture, in which each PDU is a packet of its own.
async fn fields(capture: &[u8], filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("capture.pcap");
    std::fs::write(&file, capture).unwrap();
    let mut command = tshark(&file);
    command.args(["-Y", filter, "-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let read = command.output().await;
    let read = read
        .expect("tshark is there; install it with: apt-get install --no-install-recommends tshark");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let lines = String::from_utf8(read.stdout).unwrap();
    lines.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// A `tshark` that reads a file and nobody's preferences.
fn tshark(file: &Path) -> Command {
    let mut command = Command::new("tshark");
    command.env("HOME", file.parent().unwrap()).arg("-r").arg(file);
    command
}

/// R1: a reader that others wrote finds in each of our messages what was meant: a binary message with a user data header for
/// port 2948, in it a push of a notification for the DM client; and nothing malformed.
#[tokio::test(flavor = "multi_thread")]
async fn tshark_reads_our_short_messages_as_they_are_meant() {
    let plan = SmscPlan { traffic_kept: KEPT, ..SmscPlan::default() };
    let smsc = Smsc::start(plan).await.unwrap();
    let authorities = route(&smsc, "").replace("binds = 2", "binds = 1");
    let world = a_world(Plan { authorities, ..Plan::new(Mix::healthy(), DEVICES) }).await;
    smsc.serve(world.fleet.ears());
    let ending = world.run(&document("attempts: 1, answer_within: 1m")).await;
    assert_eq!(ending.count("applied"), DEVICES);
    let mut numbers: Vec<_> =
        (0..DEVICES).map(|index| world.fleet.identity(index).msisdn).collect();
    world.ends_well().await;
    let capture = smsc.capture();
    smsc.stop().await;

    let wanted = [
        "smpp.command_id",
        "smpp.destination_addr",
        "smpp.esm.submit.features",
        "smpp.data_coding",
        "smpp.regdel.receipt",
        "gsm_sms.destination_port",
        "gsm_sms.originator_port",
        "wsp.pdu_type",
        "wsp.headers_length",
        "wsp.header.content_type",
        "wsp.header.x_wap_application_id",
    ];
    let submitted = fields(&capture, "smpp.command_id == 4", &wanted).await;
    let mut found = Vec::new();
    for message in &submitted {
        let [
            command,
            number,
            features,
            coding,
            receipt,
            to,
            from,
            kind,
            length,
            content,
            application,
        ] = message.as_slice()
        else {
            panic!("{message:?}")
        };
        assert_eq!((command.as_str(), features.as_str()), ("0x00000004", "0x01"), "{message:?}");
        assert_eq!((coding.as_str(), receipt.as_str()), ("0x04", "0x01"), "{message:?}");
        assert_eq!((to.as_str(), from.as_str()), ("2948", "9200"), "{message:?}");
        assert_eq!((kind.as_str(), length.as_str()), ("0x06", "3"), "{message:?}");
        assert_eq!(content, "application/vnd.syncml.notification", "{message:?}");
        assert_eq!(application, "x-wap-application:syncml.dm", "{message:?}");
        found.push(number.clone());
    }
    found.sort_unstable();
    numbers.sort_unstable();
    assert_eq!(found, numbers);
    let kinds: Vec<_> = fields(&capture, "smpp", &["smpp.command_id"]).await.concat();
    for kind in ["0x00000009", "0x80000009", "0x80000004", "0x00000005", "0x80000005"] {
        assert!(kinds.iter().any(|packet| packet.contains(kind)), "{kind} in {kinds:?}");
    }
    let malformed =
        fields(&capture, "_ws.malformed || _ws.expert.severity == error", &["frame.number"]);
    assert_eq!(malformed.await, Vec::<Vec<String>>::new());
}

/// The same of pushes to a gateway: one POST of two parts, XML and package #0.
#[tokio::test(flavor = "multi_thread")]
async fn tshark_reads_our_pushes_as_they_are_meant() {
    let plan = GatewayPlan { traffic_kept: KEPT, ..GatewayPlan::default() };
    let gateway = PushGateway::start(plan).await.unwrap();
    let authorities = format!(
        "[[route]]\nkind = \"pap\"\nname = \"ppg\"\nurls = [\"{}\"]\nreceipts = false\n",
        gateway.url()
    );
    let world = a_world(Plan { authorities, ..Plan::new(Mix::healthy(), DEVICES) }).await;
    gateway.serve(world.fleet.ears());
    let ending = world.run(&document("attempts: 1, answer_within: 1m")).await;
    assert_eq!(ending.count("applied"), DEVICES);
    world.ends_well().await;
    let capture = gateway.capture();
    gateway.stop().await;

    let wanted = [
        "http.request.method",
        "http.content_type",
        "mime_multipart.header.content-type",
        "xml.tag",
        "media.type",
    ];
    let pushes = fields(&capture, "http.request", &wanted).await;
    assert_eq!(pushes.len(), usize::try_from(DEVICES).unwrap());
    for push in &pushes {
        assert_eq!(push[0], "POST");
        assert!(push[1].starts_with("multipart/related; boundary="), "{push:?}");
        assert!(push[2].contains("application/xml"), "{push:?}");
        assert!(push[2].contains("application/vnd.syncml.notification"), "{push:?}");
        for element in ["<pap", "<push-message", "<address", "<quality-of-service"] {
            assert!(push[3].contains(element), "{element} in {push:?}");
        }
        assert!(!push[4].is_empty(), "{push:?}");
    }
    let answers = fields(&capture, "http.response", &["http.response.code", "xml.tag"]).await;
    assert_eq!(answers.len(), pushes.len());
    assert!(answers.iter().all(|answer| answer[1].contains("<push-response")), "{answers:?}");
    let malformed =
        fields(&capture, "_ws.malformed || _ws.expert.severity == error", &["frame.number"]);
    assert_eq!(malformed.await, Vec::<Vec<String>>::new());
}
