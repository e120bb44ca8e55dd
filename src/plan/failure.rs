//! The only table of failures: what each means to the object, and when to try again. The README's troubleshooting table is made of it.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{ConditionType, Reason, SecretUse, USE_LABEL},
    onfido::model::FieldFault,
};

/// Everything that can go wrong in a pass. Holds names only, never a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    ProviderNotFound { namespace: String, name: String },
    NamespaceNotAllowed { namespace: String, provider: String },
    ProviderNotReady { provider: String, reason: String },
    SecretNotFound { namespace: String, name: String, key: Option<String>, for_use: SecretUse },
    SecretForbidden { namespace: String, name: String },
    TokenInvalid { namespace: String, name: String, key: String, fault: &'static str },
    AttributeMissing { name: String },
    AttributeInvalid { name: String, fault: FieldFault },
    AttributeNotMapped { name: String },
    AttributeChanged { names: Vec<String> },
    InlineForbidden { name: String },
    AttemptNotAllowed { reason: Reason },
    AttemptsExhausted { max: i32 },
    CoolingDown { until: Timestamp },
    LinkExpired,
    WorkflowNotAllowed,
    CustomDataInvalid { key: Option<String>, fault: &'static str },
    IdempotencyKeyInUse { name: String },
    Unauthorized,
    WrongRegion,
    RequestRefused { fields: Vec<String> },
    RateLimited { after: Option<Duration> },
    Unreachable,
    TooLate,
    Ambiguous,
    AccountChanged,
    RunPurged,
    UnexpectedAnswer { what: &'static str },
    SecretConflict { name: String },
    SecretRefused { name: String },
    RunInProgress,
    LedgerRefused,
}

/// What a failure means to the object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// The condition it makes False (Unknown where nothing is known).
    pub condition: ConditionType,
    /// The reason it gives.
    pub reason: Reason,
    /// When to try again.
    pub retry: Retry,
    /// Whether a person is told by an Event.
    pub event: bool,
    /// Whether nothing goes on without a human, and says so.
    pub stalls: bool,
    /// What heals it, for a person.
    pub remedy: &'static str,
}

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Retry {
    /// When the object, its provider or the provider's status changes.
    OnChange,
    /// After the object's own backoff.
    Backoff,
    /// After some minutes: what heals it is elsewhere and gives no sign.
    Slowly,
    /// After an hour: hardly anything will heal it.
    Rarely,
    /// When the vendor says, if it says; otherwise after the backoff.
    AsTold(Option<Duration>),
    /// At this time, or when something changes.
    At(Timestamp),
}

impl Failure {
    /// The row of this failure.
    pub fn rule(&self) -> Rule {
        use {ConditionType as C, Reason as R};
        let rule = |condition, reason, retry, event, remedy| Rule { condition, reason, retry, event, stalls: false, remedy };
        match self {
            Self::ProviderNotFound { .. } => rule(
                C::Accepted,
                R::ProviderNotFound,
                Retry::OnChange,
                false,
                "create the OnfidoProvider, or correct spec.providerRef in a new object",
            ),
            Self::NamespaceNotAllowed { .. } => rule(
                C::Accepted,
                R::NamespaceNotAllowed,
                Retry::Slowly,
                false,
                "extend the provider's spec.allowedNamespaces, or label the namespace so that its selector matches",
            ),
            Self::ProviderNotReady { .. } => {
                rule(C::Accepted, R::ProviderNotReady, Retry::OnChange, false, "read the provider's Ready condition and do what it says")
            }
            Self::SecretNotFound { .. } => {
                rule(C::Accepted, R::SecretNotFound, Retry::Backoff, false, "create the Secret with that key and label")
            }
            Self::SecretForbidden { .. } => {
                rule(C::Accepted, R::SecretForbidden, Retry::Slowly, false, "grant the operator the verb get on secrets in that namespace")
            }
            Self::TokenInvalid { .. } => {
                rule(C::Accepted, R::TokenInvalid, Retry::Backoff, false, "put the token into that key, and nothing else")
            }
            Self::AttributeMissing { .. } => rule(
                C::Accepted,
                R::AttributeMissing,
                Retry::Backoff,
                true,
                "give it in spec.attributes or in a Secret of spec.attributesFrom",
            ),
            Self::AttributeInvalid { .. } => {
                rule(C::Accepted, R::AttributeInvalid, Retry::Backoff, true, "correct the value where it is given")
            }
            Self::AttributeNotMapped { .. } => rule(
                C::Accepted,
                R::AttributeNotMapped,
                Retry::OnChange,
                true,
                "remove it from spec.attributes, or map it in the provider's spec.attributes",
            ),
            Self::AttributeChanged { .. } => rule(
                C::Accepted,
                R::AttributeChanged,
                Retry::Backoff,
                true,
                "put back the values that were sent, or create a new verification: too many applicants were used for this one",
            ),
            Self::InlineForbidden { .. } => rule(
                C::Accepted,
                R::InlineForbidden,
                Retry::OnChange,
                true,
                "use valueFrom, or set the provider's spec.personalData.inline to Allow",
            ),
            Self::AttemptNotAllowed { .. } => Rule {
                stalls: true,
                ..rule(
                    C::Accepted,
                    R::AttemptNotAllowed,
                    Retry::OnChange,
                    true,
                    "add that reason to the provider's spec.attempts.retryOn, or create a new verification",
                )
            },
            Self::AttemptsExhausted { .. } => Rule {
                stalls: true,
                ..rule(
                    C::Accepted,
                    R::AttemptsExhausted,
                    Retry::OnChange,
                    true,
                    "raise the provider's spec.attempts.max, or create a new verification",
                )
            },
            Self::CoolingDown { until } => {
                rule(C::Accepted, R::CoolingDown, Retry::At(*until), false, "nothing; or shorten the provider's spec.attempts.coolDown")
            }
            Self::LinkExpired => {
                rule(C::Accepted, R::LinkExpired, Retry::OnChange, true, "set spec.capture.link.expiresAt to a time that is still to come")
            }
            Self::WorkflowNotAllowed => rule(
                C::Accepted,
                R::WorkflowNotAllowed,
                Retry::OnChange,
                true,
                "add it to the provider's spec.allowedWorkflowIDs, or correct spec.workflowID",
            ),
            Self::CustomDataInvalid { .. } => rule(
                C::Accepted,
                R::CustomDataInvalid,
                Retry::Backoff,
                true,
                "correct it in spec.customData or in the Secrets of spec.customDataFrom",
            ),
            Self::IdempotencyKeyInUse { .. } => rule(
                C::Accepted,
                R::IdempotencyKeyInUse,
                Retry::Slowly,
                true,
                "create a new verification with an idempotencyKey of its own, or delete the other one",
            ),
            Self::Unauthorized => {
                rule(C::Submitted, R::Unauthorized, Retry::Backoff, false, "put a valid API token into the provider's Secret")
            }
            Self::WrongRegion => rule(
                C::Submitted,
                R::WrongRegion,
                Retry::Slowly,
                false,
                "create an OnfidoProvider with the region of the account: region is immutable",
            ),
            Self::RequestRefused { .. } => rule(
                C::Submitted,
                R::RequestRefused,
                Retry::Slowly,
                true,
                "correct the fields named; for workflow_id, the workflow asked for must be an active one of this account",
            ),
            Self::RateLimited { after } => rule(
                C::Submitted,
                R::RateLimited,
                Retry::AsTold(*after),
                false,
                "nothing; if it lasts, lower the provider's spec.rateLimit or ask the vendor for more",
            ),
            Self::Unreachable => {
                rule(C::Submitted, R::Unreachable, Retry::Backoff, false, "check the network policy and the vendor's status page")
            }
            Self::TooLate => rule(C::Submitted, R::Unreachable, Retry::Backoff, false, "nothing; if it lasts, the API server is too slow"),
            Self::Ambiguous => rule(C::Submitted, R::Recovering, Retry::Backoff, false, "nothing: the operator finds out and goes on"),
            Self::AccountChanged => rule(
                C::Submitted,
                R::AccountChanged,
                Retry::Slowly,
                true,
                "put back a token of the account that knows this applicant, or create a new verification",
            ),
            Self::RunPurged => {
                rule(C::Submitted, R::Purged, Retry::Rarely, true, "create a new verification; the vendor keeps nothing of this run")
            }
            Self::UnexpectedAnswer { .. } => rule(
                C::Submitted,
                R::UnexpectedAnswer,
                Retry::Backoff,
                true,
                "look at the run in the vendor's dashboard; report it if it lasts",
            ),
            Self::SecretRefused { .. } => rule(
                C::CaptureReady,
                R::SecretRefused,
                Retry::Slowly,
                true,
                "grant the operator the right, raise the quota, or change the admission policy that refuses it",
            ),
            Self::SecretConflict { .. } => rule(
                C::CaptureReady,
                R::SecretConflict,
                Retry::Slowly,
                true,
                "delete or rename that Secret: the operator never takes over one that is not its own",
            ),
            Self::RunInProgress => {
                rule(C::Ready, R::RunInProgress, Retry::Rarely, false, "nothing: it is in the erasure ledger, and asked for again")
            }
            Self::LedgerRefused => rule(
                C::Ready,
                R::LedgerRefused,
                Retry::Backoff,
                false,
                "grant the operator get, create and patch on configmaps in its own namespace, or change the quota or policy that refuses them",
            ),
        }
    }

    /// What happened and what to do, for a condition.
    pub fn message(&self) -> String {
        let Rule { remedy, .. } = self.rule();
        format!("{}: {remedy}", self.what())
    }

    fn what(&self) -> String {
        match self {
            Self::ProviderNotFound { namespace, name } => format!("OnfidoProvider {namespace}/{name} does not exist"),
            Self::NamespaceNotAllowed { namespace, provider } => format!("OnfidoProvider {provider} does not allow namespace {namespace}"),
            Self::ProviderNotReady { provider, reason } => format!("OnfidoProvider {provider} is not ready ({reason})"),
            Self::SecretNotFound { namespace, name, key, for_use } => {
                let key = key.as_ref().map_or(String::new(), |key| format!(", key {key},"));
                format!("Secret {namespace}/{name}{key} is missing or not labelled {USE_LABEL}: {}", for_use.as_str())
            }
            Self::SecretForbidden { namespace, name } => format!("the operator may not read Secret {namespace}/{name}"),
            Self::TokenInvalid { namespace, name, key, fault } => {
                format!("Secret {namespace}/{name}, key {key}, holds no token: it {fault}")
            }
            Self::AttributeMissing { name } => format!("attribute {name} is required and not given"),
            Self::AttributeInvalid { name, fault } => format!("attribute {name} {fault}"),
            Self::AttributeNotMapped { name } => format!("attribute {name} is not mapped by the provider"),
            Self::AttributeChanged { names } => format!("changed since it was sent, and cannot be sent anew: {}", names.join(", ")),
            Self::InlineForbidden { name } => format!("attribute {name} has its value in the spec, which the provider forbids"),
            Self::AttemptNotAllowed { reason } => format!("the provider lets no attempt follow one that ended with {reason}"),
            Self::AttemptsExhausted { max } => format!("the provider lets no more than {max} attempts be made until one is Verified"),
            Self::CoolingDown { until } => format!("the next attempt may begin at {}", until.strftime("%Y-%m-%dT%H:%M:%SZ")),
            Self::LinkExpired => "the link would have expired before the run is started".into(),
            Self::WorkflowNotAllowed => "the provider does not allow the workflow in spec.workflowID".into(),
            Self::CustomDataInvalid { key: None, fault } => format!("the custom data {fault}"),
            Self::CustomDataInvalid { key: Some(key), fault } => format!("the custom data's {key} {fault}"),
            Self::IdempotencyKeyInUse { name } => format!("IdentityVerification {name} has the same idempotencyKey and had it first"),
            Self::Unauthorized => "the vendor refuses the API token".into(),
            Self::WrongRegion => "the account lives in another region".into(),
            Self::RequestRefused { fields } if fields.is_empty() => "the vendor refused the request".into(),
            Self::RequestRefused { fields } => format!("the vendor refused the request, fields {}", fields.join(", ")),
            Self::RateLimited { .. } => "the vendor asks to slow down".into(),
            Self::Unreachable => "the vendor does not answer, or answers with an error of its own".into(),
            Self::TooLate => "the request was not sent in time and is made anew".into(),
            Self::Ambiguous => "it is not known whether the vendor carried out the request".into(),
            Self::AccountChanged => "the credentials belong to an account that does not know this applicant or run".into(),
            Self::RunPurged => "the vendor does not have the run any more".into(),
            Self::UnexpectedAnswer { what } => format!("the vendor's answer cannot be used: {what}"),
            Self::SecretRefused { name } => format!("the API server does not let the operator write Secret {name}"),
            Self::SecretConflict { name } => format!("Secret {name} exists and is not owned by this object"),
            Self::RunInProgress => "the vendor erases no applicant with a run in progress".into(),
            Self::LedgerRefused => "the operator's erasure ledger cannot be written".into(),
        }
    }

    /// One of each, in the order of the troubleshooting table.
    fn specimens() -> Vec<Self> {
        let (namespace, name, key) = (String::from("NAMESPACE"), String::from("NAME"), String::from("KEY"));
        vec![
            Self::ProviderNotFound { namespace: namespace.clone(), name: name.clone() },
            Self::NamespaceNotAllowed { namespace: namespace.clone(), provider: name.clone() },
            Self::ProviderNotReady { provider: name.clone(), reason: "REASON".into() },
            Self::SecretNotFound {
                namespace: namespace.clone(),
                name: name.clone(),
                key: Some(key.clone()),
                for_use: SecretUse::Attributes,
            },
            Self::SecretForbidden { namespace: namespace.clone(), name: name.clone() },
            Self::TokenInvalid { namespace, name: name.clone(), key, fault: "is empty" },
            Self::AttributeMissing { name: name.clone() },
            Self::AttributeInvalid { name: name.clone(), fault: FieldFault::NotADate },
            Self::AttributeNotMapped { name: name.clone() },
            Self::AttributeChanged { names: vec![name.clone()] },
            Self::InlineForbidden { name: name.clone() },
            Self::AttemptNotAllowed { reason: Reason::Verified },
            Self::AttemptsExhausted { max: 3 },
            Self::CoolingDown { until: Timestamp::UNIX_EPOCH },
            Self::LinkExpired,
            Self::WorkflowNotAllowed,
            Self::CustomDataInvalid { key: None, fault: super::inputs::TOO_LARGE },
            Self::IdempotencyKeyInUse { name: name.clone() },
            Self::Unauthorized,
            Self::WrongRegion,
            Self::RequestRefused { fields: vec!["FIELD".into()] },
            Self::RateLimited { after: None },
            Self::Unreachable,
            Self::TooLate,
            Self::Ambiguous,
            Self::AccountChanged,
            Self::RunPurged,
            Self::UnexpectedAnswer { what: "the run belongs to another applicant" },
            Self::SecretConflict { name: name.clone() },
            Self::SecretRefused { name },
            Self::RunInProgress,
            Self::LedgerRefused,
        ]
    }
}

/// The troubleshooting table, as Markdown.
pub fn troubleshooting() -> String {
    let mut table = String::from("| Reason | Condition | Message begins | What heals it | Tried again |\n|---|---|---|---|---|\n");
    for failure in Failure::specimens() {
        let Rule { condition, reason, retry, remedy, .. } = failure.rule();
        let retry = match retry {
            Retry::OnChange => "when something changes",
            Retry::Backoff => "from 1 s on, up to 5 min",
            Retry::Slowly => "every 5 min, or when something changes",
            Retry::Rarely => "every hour, or when something changes",
            Retry::AsTold(_) => "when the vendor says",
            Retry::At(_) => "at that time, or when something changes",
        };
        table.push_str(&format!("| `{reason}` | `{condition}` | {} | {remedy} | {retry} |\n", failure.what()));
    }
    table
}
