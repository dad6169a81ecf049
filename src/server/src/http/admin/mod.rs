//! The operators' door: the admin API over HTTP.
//!
//! | module | about |
//! | --- | --- |
//! | [`campaigns`] | submit, enrol, look, control |
//! | [`care`] | one device, looked at and mended while its user waits |
//! | [`devices`] | import, list, show |
//! | [`triggers`] | a network entity says that a device uses settings that are not right |
//! | [`health`] | whether the process lives, whether it can work, and its metrics |
//! | [`extract`] | paths, queries and bodies, judged before anything is done |
//! | [`problem`] | every refusal as a problem document |
//!
//! There are no tokens yet, so the configuration lets this door listen on loopback alone. A browser on the same machine
//! is a stranger all the same: see [`from_a_web_page`].

pub(crate) mod campaigns;
mod care;
mod devices;
mod extract;
mod health;
pub(crate) mod problem;
#[cfg(test)]
mod tests;
mod triggers;

use crate::{care::LONGEST_WAIT, clock, engine::Engine, metrics::labels::AdminResult};
use api::ProblemType;
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, Method, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use problem::Refusal;
use std::{net::IpAddr, sync::Arc, time::Duration};

/// The routes of the operators' listener.
pub(crate) fn router(engine: Arc<Engine>) -> Router {
    let document = DefaultBodyLimit::max(api::MOST_CAMPAIGN_OCTETS);
    Router::new()
        .route("/v1/campaigns", get(campaigns::list).post(campaigns::submit).layer(document))
        .route("/v1/campaigns/{authority}/{id}", get(campaigns::show))
        .route("/v1/campaigns/{authority}/{id}/devices", post(campaigns::enroll))
        .route("/v1/campaigns/{authority}/{id}/results", get(campaigns::results))
        .route("/v1/campaigns/{authority}/{id}/{verb}", post(campaigns::control))
        .route("/v1/devices", get(devices::list))
        .route("/v1/devices/import", post(devices::import))
        .route("/v1/devices/{authority}/{name}", get(devices::show))
        .route("/v1/care", post(care::submit).layer(DefaultBodyLimit::max(api::MOST_CARE_OCTETS)))
        .route("/v1/care/{id}", get(care::show))
        .route("/v1/triggers", post(triggers::trigger))
        .merge(watched())
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(api::MOST_IMPORT_OCTETS))
        .layer(middleware::from_fn_with_state(Arc::clone(&engine), bounded))
        .layer(middleware::from_fn(guarded))
        .with_state(engine)
}

/// How long a request may take: one for care may wait for its device.
fn limit(engine: &Engine, path: &str) -> Duration {
    let limit = engine.config().http.admin.timeout;
    if path.starts_with("/v1/care") { limit + LONGEST_WAIT } else { limit }
}

/// The routes of the listener that stands open to whoever watches: nothing is changed here, and nothing told of a device.
pub(crate) fn telemetry(engine: Arc<Engine>) -> Router {
    watched()
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&engine), bounded))
        .with_state(engine)
}

fn watched() -> Router<Arc<Engine>> {
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
}

async fn no_such_path(uri: Uri) -> Refusal {
    Refusal::new(ProblemType::NoSuchPath, format!("nothing is at `{}`", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    Refusal::new(ProblemType::WrongMethod, format!("`{}` does not take {method}", uri.path()))
}

/// Ends a request that takes too long, whatever it waits for: its own body or the store.
async fn bounded(State(engine): State<Arc<Engine>>, request: Request, next: Next) -> Response {
    let limit = limit(&engine, request.uri().path());
    let since = clock::stopwatch();
    let response = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_elapsed) => {
            let detail = format!(
                "not done within {limit:?}; what was begun may be in: look before repeating"
            );
            Refusal::new(ProblemType::TimedOut, detail).into_response()
        }
    };
    let result = AdminResult(response.extensions().get::<Option<ProblemType>>().copied().flatten());
    engine.metrics.admin_requests.at(result).increment(1);
    engine.metrics.admin_seconds.record(since.elapsed().as_secs_f64());
    response
}

/// Turns away what a web page made a browser send.
async fn guarded(request: Request, next: Next) -> Response {
    if from_a_web_page(request.headers()) {
        let detail = "this door is for programs; requests of web pages, and for other host names, are not taken";
        return Refusal::new(ProblemType::Forbidden, detail).into_response();
    }
    next.run(request).await
}

/// Whether a page in a browser is behind a request: it says so by `Origin`, or it reached loopback under a name of its
/// own (DNS rebinding). Without this, any page that an operator looks at could command the fleet.
fn from_a_web_page(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::ORIGIN) {
        return true;
    }
    let Some(host) = headers.get(header::HOST) else { return false };
    !host.to_str().is_ok_and(is_local_name)
}

fn is_local_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}
