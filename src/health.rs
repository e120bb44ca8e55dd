//! What the cluster asks of the process: is it alive, may it be sent work, what did it count. Owns no opinion on what makes it ready.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header::CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::metrics::{self, Metrics};

/// One thing that must change before work can be taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotReady {
    /// The first look at the cluster is not complete.
    Starting,
    /// A custom resource definition is not installed; its full name.
    MissingDefinition(String),
    /// The operator lacks a right: in a namespace, or in all of them if none is given.
    MissingRight { verb: String, resource: String, namespace: Option<String> },
    /// The API server does not answer.
    Unreachable,
    /// The API server does not know the operator's credentials.
    Unauthenticated,
    /// The process is about to end.
    Stopping,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting: the caches are not filled yet"),
            Self::MissingDefinition(name) => write!(f, "the custom resource definition {name} is not installed"),
            Self::MissingRight { verb, resource, namespace: None } => write!(f, "missing right: {verb} on {resource}"),
            Self::MissingRight { verb, resource, namespace: Some(namespace) } => {
                write!(f, "missing right: {verb} on {resource} in namespace {namespace}")
            }
            Self::Unreachable => f.write_str("the API server does not answer"),
            Self::Unauthenticated => f.write_str("the API server refuses the operator's credentials (401)"),
            Self::Stopping => f.write_str("stopping"),
        }
    }
}

/// What stands in the way of being ready; clones share it. Ready when nothing does.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeSet<NotReady>>>);

impl Readiness {
    /// Not ready until [`NotReady::Starting`] is cleared.
    pub fn starting() -> Self {
        let readiness = Self::default();
        readiness.block(NotReady::Starting);
        readiness
    }

    /// Puts something in the way.
    pub fn block(&self, reason: NotReady) {
        self.reasons().insert(reason);
    }

    /// Takes it away.
    pub fn clear(&self, reason: &NotReady) {
        self.reasons().remove(reason);
    }

    /// Whether nothing stands in the way.
    pub fn is_ready(&self) -> bool {
        self.reasons().is_empty()
    }

    /// What stands in the way, in a fixed order.
    pub fn blocked_by(&self) -> Vec<NotReady> {
        self.reasons().iter().cloned().collect()
    }

    /// A panic elsewhere leaves nothing half-done in here.
    fn reasons(&self) -> MutexGuard<'_, BTreeSet<NotReady>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone)]
struct Health {
    readiness: Readiness,
    metrics: Metrics,
}

/// `/healthz`, `/readyz` and `/metrics`. Not for the internet: it belongs on another port than the webhook.
pub fn router(readiness: Readiness, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(counters))
        .with_state(Health { readiness, metrics })
}

async fn readyz(State(health): State<Health>) -> Response {
    match health.readiness.blocked_by() {
        reasons if reasons.is_empty() => "ok\n".into_response(),
        reasons => {
            let lines: String = reasons.iter().map(|reason| format!("{reason}\n")).collect();
            (StatusCode::SERVICE_UNAVAILABLE, lines).into_response()
        }
    }
}

async fn counters(State(health): State<Health>) -> Response {
    match health.metrics.render() {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    async fn get(router: &Router, path: &str) -> (u16, String) {
        let response = router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_names_everything_in_the_way_and_heals() {
        let readiness = Readiness::starting();
        let right = |namespace: Option<&str>| NotReady::MissingRight {
            verb: "get".into(),
            resource: "secrets".into(),
            namespace: namespace.map(Into::into),
        };
        let rights = [right(None), right(Some("shop"))];
        rights.iter().for_each(|right| readiness.block(right.clone()));
        let router = router(readiness.clone(), Metrics::default());
        let (status, body) = get(&router, "/readyz").await;
        let lines = [
            "starting: the caches are not filled yet",
            "missing right: get on secrets",
            "missing right: get on secrets in namespace shop\n",
        ];
        assert_eq!((status, body), (503, lines.join("\n")));
        assert_eq!(get(&router, "/healthz").await.0, 200, "alive all the same");
        readiness.clear(&NotReady::Starting);
        rights.iter().for_each(|right| readiness.clear(right));
        assert_eq!(get(&router, "/readyz").await, (200, "ok\n".into()));
        let (status, body) = get(&router, "/metrics").await;
        assert!(status == 200 && body.contains("onfido_operator_reconciles_total 0"), "{body}");
    }
}
