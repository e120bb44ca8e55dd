//! Names and secrets driven through lives that go well and lives that do not, at the most talkative settings there are: they are in no log,
//! Event, metric or status, and not on the operator's command line or in its environment.

mod debug;
mod erased;
pub mod needles;

use std::time::Duration;

use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::{Event, Secret},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use onfido_operator::{
    api::{ConditionType, IdentityVerification, Phase},
    dev::ControlPlane,
    simulator::admin::{self, Craft, Fault, FaultKind, Operation},
};
use serde_json::{Value, json};

use self::needles::{Needle, none_in};
use crate::support::{
    control_plane::control_plane,
    operator::{Operator, PATIENCE, Run, Scene, WORKFLOW, install},
};

const FIRST: &str = "Quetz\u{e1}lina Ixchel";
const LAST: &str = "Canarybird-Ocelotl";
const BORN: &str = "1937-11-29";
const EMAIL: &str = "ixchel+canary@invented.example";
const API_TOKEN: &str = "api_sandbox.canary-of-the-api-token";
const HOOK_TOKEN: &str = "canary-of-the-webhook-token";
/// Custom data, from a Secret and from a spec.
const NICKNAME: &str = "Tlacuilo the Opossum";
const MOTTO: &str = "never-trust-a-canary";
/// What the document said, which the workflow's author passes on.
const ON_DOCUMENT: &str = "Chachalaca Guacamaya";

#[tokio::test]
async fn nobody_is_named_and_no_secret_told_in_text_logs() {
    nothing_leaks("text").await;
}

#[tokio::test]
async fn nobody_is_named_and_no_secret_told_in_json_logs() {
    nothing_leaks("json").await;
}

fn known() -> Vec<Needle> {
    vec![
        Needle::new("first name", FIRST),
        Needle::new("last name", LAST),
        Needle::new("birth date", BORN),
        Needle::new("email", EMAIL),
        Needle::new("custom data", NICKNAME),
        Needle::new("custom data of a spec", MOTTO),
        Needle::new("API token", API_TOKEN),
        Needle::new("webhook token", HOOK_TOKEN),
        Needle::new("what the document said", ON_DOCUMENT),
        Needle::new("a panic's message", onfido_operator::pause::PANIC),
    ]
}

async fn nothing_leaks(format: &'static str) {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "redaction").await;
    let settings = Run {
        watch: vec![scene.namespace.clone()],
        log_level: "trace",
        args: vec!["--log-format".into(), format.into()],
        env: vec![("RUST_LOG".into(), "trace".into()), ("RUST_BACKTRACE".into(), "full".into())],
        ..Run::default()
    };
    let operator = Operator::start(control_plane, &settings).await;
    account(&scene, &operator).await;
    let mark = control_plane.audit_mark().await.unwrap();

    let mut needles = known();
    needles.extend(well(&scene, "well").await);
    needles.push(renewed(&scene, "renewed").await);
    needles.extend(linked(&scene, "linked").await);
    erased::owed(&scene, "owed", &needles).await;
    refused_by_the_vendor(&scene).await;
    garbage(&scene).await;
    refused_by_us(&scene).await;
    strange_deliveries(&scene, &operator).await;
    refused_by_the_api_server(&scene, &operator, control_plane).await;
    let panicked = panic(&scene, operator, &settings, control_plane, &needles).await;

    let logged = panicked.logged();
    assert!(logged.contains("panicked"), "what was to go wrong did not:\n{logged}");
    let metrics = reqwest::get(format!("{}/metrics", panicked.health)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("onfido_operator_vendor_calls_total"));
    check_process(&needles, &panicked);
    none_in(&needles, "the metrics", &metrics);
    let events = Api::<Event>::namespaced(scene.client.clone(), &scene.namespace).list(&ListParams::default()).await.unwrap();
    assert!(!events.items.is_empty());
    none_in(&needles, "the Events", &serde_json::to_string(&events.items).unwrap());
    let asked = control_plane.audit_since(mark).await.unwrap();
    let asked: Vec<_> = asked.iter().filter(|entry| entry.user_agent.starts_with("onfido-operator/")).collect();
    assert!(!asked.is_empty());
    none_in(&needles, "what the API server was asked", &format!("{asked:?}"));
    // The dashboard's address is in the status by design, and nowhere else.
    let known_in_status = |needle: &&Needle| needle.name != "dashboard";
    let needles: Vec<_> = needles.iter().filter(known_in_status).cloned().collect();
    statuses(&needles, scene.verifications()).await;
    statuses(&needles, scene.providers()).await;
}

fn check_process(needles: &[Needle], operator: &Operator) {
    none_in(needles, "the log", &operator.logged());
    for file in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{}/{file}", operator.child.id())).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains(if file == "environ" { "RUST_LOG=trace" } else { "--log-level" }), "{text}");
        none_in(needles, file, &text);
    }
}

/// Everything of each object but the spec, which users write.
async fn statuses<K>(needles: &[Needle], api: Api<K>)
where
    K: Resource + Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let objects = api.list(&ListParams::default()).await.unwrap();
    assert!(!objects.items.is_empty());
    for object in objects {
        let name = object.name_any();
        let mut object = serde_json::to_value(object).unwrap();
        object.as_object_mut().unwrap().remove("spec");
        none_in(needles, &format!("the object {name} without its spec"), &object.to_string());
    }
}

/// An account and a provider with tokens that are not named after the test.
async fn account(scene: &Scene, operator: &Operator) {
    let setting = admin::AccountSetting { tokens: vec![token(scene)], ..admin::AccountSetting::new(&scene.account, "", WORKFLOW) };
    scene.simulator.account(&setting).await.unwrap();
    scene.secret("onfido-api", Some("credentials"), &[("token", &token(scene))]).await;
    scene.secret("onfido-webhook", Some("webhook"), &[("token", HOOK_TOKEN)]).await;
    let url = format!("{}/webhooks/{}", operator.webhook, scene.provider);
    let webhook = admin::Webhook { url, token: HOOK_TOKEN.into(), enabled: true, drop: false };
    scene.simulator.webhooks(&scene.account, &[webhook]).await.unwrap();
    scene.provider(json!({ "personalData": { "inline": "Allow" } })).await;
    scene.until_provider("onfido", ConditionType::Ready, "True", "Succeeded").await;
}

/// The account's own: a token opens one account.
fn token(scene: &Scene) -> String {
    format!("{API_TOKEN}.{}", scene.namespace)
}

/// A verification of the canary, by Secret or inline.
async fn canary(scene: &Scene, name: &str, inline: bool) {
    let values = [("given_name", FIRST), ("family_name", LAST), ("birthdate", BORN), ("email", EMAIL)];
    scene.secret("inputs", Some("custom-data"), &[("nickname", NICKNAME)]).await;
    if inline {
        let attributes: Vec<_> = values.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        create(scene, name, json!({ "attributes": attributes, "customData": { "motto": MOTTO } })).await;
    } else {
        scene.secret(name, Some("attributes"), &values).await;
        let inputs = json!([{ "secretRef": { "name": "inputs" } }]);
        let from = json!([{ "secretRef": { "name": name } }]);
        let spec = json!({ "attributesFrom": from, "customDataFrom": inputs, "customData": { "motto": MOTTO }, "idempotencyKey": name });
        create(scene, name, spec).await;
    }
}

async fn create(scene: &Scene, name: &str, mut spec: Value) {
    spec["providerRef"] = json!({ "name": "onfido" });
    spec["subject"] = json!(name);
    let object =
        json!({ "apiVersion": "onfido-operator.dev/v1alpha1", "kind": "IdentityVerification", "metadata": { "name": name }, "spec": spec });
    let object: IdentityVerification = serde_json::from_value(object).unwrap();
    scene.verifications().create(&PostParams::default(), &object).await.unwrap();
}

/// To the verdict. Brings what only the vendor knows: SDK token, link and dashboard.
async fn well(scene: &Scene, name: &str) -> Vec<Needle> {
    canary(scene, name, false).await;
    scene.until_condition(name, ConditionType::CaptureReady, "True", "AwaitingInput").await;
    let run = scene.run_of(name).await;
    let asked = reqwest::Client::new().get(format!("{}/v3.6/workflow_runs/{run}", scene.simulator.base()));
    let answer = asked.header("authorization", format!("Token token={}", token(scene))).send().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let needle = |name, value: &Value| Needle::new(name, value.as_str().unwrap());
    let sdk_token = answer["sdk_token"].as_str().unwrap();
    let needles = vec![
        needle("SDK token", &answer["sdk_token"]),
        Needle::new("signature of the SDK token", sdk_token.rsplit('.').next().unwrap()),
        needle("link", &answer["link"]["url"]),
        needle("dashboard", &answer["dashboard_url"]),
    ];
    scene.finalize(name).await;
    let comparison = json!({ "first_name": "clear", "last_name": "clear", "date_of_birth": "clear" });
    scene.decide(&run, ON_DOCUMENT, comparison).await; // a status that is no word
    let output = json!({ "data_comparison": {
        "first_name": { "result": "clear", "properties": { "document": ON_DOCUMENT, "applicant": FIRST } },
        "last_name": { "result": "clear", "properties": { "document": LAST } }, "date_of_birth": { "result": ON_DOCUMENT },
    }, "document": { "name": ON_DOCUMENT } });
    let outcome = json!({ "status": "approved", "output": output, "reasons": [ON_DOCUMENT, FIRST] });
    scene.simulator.outcome(&run, &serde_json::from_value(outcome).unwrap()).await.unwrap();
    scene.until_phase(name, Phase::Approved).await;
    // What is looked for really went that way.
    let known = scene.simulator.runs(Some(&scene.account), None).await.unwrap();
    assert_eq!(known.iter().find(|other| other.id == run).unwrap().custom_data, json!({ "nickname": NICKNAME, "motto": MOTTO }));
    let handed: Secret = {
        let object = scene.verifications().get(name).await.unwrap();
        scene.secrets().get(&object.status.unwrap().capture.unwrap().secret_ref.name).await.unwrap()
    };
    assert_eq!(handed.data.unwrap()["sdk_token"].0, sdk_token.as_bytes());
    needles
}

/// With a fresh SDK token, which the vendor first refuses with the old one in its words.
async fn renewed(scene: &Scene, name: &str) -> Needle {
    canary(scene, name, false).await;
    scene.until_condition(name, ConditionType::CaptureReady, "True", "AwaitingInput").await;
    fault(scene, Operation::CreateSdkToken, echoing(422)).await;
    scene.patch(name, json!({ "capture": { "tokenGeneration": 1 } })).await;
    scene.until_condition(name, ConditionType::CaptureReady, "False", "RequestRefused").await;
    fault(scene, Operation::CreateSdkToken, misshapen(json!({ "token": { "of": FIRST } }).to_string())).await;
    scene.patch(name, json!({ "capture": { "tokenGeneration": 2 } })).await;
    let renewed = scene.until_condition(name, ConditionType::CaptureReady, "True", "AwaitingInput").await;
    let secret = scene.secrets().get(&renewed.status.unwrap().capture.unwrap().secret_ref.name).await.unwrap();
    Needle::new("fresh SDK token", std::str::from_utf8(&secret.data.unwrap()["sdk_token"].0).unwrap())
}

/// By link, which leads back to an address of the application's.
async fn linked(scene: &Scene, name: &str) -> Vec<Needle> {
    let back = "https://app.invented.example/session/canary-of-a-session";
    scene.secret(name, Some("attributes"), &[("given_name", FIRST), ("family_name", LAST)]).await;
    let link = json!({ "completedRedirectURL": back, "expiredRedirectURL": back, "language": "es_ES" });
    let from = json!([{ "secretRef": { "name": name } }]);
    fault(scene, Operation::CreateWorkflowRun, echoing(422)).await;
    create(scene, name, json!({ "attributesFrom": from, "capture": { "mode": "Link", "link": link } })).await;
    scene.until_condition(name, ConditionType::Submitted, "False", "RequestRefused").await;
    scene.patch(name, json!({ "capture": { "link": { "language": "en_US" } } })).await;
    let handed = scene.until_condition(name, ConditionType::CaptureReady, "True", "AwaitingInput").await;
    let secret = scene.secrets().get(&handed.status.unwrap().capture.unwrap().secret_ref.name).await.unwrap();
    let url = String::from_utf8(secret.data.unwrap()["link_url"].0.clone()).unwrap();
    let end = url.rsplit('/').next().unwrap();
    vec![Needle::new("the link", &url), Needle::new("the end of the link", end), Needle::new("the application's address", back)]
}

/// The vendor's refusal, with the values in its message, its fields and their keys.
fn echoing(status: u16) -> FaultKind {
    let body = json!({ "error": {
        "type": "validation_error", "message": format!("{FIRST} {LAST} <{EMAIL}> of {BORN} by {API_TOKEN}"),
        "fields": { "first_name": [format!("{FIRST} is not a name")], FIRST: ["?"], EMAIL: { BORN: LAST }, "dob": BORN },
    } });
    FaultKind::Status { status, retry_after: None, error_type: None, body: Some(body.to_string()) }
}

/// A success with a body that is not what was asked for.
fn misshapen(body: String) -> FaultKind {
    FaultKind::Status { status: 200, retry_after: None, error_type: None, body: Some(body) }
}

async fn fault(scene: &Scene, operation: Operation, kind: FaultKind) {
    scene.simulator.fault(&Fault::once(operation, &scene.account, kind)).await.unwrap();
}

async fn refused_by_the_vendor(scene: &Scene) {
    for (name, operation) in [("applicant-refused", Operation::CreateApplicant), ("run-refused", Operation::CreateWorkflowRun)] {
        fault(scene, operation, echoing(422)).await;
        canary(scene, name, operation == Operation::CreateWorkflowRun).await;
        let refused = scene.until_condition(name, ConditionType::Submitted, "False", "RequestRefused").await;
        let status = serde_json::to_string(&refused.status).unwrap();
        assert!(status.contains("first_name"), "it says which fields: {status}");
    }
    fault(scene, Operation::CreateApplicant, echoing(500)).await;
    canary(scene, "applicant-lost", false).await;
    recovering(scene, "applicant-lost").await;
}

async fn garbage(scene: &Scene) {
    // Neither JSON, nor of the right shape: errors of a parser quote what they were given.
    let bodies =
        [format!("<p>{FIRST} {LAST}</p>"), json!({ "id": [FIRST], "first_name": FIRST }).to_string(), format!("{{\"id\": {EMAIL}")];
    for (number, body) in bodies.into_iter().enumerate() {
        let name = format!("garbled-{number}");
        fault(scene, Operation::CreateApplicant, misshapen(body)).await;
        canary(scene, &name, number == 0).await;
        recovering(scene, &name).await;
    }
    canary(scene, "garbled-run", false).await;
    scene.until_condition("garbled-run", ConditionType::CaptureReady, "True", "AwaitingInput").await;
    fault(scene, Operation::GetWorkflowRun, misshapen(json!({ "id": { "of": FIRST }, "status": 3 }).to_string())).await;
    scene.simulator.capture(&scene.run_of("garbled-run").await).await.unwrap(); // and the vendor rings
    scene.until("garbled-run", "a refusal", |object| mentions(object, "UnexpectedAnswer")).await;
}

/// A paid call whose outcome nobody knows.
async fn recovering(scene: &Scene, name: &str) {
    scene.until(name, "doubt", |object| mentions(object, "Recovering")).await;
}

fn mentions(object: &IdentityVerification, reason: &str) -> bool {
    object.status.iter().flat_map(|status| &status.conditions).any(|condition| condition.reason == reason)
}

async fn refused_by_us(scene: &Scene) {
    let bad = format!("{FIRST} <{EMAIL}>");
    create(
        scene,
        "forbidden-character",
        json!({ "attributes": [{ "name": "given_name", "value": bad }, { "name": "family_name", "value": LAST }] }),
    )
    .await;
    scene.until_condition("forbidden-character", ConditionType::Accepted, "False", "AttributeInvalid").await;
    let values = [("given_name", FIRST), ("family_name", LAST), ("birthdate", EMAIL), ("email", BORN)];
    scene.secret("no-date", Some("attributes"), &values).await;
    create(scene, "no-date", json!({ "attributesFrom": [{ "secretRef": { "name": "no-date" } }] })).await;
    scene.secret("much", Some("custom-data"), &[("motto", &MOTTO.repeat(1000)), ("nickname", NICKNAME)]).await;
    let good = [("given_name", FIRST), ("family_name", LAST)];
    scene.secret("much-of-it", Some("attributes"), &good).await;
    let (from, much) = (json!([{ "secretRef": { "name": "much-of-it" } }]), json!([{ "secretRef": { "name": "much" } }]));
    create(scene, "much", json!({ "attributesFrom": from, "customDataFrom": much })).await;
    scene.until_condition("much", ConditionType::Accepted, "False", "CustomDataInvalid").await;
    scene.until_condition("no-date", ConditionType::Accepted, "False", "AttributeInvalid").await;
}

async fn strange_deliveries(scene: &Scene, operator: &Operator) {
    let ring = |resource: Value| {
        let object = json!({ "id": FIRST, "status": LAST, "href": EMAIL });
        json!({ "payload": { "resource_type": "workflow_run", "action": "workflow_run.completed", "object": object, "resource": resource } }).to_string()
    };
    let run = scene.run_of("well").await;
    let craft = |body: String| Craft { account: scene.account.clone(), body, ..Craft::default() };
    let url = |path: &str| Some(format!("{}/webhooks/{path}", operator.webhook));
    let ours = ring(json!({ "id": run, "workflow_run_id": run, "output": { "name": ON_DOCUMENT }, "first_name": FIRST, "tags": [LAST] }));
    let deliveries = [
        craft(ours.clone()),
        craft(ring(json!({ "id": FIRST, "tags": [LAST, EMAIL], "name": ON_DOCUMENT }))),
        craft(json!({ "payload": { "resource_type": FIRST, "action": LAST, "object": { "id": EMAIL } } }).to_string()),
        craft(format!("{{\"payload\": {FIRST}")),
        Craft { unsigned: true, ..craft(ours.clone()) },
        Craft { signature: Some(BORN.into()), ..craft(ours.clone()) },
        Craft { token: Some(format!("{LAST}-{EMAIL}")), ..craft(ours.clone()) },
        Craft { url: url(&format!("{LAST}/{EMAIL}")), ..craft(ours.clone()) },
        Craft { url: url(&format!("{}?name={LAST}", scene.provider)), ..craft(ours) },
    ];
    for delivery in &deliveries {
        let sent = scene.simulator.craft(delivery).await.unwrap();
        assert!(sent.attempts[0].status.is_some(), "{sent:?}");
    }
}

/// The API server's own words, with what it was given in them.
async fn refused_by_the_api_server(scene: &Scene, operator: &Operator, control_plane: &ControlPlane) {
    let client = control_plane.client(onfido_operator::dev::ADMIN).unwrap();
    let status = deny(
        &client,
        scene,
        "identityverifications/status",
        "onfido-operator.dev",
        "v1alpha1",
        "UPDATE",
        "echoed",
        "object.spec.attributes[0].value",
    );
    let status = status.await;
    // Suspended, so that nothing happens to it before the policy is known everywhere; then its own status is refused.
    create(
        scene,
        "echoed",
        json!({ "suspend": true, "attributes": [{ "name": "given_name", "value": FIRST }, { "name": "family_name", "value": LAST }] }),
    )
    .await;
    let touch = json!({ "status": { "phase": "Pending" } });
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    until_denied(|| async { scene.verifications().patch_status("echoed", &dry, &Patch::Merge(&touch)).await.map(drop) }).await;
    scene.patch("echoed", json!({ "suspend": false })).await;
    let before = operator.logged().matches("write the status").count();
    tokio::time::timeout(PATIENCE, async {
        while operator.logged().matches("write the status").count() <= before {
            tokio::time::sleep(Duration::from_millis(10)).await; // there is nothing to watch in a file
        }
    })
    .await
    .expect("the operator's write was not refused");
    allow(&client, &status).await;

    let secrets = deny(&client, scene, "secrets", "", "v1", "CREATE", "handed", "string(object.data['sdk_token'])").await;
    let secret = json!({ "metadata": { "name": "handed-probe" }, "stringData": { "sdk_token": FIRST } });
    let secret: Secret = serde_json::from_value(secret).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    until_denied(|| async { scene.secrets().create(&dry, &secret).await.map(drop) }).await;
    canary(scene, "handed", true).await; // a Secret of its own would be denied too
    scene.until_condition("handed", ConditionType::CaptureReady, "False", "SecretRefused").await;
    allow(&client, &secrets).await;
    scene.finalize("handed").await; // asks for a look, which restores the Secret
    scene.until_condition("handed", ConditionType::CaptureReady, "True", "AwaitingInput").await;
}

/// Denies requests for objects whose name begins so, and says why in the words of `quoting`.
#[allow(clippy::too_many_arguments)]
async fn deny(
    client: &Client,
    scene: &Scene,
    resource: &str,
    group: &str,
    version: &str,
    verb: &str,
    prefix: &str,
    quoting: &str,
) -> String {
    let name = format!("{}-{prefix}", scene.namespace);
    let rule = json!({ "apiGroups": [group], "apiVersions": [version], "operations": [verb], "resources": [resource] });
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": { "name": name },
        "spec": {
            "failurePolicy": "Ignore", "matchConstraints": { "resourceRules": [rule] },
            "validations": [{ "expression": format!("!object.metadata.name.startsWith('{prefix}')"), "messageExpression": format!("'not ' + {quoting}") }],
        },
    });
    let here = json!({ "matchLabels": { "kubernetes.io/metadata.name": scene.namespace } });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": { "name": name },
        "spec": { "policyName": name, "validationActions": ["Deny"], "matchResources": { "namespaceSelector": here } },
    });
    let policies = Api::<ValidatingAdmissionPolicy>::all(client.clone());
    policies.create(&PostParams::default(), &serde_json::from_value(policy).unwrap()).await.unwrap();
    let bindings = Api::<ValidatingAdmissionPolicyBinding>::all(client.clone());
    bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    name
}

async fn allow(client: &Client, name: &str) {
    Api::<ValidatingAdmissionPolicyBinding>::all(client.clone()).delete(name, &DeleteParams::default()).await.unwrap();
    Api::<ValidatingAdmissionPolicy>::all(client.clone()).delete(name, &DeleteParams::default()).await.unwrap();
}

/// Until a request is refused with the canary in the message.
async fn until_denied<F: Future<Output = kube::Result<()>>>(ask: impl Fn() -> F) {
    let last = std::cell::RefCell::new(String::new());
    let asking = async {
        loop {
            match ask().await {
                Err(kube::Error::Api(status)) if Needle::new("first name", FIRST).is_in(&status.message) => return,
                other => *last.borrow_mut() = format!("{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await; // a policy does not tell when it is in force
        }
    };
    assert!(tokio::time::timeout(PATIENCE, asking).await.is_ok(), "not denied: {}", last.take());
}

/// The same operator again, which panics at one object.
async fn panic(scene: &Scene, before: Operator, settings: &Run, control_plane: &ControlPlane, needles: &[Needle]) -> Operator {
    check_process(needles, &before);
    let metrics = reqwest::get(format!("{}/metrics", before.health)).await.unwrap().text().await.unwrap();
    none_in(needles, "the metrics before the panic", &metrics);
    drop(before);
    let mut settings = settings.clone();
    settings.env.push(("ONFIDO_OPERATOR_PANIC_ON".into(), format!("{}/unlucky", scene.namespace)));
    let operator = Operator::start(control_plane, &settings).await;
    canary(scene, "unlucky", true).await;
    operator.until_logged("the pass panicked").await;
    operator
}
