//! An admin API that answers by a function and remembers what it was asked.

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Method, path and query.
    pub(super) line: String,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(super) struct Stub {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Ends the server's thread when it goes.
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Stub {
    pub(super) fn answering(
        answer: impl Fn(&Asked) -> (u16, serde_json::Value) + Send + Sync + 'static,
    ) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (ready, address) = std::sync::mpsc::channel();
        let (answer, log) = (Arc::new(answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                let router = Router::new().fallback(move |request: Request| {
                    let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                    async move { respond(request, &*answer, &log).await }
                });
                tokio::select! {
                    served = axum::serve(listener, router) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { address: address.recv().unwrap(), asked, _stop: stop }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

async fn respond(
    request: Request,
    answer: &(dyn Fn(&Asked) -> (u16, serde_json::Value) + Send + Sync),
    log: &Mutex<Vec<Asked>>,
) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let body = to_bytes(request.into_body(), 4 * 1024 * 1024).await.unwrap();
    let asked = Asked { line, body };
    let (status, body) = answer(&asked);
    log.lock().unwrap().push(asked);
    (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}
