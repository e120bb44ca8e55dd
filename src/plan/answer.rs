//! What the vendor's refusals mean: from an error of its client to the failure that has its row in `failure`.

use crate::onfido::error::{Effect, VendorError};

use super::Failure;

impl Failure {
    /// Of an unrepeatable call: either it certainly had no effect, or nobody knows.
    pub fn of_call(error: VendorError) -> Self {
        match error.effect() {
            Effect::Ambiguous => Self::Ambiguous,
            Effect::None => Self::of_answer(error),
        }
    }

    /// Of any other.
    pub fn of_answer(error: VendorError) -> Self {
        match error {
            VendorError::Unauthorized { .. } | VendorError::Forbidden => Self::Unauthorized,
            VendorError::WrongRegion => Self::WrongRegion,
            VendorError::RunInProgress => Self::RunInProgress,
            VendorError::Invalid { fields } => Self::RequestRefused { fields },
            VendorError::NotFound | VendorError::Gone | VendorError::Conflict => Self::RequestRefused { fields: vec![] },
            VendorError::RateLimited { retry_after } => Self::RateLimited { after: retry_after },
            VendorError::Throttled { wait } => Self::RateLimited { after: Some(wait) },
            VendorError::Unreadable => Self::UnexpectedAnswer { what: "it cannot be read" },
            VendorError::Server { .. }
            | VendorError::Unexpected { .. }
            | VendorError::NotSent
            | VendorError::TimedOut
            | VendorError::Broken => Self::Unreachable,
        }
    }
}
