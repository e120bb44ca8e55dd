//! `IdentityVerification`: the request that one person be verified, and what came of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ApplicantField, ComparisonField, Condition, Environment, ProviderRef, Requirement, SecretKeyRef, SecretRef};

/// Who is to be verified, by which provider, and what is known of the person.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "onfido-operator.dev",
    version = "v1alpha1",
    kind = "IdentityVerification",
    plural = "identityverifications",
    shortname = "idv",
    category = "onfido",
    namespaced,
    status = "IdentityVerificationStatus",
    derive = "PartialEq",
    selectable = ".status.phase",
    doc = "The request that one person be verified by one OnfidoProvider, and what came of it. Wait for the condition CaptureReady, hand the \
           SDK token to the person's device, set submittedAttempt, wait for Completed, read Verified.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Verified", type_ = "string", json_path = ".status.conditions[?(@.type==\"Verified\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1),
    printcolumn(name = "Provider", type_ = "string", json_path = ".spec.providerRef.name"),
    printcolumn(name = "Run", type_ = "string", json_path = ".status.workflowRunID", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("has(self.attributes) || has(self.attributesFrom)")
    .message("attributes or attributesFrom is needed: the vendor wants at least a first and a last name"))]
pub struct IdentityVerificationSpec {
    /// The OnfidoProvider to use. Immutable. While it is missing, not Ready, or does not allow this namespace, the verification waits with
    /// Accepted=False.
    #[x_kube(validation = Rule::new("self == oldSelf").message("providerRef is immutable: create another IdentityVerification"))]
    pub provider_ref: ProviderRef,

    /// The person, as an opaque id of the application, never personal data: it is not protected as such. Sent to the vendor as
    /// customer_user_id. Immutable.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("subject is immutable: another person is another IdentityVerification"))]
    pub subject: String,

    /// What is known of the person, by the names the provider's attributes map; each name once. One that is not mapped, missing though
    /// Required, or not fit to be sent shows as Accepted=False, and nothing is sent. A change after the run has started is not sent any
    /// more; it makes Verified False, reason AttributeChanged. This or attributesFrom is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub attributes: Option<Vec<Attribute>>,

    /// Secrets whose keys are attribute names. Keys the provider does not map are ignored. Later Secrets win over earlier ones, and
    /// attributes over all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4))]
    pub attributes_from: Option<Vec<AttributesFrom>>,

    /// Consents the person has given or refused in the application, passed to the vendor with the applicant; each name once. Default:
    /// none is passed. For people in the US the vendor needs privacy_notices_read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub consents: Option<Vec<Consent>>,

    /// The attempt whose capture the person has finished: set it to 1 when the SDK says so. Default: 0. It makes the operator look at the
    /// vendor soon, and decides nothing: left at 0 the result is found too, only later. Never decreases.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("submittedAttempt never decreases"))]
    pub submitted_attempt: i32,

    /// Stops every call to the vendor for this verification until set back to false. Default: false. The vendor cannot pause a run: the
    /// person can go on meanwhile.
    #[serde(default)]
    pub suspend: bool,
}

/// One attribute of the person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.valueFrom)").message("an attribute has exactly one of value and valueFrom"))]
pub struct Attribute {
    /// The attribute's name, one that the provider maps: letters, digits, and -, _ or . between them.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$"))]
    pub name: String,
    /// The value itself, instead of valueFrom. Only where the provider's personalData.inline is Allow, otherwise Accepted=False, reason
    /// InlineForbidden: whoever can read this object can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub value: Option<String>,
    /// Where the value is, instead of value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<AttributeSource>,
}

// The value is personal data: it never prints.
impl std::fmt::Debug for Attribute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attribute")
            .field("name", &self.name)
            .field("value", &self.value.as_ref().map(|_| "…"))
            .field("value_from", &self.value_from)
            .finish()
    }
}

/// Where an attribute's value is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttributeSource {
    /// A key of a Secret labelled onfido-operator.dev/use: attributes. If the Secret, its label or the key is missing the verification
    /// waits with Accepted=False, reason SecretNotFound.
    pub secret_key_ref: SecretKeyRef,
}

/// A source of several attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttributesFrom {
    /// A Secret labelled onfido-operator.dev/use: attributes. If it or its label is missing the verification waits with Accepted=False,
    /// reason SecretNotFound.
    pub secret_ref: SecretRef,
}

/// One consent, passed to the vendor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Consent {
    /// Which consent: privacy_notices_read, ssn_verification or phone_number_verification, in the vendor's sense.
    pub name: ConsentName,
    /// Whether the person has given it.
    pub granted: bool,
}

/// The consents the vendor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentName {
    /// The person has read the vendor's privacy notices.
    PrivacyNoticesRead,
    /// The person agrees to a check of the social security number.
    SsnVerification,
    /// The person agrees to a check of the phone number.
    PhoneNumberVerification,
}

impl ConsentName {
    /// The vendor's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrivacyNoticesRead => "privacy_notices_read",
            Self::SsnVerification => "ssn_verification",
            Self::PhoneNumberVerification => "phone_number_verification",
        }
    }
}

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
    /// works. InReview: a person reviews. Approved, Declined, Abandoned, Failed: final. Approved alone is not the verdict: that is the
    /// condition Verified. Programs should rather wait for conditions.
    #[serde(default)]
    pub phase: Phase,
    /// The attempt this status speaks of, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
    /// Accepted: spec, provider and attributes are good. Submitted: the run exists at the vendor. CaptureReady: the SDK token is in its
    /// Secret and the vendor waits for the person. Completed: the vendor reported a final outcome. Verified: the verdict. Ready: the
    /// request is in place; a slow or declined person is not unhealthy. Stalled: a human must act.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Id of the vendor's applicant: the person's record there.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "applicantID")]
    #[schemars(length(max = 128))]
    pub applicant_id: Option<String>,
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
    /// The environment the run lives in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The run's page in the vendor's dashboard, for people with an account there.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "dashboardURL")]
    #[schemars(length(max = 2048))]
    pub dashboard_url: Option<String>,
    /// Where the SDK token is, with which the person's device captures document and face.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<CaptureStatus>,
    /// What the vendor's document comparison says of each attribute that was sent.
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
    /// When the operator saw the final outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
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
    /// The last webhook delivery that asks to look at the vendor. Written by the webhook endpoint only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<Notification>,
    /// Digests of the deliveries answered last, by a look at the vendor that came after them.
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
}

impl Phase {
    /// Whether the vendor has spoken its last word.
    pub fn is_final(self) -> bool {
        match self {
            Self::Approved | Self::Declined | Self::Abandoned | Self::Failed => true,
            Self::Pending | Self::AwaitingInput | Self::Processing | Self::InReview => false,
        }
    }
}

/// Where the SDK token is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaptureStatus {
    /// The Secret in this namespace, owned by this object; its key sdk_token holds the SDK token.
    pub secret_ref: SecretRef,
    /// Until when the SDK token can be used, on the safe side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
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
    /// Which call: CreateApplicant, or StartRun, which is paid.
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
    /// Which key the digests were made with.
    #[serde(rename = "keyID")]
    #[schemars(length(max = 64))]
    pub key_id: String,
    /// The mapping, with a keyed digest of each value that was sent.
    #[schemars(length(max = 32))]
    pub attributes: Vec<BasisAttribute>,
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
