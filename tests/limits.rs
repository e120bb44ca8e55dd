//! More is asked for than the vendor may be asked: everybody gets a turn, and nobody hammers the API server meanwhile. Nothing is asked of a
//! vendor that does not take the token.

use futures::future::join_all;
use onfido_operator::{
    api::ConditionType,
    simulator::admin::{Fault, FaultKind, Operation},
};
use serde_json::json;

use crate::support::{
    control_plane::{control_plane, namespace},
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

#[tokio::test]
async fn a_crowd_in_one_namespace_keeps_nobody_of_another_waiting() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let crowd = Scene::bare(control_plane, "crowd").await;
    let lone = Scene { namespace: namespace(control_plane, "lone").await, ..Scene::bare(control_plane, "unused").await };
    let run = Run { watch: vec![crowd.namespace.clone(), lone.namespace.clone()], ..Run::default() };
    let _operator = Operator::start(control_plane, &run).await;
    crowd.provider(json!({ "rateLimit": { "requestsPerMinute": 60 }, "allowedNamespaces": { "from": "All" } })).await;
    crowd.until_provider("onfido", ConditionType::Ready, "True", "Succeeded").await;
    // Eleven calls at once, for five of them; then one start in two and a half seconds.
    let names: Vec<String> = (0..30).map(|n| format!("person-{n}")).collect();
    join_all(names.iter().map(|name| crowd.verification(name, json!({})))).await;
    crowd.until_asked_times(Operation::CreateWorkflowRun, 6).await;
    lone.verification("lone", json!({ "providerRef": { "name": "onfido", "namespace": crowd.namespace } })).await;
    lone.until_condition("lone", ConditionType::CaptureReady, "True", "AwaitingInput").await;
    let started = crowd.ledger(Operation::CreateWorkflowRun).await.len();
    assert!(started < 12, "the lone one was the {started}th of 31, and the 7th to ask");
}

#[tokio::test]
async fn a_refused_token_costs_a_few_calls_however_many_are_open_and_heals_by_itself() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "revoked").await;
    let run = Run { watch: vec![scene.namespace.clone()], time_scale: 0.02, ..Run::default() };
    let operator = Operator::start(control_plane, &run).await;
    scene.provider(json!({})).await;
    scene.until_provider("onfido", ConditionType::Ready, "True", "Succeeded").await;
    let names: Vec<String> = (0..50).map(|n| format!("person-{n}")).collect();
    let runs = join_all(names.iter().map(|name| scene.awaiting(name, json!({})))).await;
    join_all(runs.iter().map(|run| scene.decide(run, "approved", json!({})))).await;
    let before = scene.simulator.ledger(Some(&scene.account), None).await.unwrap().len();

    let refused = FaultKind::Status { status: 401, retry_after: None, error_type: None, body: None };
    let fault = Fault { operation: None, count: u32::MAX, ..Fault::once(Operation::Unknown, &scene.account, refused) };
    scene.simulator.fault(&fault).await.unwrap();
    scene.finalize(&names[0]).await;
    scene.until_condition(&names[0], ConditionType::Completed, "False", "Unauthorized").await;
    join_all(names.iter().skip(1).map(|name| scene.finalize(name))).await;
    join_all(names.iter().map(|name| scene.until_condition(name, ConditionType::Completed, "False", "Unauthorized"))).await;
    scene.until_provider("onfido", ConditionType::Ready, "False", "Unauthorized").await;
    let asked = scene.simulator.ledger(Some(&scene.account), None).await.unwrap().split_off(before);
    let (probes, looks): (Vec<_>, Vec<_>) = asked.iter().partition(|entry| entry.path.contains("00000000-0000-0000-0000-000000000000"));
    assert!(looks.len() <= 1, "whoever comes after the first asks nothing: {looks:?}");
    assert!(!probes.is_empty() && probes.len() < names.len(), "{} probes", probes.len());
    let metrics = reqwest::get(format!("{}/metrics", operator.health)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("permissions_total{class=\"Poll\",permission=\"Unauthorized\"}"), "{metrics}");

    scene.simulator.clear_faults(Some(&scene.account)).await.unwrap();
    scene.until_provider("onfido", ConditionType::Ready, "True", "Succeeded").await;
    join_all(names.iter().map(|name| scene.until_condition(name, ConditionType::Verified, "True", "Verified"))).await;
}
