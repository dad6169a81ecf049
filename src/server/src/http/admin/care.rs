//! `/v1/care`: one device, looked at and mended while its user waits (R12, R19).

use super::{
    extract::{Octets, Params, Segments, json},
    problem::Refusal,
};
use crate::{
    care::{self, CareId, LONGEST_WAIT},
    engine::Engine,
};
use api::{CareRequest, CareView, ProblemType};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};

/// Takes a care job. 200: it has ended within `wait`; 202: it goes on, under the address in `Location`.
pub(super) async fn submit(
    State(engine): State<Arc<Engine>>,
    headers: HeaderMap,
    Octets(body): Octets,
) -> Result<Response, Refusal> {
    let request: CareRequest = json(&headers, &body)?;
    let wait = how_long(request.wait.as_deref())?;
    let authority = super::triggers::only_or(&engine, request.authority.clone(), "`authority`")?;
    let id = care::submit(&engine, &authority, &request).await?;
    let view = care::wait(&engine, id, None, wait).await?;
    let status = if view.ended() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let place = format!("/v1/care/{id}");
    Ok((status, [(header::LOCATION, place)], Json(view)).into_response())
}

/// The query of a look.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookOf {
    wait: Option<String>,
    version: Option<String>,
}

/// A care job as it is; with `wait`, once it has ended; with `version` too, once it is otherwise.
pub(super) async fn show(
    State(engine): State<Arc<Engine>>,
    Segments(id): Segments<String>,
    Params(query): Params<LookOf>,
) -> Result<Json<CareView>, Refusal> {
    let wait = how_long(query.wait.as_deref())?;
    let Some(id) = CareId::parse(&id) else {
        let detail = format!("`{id}` is not the id of a care job");
        return Err(Refusal::new(ProblemType::NoSuchCare, detail));
    };
    Ok(Json(care::wait(&engine, id, query.version.as_deref(), wait).await?))
}

fn how_long(wait: Option<&str>) -> Result<Duration, Refusal> {
    let Some(text) = wait else { return Ok(Duration::ZERO) };
    match campaign::time::parse_duration(text) {
        Ok(wait) if wait <= LONGEST_WAIT => Ok(wait),
        Ok(_) => Err(Refusal::new(ProblemType::BadRequest, "`wait` is longer than 2m")),
        Err(error) => Err(Refusal::new(ProblemType::BadRequest, format!("`wait`: {error}"))),
    }
}
