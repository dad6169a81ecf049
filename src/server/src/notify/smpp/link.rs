//! One bound connection to an SMSC: requests out under a window, answers back to whoever waits for them, receipts on.
//!
//! One task owns both directions. Requests are encoded as they come and written together; every request has a deadline; a
//! link on which nothing moves is asked whether it lives (`enquire_link`), and is given up when it does not answer.

use super::receipt;
use crate::clock::stopwatch;
use crate::notify::Receipt;
use rusmpp::{
    Command, CommandId, CommandStatus, Pdu,
    pdus::{DeliverSmResp, SubmitSm},
    tokio_codec::{CommandCodec, DecodeError},
};
use std::{collections::HashMap, time::Duration, time::Instant};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};
use tokio_util::{
    bytes::{Buf, BufMut, Bytes, BytesMut},
    codec::{Decoder, Encoder},
    sync::CancellationToken,
};

/// Requests encoded before the next write.
const BATCH: usize = 64;
/// Octets that may wait to be written; until they leave, no further request is taken.
const MOST_UNWRITTEN: usize = 256 * 1024;
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(250);
/// The last sequence number (SMPP 3.4 section 3.2); after it comes 1.
const LAST_SEQUENCE: u32 = 0x7FFF_FFFF;

/// One message to be submitted.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) submit: Submit,
    pub(super) answer: oneshot::Sender<Result<String, Unsent>>,
    /// Its place in the window, given back with the answer.
    pub(super) place: OwnedSemaphorePermit,
}

/// A `submit_sm` as it goes over the wire, but for its sequence number: whoever sends it encodes it, so that the link, which
/// everybody waits for, only copies octets. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Submit(Bytes);

impl Submit {
    pub(super) fn new(message: SubmitSm) -> Self {
        let mut octets = BytesMut::with_capacity(256);
        encode(&mut CommandCodec::new(), CommandStatus::EsmeRok, 0, message, &mut octets);
        Self(octets.freeze())
    }

    /// Appends it under this sequence number.
    fn put(&self, sequence: u32, outbox: &mut BytesMut) {
        // Length, command, status; then the number, and the body.
        let (head, rest) = self.0.split_at(self.0.len().min(12));
        outbox.extend_from_slice(head);
        outbox.put_u32(sequence);
        outbox.extend_from_slice(rest.get(4..).unwrap_or_default());
    }
}

fn encode(
    codec: &mut CommandCodec,
    status: CommandStatus,
    sequence: u32,
    pdu: impl Into<Pdu>,
    outbox: &mut BytesMut,
) {
    // Into memory: the codec has no other error than that of the medium.
    if let Err(error) = codec.encode(&Command::new(status, sequence, pdu), outbox) {
        tracing::error!(error = &error as &dyn std::error::Error, "a PDU was not encoded");
    }
}

/// Why a message has no id of the SMSC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsent {
    /// It never left: another bind may take it.
    #[error("the connection ended before the message was written")]
    NotWritten,
    /// It left, and nobody knows what became of it.
    #[error("the SMSC did not answer")]
    Unanswered,
    #[error("the SMSC refused the message with status {:#010x}", u32::from(*.0))]
    Refused(CommandStatus),
}

/// How long the link is patient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the answer to any request.
    pub(super) answer: Duration,
    /// With a link on which nothing moves.
    pub(super) idle: Duration,
}

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkEnd {
    #[error("we were asked to stop")]
    Stopped,
    #[error("the SMSC closed the connection")]
    Closed,
    #[error("the SMSC ended the bind")]
    Unbound,
    #[error("the SMSC does not answer `enquire_link`")]
    Silent,
    #[error("the connection broke")]
    Io(#[source] std::io::Error),
    #[error("the SMSC sent what is no SMPP")]
    Garbage(#[source] DecodeError),
    #[error("the SMSC refused the bind with status {:#010x}", u32::from(*.0))]
    BindRefused(CommandStatus),
    #[error("the SMSC did not answer the bind")]
    BindUnanswered,
}

struct Waiting {
    answer: oneshot::Sender<Result<String, Unsent>>,
    deadline: Instant,
    _place: OwnedSemaphorePermit,
}

/// A connection, from its bind on.
pub(super) struct Link<S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    codec: CommandCodec,
    inbox: BytesMut,
    outbox: BytesMut,
    /// Messages of which not all octets are written.
    unwritten: u32,
    sequence: u32,
    waiting: HashMap<u32, Waiting>,
    /// When something last came in.
    heard: Instant,
    /// An `enquire_link` that is not answered yet.
    enquired: Option<Instant>,
    patience: Patience,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    pub(super) fn new(stream: S, patience: Patience) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader,
            writer,
            codec: CommandCodec::new(),
            inbox: BytesMut::with_capacity(8 * 1024),
            outbox: BytesMut::with_capacity(8 * 1024),
            unwritten: 0,
            sequence: 0,
            waiting: HashMap::new(),
            heard: stopwatch(),
            enquired: None,
            patience,
        }
    }

    /// Binds. Anything but the answer that is asked for ends the attempt.
    pub(super) async fn bind(&mut self, bind: Pdu) -> Result<(), LinkEnd> {
        let (sequence, patience) = (self.send(bind), self.patience.answer);
        let bound = async {
            self.flush().await?;
            loop {
                if let Some(command) = self.decoded()? {
                    if command.sequence_number() == sequence
                        && matches!(
                            command.id(),
                            CommandId::BindTransceiverResp
                                | CommandId::BindTransmitterResp
                                | CommandId::BindReceiverResp
                                | CommandId::GenericNack
                        )
                    {
                        return match command.status() {
                            CommandStatus::EsmeRok if command.id() != CommandId::GenericNack => {
                                Ok(())
                            }
                            status => Err(LinkEnd::BindRefused(status)),
                        };
                    }
                    continue;
                }
                self.fill().await?;
            }
        };
        tokio::time::timeout(patience, bound).await.unwrap_or(Err(LinkEnd::BindUnanswered))
    }

    /// Works until the link ends. What was taken and not answered by then is told so.
    pub(super) async fn run(
        &mut self,
        requests: &mut mpsc::Receiver<Request>,
        receipts: &mpsc::Sender<Receipt>,
        stop: &CancellationToken,
    ) -> LinkEnd {
        let end = self.work(requests, receipts, stop).await.err().unwrap_or(LinkEnd::Stopped);
        for (_, waiting) in self.waiting.drain() {
            // Nobody waits any more when the dispatcher went away first.
            let _gone = waiting.answer.send(Err(Unsent::Unanswered));
        }
        end
    }

    async fn work(
        &mut self,
        requests: &mut mpsc::Receiver<Request>,
        receipts: &mpsc::Sender<Receipt>,
        stop: &CancellationToken,
    ) -> Result<(), LinkEnd> {
        let mut tick = interval(TICK.min(self.patience.answer / 2).max(Duration::from_millis(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        self.heard = stopwatch();
        // Receipts that waited for a bind may have come together with its answer.
        while let Some(command) = self.decoded()? {
            self.hear(&command, receipts)?;
        }
        let mut stopped = std::pin::pin!(stop.cancelled());
        loop {
            tokio::select! {
                read = self.reader.read_buf(&mut self.inbox) => {
                    if read.map_err(LinkEnd::Io)? == 0 {
                        return Err(LinkEnd::Closed);
                    }
                    self.heard = stopwatch();
                    self.enquired = None;
                    while let Some(command) = self.decoded()? {
                        self.hear(&command, receipts)?;
                    }
                }
                written = self.writer.write_buf(&mut self.outbox), if self.outbox.has_remaining() => {
                    written.map_err(LinkEnd::Io)?;
                    if !self.outbox.has_remaining() && self.unwritten > 0 {
                        let messages = std::mem::take(&mut self.unwritten);
                        tracing::trace!(messages, "a write is out");
                    }
                }
                taken = requests.recv_many(&mut batch, BATCH), if self.outbox.len() < MOST_UNWRITTEN => {
                    if taken == 0 {
                        return self.unbind().await;
                    }
                    self.submit(&mut batch);
                }
                _ = tick.tick() => self.pass(stopwatch())?,
                () = &mut stopped => return self.unbind().await,
            }
        }
    }

    fn submit(&mut self, batch: &mut Vec<Request>) {
        let deadline = stopwatch() + self.patience.answer;
        for Request { submit, answer, place } in batch.drain(..) {
            let sequence = self.count();
            submit.put(sequence, &mut self.outbox);
            self.unwritten += 1;
            self.waiting.insert(sequence, Waiting { answer, deadline, _place: place });
        }
    }

    /// One command of the SMSC.
    fn hear(&mut self, command: &Command, receipts: &mpsc::Sender<Receipt>) -> Result<(), LinkEnd> {
        let sequence = command.sequence_number();
        match (command.id(), command.pdu()) {
            (CommandId::SubmitSmResp | CommandId::GenericNack, pdu) => {
                let Some(waiting) = self.waiting.remove(&sequence) else { return Ok(()) };
                // An error comes without a body from most SMSCs.
                let answer = match (command.status(), pdu) {
                    (CommandStatus::EsmeRok, Some(Pdu::SubmitSmResp(answer))) => {
                        Ok(answer.message_id().as_str().to_owned())
                    }
                    (CommandStatus::EsmeRok, _) => Ok(String::new()),
                    (status, _) => Err(Unsent::Refused(status)),
                };
                let _gone = waiting.answer.send(answer);
            }
            (CommandId::DeliverSm, Some(Pdu::DeliverSm(message))) => {
                let taken = match receipt::read(message) {
                    Some(receipt) => receipts.try_send(receipt).is_ok(),
                    // A message of a subscriber: there is nobody to read it, and it must not come again.
                    None => true,
                };
                let status = if taken {
                    CommandStatus::EsmeRok
                } else {
                    // Full: the SMSC keeps it and tries again.
                    CommandStatus::EsmeRxTAppn
                };
                self.reply(status, sequence, DeliverSmResp::default());
            }
            (CommandId::EnquireLink, _) => {
                self.reply(CommandStatus::EsmeRok, sequence, Pdu::EnquireLinkResp);
            }
            (CommandId::Unbind, _) => {
                self.reply(CommandStatus::EsmeRok, sequence, Pdu::UnbindResp);
                return Err(LinkEnd::Unbound);
            }
            (
                CommandId::EnquireLinkResp | CommandId::UnbindResp | CommandId::AlertNotification,
                _,
            ) => {}
            (_, _) => self.reply(CommandStatus::EsmeRinvcmdid, sequence, Pdu::GenericNack),
        }
        Ok(())
    }

    /// Looks at the deadlines.
    fn pass(&mut self, now: Instant) -> Result<(), LinkEnd> {
        if self.enquired.is_some_and(|since| now - since >= self.patience.answer) {
            return Err(LinkEnd::Silent);
        }
        let late: Vec<u32> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.deadline <= now)
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in late {
            if let Some(waiting) = self.waiting.remove(&sequence) {
                let _gone = waiting.answer.send(Err(Unsent::Unanswered));
            }
        }
        if self.enquired.is_none() && now - self.heard >= self.patience.idle {
            self.send(Pdu::EnquireLink);
            self.enquired = Some(now);
        }
        Ok(())
    }

    /// Ends the bind in good manners: what is under way is still answered, as long as patience lasts.
    async fn unbind(&mut self) -> Result<(), LinkEnd> {
        let patience = self.patience.answer;
        let farewell = async {
            while !self.waiting.is_empty() {
                self.flush().await?;
                match self.decoded()? {
                    Some(command) => {
                        let (nobody, _) = mpsc::channel(1);
                        self.hear(&command, &nobody)?;
                    }
                    None => self.fill().await?,
                }
            }
            self.send(Pdu::Unbind);
            self.flush().await?;
            loop {
                match self.decoded()? {
                    Some(command) if command.id() == CommandId::UnbindResp => return Ok(()),
                    Some(_) => {}
                    None => self.fill().await?,
                }
            }
        };
        tokio::time::timeout(patience, farewell).await.unwrap_or(Ok(()))
    }

    fn send(&mut self, pdu: impl Into<Pdu>) -> u32 {
        let sequence = self.count();
        self.reply(CommandStatus::EsmeRok, sequence, pdu);
        sequence
    }

    /// The next sequence number.
    fn count(&mut self) -> u32 {
        self.sequence = if self.sequence >= LAST_SEQUENCE { 1 } else { self.sequence + 1 };
        self.sequence
    }

    fn reply(&mut self, status: CommandStatus, sequence: u32, pdu: impl Into<Pdu>) {
        encode(&mut self.codec, status, sequence, pdu, &mut self.outbox);
    }

    fn decoded(&mut self) -> Result<Option<Command>, LinkEnd> {
        self.codec.decode(&mut self.inbox).map_err(LinkEnd::Garbage)
    }

    async fn flush(&mut self) -> Result<(), LinkEnd> {
        self.writer.write_all_buf(&mut self.outbox).await.map_err(LinkEnd::Io)
    }

    async fn fill(&mut self) -> Result<(), LinkEnd> {
        match self.reader.read_buf(&mut self.inbox).await {
            Ok(0) => Err(LinkEnd::Closed),
            Ok(_) => Ok(()),
            Err(error) => Err(LinkEnd::Io(error)),
        }
    }
}
