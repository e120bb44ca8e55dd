#![forbid(unsafe_code)]
//! A Kubernetes operator that verifies people's identity through Onfido.

#[cfg(feature = "api")]
pub mod api;
#[cfg(feature = "operator")]
pub mod cli;
#[cfg(feature = "operator")]
pub mod controller;
#[cfg(feature = "dev")]
pub mod dev;
#[cfg(feature = "operator")]
pub mod fence;
#[cfg(feature = "operator")]
pub mod health;
#[cfg(feature = "operator")]
pub mod key;
#[cfg(feature = "operator")]
pub mod metrics;
#[cfg(feature = "client")]
pub mod onfido;
#[cfg(feature = "operator")]
pub mod plan;
#[cfg(feature = "operator")]
pub mod secrets;
#[cfg(feature = "operator")]
pub mod simulator;
#[cfg(feature = "operator")]
pub mod webhook;
