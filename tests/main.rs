//! All integration tests in one program: they share one control plane and isolate themselves by namespace.

mod capture;
mod changes;
mod chart;
mod cli;
mod counts;
mod crash;
mod crds;
mod deliveries;
mod demo;
mod dev;
mod examples;
mod feed;
#[cfg(target_os = "linux")]
mod image;
mod layering;
mod life;
mod limits;
mod malformed;
mod namespaces;
mod onfido;
mod polling;
mod readme;
mod redaction;
mod refusals;
mod simulator;
mod support;
mod suspend;
mod verdicts;
mod webhook;
