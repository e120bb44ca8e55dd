//! How long what is known of a person is kept after the final outcome. Decides nothing.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// How long what is known of the person is kept, counted from the final outcome, status.completedAt, whatever was set when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.redactAfter) || has(self.deleteAfter)")
    .message("retention needs redactAfter or deleteAfter: remove it to keep everything"))]
#[x_kube(validation = Rule::new("!has(self.redactAfter) || duration(self.redactAfter) > duration('0s')")
    .message("retention.redactAfter must be longer than nothing"))]
#[x_kube(validation = Rule::new("!has(self.deleteAfter) || duration(self.deleteAfter) > duration('0s')")
    .message("retention.deleteAfter must be longer than nothing"))]
#[x_kube(validation = Rule::new("!has(self.redactAfter) || !has(self.deleteAfter) || duration(self.redactAfter) < duration(self.deleteAfter)")
    .message("retention.redactAfter must be shorter than deleteAfter"))]
pub struct Retention {
    /// When the person is erased and the decision kept, such as 720h. Default: never. The vendor is asked to erase every applicant of this
    /// object, with documents, runs and results; it schedules that and carries it out after the delay of the account. Then the capture
    /// Secret is deleted, and from the status the digests, the consents, the vendor's words and the link to its dashboard are removed; phase,
    /// verdict, results, ids and times stay. Redacted says so. Later edits are acknowledged without being compared with what was sent. A
    /// further attempt begins with a new applicant. Not while a run of this object is in progress at the vendor: Redacted is False then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redact_after: Option<Duration>,
    /// When the operator deletes this object, such as 2160h. Default: never. What becomes of the person at the vendor is then decided by
    /// deletionPolicy, unless it was redacted before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_after: Option<Duration>,
}
