//! The Secret that hands the SDK token over: what it looks like, when it comes back, and whose it must be.

use k8s_openapi::api::core::v1::Secret;
use kube::{ResourceExt, api::DeleteParams};
use onfido_operator::{
    api::{ConditionType, IdentityVerification},
    key::Key,
    simulator::admin::Operation,
};
use serde_json::json;

use crate::support::{
    control_plane::control_plane,
    operator::{Operator, Run, Scene, install},
};

fn text(secret: &Secret, key: &str) -> String {
    String::from_utf8(secret.data.as_ref().unwrap()[key].0.clone()).unwrap()
}

async fn named(scene: &Scene, name: &str) -> String {
    scene.verifications().get(name).await.unwrap().status.unwrap().capture.unwrap().secret_ref.name
}

#[tokio::test]
async fn the_token_is_in_a_secret_that_the_object_owns() {
    let scene = Scene::new("handed").await;
    let run = scene.awaiting("person", json!({})).await;
    let object = scene.verifications().get("person").await.unwrap();
    let secret = scene.secrets().get(&named(&scene, "person").await).await.unwrap();
    let [owner] = secret.owner_references() else { panic!("one owner") };
    assert_eq!((&*owner.api_version, &*owner.kind), ("onfido-operator.dev/v1alpha1", "IdentityVerification"));
    assert_eq!((Some(&owner.name), Some(&owner.uid)), (object.metadata.name.as_ref(), object.metadata.uid.as_ref()));
    assert_eq!((owner.controller, owner.block_owner_deletion), (Some(true), None));
    assert_eq!(secret.labels()["app.kubernetes.io/managed-by"], "onfido-operator");
    assert_eq!(secret.labels()["onfido-operator.dev/use"], "capture");
    let keys: Vec<_> = secret.data.as_ref().unwrap().keys().collect();
    assert_eq!(keys, ["sdk_token", "workflow_run_id"]);
    let seen = scene.simulator.runs(Some(&scene.account), None).await.unwrap();
    assert_eq!((text(&secret, "sdk_token"), text(&secret, "workflow_run_id")), (seen[0].sdk_token.clone(), run));
    let status = serde_json::to_string(&object.status).unwrap();
    assert!(!status.contains(&seen[0].sdk_token), "a bearer secret is never in status");
}

#[tokio::test]
async fn a_secret_that_was_deleted_or_emptied_comes_back_with_the_next_look() {
    let scene = Scene::new("restored").await;
    let run = scene.awaiting("person", json!({})).await;
    let name = named(&scene, "person").await;
    let first = scene.secrets().get(&name).await.unwrap();
    scene.secrets().delete(&name, &DeleteParams::default()).await.unwrap();
    scene.ring(&run).await;
    scene.until_rest("person").await;
    let second = scene.secrets().get(&name).await.unwrap();
    assert_ne!(first.metadata.uid, second.metadata.uid);
    assert_eq!(first.data, second.data);
    let emptied = kube::api::Patch::Merge(json!({ "data": { "sdk_token": "" } }));
    scene.secrets().patch(&name, &Default::default(), &emptied).await.unwrap();
    scene.ring(&run).await;
    scene.until_rest("person").await;
    assert_eq!(scene.secrets().get(&name).await.unwrap().data, first.data);
}

#[tokio::test]
async fn a_secret_that_was_deleted_comes_back_without_anybodys_help() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "by-itself").await;
    let run = Run { watch: vec![scene.namespace.clone()], ..Run::default() };
    let patient = Operator::start(control_plane, &run).await;
    scene.provider(json!({})).await;
    scene.awaiting("person", json!({})).await;
    drop(patient);
    let name = named(&scene, "person").await;
    scene.secrets().delete(&name, &DeleteParams::default()).await.unwrap();
    // A day, after which it is looked at in any case, is seventeen seconds.
    let _hasty = Operator::start(control_plane, &Run { time_scale: 0.0002, ..run }).await;
    let found = kube::runtime::wait::await_condition(scene.secrets(), &name, |secret: Option<&Secret>| secret.is_some());
    tokio::time::timeout(crate::support::operator::PATIENCE, found).await.expect("the Secret comes back").unwrap();
    scene.until_condition("person", ConditionType::CaptureReady, "True", "AwaitingInput").await;
}

/// As `src/controller/capture.rs` names it: the object's name and the first digits of its key.
fn expected_name(object: &IdentityVerification) -> String {
    format!("{}-{}", object.name_any(), &Key::of_uid(object.metadata.uid.as_deref().unwrap()).to_string()[..8])
}

#[tokio::test]
async fn a_secret_of_somebody_elses_is_never_taken_over() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "conflict").await;
    let run = Run { watch: vec![scene.namespace.clone()], time_scale: 0.02, ..Run::default() };
    let operator = Operator::start(control_plane, &run).await;
    scene.deliver_to(&operator).await;
    let object = scene.verification("person", json!({})).await;
    let name = expected_name(&object);
    scene.secret(&name, None, &[("sdk_token", "mine")]).await;
    let before = scene.secrets().get(&name).await.unwrap();
    scene.provider(json!({})).await;
    let seen = scene.until_condition("person", ConditionType::CaptureReady, "False", "SecretConflict").await.status.unwrap();
    assert_eq!(seen.capture, None, "it holds no token of ours");
    scene.until_event("person", "Refused").await;
    assert_eq!(scene.secrets().get(&name).await.unwrap().metadata.resource_version, before.metadata.resource_version);
    scene.secrets().delete(&name, &DeleteParams::default()).await.unwrap();
    scene.until_condition("person", ConditionType::CaptureReady, "True", "AwaitingInput").await;
    assert_ne!(text(&scene.secrets().get(&name).await.unwrap(), "sdk_token"), "mine");
    assert_eq!(scene.ledger(Operation::CreateWorkflowRun).await.len(), 1, "the run was not paid for twice");
}
