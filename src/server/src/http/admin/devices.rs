//! `/v1/devices`: import, list, show.

use super::{
    extract::{Octets, Params, Segments, body_is, page_limit},
    problem::Refusal,
};
use crate::{
    engine::Engine,
    registry::{self, line::Format},
};
use api::{DevicePage, DeviceView, ImportReport, ProblemType};
use axum::{Json, extract::State, http::HeaderMap};
use serde::Deserialize;
use std::sync::Arc;

/// The query of an import.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportOf {
    format: Option<String>,
    authority: Option<String>,
    #[serde(default)]
    reset_nonces: bool,
    first_line: Option<u64>,
}

const CSV: &[&str] = &["text/csv"];
const JSON_LINES: &[&str] =
    &["application/jsonl", "application/x-ndjson", "application/json-seq", "application/json"];

pub(super) async fn import(
    State(engine): State<Arc<Engine>>,
    Params(query): Params<ImportOf>,
    headers: HeaderMap,
    Octets(body): Octets,
) -> Result<Json<ImportReport>, Refusal> {
    let format = match &query.format {
        Some(name) => Format::from_name(name).ok_or_else(|| {
            Refusal::new(
                ProblemType::BadRequest,
                format!("`format` is `{name}`; it may be csv or jsonl"),
            )
        })?,
        None if body_is(&headers, CSV).is_ok() => Format::Csv,
        None => Format::JsonLines,
    };
    // The first line that is told of: with CSV the one under the header, which is line 1 of its file.
    let (kinds, first_line) = match format {
        Format::Csv => (CSV, 2),
        Format::JsonLines => (JSON_LINES, 1),
    };
    body_is(&headers, kinds)?;
    known_authority(&engine, query.authority.as_deref())?;
    let import = registry::Import {
        store: engine.store(),
        vault: engine.vault(),
        config: engine.config(),
        format,
        authority: query.authority.as_deref(),
        reset_nonces: query.reset_nonces,
        first_line: query.first_line.unwrap_or(first_line),
    };
    let report = registry::import(&import, &body).await?;
    tracing::info!(
        imported = report.imported,
        unchanged = report.unchanged,
        refused = report.refused,
        "devices were imported"
    );
    Ok(Json(report))
}

/// The query of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListOf {
    authority: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(engine): State<Arc<Engine>>,
    Params(query): Params<ListOf>,
) -> Result<Json<DevicePage>, Refusal> {
    let authority = query.authority.as_deref();
    known_authority(&engine, authority)?;
    let limit = page_limit(query.limit);
    Ok(Json(registry::list(engine.store(), authority, query.cursor.as_deref(), limit).await?))
}

pub(super) async fn show(
    State(engine): State<Arc<Engine>>,
    Segments((authority, name)): Segments<(String, String)>,
) -> Result<Json<DeviceView>, Refusal> {
    known_authority(&engine, Some(&authority))?;
    let view = registry::view(engine.store(), &authority, &name).await?;
    view.map(Json).ok_or_else(|| {
        Refusal::new(
            ProblemType::NoSuchDevice,
            format!("the registry of `{authority}` has no device under this name"),
        )
    })
}

fn known_authority(engine: &Engine, name: Option<&str>) -> Result<(), Refusal> {
    match name {
        Some(name) if engine.config().authority(name).is_none() => Err(Refusal::new(
            ProblemType::NoSuchAuthority,
            format!("this server has no authority `{name}`"),
        )),
        _ => Ok(()),
    }
}
