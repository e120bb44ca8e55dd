//! Gathers what is recorded into what one pass may know.

use jiff::Timestamp;
use kube::{
    Api,
    core::{Selector, SelectorExt},
    runtime::reflector::ObjectRef,
};
use rand::RngExt;

use crate::{
    api::{self, ConditionStatus, ConditionType, Environment, IdentityVerification, NamespacesFrom, OnfidoProvider, find_condition},
    key::Key,
    plan::{Facts, Observed, Provider},
};

use super::{Ctx, Trouble};

/// The provider a verification refers to, as watched.
pub(super) fn provider_of(ctx: &Ctx, object: &IdentityVerification) -> Option<OnfidoProvider> {
    let reference = &object.spec.provider_ref;
    let namespace = reference.namespace.as_ref().or(object.metadata.namespace.as_ref())?;
    let found = ctx.providers.get(&ObjectRef::new(&reference.name).within(namespace))?;
    found.0.as_ref().ok().cloned()
}

/// What one pass over a verification may know when it begins.
pub(super) async fn verification(
    ctx: &Ctx,
    object: &IdentityVerification,
    provider: Option<&OnfidoProvider>,
    now: Timestamp,
) -> Result<Observed, Trouble> {
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let status = object.status.clone().unwrap_or_default();
    let attempt = status.attempt.unwrap_or(object.spec.attempt);
    let submitted = object.spec.submitted_attempt >= attempt && status.submitted_at.is_none();
    let begun = status.workflow_run_id.is_some() && object.spec.attempt <= attempt;
    Ok(Observed {
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        generation: object.metadata.generation.unwrap_or_default(),
        created_at: object.metadata.creation_timestamp.as_ref().map_or(now, |created| created.0),
        asked: api::asked(object.metadata.annotations.as_ref()).map(str::to_owned),
        deleting: object.metadata.deletion_timestamp.is_some(),
        spec: object.spec.clone(),
        provider: match provider {
            None => Provider::Missing,
            Some(provider) => Provider::Found {
                spec: Box::new(provider.spec.clone()),
                allowed: begun || allowed(ctx, object, provider).await?,
                ready: ready(provider),
                environment: provider.status.as_ref().and_then(|status| status.environment).unwrap_or(Environment::Unknown),
            },
        },
        key: key_of(object),
        key_held_by: if status.workflow_run_id.is_none() { older_with_its_key(ctx, object) } else { None },
        nonce: nonce(),
        jitter: jitter(uid),
        memory: ctx.memories.verification(uid, |memory| memory.note(&status, submitted.then_some(attempt), now)),
        facts: Facts::default(),
        timing: ctx.timing().clone(),
        status,
    })
}

/// The object's key at the vendor.
pub(super) fn key_of(object: &IdentityVerification) -> Key {
    let [uid, namespace] = [&object.metadata.uid, &object.metadata.namespace].map(|of| of.as_deref().unwrap_or_default());
    Key::of(uid, namespace, object.spec.idempotency_key.as_deref())
}

/// The name of an older object of this namespace with the same idempotency key: two would share a run. Objects of one second are told apart
/// by their uids.
fn older_with_its_key(ctx: &Ctx, object: &IdentityVerification) -> Option<String> {
    object.spec.idempotency_key.as_ref()?;
    let age = |of: &IdentityVerification| (of.metadata.creation_timestamp.clone().map(|created| created.0), of.metadata.uid.clone());
    let holds = |other: &IdentityVerification| {
        other.spec.idempotency_key == object.spec.idempotency_key
            && other.metadata.namespace == object.metadata.namespace
            && age(other) < age(object)
    };
    let found = ctx.verifications.find(|other| other.0.as_ref().is_ok_and(holds))?;
    found.0.as_ref().ok()?.metadata.name.clone()
}

/// Never used before.
pub(super) fn nonce() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}

/// From 0 to 1, the same for an object every time.
pub(super) fn jitter(uid: &str) -> f64 {
    let byte = Key::of_uid(uid).to_string().get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok()).unwrap_or_default();
    f64::from(byte) / f64::from(u16::MAX)
}

/// Whether the provider allows the verification's namespace.
async fn allowed(ctx: &Ctx, object: &IdentityVerification, provider: &OnfidoProvider) -> Result<bool, Trouble> {
    let from = &provider.spec.allowed_namespaces;
    if object.metadata.namespace == provider.metadata.namespace {
        return Ok(from.from != NamespacesFrom::Selector || selected(ctx, object, from.selector.clone()).await?);
    }
    match from.from {
        NamespacesFrom::Same => Ok(false),
        NamespacesFrom::All => Ok(true),
        NamespacesFrom::Selector => selected(ctx, object, from.selector.clone()).await,
    }
}

async fn selected(
    ctx: &Ctx,
    object: &IdentityVerification,
    selector: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector>,
) -> Result<bool, Trouble> {
    let Some(Ok(selector)) = selector.map(Selector::try_from) else { return Ok(false) };
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(ctx.client.clone());
    let namespace = namespaces
        .get_metadata(object.metadata.namespace.as_deref().unwrap_or_default())
        .await
        .map_err(Trouble::kube("read the namespace's labels"))?;
    Ok(selector.matches(&namespace.metadata.labels.unwrap_or_default()))
}

/// Whether new verifications can start, by the provider's own condition, if it speaks of the spec as it is.
fn ready(provider: &OnfidoProvider) -> Result<(), String> {
    let Some(status) = &provider.status else { return Err("Pending".into()) };
    let Some(condition) = find_condition(&status.conditions, ConditionType::Ready) else { return Err("Pending".into()) };
    if condition.observed_generation != provider.metadata.generation {
        return Err("Pending".into());
    }
    if condition.status == ConditionStatus::True { Ok(()) } else { Err(condition.reason.clone()) }
}
