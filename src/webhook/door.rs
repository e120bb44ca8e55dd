//! One delivery from arrival to answer, in the order that keeps strangers cheap: method, size, signature over the raw bytes, and only then
//! a parser. Owns no table (see `route`) and no socket (see `serve`).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{ALLOW, CONTENT_LENGTH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use jiff::Timestamp;
use kube::Client;
use tokio::time::timeout;

use super::lookup::{Providers, Verifications};
use super::route::{self, Answer, Wanted};
use super::wake;
use crate::api::{OnfidoProvider, SecretUse, WebhookManagement};
use crate::metrics::Metrics;
use crate::onfido::secret::WebhookToken;
use crate::onfido::webhook::{Notification, SIGNATURE_HEADER, body_digest, verify};
use crate::secrets::{SecretFault, Secrets};

/// What strangers may cost. Tests scale it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest body, in bytes.
    pub body: usize,
    /// How long a request's head may take.
    pub head_time: Duration,
    /// How long its body may take after that.
    pub body_time: Duration,
    /// How long we may take after that: the vendor gives up after ten seconds.
    pub work_time: Duration,
    /// How many connections are served at a time; others wait in the listener's queue.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 256 * 1024,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            work_time: Duration::from_secs(8),
            connections: 256,
        }
    }
}

/// Everything the endpoint needs.
pub struct Door {
    providers: Providers,
    verifications: Verifications,
    secrets: Arc<Secrets>,
    client: Client,
    ready: Box<dyn Fn() -> bool + Send + Sync>,
    metrics: Metrics,
    limits: Limits,
    /// A token nobody knows: where there is none, verifying against it takes the usual time.
    nobody: WebhookToken,
}

impl Door {
    /// `ready` says whether both caches are filled.
    pub fn new(
        providers: Providers,
        verifications: Verifications,
        secrets: Arc<Secrets>,
        client: Client,
        ready: impl Fn() -> bool + Send + Sync + 'static,
        metrics: Metrics,
        limits: Limits,
    ) -> Result<Self, crate::onfido::secret::TokenError> {
        let random: [u8; 32] = rand::random();
        let nobody = WebhookToken::from_secret_bytes(body_digest(&random).as_bytes())?;
        Ok(Self { providers, verifications, secrets, client, ready: Box::new(ready), metrics, limits, nobody })
    }

    async fn answer(&self, address: Option<(String, String)>, request: Request) -> Answer {
        if request.method() != Method::POST {
            return Answer::WrongMethod;
        }
        let (head, body) = request.into_parts();
        let body = match self.read(&head.headers, body).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        timeout(self.limits.work_time, self.judge(address, &head.headers, &body)).await.unwrap_or(Answer::TimedOut)
    }

    async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Answer> {
        let limit = self.limits.body;
        let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if declared.unwrap_or(0).max(body.size_hint().lower()) > limit as u64 {
            return Err(Answer::TooLarge);
        }
        match timeout(self.limits.body_time, Limited::new(body, limit).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Answer::TooLarge),
            Ok(Err(_)) => Err(Answer::BrokenBody),
            Err(_) => Err(Answer::TooSlow),
        }
    }

    async fn judge(&self, address: Option<(String, String)>, headers: &HeaderMap, body: &[u8]) -> Answer {
        if !(self.ready)() {
            return Answer::NotReady;
        }
        let signature = headers.get(SIGNATURE_HEADER).map_or(&b""[..], HeaderValue::as_bytes);
        let provider = address.as_ref().and_then(|(namespace, name)| self.providers.get(namespace, name));
        let accepts = |p: &Arc<OnfidoProvider>| p.spec.webhook.management == WebhookManagement::Manual;
        let provider = provider.filter(accepts);
        if let Err(answer) = self.authenticate(address.as_ref(), provider.as_deref(), signature, body).await {
            return answer;
        }
        match (address, Notification::parse(body)) {
            (Some((namespace, name)), Ok(notification)) => self.wake(&namespace, &name, &notification, body).await,
            _ => Answer::Malformed,
        }
    }

    /// Every token once; after a failure once more with the Secrets read again, so that a rotated token works at once. What that may cost
    /// the API server is bounded by [`Secrets::forget`].
    async fn authenticate(
        &self,
        address: Option<&(String, String)>,
        provider: Option<&OnfidoProvider>,
        signature: &[u8],
        body: &[u8],
    ) -> Result<(), Answer> {
        let namespace = address.map_or("", |(namespace, _)| namespace);
        let mut trouble = false;
        for again in [false, true] {
            trouble = false;
            let mut tokens = Vec::new();
            for at in provider.iter().flat_map(|p| &p.spec.webhook.token_secret_refs) {
                if again {
                    self.secrets.forget(namespace, &at.name);
                }
                match self.secrets.read(namespace, at, SecretUse::Webhook).await {
                    Ok(bytes) => tokens.extend(WebhookToken::from_secret_bytes(&bytes).ok()),
                    Err(SecretFault::Api { .. }) => trouble = true,
                    Err(SecretFault::NotFound { .. } | SecretFault::Forbidden { .. }) => {}
                }
            }
            let known = !tokens.is_empty();
            if !known {
                tokens.push(self.nobody.clone());
            }
            if verify(&tokens, body, signature) & known {
                return Ok(());
            }
        }
        Err(if trouble { Answer::Unavailable } else { Answer::Unauthorized })
    }

    async fn wake(&self, namespace: &str, provider: &str, notification: &Notification, body: &[u8]) -> Answer {
        let Some(wanted) = Wanted::of(notification) else { return Answer::OtherEvent };
        let now = Timestamp::now();
        let Some(verification) = self.verifications.find(namespace, provider, &wanted) else { return wanted.unknown(now) };
        let digest = body_digest(body);
        if route::is_known(verification.status.as_ref(), &digest) {
            return Answer::Known;
        }
        let metadata = &verification.metadata;
        let (Some(namespace), Some(name), Some(uid)) = (&metadata.namespace, &metadata.name, &metadata.uid) else {
            return Answer::Unavailable;
        };
        wake::store(&self.client, namespace, name, uid, &wake::notification(digest, wanted.run_id, now)).await
    }
}

/// The handler. An address that cannot be read is one nobody has.
pub(super) async fn ring(
    State(door): State<Arc<Door>>,
    address: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    let answer = door.answer(address.ok().map(|Path(address)| address), request).await;
    door.metrics.delivery(answer);
    tracing::debug!(?answer, "delivery");
    let (status, body) = answer.response();
    let mut response = (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body).into_response();
    if answer == Answer::WrongMethod {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}
