//! Writes a status: only what changed, only if what it rests on still holds, and nothing at all if nothing changed.
//!
//! A JSON patch tests what the decision rested on and replaces the changed fields one by one. Other people's writes to other fields, a
//! stream of deliveries above all, neither stop it nor are overwritten by it.

use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::plan::Fence;

use super::Trouble;

/// Fields of a status that somebody else writes.
const FOREIGN: &[&str] = &["notification"];

/// What came of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Persisted {
    /// There was nothing to write.
    Unchanged,
    /// Written, under this resourceVersion.
    Written(String),
    /// What it rested on does not hold any more; nothing was written.
    Stale,
}

/// Writes what differs between the recorded and the planned status.
pub(super) async fn status<K, S>(api: &Api<K>, object: &K, recorded: Option<&S>, planned: &S, fence: &Fence) -> Result<Persisted, Trouble>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
    S: Serialize,
{
    let before = recorded.map(fields).transpose()?;
    let after = fields(planned)?;
    let changes = changes(before.as_ref(), &after);
    if changes.is_empty() {
        return Ok(Persisted::Unchanged);
    }
    let mut patch = tests(object.meta(), before.as_ref(), &after, fence);
    patch.extend(changes);
    let patch = serde_json::from_value(Value::Array(patch)).map_err(Trouble::Encode)?;
    match api.patch_status(&object.name_any(), &PatchParams::default(), &Patch::Json::<()>(patch)).await {
        Ok(written) => Ok(Persisted::Written(written.resource_version().unwrap_or_default())),
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(Persisted::Stale),
        Err(kube::Error::Api(status)) if crate::fence::failed(&status) => Ok(Persisted::Stale),
        Err(source) => Err(Trouble::Kube { doing: "write the status (patch)", source }),
    }
}

fn fields<S: Serialize>(status: &S) -> Result<Map<String, Value>, Trouble> {
    match serde_json::to_value(status).map_err(Trouble::Encode)? {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}

/// One operation for each field that differs.
fn changes(before: Option<&Map<String, Value>>, after: &Map<String, Value>) -> Vec<Value> {
    let Some(before) = before else { return vec![json!({ "op": "add", "path": "/status", "value": after })] };
    let mut operations = vec![];
    for (field, value) in after.iter().filter(|(field, _)| !FOREIGN.contains(&field.as_str())) {
        if before.get(field) != Some(value) {
            operations.push(json!({ "op": "add", "path": format!("/status/{field}"), "value": value }));
        }
    }
    for field in before.keys().filter(|field| !after.contains_key(*field) && !FOREIGN.contains(&field.as_str())) {
        operations.push(json!({ "op": "remove", "path": format!("/status/{field}") }));
    }
    operations
}

/// What must still hold.
fn tests(meta: &kube::api::ObjectMeta, before: Option<&Map<String, Value>>, after: &Map<String, Value>, fence: &Fence) -> Vec<Value> {
    let test = |path: &str, value: Value| json!({ "op": "test", "path": path, "value": value });
    let mut tests = vec![test("/metadata/uid", json!(meta.uid))];
    match fence {
        Fence::Version => tests.push(test("/metadata/resourceVersion", json!(meta.resource_version))),
        Fence::Operation(nonce) => tests.push(test("/status/operation/nonce", json!(nonce))),
        Fence::Fields => {
            tests.push(test("/metadata/generation", json!(meta.generation)));
            for (field, value) in before.into_iter().flatten().filter(|(field, _)| !FOREIGN.contains(&field.as_str())) {
                if after.get(field) != Some(value) {
                    tests.push(test(&format!("/status/{field}"), value.clone()));
                }
            }
        }
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_patch_replaces_what_differs_and_nothing_else() {
        let before = map(json!({ "phase": "Pending", "operation": { "nonce": "a" }, "attempt": 1 }));
        let after = map(json!({ "phase": "Processing", "attempt": 1, "workflowRunID": "r" }));
        assert_eq!(
            changes(Some(&before), &after),
            [
                json!({ "op": "add", "path": "/status/phase", "value": "Processing" }),
                json!({ "op": "add", "path": "/status/workflowRunID", "value": "r" }),
                json!({ "op": "remove", "path": "/status/operation" }),
            ]
        );
        assert_eq!(changes(Some(&before), &before), [] as [Value; 0]);
    }

    #[test]
    fn the_wake_up_is_never_touched_and_never_a_reason_to_fail() {
        let before = map(json!({ "phase": "Pending", "notification": { "digest": "old" } }));
        let after = map(json!({ "phase": "Processing" }));
        let meta = kube::api::ObjectMeta { uid: Some("u".into()), generation: Some(3), ..Default::default() };
        let touches = |ops: Vec<Value>| ops.iter().any(|op| op["path"] == "/status/notification");
        assert!(!touches(changes(Some(&before), &after)));
        assert!(!touches(tests(&meta, Some(&before), &after, &Fence::Fields)));
    }

    #[test]
    fn every_fence_holds_the_uid() {
        let meta = kube::api::ObjectMeta { uid: Some("u".into()), ..Default::default() };
        for fence in [Fence::Version, Fence::Operation("n".into()), Fence::Fields] {
            assert_eq!(tests(&meta, None, &Map::new(), &fence)[0], json!({ "op": "test", "path": "/metadata/uid", "value": "u" }));
        }
    }
}
