//! The durable wake-up: one fenced write to the status. Owns what the API server's answers to it mean.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client};
use serde_json::json;

use super::route::Answer;
use crate::api::{IdentityVerification, Notification};
use crate::{fence, pause};

/// Who the API server says wrote it.
const MANAGER: &str = "onfido-operator-webhook";

/// Stores the notification in the object with this uid. The slot holds the latest only: the look at the vendor that answers it comes after
/// every earlier one too.
pub(super) async fn store(client: &Client, namespace: &str, name: &str, uid: &str, notification: &Notification) -> Answer {
    // Only metadata is read back, so that a malformed neighbour field cannot turn a stored ring into an error.
    let objects: Api<PartialObjectMeta<IdentityVerification>> = Api::namespaced(client.clone(), namespace);
    let operations = json!([
        { "op": "test", "path": "/metadata/uid", "value": uid },
        { "op": "add", "path": "/status/notification", "value": notification },
    ]);
    let Ok(patch) = serde_json::from_value(operations) else { return Answer::Unavailable };
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    pause::at("before", "WakeUp").await;
    let stored = objects.patch_status(name, &params, &Patch::<()>::Json(patch)).await;
    pause::at("after", "WakeUp").await;
    match stored {
        Ok(_) => Answer::Recorded,
        Err(error) => match Refusal::of(&error) {
            Refusal::Gone => Answer::Gone,
            Refusal::NotApplicable => not_applicable(&objects, name, uid).await,
            Refusal::Other => Answer::Unavailable,
        },
    }
}

/// The patch did not apply: another object has the name, or this one has no status yet. The answer does not tell, so look. By a list of
/// one, for the right to list is there anyway, and this would be the only use of the right to get.
async fn not_applicable(objects: &Api<PartialObjectMeta<IdentityVerification>>, name: &str, uid: &str) -> Answer {
    match objects.list_metadata(&ListParams::default().fields(&format!("metadata.name={name}"))).await {
        Ok(found) if found.iter().any(|object| object.metadata.uid.as_deref() == Some(uid)) => Answer::Unavailable,
        Ok(_) => Answer::Gone,
        Err(_) => Answer::Unavailable,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// No such object.
    Gone,
    /// A `test` failed, or a path does not exist.
    NotApplicable,
    /// The schema refuses it, the right is missing, or the API server is in trouble: later it may work.
    Other,
}

impl Refusal {
    fn of(error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else { return Self::Other };
        match status.code {
            404 => Self::Gone,
            _ if fence::failed(status) => Self::NotApplicable,
            _ => Self::Other,
        }
    }
}

/// What is stored of a delivery.
pub(super) fn notification(digest: String, run_id: Option<String>, now: Timestamp) -> Notification {
    Notification { digest, received_at: Time(now), workflow_run_id: run_id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn a_failed_test_is_told_from_a_schema_error() {
        let refused = |code, message: &str| {
            let status = Status { code, ..Status::failure(message, "Invalid") };
            Refusal::of(&kube::Error::Api(status.boxed()))
        };
        let rejected = "the server rejected our request due to an error in our request";
        assert_eq!(refused(422, rejected), Refusal::NotApplicable);
        let schema = "IdentityVerification.onfido-operator.dev \"a\" is invalid: status.notification.digest: Too long";
        assert_eq!(refused(422, schema), Refusal::Other);
        assert_eq!(refused(404, "not found"), Refusal::Gone);
        for code in [401, 403, 409, 429, 500, 503] {
            assert_eq!(refused(code, rejected), Refusal::Other, "{code}");
        }
    }
}
