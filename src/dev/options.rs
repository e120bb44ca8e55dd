//! How a control plane is wanted, and who may talk to it. Starts nothing.

use std::path::PathBuf;

/// The user that every control plane has: member of `system:masters`.
pub const ADMIN: &str = "admin";

/// How to start one.
#[derive(Clone, Debug)]
pub struct Options {
    /// Our own binary, through which children start: see [`super::child`].
    pub shim: PathBuf,
    /// The folder with the pinned `go.mod`: see [`super::assets`].
    pub tools: PathBuf,
    /// Let etcd answer before its writes are on disk. For tests; never for measuring writes.
    pub unsafe_no_fsync: bool,
    /// Record every request: see [`AuditEntry`](super::AuditEntry).
    pub audit: bool,
    /// Also run kube-controller-manager: garbage collection, deletion of namespaces, Deployments.
    pub controller_manager: bool,
    /// Besides [`ADMIN`]. They may do nothing until a role is bound to them.
    pub users: Vec<User>,
}

impl Options {
    /// Durable, audited, without controllers, with the admin alone.
    pub fn new(shim: impl Into<PathBuf>, tools: impl Into<PathBuf>) -> Self {
        let (shim, tools) = (shim.into(), tools.into());
        let users = Vec::new();
        Self { shim, tools, unsafe_no_fsync: false, audit: true, controller_manager: false, users }
    }
}

/// Somebody who may authenticate.
#[derive(Clone)]
pub struct User {
    pub name: String,
    pub token: String,
    pub groups: Vec<String>,
}

impl User {
    /// With a random token.
    pub fn new(name: &str, groups: &[&str]) -> Self {
        let token = format!("{:032x}", rand::random::<u128>());
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Self { name: name.to_owned(), token, groups }
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, token: _, groups } = self;
        f.debug_struct("User").field("name", name).field("groups", groups).finish_non_exhaustive()
    }
}
