//! What a verification gives the vendor beside the person's name: the vendor's own account of what arrived, and what stands in the way.

use onfido_operator::{
    api::{ConditionType as C, IdentityVerification, find_condition},
    key::Key,
    simulator::admin::{AccountSetting, Operation, RunView},
};
use serde_json::{Value, json};

use crate::support::operator::{Scene, WORKFLOW};

/// Another workflow of the account.
const OTHER: &str = "11111111-2222-4333-8444-555555555555";
/// In every value that must not show.
const CANARY: &str = "Canary";

/// A scene whose account has both workflows, with changes to the provider.
async fn scene(word: &str, provider: Value) -> Scene {
    let scene = Scene::with(word, provider).await;
    let workflows = vec![WORKFLOW.into(), OTHER.into()];
    let account = AccountSetting { workflows, ..AccountSetting::new(&scene.account, &scene.api_token(), WORKFLOW) };
    scene.simulator.account(&account).await.unwrap();
    scene
}

/// The one run of the account, as the vendor knows it.
async fn the_run(scene: &Scene) -> RunView {
    let runs = scene.simulator.runs(Some(&scene.account), None).await.unwrap();
    let [run] = &runs[..] else { panic!("{runs:?}") };
    run.clone()
}

/// What the vendor keeps of a verification's applicant.
async fn applicant(scene: &Scene, object: &IdentityVerification) -> Value {
    let id = object.status.as_ref().unwrap().applicant_id.clone().unwrap();
    let request = reqwest::Client::new().get(format!("{}/v3.6/applicants/{id}", scene.simulator.base()));
    let answer = request.header("authorization", format!("Token token={}", scene.api_token())).send().await.unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

async fn posts(scene: &Scene) -> [usize; 2] {
    [scene.ledger(Operation::CreateApplicant).await.len(), scene.ledger(Operation::CreateWorkflowRun).await.len()]
}

async fn ready(scene: &Scene, name: &str) -> IdentityVerification {
    scene.until_condition(name, C::CaptureReady, "True", "AwaitingInput").await
}

/// Refused for this reason in these words; no value shows.
async fn refused(scene: &Scene, name: &str, reason: &str, words: &str) {
    let object = scene.until_condition(name, C::Accepted, "False", reason).await;
    let status = object.status.unwrap();
    let said = &find_condition(&status.conditions, C::Accepted).unwrap().message;
    assert!(said.contains(words), "{words:?} is not in {said:?}");
    assert!(!serde_json::to_string(&status).unwrap().contains(CANARY), "{name}");
}

#[tokio::test]
async fn workflow_tags_and_custom_data_reach_the_vendor() {
    let scene = scene("inputs", json!({ "allowedWorkflowIDs": [OTHER.to_uppercase()] })).await;
    scene.secret("first", Some("custom-data"), &[("plan", "lost"), ("city", "Nowhere\n")]).await;
    scene.secret("second", Some("custom-data"), &[("plan", "overruled"), ("code", "007")]).await;
    let spec = json!({
        "workflowID": OTHER, "tags": ["order-4711", "shop: west"],
        "customData": { "age": 18, "height": 1.5, "is_employed": false, "plan": "gold" },
        "customDataFrom": [{ "secretRef": { "name": "first" } }, { "secretRef": { "name": "second" } }],
    });
    scene.verification("person", spec).await;
    let object = ready(&scene, "person").await;
    let run = the_run(&scene).await;
    let own = Key::of_uid(object.metadata.uid.as_deref().unwrap()).tag(1);
    assert_eq!(run.tags, [own.as_str(), "order-4711", "shop: west"]);
    assert_eq!((run.workflow_id.as_str(), run.customer_user_id.as_deref()), (OTHER, Some("person")));
    let sent = json!({ "age": 18, "height": 1.5, "is_employed": false, "plan": "gold", "city": "Nowhere", "code": "007" });
    assert_eq!(run.custom_data, sent);
    // A run of the other workflow is ours too.
    scene.decide(&run.id, "approved", json!({})).await;
    scene.until_condition("person", C::Verified, "True", "Verified").await;
}

#[tokio::test]
async fn the_example_does_what_it_says() {
    let scene = Scene::with("example", json!({})).await;
    let yaml = std::fs::read_to_string(crate::crds::file("examples/custom-data.yaml")).unwrap();
    let here = ["shop", "identity"].iter().fold(yaml, |yaml, old| {
        let yaml = yaml.replace(&format!("namespace: {old} }}"), &format!("namespace: {} }}", scene.namespace));
        yaml.replace(&format!("\n  namespace: {old}\n"), &format!("\n  namespace: {}\n", scene.namespace))
    });
    let plane = &crate::support::operator::stage().await.control_plane;
    let done = plane.kubectl_as(onfido_operator::dev::ADMIN, &["apply", "-f", "-"], Some(here.as_bytes())).await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    ready(&scene, "user-4712").await;
    let run = the_run(&scene).await;
    let sent = json!({ "plan": "gold", "age_limit": 18, "returning": false, "document_number": "X0000000" });
    assert_eq!((run.custom_data, &run.tags[2..]), (sent, &["shop-west".to_owned(), "order-4712".to_owned()][..]));
}

#[tokio::test]
async fn without_inputs_none_are_sent() {
    let scene = scene("no-inputs", json!({})).await;
    scene.awaiting("person", json!({ "customData": {} })).await;
    let run = the_run(&scene).await;
    assert_eq!((run.tags.len(), run.workflow_id.as_str(), &run.custom_data), (1, WORKFLOW, &Value::Null));
    assert_eq!(scene.ledger(Operation::ListWorkflowRuns).await.len(), 0);
}

#[tokio::test]
async fn a_workflow_waits_until_the_provider_allows_it() {
    let scene = scene("workflow", json!({})).await;
    scene.verification("person", json!({ "workflowID": OTHER })).await;
    refused(&scene, "person", "WorkflowNotAllowed", "the provider does not allow the workflow in spec.workflowID").await;
    assert_eq!(posts(&scene).await, [0, 0]);
    let unknown = "99999999-2222-4333-8444-555555555555";
    let patch = kube::api::Patch::Merge(json!({ "spec": { "allowedWorkflowIDs": [OTHER, unknown] } }));
    scene.providers().patch("onfido", &Default::default(), &patch).await.unwrap();
    ready(&scene, "person").await;
    assert_eq!(the_run(&scene).await.workflow_id, OTHER);
    // One that only the account does not know.
    scene.verification("mistaken", json!({ "workflowID": unknown })).await;
    let object = scene.until_condition("mistaken", C::Submitted, "False", "RequestRefused").await;
    let said = find_condition(&object.status.unwrap().conditions, C::Submitted).unwrap().message.clone();
    assert!(said.contains("fields workflow_id"), "{said}");
    // The applicant is there, and is used once the workflow is right.
    scene.patch("mistaken", json!({ "workflowID": null })).await;
    ready(&scene, "mistaken").await;
    assert_eq!(posts(&scene).await, [2, 3]);
}

#[tokio::test]
async fn custom_data_that_cannot_be_sent_is_named_and_nothing_is_begun() {
    let scene = scene("custom", json!({})).await;
    let from = |secret: &str| json!({ "customDataFrom": [{ "secretRef": { "name": secret } }] });
    scene.secret("mislabelled", Some("attributes"), &[("code", CANARY)]).await;
    scene.secret("large", Some("custom-data"), &[("code", &CANARY.repeat(3_000))]).await;
    let label = "missing or not labelled onfido-operator.dev/use: custom-data";
    for (name, reason, words) in [
        ("absent", "SecretNotFound", label),
        ("mislabelled", "SecretNotFound", label),
        ("large", "CustomDataInvalid", "the custom data is larger than 16 KiB"),
    ] {
        scene.verification(&format!("of-{name}"), from(name)).await;
        refused(&scene, &format!("of-{name}"), reason, words).await;
    }
    let mut bytes: k8s_openapi::api::core::v1::Secret = Default::default();
    bytes.metadata.name = Some("bytes".into());
    bytes.metadata.labels = Some([("onfido-operator.dev/use".to_owned(), "custom-data".to_owned())].into());
    bytes.data = Some([("code".to_owned(), k8s_openapi::ByteString(b"Canary\xff".to_vec()))].into());
    scene.secrets().create(&Default::default(), &bytes).await.unwrap();
    scene.verification("of-bytes", from("bytes")).await;
    refused(&scene, "of-bytes", "CustomDataInvalid", "the custom data's code is no text").await;
    assert_eq!(posts(&scene).await, [0, 0]);
    for name in ["absent", "mislabelled", "large", "bytes"] {
        scene.secrets().delete(name, &Default::default()).await.ok();
        scene.secret(name, Some("custom-data"), &[("code", "007")]).await;
        ready(&scene, &format!("of-{name}")).await;
    }
    let runs = scene.simulator.runs(Some(&scene.account), None).await.unwrap();
    assert!(runs.len() == 4 && runs.iter().all(|run| run.custom_data == json!({ "code": "007" })));
}

/// Every field of the vendor's applicant, from the keys of one Secret.
const FIELDS: [(&str, &str, &str); 22] = [
    ("first", "first_name", "Invented"),
    ("last", "last_name", "Person"),
    ("born", "dob", "1990-01-01"),
    ("mail", "email", "person@invented.example"),
    ("phone", "phone_number", "+1 000 000 0000"),
    ("flat", "address.flat_number", "1a"),
    ("number", "address.building_number", "12"),
    ("house", "address.building_name", "Nowhere House"),
    ("street", "address.street", "No Street"),
    ("lane", "address.sub_street", "No Lane"),
    ("town", "address.town", "Notown"),
    ("state", "address.state", "CA"),
    ("zip", "address.postcode", "00000"),
    ("country", "address.country", "USA"),
    ("line1", "address.line1", "One"),
    ("line2", "address.line2", "Two"),
    ("line3", "address.line3", "Three"),
    ("residence", "location.country_of_residence", "USA"),
    ("ip", "location.ip_address", "192.0.2.1"),
    ("ssn", "id_numbers.ssn", "000-00-0000"),
    ("licence", "id_numbers.driving_license", "D0000"),
    ("licence-state", "id_numbers.driving_license.state_code", "CA"),
];

fn mapping() -> Value {
    let compared = |field: &str| matches!(field, "first_name" | "last_name");
    let entry = |(name, field, _): &(&str, &str, &str)| {
        let mut entry = json!({ "name": name, "applicantField": field });
        if compared(field) {
            entry["comparisonField"] = json!(field);
            entry["requirement"] = json!("Required");
        }
        entry
    };
    json!({ "attributes": FIELDS.iter().map(entry).collect::<Vec<_>>() })
}

/// A person's Secret with some keys replaced or, without a value, taken out.
async fn person(scene: &Scene, name: &str, changes: &[(&str, Option<&str>)]) {
    let changed = |key: &str| changes.iter().find(|(of, _)| *of == key).map(|(_, value)| *value);
    let values = FIELDS.iter().filter_map(|(key, _, value)| Some((*key, changed(key).unwrap_or(Some(value))?)));
    scene.secret(name, Some("attributes"), &values.collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn every_field_of_an_applicant_can_be_sent() {
    let scene = scene("fields", mapping()).await;
    person(&scene, "all-of-it", &[]).await;
    scene.verification("person", json!({ "attributesFrom": [{ "secretRef": { "name": "all-of-it" } }] })).await;
    let sent = applicant(&scene, &ready(&scene, "person").await).await;
    for (_, field, value) in FIELDS.iter().filter(|(_, field, _)| !field.starts_with("id_numbers")) {
        assert_eq!(sent.pointer(&format!("/{}", field.replace('.', "/"))), Some(&json!(value)), "{field}");
    }
    let numbers = json!([{ "type": "driving_license", "value": "D0000", "state_code": "CA" }, { "type": "ssn", "value": "000-00-0000" }]);
    assert_eq!(sent["id_numbers"], numbers);
}

#[tokio::test]
async fn an_address_that_cannot_be_sent_is_named_and_heals() {
    let scene = scene("address", mapping()).await;
    type Changes = &'static [(&'static str, Option<&'static str>)];
    let cases: [(&str, Changes, &str, &str); 4] = [
        ("no-zip", &[("zip", None)], "AttributeMissing", "attribute zip is required and not given"),
        ("no-country", &[("country", None)], "AttributeMissing", "attribute country is required and not given"),
        ("state", &[("state", Some("Canary"))], "AttributeInvalid", "attribute state is not the two-letter code"),
        ("licence", &[("licence", None)], "AttributeMissing", "attribute licence is required and not given"),
    ];
    for (name, changes, reason, words) in cases {
        person(&scene, &format!("of-{name}"), changes).await;
        scene.verification(name, json!({ "attributesFrom": [{ "secretRef": { "name": format!("of-{name}") } }] })).await;
        refused(&scene, name, reason, words).await;
    }
    assert_eq!(posts(&scene).await, [0, 0]);
    for (name, ..) in cases {
        person(&scene, &format!("of-{name}"), &[]).await;
        ready(&scene, name).await;
    }
    // A country's code that only the vendor knows to be none.
    person(&scene, "of-nowhere", &[("country", Some("XXX"))]).await;
    scene.verification("nowhere", json!({ "attributesFrom": [{ "secretRef": { "name": "of-nowhere" } }] })).await;
    let object = scene.until_condition("nowhere", C::Submitted, "False", "RequestRefused").await;
    let said = find_condition(&object.status.unwrap().conditions, C::Submitted).unwrap().message.clone();
    assert!(said.contains("address") && !said.contains("XXX"), "{said}");
}

#[tokio::test]
async fn one_idempotency_key_is_one_run() {
    let scene = scene("one-key", json!({})).await;
    scene.verification("first", json!({ "idempotencyKey": "order-1" })).await;
    ready(&scene, "first").await;
    let run = the_run(&scene).await;
    assert_eq!(run.tags[0], Key::of_idempotency_key(&scene.namespace, "order-1").tag(1));
    assert!(run.tags.len() == 2 && run.tags[1].starts_with("onfido-operator.sent."), "{:?}", run.tags);
    assert_eq!(scene.ledger(Operation::ListWorkflowRuns).await.len(), 1, "it looked first, young as it was");

    scene.verification("second", json!({ "idempotencyKey": "order-1" })).await;
    refused(&scene, "second", "IdempotencyKeyInUse", "IdentityVerification first has the same idempotencyKey and had it first").await;
    assert_eq!(posts(&scene).await, [1, 1]);
    // The other one goes; the next pass of the other finds its run.
    scene.verifications().delete("first", &Default::default()).await.unwrap();
    scene.patch("second", json!({ "tags": ["again"] })).await;
    let object = ready(&scene, "second").await;
    assert_eq!(object.status.unwrap().workflow_run_id, Some(run.id.clone()));
    assert_eq!(posts(&scene).await, [1, 1]);
    // A delivery finds it by the key's tag as well as by the run.
    scene.decide(&run.id, "approved", json!({})).await;
    scene.until_condition("second", C::Verified, "True", "Verified").await;
}
