//! A person who comes back: the same run goes on, with a fresh token if somebody asks for one.

use k8s_openapi::api::core::v1::Secret;
use kube::api::DeleteParams;
use onfido_operator::{
    api::{CaptureKind, CaptureStatus, ConditionType, Phase},
    simulator::admin::{Fault, FaultKind, Operation},
};
use serde_json::json;

use crate::support::{
    control_plane::control_plane,
    operator::{Operator, Run, Scene, install},
};

async fn capture(scene: &Scene) -> CaptureStatus {
    scene.verifications().get("person").await.unwrap().status.unwrap().capture.unwrap()
}

async fn held(scene: &Scene, key: &str) -> String {
    let secret: Secret = scene.secrets().get(&capture(scene).await.secret_ref.name).await.unwrap();
    String::from_utf8(secret.data.unwrap()[key].0.clone()).unwrap()
}

/// Asks for a token, and waits until it is there.
async fn renewed(scene: &Scene, generation: i32) -> CaptureStatus {
    scene.patch("person", json!({ "capture": { "tokenGeneration": generation } })).await;
    scene.until_condition("person", ConditionType::CaptureReady, "True", "AwaitingInput").await;
    capture(scene).await
}

/// The heading of the simulator's page for a token.
async fn page(scene: &Scene, token: &str) -> String {
    let answer = reqwest::get(format!("{}/capture?token={token}", scene.simulator.base())).await.unwrap().text().await.unwrap();
    answer.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap().to_owned()
}

#[tokio::test]
async fn who_comes_back_goes_on_with_the_same_run_and_a_fresh_token() {
    let scene = Scene::new("back").await;
    let run = scene.awaiting("person", json!({})).await;
    let own = held(&scene, "sdk_token").await;
    let handed = renewed(&scene, 1).await;
    let left = handed.expires_at.unwrap().0.duration_since(jiff::Timestamp::now()).as_mins();
    assert_eq!((handed.kind, handed.generation), (CaptureKind::FreshToken, 1));
    assert!((83..=85).contains(&left), "{left}");
    let fresh = held(&scene, "sdk_token").await;
    assert_ne!(fresh, own);
    assert_eq!((held(&scene, "workflow_run_id").await, page(&scene, &fresh).await), (run.clone(), "Let’s confirm it’s you".into()));
    let object = serde_json::to_string(&scene.verifications().get("person").await.unwrap()).unwrap();
    assert!(!object.contains(&fresh) && !object.contains(&own));

    // A look leaves it where it is; where it was lost, the run's own is put in its place, and nobody asks for another.
    scene.ring(&run).await;
    scene.until_rest("person").await;
    assert_eq!(held(&scene, "sdk_token").await, fresh);
    scene.secrets().delete(&handed.secret_ref.name, &DeleteParams::default()).await.unwrap();
    scene.ring(&run).await;
    scene.until_rest("person").await;
    assert_eq!(held(&scene, "sdk_token").await, own);
    assert_eq!((capture(&scene).await.kind, capture(&scene).await.generation), (CaptureKind::RunToken, 1));

    assert_eq!(renewed(&scene, 2).await.generation, 2);
    assert_ne!(held(&scene, "sdk_token").await, fresh);
    scene.simulator.capture(&run).await.unwrap();
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    // Nor is one asked for when nobody waits any more.
    scene.patch("person", json!({ "capture": { "tokenGeneration": 3 } })).await;
    scene.until_condition("person", ConditionType::CaptureReady, "False", "CaptureFinished").await;
    assert_eq!(scene.ledger(Operation::CreateSdkToken).await.len(), 2);
    assert_eq!(scene.ledger(Operation::CreateWorkflowRun).await.len(), 1);
}

#[tokio::test]
async fn a_run_that_has_moved_on_unnoticed_gets_no_token() {
    let scene = Scene::new("moved-on").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.outcome(&run, json!({ "status": "processing", "silent": true })).await;
    scene.patch("person", json!({ "capture": { "tokenGeneration": 1 } })).await;
    scene.until_condition("person", ConditionType::CaptureReady, "False", "CaptureFinished").await;
    scene.until_phase("person", Phase::Processing).await;
    assert_eq!(scene.ledger(Operation::CreateSdkToken).await.len(), 0);
    // A workflow can come back to the person: then what was asked for is due.
    scene.outcome(&run, json!({ "status": "awaiting_input", "silent": true })).await;
    scene.ring(&run).await;
    scene.until_condition("person", ConditionType::CaptureReady, "True", "AwaitingInput").await;
    assert_eq!((capture(&scene).await.kind, capture(&scene).await.generation), (CaptureKind::FreshToken, 1));
}

#[tokio::test]
async fn a_token_that_the_vendor_refuses_is_said_and_the_old_one_stays() {
    let scene = Scene::new("refused-token").await;
    scene.awaiting("person", json!({})).await;
    let own = held(&scene, "sdk_token").await;
    let body = json!({ "error": { "type": "validation_error", "fields": { "referrer": ["canary"] } } }).to_string();
    let refusal = FaultKind::Status { status: 422, retry_after: None, error_type: None, body: Some(body) };
    scene.simulator.fault(&Fault::once(Operation::CreateSdkToken, &scene.account, refusal)).await.unwrap();
    scene.patch("person", json!({ "capture": { "tokenGeneration": 1, "referrer": "https://app.example.test/*" } })).await;
    let seen = scene.until_condition("person", ConditionType::CaptureReady, "False", "RequestRefused").await;
    let status = seen.status.unwrap();
    let says = onfido_operator::api::find_condition(&status.conditions, ConditionType::CaptureReady).unwrap();
    assert!(says.message.contains("fields referrer") && !says.message.contains("canary"), "{}", says.message);
    assert_eq!((status.capture.unwrap().generation, held(&scene, "sdk_token").await), (0, own));
    scene.until_event("person", "Refused").await;
    assert_eq!(renewed(&scene, 2).await.generation, 2);
}

#[tokio::test]
async fn a_fresh_token_that_has_expired_is_renewed_only_when_somebody_asks() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "expired").await;
    // Its 85 minutes are five seconds here.
    let run = Run { watch: vec![scene.namespace.clone()], time_scale: 0.001, ..Run::default() };
    let hasty = Operator::start(control_plane, &run).await;
    scene.deliver_to(&hasty).await;
    scene.provider(json!({})).await;
    let run = scene.awaiting("person", json!({})).await;
    renewed(&scene, 1).await;
    let expired = scene.until_condition("person", ConditionType::CaptureReady, "False", "TokenExpired").await;
    assert!(expired.status.unwrap().capture.unwrap().expires_at.unwrap().0 <= jiff::Timestamp::now());
    for _ in 0..3 {
        scene.ring(&run).await;
        scene.until_rest("person").await; // looked at, and not renewed
    }
    assert_eq!(scene.ledger(Operation::CreateSdkToken).await.len(), 1);
    assert_eq!(renewed(&scene, 2).await.generation, 2);
    assert_eq!(scene.ledger(Operation::CreateSdkToken).await.len(), 2);
}
