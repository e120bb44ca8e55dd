//! Attempts: when a provider lets another begin, and what is kept of those that went before. Decides nothing.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Basis, Duration, Environment, Phase};

/// When a verification may try again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempts {
    /// How many attempts a verification may make until one is Verified; then they are counted anew. Default: 3. One more waits with
    /// Accepted=False, reason AttemptsExhausted, and Stalled=True.
    #[serde(default = "default_max")]
    #[schemars(range(min = 1, max = 16))]
    pub max: i32,
    /// How long after the outcome of one attempt the next may begin, such as 30m or 24h. Default: 0s. Until then it waits with
    /// Accepted=False, reason CoolingDown.
    #[serde(default)]
    pub cool_down: Duration,
    /// After which reasons of Verified another attempt may begin; also Verified itself, to verify again while a verdict stands, and
    /// InReview, to try again while a person reviews. Default: Declined, AttributeMismatch, NotCompared, Abandoned, VendorError, Expired,
    /// AttributeChanged and Revoked. After another one it waits with Accepted=False, reason AttemptNotAllowed, and Stalled=True. An
    /// attempt that is stalled as VendorAmbiguous can always be followed by another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    pub retry_on: Option<Vec<RetryOn>>,
}

fn default_max() -> i32 {
    3
}

impl Default for Attempts {
    fn default() -> Self {
        Self { max: default_max(), cool_down: Duration::default(), retry_on: None }
    }
}

impl Attempts {
    /// Whether another attempt may begin after this.
    pub fn retries(&self, reason: &str) -> bool {
        self.retry_on.as_deref().unwrap_or(RetryOn::DEFAULT).iter().any(|allowed| allowed.as_str() == reason)
    }
}

/// A reason of Verified, or InReview, after which another attempt may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RetryOn {
    /// The vendor declined the person.
    Declined,
    /// Approved, but an attribute differs from the document.
    AttributeMismatch,
    /// Approved, but an attribute that must agree was not compared.
    NotCompared,
    /// The person did not finish in time.
    Abandoned,
    /// The vendor's workflow ended in an error.
    VendorError,
    /// The verdict has expired.
    Expired,
    /// An attribute changed after it was sent.
    AttributeChanged,
    /// The vendor took its approval back.
    Revoked,
    /// The verdict stands.
    Verified,
    /// No outcome: a person reviews the run.
    InReview,
}

impl RetryOn {
    const DEFAULT: &[Self] = &[
        Self::Declined,
        Self::AttributeMismatch,
        Self::NotCompared,
        Self::Abandoned,
        Self::VendorError,
        Self::Expired,
        Self::AttributeChanged,
        Self::Revoked,
    ];

    /// The word as it stands in the object.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Declined => "Declined",
            Self::AttributeMismatch => "AttributeMismatch",
            Self::NotCompared => "NotCompared",
            Self::Abandoned => "Abandoned",
            Self::VendorError => "VendorError",
            Self::Expired => "Expired",
            Self::AttributeChanged => "AttributeChanged",
            Self::Revoked => "Revoked",
            Self::Verified => "Verified",
            Self::InReview => "InReview",
        }
    }
}

/// What is kept of an attempt that another followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastAttempt {
    /// The attempt.
    pub number: i32,
    /// Id of its workflow run; none if it is not known whether there was one.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "workflowRunID")]
    #[schemars(length(max = 128))]
    pub workflow_run_id: Option<String>,
    /// Its phase when the next attempt began.
    pub phase: Phase,
    /// The reason of Verified at that time; VendorAmbiguous if it is not known whether there was a run, InReview if a person reviewed it.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// When its run was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When the operator saw its outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
}

/// An approval that stands while a newer attempt is under way: what it rests on, by which it is judged when a value changes or the vendor
/// takes it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StandingVerdict {
    /// The attempt it is of.
    pub attempt: i32,
    /// Id of the workflow run that was approved.
    #[serde(rename = "workflowRunID")]
    #[schemars(length(max = 128))]
    pub workflow_run_id: String,
    /// Id of that run's applicant.
    #[serde(rename = "applicantID")]
    #[schemars(length(max = 128))]
    pub applicant_id: String,
    /// The environment that run lives in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// When the operator saw its outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// How it is judged.
    pub basis: Basis,
}
