//! A vendor that refuses, fails or asks to slow down.

use jiff::Timestamp;
use onfido_operator::{
    api::ConditionType as C,
    simulator::admin::{Fault, FaultKind, LedgerEntry, Operation},
};
use serde_json::json;

use super::*;

fn status(status: u16, retry_after: Option<&str>) -> FaultKind {
    FaultKind::Status { status, retry_after: retry_after.map(Into::into), error_type: None, body: None }
}

#[tokio::test]
async fn an_unknown_workflow_is_named_and_its_applicant_used_again() {
    let scene = bare("workflow").await;
    scene.provider(json!({ "workflowID": "00000000-1111-4222-8333-444444444444" })).await;
    scene.verification("person", json!({})).await;
    let refused = scene.until_condition("person", C::Submitted, "False", "RequestRefused").await;
    names(&message(&refused, C::Submitted), &["workflow_id", "must be an active one of this account"]);
    let applicant = refused.status.unwrap().applicant_id.expect("the applicant stays on record");
    assert_eq!(posts(&scene).await, [1, 1]);
    patch_provider(&scene, json!({ "workflowID": WORKFLOW })).await;
    healed(&scene, "person").await;
    assert_eq!(posts(&scene).await, [1, 2]);
    let run = scene.ledger(Operation::CreateWorkflowRun).await.pop().unwrap();
    assert_eq!((run.status, run.applicant_id), (Some(201), Some(applicant)));
    let told = events(&scene, "person").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "Refused");
    names(&told[0].1, &["workflow_id"]);
}

/// The first entry with this status, and the one after it.
async fn around(scene: &Scene, status: u16) -> [LedgerEntry; 2] {
    let ledger = scene.simulator.ledger(Some(&scene.account), None).await.unwrap();
    let at = ledger.iter().position(|entry| entry.status == Some(status)).unwrap();
    [ledger[at].clone(), ledger[at + 1].clone()]
}

fn seconds_between([first, second]: [LedgerEntry; 2]) -> f64 {
    let [first, second] = [first, second].map(|entry| entry.time.parse::<Timestamp>().unwrap());
    second.duration_since(first).as_secs_f64()
}

#[tokio::test]
async fn retry_after_is_honoured_for_a_start() {
    let scene = Scene::new("slow-start").await;
    let fault = Fault::once(Operation::CreateApplicant, &scene.account, status(429, Some("3")));
    scene.simulator.fault(&fault).await.unwrap();
    scene.verification("person", json!({})).await;
    let waits = scene.until_condition("person", C::Submitted, "False", "RateLimited").await;
    names(&message(&waits, C::Submitted), &["asks to slow down", "spec.rateLimit"]);
    // Another person of the same credentials waits as well.
    scene.verification("other", json!({})).await;
    healed(&scene, "person").await;
    healed(&scene, "other").await;
    let waited = seconds_between(around(&scene, 429).await);
    assert!((2.9..8.0).contains(&waited), "{waited}");
    assert_eq!(posts(&scene).await, [3, 2]);
    assert_eq!(events(&scene, "person").await, []);
}

#[tokio::test]
async fn retry_after_is_honoured_for_a_probe() {
    let scene = bare("slow-probe").await;
    let fault = Fault::once(Operation::GetWorkflowRun, &scene.account, status(429, Some("2")));
    scene.simulator.fault(&fault).await.unwrap();
    scene.provider(json!({})).await;
    scene.until_provider("onfido", C::CredentialsValid, "Unknown", "RateLimited").await;
    scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
    let waited = seconds_between(around(&scene, 429).await);
    assert!((1.9..8.0).contains(&waited), "{waited}");
}

#[tokio::test]
async fn a_failing_vendor_is_asked_again() {
    let scene = bare("failing").await;
    let fault = Fault { count: 2, ..Fault::once(Operation::GetWorkflowRun, &scene.account, status(503, None)) };
    scene.simulator.fault(&fault).await.unwrap();
    scene.provider(json!({})).await;
    let waits = scene.until_provider("onfido", C::Ready, "Unknown", "Unreachable").await;
    names(&provider_message(&waits, C::Ready), &["an error of its own", "status page"]);
    scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
    let run = scene.awaiting("person", json!({})).await;
    let fault = Fault { count: 2, ..Fault::once(Operation::GetWorkflowRun, &scene.account, status(500, None)) };
    scene.simulator.fault(&fault).await.unwrap();
    scene.finalize("person").await;
    scene.decide(&run, "approved", json!({})).await;
    let waits = scene.until_condition("person", C::Completed, "False", "Unreachable").await;
    names(&message(&waits, C::Completed), &["status page"]);
    scene.until_condition("person", C::Verified, "True", "Verified").await;
}

#[tokio::test]
async fn an_applicant_of_unknown_fate_is_made_again_and_reported() {
    let (scene, operator) = own("orphan", Run { time_scale: 0.02, ..Run::default() }).await;
    scene.deliver_to(&operator).await;
    scene.provider(json!({})).await;
    scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
    let fault = Fault::once(Operation::CreateApplicant, &scene.account, FaultKind::StatusAfterCommit { status: 502 });
    scene.simulator.fault(&fault).await.unwrap();
    scene.verification("person", json!({})).await;
    let waits = scene.until_condition("person", C::Submitted, "False", "Recovering").await;
    names(&message(&waits, C::Submitted), &["not known", "nothing"]);
    let run = scene.run_of("person").await;
    assert_eq!(posts(&scene).await, [2, 1]);
    scene.finalize("person").await;
    scene.decide(&run, "approved", json!({})).await;
    let done = scene.until_condition("person", C::Verified, "True", "Verified").await;
    let ledger = scene.ledger(Operation::CreateApplicant).await;
    assert_eq!(done.status.unwrap().applicant_id, ledger[1].applicant_id, "never the one that may be somebody else's");
    let told = events(&scene, "person").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "PossibleOrphanApplicant");
    names(&told[0].1, &["customer key", "created between"]);
    let metrics = reqwest::get(format!("{}/metrics", operator.health)).await.unwrap().text().await.unwrap();
    names(&metrics, &["onfido_operator_possible_orphan_applicants_total 1\n"]);
}
