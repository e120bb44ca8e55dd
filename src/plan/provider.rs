//! The same for a provider: are its Secrets there, does the vendor take the token, can deliveries be verified.

use jiff::Timestamp;

use crate::api::{
    ConditionStatus as Status, ConditionType as Type, Environment, OnfidoProviderSpec, OnfidoProviderStatus, Reason, WebhookManagement,
    WebhookStatus,
};

use super::{
    Failure, Fence, Plan, Retry, Timing, Wake,
    conditions::{Says, set},
    debts::{self, Debt, Known},
    schedule::{after, past},
};

/// Everything one pass over a provider may know.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Of the spec.
    pub generation: i64,
    /// The token by which a person asks for a look now.
    pub asked: Option<String>,
    /// What is asked for.
    pub spec: OnfidoProviderSpec,
    /// What is recorded.
    pub status: OnfidoProviderStatus,
    /// Where the vendor must send deliveries, as far as this operator knows its own address.
    pub webhook_url: String,
    /// When this process last had an answer to a probe made with the token as it is now.
    pub last_probe: Option<Timestamp>,
    /// What this process knows of the ledger of what is to be erased.
    pub debts: Known,
    /// From 0 to 1, the same for this object every time.
    pub jitter: f64,
    /// What was learned in this pass.
    pub facts: Facts,
    /// How long to wait for what.
    pub timing: Timing,
}

/// What was learned in this pass.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The environment of the API token, or why there is none.
    pub credentials: Option<Result<Environment, Failure>>,
    /// Why deliveries cannot be verified, if so.
    pub webhook: Option<Result<(), Failure>>,
    /// Whether the vendor took the token.
    pub probe: Option<Result<(), Failure>>,
    /// What is owed, by the applicants' ids, or that it cannot be read.
    pub debts: Option<Result<Vec<Debt>, ()>>,
    /// What the vendor said to each that it was asked to erase, in order.
    pub asked_for: Option<Vec<(Debt, Result<(), Failure>)>>,
    /// Whether what is erased was struck out of the ledger.
    pub struck_out: bool,
}

impl Observed {
    /// Whether a person has asked for a look that has not come yet.
    pub fn is_asked(&self) -> bool {
        self.asked.is_some() && self.asked != self.status.reconciled
    }
}

/// One thing to do for a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Read the Secrets it refers to.
    ReadSecrets,
    /// Ask the vendor whether it takes the token.
    Probe,
    /// Read what is owed.
    ReadLedger,
    /// Ask the vendor to erase these, one after the other, as long as it answers.
    EraseDebts(Vec<Debt>),
    /// Strike out of the ledger what is erased.
    StrikeOut(Vec<Debt>),
}

/// A plan for a provider.
pub type ProviderPlan = Plan<OnfidoProviderStatus, Effect>;

/// What to do next.
pub fn plan(o: &Observed, now: Timestamp) -> ProviderPlan {
    let (Some(credentials), Some(webhook)) = (&o.facts.credentials, &o.facts.webhook) else { return perform(o, Effect::ReadSecrets) };
    if o.spec.suspend {
        return say(o, now, recorded_credentials(o), webhook_ready(o, webhook), reread(o, now, webhook));
    }
    match (credentials, &o.facts.probe) {
        (Err(failure), _) => say(o, now, bad(failure), webhook_ready(o, webhook), Wake::Backoff),
        (Ok(_), None) if past(o.last_probe, now).is_none_or(|probe| after(probe, o.timing.probe) <= now) || !probed(o) || o.is_asked() => {
            perform(o, Effect::Probe)
        }
        (Ok(_), None) => settle(o, now, recorded_credentials(o), webhook),
        (Ok(_), Some(Err(failure))) => {
            let wake = match failure.rule().retry {
                Retry::AsTold(Some(wait)) => Wake::At(after(now, wait)),
                _ => Wake::Backoff,
            };
            say(o, now, bad(failure), webhook_ready(o, webhook), wake)
        }
        (Ok(_), Some(Ok(()))) => {
            let good = (Status::True, Reason::Authenticated, "the vendor accepts the API token".into());
            settle(o, now, good, webhook)
        }
    }
}

/// The vendor takes the token, as far as is known: what is owed is asked for, then everything is said.
fn settle(o: &Observed, now: Timestamp, credentials: Says, webhook: &Result<(), Failure>) -> ProviderPlan {
    match debts::next(o, now) {
        Some(effect) => perform(o, effect),
        None => say(o, now, credentials, webhook_ready(o, webhook), reread(o, now, webhook).earliest(debts::wake(o, now))),
    }
}

fn perform(o: &Observed, effect: Effect) -> ProviderPlan {
    Plan { status: o.status.clone(), fence: Fence::Fields, effect: Some(effect), notices: vec![], wake: Wake::OnChange }
}

/// Secrets are not watched: they are read again after a while, and a missing one soon.
fn reread(o: &Observed, now: Timestamp, webhook: &Result<(), Failure>) -> Wake {
    match webhook {
        Ok(()) => Wake::At(after(now, o.timing.secret_ttl.mul_f64(1.0 + 0.2 * o.jitter))),
        Err(_) => Wake::Backoff,
    }
}

/// Whether what is said of the credentials came of a probe, and not of a Secret that could not be used and now can.
fn probed(o: &Observed) -> bool {
    !matches!(recorded_credentials(o).1, Reason::SecretNotFound | Reason::SecretForbidden | Reason::TokenInvalid | Reason::Pending)
}

/// Whether it is on record that the vendor takes the token.
pub(super) fn is_authenticated(o: &Observed) -> bool {
    recorded_credentials(o).0 == Status::True
}

/// What was said of the credentials before; a new spec has to be probed first.
fn recorded_credentials(o: &Observed) -> Says {
    let condition = o.status.conditions.iter().find(|c| c.type_ == Type::CredentialsValid.as_str());
    let reason = condition.and_then(|c| Reason::ALL.iter().copied().find(|reason| reason.as_str() == c.reason));
    match (condition, reason) {
        (Some(condition), Some(reason)) => (condition.status, reason, condition.message.clone()),
        _ => (Status::Unknown, Reason::Pending, "not tried".into()),
    }
}

fn bad(failure: &Failure) -> Says {
    let reason = failure.rule().reason;
    let status = match failure {
        Failure::Unreachable | Failure::RateLimited { .. } => Status::Unknown,
        _ => Status::False,
    };
    (status, reason, failure.message())
}

fn webhook_ready(o: &Observed, webhook: &Result<(), Failure>) -> Says {
    match (o.spec.webhook.management, webhook) {
        (WebhookManagement::Disabled, _) => (Status::False, Reason::Disabled, "results are found by polling".into()),
        (WebhookManagement::Manual, Ok(())) => {
            (Status::True, Reason::TokensLoaded, "deliveries to status.webhook.url can be verified".into())
        }
        (WebhookManagement::Manual, Err(failure)) => {
            (Status::False, Reason::TokenMissing, format!("{}; until then results are found by polling", failure.message()))
        }
    }
}

fn say(o: &Observed, now: Timestamp, credentials: Says, webhook: Says, wake: Wake) -> ProviderPlan {
    let mut status = o.status.clone();
    let ready = match &credentials {
        _ if o.spec.suspend => (Status::False, Reason::Suspended, "spec.suspend is true".into()),
        (Status::True, _, _) => (Status::True, Reason::Succeeded, "new verifications can start".into()),
        trouble => trouble.clone(),
    };
    if let Some(Ok(environment)) = o.facts.credentials {
        status.environment = Some(environment);
    }
    status.webhook = match o.spec.webhook.management {
        WebhookManagement::Manual => Some(WebhookStatus { url: o.webhook_url.clone() }),
        WebhookManagement::Disabled => None,
    };
    // Tried again, with the Secrets read anew: what came of it is in the conditions.
    let tried = match (&o.facts.credentials, &o.facts.probe) {
        (Some(Err(_)), _) => true,
        (_, Some(probe)) => !matches!(probe, Err(Failure::RateLimited { .. })), // its turn comes
        (_, None) => false,
    };
    if o.asked.is_some() && tried && !o.spec.suspend {
        status.reconciled.clone_from(&o.asked);
    }
    status.observed_generation = Some(o.generation);
    for (type_, says) in [(Type::CredentialsValid, credentials), (Type::WebhookReady, webhook), (Type::Ready, ready)] {
        set(&mut status.conditions, type_, says, o.generation, now);
    }
    Plan { status, fence: Fence::Fields, effect: None, notices: vec![], wake }
}
