//! Conditions and the closed list of their reasons, for both kinds.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One observed aspect of an object, as in `metav1.Condition`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the condition speaks of.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64))]
    pub type_: String,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// Why, as one word of a closed list: programs may match on it.
    #[schemars(length(min = 1, max = 64))]
    pub reason: String,
    /// Why, and what to do about it, for a person. Never personal data.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// The generation of the spec this was decided for; none before the operator's first look. A waiter must not believe an older one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the status last changed.
    pub last_transition_time: Time,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be said yet.
    Unknown,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant),* }
        impl $name {
            /// Every word of the list.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
            /// The word as it stands in the object.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),* }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

words! {
    /// The types of conditions.
    ConditionType {
        /// Both kinds: for kstatus, Helm and Argo CD.
        Ready,
        /// Provider: an authenticated call succeeded.
        CredentialsValid,
        /// Provider: deliveries can be verified.
        WebhookReady,
        /// Verification: spec valid, provider found and willing, attributes resolved.
        Accepted,
        /// Verification: the run exists at the vendor and its id is recorded.
        Submitted,
        /// Verification: SDK token or link is in the Secret and the vendor waits for the person.
        CaptureReady,
        /// Verification: the vendor reports a final outcome.
        Completed,
        /// Verification: the person is who the attributes say.
        Verified,
        /// Verification: a human must act and nothing heals by itself.
        Stalled,
        /// Verification: what was known of the person was removed, and the vendor was asked to erase it; the decision stays. Only where
        /// spec.retention asks for it.
        Redacted,
    }
}

words! {
    /// The closed list of reasons. Programs may match on them; messages are for people.
    Reason {
        // In order.
        /// Nothing has been decided yet.
        Pending,
        /// All is well.
        Succeeded,
        /// The vendor accepted the credentials.
        Authenticated,
        /// Every reference resolved.
        Resolved,
        /// The run exists at the vendor.
        Started,
        /// The vendor waits for the person.
        AwaitingInput,
        /// The vendor does not wait for the person any more.
        CaptureFinished,
        /// The vendor works on it.
        Processing,
        /// A person at the vendor or the customer reviews it.
        InReview,
        /// The vendor reported a final outcome.
        OutcomeReported,
        /// Approved, and every attribute that must agree does.
        Verified,
        /// Nothing needs a human.
        Progressing,
        /// Stopped by `suspend`.
        Suspended,
        // Outcomes.
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
        /// An attribute changed after it was sent.
        AttributeChanged,
        /// The vendor took its approval back.
        Revoked,
        /// Given up by `cancelled`.
        Cancelled,
        /// What was known of the person was removed.
        Redacted,
        // The provider and its Secrets.
        /// The referenced OnfidoProvider does not exist.
        ProviderNotFound,
        /// The provider does not allow this namespace.
        NamespaceNotAllowed,
        /// The provider's credentials are not known to be good.
        ProviderNotReady,
        /// A Secret is missing, not labelled for this use, or lacks the key.
        SecretNotFound,
        /// A Secret's value cannot be a token.
        TokenInvalid,
        /// The operator may not read a Secret.
        SecretForbidden,
        /// The vendor refuses the token.
        Unauthorized,
        /// The account lives in another region.
        WrongRegion,
        /// The credentials belong to another account than the one that knows this applicant or run.
        AccountChanged,
        /// The vendor does not answer, or answers with an error of its own.
        Unreachable,
        /// The vendor asks to slow down.
        RateLimited,
        /// No usable webhook token.
        TokenMissing,
        /// The webhook is switched off.
        Disabled,
        /// Deliveries can be verified.
        TokensLoaded,
        // Attributes.
        /// A required attribute was not given.
        AttributeMissing,
        /// An attribute's value cannot be sent to the vendor.
        AttributeInvalid,
        /// An attribute the provider does not map.
        AttributeNotMapped,
        /// The provider forbids attribute values in the spec.
        InlineForbidden,
        // Further attempts.
        /// The provider does not let an attempt follow such an outcome.
        AttemptNotAllowed,
        /// The provider does not let another attempt begin.
        AttemptsExhausted,
        /// The next attempt may begin later.
        CoolingDown,
        // What else goes to the vendor.
        /// The provider does not allow the workflow that is asked for.
        WorkflowNotAllowed,
        /// The custom data cannot be sent to the vendor.
        CustomDataInvalid,
        /// Another verification of this namespace had the same idempotencyKey first.
        IdempotencyKeyInUse,
        // The vendor's calls.
        /// The vendor refused the request.
        RequestRefused,
        /// A request's fate is not known; the operator is finding out.
        Recovering,
        /// A request's fate cannot be found out; a human must look.
        VendorAmbiguous,
        /// The capture Secret exists and belongs to somebody else.
        SecretConflict,
        /// The API server does not let the operator create the capture Secret.
        SecretRefused,
        /// The vendor does not have the run any more.
        Purged,
        /// The vendor answers something this operator cannot use.
        UnexpectedAnswer,
        /// The verdict was valid for a time that is over.
        Expired,
        /// The SDK token has expired.
        TokenExpired,
        /// The link has expired, or would have before the run is started.
        LinkExpired,
        // The end of the object.
        /// The object is being deleted, and what becomes of a request to the vendor is waited for.
        Erasing,
        /// A run of the applicant is under way, and the vendor erases none such.
        RunInProgress,
        /// The operator's erasure ledger cannot be written.
        LedgerRefused,
    }
}

impl Condition {
    /// Whether this is the given type with status True.
    pub fn is_true(&self, type_: ConditionType) -> bool {
        self.type_ == type_.as_str() && self.status == ConditionStatus::True
    }
}

/// The condition of the given type, if there is one.
pub fn find_condition(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|c| c.type_ == type_.as_str())
}
