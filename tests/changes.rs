//! What is changed after the run has started: values, mapping, key. A verdict rests on what was sent, and fails closed.

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use onfido_operator::api::{AttributeVerdict as V, ConditionType};
use serde_json::json;

use crate::support::{
    acts::attributes,
    control_plane::{control_plane, namespace},
    operator::{Operator, Run, Scene, install},
};

const SENT: [(&str, &str); 3] = [("given_name", "Invented"), ("family_name", "Person"), ("birthdate", "1990-01-01")];
const CLEAR: [(&str, V, bool); 3] = [("given_name", V::Clear, true), ("family_name", V::Clear, true), ("birthdate", V::Clear, true)];

async fn verified(scene: &Scene, name: &str, spec: serde_json::Value) {
    let run = scene.awaiting(name, spec).await;
    scene.decide(&run, "approved", json!({})).await;
    let done = scene.until_condition(name, ConditionType::Verified, "True", "Verified").await;
    assert_eq!(attributes(&done), CLEAR);
}

#[tokio::test]
async fn a_value_changed_in_its_secret_before_the_verdict_is_not_verified() {
    let scene = Scene::new("edited").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.secret("person", Some("attributes"), &[SENT[0], ("family_name", "Somebody"), SENT[2]]).await;
    scene.decide(&run, "approved", json!({})).await;
    let done = scene.until_condition("person", ConditionType::Verified, "False", "AttributeChanged").await;
    assert_eq!(attributes(&done), [CLEAR[0], ("family_name", V::Clear, false), CLEAR[2]]);
    let message = done.status.unwrap().conditions.into_iter().find(|c| c.type_ == "Verified").unwrap().message;
    assert!(message.contains("family_name") && !message.contains("Somebody"), "{message}");
    assert_eq!(scene.events("person", "Revoked").await, 0, "nothing was given that could be taken back");
}

#[tokio::test]
async fn a_value_changed_in_the_spec_before_the_verdict_is_not_verified() {
    let scene = Scene::with("inline", json!({ "personalData": { "inline": "Allow" } })).await;
    let born = |date: &str| json!({ "attributes": [{ "name": "birthdate", "value": date }] });
    let run = scene.awaiting("person", born("1990-01-01")).await;
    scene.patch("person", born("1990-01-02")).await;
    scene.decide(&run, "approved", json!({})).await;
    let done = scene.until_condition("person", ConditionType::Verified, "False", "AttributeChanged").await;
    assert_eq!(attributes(&done), [CLEAR[0], CLEAR[1], ("birthdate", V::Clear, false)]);
}

#[tokio::test]
async fn a_value_changed_in_the_spec_after_the_verdict_revokes_it_and_says_so_once() {
    let scene = Scene::with("late", json!({ "personalData": { "inline": "Allow" } })).await;
    let born = |date: &str| json!({ "attributes": [{ "name": "birthdate", "value": date }] });
    verified(&scene, "person", born("1990-01-01")).await;
    let reads = scene.reads().await;
    scene.patch("person", born("1990-01-02")).await;
    let done = scene.until_condition("person", ConditionType::Verified, "False", "AttributeChanged").await;
    assert_eq!(attributes(&done), [CLEAR[0], CLEAR[1], ("birthdate", V::Clear, false)]);
    scene.until_condition("person", ConditionType::Completed, "True", "OutcomeReported").await;
    scene.until_event("person", "Revoked").await;
    scene.patch("person", born("1990-01-03")).await;
    scene.finalize("person").await;
    scene.until_acknowledged("person").await;
    scene.until_condition("person", ConditionType::Verified, "False", "AttributeChanged").await;
    assert_eq!(scene.events("person", "Revoked").await, 1);
    assert_eq!(scene.reads().await, reads, "judged by what is on record");
}

#[tokio::test]
async fn a_value_changed_in_its_secret_after_the_verdict_is_noticed_at_the_next_edit() {
    let scene = Scene::new("next").await;
    let scene = &scene;
    let change = |name: &'static str, patch: serde_json::Value| async move {
        verified(scene, name, json!({})).await;
        scene.secrets().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        scene.finalize(name).await;
        let done = scene.until_condition(name, ConditionType::Verified, "False", "AttributeChanged").await;
        assert_eq!(attributes(&done), [CLEAR[0], CLEAR[1], ("birthdate", V::Clear, false)], "{name}");
        scene.until_event(name, "Revoked").await;
    };
    tokio::join!(
        change("changed", json!({ "stringData": { "birthdate": "1991-01-01" } })),
        change("removed", json!({ "data": { "birthdate": null } })),
        change("no-text", json!({ "data": { "birthdate": "/w==" } })),
    );
}

#[tokio::test]
async fn a_secret_deleted_after_the_verdict_takes_nothing_back() {
    let scene = Scene::new("erased").await;
    verified(&scene, "person", json!({})).await;
    scene.secrets().delete("person", &DeleteParams::default()).await.unwrap();
    scene.finalize("person").await;
    let done = scene.until_acknowledged("person").await;
    assert_eq!(attributes(&done), CLEAR);
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    scene.until_condition("person", ConditionType::Completed, "True", "OutcomeReported").await;
    assert_eq!(scene.events("person", "Revoked").await, 0);
}

#[tokio::test]
async fn a_provider_edited_after_the_start_judges_only_what_starts_afterwards() {
    let scene = Scene::new("basis").await;
    let approved = scene.awaiting("approved", json!({})).await;
    let mismatch = scene.awaiting("mismatch", json!({})).await;
    let mapping = json!([
        { "name": "given_name", "applicantField": "first_name", "comparisonField": "last_name", "requirement": "Required" },
        { "name": "surname", "applicantField": "last_name", "comparisonField": "first_name", "requirement": "Informational" },
    ]);
    let edit = json!({
        "workflowID": "00000000-0000-4000-8000-000000000001",
        "results": { "dataComparisonPath": "/elsewhere" },
        "attributes": mapping,
    });
    scene.patch_provider(edit, ("True", "Succeeded")).await;
    scene.decide(&approved, "approved", json!({})).await;
    scene.decide(&mismatch, "approved", json!({ "last_name": "consider" })).await;
    let done = scene.until_condition("approved", ConditionType::Verified, "True", "Verified").await;
    assert_eq!(attributes(&done), CLEAR);
    let done = scene.until_condition("mismatch", ConditionType::Verified, "False", "AttributeMismatch").await;
    assert_eq!(attributes(&done), [CLEAR[0], ("family_name", V::Consider, false), CLEAR[2]]);
    // Nor does a verdict change when it is looked at again.
    scene.finalize("approved").await;
    scene.until_acknowledged("approved").await;
    scene.until_condition("approved", ConditionType::Verified, "True", "Verified").await;
}

#[tokio::test]
async fn without_the_digest_key_nothing_is_taken_for_unchanged() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "keyless").await;
    let own = namespace(control_plane, "keys").await;
    let args = vec!["--namespace".to_owned(), own.clone()];
    let run = Run { watch: vec![scene.namespace.clone()], args, ..Run::default() };
    let first = Operator::start(control_plane, &run).await;
    scene.deliver_to(&first).await;
    scene.provider(json!({})).await;
    verified(&scene, "before", json!({})).await;
    let open = scene.awaiting("open", json!({})).await;
    drop(first);
    let keys: Api<Secret> = Api::namespaced(scene.client.clone(), &own);
    keys.delete("onfido-operator-digest-key", &DeleteParams::default()).await.unwrap();

    // It is lost: there is a new one.
    let second = Operator::start(control_plane, &run).await;
    scene.deliver_to(&second).await;
    scene.decide(&open, "approved", json!({})).await;
    let done = scene.until_condition("open", ConditionType::Verified, "False", "AttributeChanged").await;
    assert!(attributes(&done).iter().all(|(_, result, verified)| *result == V::Clear && !verified));
    scene.finalize("before").await;
    scene.until_condition("before", ConditionType::Verified, "False", "AttributeChanged").await;
    verified(&scene, "afterwards", json!({})).await;
    drop(second);

    // Somebody puts another in its place.
    keys.delete("onfido-operator-digest-key", &DeleteParams::default()).await.unwrap();
    let other = Scene::of(control_plane, &own, &scene.namespace, &scene.account).await;
    other.secret("onfido-operator-digest-key", None, &[("key", "an-invented-digest-key-of-some-length")]).await;
    let _third = Operator::start(control_plane, &run).await;
    scene.finalize("afterwards").await;
    let done = scene.until_condition("afterwards", ConditionType::Verified, "False", "AttributeChanged").await;
    assert!(attributes(&done).iter().all(|(.., verified)| !verified));
    scene.until_event("afterwards", "Revoked").await;
}
