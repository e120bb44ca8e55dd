//! Trouble with the API server, which is not the object's: nothing is recorded, and the pass is made again.

use crate::secrets::SecretFault;

/// Why a pass could not be made.
#[derive(thiserror::Error)]
pub enum Trouble {
    /// The API server refused or failed.
    #[error("{doing}: {}", brief(.source))]
    Kube {
        /// What was tried.
        doing: &'static str,
        /// What came of it.
        source: kube::Error,
    },
    /// A Secret could not be read for reasons of the API server.
    #[error(transparent)]
    Secret(#[from] SecretFault),
    /// A status could not be written as JSON.
    #[error("encode status")]
    Encode(#[source] serde_json::Error),
    /// The HTTP client for the vendor could not be set up.
    #[error(transparent)]
    Transport(#[from] crate::onfido::client::SetupError),
    /// The object was stored malformed.
    #[error("the object cannot be read by this version")]
    Malformed,
    /// Every ConfigMap of a provider's erasure ledger is full.
    #[error("the erasure ledger is full")]
    LedgerFull,
    /// Somebody else wrote the object meanwhile.
    #[error("the object was changed meanwhile")]
    Stale,
    /// A pass panicked.
    #[error("the pass panicked")]
    Panicked,
}

// The API server's message can hold what a user wrote: it never prints.
impl std::fmt::Debug for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trouble({self})")
    }
}

impl Trouble {
    /// Names what was tried, for [`Result::map_err`].
    pub fn kube(doing: &'static str) -> impl Fn(kube::Error) -> Self {
        move |source| Self::Kube { doing, source }
    }
}

/// An API error in a few words: its message can hold what a user wrote.
pub(super) fn brief(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("the API server answered {} {}", status.code, status.reason),
        kube::Error::Service(_) | kube::Error::HyperError(_) => "the API server does not answer".into(),
        _ => "the API server's answer cannot be used".into(),
    }
}
