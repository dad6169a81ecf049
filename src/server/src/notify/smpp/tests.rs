//! Links and routes against a small SMSC of the tests: what it hears is counted, what it answers is scripted.

use super::*;
use crate::dispatch::Pass;
use futures_util::{SinkExt, StreamExt};
use rusmpp::{
    Command, CommandId, CommandStatus, Pdu,
    pdus::{BindTransceiverResp, DeliverSm, SubmitSm, SubmitSmResp},
    tokio_codec::CommandCodec,
    types::{COctetString, OctetString},
    values::EsmClass,
};
use std::str::FromStr;
use submission::Origin;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::Framed;

type Wire = Framed<TcpStream, CommandCodec>;

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    (listener, at)
}

fn settings(host: String) -> Settings {
    Settings {
        name: "smsc".to_owned(),
        hosts: vec![host],
        system_id: "reveille".to_owned(),
        password: "secret".to_owned().into(),
        system_type: String::new(),
        mode: Mode::Transceiver,
        binds: 1,
        window: 4,
        connect_timeout: Duration::from_secs(5),
        response_timeout: Duration::from_secs(5),
        enquire_link: Duration::from_secs(30),
        tls: None,
        receipt_id: ReceiptId::HexToDec,
        receipts: true,
        long_references: false,
        segmentation: Segmentation::Udh,
    }
}

fn sender() -> Sender {
    let origin = Origin {
        source: "DMSRV",
        ton: None,
        npi: None,
        service_type: "",
        data_coding: 4,
        segmentation: Segmentation::Udh,
        receipts: true,
    };
    Sender::new(&origin).unwrap()
}

fn notice(push: &[u8]) -> Notice<'_> {
    Notice {
        number: "447700900123",
        push,
        reference: 7,
        validity: Duration::from_mins(10),
        urgent: false,
    }
}

/// Takes a connection and its bind.
async fn bound(listener: &TcpListener) -> Wire {
    let (stream, _) = listener.accept().await.unwrap();
    let mut wire = Framed::new(stream, CommandCodec::new());
    let bind = wire.next().await.unwrap().unwrap();
    let Some(Pdu::BindTransceiver(asked)) = bind.pdu() else { panic!("{bind:?}") };
    assert_eq!((asked.system_id.as_str(), asked.password.as_str()), ("reveille", "secret"));
    answer(&mut wire, &bind, CommandStatus::EsmeRok, BindTransceiverResp::default()).await;
    wire
}

async fn answer(wire: &mut Wire, to: &Command, status: CommandStatus, pdu: impl Into<Pdu>) {
    wire.send(Command::new(status, to.sequence_number(), pdu)).await.unwrap();
}

async fn submit(wire: &mut Wire) -> (Command, SubmitSm) {
    loop {
        let command = wire.next().await.unwrap().unwrap();
        if let Some(Pdu::SubmitSm(message)) = command.pdu() {
            let message = message.clone();
            return (command, message);
        }
    }
}

fn id(text: &str) -> SubmitSmResp {
    SubmitSmResp::builder().message_id(COctetString::from_str(text).unwrap()).build()
}

/// Waits until the route is bound: its binds come up by themselves.
async fn up(route: &SmppRoute) {
    while !route.is_up() {
        tokio::task::yield_now().await;
    }
}

/// An SMSC sends the receipts that it kept as soon as there is a bind, in the same write as its answer.
#[tokio::test]
async fn a_receipt_behind_the_answer_to_the_bind_is_taken() {
    let (listener, at) = listener().await;
    let stop = CancellationToken::new();
    let (_route, mut receipts) = SmppRoute::start(settings(at), sender(), &stop);
    let (stream, _) = listener.accept().await.unwrap();
    let mut wire = Framed::new(stream, CommandCodec::new());
    let bind = wire.next().await.unwrap().unwrap();
    let (ok, sequence) = (CommandStatus::EsmeRok, bind.sequence_number());
    let answer = Command::new(ok, sequence, BindTransceiverResp::default());
    let text = OctetString::from_slice(b"id:31 stat:UNDELIV").unwrap();
    let kept = DeliverSm::builder().esm_class(EsmClass::from(4)).short_message(text).build();
    wire.feed(answer).await.unwrap();
    wire.send(Command::new(ok, 9, kept)).await.unwrap();
    let receipt = receipts.recv().await.unwrap();
    assert_eq!((receipt.message_id.as_str(), receipt.fate), ("31", notify::Fate::Lost));
    let answer = wire.next().await.unwrap().unwrap();
    assert_eq!((answer.id(), answer.sequence_number()), (CommandId::DeliverSmResp, 9));
    stop.cancel();
}

#[tokio::test]
async fn a_notification_is_taken_under_the_id_that_its_receipt_will_have() {
    let (listener, at) = listener().await;
    let stop = CancellationToken::new();
    let (route, mut receipts) = SmppRoute::start(settings(at), sender(), &stop);
    let mut wire = bound(&listener).await;
    up(&route).await;
    let push = vec![1; 50];
    let notice = notice(&push);
    let (sent, ()) = tokio::join!(route.send(&notice, &Pass::Free), async {
        let (command, message) = submit(&mut wire).await;
        assert_eq!(message.destination_addr.as_str(), "447700900123");
        answer(&mut wire, &command, CommandStatus::EsmeRok, id("1F")).await;
    });
    assert_eq!(sent.unwrap(), ["31"]);
    let receipt = DeliverSm::builder()
        .esm_class(EsmClass::from(4))
        .short_message(OctetString::from_slice(b"id:31 stat:DELIVRD").unwrap())
        .build();
    wire.send(Command::new(CommandStatus::EsmeRok, 77, receipt)).await.unwrap();
    let taken = wire.next().await.unwrap().unwrap();
    assert_eq!((taken.id(), taken.sequence_number()), (CommandId::DeliverSmResp, 77));
    assert_eq!(taken.status(), CommandStatus::EsmeRok);
    assert_eq!(receipts.recv().await.unwrap().message_id, "31");
    stop.cancel();
    let unbind = wire.next().await.unwrap().unwrap();
    assert_eq!(unbind.id(), CommandId::Unbind, "good manners");
}

#[tokio::test]
async fn the_window_is_never_exceeded_and_answers_may_come_in_any_order() {
    let (listener, at) = listener().await;
    let stop = CancellationToken::new();
    let (route, _receipts) = SmppRoute::start(settings(at), sender(), &stop);
    let route = Arc::new(route);
    let mut wire = bound(&listener).await;
    up(&route).await;
    let push = vec![1; 50];
    let sends: Vec<_> = (0..10)
        .map(|_| {
            let (route, push) = (Arc::clone(&route), push.clone());
            tokio::spawn(async move { route.send(&notice(&push), &Pass::Free).await })
        })
        .collect();
    let mut answered = 0;
    while answered < 10 {
        let mut open = Vec::new();
        while open.len() < (10 - answered).min(4) {
            open.push(submit(&mut wire).await.0);
        }
        // Four are out: before one is answered no fifth comes, and the link says so when it is asked.
        wire.send(Command::new(CommandStatus::EsmeRok, 5, Pdu::EnquireLink)).await.unwrap();
        let next = wire.next().await.unwrap().unwrap();
        assert_eq!(next.id(), CommandId::EnquireLinkResp, "within the window");
        for command in open.iter().rev() {
            let name = format!("{:x}", command.sequence_number());
            answer(&mut wire, command, CommandStatus::EsmeRok, id(&name)).await;
            answered += 1;
        }
    }
    let mut ids = Vec::new();
    for send in sends {
        ids.push(send.await.unwrap().unwrap()[0].parse::<u32>().unwrap());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 10, "each its own answer");
}

#[tokio::test]
async fn where_no_receipts_are_asked_for_no_ids_are_kept() {
    let (listener, at) = listener().await;
    let stop = CancellationToken::new();
    let settings = Settings { receipts: false, ..settings(at) };
    let (route, _receipts) = SmppRoute::start(settings, sender(), &stop);
    let mut wire = bound(&listener).await;
    up(&route).await;
    let notice = notice(&[1]);
    let (sent, ()) = tokio::join!(route.send(&notice, &Pass::Free), async {
        let (command, _) = submit(&mut wire).await;
        answer(&mut wire, &command, CommandStatus::EsmeRok, id("1F")).await;
    });
    assert!(sent.unwrap().is_empty());
}

#[tokio::test]
async fn a_refusal_without_a_body_is_understood_and_has_its_remedy() {
    let (listener, at) = listener().await;
    let stop = CancellationToken::new();
    let (route, _receipts) = SmppRoute::start(settings(at), sender(), &stop);
    let mut wire = bound(&listener).await;
    up(&route).await;
    for (status, wanted) in [
        (0x58, Remedy::SlowDown),
        (0x0B, Remedy::GiveUp),
        (0x0A, Remedy::Mend),
        (0x4FF, Remedy::Later),
    ] {
        let push = vec![1; 50];
        let notice = notice(&push);
        let (sent, ()) = tokio::join!(route.send(&notice, &Pass::Free), async {
            let (command, _) = submit(&mut wire).await;
            // The header alone, as real centres send it.
            let mut octets = vec![0, 0, 0, 16];
            octets.extend(0x8000_0004_u32.to_be_bytes());
            octets.extend(u32::to_be_bytes(status));
            octets.extend(command.sequence_number().to_be_bytes());
            tokio::io::AsyncWriteExt::write_all(wire.get_mut(), &octets).await.unwrap();
        });
        assert_eq!(sent.unwrap_err().remedy(), wanted, "{status:#x}");
    }
}

#[tokio::test]
async fn what_was_not_written_goes_over_the_next_bind_and_what_was_written_is_unanswered() {
    let (listener, at) = listener().await;
    let stop = CancellationToken::new();
    let (route, _receipts) = SmppRoute::start(settings(at), sender(), &stop);
    let mut wire = bound(&listener).await;
    up(&route).await;
    let push = vec![1; 50];
    let notice = notice(&push);
    let (sent, ()) = tokio::join!(route.send(&notice, &Pass::Free), async {
        submit(&mut wire).await;
        drop(wire);
    });
    let error = sent.unwrap_err();
    assert!(matches!(error, SmppError::Unsent(Unsent::Unanswered)), "{error}");
    assert_eq!(error.remedy(), Remedy::Later);
    // The bind comes back by itself.
    let mut wire = bound(&listener).await;
    up(&route).await;
    let (sent, ()) = tokio::join!(route.send(&notice, &Pass::Free), async {
        let (command, _) = submit(&mut wire).await;
        answer(&mut wire, &command, CommandStatus::EsmeRok, id("a")).await;
    });
    assert_eq!(sent.unwrap(), ["10"]);
}

#[tokio::test]
async fn without_a_bind_nothing_is_sent() {
    let (_listener, at) = listener().await;
    let stop = CancellationToken::new();
    let (route, _receipts) = SmppRoute::start(settings(at), sender(), &stop);
    let error = route.send(&notice(&[1; 50]), &Pass::Free).await.unwrap_err();
    assert!(matches!(error, SmppError::NoBind), "{error}");
    assert_eq!(error.remedy(), Remedy::Later);
}

#[tokio::test]
async fn a_link_on_which_nothing_moves_is_asked_and_then_given_up() {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let mut server = Framed::new(server, CommandCodec::new());
    let patience =
        link::Patience { answer: Duration::from_millis(40), idle: Duration::from_millis(40) };
    let mut link = link::Link::new(client, patience);
    let (_requests, mut taken) = mpsc::channel(1);
    let (receipts, _received) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let (end, heard) = tokio::join!(link.run(&mut taken, &receipts, &stop), async {
        let first = server.next().await.unwrap().unwrap();
        let alive =
            Command::new(CommandStatus::EsmeRok, first.sequence_number(), Pdu::EnquireLinkResp);
        server.send(alive).await.unwrap();
        let second = server.next().await.unwrap().unwrap();
        (first.id(), second.id())
    });
    assert_eq!(heard, (CommandId::EnquireLink, CommandId::EnquireLink));
    assert!(matches!(end, link::LinkEnd::Silent), "{end}");
}

#[tokio::test]
async fn what_is_no_smpp_ends_the_link() {
    let (listener, at) = listener().await;
    let stop = CancellationToken::new();
    let (route, _receipts) = SmppRoute::start(settings(at), sender(), &stop);
    let mut wire = bound(&listener).await;
    up(&route).await;
    tokio::io::AsyncWriteExt::write_all(wire.get_mut(), b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .unwrap();
    assert!(
        wire.next()
            .await
            .is_none_or(|read| read.is_ok_and(|command| command.id() == CommandId::Unbind))
    );
    let mut wire = bound(&listener).await;
    up(&route).await;
    // A length of four gigabytes is not waited for.
    tokio::io::AsyncWriteExt::write_all(wire.get_mut(), &[0xFF; 64]).await.unwrap();
    bound(&listener).await;
}
