//! How the kinds show in the real kubectl.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use onfido_operator::{api::GROUP, dev::ADMIN};
use serde_json::{Value, json};

use super::{PROVIDERS, Place, VERIFICATIONS, bounds::schemas, spec};

fn condition(type_: &str, status: &str, reason: &str) -> Value {
    json!({ "type": type_, "status": status, "reason": reason, "lastTransitionTime": "2026-01-01T00:00:00Z" })
}

/// The table that kubectl prints, as words.
fn table(printed: &str) -> Vec<Vec<&str>> {
    printed.lines().map(|line| line.split_whitespace().collect()).collect()
}

#[tokio::test]
async fn the_definitions_are_established_under_their_names() {
    let place = Place::new("crd").await;
    let crds = Api::<CustomResourceDefinition>::all(place.plane.client(ADMIN).unwrap());
    for (plural, short) in [(PROVIDERS, "onfp"), (VERIFICATIONS, "idv")] {
        let crd = crds.get(&format!("{plural}.{GROUP}")).await.unwrap();
        let status = crd.status.unwrap();
        let accepted = status.accepted_names.unwrap();
        assert_eq!(accepted.short_names, Some(vec![short.to_owned()]));
        assert_eq!(accepted.categories, Some(vec!["onfido".to_owned()]));
        let conditions = status.conditions.unwrap();
        let says = |type_: &str| conditions.iter().find(|c| c.type_ == type_).map(|c| c.status.as_str());
        assert_eq!([says("Established"), says("NamesAccepted"), says("NonStructuralSchema")], [Some("True"), Some("True"), None]);
        assert_eq!(crd.spec.scope, "Namespaced");
        let fields: Vec<String> = crd.spec.versions[0].selectable_fields.iter().flatten().map(|field| field.json_path.clone()).collect();
        assert_eq!(fields, if plural == VERIFICATIONS { vec![".status.phase"] } else { vec![] });
    }
}

#[tokio::test]
async fn short_names_and_the_category_find_the_objects() {
    let place = Place::new("crd").await;
    place.create(PROVIDERS, "onfido", &spec(PROVIDERS, json!({}))).await;
    place.create(VERIFICATIONS, "user-1", &spec(VERIFICATIONS, json!({}))).await;
    let provider = format!("onfidoprovider.{GROUP}/onfido\n");
    let verification = format!("identityverification.{GROUP}/user-1\n");
    assert_eq!(place.kubectl(&["get", "onfp", "-o", "name"]).await.unwrap(), provider);
    assert_eq!(place.kubectl(&["get", "idv", "-o", "name"]).await.unwrap(), verification);
    let both = place.kubectl(&["get", "onfido", "-o", "name"]).await.unwrap();
    assert!(both.contains(&provider) && both.contains(&verification), "{both}");
}

#[tokio::test]
async fn verifications_are_selected_by_their_phase() {
    let place = Place::new("crd").await;
    for name in ["fresh", "approved"] {
        place.create(VERIFICATIONS, name, &spec(VERIFICATIONS, json!({}))).await;
    }
    place.set_status(VERIFICATIONS, "approved", &json!({ "phase": "Approved" })).await;
    let of = async |phase: &str| place.kubectl(&["get", "idv", "--field-selector", &format!("status.phase={phase}"), "-o", "name"]).await;
    let named = |name: &str| Ok(format!("identityverification.{GROUP}/{name}\n"));
    assert_eq!(of("Pending").await, named("fresh"));
    assert_eq!(of("Approved").await, named("approved"));
    assert_eq!(of("Declined").await, Ok(String::new()));
}

#[tokio::test]
async fn kubectl_get_tells_what_matters() {
    let place = Place::new("crd").await;
    place.create(PROVIDERS, "onfido", &spec(PROVIDERS, json!({}))).await;
    place.create(VERIFICATIONS, "user-1", &spec(VERIFICATIONS, json!({}))).await;
    let printed = place.kubectl(&["get", "idv"]).await.unwrap();
    assert_eq!(table(&printed)[0], ["NAME", "PHASE", "VERIFIED", "PROVIDER", "AGE"]);
    assert_eq!(table(&printed)[1][..3], ["user-1", "Pending", "onfido"]);

    let verified = json!([condition("Ready", "True", "Succeeded"), condition("Verified", "False", "AttributeMismatch")]);
    let status = json!({ "phase": "Approved", "workflowRunID": "run-1", "conditions": verified });
    place.set_status(VERIFICATIONS, "user-1", &status).await;
    let printed = place.kubectl(&["get", "idv"]).await.unwrap();
    assert_eq!(table(&printed)[1][..4], ["user-1", "Approved", "False", "onfido"]);
    let printed = place.kubectl(&["get", "idv", "-o", "wide"]).await.unwrap();
    assert_eq!(table(&printed)[0], ["NAME", "PHASE", "VERIFIED", "REASON", "PROVIDER", "RUN", "AGE"]);
    assert_eq!(table(&printed)[1][..6], ["user-1", "Approved", "False", "Succeeded", "onfido", "run-1"]);

    let printed = place.kubectl(&["get", "onfp"]).await.unwrap();
    assert_eq!(table(&printed)[0], ["NAME", "READY", "REASON", "WEBHOOK", "REGION", "ENVIRONMENT", "AGE"]);
    assert_eq!(table(&printed)[1][..4], ["onfido", "Unknown", "Pending", "EU"]);
    let conditions = json!([condition("Ready", "True", "Succeeded"), condition("WebhookReady", "False", "TokenMissing")]);
    place.set_status(PROVIDERS, "onfido", &json!({ "environment": "Sandbox", "conditions": conditions })).await;
    let printed = place.kubectl(&["get", "onfp"]).await.unwrap();
    assert_eq!(table(&printed)[1][..6], ["onfido", "True", "Succeeded", "False", "EU", "Sandbox"]);
}

#[tokio::test]
async fn kubectl_explain_has_a_text_for_every_field() {
    let place = Place::new("crd").await;
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (plural, short) in [(PROVIDERS, "onfp"), (VERIFICATIONS, "idv")] {
        let all = schemas(plural);
        // Each object's page lists its fields; a field without children needs no page of its own.
        let objects = all.iter().filter(|(path, schema)| schema.properties.is_some() && !path.ends_with(".selector"));
        for (path, object) in objects {
            let page = format!("{short}.{}", path.replace("[]", ""));
            let printed = words(&place.kubectl(&["explain", &page]).await.unwrap());
            for (name, field) in object.properties.iter().flatten() {
                let text = words(field.description.as_deref().unwrap_or("no text at all"));
                assert!(printed.contains(&text), "kubectl explain {page}: {name}: {text}\n{printed}");
            }
        }
    }
}
