//! HTTP/1.1 as a device speaks it: one connection, one request after the other, nothing more.
//!
//! Written by hand over a socket because thousands of sessions a second run beside the server that they measure.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

/// The largest head of a reply that is read.
const MOST_HEAD: usize = 16 * 1024;

/// The largest body of a reply that is read.
const MOST_BODY: usize = 1024 * 1024;

/// An `http:` URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    /// Host and port as they stand in the URL.
    pub(crate) authority: &'a str,
    /// Path and query.
    pub(crate) path: &'a str,
}

impl<'a> Url<'a> {
    pub(crate) fn parse(url: &'a str) -> Option<Self> {
        let rest = url.strip_prefix("http://")?;
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at_checked(slash)?,
            None => (rest, "/"),
        };
        let clean = |text: &str| text.bytes().all(|octet| octet.is_ascii_graphic());
        (!authority.is_empty() && clean(authority) && clean(path))
            .then_some(Self { authority, path })
    }
}

/// A reply, whole.
#[derive(Debug, Default)]
pub(crate) struct HttpReply {
    pub(crate) status: u16,
    pub(crate) media_type: String,
    /// `x-syncml-hmac`.
    pub(crate) mac: Option<String>,
    /// Seconds.
    pub(crate) retry_after: Option<u32>,
    /// The announced length of the body.
    pub(crate) length: Option<usize>,
    pub(crate) body: Vec<u8>,
}

/// A request: a message to be posted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Post<'a> {
    pub(crate) url: &'a Url<'a>,
    pub(crate) media_type: &'a str,
    /// Further header lines, each with its end.
    pub(crate) headers: &'a str,
    /// `x-syncml-hmac`.
    pub(crate) mac: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// A connection of one device.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    authority: String,
    buffer: Vec<u8>,
    /// The server wants to close it.
    closing: bool,
}

impl Connection {
    /// Connects from the device's own address when the server is on loopback too: every device has all its ports.
    /// `at` is where the host is, when that is known already.
    pub(crate) async fn open(
        authority: &str,
        at: Option<SocketAddr>,
        from: Ipv4Addr,
    ) -> io::Result<Self> {
        let to = match at.map_or_else(|| authority.parse::<SocketAddr>(), Ok) {
            Ok(to) => to,
            Err(_a_name) => {
                let with_port = if authority.contains(':') {
                    authority.to_owned()
                } else {
                    format!("{authority}:80")
                };
                let mut found = tokio::net::lookup_host(with_port).await?;
                found.next().ok_or_else(|| io::Error::from(io::ErrorKind::HostUnreachable))?
            }
        };
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if matches!(to.ip(), IpAddr::V4(to) if to.is_loopback()) {
            socket.bind(SocketAddr::from((from, 0)))?;
        }
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            authority: authority.to_owned(),
            buffer: Vec::with_capacity(2_048),
            closing: false,
        })
    }

    /// Whether another request for this host may go over it.
    pub(crate) fn serves(&self, url: &Url<'_>) -> bool {
        !self.closing && self.authority == url.authority
    }

    pub(crate) async fn post(&mut self, post: Post<'_>) -> io::Result<HttpReply> {
        use std::io::Write as _;

        self.buffer.clear();
        write!(
            self.buffer,
            "POST {} HTTP/1.1\r\nHost: {}\r\n{}Content-Type: {}\r\nContent-Length: {}\r\n",
            post.url.path,
            post.url.authority,
            post.headers,
            post.media_type,
            post.body.len(),
        )?;
        if let Some(mac) = post.mac {
            write!(self.buffer, "x-syncml-hmac: {mac}\r\n")?;
        }
        self.buffer.extend_from_slice(b"\r\n");
        self.buffer.extend_from_slice(post.body);
        self.stream.write_all(&self.buffer).await?;
        self.buffer.clear();
        self.reply().await
    }

    async fn reply(&mut self) -> io::Result<HttpReply> {
        let (mut reply, head) = loop {
            self.more().await?;
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break (self.head(end)?, end + 4);
            }
            if self.buffer.len() > MOST_HEAD {
                return Err(malformed("the head of the reply has no end"));
            }
        };
        // A reply that does not say how long it is gets no further; what came with its head is evidence enough.
        let length = reply.length.unwrap_or_default();
        while self.buffer.len() < head + length {
            self.more().await?;
        }
        let body = self.buffer.get(head..).unwrap_or_default();
        reply.body.extend_from_slice(body);
        if reply.length != Some(reply.body.len()) {
            self.closing = true;
        }
        Ok(reply)
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Reads status line and headers.
    fn head(&mut self, end: usize) -> io::Result<HttpReply> {
        let head = self.buffer.get(..end).unwrap_or_default();
        let head = std::str::from_utf8(head)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let mut lines = head.split("\r\n");
        let status =
            lines.next().and_then(|line| line.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok());
        let mut reply = HttpReply {
            status: status.ok_or_else(|| malformed("the reply has no status"))?,
            ..HttpReply::default()
        };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                let length: usize = value
                    .parse()
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                if length > MOST_BODY {
                    return Err(malformed("the reply is too long"));
                }
                reply.length = Some(length);
            } else if name.eq_ignore_ascii_case("content-type") {
                value.clone_into(&mut reply.media_type);
            } else if name.eq_ignore_ascii_case("x-syncml-hmac") {
                reply.mac = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case("retry-after") {
                reply.retry_after = value.parse().ok();
            } else if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close")
            {
                self.closing = true;
            }
        }
        Ok(reply)
    }
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_host_and_path_with_its_query() {
        let url = Url::parse("http://127.0.0.1:8080/dm/operator?s=0b6c&n=2").unwrap();
        assert_eq!(url, Url { authority: "127.0.0.1:8080", path: "/dm/operator?s=0b6c&n=2" });
        assert_eq!(Url::parse("http://host").unwrap().path, "/");
        for bad in ["", "https://host/", "http://", "/dm", "http://host/a b", "http://h/\r\nX: y"] {
            assert_eq!(Url::parse(bad), None, "{bad}");
        }
    }
}
