//! Where push proxy gateways post what became of pushes: `/pap/{route}/{token}`, beside the devices' paths.
//!
//! The token is what a gateway was told with each push, and nobody else; a stranger who makes up results could make
//! notifications repeat, no more. A result is answered when there is room for it: until then the gateway posts it again.

use super::{
    bodies::{Bodies, BodyError},
    dm::refuse,
};
use crate::{engine::Engine, metrics::labels::Rejection, notify::pap::result};
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Path, State},
    http::{HeaderValue, Response, StatusCode, header},
    routing::post,
};
use std::{net::SocketAddr, sync::Arc};
use subtle::ConstantTimeEq;
use wire::pap::{BadMessage, Code, Document, Pap, PapError, Parts};

/// The largest document that is taken in.
const LARGEST: usize = 64 * 1024;

#[derive(Debug)]
struct Door {
    engine: Arc<Engine>,
    bodies: Bodies,
}

/// The paths of gateways, at the devices' listener.
pub(super) fn router(engine: Arc<Engine>) -> Router {
    let devices = &engine.config.http.devices;
    let bodies = Bodies::new(LARGEST, devices.body_wait, devices.hold);
    Router::new()
        .route("/pap/{route}/{token}", post(take))
        .with_state(Arc::new(Door { engine, bodies }))
}

async fn take(
    State(door): State<Arc<Door>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path((route, token)): Path<(String, String)>,
    body: Body,
) -> Response<Body> {
    let reject = |reason, status, why: &str| {
        door.engine.metrics.rejected.at(reason).increment(1);
        refuse(status, why)
    };
    let results = door.engine.routes.results(&route);
    let Some(results) =
        results.filter(|results| results.token.reveal().as_bytes().ct_eq(token.as_bytes()).into())
    else {
        return reject(Rejection::Path, StatusCode::NOT_FOUND, "no such path");
    };
    if !results.from.is_empty() && !results.from.iter().any(|network| network.contains(peer.ip())) {
        let why = "results of this route come from other networks";
        return reject(Rejection::Network, StatusCode::FORBIDDEN, why);
    }
    let whole = match door.bodies.take(body).await {
        Ok(whole) => whole,
        Err(error) => {
            let (reason, status) = match error {
                BodyError::TooLarge => (Rejection::TooLarge, StatusCode::PAYLOAD_TOO_LARGE),
                BodyError::Incomplete(_) => (Rejection::Incomplete, StatusCode::BAD_REQUEST),
                BodyError::Late => (Rejection::Incomplete, StatusCode::REQUEST_TIMEOUT),
                BodyError::Full => (Rejection::Busy, StatusCode::SERVICE_UNAVAILABLE),
            };
            return reject(reason, status, &error.to_string());
        }
    };
    let said = match read(&whole.octets) {
        Ok(Document::Result(said)) => said,
        Ok(other) => {
            tracing::debug!(
                document = other.name(),
                "a gateway posted something that is no result"
            );
            return door.bad(Code::NotImplemented);
        }
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "a result cannot be read");
            return door.bad(Code::BadRequest);
        }
    };
    if results.receipts.try_send(result::receipt(&said)).is_err() {
        let mut answer =
            reject(Rejection::Busy, StatusCode::SERVICE_UNAVAILABLE, "busy; post it again");
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
        return answer;
    }
    document(StatusCode::OK, Document::ResultResponse(said.heard()))
}

/// The document of a body: by itself, or the first part of several.
fn read(body: &[u8]) -> Result<Document, PapError> {
    if body.starts_with(b"--") {
        let parts = Parts::parse(body)?;
        return Ok(Pap::parse(parts.parts.first().map_or(&[], |part| part.octets))?.document);
    }
    Ok(Pap::parse(body)?.document)
}

impl Door {
    fn bad(&self, code: Code) -> Response<Body> {
        self.engine.metrics.rejected.at(Rejection::NoMessage).increment(1);
        let bad = BadMessage { code, desc: Some(code.meaning().to_owned()), fragment: None };
        document(StatusCode::BAD_REQUEST, Document::Bad(bad))
    }
}

fn document(status: StatusCode, document: Document) -> Response<Body> {
    match (Pap { product_name: None, document }).write() {
        Ok(text) => {
            let mut answer = Response::new(Body::from(text));
            *answer.status_mut() = status;
            let xml = HeaderValue::from_static("application/xml");
            answer.headers_mut().insert(header::CONTENT_TYPE, xml);
            answer
        }
        // What was read can be written; what could not be is answered without its words.
        Err(_) => refuse(status, "heard"),
    }
}
