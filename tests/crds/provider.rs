//! What the API server refuses in an OnfidoProvider, each rule both ways.

use serde_json::{Value, json};

use super::{OK, PROVIDERS, Place, try_changes, try_creations};
use crate::support::operator::merge;

/// `count` references to tokens.
fn tokens(count: usize) -> Value {
    (0..count).map(|n| json!({ "name": format!("webhook-{n}"), "key": "token" })).collect()
}

/// One reference to a token, with a change.
fn token(change: Value) -> Value {
    let mut refs = tokens(1);
    merge(&mut refs[0], change);
    json!({ "webhook": { "management": "Manual", "tokenSecretRefs": refs } })
}

/// A mapping of the two names, and more.
fn mapping(more: &[Value]) -> Value {
    let names = [
        json!({ "name": "given_name", "applicantField": "first_name", "comparisonField": "first_name", "requirement": "Required" }),
        json!({ "name": "family_name", "applicantField": "last_name" }),
    ];
    json!({ "attributes": names.iter().chain(more).collect::<Vec<_>>() })
}

/// The mapping with one change in its first entry, which is the one that is Required and compared.
fn first(changes: Value) -> Value {
    let mut mapping = mapping(&[]);
    merge(&mut mapping["attributes"][0], changes);
    mapping
}

#[tokio::test]
async fn a_provider_says_where_and_with_what() {
    let place = Place::new("crd").await;
    let rows = vec![
        (json!({}), OK),
        (json!({ "region": null }), &["spec.region", "Required"][..]),
        (json!({ "region": "US" }), OK),
        (json!({ "region": "CA" }), OK),
        (json!({ "region": "AP" }), &["spec.region: Unsupported value", r#""EU", "US", "CA""#]),
        (json!({ "credentials": null }), &["spec.credentials", "Required"]),
        (json!({ "credentials": { "apiTokenSecretRef": null } }), &["spec.credentials.apiTokenSecretRef", "Required"]),
        (json!({ "credentials": { "apiTokenSecretRef": { "name": "" } } }), &["apiTokenSecretRef.name", "at least 1 chars"]),
        (json!({ "credentials": { "apiTokenSecretRef": { "name": "a".repeat(253) } } }), OK),
        (json!({ "credentials": { "apiTokenSecretRef": { "name": "a".repeat(254) } } }), &["apiTokenSecretRef.name", "Too long", "253"]),
        (json!({ "credentials": { "apiTokenSecretRef": { "name": "a.b-c" } } }), OK),
        // A name becomes part of a path.
        (json!({ "credentials": { "apiTokenSecretRef": { "name": "../x" } } }), &["apiTokenSecretRef.name", "should match"]),
        (json!({ "credentials": { "apiTokenSecretRef": { "name": "x?y" } } }), &["apiTokenSecretRef.name", "should match"]),
        (json!({ "credentials": { "apiTokenSecretRef": { "name": null } } }), &["apiTokenSecretRef.name", "Required"]),
        (json!({ "credentials": { "apiTokenSecretRef": { "key": "" } } }), &["apiTokenSecretRef.key", "at least 1 chars"]),
        (json!({ "credentials": { "apiTokenSecretRef": { "key": null } } }), &["apiTokenSecretRef.key", "Required"]),
        (json!({ "credentials": { "apiTokenSecretRef": { "key": "Api_Token.1" } } }), OK),
        (json!({ "credentials": { "apiTokenSecretRef": { "key": "a/b" } } }), &["apiTokenSecretRef.key", "should match"]),
        (json!({ "credentials": { "apiTokenSecretRef": { "key": "a".repeat(254) } } }), &["apiTokenSecretRef.key", "Too long", "253"]),
        (json!({ "workflowID": null }), &["spec.workflowID", "Required"]),
        (json!({ "workflowID": "5C1D9B0E-6F0E-4C52-9D3F-0F5F0A3C9B11" }), OK),
        (json!({ "workflowID": "5c1d9b0e-6f0e-4c52-9d3f-0f5f0a3c9b1" }), &["spec.workflowID", "should match"]),
        (json!({ "workflowID": "5c1d9b0e-6f0e-4c52-9d3f-0f5f0a3c9b11-" }), &["spec.workflowID", "Too long", "36"]),
        (json!({ "workflowID": "5g1d9b0e-6f0e-4c52-9d3f-0f5f0a3c9b11" }), &["spec.workflowID", "should match"]),
        (json!({ "suspend": true }), OK),
        (json!({ "suspend": "yes" }), &["spec.suspend", "boolean"]),
    ];
    try_creations(&place, PROVIDERS, rows).await;
}

#[tokio::test]
async fn a_region_is_for_good() {
    let place = Place::new("crd").await;
    let rows = vec![
        (json!({ "region": "US" }), &["spec.region", "region is immutable: create another OnfidoProvider"][..]),
        (json!({ "region": "EU", "suspend": true }), OK),
        (json!({ "workflowID": "00000000-0000-4000-8000-000000000000" }), OK),
    ];
    try_changes(&place, PROVIDERS, json!({}), rows).await;
}

#[tokio::test]
async fn a_selector_is_for_selecting() {
    let place = Place::new("crd").await;
    let selector = json!({ "matchLabels": { "team": "shop" } });
    const RULE: &[&str] =
        &["spec.allowedNamespaces", "allowedNamespaces.selector is needed where allowedNamespaces.from is Selector, and only"];
    let rows = vec![
        (json!({ "allowedNamespaces": {} }), OK),
        (json!({ "allowedNamespaces": { "from": "Same" } }), OK),
        (json!({ "allowedNamespaces": { "from": "All" } }), OK),
        (json!({ "allowedNamespaces": { "from": "None" } }), &["spec.allowedNamespaces.from: Unsupported value", "Selector"][..]),
        (json!({ "allowedNamespaces": { "from": "Selector", "selector": selector } }), OK),
        (json!({ "allowedNamespaces": { "from": "Selector" } }), RULE),
        (json!({ "allowedNamespaces": { "from": "All", "selector": selector } }), RULE),
        (json!({ "allowedNamespaces": { "selector": selector } }), RULE),
    ];
    try_creations(&place, PROVIDERS, rows).await;
}

#[tokio::test]
async fn a_webhook_has_tokens_where_it_needs_them() {
    let place = Place::new("crd").await;
    const NEEDED: &[&str] = &["spec.webhook", "webhook.tokenSecretRefs needs at least one entry where webhook.management is Manual"];
    const FOR_NOTHING: &[&str] = &["spec.webhook", "webhook.tokenSecretRefs must be empty where webhook.management is Disabled"];
    let rows = vec![
        (json!({ "webhook": { "management": "Manual", "tokenSecretRefs": tokens(1) } }), OK),
        (json!({ "webhook": { "management": "Manual", "tokenSecretRefs": tokens(4) } }), OK),
        (
            json!({ "webhook": { "management": "Manual", "tokenSecretRefs": tokens(5) } }),
            &["spec.webhook.tokenSecretRefs", "Too many", "at most 4 items"][..],
        ),
        (json!({ "webhook": { "management": "Manual" } }), NEEDED),
        (json!({ "webhook": { "management": "Manual", "tokenSecretRefs": [] } }), NEEDED),
        (token(json!({ "name": "../x" })), &["spec.webhook.tokenSecretRefs[0].name", "should match"]),
        (token(json!({ "name": "" })), &["spec.webhook.tokenSecretRefs[0].name", "at least 1 chars"]),
        (token(json!({ "name": "a".repeat(254) })), &["spec.webhook.tokenSecretRefs[0].name", "Too long", "253"]),
        (token(json!({ "name": null })), &["spec.webhook.tokenSecretRefs[0].name", "Required"]),
        (token(json!({ "key": "a/b" })), &["spec.webhook.tokenSecretRefs[0].key", "should match"]),
        (token(json!({ "key": "" })), &["spec.webhook.tokenSecretRefs[0].key", "at least 1 chars"]),
        (token(json!({ "key": "a".repeat(254) })), &["spec.webhook.tokenSecretRefs[0].key", "Too long", "253"]),
        (token(json!({ "key": null })), &["spec.webhook.tokenSecretRefs[0].key", "Required"]),
        (json!({ "webhook": {} }), OK),
        (json!({ "webhook": { "management": "Disabled", "tokenSecretRefs": [] } }), OK),
        (json!({ "webhook": { "management": "Disabled", "tokenSecretRefs": tokens(1) } }), FOR_NOTHING),
        (json!({ "webhook": { "tokenSecretRefs": tokens(1) } }), FOR_NOTHING),
        (json!({ "webhook": { "management": "Managed" } }), &["spec.webhook.management: Unsupported value", r#""Manual", "Disabled""#]),
    ];
    try_creations(&place, PROVIDERS, rows).await;
}

#[tokio::test]
async fn a_mapping_makes_a_verdict_possible() {
    let place = Place::new("crd").await;
    const NAMES: &[&str] = &["spec.attributes", "attributes must map first_name and last_name"];
    const COMPARED: &[&str] = &["spec.attributes", "attributes needs at least one Required entry with a comparisonField"];
    const ONCE: &[&str] = &["spec.attributes", "attributes must map each applicantField once"];
    let birthdate = json!({ "name": "birthdate", "applicantField": "dob" });
    let mut rows = vec![
        (mapping(&[]), OK),
        (json!({ "attributes": [] }), &["spec.attributes", "at least 1 items"][..]),
        (json!({ "attributes": [mapping(&[])["attributes"][0]] }), NAMES),
        (first(json!({ "applicantField": "email" })), NAMES),
        (first(json!({ "requirement": "WhenGiven" })), COMPARED),
        (first(json!({ "requirement": null })), COMPARED),
        (first(json!({ "comparisonField": null })), COMPARED),
        (mapping(std::slice::from_ref(&birthdate)), OK),
        (mapping(&[birthdate.clone(), json!({ "name": "dob", "applicantField": "dob" })]), ONCE),
        (
            mapping(&[birthdate.clone(), json!({ "name": "birthdate", "applicantField": "email" })]),
            &["spec.attributes[3]: Duplicate value", "birthdate"],
        ),
        (
            mapping(&[json!({ "name": "iban", "applicantField": "iban" })]),
            &["spec.attributes[2].applicantField: Unsupported value", r#""address.line3""#],
        ),
        (mapping(&[json!({ "name": "x" })]), &["spec.attributes[2].applicantField", "Required"]),
        (first(json!({ "name": null })), &["spec.attributes[0].name", "Required"]),
        (first(json!({ "comparisonField": "dob" })), &["spec.attributes[0].comparisonField: Unsupported value", r#""date_of_birth""#]),
        (first(json!({ "requirement": "Optional" })), &["spec.attributes[0].requirement: Unsupported value", r#""WhenGiven""#]),
        (first(json!({ "name": "given-name.v1_a" })), OK),
        (first(json!({ "name": "a".repeat(63) })), OK),
        (first(json!({ "name": "a".repeat(64) })), &["spec.attributes[0].name", "Too long", "63"]),
        (first(json!({ "name": "" })), &["spec.attributes[0].name", "at least 1 chars"]),
        (first(json!({ "name": "-a" })), &["spec.attributes[0].name", "should match"]),
        (first(json!({ "name": "a b" })), &["spec.attributes[0].name", "should match"]),
        (
            json!({ "attributes": (0..33).map(|n| json!({ "name": format!("a{n}"), "applicantField": "dob" })).collect::<Vec<_>>() }),
            &["spec.attributes", "Too many", "at most 32 items"],
        ),
    ];
    let eight =
        ["first_name", "last_name", "date_of_birth", "gender", "issuing_country", "date_of_expiry", "document_type", "document_numbers"];
    rows.extend(eight.map(|field| (first(json!({ "comparisonField": field })), OK)));
    for requirement in ["Required", "WhenGiven", "Informational"] {
        rows.push((mapping(&[json!({ "name": "email", "applicantField": "email", "requirement": requirement })]), OK));
    }
    let nested = ["location.country_of_residence", "id_numbers.ssn", "phone_number"]; // addresses: `inputs.rs`
    rows.extend(nested.map(|field| (mapping(&[json!({ "name": "more", "applicantField": field })]), OK)));
    try_creations(&place, PROVIDERS, rows).await;
}

#[tokio::test]
async fn a_provider_is_bounded() {
    let place = Place::new("crd").await;
    let path = |path: &str| json!({ "results": { "dataComparisonPath": path } });
    const PATH: &[&str] = &["spec.results.dataComparisonPath", "should match"];
    let rows = vec![
        (path("/data_comparison"), OK),
        (path("/a~1b/0/~0c"), OK),
        (path(""), OK), // the whole output
        (path("data_comparison"), PATH),
        (path("/a~2"), PATH),
        (path(&format!("/{}", "a".repeat(255))), OK),
        (path(&format!("/{}", "a".repeat(256))), &["spec.results.dataComparisonPath", "Too long", "256"][..]),
        (json!({ "rateLimit": { "requestsPerMinute": 10 } }), OK),
        (json!({ "rateLimit": { "requestsPerMinute": 60000 } }), OK),
        (json!({ "rateLimit": { "requestsPerMinute": 9 } }), &["spec.rateLimit.requestsPerMinute", "greater than or equal to 10"]),
        (json!({ "rateLimit": { "requestsPerMinute": 60001 } }), &["spec.rateLimit.requestsPerMinute", "less than or equal to 60000"]),
        (json!({ "rateLimit": { "requestsPerMinute": 1.5 } }), &["spec.rateLimit.requestsPerMinute", "integer"]),
        (json!({ "rateLimit": {} }), &["spec.rateLimit.requestsPerMinute", "Required"]),
        (json!({ "validity": { "duration": "8760h" } }), OK),
        (json!({ "validity": { "duration": "1h30m" } }), OK),
        (json!({ "validity": { "duration": "99999h99999h99999h99999h" } }), OK),
        (json!({ "validity": { "duration": "0h0m" } }), &["spec.validity.duration", "validity.duration must be longer than nothing"]),
        (json!({ "validity": { "duration": "1y" } }), &["spec.validity.duration", "should match"]),
        (json!({ "validity": { "duration": "1.5h" } }), &["spec.validity.duration", "should match"]),
        (json!({ "validity": { "duration": "-1h" } }), &["spec.validity.duration", "should match"]),
        (json!({ "validity": { "duration": "1h1h1h1h1h" } }), &["spec.validity.duration", "should match"]),
        (json!({ "validity": { "duration": 3600 } }), &["spec.validity.duration", "string"]),
        (json!({ "validity": {} }), &["spec.validity.duration", "Required"]),
        (json!({ "personalData": { "inline": "Allow" } }), OK),
        (json!({ "personalData": { "inline": "Forbid" } }), OK),
        (json!({ "personalData": { "inline": "Maybe" } }), &["spec.personalData.inline: Unsupported value", r#""Forbid", "Allow""#]),
    ];
    try_creations(&place, PROVIDERS, rows).await;
}
