//! Whether the process lives, and whether it can work.

use super::problem::Refusal;
use crate::engine::Engine;
use api::ProblemType;
use axum::{Json, extract::State};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// How long the store may take to say that it is there.
const STORE_ANSWERS: Duration = Duration::from_secs(1);

/// The process answers: that is all that is asked.
pub(super) async fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

/// Work can be done: the store answers, and the campaigns in memory are fresh.
pub(super) async fn ready(State(engine): State<Arc<Engine>>) -> Result<Json<Value>, Refusal> {
    let not = |why: &str| Err(Refusal::new(ProblemType::NotReady, why));
    match tokio::time::timeout(STORE_ANSWERS, engine.store().now()).await {
        Ok(Ok(now)) if engine.live.fresh(now) => Ok(Json(json!({"status": "ready"}))),
        Ok(Ok(_)) => not("the campaigns have not been looked at for too long"),
        Ok(Err(_)) | Err(_) => not("the store does not answer"),
    }
}
