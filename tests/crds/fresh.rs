//! An object that no operator has seen: it is not finished, and nobody can pretend that it is.

use serde_json::{Value, json};

use super::{PROVIDERS, Place, VERIFICATIONS, spec};

/// What a user might hope to get away with.
fn finished() -> Value {
    json!({
        "phase": "Approved",
        "conditions": [{ "type": "Ready", "status": "True", "reason": "Succeeded", "lastTransitionTime": "2026-01-01T00:00:00Z" }],
    })
}

#[tokio::test]
async fn a_fresh_object_waits_for_the_operator() {
    let place = Place::new("crd").await;
    for plural in [PROVIDERS, VERIFICATIONS] {
        let fresh = place.create(plural, "fresh", &spec(plural, json!({}))).await;
        let read = place.api(plural).get("fresh").await.unwrap();
        for status in [&fresh.data["status"], &read.data["status"]] {
            let [ready] = &status["conditions"].as_array().unwrap()[..] else { panic!("{status}") };
            assert_eq!([&ready["type"], &ready["status"], &ready["reason"]], ["Ready", "Unknown", "Pending"], "{plural}");
            assert_eq!(status["observedGeneration"], Value::Null);
        }
        assert_eq!(read.data["status"]["phase"], if plural == PROVIDERS { Value::Null } else { json!("Pending") });
    }
}

#[tokio::test]
async fn a_status_sent_with_a_new_object_is_dropped() {
    let place = Place::new("crd").await;
    for plural in [PROVIDERS, VERIFICATIONS] {
        let mut object = super::object(plural, "pretends", &spec(plural, json!({})));
        object["status"] = finished();
        let object = serde_json::from_value(object).unwrap();
        let created = place.api(plural).create(&Default::default(), &object).await.unwrap();
        assert_eq!(created.data["status"]["conditions"][0]["status"], "Unknown", "{plural}");
        // And not by an update of the object either.
        let patch = kube::api::Patch::Merge(json!({ "status": finished() }));
        let patched = place.api(plural).patch("pretends", &Default::default(), &patch).await.unwrap();
        assert_eq!(patched.data["status"]["conditions"][0]["status"], "Unknown", "{plural}");
    }
}

#[tokio::test]
async fn nobody_who_waits_takes_a_fresh_object_for_ready() {
    let place = Place::new("crd").await;
    for plural in [PROVIDERS, VERIFICATIONS] {
        place.create(plural, "fresh", &spec(plural, json!({}))).await;
        let said = place.kubectl(&["wait", "--for=condition=Ready", "--timeout=1s", &format!("{plural}/fresh")]).await.unwrap_err();
        assert!(said.contains("timed out waiting for the condition"), "{said}");
        // The same command sees the difference.
        place.set_status(plural, "fresh", &json!({ "conditions": finished()["conditions"] })).await;
        place.kubectl(&["wait", "--for=condition=Ready", "--timeout=10s", &format!("{plural}/fresh")]).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_left_out_reads_as_its_default() {
    let place = Place::new("crd").await;
    let read = place.create(PROVIDERS, "fresh", &spec(PROVIDERS, json!({}))).await.data["spec"].clone();
    let defaults = [
        ("/allowedNamespaces/from", json!("Same")),
        ("/webhook/management", json!("Disabled")),
        ("/results/dataComparisonPath", json!("/data_comparison")),
        ("/personalData/inline", json!("Forbid")),
        ("/suspend", json!(false)),
    ];
    for (path, default) in defaults {
        assert_eq!(read.pointer(path), Some(&default), "{path}");
    }
    // Not in the schema: a default list would be merged with the user's own by server-side apply.
    assert_eq!(read.get("attributes"), None);
    assert_eq!(read.get("rateLimit"), None);
    assert_eq!(read.get("validity"), None);
    let read = place.create(VERIFICATIONS, "fresh", &spec(VERIFICATIONS, json!({}))).await.data["spec"].clone();
    assert_eq!([&read["attempt"], &read["submittedAttempt"]], [&json!(1), &json!(0)]);
    assert_eq!([&read["suspend"], &read["cancelled"]], [&json!(false), &json!(false)]);
    let mut given = json!({ "webhook": { "management": "Manual", "tokenSecretRefs": [{ "name": "w", "key": "t" }] }, "results": {} });
    given["attributes"] = json!([
        { "name": "a", "applicantField": "first_name", "comparisonField": "first_name", "requirement": "Required" },
        { "name": "b", "applicantField": "last_name" },
    ]);
    let read = place.create(PROVIDERS, "given", &spec(PROVIDERS, given)).await.data["spec"].clone();
    assert_eq!(read["webhook"]["management"], "Manual");
    assert_eq!(read["attributes"][1]["requirement"], "WhenGiven");
    assert_eq!(read["results"]["dataComparisonPath"], "/data_comparison");
}
