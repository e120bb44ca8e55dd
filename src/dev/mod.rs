//! A real control plane on this machine, for tests, benchmarks and the demo: finds or builds the
//! programs, runs them, stops them. Knows nothing of the operator and is no part of it.
//!
//! Nothing here is a mock: it is `etcd` and `kube-apiserver`, on free ports of 127.0.0.1, with a
//! data folder of their own. There is no kubelet, so Pods stay Pending.

pub mod assets;
pub mod audit;
pub mod child;
pub mod control_plane;
mod data;
mod error;
mod kubectl;
mod launch;
mod pki;

pub use assets::{Assets, Program};
pub use audit::{AuditEntry, AuditMark};
pub use control_plane::{ADMIN, ControlPlane, Options, User};
pub use error::DevError;

/// Make ring the crypto provider of this process, unless there is one already.
pub fn install_crypto() {
    // The only error is "there is one already", which is what was wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// One line for the person who waits. Progress goes to stderr: stdout belongs to results.
fn say(line: &str) {
    eprintln!("control plane: {line}");
}
