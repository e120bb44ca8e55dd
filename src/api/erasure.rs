//! Erasure at the vendor: what the end of an object asks for, and what was asked of the vendor.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Environment;

/// The finalizer that holds an object's deletion up until its applicants are erased at the vendor, or owed.
pub const ERASURE_FINALIZER: &str = "onfido-operator.dev/erasure";

/// What becomes of the person's record at the vendor when the object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// It stays.
    #[default]
    Retain,
    /// Its applicants are erased, with everything that hangs on them.
    DeleteApplicant,
}

/// What was asked of the vendor, or is owed by the operator's erasure ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    /// When erasure was last asked for. The vendor schedules it, and carries it out after the delay that is set for the account; it tells no
    /// date.
    pub requested_at: Time,
    /// The applicants whose erasure the vendor has scheduled, that it does not have any more, or whose erasure is in the operator's ledger.
    #[serde(rename = "applicantIDs")]
    #[schemars(length(max = 32), inner(length(max = 128)))]
    pub applicant_ids: Vec<String>,
}

impl Environment {
    /// Whether the two are certainly not the same: what one knows nothing of can be in the other.
    pub fn differs(self, other: Self) -> bool {
        self != other && self != Self::Unknown && other != Self::Unknown
    }
}
