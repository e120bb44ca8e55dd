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

#[tokio::test]
async fn a_link_is_for_those_who_ask_for_one() {
    let place = Place::new("crd").await;
    let link = |fields: Value| capture(json!({ "mode": "Link", "link": fields }));
    const LINK: &[&str] = &["spec.capture", "link needs mode Link"];
    const SDK: &[&str] = &["spec.capture", "tokenGeneration, referrer and applicationID need mode SDK"];
    let rows = vec![
        (capture(json!({ "mode": "SDK" })), OK),
        (capture(json!({ "mode": "Link" })), OK),
        (capture(json!({ "mode": "Paper" })), &["spec.capture.mode", "supported values"][..]),
        (link(json!({})), OK),
        (capture(json!({ "link": {} })), LINK),
        (capture(json!({ "mode": "SDK", "link": { "language": "en_US" } })), LINK),
        (capture(json!({ "mode": "Link", "tokenGeneration": 1 })), SDK),
        (capture(json!({ "mode": "Link", "referrer": "*://*/*" })), SDK),
        (capture(json!({ "mode": "Link", "applicationID": "com.example" })), SDK),
        (capture(json!({ "mode": "SDK", "tokenGeneration": 1, "applicationID": "com.example" })), OK),
        (link(json!({ "language": "nl_NL" })), OK),
        (link(json!({ "language": "nl" })), &["spec.capture.link.language", "supported values"]),
        (link(json!({ "expiresAt": "2030-01-01T00:00:00Z" })), OK),
        (link(json!({ "expiresAt": "tomorrow" })), &["spec.capture.link.expiresAt", "date-time"]),
    ];
    try_creations(&place, VERIFICATIONS, rows).await;
    const MODE: &[&str] = &["spec.capture.mode", "mode is immutable: create another IdentityVerification"];
    let rows = vec![
        (capture(json!({ "mode": "SDK" })), MODE),
        (capture(json!({ "mode": null, "link": null })), MODE),
        (json!({ "capture": null }), MODE),
        (capture(json!({ "link": { "language": "de_DE" } })), OK),
        (capture(json!({ "link": null })), OK),
    ];
    try_changes(&place, VERIFICATIONS, link(json!({ "language": "en_US" })), rows).await;
    try_changes(
        &place,
        VERIFICATIONS,
        json!({}),
        vec![(capture(json!({ "mode": "Link" })), MODE), (capture(json!({ "mode": "SDK" })), OK)],
    )
    .await;
}

#[tokio::test]
async fn a_link_leads_to_https_only() {
    let place = Place::new("crd").await;
    for field in ["completedRedirectURL", "expiredRedirectURL"] {
        let to = |url: &str| capture(json!({ "mode": "Link", "link": { field: url } }));
        let refused: &'static [&'static str] = match field {
            "completedRedirectURL" => &["spec.capture.link.completedRedirectURL", "completedRedirectURL must be an https URL"],
            _ => &["spec.capture.link.expiredRedirectURL", "expiredRedirectURL must be an https URL"],
        };
        let long = |length: usize| format!("https://example.com/{}", "a".repeat(length - 20));
        let mut rows = vec![
            (to("https://example.com"), OK),
            (to("https://app.example.com:8443/done?person=1&x=%20#top"), OK),
            (to("https://[2001:db8::1]/"), OK),
            (to(&long(2048)), OK),
            (to(&long(2049)), &["spec.capture.link", "Too long", "2048"][..]),
        ];
        let bad = [
            "",
            "http://example.com/",
            "HTTP://example.com/",
            "javascript:alert(1)",
            "//example.com/",
            "/done",
            "https:///done",
            "https://",
        ];
        rows.extend(
            bad.into_iter()
                .chain(["https://exa mple.com/", "https://example.com/a b", "https://:443/", "ahttps://example.com/"])
                .map(|url| (to(url), refused)),
        );
        try_creations(&place, VERIFICATIONS, rows).await;
    }
}
