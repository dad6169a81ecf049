//! What the devices hear: one socket, on which every device has an address of its own.
//!
//! Datagrams are read in batches with the address they were sent to, on a thread of their own: when thousands of
//! notifications come at once, what is not read in time is lost, as it would be in the air.

use crate::identity;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
};
use tokio::io::Interest;
use tokio_util::sync::CancellationToken;

/// As much as the system allows of so many octets is kept for datagrams that wait to be read.
const WAITING_OCTETS: usize = 16 * 1024 * 1024;

/// Room for one datagram; a push message fits one SMS.
const LARGEST: usize = 2_048;

/// The socket that stands for the radio of every device.
#[derive(Debug)]
pub(crate) struct Air {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl Air {
    /// Binds to every address, because each device has one; `port` 0 takes any that is free.
    pub(crate) fn bind(port: u16) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(WAITING_OCTETS)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
        let socket: UdpSocket = socket.into();
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self { socket, state })
    }

    pub(crate) fn port(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// Hands each datagram to `heard` with the index of the device, until `stop`.
    pub(crate) async fn listen(
        self,
        stop: CancellationToken,
        mut heard: impl FnMut(u64, &[u8]),
    ) -> io::Result<()> {
        let Self { socket, state } = self;
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        let mut room = vec![0; LARGEST * BATCH_SIZE];
        let mut batch = [empty(); BATCH_SIZE];
        loop {
            let ready = stop.run_until_cancelled(socket.readable()).await;
            match ready {
                None => return Ok(()),
                Some(ready) => ready?,
            }
            let mut slices: Vec<IoSliceMut<'_>> =
                room.chunks_mut(LARGEST).map(IoSliceMut::new).collect();
            let read = socket.try_io(Interest::READABLE, || {
                state.recv((&socket).into(), &mut slices, &mut batch)
            });
            drop(slices);
            let count = match read {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            for (meta, octets) in batch.iter().zip(room.chunks(LARGEST)).take(count) {
                let Some(index) = device_at(meta) else { continue };
                let octets = octets.get(..meta.len).unwrap_or_default();
                // The system may have joined datagrams of one pair of addresses.
                octets.chunks(meta.stride.max(1)).for_each(|push| heard(index, push));
            }
        }
    }
}

fn device_at(meta: &RecvMeta) -> Option<u64> {
    match meta.dst_ip? {
        IpAddr::V4(address) => identity::index_of(address),
        IpAddr::V6(_) => None,
    }
}

fn empty() -> RecvMeta {
    RecvMeta::default()
}
