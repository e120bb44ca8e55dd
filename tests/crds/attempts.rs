//! Attempts: when the API server lets the next one be asked for, and what a provider may say of them.

use serde_json::{Value, json};

use super::{OK, PROVIDERS, Place, VERIFICATIONS, spec, try_changes, try_creations};

fn at(attempt: i32) -> Value {
    json!({ "attempt": attempt })
}

fn stalled(type_: &str, status: &str, reason: &str) -> Value {
    json!([{ "type": type_, "status": status, "reason": reason, "lastTransitionTime": "2026-01-01T00:00:00Z" }])
}

#[tokio::test]
async fn the_next_attempt_follows_one_that_is_over() {
    let place = Place::new("crd").await;
    const NEVER: &[&str] = &["spec.attempt grows by one, and only once the attempt before it has ended"];
    let phase = |phase: &str| json!({ "phase": phase, "attempt": 1, "conditions": [] });
    let ambiguous = |type_, status, reason| json!({ "phase": "Pending", "attempt": 1, "conditions": stalled(type_, status, reason) });
    let mut rows = vec![
        (Value::Null, NEVER),
        (json!({ "phase": "Declined", "conditions": [] }), NEVER), // nobody knows of which attempt
        (json!({ "phase": "Declined", "attempt": 2, "conditions": [] }), NEVER),
        (ambiguous("Stalled", "True", "VendorAmbiguous"), OK),
        (ambiguous("Stalled", "False", "VendorAmbiguous"), NEVER),
        (ambiguous("Stalled", "True", "AttemptsExhausted"), NEVER),
        (ambiguous("Ready", "True", "VendorAmbiguous"), NEVER),
    ];
    rows.extend(["Approved", "Declined", "Abandoned", "Failed", "InReview"].map(|word| (phase(word), OK)));
    rows.extend(["Pending", "AwaitingInput", "Processing"].map(|word| (phase(word), NEVER)));
    let mut wrong = vec![];
    for (number, (status, wanted)) in rows.into_iter().enumerate() {
        let name = format!("person-{number}");
        place.create(VERIFICATIONS, &name, &spec(VERIFICATIONS, json!({}))).await;
        if !status.is_null() {
            place.set_status(VERIFICATIONS, &name, &status).await;
        }
        wrong.extend(super::judge(&status, wanted, place.try_change(VERIFICATIONS, &name, &at(2)).await));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn an_attempt_grows_by_one() {
    let place = Place::new("crd").await;
    const NEVER: &[&str] = &["spec.attempt grows by one"];
    place.create(VERIFICATIONS, "person", &spec(VERIFICATIONS, at(3))).await;
    place.set_status(VERIFICATIONS, "person", &json!({ "phase": "Declined", "attempt": 3 })).await;
    let mut wrong = vec![];
    let rows = [(at(3), OK), (at(4), OK), (at(5), NEVER), (at(2), NEVER), (json!({ "attempt": null }), NEVER)];
    for (change, wanted) in rows.into_iter().chain([(json!({ "attempt": 3, "suspend": true }), OK)]) {
        wrong.extend(super::judge(&change, wanted, place.try_change(VERIFICATIONS, "person", &change).await));
    }
    // From one to the next while the status speaks of the one before.
    place.api(VERIFICATIONS).patch("person", &Default::default(), &kube::api::Patch::Merge(json!({ "spec": at(4) }))).await.unwrap();
    wrong.extend(super::judge(&at(5), NEVER, place.try_change(VERIFICATIONS, "person", &at(5)).await));
    // The status can be written all the same: the rule asks of the spec's change only.
    place.set_status(VERIFICATIONS, "person", &json!({ "phase": "Pending", "attempt": 4 })).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn an_attempt_is_bounded_and_nobody_finishes_one_that_is_not_asked_for() {
    let place = Place::new("crd").await;
    let both = |attempt: i32, submitted: i32| json!({ "attempt": attempt, "submittedAttempt": submitted });
    const AT_MOST: &[&str] = &["spec: Invalid value", "submittedAttempt is at most attempt"];
    let rows = vec![
        (at(1), OK),
        (at(1000), OK),
        (at(0), &["spec.attempt", "greater than or equal to 1"][..]),
        (at(1001), &["spec.attempt", "less than or equal to 1000"]),
        (json!({ "attempt": "1" }), &["spec.attempt", "integer"]),
        (both(3, 3), OK),
        (both(3, 4), AT_MOST),
        (json!({ "submittedAttempt": 2 }), AT_MOST),
        (both(1000, 1001), &["spec.submittedAttempt", "less than or equal to 1000"]),
    ];
    try_creations(&place, VERIFICATIONS, rows).await;
    let submitted = |count: i32| json!({ "submittedAttempt": count });
    const NEVER: &[&str] = &["spec.submittedAttempt", "submittedAttempt never decreases"];
    try_changes(&place, VERIFICATIONS, both(3, 2), vec![(submitted(3), OK), (submitted(4), AT_MOST), (submitted(1), NEVER)]).await;
}

#[tokio::test]
async fn a_provider_says_when_another_may_begin() {
    let place = Place::new("crd").await;
    let attempts = |rule: Value| json!({ "attempts": rule });
    let cool = |text: &str| attempts(json!({ "coolDown": text }));
    let reasons = |reasons: &[&str]| attempts(json!({ "retryOn": reasons }));
    let all = [
        "Declined",
        "AttributeMismatch",
        "NotCompared",
        "Abandoned",
        "VendorError",
        "Expired",
        "AttributeChanged",
        "Revoked",
        "Verified",
        "InReview",
    ];
    let mut rows = vec![
        (attempts(json!({})), OK),
        (attempts(json!({ "max": 1 })), OK),
        (attempts(json!({ "max": 16 })), OK),
        (attempts(json!({ "max": 0 })), &["spec.attempts.max", "greater than or equal to 1"][..]),
        (attempts(json!({ "max": 17 })), &["spec.attempts.max", "less than or equal to 16"]),
        (cool("24h"), OK),
        (cool("1h30m"), OK),
        (cool("soon"), &["spec.attempts.coolDown", "should match"]),
        (cool("5d"), &["spec.attempts.coolDown", "should match"]),
        (cool(""), &["spec.attempts.coolDown", "should match"]),
        (reasons(&[]), OK),
        (reasons(&all), OK),
        (reasons(&["Pending"]), &["spec.attempts.retryOn[0]: Unsupported value", r#""InReview""#]),
        (reasons(&["Declined"; 11]), &["spec.attempts.retryOn", "Too many", "at most 10 items"]),
    ];
    rows.extend(all.map(|reason| (reasons(&[reason]), OK)));
    try_creations(&place, PROVIDERS, rows).await;
    let read = place.create(PROVIDERS, "plain", &spec(PROVIDERS, json!({}))).await.data["spec"]["attempts"].clone();
    // The reasons are not in the schema: a default list would be merged with the user's own by server-side apply.
    assert_eq!(read, json!({ "max": 3, "coolDown": "0s" }));
}
