//! The webhook endpoint: a doorbell. It can make the operator look at the vendor and nothing else; it never believes what a delivery says.
//! Never calls the vendor, never decides about a verification.

pub mod door;
pub mod lookup;
pub mod route;
pub mod serve;
mod wake;

use axum::Router;
use axum::routing::any;

pub use door::{Door, Limits};
pub use lookup::{Providers, Verifications};

/// `POST /webhooks/{namespace}/{provider}`.
pub fn router(door: Door) -> Router {
    Router::new().route("/webhooks/{namespace}/{provider}", any(door::ring)).with_state(std::sync::Arc::new(door))
}

/// Where the vendor must send a provider's deliveries, below the public address of the endpoint.
pub fn path(namespace: &str, provider: &str) -> String {
    format!("/webhooks/{namespace}/{provider}")
}
