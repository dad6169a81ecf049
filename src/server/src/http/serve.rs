//! Serving HTTP with an end to everything: connections, headers, idle time, shutdown.

use super::patience::Patient;
use crate::metrics::DoorHandles;
use axum::{Router, extract::ConnectInfo};
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// What one listener allows.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    /// Open connections; more wait in the kernel's backlog.
    pub(crate) connections: usize,
    /// From the first octet of a request to the end of its headers, and between two requests of a connection.
    pub(crate) header_wait: Duration,
    /// How long a peer may leave what it is sent untaken.
    pub(crate) take_wait: Duration,
    /// How long open connections may take to finish at shutdown.
    pub(crate) grace: Duration,
    pub(crate) metrics: DoorHandles,
}

/// Serves `router` on `listener` until `stop`, then lets open requests finish within the grace period.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(bounds.connections));
    bounds.metrics.allowed(bounds.connections);
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(bounds.header_wait)
        .max_buf_size(64 * 1024)
        .half_close(false);
    loop {
        // A place first, a connection second: who is not served yet waits in the backlog, not in our memory.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: others must close before it gets better.
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection closed before it was served");
            continue;
        }
        let router = router.clone();
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer));
            router.clone().oneshot(request)
        });
        let connection = graceful.watch(
            http.serve_connection(TokioIo::new(Patient::new(stream, bounds.take_wait)), service),
        );
        let open = bounds.metrics.accepted();
        tokio::spawn(async move {
            let _held = (permit, open);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(bounds.grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still open after the grace period");
    }
}
