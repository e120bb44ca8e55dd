//! A person has repaired something outside and asks for a look now.

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use onfido_operator::{
    api::{ConditionType, IdentityVerification, OnfidoProvider},
    simulator::admin::Operation,
};
use serde_json::{Value, json};

use crate::support::operator::{Scene, stage};

fn token(token: &str) -> Patch<Value> {
    Patch::Merge(json!({ "metadata": { "annotations": { "onfido-operator.dev/reconcile-now": token } } }))
}

/// Asks for a look, and waits as a person would.
async fn ask(scene: &Scene, name: &str, with: &str) -> IdentityVerification {
    scene.verifications().patch(name, &PatchParams::default(), &token(with)).await.unwrap();
    scene.until(name, "an answer", |object| object.status.as_ref().is_some_and(|s| s.reconciled.as_deref() == Some(with))).await
}

#[tokio::test]
async fn an_open_run_is_looked_at_once_for_each_token() {
    let scene = Scene::new("asked").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.outcome(&run, json!({ "status": "review", "silent": true })).await;
    let reviewed = ask(&scene, "person", "1").await.status.unwrap();
    assert!(reviewed.dashboard_url.is_some_and(|url| url.ends_with(&run)), "whoever reviews it is told where");
    assert_eq!(reviewed.vendor_status.as_deref(), Some("review"));
    scene.outcome(&run, json!({ "silent": true })).await;
    ask(&scene, "person", "2").await;
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    ask(&scene, "person", "2").await;
    // Nothing was asked by the same token again: the next one is answered by the third look, not by a fourth.
    ask(&scene, "person", "3").await;
    assert_eq!(scene.reads().await, 3);
}

#[tokio::test]
async fn what_changed_elsewhere_is_noticed_at_once() {
    let scene = Scene::new("stale").await;
    for name in ["revoked", "changed"] {
        let run = scene.awaiting(name, json!({})).await;
        scene.decide(&run, "approved", json!({})).await;
        scene.until_condition(name, ConditionType::Verified, "True", "Verified").await;
        if name == "revoked" {
            scene.outcome(&run, json!({ "status": "declined", "silent": true })).await;
        } else {
            scene.secret(name, Some("attributes"), &[("given_name", "Another"), ("family_name", "Person")]).await;
        }
        ask(&scene, name, "2026-01-01T00:00:00Z").await;
    }
    scene.until_condition("revoked", ConditionType::Verified, "False", "Revoked").await;
    scene.until_condition("changed", ConditionType::Verified, "False", "AttributeChanged").await;
}

#[tokio::test]
async fn a_refusal_that_gives_no_sign_is_tried_again_at_once() {
    let scene =
        Scene::with("labels", json!({ "allowedNamespaces": { "from": "Selector", "selector": { "matchLabels": { "a": "b" } } } })).await;
    scene.verification("person", json!({})).await;
    scene.until_condition("person", ConditionType::Accepted, "False", "NamespaceNotAllowed").await;
    ask(&scene, "person", "1").await;
    scene.until_condition("person", ConditionType::Accepted, "False", "NamespaceNotAllowed").await;
    let namespaces = Api::<Namespace>::all(scene.client.clone());
    let label = Patch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
    namespaces.patch(&scene.namespace, &PatchParams::default(), &label).await.unwrap();
    ask(&scene, "person", "2").await;
    scene.until_condition("person", ConditionType::CaptureReady, "True", "AwaitingInput").await;
}

#[tokio::test]
async fn a_providers_token_is_read_and_probed_at_once() {
    let scene = Scene::new("probed").await;
    let probes = scene.ledger(Operation::GetWorkflowRun).await.len();
    let asked = async |with: &str| {
        let _: OnfidoProvider = scene.providers().patch("onfido", &PatchParams::default(), &token(with)).await.unwrap();
    };
    asked("1").await;
    let answered = |provider: &OnfidoProvider, with: &str| provider.status.as_ref().unwrap().reconciled.as_deref() == Some(with);
    scene.until_provider("onfido", ConditionType::Ready, "True", "Succeeded").await;
    while !answered(&scene.providers().get("onfido").await.unwrap(), "1") {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await; // until_provider waits for conditions only
    }
    assert_eq!(scene.ledger(Operation::GetWorkflowRun).await.len(), probes + 1);
    scene.secret("onfido-api", Some("credentials"), &[("token", "api_sandbox.nobody")]).await;
    let _ = stage().await; // whose operator would read it again within a minute by itself
    let began = std::time::Instant::now();
    asked("2").await;
    let provider = scene.until_provider("onfido", ConditionType::CredentialsValid, "False", "Unauthorized").await;
    assert!(answered(&provider, "2") && began.elapsed().as_secs() < 30);
}
