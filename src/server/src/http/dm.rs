//! The devices' door over HTTP: what is no SyncML message gets a status code, everything else gets an answer.

#[cfg(test)]
mod tests;

use crate::{
    clock,
    config::Authority,
    door::{self, Answer, Request},
    engine::Engine,
    http::{
        bodies::{Bodies, BodyError, Whole},
        brake::Brake,
    },
    metrics::labels::Rejection,
    rows::LastAnswer,
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
    routing::post,
};
use session::Mac;
use sha2::{Digest, Sha256};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use wire::{
    Limits, MediaType,
    hmac::{self, Hmac, HmacError},
};

/// Devices whose failures the brake remembers.
const BRAKE_MEMORY: usize = 100_000;

/// What every request at this door shares.
#[derive(Debug)]
struct Door {
    engine: Arc<Engine>,
    places: Semaphore,
    bodies: Bodies,
    brake: Mutex<Brake>,
    limits: Limits,
}

/// The routes of the devices' listener.
pub(crate) fn router(engine: Arc<Engine>) -> Router {
    let devices = &engine.config.http.devices;
    let gateways = super::pap::router(Arc::clone(&engine));
    let door = Door {
        bodies: Bodies::new(devices.max_body, devices.body_wait, devices.hold),
        places: Semaphore::new(engine.config.http.devices.max_in_flight),
        brake: Mutex::new(Brake::new(BRAKE_MEMORY)),
        limits: Limits { octets: engine.config.http.devices.max_body, ..Limits::default() },
        engine,
    };
    Router::new()
        .route("/dm/{authority}", post(untokened))
        .route("/dm/{authority}/{token}", post(tokened))
        .with_state(Arc::new(door))
        .merge(gateways)
}

async fn untokened(
    State(door): State<Arc<Door>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(authority): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    door.serve(peer, &authority, None, &headers, body).await
}

async fn tokened(
    State(door): State<Arc<Door>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path((authority, token)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    let mut octets = [0; 16];
    if hex::decode_to_slice(&token, &mut octets).is_err() {
        return door.reject(Rejection::Path, StatusCode::NOT_FOUND, "no such path");
    }
    door.serve(peer, &authority, Some(octets), &headers, body).await
}

impl Door {
    async fn serve(
        &self,
        peer: SocketAddr,
        authority: &str,
        token: Option<[u8; 16]>,
        headers: &HeaderMap,
        body: Body,
    ) -> Response<Body> {
        let Some(authority) = self.engine.config.authority(authority) else {
            return self.reject(Rejection::Path, StatusCode::NOT_FOUND, "no such path");
        };
        if !authority.admits(peer.ip()) {
            let why = "this network may not speak without protection";
            return self.reject(Rejection::Network, StatusCode::FORBIDDEN, why);
        }
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let Some(media) = MediaType::parse(content_type) else {
            return self.reject(
                Rejection::MediaType,
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send application/vnd.syncml.dm+wbxml or +xml",
            );
        };
        if headers.get(header::CONTENT_ENCODING).is_some_and(|value| value != "identity") {
            return self.reject(
                Rejection::MediaType,
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send the message without Content-Encoding",
            );
        }
        let whole = match self.body(body).await {
            Ok(whole) => whole,
            Err(refusal) => return refusal,
        };
        // Held, not refused: one field client repeats at once after a 503, another gives the session up (D13).
        let hold = self.engine.config.http.devices.hold;
        let Ok(Ok(place)) = tokio::time::timeout(hold, self.places.acquire()).await else {
            return self.busy(Rejection::Busy);
        };
        let in_flight = self.engine.load.enter();
        let hmac = hmac(headers);
        let mac = match &hmac {
            None => Mac::Absent,
            Some(Ok(hmac)) => Mac::Given { hmac, body: &whole.octets },
            Some(Err(error)) => {
                tracing::debug!(
                    error = error as &dyn std::error::Error,
                    "x-syncml-hmac is unreadable"
                );
                Mac::Unreadable
            }
        };
        let since = clock::stopwatch();
        let (answer, pause) = self.answer(peer, authority, media, token, mac, &whole.octets).await;
        self.engine.metrics.message_seconds.record(since.elapsed().as_secs_f64());
        drop((in_flight, place, whole));
        // Who guesses waits on a connection of its own, not in a place that others need.
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        answer
    }

    /// The whole body, or what is said to whoever did not send it.
    async fn body(&self, body: Body) -> Result<Whole<'_>, Response<Body>> {
        self.bodies.take(body).await.map_err(|error| {
            let (reason, status) = match error {
                BodyError::TooLarge => (Rejection::TooLarge, StatusCode::PAYLOAD_TOO_LARGE),
                BodyError::Incomplete(_) => (Rejection::Incomplete, StatusCode::BAD_REQUEST),
                BodyError::Late => (Rejection::Incomplete, StatusCode::REQUEST_TIMEOUT),
                BodyError::Full => return self.busy(Rejection::Busy),
            };
            self.reject(reason, status, &error.to_string())
        })
    }

    /// The answer, and how long it is to be held back.
    async fn answer(
        &self,
        peer: SocketAddr,
        authority: &Authority,
        media: MediaType,
        token: Option<[u8; 16]>,
        mac: Mac<'_>,
        body: &Bytes,
    ) -> (Response<Body>, Duration) {
        let message = match media.encoding.read(body, &self.limits) {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a body is no message");
                return self.bad_request(Rejection::NoMessage, &error.to_string());
            }
        };
        let source = &message.header.source.loc_uri;
        if source.is_empty()
            || source.len() > crate::rows::DeviceId::LONGEST
            || source.contains('\0')
        {
            let why = "Source/LocURI of the header names no device";
            return self.bad_request(Rejection::NoMessage, why);
        }
        let request = Request {
            authority,
            media,
            token,
            confidential: peer.ip().to_canonical().is_loopback(),
            message: &message,
            mac,
            body_digest: body_digest(body, mac),
            body_octets: body.len(),
        };
        match door::receive(&self.engine, &request).await {
            Ok(Answer::Document { answer, proved }) => {
                if proved {
                    self.brake().proved(device_hash(authority, source));
                }
                at_once(document(answer))
            }
            Ok(Answer::Refused { media, body, tried }) => {
                let pause =
                    if tried { self.failed(authority, source).await } else { Duration::ZERO };
                (document(LastAnswer { media, body, hmac: None }), pause)
            }
            Ok(Answer::Stale) => self.bad_request(
                Rejection::Stale,
                "this message was answered before, or is not of this session",
            ),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a message could not be answered"
                );
                at_once(self.busy(Rejection::Failed))
            }
        }
    }

    async fn failed(&self, authority: &Authority, source: &str) -> Duration {
        let pause = match self.engine.store().now().await {
            Ok(now) => self.brake().failed(device_hash(authority, source), now),
            Err(_) => Brake::PAUSE,
        };
        if !pause.is_zero() {
            self.engine.metrics.slowed.increment(1);
        }
        pause
    }

    /// A refusal before or instead of a message, counted.
    fn reject(&self, reason: Rejection, status: StatusCode, why: &str) -> Response<Body> {
        self.engine.metrics.rejected.at(reason).increment(1);
        refuse(status, why)
    }

    fn bad_request(&self, reason: Rejection, why: &str) -> (Response<Body>, Duration) {
        at_once(self.reject(reason, StatusCode::BAD_REQUEST, why))
    }

    fn busy(&self, reason: Rejection) -> Response<Body> {
        let mut response =
            self.reject(reason, StatusCode::SERVICE_UNAVAILABLE, "busy; try again later");
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
        response
    }

    fn brake(&self) -> std::sync::MutexGuard<'_, Brake> {
        self.brake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn device_hash(authority: &Authority, source: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (&authority.name, source).hash(&mut hasher);
    hasher.finish()
}

fn at_once(answer: Response<Body>) -> (Response<Body>, Duration) {
    (answer, Duration::ZERO)
}

/// What tells a repeat from another message: the octets, and the digest that came beside them. A device that starts over
/// may send the same octets under another nonce.
fn body_digest(body: &[u8], mac: Mac<'_>) -> [u8; 32] {
    let digest = Sha256::new_with_prefix(body);
    match mac {
        Mac::Absent | Mac::Unreadable => digest,
        Mac::Given { hmac, .. } => digest.chain_update(hmac.value()),
    }
    .finalize()
    .into()
}

/// What stands in `x-syncml-hmac`; of a header that comes twice nobody knows which one is meant.
fn hmac(headers: &HeaderMap) -> Option<Result<Hmac, HmacError>> {
    let mut values = headers.get_all(hmac::HEADER).iter();
    let value = values.next()?;
    Some(match (value.to_str(), values.next()) {
        (Ok(text), None) => Hmac::parse(text),
        _ => Err(HmacError::Malformed),
    })
}

fn document(answer: LastAnswer) -> Response<Body> {
    let LastAnswer { media, body, hmac } = answer;
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media.name()));
    if let Some(Ok(hmac)) = hmac.map(|hmac| HeaderValue::from_str(&hmac)) {
        headers.insert(HeaderName::from_static(hmac::HEADER), hmac);
    }
    response
}

pub(super) fn refuse(status: StatusCode, why: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{why}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    // What is left of a refused body is not read.
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
