//! Connections: accepted up to a bound, and torn down with a TCP reset when a fault says so.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const MAX_CONNECTIONS: usize = 4096;
const HEADER_TIME: Duration = Duration::from_secs(60);

/// Ends the connection a request came on, without an answer. Found in the request's extensions.
#[derive(Clone, Default)]
pub(super) struct Reset(CancellationToken);

impl Reset {
    pub(super) fn now(&self) {
        self.0.cancel();
    }
}

pub(super) async fn accept(listener: TcpListener, router: Router, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let next = async {
            let permit = room.clone().acquire_owned().await.ok()?;
            Some((permit, listener.accept().await))
        };
        match stop.run_until_cancelled(next).await {
            None | Some(None) => return,
            Some(Some((permit, Ok((stream, _))))) => {
                tokio::spawn(serve(stream, router.clone(), stop.clone(), permit));
            }
            // Out of file descriptors, say: the listener itself is still good.
            Some(Some((_, Err(_)))) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn serve(stream: TcpStream, router: Router, stop: CancellationToken, _room: OwnedSemaphorePermit) {
    // Small answers on kept connections: waiting for the peer's ACK would cost 40 ms each.
    let _ = stream.set_nodelay(true);
    let reset = Reset::default();
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(reset.clone());
        router.clone().oneshot(request)
    });
    let mut connection =
        http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // The peer went away or broke the protocol: nobody is left to be told.
        _ = &mut connection => {}
        () = stop.cancelled() => {}
        () = reset.0.cancelled() => {
            // With a linger of zero, closing sends RST instead of FIN.
            let _ = connection.into_parts().io.into_inner().set_zero_linger();
        }
    }
}
