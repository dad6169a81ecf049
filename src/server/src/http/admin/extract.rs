//! Paths, queries and bodies, judged before anything is done; what is wrong with them becomes a problem document.

use super::problem::Refusal;
use api::ProblemType;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::{Deserialize, de::DeserializeOwned};

/// The segments of the path that stand for something, percent-decoded.
pub(super) struct Segments<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            Err(error) => Err(Refusal::new(ProblemType::BadRequest, error.body_text())),
        }
    }
}

/// The query, every key of it known.
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(error) => Err(Refusal::new(ProblemType::BadRequest, error.body_text())),
        }
    }
}

/// The body, within the limit of its route.
pub(super) struct Octets(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Octets {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        match Bytes::from_request(request, state).await {
            Ok(octets) => Ok(Self(octets)),
            Err(error) => Err(unreadable(&error)),
        }
    }
}

fn unreadable(error: &BytesRejection) -> Refusal {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Refusal::new(ProblemType::TooLarge, "send it in smaller parts")
    } else {
        Refusal::new(ProblemType::BadRequest, "the body did not come whole")
    }
}

/// The page that a list is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PageOf {
    pub(super) cursor: Option<String>,
    limit: Option<usize>,
}

impl PageOf {
    pub(super) fn limit(&self) -> usize {
        page_limit(self.limit)
    }
}

/// How many entries a page shall have: 100 when nobody says, never none, never more than [`api::MOST_PER_PAGE`].
pub(super) fn page_limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(100).clamp(1, api::MOST_PER_PAGE)
}

/// Refuses a body that says to be something else than one of `kinds`. One that says nothing is refused, too: a web page
/// can make a browser send that.
pub(super) fn body_is(headers: &HeaderMap, kinds: &[&str]) -> Result<(), Refusal> {
    let said =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = said.split(';').next().unwrap_or_default().trim();
    if kinds.iter().any(|known| known.eq_ignore_ascii_case(kind)) {
        return Ok(());
    }
    let said = if kind.is_empty() {
        "there is no Content-Type".to_owned()
    } else {
        format!("Content-Type is `{kind}`")
    };
    Err(Refusal::new(ProblemType::WrongMediaType, format!("{said}; send {}", kinds.join(" or "))))
}

/// Reads a JSON body.
pub(super) fn json<T: DeserializeOwned>(headers: &HeaderMap, octets: &[u8]) -> Result<T, Refusal> {
    body_is(headers, &["application/json"])?;
    serde_json::from_slice(octets)
        .map_err(|error| Refusal::new(ProblemType::BadBody, error.to_string()))
}
