//! All integration tests in one program: they share one control plane and isolate themselves by namespace.

mod dev;
mod layering;
mod onfido;
mod simulator;
mod support;
mod webhook;
