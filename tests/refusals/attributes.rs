//! Attributes that cannot be sent: named, never shown, and nothing sent.

use std::collections::BTreeMap;

use futures::future::join_all;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::api::{Patch, PatchParams};
use onfido_operator::api::ConditionType as C;
use serde_json::json;

use super::*;

/// In every bad value: where it shows, a value shows.
const CANARY: &str = "Canary";

/// A person's Secret with one value replaced, or taken out.
async fn person(scene: &Scene, name: &str, key: &str, value: Option<&[u8]>) {
    let mut data: BTreeMap<String, ByteString> = [("given_name", "Invented"), ("family_name", "Person"), ("birthdate", "1990-01-01")]
        .map(|(key, value)| (key.to_owned(), ByteString(value.into())))
        .into();
    match value {
        Some(value) => drop(data.insert(key.into(), ByteString(value.to_vec()))),
        None => drop(data.remove(key)),
    }
    let mut secret = Secret { data: Some(data), ..Secret::default() };
    secret.metadata.name = Some(name.into());
    secret.metadata.labels = Some([("onfido-operator.dev/use".to_owned(), "attributes".to_owned())].into());
    scene.secrets().patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&secret)).await.unwrap();
}

/// What was refused: the attribute is named, its value is nowhere.
async fn refused(scene: &Scene, name: &str, reason: &str, parts: &[&str]) {
    let object = scene.until_condition(name, C::Accepted, "False", reason).await;
    names(&message(&object, C::Accepted), parts);
    assert_eq!(message(&object, C::Ready), message(&object, C::Accepted), "{name}");
    assert!(!serde_json::to_string(&object.status).unwrap().contains(CANARY), "{name}");
}

/// One Event for what a person must correct, and no value in it.
async fn told(scene: &Scene, name: &str, count: usize) {
    let told = events(scene, name).await;
    assert_eq!(told.len(), count, "{name}: {told:?}");
    assert!(told.iter().all(|(reason, note)| reason == "Refused" && !note.contains(CANARY)), "{told:?}");
}

#[tokio::test]
async fn a_value_that_cannot_be_sent_is_named_never_shown_and_heals() {
    let scene = Scene::new("values").await;
    let long = CANARY.repeat(50);
    let cases: [(&str, &str, Option<&[u8]>, &str); 9] = [
        ("missing", "family_name", None, "attribute family_name is required and not given"),
        ("empty", "given_name", Some(b""), "attribute given_name is empty"),
        ("blank", "given_name", Some(b"  \n"), "attribute given_name is empty"),
        ("long", "family_name", Some(long.as_bytes()), "attribute family_name is longer than 256 characters"),
        ("no-date", "birthdate", Some(b"1.1.1990 Canary"), "attribute birthdate"),
        ("no-day", "birthdate", Some(b"1990-02-30"), "attribute birthdate is not a date of the form YYYY-MM-DD"),
        ("forbidden", "given_name", Some(b"Canary<script>"), "attribute given_name holds a character that the vendor forbids"),
        ("control", "given_name", Some(b"Canary\x07"), "attribute given_name holds a character that the vendor forbids"),
        ("no-text", "given_name", Some(b"Canary\xff\xfe"), "attribute given_name"),
    ];
    let reason = |value: Option<&[u8]>| if value.is_none() { "AttributeMissing" } else { "AttributeInvalid" };
    join_all(cases.map(|(case, key, value, part)| {
        let scene = &scene;
        async move {
            let secret = format!("of-{case}");
            person(scene, &secret, key, value).await;
            scene.verification(case, json!({ "attributesFrom": [{ "secretRef": { "name": secret } }] })).await;
            refused(scene, case, reason(value), &[part]).await;
        }
    }))
    .await;
    assert_eq!(posts(&scene).await, [0, 0]);
    join_all(cases.map(|(case, key, _, _)| {
        let scene = &scene;
        async move {
            let good: &[u8] = if key == "birthdate" { b"1990-01-01" } else { b"Good" };
            person(scene, &format!("of-{case}"), key, Some(good)).await;
            healed(scene, case).await;
            told(scene, case, 1).await;
        }
    }))
    .await;
    assert_eq!(posts(&scene).await, [cases.len(); 2]);
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_named_with_key_and_label_and_heals() {
    let scene = Scene::new("person-secrets").await;
    let from = |secret: &str| json!({ "attributesFrom": [{ "secretRef": { "name": secret } }] });
    let key = |secret: &str| json!({ "attributes": [{ "name": "given_name", "valueFrom": { "secretKeyRef": { "name": secret, "key": "first" } } }] });
    let label = "onfido-operator.dev/use: attributes";
    let cases = [
        ("absent", None, from("of-absent"), None),
        ("bare", Some((None, "given_name")), from("of-bare"), None),
        ("other-use", Some((Some("credentials"), "given_name")), from("of-other-use"), None),
        ("key-absent", None, key("of-key-absent"), Some("key first")),
        ("key-bare", Some((None, "first")), key("of-key-bare"), Some("key first")),
        ("key-other", Some((Some("attributes"), "second")), key("of-key-other"), Some("key first")),
    ];
    join_all(cases.clone().map(|(case, secret, spec, key)| {
        let scene = &scene;
        async move {
            let secret_name = format!("of-{case}");
            if let Some((label, key)) = secret {
                scene.secret(&secret_name, label, &[(key, CANARY)]).await;
            }
            scene.verification(case, spec).await;
            let place = format!("{}/{secret_name}", scene.namespace);
            refused(scene, case, "SecretNotFound", &[&place, label, key.unwrap_or("Secret")]).await;
        }
    }))
    .await;
    assert_eq!(posts(&scene).await, [0, 0]);
    join_all(cases.map(|(case, _, _, _)| {
        let scene = &scene;
        async move {
            let data = [("first", "Good"), ("given_name", "Good"), ("family_name", "Person")];
            scene.secret(&format!("of-{case}"), Some("attributes"), &data).await;
            healed(scene, case).await;
            told(scene, case, 0).await;
        }
    }))
    .await;
}

#[tokio::test]
async fn an_attribute_nobody_maps_and_a_value_in_the_spec_are_refused_and_heal_by_the_spec() {
    let scene = Scene::new("spec").await;
    let unmapped = json!([{ "name": "shoe_size", "valueFrom": { "secretKeyRef": { "name": "unmapped", "key": "given_name" } } }]);
    scene.verification("unmapped", json!({ "attributes": unmapped })).await;
    let inline = json!({ "attributes": [{ "name": "given_name", "value": CANARY }] });
    scene.verification("inline", inline.clone()).await;
    scene.verification("allowed", inline).await;
    refused(&scene, "unmapped", "AttributeNotMapped", &["attribute shoe_size", "provider's spec.attributes"]).await;
    for name in ["inline", "allowed"] {
        refused(&scene, name, "InlineForbidden", &["attribute given_name", "use valueFrom", "spec.personalData.inline"]).await;
    }
    assert_eq!(posts(&scene).await, [0, 0]);
    for name in ["unmapped", "inline"] {
        scene.patch(name, json!({ "attributes": null })).await;
        healed(&scene, name).await;
        told(&scene, name, 1).await;
    }
    patch_provider(&scene, json!({ "personalData": { "inline": "Allow" } })).await;
    healed(&scene, "allowed").await;
    told(&scene, "allowed", 1).await;
}
