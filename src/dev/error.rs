//! What can go wrong with a control plane, in words that say what to do. No recovery here.

use std::path::{Path, PathBuf};

/// Why there is no control plane.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevError {
    /// A file or process operation failed.
    #[error("cannot {doing}")]
    Io {
        /// What was attempted, with the path.
        doing: String,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "KUBEBUILDER_ASSETS is {folder:?}, which has no {missing}: unset it, or point it to a folder with both kube-apiserver and etcd"
    )]
    KubebuilderAssets { folder: PathBuf, missing: String },
    #[error("no prebuilt control plane: {0}")]
    Prebuilt(String),
    #[error(
        "cannot get {wanted}: {why}; install Go 1.26 or newer (https://go.dev/dl), or allow downloads from github.com, or set KUBEBUILDER_ASSETS to a folder with kube-apiserver and etcd"
    )]
    NoGo { wanted: String, why: String },
    #[error("building {wanted} failed ({status}); log: {log:?}; its end:\n{tail}")]
    Build { wanted: String, status: String, log: PathBuf, tail: String },
    #[error("{name} ended early ({status}); log: {log:?}; its end:\n{tail}")]
    Exited { name: String, status: String, log: PathBuf, tail: String },
    #[error("{what} after {seconds} s; logs: {logs:?}")]
    Deadline { what: String, seconds: u64, logs: PathBuf },
    #[error("no user named {0:?} in this control plane")]
    UnknownUser(String),
    #[error("user {0:?} cannot be written to a token file: no commas, quotes or line breaks")]
    BadUser(String),
    #[error("no free port of 127.0.0.1 between {0} and {1}")]
    NoPort(u16, u16),
    #[error("cannot make certificates")]
    Certificates(#[from] rcgen::Error),
    #[error("cannot make a client")]
    Client(#[source] Box<kube::Error>),
    #[error("cannot read the control plane's own kubeconfig")]
    Kubeconfig(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("a request to the control plane failed")]
    Request(#[source] Box<kube::Error>),
    #[error("the audit log was not asked for in the options")]
    NoAudit,
    #[error("the audit log holds a line that is no audit event")]
    AuditLine(#[source] serde_json::Error),
    #[error("{0} ended unexpectedly")]
    Task(&'static str),
}

impl DevError {
    /// For `map_err`: what was attempted on which path.
    pub(super) fn io(doing: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let doing = format!("{doing} {}", path.display());
        move |source| Self::Io { doing, source }
    }
}

/// The last lines of a log, for an error message.
pub(super) fn tail(log: &Path) -> String {
    use std::io::{Read, Seek, SeekFrom};
    const BYTES: i64 = 1500;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(log)?;
        if file.metadata()?.len() > BYTES.unsigned_abs() {
            file.seek(SeekFrom::End(-BYTES))?;
        }
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok(end)
    };
    let end = read().unwrap_or_default();
    String::from_utf8_lossy(&end).trim_end().to_owned()
}
