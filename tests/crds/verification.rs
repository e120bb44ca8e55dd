//! What the API server refuses in an IdentityVerification, each rule both ways.

use serde_json::{Value, json};

use super::{OK, Place, VERIFICATIONS, try_changes, try_creations};
use crate::support::operator::merge;

/// A spec's change: this one attribute, of name `given_name`.
fn attribute(fields: Value) -> Value {
    let mut attribute = json!({ "name": "given_name" });
    merge(&mut attribute, fields);
    json!({ "attributes": [attribute] })
}

fn consents(names: &[&str]) -> Value {
    json!({ "consents": names.iter().map(|name| json!({ "name": name, "granted": true })).collect::<Vec<_>>() })
}

fn secrets(count: usize) -> Value {
    json!({ "attributesFrom": (0..count).map(|n| json!({ "secretRef": { "name": format!("person-{n}") } })).collect::<Vec<_>>() })
}

#[tokio::test]
async fn a_verification_says_who_and_by_whom() {
    let place = Place::new("crd").await;
    let rows = vec![
        (json!({}), OK),
        (json!({ "providerRef": null }), &["spec.providerRef", "Required"][..]),
        (json!({ "providerRef": { "namespace": "identity" } }), OK),
        (json!({ "providerRef": { "name": null } }), &["spec.providerRef.name", "Required"]),
        (json!({ "providerRef": { "name": "" } }), &["spec.providerRef.name", "at least 1 chars"]),
        (json!({ "providerRef": { "name": "Onfido" } }), &["spec.providerRef.name", "should match"]),
        (json!({ "providerRef": { "name": "a".repeat(253) } }), OK),
        (json!({ "providerRef": { "name": "a".repeat(254) } }), &["spec.providerRef.name", "Too long", "253"]),
        (json!({ "providerRef": { "namespace": "" } }), &["spec.providerRef.namespace", "at least 1 chars"]),
        (json!({ "providerRef": { "namespace": "a.b" } }), &["spec.providerRef.namespace", "should match"]),
        (json!({ "providerRef": { "namespace": "a/b" } }), &["spec.providerRef.namespace", "should match"]),
        (json!({ "providerRef": { "namespace": "a".repeat(64) } }), &["spec.providerRef.namespace", "Too long", "63"]),
        (json!({ "subject": null }), &["spec.subject", "Required"]),
        (json!({ "subject": "" }), &["spec.subject", "at least 1 chars"]),
        (json!({ "subject": "u".repeat(256) }), OK),
        (json!({ "subject": "u".repeat(257) }), &["spec.subject", "Too long", "256"]),
        (json!({ "suspend": true }), OK),
        (json!({ "suspend": 1 }), &["spec.suspend", "boolean"]),
    ];
    try_creations(&place, VERIFICATIONS, rows).await;
}

#[tokio::test]
async fn who_and_by_whom_are_for_good() {
    let place = Place::new("crd").await;
    const PROVIDER: &[&str] = &["spec.providerRef", "providerRef is immutable: create another IdentityVerification"];
    let rows = vec![
        (json!({ "providerRef": { "name": "other" } }), PROVIDER),
        (json!({ "providerRef": { "namespace": "identity" } }), PROVIDER),
        (json!({ "subject": "user-2" }), &["spec.subject", "subject is immutable: another person is another IdentityVerification"][..]),
        (json!({ "subject": "user-1", "suspend": true }), OK),
        (secrets(2), OK),
    ];
    try_changes(&place, VERIFICATIONS, json!({}), rows).await;
    let rows =
        vec![(json!({ "providerRef": { "namespace": null } }), PROVIDER), (json!({ "providerRef": { "namespace": "b" } }), PROVIDER)];
    try_changes(&place, VERIFICATIONS, json!({ "providerRef": { "namespace": "a" } }), rows).await;
}

#[tokio::test]
async fn a_finished_capture_stays_finished() {
    let place = Place::new("crd").await;
    let at = |attempt: Value| json!({ "submittedAttempt": attempt });
    let rows = vec![
        (at(json!(0)), OK),
        (at(json!(1)), OK),
        (at(json!(-1)), &["spec.submittedAttempt", "greater than or equal to 0"][..]),
        (at(json!(2)), &["spec: Invalid value", "submittedAttempt is at most attempt"]),
        (at(json!("1")), &["spec.submittedAttempt", "integer"]),
    ];
    try_creations(&place, VERIFICATIONS, rows.clone()).await;
    try_changes(&place, VERIFICATIONS, json!({}), rows).await;
    const NEVER: &[&str] = &["spec.submittedAttempt", "submittedAttempt never decreases"];
    // Removed, it would be 0 again: so it cannot be removed, and then set from 0.
    let rows = vec![(at(json!(1)), OK), (at(json!(0)), NEVER), (at(json!(null)), NEVER)];
    try_changes(&place, VERIFICATIONS, at(json!(1)), rows).await;
}

#[tokio::test]
async fn who_is_given_up_stays_given_up() {
    let place = Place::new("crd").await;
    let is = |cancelled: Value| json!({ "cancelled": cancelled });
    let rows = vec![(is(json!(true)), OK), (is(json!(false)), OK), (is(json!("yes")), &["spec.cancelled", "boolean"][..])];
    try_creations(&place, VERIFICATIONS, rows.clone()).await;
    try_changes(&place, VERIFICATIONS, json!({}), rows).await;
    const STAYS: &[&str] = &["spec.cancelled", "cancelled stays true: create another IdentityVerification"];
    let rows = vec![(is(json!(true)), OK), (is(json!(false)), STAYS), (is(json!(null)), STAYS)];
    try_changes(&place, VERIFICATIONS, is(json!(true)), rows).await;
}

#[tokio::test]
async fn what_is_kept_is_kept_for_a_time() {
    let place = Place::new("crd").await;
    let kept = |retention: Value| json!({ "retention": retention });
    const REDACT: &[&str] = &["spec.retention", "retention.redactAfter must be longer than nothing"];
    const DELETE: &[&str] = &["spec.retention", "retention.deleteAfter must be longer than nothing"];
    const ORDER: &[&str] = &["spec.retention", "retention.redactAfter must be shorter than deleteAfter"];
    const NONE: &[&str] = &["spec.retention", "retention needs redactAfter or deleteAfter"];
    let rows = vec![
        (kept(json!({ "redactAfter": "720h" })), OK),
        (kept(json!({ "deleteAfter": "2160h" })), OK),
        (kept(json!({ "redactAfter": "720h", "deleteAfter": "2160h" })), OK),
        (kept(json!({ "redactAfter": "59m59s", "deleteAfter": "1h" })), OK),
        (kept(json!({})), NONE),
        (kept(json!({ "redactAfter": "0s" })), REDACT),
        (kept(json!({ "redactAfter": "0s", "deleteAfter": "1h" })), REDACT),
        (kept(json!({ "deleteAfter": "0h0m" })), DELETE),
        (kept(json!({ "redactAfter": "60m", "deleteAfter": "1h" })), ORDER),
        (kept(json!({ "redactAfter": "2h", "deleteAfter": "1h" })), ORDER),
        (kept(json!({ "redactAfter": "30d" })), &["spec.retention.redactAfter", "should match"]),
        (kept(json!({ "deleteAfter": "-1h" })), &["spec.retention.deleteAfter", "should match"]),
        (kept(json!({ "deleteAfter": 3600 })), &["spec.retention.deleteAfter", "string"]),
    ];
    try_creations(&place, VERIFICATIONS, rows).await;
    let rows = vec![(kept(json!({ "redactAfter": "2h" })), OK), (kept(json!({ "deleteAfter": "1h" })), ORDER), (kept(json!(null)), OK)];
    try_changes(&place, VERIFICATIONS, kept(json!({ "redactAfter": "1h" })), rows).await;
}

#[tokio::test]
async fn an_attribute_has_one_value() {
    let place = Place::new("crd").await;
    const ONE: &[&str] = &["spec.attributes[0]", "an attribute has exactly one of value and valueFrom"];
    let from = json!({ "secretKeyRef": { "name": "user-1", "key": "given_name" } });
    let from_with = |changes: Value| {
        let mut from = from.clone();
        merge(&mut from["secretKeyRef"], changes);
        attribute(json!({ "valueFrom": from }))
    };
    let named = |name: &str| json!({ "attributes": [{ "name": name, "value": "Ada" }] });
    let many =
        |count: usize| json!({ "attributes": (0..count).map(|n| json!({ "name": format!("a{n}"), "value": "x" })).collect::<Vec<_>>() });
    let rows = vec![
        (attribute(json!({ "value": "Ada" })), OK),
        (attribute(json!({ "valueFrom": from })), OK),
        (attribute(json!({ "value": "Ada", "valueFrom": from })), ONE),
        (attribute(json!({})), ONE),
        (json!({ "attributes": [{ "name": "a", "value": null, "valueFrom": null }] }), ONE),
        (attribute(json!({ "value": "" })), &["spec.attributes[0].value", "at least 1 chars"][..]),
        (attribute(json!({ "value": "a".repeat(256) })), OK),
        (attribute(json!({ "value": "a".repeat(257) })), &["spec.attributes[0].value", "Too long", "256"]),
        (attribute(json!({ "valueFrom": {} })), &["spec.attributes[0].valueFrom.secretKeyRef", "Required"]),
        (from_with(json!({ "name": "../secrets" })), &["valueFrom.secretKeyRef.name", "should match"]),
        (from_with(json!({ "key": "given name" })), &["valueFrom.secretKeyRef.key", "should match"]),
        (from_with(json!({ "name": "" })), &["valueFrom.secretKeyRef.name", "at least 1 chars"]),
        (from_with(json!({ "name": "a".repeat(254) })), &["valueFrom.secretKeyRef.name", "Too long", "253"]),
        (from_with(json!({ "name": null })), &["valueFrom.secretKeyRef.name", "Required"]),
        (from_with(json!({ "key": "" })), &["valueFrom.secretKeyRef.key", "at least 1 chars"]),
        (from_with(json!({ "key": null })), &["valueFrom.secretKeyRef.key", "Required"]),
        (json!({ "attributes": [{ "value": "Ada" }] }), &["spec.attributes[0].name", "Required"]),
        (from_with(json!({ "key": "a".repeat(254) })), &["valueFrom.secretKeyRef.key", "Too long", "253"]),
        (named("given-name.v1_a"), OK),
        (named("a".repeat(63).as_str()), OK),
        (named("a".repeat(64).as_str()), &["spec.attributes[0].name", "Too long", "63"]),
        (named(""), &["spec.attributes[0].name", "at least 1 chars"]),
        (named("given name"), &["spec.attributes[0].name", "should match"]),
        (named("name_"), &["spec.attributes[0].name", "should match"]),
        (
            json!({ "attributes": [{ "name": "a", "value": "x" }, { "name": "a", "value": "y" }] }),
            &["spec.attributes[1]: Duplicate value", r#""name":"a""#],
        ),
        (many(32), OK),
        (many(33), &["spec.attributes", "Too many", "at most 32 items"]),
        (many(0), &["spec.attributes", "at least 1 items"]),
    ];
    try_creations(&place, VERIFICATIONS, rows).await;
}

#[tokio::test]
async fn something_is_known_of_the_person() {
    let place = Place::new("crd").await;
    const NEEDED: &[&str] = &["spec: Invalid value", "attributes or attributesFrom is needed"];
    let with = |change: Value| {
        let mut change = change;
        change["attributesFrom"] = Value::Null;
        change
    };
    let rows = vec![
        (with(json!({})), NEEDED),
        (with(attribute(json!({ "value": "Ada" }))), OK),
        (attribute(json!({ "value": "Ada" })), OK),
        (secrets(4), OK),
        (secrets(5), &["spec.attributesFrom", "Too many", "at most 4 items"][..]),
        (secrets(0), &["spec.attributesFrom", "at least 1 items"]),
        (json!({ "attributesFrom": [{}] }), &["spec.attributesFrom[0].secretRef", "Required"]),
        (json!({ "attributesFrom": [{ "secretRef": {} }] }), &["spec.attributesFrom[0].secretRef.name", "Required"]),
        (json!({ "attributesFrom": [{ "secretRef": { "name": "" } }] }), &["spec.attributesFrom[0].secretRef.name", "at least 1 chars"]),
        (json!({ "attributesFrom": [{ "secretRef": { "name": "../x" } }] }), &["spec.attributesFrom[0].secretRef.name", "should match"]),
        (
            json!({ "attributesFrom": [{ "secretRef": { "name": "a".repeat(254) } }] }),
            &["attributesFrom[0].secretRef.name", "Too long", "253"],
        ),
    ];
    try_creations(&place, VERIFICATIONS, rows).await;
    let rows = vec![(json!({ "attributesFrom": null }), NEEDED), (with(attribute(json!({ "value": "Ada" }))), OK)];
    try_changes(&place, VERIFICATIONS, json!({}), rows).await;
}

#[tokio::test]
async fn consents_are_the_vendors() {
    let place = Place::new("crd").await;
    let rows = vec![
        (consents(&["privacy_notices_read", "ssn_verification", "phone_number_verification"]), OK),
        (json!({ "consents": [{ "name": "privacy_notices_read", "granted": false }] }), OK),
        (consents(&["cookies"]), &["spec.consents[0].name: Unsupported value", r#""privacy_notices_read""#][..]),
        (consents(&["ssn_verification", "ssn_verification"]), &["spec.consents[1]: Duplicate value", "ssn_verification"]),
        (consents(&["ssn_verification"; 4]), &["spec.consents", "Too many", "at most 3 items"]),
        (consents(&[]), &["spec.consents", "at least 1 items"]),
        (json!({ "consents": [{ "name": "ssn_verification" }] }), &["spec.consents[0].granted", "Required"]),
        (json!({ "consents": [{ "granted": true }] }), &["spec.consents[0].name", "Required"]),
    ];
    try_creations(&place, VERIFICATIONS, rows).await;
}
