//! Why a run ended as it did, and why an attribute is not verified: words of closed kinds, never the vendor's free text.

use onfido_operator::api::{AttributeReason as W, ConditionType, IdentityVerification};
use serde_json::json;

use crate::support::operator::Scene;

fn reasons(object: &IdentityVerification) -> &[String] {
    &object.status.as_ref().unwrap().reasons
}

/// Why each attribute is not verified.
fn why(object: &IdentityVerification) -> Vec<(&str, Option<W>)> {
    object.status.as_ref().unwrap().attributes.iter().map(|a| (a.name.as_str(), a.reason)).collect()
}

#[tokio::test]
async fn the_vendors_words_are_shown_only_where_they_are_plain() {
    let scene = Scene::new("reasons").await;
    let cases = [
        ("declined", json!({ "status": "declined", "reasons": ["under_age", "Jane Doe, b. 1990", "under_age"] }), "Declined"),
        ("error", json!({ "status": "error", "error_type": "invented_failure" }), "VendorError"),
    ];
    for (name, outcome, reason) in cases {
        let run = scene.awaiting(name, json!({})).await;
        scene.outcome(&run, outcome).await;
        let done = scene.until_condition(name, ConditionType::Verified, "False", reason).await;
        let expected: &[&str] = if name == "error" { &["invented_failure"] } else { &["under_age", "unrecognized"] };
        assert_eq!(reasons(&done), expected);
        assert!(why(&done).iter().all(|(_, why)| *why == Some(W::NotApproved)), "{:?}", why(&done));
        assert!(!serde_json::to_string(&done).unwrap().contains("Jane"));
    }
}

#[tokio::test]
async fn each_attribute_says_why_it_is_not_verified() {
    let scene = Scene::new("why").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.decide(&run, "approved", json!({ "last_name": "consider", "date_of_birth": null })).await;
    let done = scene.until_condition("person", ConditionType::Verified, "False", "AttributeMismatch").await;
    let expected = [("given_name", None), ("family_name", Some(W::Mismatch)), ("birthdate", Some(W::NotCompared))];
    assert_eq!(why(&done), expected);
    assert_eq!(reasons(&done), [] as [String; 0]);
    scene.secret("person", Some("attributes"), &[("given_name", "Another"), ("family_name", "Person"), ("birthdate", "1990-01-01")]).await;
    scene.patch("person", json!({ "consents": [{ "name": "privacy_notices_read", "granted": true }] })).await;
    let done = scene.until_condition("person", ConditionType::Verified, "False", "AttributeChanged").await;
    assert_eq!(why(&done)[0], ("given_name", Some(W::Changed)));
}
