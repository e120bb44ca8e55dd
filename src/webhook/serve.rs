//! The socket: a bounded number of connections, each with a bounded life, and a clean end. Owns no route.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::door::Limits;

/// The most that a request's head may take of memory.
const HEAD_BYTES: usize = 32 * 1024;
/// How long an answer may take to be written.
const WRITE_TIME: Duration = Duration::from_secs(10);
/// How long to wait where accepting fails, for instance for want of file handles.
const PAUSE: Duration = Duration::from_millis(100);

/// Why nobody can be served.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program listens there.
    #[error("cannot listen on {0}: the port is in use")]
    InUse(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {0}")]
    Other(SocketAddr, #[source] io::Error),
}

/// Takes the port.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address),
        _ => BindError::Other(address, error),
    })
}

/// Serves until `stop`, then lets those who are being served finish, for as long as the work on one delivery may take.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let tracker = TaskTracker::new();
    loop {
        let next = async {
            // A place first: who finds none waits in the listener's queue and costs nothing.
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        match tokio::select! { next = next => next, () = stop.cancelled() => break } {
            (Ok(place), Ok((stream, _))) => {
                let (router, stop) = (router.clone(), stop.clone());
                tracker.spawn(async move {
                    connection(stream, router, limits, stop).await;
                    drop(place);
                });
            }
            (_, Err(error)) => {
                tracing::warn!(kind = ?error.kind(), "cannot accept a connection");
                sleep(PAUSE).await;
            }
            // Nobody closes the semaphore.
            (Err(_), _) => break,
        }
    }
    drop(listener);
    tracker.close();
    tracker.wait().await;
}

/// One request per connection: the vendor sends few, and an idle connection would keep a place.
async fn connection(stream: TcpStream, router: Router, limits: Limits, stop: CancellationToken) {
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let life = limits.head_time + limits.body_time + limits.work_time + WRITE_TIME;
    // Whoever is cut off has had its time; there is nothing left to tell it.
    let _ = timeout(life, async {
        let mut served = pin!(served);
        let ended = tokio::select! {
            ended = served.as_mut() => ended,
            () = stop.cancelled() => {
                served.as_mut().graceful_shutdown();
                timeout(limits.work_time, served).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(timeout = error.is_timeout(), "connection ended early");
        }
    })
    .await;
}
