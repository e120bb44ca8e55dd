//! All integration tests in one program: they share one control plane and isolate themselves by namespace.

mod counts;
mod crash;
mod dev;
mod layering;
mod life;
mod onfido;
mod readme;
mod simulator;
mod support;
mod webhook;
