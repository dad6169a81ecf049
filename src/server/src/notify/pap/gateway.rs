//! Posting to a gateway: a few connections that are kept, each with one push on its way at a time, and an end to everything.
//!
//! HTTP/1.1 answers in turn, so the number of connections is the number of pushes that may wait for their answer.

use crate::{
    dispatch::{Held, Pass},
    notify::Tls,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request,
    client::conn::http1::{self, SendRequest},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use std::{
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpStream, sync::Semaphore};
use wire::pap::Body;

/// The largest answer that is read; a document of the protocol is a tenth of it.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Where pushes are posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    /// `host:port`.
    pub(crate) host: String,
    pub(crate) path: String,
}

/// How connections are made and kept.
#[derive(Debug)]
pub(crate) struct Links {
    /// Taken in turn; one that is away is passed over.
    pub(crate) targets: Vec<Target>,
    pub(crate) connections: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    /// For the targets that want it.
    pub(crate) tls: Option<Tls>,
    /// The value of `Authorization`.
    pub(crate) authorization: Option<HeaderValue>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("no connection to the gateway became free in time")]
    NoRoom,
    /// Nothing was written.
    #[error("the gateway cannot be reached")]
    Unreachable(#[source] io::Error),
    /// It may have been taken.
    #[error("the gateway did not answer")]
    Unanswered(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Held(#[from] Held),
}

/// A gateway, and the connections to it.
#[derive(Debug)]
pub(crate) struct Gateway {
    links: Links,
    places: Semaphore,
    idle: Mutex<Vec<Link>>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Link {
    requests: SendRequest<Full<Bytes>>,
    target: usize,
    /// It carried something before: the other side may just be closing it.
    used: bool,
}

impl Gateway {
    pub(crate) fn new(links: Links) -> Self {
        let places = Semaphore::new(links.connections);
        Self { links, places, idle: Mutex::default(), next: AtomicUsize::new(0) }
    }

    /// Posts a body as soon as it may, and reads the answer: HTTP status and octets. `segments` is what it counts for.
    pub(crate) async fn post(
        &self,
        body: Body,
        segments: u32,
        pass: &Pass<'_>,
    ) -> Result<(u16, Bytes), Trouble> {
        let patience = self.links.response_timeout;
        let waiting = tokio::time::timeout(patience, self.places.acquire()).await;
        let Ok(Ok(_place)) = waiting else { return Err(Trouble::NoRoom) };
        let octets = Bytes::from(body.octets);
        loop {
            let mut link = pass.after(self.link(), segments).await?;
            let request = self.request(&link, &body.content_type, octets.clone())?;
            let exchange = exchange(&mut link.requests, request);
            let answer = match tokio::time::timeout(patience, exchange).await {
                Ok(answer) => answer,
                Err(late) => return Err(Trouble::Unanswered(late.into())),
            };
            match answer {
                Ok(answer) => {
                    link.used = true;
                    self.keep(link);
                    return Ok(answer);
                }
                // A kept connection that ends without a word was being closed: the push goes again over another. Had it been
                // taken all the same, the gateway knows its id.
                Err(Ended::Silently(_)) if link.used => {}
                Err(Ended::Silently(error) | Ended::Midway(error)) => {
                    return Err(Trouble::Unanswered(error));
                }
            }
        }
    }

    /// A connection that is there, or a new one. Ends: each kept connection is tried once, and a new one is not `used`.
    async fn link(&self) -> Result<Link, Trouble> {
        loop {
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut link) = kept else { return self.connect().await };
            if link.requests.ready().await.is_ok() {
                return Ok(link);
            }
        }
    }

    fn keep(&self, link: Link) {
        if !link.requests.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(link);
        }
    }

    /// Connects to the next target that is there.
    async fn connect(&self) -> Result<Link, Trouble> {
        let targets = &self.links.targets;
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut why = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for n in 0..targets.len() {
            let place = (first.wrapping_add(n)) % targets.len();
            let Some(target) = targets.get(place) else { continue };
            let connecting = tokio::time::timeout(self.links.connect_timeout, self.open(target));
            match connecting.await {
                Ok(Ok(requests)) => return Ok(Link { requests, target: place, used: false }),
                Ok(Err(error)) => why = error,
                Err(late) => why = io::Error::new(io::ErrorKind::TimedOut, late),
            }
        }
        Err(Trouble::Unreachable(why))
    }

    async fn open(&self, target: &Target) -> io::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&target.host).await?;
        stream.set_nodelay(true)?;
        match self.links.tls.as_ref().filter(|_| target.tls) {
            None if target.tls => Err(io::Error::other("TLS is not set up")),
            None => speak(stream).await,
            Some(tls) => {
                speak(tls.connector.connect(Tls::name(&target.host)?, stream).await?).await
            }
        }
    }

    fn request(
        &self,
        link: &Link,
        content_type: &str,
        octets: Bytes,
    ) -> Result<Request<Full<Bytes>>, Trouble> {
        let unwritable = |error: hyper::http::Error| Trouble::Unreachable(io::Error::other(error));
        let (host, path) = self
            .links
            .targets
            .get(link.target)
            .map_or(("", "/"), |target| (target.host.as_str(), target.path.as_str()));
        // Nothing that need not be there: some gateways send the headers of the request on over the air, and a notification
        // that would fit one short message takes two.
        let mut request = Request::post(path)
            .header(HOST, host)
            .header(CONTENT_TYPE, content_type)
            .body(Full::new(octets))
            .map_err(unwritable)?;
        if let Some(authorization) = &self.links.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }
}

async fn speak<S>(stream: S) -> io::Result<SendRequest<Full<Bytes>>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (requests, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a connection to a gateway ended"
            );
        }
    });
    Ok(requests)
}

/// How an exchange ended without an answer.
enum Ended {
    /// Before a single octet of an answer.
    Silently(Box<dyn std::error::Error + Send + Sync>),
    Midway(Box<dyn std::error::Error + Send + Sync>),
}

async fn exchange(
    requests: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<(u16, Bytes), Ended> {
    let answer = requests.send_request(request).await.map_err(|error| {
        if error.is_canceled() || error.is_incomplete_message() || error.is_closed() {
            Ended::Silently(error.into())
        } else {
            Ended::Midway(error.into())
        }
    })?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), LARGEST_ANSWER).collect();
    let body = body.await.map_err(Ended::Midway)?;
    Ok((status, body.to_bytes()))
}
