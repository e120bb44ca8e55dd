//! A verification that is given up: before a run, while one is open, while a call is in doubt, after the verdict, and with a crash.

use onfido_operator::{
    api::{ConditionType, IdentityVerification, Phase},
    simulator::admin::{Fault, FaultKind, Operation},
};
use serde_json::json;

use crate::support::{
    control_plane::control_plane,
    operator::{Operator, Run, Scene, install},
};

async fn cancel(scene: &Scene, name: &str) {
    scene.patch(name, json!({ "cancelled": true })).await;
}

async fn until_cancelled(scene: &Scene, name: &str) -> IdentityVerification {
    let object = scene.until_condition(name, ConditionType::Verified, "False", "Cancelled").await;
    assert_eq!(object.status.as_ref().unwrap().phase, Phase::Cancelled);
    scene.until_condition(name, ConditionType::Completed, "True", "Cancelled").await;
    scene.until_condition(name, ConditionType::CaptureReady, "False", "Cancelled").await;
    object
}

/// The keys of a Secret.
async fn keys(scene: &Scene, secret: &str) -> Vec<String> {
    scene.secrets().get(secret).await.unwrap().data.unwrap_or_default().into_keys().collect()
}

#[tokio::test]
async fn before_a_run_nothing_is_started_also_once_everything_is_there() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "early").await;
    let run = Run { watch: vec![scene.namespace.clone()], ..Run::default() };
    let _operator = Operator::start(control_plane, &run).await;
    scene.verification("waits", json!({})).await;
    scene.until_condition("waits", ConditionType::Accepted, "False", "ProviderNotFound").await;
    cancel(&scene, "waits").await;
    scene.verification("fresh", json!({ "cancelled": true })).await;
    for name in ["waits", "fresh"] {
        until_cancelled(&scene, name).await;
        scene.until_condition(name, ConditionType::Accepted, "False", "Cancelled").await;
        scene.until_condition(name, ConditionType::Ready, "True", "Cancelled").await;
    }
    scene.provider(json!({})).await;
    scene.awaiting("other", json!({})).await; // by now the provider woke everybody
    assert_eq!((scene.ledger(Operation::CreateApplicant).await.len(), scene.ledger(Operation::CreateWorkflowRun).await.len()), (1, 1));
}

#[tokio::test]
async fn an_open_run_loses_its_token_and_its_late_verdict_is_ignored() {
    let scene = Scene::new("given-up").await;
    let run = scene.awaiting("person", json!({})).await;
    let secret = scene.until("person", "a token", |o| o.status.as_ref().unwrap().capture.is_some()).await;
    let secret = secret.status.unwrap().capture.unwrap().secret_ref.name;
    assert_eq!(keys(&scene, &secret).await, ["sdk_token", "workflow_run_id"]);
    cancel(&scene, "person").await;
    let done = until_cancelled(&scene, "person").await;
    assert_eq!(done.status.unwrap().workflow_run_id.as_ref(), Some(&run));
    assert_eq!(keys(&scene, &secret).await, ["workflow_run_id"]);
    let reads = scene.reads().await;
    scene.decide(&run, "approved", json!({})).await;
    scene.until("person", "the delivery stored", |object| object.status.as_ref().unwrap().notification.is_some()).await;
    let done = scene.until_rest("person").await;
    assert_eq!((done.status.unwrap().attributes, scene.reads().await), (vec![], reads), "nobody asked what it was");
    scene.finalize("person").await;
    scene.until_acknowledged("person").await;
    until_cancelled(&scene, "person").await;
}

#[tokio::test]
async fn a_recorded_verdict_stays() {
    let scene = Scene::new("decided").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.decide(&run, "approved", json!({})).await;
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    cancel(&scene, "person").await;
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    scene.until_condition("person", ConditionType::Completed, "True", "OutcomeReported").await;
}

#[tokio::test]
async fn a_run_whose_answer_is_missing_is_found_out_before_it_is_given_up() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "doubted").await;
    let run = Run { watch: vec![scene.namespace.clone()], time_scale: 0.02, ..Run::default() };
    let _operator = Operator::start(control_plane, &run).await;
    scene.provider(json!({})).await;
    scene.until_provider("onfido", ConditionType::Ready, "True", "Succeeded").await;
    for (name, fault, exists) in [("carried-out", FaultKind::ResetAfterCommit, true), ("never", FaultKind::ResetBeforeCommit, false)] {
        scene.simulator.fault(&Fault::once(Operation::CreateWorkflowRun, &scene.account, fault)).await.unwrap();
        scene.verification(name, json!({})).await;
        scene.until_condition(name, ConditionType::Submitted, "False", "Recovering").await;
        cancel(&scene, name).await;
        let status = until_cancelled(&scene, name).await.status.unwrap();
        assert_eq!(status.workflow_run_id.is_some(), exists, "{name}");
        assert!(status.operation.is_none());
    }
    assert_eq!(scene.ledger(Operation::CreateWorkflowRun).await.len(), 2, "none was started again");
}

#[tokio::test]
async fn a_crash_on_the_way_changes_nothing() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    for place in ["before:EmptyCaptureSecret", "after:EmptyCaptureSecret"] {
        let scene = Scene::bare(control_plane, "crashed").await;
        let run = Run { watch: vec![scene.namespace.clone()], pause_at: Some(place.into()), ..Run::default() };
        let mut first = Operator::start(control_plane, &run).await;
        scene.provider(json!({})).await;
        scene.awaiting("person", json!({})).await;
        cancel(&scene, "person").await;
        first.until_logged(place).await;
        first.child.kill();
        let _second = Operator::start(control_plane, &Run { pause_at: None, ..run }).await;
        until_cancelled(&scene, "person").await;
        assert_eq!(scene.ledger(Operation::CreateWorkflowRun).await.len(), 1);
        let secrets = scene.secrets().list(&Default::default()).await.unwrap();
        assert!(!secrets.iter().any(|secret| secret.data.iter().flatten().any(|(key, _)| key == "sdk_token")), "{place}");
    }
}
