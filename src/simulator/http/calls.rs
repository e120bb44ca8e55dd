//! Calls of the vendor's API: from HTTP to the pure vendor and back, with the faults in between.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures::stream;
use http_body_util::{BodyExt, Limited};
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::sync::oneshot;

use super::Shared;
use super::connection::Reset;
use crate::simulator::admin::FaultKind;
use crate::simulator::vendor::{self, Arrival};

const MAX_BODY: usize = 1024 * 1024;
/// No hang or delay lasts longer.
const LONGEST_HANG: Duration = Duration::from_secs(600);

/// What becomes of the caller.
enum Reply {
    Answer(vendor::Response),
    /// A part of the answer, then the end of the connection.
    Truncated(vendor::Response),
    Reset,
}

/// Any path that is nobody else's belongs to the vendor's API.
pub(super) async fn vendor(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let reset = request.extensions().get::<Reset>().cloned().unwrap_or_default();
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return http(vendor::Response::error_for(413, Some("bad_request")));
    };
    let call = vendor::Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        token: token(&parts.headers),
        body: body.to_bytes().to_vec(),
    };
    let (tell, told) = oneshot::channel();
    // Its own task: what the vendor has begun it finishes, also when the caller has gone.
    tokio::spawn(async move {
        let stop = shared.stop.clone();
        stop.run_until_cancelled(handle(&shared, call, tell)).await;
    });
    match told.await {
        Ok(Reply::Answer(answer)) => http(answer),
        Ok(Reply::Truncated(answer)) => truncated(answer),
        Ok(Reply::Reset) | Err(_) => {
            reset.now();
            std::future::pending().await
        }
    }
}

async fn handle(shared: &Shared, call: vendor::Request, mut tell: oneshot::Sender<Reply>) {
    let arrival = shared.vendor(|vendor, now| vendor.arrive(now, &call));
    let fault = shared.faults(|book| book.take(arrival.operation, arrival.account.as_deref()));
    let name = fault.as_ref().map(FaultKind::name);
    let perform = |arrival: &Arrival| shared.vendor(|vendor, now| vendor.perform(now, arrival, &call));
    // Noted before it is told, so that whoever has the answer finds it in the ledger.
    let note = |status: Option<u16>| shared.vendor(|vendor, _| vendor.answered(arrival.seq, status, name));
    let pause = |ms: u64| tokio::time::sleep(Duration::from_millis(ms).min(LONGEST_HANG));
    note(None);
    let reply = match fault {
        None => Reply::Answer(perform(&arrival)),
        Some(FaultKind::Status { status, retry_after, error_type, body }) => {
            let mut answer = vendor::Response::error_for(status, error_type.as_deref());
            if let Some(body) = body {
                answer = vendor::Response::empty(status);
                answer.body = body.into_bytes();
                answer.headers.push(("content-type", "text/html".into()));
            }
            answer.headers.extend(retry_after.map(|value| ("retry-after", value)));
            Reply::Answer(answer)
        }
        Some(FaultKind::StatusAfterCommit { status }) => {
            perform(&arrival);
            Reply::Answer(vendor::Response::error_for(status, None))
        }
        Some(FaultKind::Delay { ms }) => {
            pause(ms).await;
            Reply::Answer(perform(&arrival))
        }
        Some(FaultKind::DelayAfterCommit { ms }) => {
            let answer = perform(&arrival);
            pause(ms).await;
            Reply::Answer(answer)
        }
        Some(kind @ (FaultKind::HangBeforeCommit | FaultKind::HangAfterCommit)) => {
            if kind == FaultKind::HangAfterCommit {
                perform(&arrival);
            }
            let _ = tokio::time::timeout(LONGEST_HANG, tell.closed()).await;
            Reply::Reset
        }
        Some(kind @ (FaultKind::ResetBeforeCommit | FaultKind::ResetAfterCommit)) => {
            if kind == FaultKind::ResetAfterCommit {
                perform(&arrival);
            }
            Reply::Reset
        }
        Some(FaultKind::TruncatedBody) => Reply::Truncated(perform(&arrival)),
        Some(FaultKind::GarbageBody) => {
            let mut answer = perform(&arrival);
            answer.body = b"<html><body>\xff\xfe this is no JSON {".to_vec();
            Reply::Answer(answer)
        }
        Some(FaultKind::Redirect { location }) => {
            let mut answer = vendor::Response::empty(302);
            answer.headers.push(("location", location));
            Reply::Answer(answer)
        }
    };
    match &reply {
        Reply::Answer(answer) | Reply::Truncated(answer) if !tell.is_closed() => note(Some(answer.status)),
        _ => {}
    }
    // Nobody waits any more: that is the caller's loss, and what the ledger says.
    let _ = tell.send(reply);
}

/// `Authorization: Token token=…`, and nothing else.
fn token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let token = value.strip_prefix("Token token=")?.trim().trim_matches('"');
    (!token.is_empty()).then(|| token.to_owned())
}

fn http(answer: vendor::Response) -> Response {
    let (mut response, body) = head(answer);
    *response.body_mut() = Body::from(body);
    response
}

fn truncated(answer: vendor::Response) -> Response {
    let (mut response, body) = head(answer);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len().max(2)));
    let half = body.slice(..body.len() / 2);
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionAborted);
    *response.body_mut() = Body::from_stream(stream::iter([Ok(half), Err(broken)]));
    response
}

fn head(answer: vendor::Response) -> (Response, Bytes) {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        // A header that cannot be sent (a line end in a fault's location) is left out.
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    if answer.status == 204 {
        response.headers_mut().remove(CONTENT_TYPE);
    }
    (response, Bytes::from(answer.body))
}
