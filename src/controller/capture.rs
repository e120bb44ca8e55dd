//! The Secret that hands the SDK token or the link over. It is the operator's: created, never adopted, touched only if its owner is this object.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api, Resource,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions},
};

use crate::{
    api::{IdentityVerification, SecretUse, USE_LABEL},
    key::Key,
    onfido::model::WorkflowRunId,
    plan::{Failure, Holds, Receipt},
};

use super::{Ctx, Trouble};

/// A Secret's name may have 253 characters; this much is left for the object's.
const OBJECT_NAME: usize = 200;
/// Keys of the Secret.
const TOKEN: &str = "sdk_token";
const LINK: &str = "link_url";
const RUN: &str = "workflow_run_id";

/// The keys that hand something out.
const HANDED_OUT: [&str; 2] = ["sdk_token", "link_url"];

/// The Secret's name: the object's, cut, and a digest of its uid, so that two objects of one name never share it.
pub(super) fn name(object: &IdentityVerification) -> String {
    let digest = Key::of_uid(object.metadata.uid.as_deref().unwrap_or_default()).to_string();
    let name: String = object.metadata.name.as_deref().unwrap_or_default().chars().take(OBJECT_NAME).collect();
    format!("{}-{}", name.trim_end_matches(['-', '.']), &digest[..8])
}

/// Makes sure that the Secret is there and holds this; or, to keep it, whichever token of this run is there.
pub(super) async fn write(
    ctx: &Ctx,
    object: &IdentityVerification,
    run: &WorkflowRunId,
    holds: &Holds,
    restore: bool,
    keep: bool,
) -> Result<Result<Receipt, Failure>, Trouble> {
    let api = secrets(ctx, object);
    let wanted = secret(object, run, holds);
    let name = name(object);
    if !restore {
        match api.create(&PostParams::default(), &wanted).await {
            Ok(written) => return Ok(Ok(wrote(ctx, object, written, name))),
            Err(kube::Error::Api(status)) if status.code == 409 => {} // ours from before a crash, or somebody else's
            Err(error) => return refused(name, error),
        }
    }
    let found = match api.get_opt(&name).await {
        Ok(found) => found,
        Err(error) => return refused(name, error),
    };
    let Some(found) = found else {
        return match api.create(&PostParams::default(), &wanted).await {
            Ok(written) => Ok(Ok(wrote(ctx, object, written, name))),
            Err(error) => refused(name, error),
        };
    };
    if !is_ours(object, &found) {
        return Ok(Err(Failure::SecretConflict { name }));
    }
    let held = |key: &str| found.data.as_ref().and_then(|data| data.get(key));
    if keep && held(RUN).is_some_and(|held| held.0 == run.as_str().as_bytes()) && held(TOKEN).is_some_and(|held| !held.0.is_empty()) {
        return Ok(Ok(Receipt::CaptureSecretKept(name)));
    }
    if wanted.data.iter().flatten().all(|(key, value)| held(key) == Some(value)) {
        return Ok(Ok(Receipt::CaptureSecretWritten(name)));
    }
    let patch = serde_json::json!({
        "metadata": { "uid": found.metadata.uid, "resourceVersion": found.metadata.resource_version },
        "data": wanted.data,
    });
    match api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(written) => Ok(Ok(wrote(ctx, object, written, name))),
        Err(error) => refused(name, error),
    }
}

/// Makes sure that the Secret, if it is there and ours, hands nothing out any more. The run it names stays.
pub(super) async fn empty(ctx: &Ctx, object: &IdentityVerification) -> Result<Result<(), Failure>, Trouble> {
    let (api, name) = (secrets(ctx, object), name(object));
    let found = match ours(&api, object).await? {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Ok(())),
        Err(failure) => return Ok(Err(failure)),
    };
    if !found.data.iter().flatten().any(|(key, _)| HANDED_OUT.contains(&key.as_str())) {
        return Ok(Ok(()));
    }
    let nothing: serde_json::Map<_, _> = HANDED_OUT.map(|key| (key.to_owned(), serde_json::Value::Null)).into_iter().collect();
    let patch = serde_json::json!({
        "metadata": { "uid": found.metadata.uid, "resourceVersion": found.metadata.resource_version },
        "data": nothing,
    });
    match api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(emptied) => {
            wrote(ctx, object, emptied, name);
            Ok(Ok(()))
        }
        Err(error) => refused(name, error).map(|refused| refused.map(drop)),
    }
}

/// Makes sure that the Secret is not there, if it is ours.
pub(super) async fn remove(ctx: &Ctx, object: &IdentityVerification) -> Result<Result<(), Failure>, Trouble> {
    let (api, name) = (secrets(ctx, object), name(object));
    let found = match ours(&api, object).await? {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Ok(())),
        Err(failure) => return Ok(Err(failure)),
    };
    let preconditions = Preconditions { uid: found.metadata.uid, resource_version: found.metadata.resource_version };
    match api.delete(&name, &DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }).await {
        Ok(_) => Ok(Ok(())),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Ok(())),
        Err(error) => refused(name, error).map(|refused| refused.map(drop)),
    }
}

/// Remembers which version is the operator's own: where Secrets are watched, it concerns nobody.
fn wrote(ctx: &Ctx, object: &IdentityVerification, written: Secret, name: String) -> Receipt {
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    ctx.memories.verification(uid, |memory| memory.wrote_capture(written.metadata.resource_version));
    Receipt::CaptureSecretWritten(name)
}

/// The Secrets beside the object.
fn secrets(ctx: &Ctx, object: &IdentityVerification) -> Api<Secret> {
    Api::namespaced(ctx.client.clone(), object.metadata.namespace.as_deref().unwrap_or_default())
}

/// The Secret as it is, if it is there and owned by this object.
async fn ours(api: &Api<Secret>, object: &IdentityVerification) -> Result<Result<Option<Secret>, Failure>, Trouble> {
    match api.get_opt(&name(object)).await {
        Ok(found) => Ok(Ok(found.filter(|found| is_ours(object, found)))),
        Err(error) => refused(name(object), error).map(|refused| refused.map(|_| None)),
    }
}

/// Whether the Secret is owned by this object.
fn is_ours(object: &IdentityVerification, found: &Secret) -> bool {
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    found.metadata.owner_references.iter().flatten().any(|owner| owner.uid == uid)
}

/// A right, a quota or an admission policy stands in the way: the object says so. Anything else is trouble that passes.
fn refused(name: String, error: kube::Error) -> Result<Result<Receipt, Failure>, Trouble> {
    match error {
        kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422) => Ok(Err(Failure::SecretRefused { name })),
        source => Err(Trouble::Kube { doing: "write the capture Secret", source }),
    }
}

fn secret(object: &IdentityVerification, run: &WorkflowRunId, holds: &Holds) -> Secret {
    let (key, value) = match holds {
        Holds::SdkToken(token) => (TOKEN, token.expose()),
        Holds::Link(url) => (LINK, url.expose()),
    };
    let owner = OwnerReference {
        api_version: IdentityVerification::api_version(&()).into_owned(),
        kind: IdentityVerification::kind(&()).into_owned(),
        name: object.metadata.name.clone().unwrap_or_default(),
        uid: object.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None, // would need the right to update finalizers
    };
    let labels = [("app.kubernetes.io/managed-by", "onfido-operator"), (USE_LABEL, SecretUse::Capture.as_str())];
    Secret {
        metadata: ObjectMeta {
            name: Some(name(object)),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([
            (key.to_owned(), ByteString(value.as_bytes().to_vec())),
            (RUN.to_owned(), ByteString(run.as_str().as_bytes().to_vec())),
        ])),
        ..Secret::default()
    }
}
