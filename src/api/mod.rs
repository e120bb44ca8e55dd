//! The custom resources, as other Rust programs import them. Knows no IO.
//!
//! The YAML under `crds/` is generated from these types by `onfido-operator crds`.
#![deny(missing_docs)]
// kube's attributes name each column and rule anew.
#![allow(clippy::duplicated_attributes)]

mod attempts;
mod capture;
mod condition;
mod duration;
mod erasure;
mod inputs;
mod mapping;
mod nudge;
mod provider;
mod reference;
mod retention;
mod schema;
mod status;
mod verification;

pub use attempts::*;
pub use capture::*;
pub use condition::*;
pub use duration::*;
pub use erasure::*;
pub use inputs::{CustomData, CustomDataFrom, CustomValue};
pub use mapping::*;
pub use nudge::*;
pub use provider::*;
pub use reference::*;
pub use retention::*;
pub use status::*;
pub use verification::*;

/// API group of both kinds.
pub const GROUP: &str = "onfido-operator.dev";
/// The one served version.
pub const VERSION: &str = "v1alpha1";
/// The label by which the owner of a Secret allows the operator to use it; see [`SecretUse`].
pub const USE_LABEL: &str = "onfido-operator.dev/use";

/// The definitions of both kinds, as they are applied to a cluster.
pub fn definitions() -> [k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition; 2] {
    use kube::core::CustomResourceExt;
    [IdentityVerification::crd(), OnfidoProvider::crd()].map(schema::polished)
}
