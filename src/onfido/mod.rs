//! The vendor's API: client, types, secrets and webhook signatures. Knows no Kubernetes.
#![deny(missing_docs)]

pub mod model;
pub mod secret;
pub mod webhook;
