//! Whom a change of a Secret concerns, where the operator may watch them. Told by names and by what is on record: no value is known.

use crate::api::{ConditionStatus, IdentityVerification, IdentityVerificationStatus, OnfidoProviderSpec, Phase, Reason};

/// What a changed Secret is to a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// A verdict rests on its values: they are judged again.
    Values,
    /// An outcome may just be judged by its values as they were: remembered until that is on record. Nobody is woken.
    Outcome,
    /// What is wrong with it kept the verification from going on: it tries again.
    Obstacle,
    /// The person has the token or the link from it: the run is looked at, which puts back what is not there.
    Capture,
}

/// What the Secret of this name in its namespace is to a verification, after it was changed, or when it is gone. While a run is open its
/// values are not asked for: they are read when the outcome is judged.
pub fn concern(object: &IdentityVerification, name: &str, gone: bool) -> Option<Concern> {
    let status = object.status.as_ref()?;
    if object.metadata.deletion_timestamp.is_some() || status.redacted_at.is_some() {
        return None;
    }
    if status.phase == Phase::AwaitingInput && status.capture.as_ref().is_some_and(|capture| capture.secret_ref.name == name) {
        return Some(Concern::Capture);
    }
    // A Secret that is gone takes nothing back, and helps nobody.
    if gone {
        return None;
    }
    let (attributes, custom_data) = (refers_for_attributes(object, name), refers_for_custom_data(object, name));
    if attributes && (status.phase == Phase::Approved || status.standing_verdict.is_some()) {
        return Some(Concern::Values);
    }
    if attributes && status.workflow_run_id.is_some() && !status.phase.is_final() {
        return Some(Concern::Outcome);
    }
    ((attributes || custom_data) && is_held_up(status)).then_some(Concern::Obstacle)
}

/// Whether the provider has its tokens from the Secret of this name in its namespace.
pub fn concerns_provider(spec: &OnfidoProviderSpec, name: &str) -> bool {
    spec.credentials.api_token_secret_ref.name == name || spec.webhook.token_secret_refs.iter().any(|reference| reference.name == name)
}

fn refers_for_attributes(object: &IdentityVerification, name: &str) -> bool {
    let whole = object.spec.attributes_from.iter().flatten().map(|from| &from.secret_ref.name);
    let keys = object.spec.attributes.iter().flatten().filter_map(|attribute| attribute.value_from.as_ref());
    whole.chain(keys.map(|from| &from.secret_key_ref.name)).any(|of| of == name)
}

fn refers_for_custom_data(object: &IdentityVerification, name: &str) -> bool {
    object.spec.custom_data_from.iter().flatten().any(|from| from.secret_ref.name == name)
}

/// Whether something is wrong that a Secret can heal.
fn is_held_up(status: &IdentityVerificationStatus) -> bool {
    use Reason as R;
    let healed = [R::SecretNotFound, R::AttributeMissing, R::AttributeInvalid, R::CustomDataInvalid].map(Reason::as_str);
    status.conditions.iter().any(|c| c.status == ConditionStatus::False && healed.contains(&c.reason.as_str()))
}
