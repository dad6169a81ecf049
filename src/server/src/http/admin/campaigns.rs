//! `/v1/campaigns`: submit, enrol, look, control.

use super::{
    extract::{Octets, PageOf, Params, Segments, body_is, json},
    problem::Refusal,
};
use crate::{
    campaigns::{self, Asked, Control},
    engine::Engine,
    rows::DeviceId,
};
use api::{
    CampaignPage, CampaignView, ControlRequest, EnrolReport, Problem, ProblemType, ResultPage,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::Deserialize;
use std::sync::Arc;

/// What the text of a campaign may call itself. JSON is YAML, so one reader serves all.
const DOCUMENTS: &[&str] =
    &["application/yaml", "application/json", "application/x-yaml", "text/yaml", "text/x-yaml"];

/// The query of a submission.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubmitOf {
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn submit(
    State(engine): State<Arc<Engine>>,
    Params(query): Params<SubmitOf>,
    headers: HeaderMap,
    Octets(body): Octets,
) -> Result<(StatusCode, Json<CampaignView>), Refusal> {
    body_is(&headers, DOCUMENTS)?;
    let text = std::str::from_utf8(&body)
        .map_err(|_invalid| Refusal::new(ProblemType::BadBody, "the document is not UTF-8 text"))?;
    let submitted = campaigns::submit(&engine, text, query.dry_run).await?;
    let status = if submitted.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(submitted.view)))
}

/// The query of a part of a campaign's devices.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartOf {
    part: u32,
    parts: Option<u32>,
}

pub(super) async fn enroll(
    State(engine): State<Arc<Engine>>,
    Segments((authority, id)): Segments<(String, String)>,
    Params(query): Params<PartOf>,
    headers: HeaderMap,
    Octets(body): Octets,
) -> Result<Json<EnrolReport>, Refusal> {
    let names: Vec<String> = json(&headers, &body)?;
    check_names(&names)?;
    Ok(Json(
        campaigns::enroll_part(&engine, &authority, &id, query.part, query.parts, names).await?,
    ))
}

/// Refuses names that no device can have. Whether there is such a device is not asked here.
pub(crate) fn check_names(names: &[String]) -> Result<(), Refusal> {
    if names.len() > api::MOST_NAMES {
        let detail = format!("{} devices; a part has at most {}", names.len(), api::MOST_NAMES);
        return Err(Refusal::new(ProblemType::BadBody, detail));
    }
    let sound = |name: &str| {
        (1..=DeviceId::LONGEST).contains(&name.len()) && !name.chars().any(char::is_control)
    };
    let problems =
        names.iter().enumerate().filter(|(_, name)| !sound(name)).map(|(place, _)| Problem {
            path: format!("[{place}]"),
            line: None,
            what: "is not the name of a device".into(),
            help: format!("1 to {} octets of text without control characters", DeviceId::LONGEST),
        });
    let problems: Vec<_> = problems.collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(ProblemType::BadBody, "no device of this part was enrolled")
        .with_problems(problems))
}

pub(super) async fn list(
    State(engine): State<Arc<Engine>>,
    Params(page): Params<PageOf>,
) -> Result<Json<CampaignPage>, Refusal> {
    Ok(Json(campaigns::list(&engine, page.cursor.as_deref(), page.limit()).await?))
}

pub(super) async fn show(
    State(engine): State<Arc<Engine>>,
    Segments((authority, id)): Segments<(String, String)>,
) -> Result<Json<CampaignView>, Refusal> {
    Ok(Json(campaigns::view(&engine, &authority, &id).await?))
}

pub(super) async fn results(
    State(engine): State<Arc<Engine>>,
    Segments((authority, id)): Segments<(String, String)>,
    Params(page): Params<PageOf>,
) -> Result<Json<ResultPage>, Refusal> {
    Ok(Json(
        campaigns::results(&engine, &authority, &id, page.cursor.as_deref(), page.limit()).await?,
    ))
}

pub(super) async fn control(
    State(engine): State<Arc<Engine>>,
    Segments((authority, id, verb)): Segments<(String, String, String)>,
    headers: HeaderMap,
    Octets(body): Octets,
) -> Result<Json<CampaignView>, Refusal> {
    let Some(control) = Control::from_name(&verb) else {
        let detail = format!("`{verb}` cannot be done to a campaign; pause, resume and abort can");
        return Err(Refusal::new(ProblemType::NoSuchPath, detail));
    };
    let request: ControlRequest =
        if body.is_empty() { ControlRequest::default() } else { json(&headers, &body)? };
    if request.why.len() > ControlRequest::LONGEST_WHY {
        let detail = format!("`why` is longer than {} octets", ControlRequest::LONGEST_WHY);
        return Err(Refusal::new(ProblemType::BadBody, detail));
    }
    let asked = Asked::at_the_door(request.why);
    Ok(Json(campaigns::control(&engine, &authority, &id, control, asked).await?))
}
