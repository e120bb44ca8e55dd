//! Gathers what is recorded into what one pass may know.

use std::time::Duration;

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

use super::{Ctx, Trouble, finalizer};

/// The provider a verification refers to, as watched.
pub(super) fn provider_of(ctx: &Ctx, object: &IdentityVerification) -> Option<OnfidoProvider> {
    let reference = &object.spec.provider_ref;
    let namespace = reference.namespace.as_ref().or(object.metadata.namespace.as_ref())?;
    let found = ctx.providers.get(&ObjectRef::new(&reference.name).within(namespace))?;
    found.0.as_ref().ok().cloned()
}

/// Two objects of one second are told apart by their uids, so both must be known before either begins; their watch may lag.
const SAME_SECOND: Duration = Duration::from_secs(3);

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
    let starts = !begun && object.metadata.deletion_timestamp.is_none();
    Ok(Observed {
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        generation: object.metadata.generation.unwrap_or_default(),
        created_at: object.metadata.creation_timestamp.as_ref().map_or(now, |created| created.0),
        asked: api::asked(object.metadata.annotations.as_ref()).map(str::to_owned),
        deleting: object.metadata.deletion_timestamp.as_ref().map(|since| since.0),
        finalizer: finalizer::is_on(object),
        spec: object.spec.clone(),
        provider: match provider {
            None => Provider::Missing,
            Some(provider) => Provider::Found {
                spec: Box::new(provider.spec.clone()),
                allowed: !starts || allowed(ctx, object, provider).await?,
                ready: ready(provider),
                environment: provider.status.as_ref().and_then(|status| status.environment).unwrap_or(Environment::Unknown),
            },
        },
        key: key_of(object),
        key_held_by: if status.workflow_run_id.is_none() { holder_of_its_key(ctx, object) } else { None },
        key_settled: key_settled(ctx, object, now),
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

/// The name of another object of this namespace that had the same idempotency key first: two would share a run.
fn holder_of_its_key(ctx: &Ctx, object: &IdentityVerification) -> Option<String> {
    object.spec.idempotency_key.as_ref()?;
    let found = ctx.verifications.find(|other| other.0.as_ref().is_ok_and(|other| had_its_key_first(other, object)))?;
    found.0.as_ref().ok()?.metadata.name.clone()
}

/// Whether nobody else can turn up any more who had the object's idempotency key first.
fn key_settled(ctx: &Ctx, object: &IdentityVerification, now: Timestamp) -> bool {
    let created = object.metadata.creation_timestamp.as_ref().map_or(now, |created| created.0);
    let old = Duration::try_from(now.duration_since(created)).is_ok_and(|age| age >= SAME_SECOND);
    object.spec.idempotency_key.is_none() || has_begun(object) || (old && *ctx.all_known.borrow())
}

fn has_begun(object: &IdentityVerification) -> bool {
    object.status.as_ref().is_some_and(|s| s.operation.is_some() || s.applicant_id.is_some() || s.workflow_run_id.is_some())
}

/// Whoever has begun at the vendor was first; otherwise the older one. Objects of one second are told apart by their uids.
fn had_its_key_first(other: &IdentityVerification, object: &IdentityVerification) -> bool {
    let same = |a: &IdentityVerification, b: &IdentityVerification| {
        a.metadata.namespace == b.metadata.namespace && a.spec.idempotency_key == b.spec.idempotency_key
    };
    let order = |of: &IdentityVerification| {
        (!has_begun(of), of.metadata.creation_timestamp.as_ref().map(|created| created.0), of.metadata.uid.clone())
    };
    same(other, object) && order(other) < order(object)
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
        .map_err(Trouble::kube("read the namespace's labels (get on namespaces)"))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn object(namespace: &str, uid: &str, second: u8, key: &str, status: Value) -> IdentityVerification {
        serde_json::from_value(json!({
            "apiVersion": "onfido-operator.dev/v1alpha1", "kind": "IdentityVerification",
            "metadata": { "name": uid, "namespace": namespace, "uid": uid, "creationTimestamp": format!("2026-01-01T00:00:0{second}Z") },
            "spec": { "providerRef": { "name": "onfido" }, "subject": "user-1", "idempotencyKey": key },
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_key_is_the_objects_that_had_it_first() {
        let begun = json!({ "applicantID": "applicant-1" });
        let old = object("shop", "b", 1, "k", json!({}));
        let young = object("shop", "a", 2, "k", json!({}));
        let rows = [
            ("the older one", &old, &young, true),
            ("not the younger", &young, &old, false),
            ("nor the object itself", &old, &old, false),
            ("of one second: by uid", &object("shop", "a", 1, "k", json!({})), &old, true),
            ("of one second: the one that has begun", &object("shop", "z", 1, "k", begun.clone()), &old, true),
            ("a younger one that has begun", &object("shop", "z", 9, "k", begun.clone()), &old, true),
            ("not once this one has begun", &old, &object("shop", "z", 9, "k", begun), false),
            ("another key", &object("shop", "a", 0, "other", json!({})), &old, false),
            ("another namespace", &object("shop-2", "a", 0, "k", json!({})), &old, false),
        ];
        for (name, other, object, expected) in rows {
            assert_eq!(had_its_key_first(other, object), expected, "{name}");
        }
    }
}
