//! What bad input gets: a condition with a reason of the closed list, a message that says what to do, nothing sent that must not be,
//! and recovery without anybody touching the object once the cause is gone.

mod attributes;
mod provider;
mod vendor;

use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};
use onfido_operator::{
    api::{Condition, ConditionType, IdentityVerification, OnfidoProvider, find_condition},
    simulator::admin::{AccountSetting, Operation},
};
use serde_json::{Value, json};

use crate::support::operator::{Operator, Run, Scene, WORKFLOW, install, stage};

/// A scene on the shared stage whose provider is still to come.
async fn bare(word: &str) -> Scene {
    Scene::bare(&stage().await.control_plane, word).await
}

/// A scene with an operator of its own on the other control plane.
async fn own(word: &str, run: Run) -> (Scene, Operator) {
    let control_plane = crate::support::control_plane::control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, word).await;
    let operator = Operator::start(control_plane, &Run { watch: vec![scene.namespace.clone()], ..run }).await;
    (scene, operator)
}

/// The scene's account with one token instead of its own.
fn account(scene: &Scene, token: &str) -> AccountSetting {
    AccountSetting::new(&scene.account, token, WORKFLOW)
}

/// What a verification's condition says.
fn message(object: &IdentityVerification, type_: ConditionType) -> String {
    said(object.status.as_ref().map_or(&[], |status| &status.conditions), type_)
}

/// What a provider's condition says.
fn provider_message(object: &OnfidoProvider, type_: ConditionType) -> String {
    said(object.status.as_ref().map_or(&[], |status| &status.conditions), type_)
}

fn said(conditions: &[Condition], type_: ConditionType) -> String {
    find_condition(conditions, type_).unwrap().message.clone()
}

#[track_caller]
fn names(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

/// Reasons and notes of all Events about an object.
async fn events(scene: &Scene, name: &str) -> Vec<(String, String)> {
    let events = Api::<Event>::namespaced(scene.client.clone(), &scene.namespace).list(&ListParams::default()).await.unwrap();
    let about = events.items.into_iter().filter(|event| event.regarding.as_ref().and_then(|r| r.name.as_deref()) == Some(name));
    about.map(|event| (event.reason.unwrap_or_default(), event.note.unwrap_or_default())).collect()
}

/// How many POSTs the vendor got.
async fn posts(scene: &Scene) -> [usize; 2] {
    [scene.ledger(Operation::CreateApplicant).await.len(), scene.ledger(Operation::CreateWorkflowRun).await.len()]
}

/// The token is handed over: the obstacle is gone.
async fn healed(scene: &Scene, name: &str) {
    scene.until_condition(name, ConditionType::CaptureReady, "True", "AwaitingInput").await;
}

/// Changes the provider's spec, as a user would.
async fn patch_provider(scene: &Scene, spec: Value) {
    let patch = kube::api::Patch::Merge(json!({ "spec": spec }));
    scene.providers().patch("onfido", &Default::default(), &patch).await.unwrap();
}

#[tokio::test]
async fn a_normal_life_has_no_events() {
    let scene = Scene::new("quiet").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.finalize("person").await;
    scene.decide(&run, "approved", json!({})).await;
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    assert_eq!(events(&scene, "person").await, []);
    assert_eq!(events(&scene, "onfido").await, []);
}
