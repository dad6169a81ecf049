//! A centre and a client of these tests, over a socket.

use super::{submission::tests::vector, *};
use crate::{
    Fleet, FleetPlan, Rule,
    identity::{self, Identity},
    verdict::push::tests::push,
};
use rusmpp::{
    Command, CommandId, CommandStatus, Pdu,
    pdus::{BindReceiver, BindTransceiver, BindTransmitter, DeliverSmResp},
    tlvs::TlvValue,
    tokio_codec::CommandCodec,
    types::COctetString,
};
use std::{collections::VecDeque, str::FromStr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::{
    bytes::BytesMut,
    codec::{Decoder, Encoder},
};

const DEVICES: u64 = 20;
const SERVER: &str = "dm.operator.example";

struct Client {
    stream: TcpStream,
    /// Has a memory: it takes the head of a command when the rest has not come yet.
    codec: CommandCodec,
    inbox: BytesMut,
    sequence: u32,
    /// Receipts that came before an answer.
    receipts: VecDeque<Command>,
}

impl Client {
    async fn connect(smsc: &Smsc) -> Self {
        let stream = TcpStream::connect(smsc.address()).await.unwrap();
        Self {
            stream,
            codec: CommandCodec::new(),
            inbox: BytesMut::new(),
            sequence: 0,
            receipts: VecDeque::new(),
        }
    }

    async fn bound(smsc: &Smsc) -> Self {
        let mut client = Self::connect(smsc).await;
        assert_eq!(client.bind("reveille", "secret").await, CommandStatus::EsmeRok);
        client
    }

    async fn bind(&mut self, system_id: &str, password: &str) -> CommandStatus {
        let bind = BindTransceiver::builder()
            .system_id(COctetString::from_str(system_id).unwrap())
            .password(COctetString::from_str(password).unwrap())
            .build();
        self.say(bind).await;
        let answer = self.hears().await.unwrap();
        assert_eq!(answer.id(), CommandId::BindTransceiverResp);
        answer.status()
    }

    async fn say(&mut self, pdu: impl Into<Pdu>) -> u32 {
        self.sequence += 1;
        self.reply(self.sequence, CommandStatus::EsmeRok, pdu).await;
        self.sequence
    }

    async fn reply(&mut self, sequence: u32, status: CommandStatus, pdu: impl Into<Pdu>) {
        let mut octets = BytesMut::new();
        CommandCodec::new().encode(&Command::new(status, sequence, pdu), &mut octets).unwrap();
        self.stream.write_all(&octets).await.unwrap();
    }

    /// The next command; `None` when the centre closed the connection.
    async fn hears(&mut self) -> Option<Command> {
        loop {
            if let Some(command) = self.codec.decode(&mut self.inbox).unwrap() {
                return Some(command);
            }
            match self.stream.read_buf(&mut self.inbox).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Submits a message of user data to a number, in the form of the vectors.
    async fn submit(&mut self, number: &str, user_data: &[u8]) {
        self.sequence += 1;
        let pdu = submit_sm(self.sequence, number, user_data);
        self.stream.write_all(&pdu).await.unwrap();
    }

    /// Submits, and answers the status and the id that it got.
    async fn submitted(&mut self, number: &str, user_data: &[u8]) -> (u32, String) {
        self.submit(number, user_data).await;
        let answer = loop {
            let heard = self.hears().await.unwrap();
            if heard.id() != CommandId::DeliverSm {
                break heard;
            }
            self.receipts.push_back(heard);
        };
        assert_eq!(
            (answer.id(), answer.sequence_number()),
            (CommandId::SubmitSmResp, self.sequence)
        );
        let id = match answer.pdu() {
            Some(Pdu::SubmitSmResp(answer)) => answer.message_id().as_str().to_owned(),
            _ => String::new(),
        };
        (answer.status().into(), id)
    }

    async fn receipt(&mut self) -> Command {
        match self.receipts.pop_front() {
            Some(receipt) => receipt,
            None => self.hears().await.unwrap(),
        }
    }
}

/// The first vector, with another sequence number, number and user data.
fn submit_sm(sequence: u32, number: &str, user_data: &[u8]) -> Vec<u8> {
    let vector = vector("smpp-01-submit-single");
    let at = vector.windows(12).position(|digits| digits == b"447700900123").unwrap();
    let mut pdu = vector[..at].to_vec();
    pdu.extend(number.as_bytes());
    let rest = &vector[at + 12..];
    let length = rest.windows(4).position(|end| end == b"000R").unwrap() + 9;
    pdu.extend(&rest[..length]);
    pdu.push(u8::try_from(user_data.len()).unwrap());
    pdu.extend(user_data);
    pdu[12..16].copy_from_slice(&sequence.to_be_bytes());
    let length = u32::try_from(pdu.len()).unwrap();
    pdu[..4].copy_from_slice(&length.to_be_bytes());
    pdu
}

fn whole(push: &[u8]) -> Vec<u8> {
    [b"\x06\x05\x04\x0B\x84\x23\xF0", push].concat()
}

async fn a_fleet() -> Fleet {
    let plan = FleetPlan {
        mix: crate::Mix::healthy(),
        ..FleetPlan::new(DEVICES, "http://127.0.0.1:1/dm")
    };
    Fleet::start(plan).await.unwrap()
}

async fn a_centre(manners: Manners) -> (Smsc, Fleet) {
    let plan = SmscPlan { manners, arrivals_kept: 100, ..SmscPlan::default() };
    let smsc = Smsc::start(plan).await.unwrap();
    let fleet = a_fleet().await;
    smsc.serve(fleet.ears());
    (smsc, fleet)
}

/// The notification of a device with its first nonce.
fn bell(fleet: &Fleet, index: u64) -> (String, Vec<u8>) {
    let identity: Identity = fleet.identity(index);
    (identity.msisdn.clone(), push(&identity, SERVER, &identity.first_server_nonce, 7))
}

/// Waits for what a centre does by itself.
async fn until(is: impl Fn() -> bool) {
    let waiting = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
}

#[tokio::test]
async fn a_push_gets_to_its_device_and_its_receipt_back() {
    let (smsc, fleet) = a_centre(Manners::default()).await;
    let mut client = Client::bound(&smsc).await;
    let (number, push) = bell(&fleet, 3);
    let (status, id) = client.submitted(&number, &whole(&push)).await;
    assert_eq!(status, 0);
    let receipt = client.receipt().await;
    let Some(Pdu::DeliverSm(message)) = receipt.pdu() else { panic!("{receipt:?}") };
    let text = message.short_message().to_str().unwrap();
    assert!(text.starts_with(&format!("id:{id} sub:001 dlvrd:001 ")), "{text}");
    assert!(text.contains(" stat:DELIVRD err:000 text:"), "{text}");
    assert_eq!((message.source_addr.as_str(), u8::from(message.esm_class)), (number.as_str(), 4));
    let said = message.tlvs().iter().any(
        |tlv| matches!(tlv.value(), Some(TlvValue::ReceiptedMessageId(said)) if said.as_str() == id),
    );
    assert!(said);
    let taken = receipt.sequence_number();
    client.reply(taken, CommandStatus::EsmeRok, DeliverSmResp::default()).await;
    until(|| smsc.report().receipts == 1).await;
    until(|| fleet.report().notifications == 1).await;
    let arrival = smsc.arrivals()[0];
    assert_eq!((arrival.device, arrival.priority, arrival.status), (Some(3), 0, Some(0)));
    let report = smsc.stop().await;
    assert_eq!((report.breaches.count, report.submitted, report.pushes), (0, 1, 1));
    assert_eq!((report.delivered, report.per_second.busiest), (1, 1));
    assert_eq!(fleet.stop().await.breaches.count, 0);
}

#[tokio::test]
async fn only_who_has_the_account_is_bound_and_only_a_bind_that_may_submits() {
    let (smsc, fleet) = a_centre(Manners::default()).await;
    let mut client = Client::connect(&smsc).await;
    assert_eq!(client.bind("somebody", "secret").await, CommandStatus::EsmeRinvsysid);
    assert!(client.hears().await.is_none(), "closed");
    let mut client = Client::connect(&smsc).await;
    assert_eq!(client.bind("reveille", "guessed").await, CommandStatus::EsmeRinvpaswd);
    let (number, push) = bell(&fleet, 1);
    let mut client = Client::connect(&smsc).await;
    assert_eq!(client.submitted(&number, &whole(&push)).await.0, 0x04);
    let text = |text: &str| COctetString::from_str(text).unwrap();
    let receiver = BindReceiver::builder()
        .system_id(text("reveille"))
        .password(COctetString::from_str("secret").unwrap());
    client.say(receiver.build()).await;
    assert_eq!(client.hears().await.unwrap().id(), CommandId::BindReceiverResp);
    assert_eq!(client.submitted(&number, &whole(&push)).await.0, 0x04);
    assert_eq!(client.bind("reveille", "secret").await, CommandStatus::EsmeRalybnd);
    let mut client = Client::connect(&smsc).await;
    let transmitter = BindTransmitter::builder()
        .system_id(text("reveille"))
        .password(COctetString::from_str("secret").unwrap());
    client.say(transmitter.build()).await;
    assert_eq!(client.hears().await.unwrap().id(), CommandId::BindTransmitterResp);
    assert_eq!(client.submitted(&number, &whole(&push)).await.0, 0);
    client.say(Pdu::EnquireLink).await;
    assert_eq!(client.hears().await.unwrap().id(), CommandId::EnquireLinkResp);
    client.say(Pdu::Unbind).await;
    assert_eq!(client.hears().await.unwrap().id(), CommandId::UnbindResp);
    assert!(client.hears().await.is_none(), "closed");
    let report = smsc.stop().await;
    assert_eq!((report.binds, report.binds_refused), (2, 3));
    assert_eq!(report.breaches.by_rule[&Rule::SmppProtocol], 2);
}

#[tokio::test]
async fn a_push_in_parts_is_put_together() {
    let (smsc, fleet) = a_centre(Manners::default()).await;
    let mut client = Client::bound(&smsc).await;
    let (number, mut push) = bell(&fleet, 5);
    push.extend([0xAB; 150]);
    let part = |number: u8, payload: &[u8]| {
        [b"\x0C\x05\x04\x0B\x84\x23\xF0\x08\x04\x12\x34\x02", &[number][..], payload].concat()
    };
    let (one, two) = push.split_at(127);
    assert_eq!(client.submitted(&number, &part(2, two)).await.0, 0);
    assert_eq!(smsc.report().parts_waiting, 1);
    client.submit(&number, &part(1, one)).await;
    until(|| smsc.report().delivered == 1).await;
    // The digest was made without the end of it: the device saw all of it, and says so.
    until(|| fleet.report().breaches.count == 1).await;
    assert_eq!(fleet.report().breaches.first[0].rule, Rule::NotificationDigest);
    let report = smsc.stop().await;
    assert_eq!((report.pushes, report.pushes_in_parts, report.breaches.count), (1, 1, 0));
}

#[tokio::test]
async fn what_is_wrong_with_a_message_is_a_breach() {
    let (smsc, fleet) = a_centre(Manners::default()).await;
    let mut client = Client::bound(&smsc).await;
    let (number, push) = bell(&fleet, 5);
    assert_eq!(client.submitted(&number, &push).await.0, 0x01, "no header");
    assert_eq!(client.submitted(&number, &whole(&push[1..])).await.0, 0, "no push");
    assert_eq!(client.submitted("447700900123", &whole(&push)).await.0, 0x0B, "nobody's number");
    client.stream.write_all(&[0, 0, 0, 15, 1, 2, 3]).await.unwrap();
    while client.hears().await.is_some() {}
    let report = smsc.stop().await;
    let rules: Vec<_> = report.breaches.by_rule.into_iter().collect();
    assert_eq!(
        rules,
        [(Rule::SmppProtocol, 1), (Rule::UserDataHeader, 1), (Rule::PushMalformed, 1)]
    );
}

#[tokio::test]
async fn a_centre_is_as_bad_as_it_was_told_to_be() {
    let (smsc, fleet) = a_centre(Manners { per_second: Some(2), ..Manners::default() }).await;
    let mut client = Client::bound(&smsc).await;
    let (number, push) = bell(&fleet, 5);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.submitted(&number, &whole(&push)).await.0);
    }
    assert_eq!(statuses, [0, 0, 0x58, 0x58]);
    smsc.change(|manners| {
        *manners = Manners {
            queue: Some(1),
            delivers_after: Duration::from_hours(1),
            ..Manners::default()
        };
    });
    let mut statuses = Vec::new();
    for _ in 0..2 {
        statuses.push(client.submitted(&number, &whole(&push)).await.0);
    }
    assert_eq!(statuses, [0, 0x14]);
    for (manners, status) in [
        (Manners { barred: 1.0, ..Manners::default() }, 0x0B),
        (Manners { refused_for_now: 1.0, ..Manners::default() }, 0x08),
    ] {
        smsc.change(|now| *now = manners);
        assert_eq!(client.submitted(&number, &whole(&push)).await.0, status);
    }
    smsc.change(|now| *now = Manners { ignored: 1.0, ..Manners::default() });
    client.submit(&number, &whole(&push)).await;
    until(|| smsc.report().submitted == 9).await;
    smsc.change(|now| {
        *now = Manners {
            drops_after: Some(1),
            delivers_after: Duration::from_hours(2),
            ..Manners::default()
        };
    });
    client.submit(&number, &whole(&push)).await;
    while let Some(heard) = client.hears().await {
        assert_eq!(heard.id(), CommandId::DeliverSm, "the receipts of the first two: {heard:?}");
    }
    assert!(client.hears().await.is_none(), "dropped");
    smsc.close(true);
    let mut client = Client::connect(&smsc).await;
    assert!(client.hears().await.is_none(), "closed");
    assert_eq!(smsc.stop().await.dropped, 1);
}

/// What a centre says of a message whose time is over before it is delivered, on a bind that did not submit it, in the other
/// way of writing numbers, and again until it is heard.
#[tokio::test]
async fn receipts_come_as_they_are_wanted() {
    let receipts = Receipts {
        form: ReceiptForm::Text,
        ids: ReceiptIds::HexThenDecimal,
        route: ReceiptRoute::Another,
        ..Receipts::default()
    };
    let (smsc, fleet) =
        a_centre(Manners { undelivered: 1.0, receipts, ..Manners::default() }).await;
    let mut sender = Client::bound(&smsc).await;
    let (number, push) = bell(&fleet, 5);
    let (status, id) = sender.submitted(&number, &whole(&push)).await;
    assert_eq!(status, 0);
    let mut other = Client::bound(&smsc).await;
    let receipt = other.receipt().await;
    let Some(Pdu::DeliverSm(message)) = receipt.pdu() else { panic!("{receipt:?}") };
    let decimal = u64::from_str_radix(&id, 16).unwrap();
    let text = message.short_message().to_str().unwrap();
    assert!(text.starts_with(&format!("id:{decimal} ")) && text.contains("stat:UNDELIV"), "{text}");
    assert_eq!(message.tlvs().len(), 0);
    other
        .reply(receipt.sequence_number(), CommandStatus::EsmeRxTAppn, DeliverSmResp::default())
        .await;
    let again = other.receipt().await;
    assert_eq!(again.pdu(), receipt.pdu());
    drop(other);
    // Not answered: it comes once more, when there is somebody again.
    let mut third = Client::bound(&smsc).await;
    let again = third.receipt().await;
    assert_eq!(again.pdu(), receipt.pdu());
    third.reply(again.sequence_number(), CommandStatus::EsmeRok, DeliverSmResp::default()).await;
    until(|| smsc.report().receipts == 1).await;
    let report = smsc.stop().await;
    assert_eq!((report.undelivered, report.delivered, report.receipts_again), (1, 0, 1));
    assert_eq!(fleet.stop().await.notifications, 0);
    assert_eq!(identity::index_of_number(&number), Some(5));
}
