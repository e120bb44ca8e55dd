//! What came of an `IdentityVerification`: its status, as programs and people read it, and the operator's own records in it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ApplicantField, CaptureKind, ComparisonField, Condition, Consent, Duration, Environment, Erasure, PastAttempt, Requirement, SecretRef,
    StandingVerdict,
};

/// What came of the request. Until the operator has looked, the phase is Pending and Ready is Unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {
    "phase": "Pending",
    "conditions": [{
        "type": "Ready", "status": "Unknown", "reason": "Pending", "message": "waiting for the operator",
        "lastTransitionTime": "1970-01-01T00:00:00Z"
    }]
}))]
pub struct IdentityVerificationStatus {
    /// The generation of the spec this status was decided for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the verification is, in one word. Pending: no run yet. AwaitingInput: the vendor waits for the person. Processing: the vendor
    /// works. InReview: a person reviews. Approved, Declined, Abandoned, Failed, Cancelled: final. Approved alone is not the verdict: that is the
    /// condition Verified. Programs should rather wait for conditions.
    #[serde(default)]
    pub phase: Phase,
    /// The attempt this status speaks of: phase, run, times and capture are its own. Behind spec.attempt until the next one is begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
    /// Accepted: spec, provider and attributes are good. Submitted: the run exists at the vendor. CaptureReady: SDK token or link is in its
    /// Secret and not expired, and the vendor waits for the person. Completed: the vendor reported a final outcome. Verified: the verdict. Ready: the
    /// request is in place; a slow or declined person is not unhealthy. Stalled: a human must act.
    /// Redacted: what was known of the person was removed; only where spec.retention asks for it.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Id of the vendor's applicant: the person's record there, the same for all attempts as long as the vendor takes what changes.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "applicantID")]
    #[schemars(length(max = 128))]
    pub applicant_id: Option<String>,
    /// Ids of applicants that earlier attempts used and this one does not: the vendor did not know them any more, or would not take what
    /// had changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "formerApplicantIDs")]
    #[schemars(length(max = 16), inner(length(max = 128)))]
    pub former_applicant_ids: Vec<String>,
    /// Id of the workflow run at the vendor.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "workflowRunID")]
    #[schemars(length(max = 128))]
    pub workflow_run_id: Option<String>,
    /// The version of the workflow the vendor ran.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "workflowVersionID")]
    pub workflow_version_id: Option<i64>,
    /// The run's status in the vendor's own word, if it is a plain one; otherwise unrecognized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub vendor_status: Option<String>,
    /// Why the run stands as it does: the plain words of the vendor's workflow, and the kind of a technical failure. A word that is not
    /// plain, which could hold personal data, stands as unrecognized.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 64), regex(pattern = r"^[a-z_]+$")))]
    pub reasons: Vec<String>,
    /// Purged: the vendor does not have the run any more. The recorded verdict stays, and nothing can take it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_record: Option<VendorRecord>,
    /// The environment the run lives in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The run's page in the vendor's dashboard, for people with an account there.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "dashboardURL")]
    #[schemars(length(max = 2048))]
    pub dashboard_url: Option<String>,
    /// Where the SDK token or link is, with which the person captures document and face.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<CaptureStatus>,
    /// What the vendor's document comparison says of each attribute that was sent. Like Verified it is of the last attempt with an outcome.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub attributes: Vec<AttributeResult>,
    /// When the run was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When the operator saw that the person had finished capturing (submittedAttempt).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_at: Option<Time>,
    /// When the final outcome was reached: as the vendor says, but no later than the operator saw it. Or when the verification was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// When what was known of the person was removed from this object, as spec.retention.redactAfter asks for, after the vendor was asked to
    /// erase it there; see erasure. None again once a further attempt begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redacted_at: Option<Time>,
    /// Until when Verified stays True by itself; then it becomes False, reason Expired. Only while Verified is True, and where the provider
    /// had a validity when the attempt started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_until: Option<Time>,
    /// When the operator will look at the vendor again, while it is finding out what became of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_check_at: Option<Time>,
    /// The unfinished call to the vendor, recorded before it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// What the verdict rests on: how this attempt is judged, fixed when it started. A later edit of the provider does not rewrite a
    /// verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// What Verified rests on while the status speaks of a newer attempt that has no outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing_verdict: Option<StandingVerdict>,
    /// The last attempt whose outcome made Verified True: the provider's attempts.max counts from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_verified_attempt: Option<i32>,
    /// The attempts before this one, the newest last. Of more than 16 the oldest that have ended are forgotten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["number"]))]
    pub attempts: Vec<PastAttempt>,
    /// What was erased at the vendor, as far as this object has asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<Erasure>,
    /// The last value of the annotation onfido-operator.dev/reconcile-now that was answered by a look at the vendor, or, before a run exists, by
    /// another try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reconciled: Option<String>,
    /// The last webhook delivery that asks to look at the vendor. Written by the webhook endpoint only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<Notification>,
    /// Digests of the deliveries answered last, by a look at the vendor that came after them, or by none once it is cancelled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 64)))]
    pub answered_notifications: Vec<String>,
}

impl IdentityVerificationStatus {
    /// The digest of the delivery that no look at the vendor has answered yet.
    pub fn unanswered(&self) -> Option<&str> {
        let digest = self.notification.as_ref()?.digest.as_str();
        (!self.answered_notifications.iter().any(|answered| answered == digest)).then_some(digest)
    }

    /// Whether a delivery waits for a look at the vendor.
    pub fn is_rung(&self) -> bool {
        self.unanswered().is_some()
    }
}

/// Where a verification is, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// No run yet.
    #[default]
    Pending,
    /// The vendor waits for the person.
    AwaitingInput,
    /// The vendor works on it.
    Processing,
    /// A person reviews it.
    InReview,
    /// Final: approved. Read Verified for the verdict.
    Approved,
    /// Final: declined.
    Declined,
    /// Final: the person did not finish in time.
    Abandoned,
    /// Final: the vendor's workflow ended in an error.
    Failed,
    /// Final: given up before there was an outcome.
    Cancelled,
}

impl Phase {
    /// Whether the vendor has spoken its last word, or is not listened to any more.
    pub fn is_final(self) -> bool {
        match self {
            Self::Approved | Self::Declined | Self::Abandoned | Self::Failed | Self::Cancelled => true,
            Self::Pending | Self::AwaitingInput | Self::Processing | Self::InReview => false,
        }
    }
}

/// What the vendor still has of a run, where that is not all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum VendorRecord {
    /// Nothing.
    Purged,
}

/// What the person captures with: where it is, and until when it can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaptureStatus {
    /// The Secret in this namespace, owned by this object; its key sdk_token holds the SDK token, or its key link_url the link.
    pub secret_ref: SecretRef,
    /// What the Secret holds. RunToken: the SDK token that came with the run. FreshToken: one that tokenGeneration asked for.
    /// Link: the address of the vendor's page.
    #[serde(default)]
    pub kind: CaptureKind,
    /// Until when it can be used, on the safe side. None where the vendor did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// The spec.capture.tokenGeneration that it answers.
    #[serde(default)]
    pub generation: i32,
}

/// What the vendor says of one attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttributeResult {
    /// The attribute's name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Clear: agrees with the document. Consider: does not. NotCompared: nothing was compared. Unknown: the vendor said something else.
    pub result: AttributeVerdict,
    /// Whether it is verified: the run is approved and this attribute is Clear and unchanged since.
    pub verified: bool,
    /// Why it is not verified; none if it is. NotApproved: the run is not. Changed: the value is not the one that was sent. Mismatch: it
    /// differs from the document. NotCompared, Unknown: see result. Revoked: the vendor took its approval back. Expired: the verdict was
    /// valid for a time that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<AttributeReason>,
}

/// See [`AttributeResult`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AttributeReason {
    /// The run is not approved.
    NotApproved,
    /// The value is not the one that was sent.
    Changed,
    /// It differs from the document.
    Mismatch,
    /// It was not compared.
    NotCompared,
    /// The vendor said something this version does not know.
    Unknown,
    /// The vendor took its approval back.
    Revoked,
    /// The verdict was valid for a time that is over.
    Expired,
    /// The verification was given up.
    Cancelled,
}

impl AttributeResult {
    /// Takes back that it is verified, if it is.
    pub fn no_more(&mut self, reason: AttributeReason) {
        if std::mem::take(&mut self.verified) {
            self.reason = Some(reason);
        }
    }
}

/// See [`AttributeResult`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AttributeVerdict {
    /// Agrees with the document.
    Clear,
    /// Differs from the document.
    Consider,
    /// Was not compared.
    NotCompared,
    /// The vendor said something this version does not know.
    Unknown,
}

/// The write-ahead record of an unrepeatable call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Which call: CreateApplicant, UpdateApplicant, or StartRun, which is paid.
    pub kind: OperationKind,
    /// Names this one try; whoever records its result must know it.
    #[schemars(length(max = 64))]
    pub nonce: String,
    /// When the intent was recorded.
    pub started_at: Time,
    /// How often the call was tried before this try, each time with an unknown fate.
    #[serde(default)]
    pub tries: u32,
    /// How many looks at the vendor since then found nothing.
    #[serde(default)]
    pub looks: u32,
    /// When the first of those looks was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent_since: Option<Time>,
}

/// An unrepeatable call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OperationKind {
    /// Create the applicant.
    CreateApplicant,
    /// Send the applicant's changed data.
    UpdateApplicant,
    /// Start the workflow run.
    StartRun,
}

/// How an attempt is judged, recorded when it started: a later edit of the provider does not rewrite a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Basis {
    /// The workflow that was asked for.
    #[serde(rename = "workflowID")]
    #[schemars(length(max = 128))]
    pub workflow_id: String,
    /// Where in the run's output the document comparison is.
    #[schemars(length(max = 256))]
    pub data_comparison_path: String,
    /// Which key the digests were made with; redacted, if they were removed.
    #[serde(rename = "keyID")]
    #[schemars(length(max = 64))]
    pub key_id: String,
    /// How long a verdict is valid; for good if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity: Option<Duration>,
    /// The tag by which the run says what was sent for it, with spec.idempotencyKey only: by it a restored object knows its run. Known in
    /// the pass that has read the values, and never recorded: who can read the object knows all that is in it but these.
    #[serde(skip)]
    pub sent_tag: Option<String>,
    /// The mapping, with a keyed digest of each value that was sent.
    #[schemars(length(max = 32))]
    pub attributes: Vec<BasisAttribute>,
    /// The consents that were passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub consents: Vec<Consent>,
}

/// One attribute of a [`Basis`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BasisAttribute {
    /// The attribute's name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// What it was sent as.
    pub applicant_field: ApplicantField,
    /// What it is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison_field: Option<ComparisonField>,
    /// What the verdict asks of it.
    pub requirement: Requirement,
    /// Keyed digest of the value that was sent; none if none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub digest: Option<String>,
}

/// A webhook delivery that asks to look at the vendor: a doorbell, not a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// Digest of the delivery's body.
    #[schemars(length(max = 64))]
    pub digest: String,
    /// When it came.
    pub received_at: Time,
    /// The run it names.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "workflowRunID")]
    #[schemars(length(max = 128))]
    pub workflow_run_id: Option<String>,
}
