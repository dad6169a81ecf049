//! One connection to a centre, from its bind to its end.

use super::{
    Shared,
    desk::{Answer, Fate},
    plan::{Manners, ReceiptForm},
    post::{READY, Slip},
};
use crate::{
    carrier::{agenda::Agenda, tap::Side},
    clock,
};
use rusmpp::{
    Command, CommandId, CommandStatus, Pdu,
    pdus::{BindReceiverResp, BindTransceiverResp, BindTransmitterResp, DeliverSm, SubmitSmResp},
    tlvs::MessageDeliveryRequestTlvValue as Parameter,
    tokio_codec::CommandCodec,
    types::{COctetString, OctetString},
    values::{EsmClass, InterfaceVersion, MessageState, Npi, Ton},
};
use std::{
    collections::{HashMap, HashSet},
    io,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
};
use tokio_util::{
    bytes::{Buf, BufMut as _, BytesMut},
    codec::{Decoder, Encoder},
    sync::CancellationToken,
};

/// The largest PDU that is read.
const MOST_PDU: usize = 8_192;
/// Octets that may wait to be written; until they leave, nothing is read.
const MOST_UNWRITTEN: usize = 256 * 1024;
/// Messages that may wait for their answer; until one got it, nothing is read.
const MOST_UNANSWERED: usize = 10_000;
/// Receipts on the way at a time.
const RECEIPT_WINDOW: usize = 64;
/// A connection that does not bind.
const BIND_WITHIN: Duration = Duration::from_secs(10);
/// The sequence numbers that SMPP knows end here.
const LAST_SEQUENCE: u32 = 0x7FFF_FFFF;

/// What a bind may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Transmitter,
    Receiver,
    Transceiver,
}

/// Whether a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    On,
    /// Once everything is written.
    Away,
    /// At once.
    Off,
}

struct Line {
    shared: Arc<Shared>,
    number: u64,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    codec: CommandCodec,
    inbox: BytesMut,
    outbox: BytesMut,
    role: Option<Role>,
    submitted: u64,
    /// Answers that wait for their time, and their sequence numbers.
    answers: Agenda<(u32, Answer)>,
    unanswered: HashSet<u32>,
    receipts: Option<mpsc::Receiver<Slip>>,
    /// Receipts that are not answered, by sequence number.
    told: HashMap<u32, Slip>,
    sequence: u32,
}

/// Talks until one of the two sides ends it.
pub(super) async fn talk(
    shared: Arc<Shared>,
    number: u64,
    stream: TcpStream,
    hang_up: CancellationToken,
) {
    // Small writes are not to wait for each other. If it cannot be set, the connection is over anyway.
    drop(stream.set_nodelay(true));
    let (reader, writer) = stream.into_split();
    let mut line = Line {
        shared,
        number,
        reader,
        writer,
        codec: CommandCodec::new(),
        inbox: BytesMut::with_capacity(16 * 1024),
        outbox: BytesMut::with_capacity(16 * 1024),
        role: None,
        submitted: 0,
        answers: Agenda::default(),
        unanswered: HashSet::new(),
        receipts: None,
        told: HashMap::new(),
        sequence: 0,
    };
    if let Err(error) = line.run(&hang_up).await {
        tracing::debug!(%error, line = number, "a connection broke");
    }
    line.end().await;
}

impl Line {
    async fn run(&mut self, hang_up: &CancellationToken) -> io::Result<()> {
        let born = clock::now();
        let mut enquired = born;
        loop {
            let manners = self.shared.manners();
            let now = clock::now();
            while let Some((sequence, answer)) = self.answers.take_due(now) {
                self.answer(sequence, answer, &manners);
            }
            let late = (self.role.is_none()).then_some(born + BIND_WITHIN);
            let enquiry = manners.enquires_every.map(|every| enquired + every);
            let first = [self.answers.first(), late, enquiry].into_iter().flatten().min();
            let first = first.unwrap_or(now + Duration::from_hours(1));
            let room =
                self.outbox.len() < MOST_UNWRITTEN && self.unanswered.len() < MOST_UNANSWERED;
            tokio::select! {
                read = self.reader.read_buf(&mut self.inbox), if room => {
                    if read? == 0 {
                        return Ok(());
                    }
                    match self.frames().await {
                        Goes::On => {}
                        Goes::Away => return self.writer.write_all_buf(&mut self.outbox).await,
                        Goes::Off => return Ok(()),
                    }
                }
                written = self.writer.write_buf(&mut self.outbox), if self.outbox.has_remaining() => {
                    written?;
                }
                slip = next(&mut self.receipts), if self.told.len() < RECEIPT_WINDOW => {
                    let Some(slip) = slip else { return Ok(()) };
                    self.tell(slip, &self.shared.manners());
                }
                () = tokio::time::sleep_until(first.into()) => {
                    let now = clock::now();
                    if late.is_some_and(|late| late <= now) {
                        return Ok(());
                    }
                    if enquiry.is_some_and(|enquiry| enquiry <= now) {
                        enquired = now;
                        let sequence = self.next_sequence();
                        self.say(CommandStatus::EsmeRok, sequence, Pdu::EnquireLink);
                    }
                }
                () = hang_up.cancelled() => return Ok(()),
            }
        }
    }

    /// Works on what came in, as far as it is whole.
    async fn frames(&mut self) -> Goes {
        let (now, manners) = (clock::now(), self.shared.manners());
        while let Some(head) = self.inbox.first_chunk::<4>() {
            let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
            if !(16..=MOST_PDU).contains(&length) {
                self.shared.desk().broken("A PDU has an impossible length.", &self.inbox);
                return Goes::Off;
            }
            if self.inbox.len() < length {
                self.inbox.reserve(length - self.inbox.len());
                break;
            }
            let mut frame = self.inbox.split_to(length);
            let octets = frame.clone();
            self.shared.tap.saw(self.number, Side::Server, &octets);
            let command = match self.codec.decode(&mut frame) {
                Ok(Some(command)) => command,
                Ok(None) => continue,
                Err(_unreadable) => {
                    self.shared.desk().broken("A PDU cannot be read.", &octets);
                    return Goes::Off;
                }
            };
            match self.hear(&command, &octets, now, &manners).await {
                Goes::On => {}
                end => return end,
            }
        }
        Goes::On
    }

    async fn hear(
        &mut self,
        command: &Command,
        octets: &[u8],
        now: Instant,
        manners: &Manners,
    ) -> Goes {
        let sequence = command.sequence_number();
        let request = u32::from(command.id()) & 0x8000_0000 == 0;
        if request && !(1..=LAST_SEQUENCE).contains(&sequence) {
            self.shared.desk().broken("A sequence number is not one.", octets);
        }
        if request && command.status() != CommandStatus::EsmeRok {
            self.shared.desk().broken("A request has a status.", octets);
        }
        match (command.id(), command.pdu()) {
            (CommandId::SubmitSm, _) => return self.submit(sequence, octets, now, manners).await,
            (_, Some(Pdu::BindTransceiver(bind))) => {
                let known = self.knows(bind.system_id.as_str(), bind.password.as_str());
                return self.bind(Role::Transceiver, sequence, known);
            }
            (_, Some(Pdu::BindTransmitter(bind))) => {
                let known = self.knows(bind.system_id.as_str(), bind.password.as_str());
                return self.bind(Role::Transmitter, sequence, known);
            }
            (_, Some(Pdu::BindReceiver(bind))) => {
                let known = self.knows(bind.system_id.as_str(), bind.password.as_str());
                return self.bind(Role::Receiver, sequence, known);
            }
            (CommandId::EnquireLink, _) => {
                self.say(CommandStatus::EsmeRok, sequence, Pdu::EnquireLinkResp);
            }
            (CommandId::DeliverSmResp | CommandId::GenericNack, _) => {
                if let Some(slip) = self.told.remove(&sequence) {
                    if command.status() == CommandStatus::EsmeRok {
                        self.shared.desk().seen.receipts += 1;
                    } else {
                        self.shared.desk().seen.receipts_again += 1;
                        self.shared.post.back(slip).await;
                    }
                }
            }
            (CommandId::Unbind, _) => {
                self.say(CommandStatus::EsmeRok, sequence, Pdu::UnbindResp);
                return Goes::Away;
            }
            (CommandId::EnquireLinkResp | CommandId::UnbindResp, _) => {}
            (_, _) => {
                self.shared.desk().broken("Nobody expects this command.", octets);
                self.say(CommandStatus::EsmeRinvcmdid, sequence, Pdu::GenericNack);
            }
        }
        Goes::On
    }

    /// The status that a bind with these gets.
    fn knows(&self, system_id: &str, password: &str) -> CommandStatus {
        if system_id != self.shared.system_id {
            CommandStatus::EsmeRinvsysid
        } else if password != self.shared.password {
            CommandStatus::EsmeRinvpaswd
        } else if self.role.is_some() {
            CommandStatus::EsmeRalybnd
        } else {
            CommandStatus::EsmeRok
        }
    }

    fn bind(&mut self, role: Role, sequence: u32, status: CommandStatus) -> Goes {
        let id = match role {
            Role::Transmitter => CommandId::BindTransmitterResp,
            Role::Receiver => CommandId::BindReceiverResp,
            Role::Transceiver => CommandId::BindTransceiverResp,
        };
        if status != CommandStatus::EsmeRok {
            self.shared.desk().seen.binds_refused += 1;
            self.refuse(id, status, sequence);
            return Goes::Away;
        }
        self.shared.desk().seen.binds += 1;
        self.role = Some(role);
        let name = COctetString::from_str("SMSC").unwrap_or_else(|_short| COctetString::null());
        let version = Some(InterfaceVersion::Smpp3_4);
        match role {
            Role::Transmitter => {
                self.say(status, sequence, BindTransmitterResp::new(name, version));
            }
            Role::Receiver => self.say(status, sequence, BindReceiverResp::new(name, version)),
            Role::Transceiver => {
                self.say(status, sequence, BindTransceiverResp::new(name, version));
            }
        }
        if role != Role::Transmitter {
            self.receipts = Some(self.shared.post.receives(self.number));
        }
        Goes::On
    }

    async fn submit(
        &mut self,
        sequence: u32,
        octets: &[u8],
        now: Instant,
        manners: &Manners,
    ) -> Goes {
        if !matches!(self.role, Some(Role::Transmitter | Role::Transceiver)) {
            self.shared.desk().broken("This bind may not submit.", octets);
            self.refuse(CommandId::SubmitSmResp, CommandStatus::EsmeRinvbndsts, sequence);
            return Goes::On;
        }
        if !self.unanswered.insert(sequence) {
            self.shared.desk().broken("A sequence number is used twice at a time.", octets);
        }
        let waiting = self.shared.post.waiting();
        let taken = {
            let mut desk = self.shared.desk();
            desk.seen.most_unanswered = desk.seen.most_unanswered.max(self.unanswered.len());
            let ears = self.shared.ears.get();
            desk.take(octets, (now, self.number), manners, ears, waiting)
        };
        if let Some(handed) = taken.handed {
            self.shared.post.message(now + manners.delivers_after, self.number, handed).await;
        }
        self.submitted += 1;
        if manners.drops_after.is_some_and(|most| self.submitted >= most) {
            self.shared.desk().seen.dropped += 1;
            return Goes::Off;
        }
        if manners.answers_after.is_zero() {
            self.answer(sequence, taken.answer, manners);
        } else {
            self.answers.add(now + manners.answers_after, (sequence, taken.answer));
        }
        Goes::On
    }

    fn answer(&mut self, sequence: u32, answer: Answer, manners: &Manners) {
        self.unanswered.remove(&sequence);
        match answer {
            Answer::Accepted(id) => {
                let id = COctetString::from_str(&manners.receipts.ids.in_answer(id));
                let id = id.unwrap_or_else(|_long| COctetString::null());
                let answer = SubmitSmResp::builder().message_id(id).build();
                self.say(CommandStatus::EsmeRok, sequence, answer);
            }
            Answer::Refused(status) => self.refuse(CommandId::SubmitSmResp, status, sequence),
            Answer::None => {}
        }
    }

    /// Says what became of a message.
    fn tell(&mut self, slip: Slip, manners: &Manners) {
        let sequence = self.next_sequence();
        let id = manners.receipts.ids.in_receipt(slip.id);
        let (word, state) = match slip.fate {
            Fate::Delivered => ("DELIVRD", MessageState::Delivered),
            Fate::Undelivered => ("UNDELIV", MessageState::Undeliverable),
            Fate::Expired => ("EXPIRED", MessageState::Expired),
        };
        let address =
            |text: &str| COctetString::from_str(text).unwrap_or_else(|_| COctetString::null());
        let mut receipt = DeliverSm::builder()
            .source_addr_ton(Ton::International)
            .source_addr_npi(Npi::Isdn)
            .source_addr(address(&slip.number))
            .esm_class(EsmClass::from(0x04))
            .build();
        if manners.receipts.form != ReceiptForm::Parameters {
            let delivered = u8::from(slip.fate == Fate::Delivered);
            let error = if delivered == 1 { "000" } else { "001" };
            let date = clock::utc_minutes();
            let text = format!(
                "id:{id} sub:001 dlvrd:{delivered:03} submit date:{date} done date:{date} stat:{word} err:{error} text:"
            );
            if let Ok(text) = OctetString::from_slice(text.as_bytes()) {
                receipt.set_short_message(text);
            }
        }
        if manners.receipts.form != ReceiptForm::Text {
            receipt.push_tlv(Parameter::ReceiptedMessageId(
                COctetString::from_str(&id).unwrap_or_else(|_long| COctetString::null()),
            ));
            receipt.push_tlv(Parameter::MessageState(state));
        }
        self.say(CommandStatus::EsmeRok, sequence, receipt);
        self.told.insert(sequence, slip);
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = if self.sequence >= LAST_SEQUENCE { 1 } else { self.sequence + 1 };
        self.sequence
    }

    fn say(&mut self, status: CommandStatus, sequence: u32, pdu: impl Into<Pdu>) {
        let (command, before) = (Command::new(status, sequence, pdu), self.outbox.len());
        if let Err(error) = self.codec.encode(&command, &mut self.outbox) {
            tracing::error!(error = &error as &dyn std::error::Error, "a PDU was not encoded");
        }
        self.said(before);
    }

    /// What is in the outbox from here on will go out.
    fn said(&self, from: usize) {
        self.shared.tap.saw(
            self.number,
            Side::Carrier,
            self.outbox.get(from..).unwrap_or_default(),
        );
    }

    /// A refusal is the header alone, as most centres send it.
    fn refuse(&mut self, id: CommandId, status: CommandStatus, sequence: u32) {
        let before = self.outbox.len();
        for word in [16, u32::from(id), u32::from(status), sequence] {
            self.outbox.put_u32(word);
        }
        self.said(before);
    }

    /// Gives back what others may still do.
    async fn end(mut self) {
        self.shared.post.ends(self.number);
        let mut back: Vec<_> = self.told.drain().map(|(_, slip)| slip).collect();
        if let Some(receipts) = &mut self.receipts {
            receipts.close();
            receipts.recv_many(&mut back, READY).await;
        }
        for slip in back {
            self.shared.post.back(slip).await;
        }
    }
}

/// The next receipt for a connection that receives; for others there is never one.
async fn next(receipts: &mut Option<mpsc::Receiver<Slip>>) -> Option<Slip> {
    match receipts {
        Some(receipts) => receipts.recv().await,
        None => std::future::pending().await,
    }
}
