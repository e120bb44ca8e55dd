//! Our finalizer, which holds an object's deletion up while something of it must be erased at the vendor. Other finalizers are not touched.

use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    api::{ERASURE_FINALIZER, IdentityVerification},
    onfido::model::ApplicantId,
    plan::{Failure, Receipt},
};

use super::{Ctx, Trouble};

/// Whether it is on.
pub(super) fn is_on(object: &IdentityVerification) -> bool {
    object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == ERASURE_FINALIZER)
}

/// Puts it on, if nobody wrote the object since it was observed: the intent that follows rests on that. The object's version since.
pub(super) async fn hold(ctx: &Ctx, object: &IdentityVerification) -> Result<String, Trouble> {
    let ours = match &object.metadata.finalizers {
        None => json!({ "op": "add", "path": "/metadata/finalizers", "value": [ERASURE_FINALIZER] }),
        Some(_) => json!({ "op": "add", "path": "/metadata/finalizers/-", "value": ERASURE_FINALIZER }),
    };
    let version = json!({ "op": "test", "path": "/metadata/resourceVersion", "value": object.metadata.resource_version });
    let held = patch(ctx, object, vec![version, ours]).await?.ok_or(Trouble::Stale)?;
    Ok(held.resource_version().unwrap_or_default())
}

/// Takes it off, if the finalizers are as observed: a stream of deliveries must not keep the object from going. What is lost is said in the
/// log before nothing knows of it any more.
pub(super) async fn release(ctx: &Ctx, object: &IdentityVerification, lost: &[ApplicantId]) -> Result<(), Trouble> {
    for id in lost {
        tracing::error!(applicant = id.as_str(), "not erased at the vendor, and not in the erasure ledger: erase it by hand");
    }
    let before = object.metadata.finalizers.clone().unwrap_or_default();
    let after: Vec<_> = before.iter().filter(|finalizer| *finalizer != ERASURE_FINALIZER).collect();
    let same = json!({ "op": "test", "path": "/metadata/finalizers", "value": before });
    let others = match after.is_empty() {
        true => json!({ "op": "remove", "path": "/metadata/finalizers" }),
        false => json!({ "op": "replace", "path": "/metadata/finalizers", "value": after }),
    };
    patch(ctx, object, vec![same, others]).await?;
    ctx.settings.metrics.erasures_lost(lost.len());
    Ok(())
}

/// The object as it was written; none if it is gone.
async fn patch(ctx: &Ctx, object: &IdentityVerification, operations: Vec<Value>) -> Result<Option<IdentityVerification>, Trouble> {
    let api: Api<IdentityVerification> = Api::namespaced(ctx.client.clone(), object.metadata.namespace.as_deref().unwrap_or_default());
    let mut patch = vec![json!({ "op": "test", "path": "/metadata/uid", "value": object.metadata.uid })];
    patch.extend(operations);
    let patch = serde_json::from_value(Value::Array(patch)).map_err(Trouble::Encode)?;
    match api.patch(&object.name_any(), &PatchParams::default(), &Patch::Json::<()>(patch)).await {
        Ok(written) => Ok(Some(written)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(kube::Error::Api(status)) if status.code == 409 || crate::fence::failed(&status) => Err(Trouble::Stale),
        Err(source) => Err(Trouble::Kube { doing: "write the finalizer (patch on identityverifications)", source }),
    }
}

/// The object as this pass knows it, once its finalizer is written. A release does not rest on the version, so none is known after it.
pub(super) fn take_over(object: &mut IdentityVerification, outcome: &Result<Receipt, Failure>) {
    match outcome {
        Ok(Receipt::DeletionHeld(version)) => {
            object.metadata.resource_version = Some(version.clone());
            object.metadata.finalizers.get_or_insert_default().push(ERASURE_FINALIZER.to_owned());
        }
        Ok(Receipt::DeletionReleased) => {
            object.metadata.finalizers.iter_mut().for_each(|all| all.retain(|finalizer| finalizer != ERASURE_FINALIZER));
        }
        _ => {}
    }
}
