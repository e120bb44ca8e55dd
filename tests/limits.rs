//! More is asked for than the vendor may be asked: everybody gets a turn, and nobody hammers the API server meanwhile.

use onfido_operator::{api::ConditionType, simulator::admin::Operation};
use serde_json::json;

use crate::support::{
    control_plane::control_plane,
    operator::{Operator, Run, Scene, install},
};

#[tokio::test]
async fn more_verifications_than_the_rate_permits_all_get_their_turn() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "limits").await;
    let run = Run { watch: vec![scene.namespace.clone()], time_scale: 0.2, ..Run::default() };
    let _operator = Operator::start(control_plane, &run).await;
    // Twelve at once, one of which is the probe, and then not one a second: five start at once, three wait for their two calls.
    scene.provider(json!({ "rateLimit": { "requestsPerMinute": 60 } })).await;
    scene.until_provider("onfido", ConditionType::Ready, "True", "Succeeded").await;
    let names: Vec<String> = (0..8).map(|n| format!("person-{n}")).collect();
    let mark = control_plane.audit_mark().await.unwrap();
    for name in &names {
        scene.verification(name, json!({})).await;
    }
    for name in &names {
        scene.until_condition(name, ConditionType::CaptureReady, "True", "AwaitingInput").await;
    }
    assert_eq!(scene.ledger(Operation::CreateApplicant).await.len(), names.len());
    assert_eq!(scene.ledger(Operation::CreateWorkflowRun).await.len(), names.len());
    let asked = control_plane.audit_since(mark).await.unwrap();
    let mine = asked.iter().filter(|entry| entry.namespace == scene.namespace && entry.user_agent.starts_with("onfido-operator"));
    let reads = mine.filter(|entry| entry.verb == "get" && entry.name.starts_with("person-")).count();
    assert!(
        reads <= 2 * names.len(),
        "{reads} reads of the persons' Secrets: who waits reads nothing again until it is permitted to go on"
    );
}
