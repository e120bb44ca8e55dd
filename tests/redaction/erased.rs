//! An erasure that the vendor refuses in words that hold the person's name. It is owed, and what tells of it holds ids only.

use onfido_operator::{
    api::ConditionType,
    simulator::admin::{FaultKind, Operation},
};
use serde_json::json;

use super::{FIRST, LAST, Needle, Scene, canary, fault, none_in};
use crate::support::erasure::{FINALIZER, erasing, finalizers};

pub(super) async fn owed(scene: &Scene, name: &str, needles: &[Needle]) {
    canary(scene, name, false).await;
    scene.until_condition(name, ConditionType::CaptureReady, "True", "AwaitingInput").await;
    scene.patch(name, erasing()).await;
    let held = scene.until(name, "our finalizer", |object| finalizers(object) == [FINALIZER]).await;
    let body = json!({ "error": {
        "type": "deletion_incomplete_checks", "message": format!("{FIRST} {LAST} has checks in progress"), "fields": { FIRST: [LAST] },
    } });
    let kind = FaultKind::Status { status: 422, retry_after: None, error_type: None, body: Some(body.to_string()) };
    fault(scene, Operation::DeleteApplicant, kind).await;
    scene.delete(name).await;
    scene.until_gone(name).await;
    scene.until_event(name, "ErasureOwed").await;
    let maps = scene.debt_maps().await;
    assert!(!maps.is_empty(), "owed, and perhaps settled since");
    none_in(needles, "the ledger", &serde_json::to_string(&maps).unwrap());
    let applicant = held.status.unwrap().applicant_id.unwrap();
    scene.until_owed(&[]).await;
    assert_eq!(scene.erased().await, [applicant]);
}
