//! `OnfidoProvider`: credentials, workflow and webhook of one vendor account.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Attempts, AttributeMapping, Condition, Duration, SecretKeyRef};

/// Which account, with which credentials and workflow, for whom, and how its results are read.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "onfido-operator.dev",
    version = "v1alpha1",
    kind = "OnfidoProvider",
    plural = "onfidoproviders",
    shortname = "onfp",
    category = "onfido",
    namespaced,
    status = "OnfidoProviderStatus",
    derive = "PartialEq",
    doc = "One account at Onfido, the vendor. IdentityVerifications refer to it. Keep it in a namespace of its own: an application, which must \
           read the Secrets with SDK tokens, then never sees the API token.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Webhook", type_ = "string", json_path = ".status.conditions[?(@.type==\"WebhookReady\")].status"),
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.region"),
    printcolumn(name = "Environment", type_ = "string", json_path = ".status.environment"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct OnfidoProviderSpec {
    /// Where the vendor account lives; it selects the vendor's host. Immutable. A region that is not the account's shows as
    /// CredentialsValid=False, reason WrongRegion.
    #[x_kube(validation = Rule::new("self == oldSelf").message("region is immutable: create another OnfidoProvider"))]
    pub region: Region,

    /// How the operator authenticates with the vendor. Refused or unusable ones show as CredentialsValid=False, and no verification is
    /// started until they are put right.
    pub credentials: Credentials,

    /// The workflow each verification runs: its UUID, from the vendor's dashboard. The version that is active there is used. One the
    /// account does not know shows on the verifications, as Submitted=False, reason RequestRefused. A change is for runs not yet started.
    #[schemars(length(max = 36), regex(pattern = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"))]
    #[serde(rename = "workflowID")]
    pub workflow_id: String,

    /// Workflows that a verification may name in its workflowID instead: their UUIDs. Default: none but workflowID itself. A change is for
    /// runs not yet started.
    #[schemars(length(max = 32), inner(length(max = 36), regex(pattern = super::inputs::WORKFLOW_ID)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "allowedWorkflowIDs")]
    pub allowed_workflow_ids: Vec<String>,

    /// From which namespaces verifications may refer to this provider. Default: its own only. Others wait with Accepted=False, reason
    /// NamespaceNotAllowed.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,

    /// How the vendor's deliveries are verified, by which it tells that a run has ended. Default: there are none, and results are found
    /// by polling, within minutes. Trouble shows as WebhookReady=False and makes the provider no less Ready.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self.management != 'Manual' || (has(self.tokenSecretRefs) && size(self.tokenSecretRefs) > 0)")
        .message("webhook.tokenSecretRefs needs at least one entry where webhook.management is Manual"))]
    #[x_kube(validation = Rule::new("self.management != 'Disabled' || !has(self.tokenSecretRefs) || size(self.tokenSecretRefs) == 0")
        .message("webhook.tokenSecretRefs must be empty where webhook.management is Disabled"))]
    pub webhook: Webhook,

    /// The attributes verifications may give: what each is sent to the vendor as, and what it is compared with. It must map first_name
    /// and last_name, each applicantField once, address.country and address.postcode if any field of the address, and have a Required
    /// entry with a comparisonField. Default: the OpenID Connect claims
    /// given_name and family_name (Required) and birthdate, all three compared, and email, sent only. A change is for verifications not
    /// yet started: each is judged by the mapping it was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[x_kube(validation = Rule::new("self.exists(a, a.applicantField == 'first_name') && self.exists(a, a.applicantField == 'last_name')")
        .message("attributes must map first_name and last_name: the vendor needs both"))]
    #[x_kube(validation = Rule::new("self.exists(a, a.requirement == 'Required' && has(a.comparisonField))")
        .message("attributes needs at least one Required entry with a comparisonField, or 'verified' would mean nothing"))]
    #[x_kube(validation = Rule::new("!self.exists(a, a.applicantField.startsWith('address.')) || \
        (self.exists(a, a.applicantField == 'address.country') && self.exists(a, a.applicantField == 'address.postcode'))")
        .message("attributes must map address.country and address.postcode where they map any address field: the vendor needs both in an address"))]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.applicantField == a.applicantField))")
        .message("attributes must map each applicantField once"))]
    pub attributes: Option<Vec<AttributeMapping>>,

    /// Where the results stand in the run's output.
    #[serde(default)]
    pub results: Results,

    /// Whether personal data may stand in the spec of a verification.
    #[serde(default)]
    pub personal_data: PersonalData,

    /// How fast the vendor may be called, by everything that uses these credentials together. Default: 300 requests a minute with live
    /// credentials, 20 in the sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,

    /// When a verification may try again.
    #[serde(default)]
    pub attempts: Attempts,

    /// How long a verdict is valid. Default: for good. A change is for verifications not yet started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity: Option<Validity>,

    /// Stops every call to the vendor for this provider and its verifications until set back to false. Default: false. Deliveries are
    /// still accepted, and acted on afterwards. The vendor cannot pause a run: people can go on meanwhile.
    #[serde(default)]
    pub suspend: bool,
}

/// Region of a vendor account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Region {
    /// European Union.
    EU,
    /// United States.
    US,
    /// Canada.
    CA,
}

impl Region {
    /// The word as it stands in the object.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EU => "EU",
            Self::US => "US",
            Self::CA => "CA",
        }
    }
}

/// How the operator authenticates with the vendor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// The API token, from the vendor's dashboard: a key of a Secret labelled onfido-operator.dev/use: credentials. The token itself
    /// says whether it is of the live or the sandbox environment. A Secret that changes is noticed within about a minute.
    pub api_token_secret_ref: SecretKeyRef,
}

/// From which namespaces verifications may refer to a provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.from == 'Selector') == has(self.selector)")
    .message("allowedNamespaces.selector is needed where allowedNamespaces.from is Selector, and only there"))]
pub struct AllowedNamespaces {
    /// Same (default): the provider's own namespace. All: every namespace. Selector: those whose labels match the selector.
    #[serde(default)]
    pub from: NamespacesFrom,
    /// Which namespaces, by their labels; an empty selector matches all. Needed where from is Selector, and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// See [`AllowedNamespaces`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NamespacesFrom {
    /// The provider's own namespace.
    #[default]
    Same,
    /// Every namespace.
    All,
    /// Namespaces whose labels match.
    Selector,
}

/// How the vendor's webhook is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Manual: you register the URL in status.webhook.url with the vendor, for the event workflow_run.completed, and put the webhook's
    /// token into a Secret. Disabled (default): no delivery is accepted, results are found by polling, within minutes.
    #[serde(default)]
    pub management: WebhookManagement,
    /// The tokens deliveries may be signed with, each a key of a Secret labelled onfido-operator.dev/use: webhook, of at least 16
    /// bytes. All are accepted, so that old and new overlap during a rotation. At least one where management is Manual, none where it is
    /// Disabled. One that cannot be used shows as WebhookReady=False.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub token_secret_refs: Vec<SecretKeyRef>,
}

/// Who registers the webhook with the vendor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WebhookManagement {
    /// A person.
    Manual,
    /// Nobody: there is none.
    #[default]
    Disabled,
}

/// Where the results are in the run's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// JSON pointer (RFC 6901) to the document comparison within the run's output, as the workflow's author configured it. Default:
    /// /data_comparison. If it points to nothing, attributes are reported as NotCompared and nobody is Verified.
    #[serde(default = "default_path")]
    #[schemars(length(max = 256), regex(pattern = r"^(/([^~/]|~0|~1)*)*$"))]
    pub data_comparison_path: String,
}

fn default_path() -> String {
    "/data_comparison".to_owned()
}

impl Default for Results {
    fn default() -> Self {
        Self { data_comparison_path: default_path() }
    }
}

/// Whether personal data may stand in the spec of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonalData {
    /// Forbid (default): attribute values must come from Secrets; a verification with a value in its spec is not accepted.
    /// Allow: everybody who can read verifications can then read those values.
    #[serde(default)]
    pub inline: Inline,
}

/// See [`PersonalData`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Inline {
    /// Values come from Secrets only.
    #[default]
    Forbid,
    /// Values may stand in the spec.
    Allow,
}

/// How fast the vendor may be called with these credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Requests a minute of everything that uses this API token; where several providers use it, the lowest figure counts. Calls over it wait:
    /// new verifications go before polls, and namespaces take turns. It is lowered by itself for some minutes when the vendor answers that
    /// it is too much (429).
    #[schemars(range(min = 10, max = 60000))]
    pub requests_per_minute: u32,
}

/// How long a verdict is valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Validity {
    /// From the moment the operator saw the final outcome: hours, minutes and seconds, such as 8760h or 1h30m, longer than nothing. Then
    /// Verified becomes False, reason Expired. The moment stands in the verification's status.verifiedUntil.
    #[x_kube(validation = Rule::new("duration(self) > duration('0s')").message("validity.duration must be longer than nothing"))]
    pub duration: Duration,
}

/// What the operator knows of the account. Until it has looked, Ready is Unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {
    "conditions": [{
        "type": "Ready", "status": "Unknown", "reason": "Pending", "message": "waiting for the operator",
        "lastTransitionTime": "1970-01-01T00:00:00Z"
    }]
}))]
pub struct OnfidoProviderStatus {
    /// The generation of the spec this status was decided for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: new verifications can start. CredentialsValid: an authenticated call succeeded. WebhookReady: deliveries can be verified.
    #[serde(default)]
    #[schemars(length(max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The environment the API token belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The last value of the annotation onfido-operator.dev/reconcile-now that was answered by a look at the Secrets and a
    /// call to the vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reconciled: Option<String>,
    /// What to register with the vendor; none where spec.webhook.management is Disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookStatus>,
}

/// The vendor's environment. Live: real checks of real people, paid. Sandbox: the vendor's own test environment. Unknown: the API token
/// does not say which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Environment {
    /// Real checks of real people, paid.
    Live,
    /// The vendor's own test environment.
    Sandbox,
    /// The token does not say.
    Unknown,
}

/// Where the vendor must send its deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookStatus {
    /// The URL to register with the vendor, for the event workflow_run.completed.
    #[schemars(length(max = 2048))]
    pub url: String,
}
