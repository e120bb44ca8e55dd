//! All integration tests in one program: they share one control plane and isolate themselves by namespace.

mod cli;
mod counts;
mod dev;
mod layering;
mod life;
mod malformed;
mod onfido;
mod readme;
mod refusals;
mod simulator;
mod support;
mod webhook;
