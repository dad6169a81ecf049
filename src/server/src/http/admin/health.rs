//! Whether the process lives, whether it can work, and its metrics.

use super::problem::Refusal;
use crate::{engine::Engine, metrics::labels::Label, readiness::Part};
use api::{Problem, ProblemType};
use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use std::{sync::Arc, time::Duration};

/// How long the store may take to say that it is there.
const STORE_ANSWERS: Duration = Duration::from_secs(1);

/// The process answers: that is all that is asked.
pub(super) async fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

/// Work can be done: each part that this process needs does its work. What does not is named.
pub(super) async fn ready(State(engine): State<Arc<Engine>>) -> Result<Json<Value>, Refusal> {
    let parts = parts(&engine).await;
    let problems: Vec<_> = parts
        .iter()
        .filter_map(|(part, why)| Some((part, why.as_ref()?)))
        .map(|(part, why)| Problem {
            path: part.name().to_owned(),
            line: None,
            what: why.clone(),
            help: String::new(),
        })
        .collect();
    if problems.is_empty() {
        let parts: Map<String, Value> =
            parts.iter().map(|(part, _)| (part.name().to_owned(), "ready".into())).collect();
        // A route that is away makes nobody unready: devices can still come by themselves.
        let routes: Map<String, Value> = match engine.store().now().await {
            Ok(now) => engine
                .routes
                .conditions(now)
                .map(|(route, is)| (route.to_owned(), is.name().into()))
                .collect(),
            Err(_) => Map::new(),
        };
        return Ok(Json(json!({"status": "ready", "parts": parts, "routes": routes})));
    }
    let names: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    let detail = format!("not ready: {}", names.join(", "));
    Err(Refusal::new(ProblemType::NotReady, detail).with_problems(problems))
}

/// Everything that Prometheus is told.
pub(super) async fn metrics(State(engine): State<Arc<Engine>>) -> Result<Response, Refusal> {
    let parts = parts(&engine).await;
    let text = engine
        .metrics
        .render(&engine.load, &engine.live.snapshot(), &parts)
        .map_err(|error| Refusal::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

/// What each part says of itself, and what is seen by asking.
async fn parts(engine: &Engine) -> Vec<(Part, Option<String>)> {
    let (store, campaigns) = match tokio::time::timeout(STORE_ANSWERS, engine.store().now()).await {
        Ok(Ok(now)) if engine.live.fresh(now) => (None, None),
        Ok(Ok(_)) => (None, Some("the campaigns have not been looked at for too long")),
        Ok(Err(_)) => (Some("the store does not answer"), None),
        Err(_) => (Some("the store did not answer within a second"), None),
    };
    let mut parts = engine.readiness.parts();
    for (part, why) in [(Part::Store, store), (Part::Campaigns, campaigns)] {
        match parts.iter_mut().find(|(known, _)| *known == part) {
            // What a part says of itself is nearer to the cause.
            Some((_, said)) => *said = said.take().or_else(|| why.map(str::to_owned)),
            None => parts.push((part, why.map(str::to_owned))),
        }
    }
    parts.sort_by_key(|(part, _)| *part);
    parts
}
