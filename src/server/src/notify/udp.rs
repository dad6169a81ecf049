//! The `udp` route: the WSP push PDU straight to a device's address (WAP push over UDP, port 2948 by default).
//!
//! The datagram is the exact PDU that a gateway would deliver: connectionless WSP, no UDH, because UDP carries the
//! port itself.

use std::{io, net::SocketAddr};
use tokio::net::UdpSocket;

/// Why a notification did not leave on this route.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UdpError {
    /// This device cannot be reached until its registry entry is mended.
    #[error("the device has no address that the udp route can use")]
    NoAddress,
    /// The network refused; a later attempt may pass.
    #[error("the datagram was not accepted by the network")]
    Refused(#[source] io::Error),
}

/// A socket that sends notifications.
#[derive(Debug)]
pub(crate) struct UdpRoute {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    /// The port of a device whose address names none.
    port: u16,
}

impl UdpRoute {
    /// Sends from `local`; to devices of the other address family from any address, where the machine has one.
    pub(crate) async fn bind(local: SocketAddr, port: u16) -> io::Result<Self> {
        let socket = UdpSocket::bind(local).await?;
        if local.is_ipv4() {
            Ok(Self { v4: Some(socket), v6: UdpSocket::bind("[::]:0").await.ok(), port })
        } else {
            Ok(Self { v4: UdpSocket::bind("0.0.0.0:0").await.ok(), v6: Some(socket), port })
        }
    }

    /// Where a device is, by the address in the registry.
    pub(crate) fn address(&self, text: &str) -> Result<SocketAddr, UdpError> {
        address(text, self.port)
    }

    /// Hands one datagram to the network. It may be lost on the way: the attempt's deadline notices.
    pub(crate) async fn send(&self, to: SocketAddr, push: &[u8]) -> Result<(), UdpError> {
        let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        let socket = socket.as_ref().ok_or(UdpError::NoAddress)?;
        socket.send_to(push, to).await.map(drop).map_err(UdpError::Refused)
    }
}

/// Reads an address: `host:port`, or a host alone for `port`. Only literal addresses: a name would let a registry entry
/// make the server ask the name service for a stranger, at campaign speed.
pub(crate) fn address(text: &str, port: u16) -> Result<SocketAddr, UdpError> {
    text.parse()
        .or_else(|_| text.parse().map(|host| SocketAddr::new(host, port)))
        .ok()
        .ok_or(UdpError::NoAddress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_port_means_the_push_port() {
        assert_eq!(address("127.0.0.1", 2948).unwrap().port(), 2948);
        assert_eq!(address("127.0.0.1:4000", 2948).unwrap().port(), 4000);
        assert_eq!(address("[::1]:4000", 2948).unwrap().port(), 4000);
        assert!(address("phone.example:1", 2948).is_err());
    }
}
