//! What the API server refuses of the vendor's inputs, each rule both ways.

use serde_json::{Value, json};

use super::{OK, PROVIDERS, Place, VERIFICATIONS, try_changes, try_creations};

const OTHER: &str = "11111111-2222-4333-8444-555555555555";

fn tags(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("tag-{n}")).collect()
}

#[tokio::test]
async fn tags_are_the_vendors_and_none_looks_like_ours() {
    let place = Place::new("crd").await;
    let one = |tag: &str| json!({ "tags": [tag] });
    const OURS: &[&str] = &["spec.tags", "tags must not begin with onfido-operator.: the operator finds its own runs by such tags"];
    const FORM: &[&str] = &["spec.tags[0]", "should match"];
    let mut rows = vec![
        (json!({ "tags": [] }), OK),
        (json!({ "tags": tags(29) }), OK),
        (json!({ "tags": tags(30) }), &["spec.tags", "Too many", "at most 29 items"][..]),
        (one("Order 4711: \u{e4}/#"), OK),
        (one("x"), OK),
        (one(&"x".repeat(128)), OK),
        (one(&"x".repeat(129)), &["spec.tags[0]", "Too long", "128"]),
        (one(""), &["spec.tags[0]", "at least 1 chars"]),
        (json!({ "tags": ["a", "a"] }), &["spec.tags[1]: Duplicate value"]),
        (json!({ "tags": [1] }), &["spec.tags[0]", "string"]),
        (one("onfido-operator"), OK),
        (one("x-onfido-operator.y"), OK),
        (one("onfido-operator.00000000000000000000000000000000.1"), OURS),
        (one("onfido-operator.sent.00000000000000000000000000000000"), OURS),
        (one("Onfido-OPERATOR.x"), OURS),
        (json!({ "tags": ["fine", "onfido-operator."] }), OURS),
    ];
    // What a reader could take apart, or trim, into one of ours.
    for bad in ["a,onfido-operator.x.1", " onfido-operator.x", "\u{a0}onfido-operator.x", "a ", "\t", "a\nb", ","] {
        rows.push((one(bad), FORM));
    }
    try_creations(&place, VERIFICATIONS, rows).await;
    let rows = vec![(one("b"), OK), (json!({ "tags": null }), OK), (one("onfido-operator.x"), OURS)];
    try_changes(&place, VERIFICATIONS, one("a"), rows).await;
}

#[tokio::test]
async fn workflows_are_uuids() {
    let place = Place::new("crd").await;
    let rows = vec![
        (json!({ "workflowID": OTHER }), OK),
        (json!({ "workflowID": "5C1D9B0E-6F0E-4C52-9D3F-0F5F0A3C9B11" }), OK),
        (json!({ "workflowID": "" }), &["spec.workflowID", "should match"][..]),
        (json!({ "workflowID": "the-other" }), &["spec.workflowID", "should match"]),
        (json!({ "workflowID": format!("{OTHER}0") }), &["spec.workflowID", "Too long", "36"]),
    ];
    try_creations(&place, VERIFICATIONS, rows).await;
    let many = |count: usize| json!({ "allowedWorkflowIDs": (0..count).map(|n| format!("{n:08}{}", &OTHER[8..])).collect::<Vec<_>>() });
    let rows = vec![
        (json!({ "allowedWorkflowIDs": [] }), OK),
        (json!({ "allowedWorkflowIDs": [OTHER] }), OK),
        (many(32), OK),
        (many(33), &["spec.allowedWorkflowIDs", "Too many", "at most 32 items"][..]),
        (json!({ "allowedWorkflowIDs": [OTHER, OTHER] }), &["spec.allowedWorkflowIDs[1]: Duplicate value"]),
        (json!({ "allowedWorkflowIDs": ["any"] }), &["spec.allowedWorkflowIDs[0]", "should match"]),
        (json!({ "allowedWorkflowIDs": [format!("{OTHER}0")] }), &["spec.allowedWorkflowIDs[0]", "Too long", "36"]),
    ];
    try_creations(&place, PROVIDERS, rows).await;
}

#[tokio::test]
async fn an_address_is_mapped_whole() {
    let place = Place::new("crd").await;
    let mapping = |fields: &[&str]| {
        let mut all = vec![
            json!({ "name": "given_name", "applicantField": "first_name", "comparisonField": "first_name", "requirement": "Required" }),
            json!({ "name": "family_name", "applicantField": "last_name" }),
        ];
        all.extend(fields.iter().enumerate().map(|(n, field)| json!({ "name": format!("a{n}"), "applicantField": field })));
        json!({ "attributes": all })
    };
    const WHOLE: &[&str] =
        &["spec.attributes", "attributes must map address.country and address.postcode where they map any address field"];
    let rows = vec![
        (mapping(&["address.country", "address.postcode"]), OK),
        (mapping(&["address.street", "address.state", "address.country", "address.postcode"]), OK),
        (mapping(&["address.state"]), WHOLE),
        (mapping(&["address.country"]), WHOLE),
        (mapping(&["address.postcode", "address.line1"]), WHOLE),
        (mapping(&["location.country_of_residence", "id_numbers.ssn"]), OK),
        (mapping(&["id_numbers.driving_license", "id_numbers.driving_license.state_code"]), OK),
        (mapping(&["id_numbers"]), &["spec.attributes[2].applicantField: Unsupported value"][..]),
        (mapping(&["address"]), &["spec.attributes[2].applicantField: Unsupported value"]),
    ];
    try_creations(&place, PROVIDERS, rows).await;
}

#[tokio::test]
async fn custom_data_is_flat_and_bounded() {
    let place = Place::new("crd").await;
    let data = |data: Value| json!({ "customData": data });
    let many = |count: usize| data((0..count).map(|n| (format!("k{n}"), json!(n))).collect::<serde_json::Map<_, _>>().into());
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    const VALUE: &[&str] = &["spec.customData.a"];
    let rows = vec![
        (data(json!({})), OK),
        (data(json!({ "age": 18, "height": 1.5, "is_employed": false, "plan": "gold", "none": "", "less": -1 })), OK),
        (many(32), OK),
        (many(33), &["spec.customData", "Too many", "at most 32 items"][..]),
        (data(json!({ "a": "x".repeat(4096) })), OK),
        (data(json!({ "a": "x".repeat(4097) })), VALUE),
        (data(json!({ "a": {} })), VALUE),
        (data(json!({ "a": { "b": 1 } })), VALUE),
        (data(json!({ "a": [] })), VALUE),
        (data(json!({ "a": [1] })), VALUE),
        (data(json!({ "a": deep })), VALUE),
        (data(json!([])), &["spec.customData", "object"]),
        (data(json!("a")), &["spec.customData", "object"]),
    ];
    try_creations(&place, VERIFICATIONS, rows).await;
    let from = |count: usize| json!({ "customDataFrom": (0..count).map(|n| json!({ "secretRef": { "name": format!("s{n}") } })).collect::<Vec<_>>() });
    let rows = vec![
        (from(4), OK),
        (from(5), &["spec.customDataFrom", "Too many", "at most 4 items"][..]),
        (from(0), &["spec.customDataFrom", "at least 1 items"]),
        (json!({ "customDataFrom": [{}] }), &["spec.customDataFrom[0].secretRef", "Required"]),
        (json!({ "customDataFrom": [{ "secretRef": {} }] }), &["spec.customDataFrom[0].secretRef.name", "Required"]),
        (json!({ "customDataFrom": [{ "secretRef": { "name": "../x" } }] }), &["spec.customDataFrom[0].secretRef.name", "should match"]),
        (json!({ "customDataFrom": [{ "secretRef": { "name": "" } }] }), &["spec.customDataFrom[0].secretRef.name", "at least 1 chars"]),
        (
            json!({ "customDataFrom": [{ "secretRef": { "name": "a".repeat(254) } }] }),
            &["spec.customDataFrom[0].secretRef.name", "Too long", "253"],
        ),
    ];
    try_creations(&place, VERIFICATIONS, rows).await;
}

/// A null is no value: it is taken out before it is stored, or refused; an object that holds one could not be read back.
#[tokio::test]
async fn custom_data_holds_no_null() {
    let place = Place::new("crd").await;
    let answer = place.try_create(VERIFICATIONS, &super::spec(VERIFICATIONS, json!({}))).await.unwrap();
    assert!(answer["spec"].get("customData").is_none());
    let mut spec = super::spec(VERIFICATIONS, json!({}));
    spec["customData"] = json!({ "a": null, "b": 1 });
    match place.try_create(VERIFICATIONS, &spec).await {
        Ok(stored) => assert_eq!(stored["spec"]["customData"], json!({ "b": 1 })),
        Err(said) => assert!(said.contains("spec.customData.a"), "{said}"),
    }
}

#[tokio::test]
async fn an_idempotency_key_is_for_good() {
    let place = Place::new("crd").await;
    let key = |key: Value| json!({ "idempotencyKey": key });
    let rows = vec![
        (key(json!("k")), OK),
        (key(json!("k".repeat(128))), OK),
        (key(json!("k".repeat(129))), &["spec.idempotencyKey", "Too long", "128"][..]),
        (key(json!("")), &["spec.idempotencyKey", "at least 1 chars"]),
        (key(json!(1)), &["spec.idempotencyKey", "string"]),
        (json!({ "idempotencyKey": "k", "tags": tags(28) }), OK),
        (json!({ "idempotencyKey": "k", "tags": tags(29) }), &["at most 28 tags beside an idempotencyKey"]),
    ];
    try_creations(&place, VERIFICATIONS, rows).await;
    const IMMUTABLE: &[&str] = &["spec", "idempotencyKey is immutable: the run could not be found any more"];
    let rows =
        vec![(key(json!("other")), IMMUTABLE), (key(json!(null)), IMMUTABLE), (json!({ "idempotencyKey": "k", "suspend": true }), OK)];
    try_changes(&place, VERIFICATIONS, key(json!("k")), rows).await;
    try_changes(&place, VERIFICATIONS, json!({}), vec![(key(json!("k")), IMMUTABLE), (json!({ "suspend": true }), OK)]).await;
}
