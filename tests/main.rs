//! All integration tests in one program: they share one control plane and isolate themselves by namespace.

mod capture;
mod changes;
mod deliveries;
mod dev;
mod layering;
mod onfido;
mod polling;
mod readme;
mod simulator;
mod support;
mod suspend;
mod verdicts;
mod webhook;
