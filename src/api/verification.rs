//! `IdentityVerification`: the request that one person be verified. What came of it is in `status`.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Capture, CustomData, CustomDataFrom, DeletionPolicy, IdentityVerificationStatus, ProviderRef, Retention, SecretKeyRef, SecretRef,
    inputs,
};

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
    validation = Rule::new("self.spec.attempt == oldSelf.spec.attempt || (self.spec.attempt == oldSelf.spec.attempt + 1 && has(self.status) \
        && has(self.status.attempt) && self.status.attempt == oldSelf.spec.attempt && (self.status.phase in \
        ['Approved', 'Declined', 'Abandoned', 'Failed', 'InReview'] || self.status.conditions.exists(c, c.type == 'Stalled' \
        && c.status == 'True' && c.reason == 'VendorAmbiguous')))")
        .message("spec.attempt grows by one, and only once the attempt before it has ended, is in review, or is stalled as VendorAmbiguous"),
    doc = "The request that one person be verified by one OnfidoProvider, and what came of it. Wait for the condition CaptureReady, hand the \
           SDK token to the person's device, set submittedAttempt, wait for Completed, read Verified.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Verified", type_ = "string", json_path = ".status.conditions[?(@.type==\"Verified\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = 1),
    printcolumn(name = "Provider", type_ = "string", json_path = ".spec.providerRef.name"),
    printcolumn(name = "Run", type_ = "string", json_path = ".status.workflowRunID", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self.submittedAttempt <= self.attempt")
    .message("submittedAttempt is at most attempt: nobody can have finished an attempt that is not asked for"))]
#[x_kube(validation = Rule::new("has(self.attributes) || has(self.attributesFrom)")
    .message("attributes or attributesFrom is needed: the vendor wants at least a first and a last name"))]
#[x_kube(validation = Rule::new("has(self.idempotencyKey) == has(oldSelf.idempotencyKey) && \
        (!has(self.idempotencyKey) || self.idempotencyKey == oldSelf.idempotencyKey)")
    .message("idempotencyKey is immutable: the run could not be found any more"))]
#[x_kube(validation = Rule::new("!has(self.idempotencyKey) || !has(self.tags) || size(self.tags) <= 28")
    .message("at most 28 tags beside an idempotencyKey: the vendor takes 30, and two are the operator's"))]
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
    /// Required, or not fit to be sent shows as Accepted=False, and nothing is sent. A change after the run has started makes Verified
    /// False, reason AttributeChanged, and is sent with the next attempt. This or attributesFrom is needed.
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

    /// How the person captures document and face. Default: in the application, with the vendor's SDK and the token that comes with the run.
    #[serde(default)]
    pub capture: Capture,

    /// The workflow to run instead of the provider's workflowID: a UUID that is in the provider's allowedWorkflowIDs. Default: the
    /// provider's workflowID. Any other shows as Accepted=False, reason WorkflowNotAllowed, and nothing is sent. A change is for a run not
    /// yet started.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "workflowID")]
    #[schemars(length(max = 36), regex(pattern = inputs::WORKFLOW_ID))]
    pub workflow_id: Option<String>,

    /// Tags that the run gets at the vendor beside the operator's own, for finding it there. Never personal data: they are not protected as
    /// such. Each once, without a comma, control characters or white space at its ends; none may begin with onfido-operator., which the
    /// operator finds its own runs by. Default: none. A change is for a run not yet started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 29), inner(length(min = 1, max = 128), regex(pattern = inputs::TAG)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new("self.all(tag, !tag.lowerAscii().startsWith('onfido-operator.'))")
        .message("tags must not begin with onfido-operator.: the operator finds its own runs by such tags"))]
    pub tags: Option<Vec<String>>,

    /// Inputs that the author of the workflow declared, by name: strings, numbers, true or false. Not for personal data, which belongs into
    /// customDataFrom: whoever can read this object can read it. Default: none. With customDataFrom at most 16 KiB of JSON; more shows as
    /// Accepted=False, reason CustomDataInvalid. A change is for a run not yet started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_data: Option<CustomData>,

    /// Secrets whose keys become custom data, each a string. Later Secrets win over earlier ones, and customData over all of them. A Secret
    /// that is missing or not labelled shows as Accepted=False, reason SecretNotFound, and nothing is sent. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4))]
    pub custom_data_from: Option<Vec<CustomDataFrom>>,

    /// What the run is known by at the vendor, with the namespace, instead of this object's uid: the object then finds its run again after
    /// it was restored from a backup or created again in another cluster, and starts no second one. It is verified by it if the values and
    /// the provider's mapping are still those that were sent. Each object needs a key of its own: while another one of the namespace had
    /// the same first, this one waits with Accepted=False, reason IdempotencyKeyInUse. Who creates an object again gets the run of the
    /// attempt it asks for, also of one that was cancelled. No personal data. Immutable. Default: none. With a key the first run begins some
    /// seconds later, and the vendor is called once more before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: Option<String>,

    /// The attempt asked for: a higher one is a new run at the vendor, which is paid. Default: 1. It grows by one, and only once the
    /// attempt before it has ended, is in review, or is stalled as VendorAmbiguous. Whether and when it is started is the provider's to
    /// say (spec.attempts there); until then Accepted is False, reason AttemptNotAllowed, AttemptsExhausted or CoolingDown. The old
    /// verdict stands until the new outcome is known.
    #[serde(default = "first")]
    #[schemars(range(min = 1, max = 1000))]
    pub attempt: i32,

    /// The attempt whose capture the person has finished: set it to that of spec.attempt when the SDK says so. Default: 0. It makes the
    /// operator look at the vendor soon, and decides nothing: left as it is the result is found too, only later. Never decreases.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("submittedAttempt never decreases"))]
    pub submitted_attempt: i32,

    /// Gives the verification up, for good: no run is started any more, the SDK token is taken out of its Secret, and an outcome that is not
    /// recorded yet is ignored: Verified becomes False, reason Cancelled. Default: false. The vendor cannot cancel a run: a person who has
    /// the token can go on, and the run may be billed. A recorded verdict stays. Once true it stays true.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self || !oldSelf").message("cancelled stays true: create another IdentityVerification"))]
    pub cancelled: bool,

    /// What becomes of the person at the vendor when this object is deleted. Retain: nothing. DeleteApplicant: the operator asks the vendor
    /// to erase every applicant of this object, with documents, runs and results; the vendor schedules that and carries it out after the
    /// delay of the account. The object stays until the vendor has answered, ten minutes at most: what could not be asked for by then is
    /// owed by the operator, which keeps the applicants' ids in a ledger of its own and asks until it is done. Default: Retain. May be
    /// changed at any time before the deletion, and afterwards to Retain, to let go.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// How long what is known of the person is kept after the final outcome. Default: for good, as far as this operator goes. May be changed
    /// at any time: what is due by then is done at once, and what was done stays done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,

    /// Stops every call to the vendor for this verification until set back to false. Default: false. The vendor cannot pause a run: the
    /// person can go on meanwhile.
    #[serde(default)]
    pub suspend: bool,
}

fn first() -> i32 {
    1
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
