//! The floor of everything that sends over SMPP: a bare loop over the codec, which fills the window, writes, reads, and counts.

use anyhow::{anyhow, ensure};
use rusmpp::{
    Command, CommandId, CommandStatus, Pdu,
    pdus::{BindTransceiver, SubmitSm},
    tokio_codec::CommandCodec,
    types::{COctetString, OctetString},
    values::{DataCoding, EsmClass, InterfaceVersion, Npi, RegisteredDelivery, Ton},
};
use std::{net::SocketAddr, str::FromStr as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_util::{
    bytes::BytesMut,
    codec::{Decoder as _, Encoder as _},
};
use wire::{
    digest::{Nonce, SecretHash},
    notification::{Notification, UiMode},
    sms, wap_push,
};

/// One bound connection.
pub(crate) struct Bare {
    stream: TcpStream,
    codec: CommandCodec,
    inbox: BytesMut,
    outbox: BytesMut,
    sequence: u32,
}

impl Bare {
    pub(crate) async fn bind(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let (inbox, outbox) =
            (BytesMut::with_capacity(8 * 1024), BytesMut::with_capacity(8 * 1024));
        let mut bare = Self { stream, codec: CommandCodec::new(), inbox, outbox, sequence: 0 };
        let bind = BindTransceiver::builder()
            .system_id(COctetString::from_str("reveille")?)
            .password(COctetString::from_str("secret")?)
            .interface_version(InterfaceVersion::Smpp3_4)
            .build();
        bare.put(bind)?;
        ensure!(bare.turn(CommandId::BindTransceiverResp).await? == 1, "it was not bound");
        Ok(bare)
    }

    /// Submits all messages, up to `window` of which wait for their answer.
    pub(crate) async fn submit(
        &mut self,
        mut messages: impl Iterator<Item = SubmitSm>,
        window: usize,
    ) -> anyhow::Result<()> {
        let mut waiting = 0;
        loop {
            while waiting < window
                && let Some(message) = messages.next()
            {
                self.put(message)?;
                waiting += 1;
            }
            if waiting == 0 {
                return Ok(());
            }
            waiting -= self.turn(CommandId::SubmitSmResp).await?;
        }
    }

    fn put(&mut self, pdu: impl Into<Pdu>) -> anyhow::Result<()> {
        self.sequence += 1;
        let command = Command::new(CommandStatus::EsmeRok, self.sequence, pdu);
        Ok(self.codec.encode(&command, &mut self.outbox)?)
    }

    /// Writes what there is, and counts the answers that come.
    async fn turn(&mut self, awaited: CommandId) -> anyhow::Result<usize> {
        self.stream.write_all_buf(&mut self.outbox).await?;
        ensure!(self.stream.read_buf(&mut self.inbox).await? > 0, "the connection was closed");
        let mut answers = 0;
        while let Some(answer) = self.codec.decode(&mut self.inbox)? {
            ensure!(
                answer.id() == awaited && answer.status() == CommandStatus::EsmeRok,
                "{answer:?}"
            );
            answers += 1;
        }
        Ok(answers)
    }
}

/// A message as the sender of a route makes it; `user_data` is at most 140 octets, with its header.
pub(crate) fn message(number: &str, user_data: &[u8]) -> anyhow::Result<SubmitSm> {
    Ok(SubmitSm::builder()
        .source_addr_ton(Ton::Alphanumeric)
        .source_addr(COctetString::from_str("DMSRV")?)
        .dest_addr_ton(Ton::International)
        .dest_addr_npi(Npi::Isdn)
        .destination_addr(COctetString::from_str(number)?)
        .esm_class(EsmClass::from(0x40))
        .registered_delivery(RegisteredDelivery::from(1))
        .data_coding(DataCoding::from(4))
        .short_message(OctetString::from_vec(user_data.to_vec())?)
        .build())
}

/// A notification as the dispatcher makes it.
pub(crate) fn push() -> anyhow::Result<Vec<u8>> {
    let secret = SecretHash::of("reveille.local", "a secret of the server");
    let notification = Notification::new("reveille.local", 7, UiMode::NotSpecified);
    let package0 = notification.seal(&secret, &Nonce::new(&[7; 16])?)?;
    Ok(wap_push::push(7, &package0))
}

/// It, as it is in a message.
pub(crate) fn user_data(push: &[u8]) -> anyhow::Result<Vec<u8>> {
    let parts = sms::segments(push, sms::SOURCE_PORT, sms::Reference::Short(0))?;
    let [part] = <[_; 1]>::try_from(parts).map_err(|_more| anyhow!("it needs several messages"))?;
    Ok(part)
}
