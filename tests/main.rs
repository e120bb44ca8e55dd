//! All integration tests in one program: they share one control plane and isolate themselves by namespace.

mod counts;
mod dev;
mod life;
mod onfido;
mod readme;
mod redaction;
mod simulator;
mod support;
mod webhook;
