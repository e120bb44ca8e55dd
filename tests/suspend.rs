//! What stands still while it is suspended or not allowed, and goes on afterwards.

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use onfido_operator::{
    api::ConditionType,
    simulator::admin::{LedgerEntry, Operation},
};
use serde_json::json;

use crate::support::{
    control_plane::{control_plane, namespace},
    operator::{Operator, Run, Scene, install, stage},
};

/// Everything the vendor was asked by this account but its feed, which others may have to be told by.
async fn calls(scene: &Scene) -> Vec<LedgerEntry> {
    let all = scene.simulator.ledger(Some(&scene.account), None).await.unwrap();
    all.into_iter().filter(|entry| entry.operation != Operation::ListEndedRuns).collect()
}

#[tokio::test]
async fn a_suspended_verification_calls_nobody_until_it_is_resumed() {
    let scene = Scene::new("held").await;
    let probes = calls(&scene).await.len();
    scene.verification("person", json!({ "suspend": true })).await;
    scene.until_condition("person", ConditionType::Ready, "False", "Suspended").await;
    scene.patch("person", json!({ "consents": [{ "name": "privacy_notices_read", "granted": true }] })).await;
    scene.until_acknowledged("person").await;
    assert_eq!(calls(&scene).await.len(), probes);
    scene.patch("person", json!({ "suspend": false })).await;
    scene.until_condition("person", ConditionType::CaptureReady, "True", "AwaitingInput").await;
    let run = scene.run_of("person").await;

    scene.patch("person", json!({ "suspend": true })).await;
    scene.until_condition("person", ConditionType::Completed, "False", "Suspended").await;
    let before = calls(&scene).await.len();
    scene.decide(&run, "approved", json!({})).await;
    scene.until("person", "the delivery stored", |object| object.status.as_ref().unwrap().notification.is_some()).await;
    scene.finalize("person").await;
    scene.until_acknowledged("person").await;
    assert_eq!(calls(&scene).await.len(), before);
    scene.until_condition("person", ConditionType::Completed, "False", "Suspended").await;
    scene.patch("person", json!({ "suspend": false })).await;
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    assert_eq!(calls(&scene).await.len(), before + 1);
}

#[tokio::test]
async fn a_suspended_provider_calls_nobody_until_it_is_resumed() {
    let scene = Scene::new("halted").await;
    let run = scene.awaiting("open", json!({})).await;
    scene.patch_provider(json!({ "suspend": true }), ("False", "Suspended")).await;
    scene.until_condition("open", ConditionType::Completed, "False", "Suspended").await;
    let before = calls(&scene).await.len();
    scene.verification("new", json!({})).await;
    scene.until_condition("new", ConditionType::Accepted, "False", "ProviderNotReady").await;
    scene.decide(&run, "approved", json!({})).await;
    scene.until("open", "the delivery stored", |object| object.status.as_ref().unwrap().notification.is_some()).await;
    for name in ["open", "new"] {
        scene.finalize(name).await;
        scene.until_acknowledged(name).await;
    }
    assert_eq!(calls(&scene).await.len(), before);
    let patch = Patch::Merge(json!({ "spec": { "suspend": false } }));
    scene.providers().patch("onfido", &PatchParams::default(), &patch).await.unwrap();
    scene.until_condition("open", ConditionType::Verified, "True", "Verified").await;
    scene.until_condition("new", ConditionType::CaptureReady, "True", "AwaitingInput").await;
}

#[tokio::test]
async fn a_provider_deleted_and_created_again_delays_the_outcome_and_loses_nothing() {
    let scene = Scene::new("gone").await;
    let (open, settled) = tokio::join!(scene.awaiting("open", json!({})), scene.awaiting("settled", json!({})));
    scene.decide(&settled, "approved", json!({})).await;
    scene.until_condition("settled", ConditionType::Verified, "True", "Verified").await;
    scene.providers().delete("onfido", &DeleteParams::default()).await.unwrap();
    let before = calls(&scene).await.len();
    scene.outcome(&open, json!({ "silent": true })).await;
    scene.finalize("open").await;
    scene.until_condition("open", ConditionType::Completed, "False", "ProviderNotFound").await;
    scene.until_condition("settled", ConditionType::Verified, "True", "Verified").await;
    assert_eq!(calls(&scene).await.len(), before);
    scene.provider(json!({})).await;
    scene.until_condition("open", ConditionType::Verified, "True", "Verified").await;
}

#[tokio::test]
async fn another_namespace_may_refer_to_a_provider_that_allows_it() {
    let scene = Scene::new("shared").await;
    let before = calls(&scene).await.len();
    let control_plane = &stage().await.control_plane;
    let elsewhere = namespace(control_plane, "elsewhere").await;
    let theirs = Scene::of(control_plane, &elsewhere, &scene.namespace, &scene.account).await;
    theirs.verification("stranger", json!({ "providerRef": { "namespace": scene.namespace } })).await;
    theirs.until_condition("stranger", ConditionType::Accepted, "False", "NamespaceNotAllowed").await;
    assert_eq!(calls(&scene).await.len(), before);
    scene.patch_provider(json!({ "allowedNamespaces": { "from": "All" } }), ("True", "Succeeded")).await;
    theirs.until_condition("stranger", ConditionType::CaptureReady, "True", "AwaitingInput").await;
    // A run that was started is finished, whatever is allowed now; and the delivery finds it across namespaces.
    scene.patch_provider(json!({ "allowedNamespaces": { "from": "Same" } }), ("True", "Succeeded")).await;
    let run = theirs.run_of("stranger").await;
    scene.decide(&run, "approved", json!({})).await;
    theirs.until_condition("stranger", ConditionType::Verified, "True", "Verified").await;
}

#[tokio::test]
async fn labelling_the_namespace_heals_what_the_selector_refused() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "selected").await;
    let run = Run { watch: vec![scene.namespace.clone()], time_scale: 0.02, ..Run::default() };
    let _operator = Operator::start(control_plane, &run).await;
    let selector = json!({ "from": "Selector", "selector": { "matchLabels": { "identity": "allowed" } } });
    scene.provider(json!({ "allowedNamespaces": selector })).await;
    scene.verification("person", json!({})).await;
    scene.until_condition("person", ConditionType::Accepted, "False", "NamespaceNotAllowed").await;
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    let label = |value: &str| Patch::Merge(json!({ "metadata": { "labels": { "identity": value } } }));
    namespaces.patch(&scene.namespace, &PatchParams::default(), &label("refused")).await.unwrap();
    scene.patch("person", json!({ "consents": [{ "name": "privacy_notices_read", "granted": true }] })).await;
    scene.until_condition("person", ConditionType::Accepted, "False", "NamespaceNotAllowed").await;
    namespaces.patch(&scene.namespace, &PatchParams::default(), &label("allowed")).await.unwrap();
    scene.until_condition("person", ConditionType::CaptureReady, "True", "AwaitingInput").await;
}
