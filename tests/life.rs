//! One verification from YAML to verdict, against the real API server and the simulator.

use onfido_operator::{
    api::{ConditionType, Phase},
    simulator::admin::Operation,
};
use serde_json::json;

use crate::support::operator::Scene;

#[tokio::test]
async fn an_approved_person_whose_document_agrees_is_verified() {
    let scene = Scene::new("approved").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.finalize("person").await;
    scene.decide(&run, "approved", json!({})).await;
    let done = scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    let status = done.status.unwrap();
    assert_eq!(status.phase, Phase::Approved);
    assert_eq!(scene.ledger(Operation::CreateWorkflowRun).await.len(), 1);
    assert!(status.operation.is_none());
}
