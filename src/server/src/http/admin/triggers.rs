//! `/v1/triggers`: a network entity says that a device uses settings that are not right (R21).

use super::{
    extract::{Octets, Params, json},
    problem::Refusal,
};
use crate::{engine::Engine, trigger, update::MessageId};
use api::{ProblemType, TriggerReport, TriggerRequest};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::Deserialize;
use std::sync::Arc;

/// Whoever is not sure that a trigger arrived sends it again under the same key.
const KEY: &str = "idempotency-key";
/// The longest key, in octets.
const LONGEST_KEY: usize = 128;

/// The query of a trigger.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TriggerOf {
    /// Absent: the only one.
    authority: Option<String>,
}

pub(super) async fn trigger(
    State(engine): State<Arc<Engine>>,
    Params(query): Params<TriggerOf>,
    headers: HeaderMap,
    Octets(body): Octets,
) -> Result<(StatusCode, Json<TriggerReport>), Refusal> {
    let authority = only_or(&engine, query.authority, "`?authority=`")?;
    let message = match headers.get(KEY).map(|key| key.to_str()) {
        None => None,
        Some(Ok(key)) if (1..=LONGEST_KEY).contains(&key.len()) => {
            Some(MessageId::new(&authority, key))
        }
        Some(_) => {
            let detail = format!("Idempotency-Key is not 1 to {LONGEST_KEY} octets of text");
            return Err(Refusal::new(ProblemType::BadRequest, detail));
        }
    };
    let request: TriggerRequest = json(&headers, &body)?;
    let report = trigger::trigger(&engine, &authority, &request, message.as_ref()).await?;
    Ok((StatusCode::ACCEPTED, Json(report)))
}

/// The authority that is named, or the only one; `place` says where one is named.
pub(super) fn only_or(
    engine: &Engine,
    named: Option<String>,
    place: &str,
) -> Result<String, Refusal> {
    let authority = match (named, engine.config().authorities.as_slice()) {
        (Some(authority), _) => authority,
        (None, [only]) => only.name.clone(),
        (None, _) => {
            let detail = format!("this server has several authorities: say which with {place}");
            return Err(Refusal::new(ProblemType::BadRequest, detail));
        }
    };
    if engine.config().authority(&authority).is_none() {
        let detail = format!("this server has no authority `{authority}`");
        return Err(Refusal::new(ProblemType::NoSuchAuthority, detail));
    }
    Ok(authority)
}
