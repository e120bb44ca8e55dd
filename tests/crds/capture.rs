//! What the API server refuses in the capture of an IdentityVerification, each rule both ways.

use serde_json::{Value, json};

use super::{OK, Place, VERIFICATIONS, try_changes, try_creations};

fn capture(fields: Value) -> Value {
    json!({ "capture": fields })
}

#[tokio::test]
async fn a_token_is_asked_for_by_a_number_that_never_decreases() {
    let place = Place::new("crd").await;
    let at = |generation: Value| capture(json!({ "tokenGeneration": generation }));
    const NEVER: &[&str] = &["spec.capture.tokenGeneration", "tokenGeneration never decreases"];
    let rows = vec![
        (at(json!(0)), OK),
        (at(json!(10000)), OK),
        (at(json!(-1)), &["spec.capture.tokenGeneration", "greater than or equal to 0"][..]),
        (at(json!(10001)), &["spec.capture.tokenGeneration", "less than or equal to 10000"]),
    ];
    try_creations(&place, VERIFICATIONS, rows.clone()).await;
    try_changes(&place, VERIFICATIONS, json!({}), rows).await;
    // Removed, or with all that is around it, it would be 0 again.
    let rows =
        vec![(at(json!(2)), OK), (at(json!(3)), OK), (at(json!(1)), NEVER), (at(json!(null)), NEVER), (json!({ "capture": null }), NEVER)];
    try_changes(&place, VERIFICATIONS, at(json!(2)), rows).await;
}

#[tokio::test]
async fn a_token_is_for_pages_or_for_an_app() {
    let place = Place::new("crd").await;
    let referrer = |pattern: &str| capture(json!({ "referrer": pattern }));
    let app = |id: String| capture(json!({ "applicationID": id }));
    const PATTERN: &[&str] = &["spec.capture.referrer", "should match"];
    let rows = vec![
        (referrer("https://*.example.com/app/*"), OK),
        (referrer("*://*/*"), OK),
        (referrer("http://localhost/"), OK),
        (referrer("https://example.com"), PATTERN),
        (referrer("https://example.com:8443/*"), PATTERN),
        (referrer("https://app.*.com/*"), PATTERN),
        (referrer("javascript://x/*"), PATTERN),
        (referrer("https://example.com/a b"), PATTERN),
        (referrer(""), PATTERN),
        (referrer(&format!("https://example.com/{}", "a".repeat(493))), &["spec.capture.referrer", "Too long", "512"]),
        (app("com.example.App-1".into()), OK),
        (app("a".repeat(255)), OK),
        (app("a".repeat(256)), &["spec.capture.applicationID", "Too long", "255"]),
        (app(String::new()), &["spec.capture.applicationID", "at least 1 chars"]),
        (app("com example".into()), &["spec.capture.applicationID", "should match"]),
        (
            capture(json!({ "referrer": "*://*/*", "applicationID": "com.example" })),
            &["spec.capture", "referrer and applicationID exclude each other"],
        ),
    ];
    try_creations(&place, VERIFICATIONS, rows).await;
}
