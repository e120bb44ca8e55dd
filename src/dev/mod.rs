//! A real control plane on this machine, for tests, benchmarks and the demo: finds or builds the
//! programs, runs them, stops them. Knows nothing of the operator and is no part of it.
//!
//! Nothing here is a mock: it is `etcd` and `kube-apiserver`, on free ports of 127.0.0.1, with a
//! data folder of their own. There is no kubelet, so Pods stay Pending. Without
//! kube-controller-manager nothing is garbage-collected, deleted namespaces stay, and the roles
//! `view`, `edit` and `admin` are empty: a controller fills them.

pub mod assets;
pub mod audit;
mod cell;
pub mod child;
pub mod control_plane;
mod data;
pub mod demo;
mod error;
pub mod generate;
mod kubectl;
mod launch;
mod options;
mod pki;
mod snapshot;

pub use assets::{Assets, Program};
pub use audit::{AuditEntry, AuditMark};
pub use cell::Cell;
pub use control_plane::ControlPlane;
pub use data::Port;
pub use error::DevError;
pub use options::{ADMIN, Options, User};
pub use snapshot::Snapshot;

/// Make ring the crypto provider of this process, unless there is one already.
pub fn install_crypto() {
    // The only error is "there is one already", which is what was wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// One line for the person who waits. Progress goes to stderr: stdout belongs to results. Not by
/// `eprintln!`, which a test program swallows: who waits minutes for a build shall see why.
fn say(line: &str) {
    use std::io::Write;
    // Nobody can be told that nobody can be told.
    let _ = writeln!(std::io::stderr(), "control plane: {line}");
}
