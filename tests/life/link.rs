//! A person who captures on the vendor's page: the link is handed over, expires, and leads back.

use jiff::{SignedDuration, Timestamp};
use kube::api::DeleteParams;
use onfido_operator::{
    api::{CaptureKind, ConditionType},
    simulator::admin::Operation,
};
use serde_json::{Value, json};

use crate::support::operator::Scene;

/// So many seconds from now, in whole ones.
fn in_seconds(seconds: i64) -> String {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    (now + SignedDuration::from_secs(seconds)).to_string()
}

fn by_link(link: Value) -> Value {
    json!({ "capture": { "mode": "Link", "link": link } })
}

/// The keys of the capture Secret, and the link in it.
async fn held(scene: &Scene) -> (Vec<String>, String) {
    let handed = scene.verifications().get("person").await.unwrap().status.unwrap().capture.unwrap();
    let data = scene.secrets().get(&handed.secret_ref.name).await.unwrap().data.unwrap();
    (data.keys().cloned().collect(), String::from_utf8(data["link_url"].0.clone()).unwrap())
}

fn browser() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// Where a page leads.
async fn leads(link: &str) -> Option<String> {
    let answer = browser().get(link).send().await.unwrap();
    answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_person_captures_on_the_vendors_page_and_comes_back_to_the_app() {
    let scene = Scene::new("by-link").await;
    let until = in_seconds(3600);
    let done = "https://app.example.test/done";
    let run = scene.awaiting("person", by_link(json!({ "language": "de_DE", "completedRedirectURL": done, "expiresAt": until }))).await;
    let (keys, link) = held(&scene).await;
    assert_eq!(keys, ["link_url", "workflow_run_id"], "no token beside it");
    let vendors = scene.simulator.runs(Some(&scene.account), None).await.unwrap().remove(0);
    assert_eq!((&vendors.id, &vendors.capture_url), (&run, &link));
    let object = scene.verifications().get("person").await.unwrap();
    assert!(!serde_json::to_string(&object).unwrap().contains(&link), "a bearer secret is never in the object");
    let handed = object.status.unwrap().capture.unwrap();
    assert_eq!((handed.kind, handed.expires_at.unwrap().0.to_string()), (CaptureKind::Link, until));

    // Whoever deletes the Secret gets the same link back.
    scene.secrets().delete(&handed.secret_ref.name, &DeleteParams::default()).await.unwrap();
    scene.ring(&run).await;
    scene.until_rest("person").await;
    assert_eq!(held(&scene).await.1, link);

    assert_eq!(leads(&link).await, None);
    for step in ["step=consent&agree=yes", "step=document", "step=selfie"] {
        let form = browser().post(&link).header("content-type", "application/x-www-form-urlencoded").body(step);
        assert_eq!(form.send().await.unwrap().status(), 303);
    }
    assert_eq!(leads(&link).await.as_deref(), Some(done));
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    assert_eq!(scene.ledger(Operation::CreateSdkToken).await.len(), 0);
}

#[tokio::test]
async fn a_link_that_expires_is_said_when_it_does_without_asking_the_vendor() {
    let scene = Scene::new("link-expires").await;
    scene.deliver_nothing().await;
    let late = "https://app.example.test/late";
    scene.awaiting("person", by_link(json!({ "expiredRedirectURL": late, "expiresAt": in_seconds(10) }))).await;
    let (_, link) = held(&scene).await;
    assert_eq!(leads(&link).await, None);
    let reads = scene.reads().await;
    scene.until_condition("person", ConditionType::CaptureReady, "False", "LinkExpired").await;
    assert_eq!(leads(&link).await.as_deref(), Some(late));
    assert_eq!(scene.reads().await, reads, "nobody asked the vendor");
}

#[tokio::test]
async fn nothing_is_paid_for_a_link_that_is_dead_from_the_start() {
    let scene = Scene::new("dead-link").await;
    scene.verification("person", by_link(json!({ "expiresAt": in_seconds(-60) }))).await;
    scene.until_condition("person", ConditionType::Accepted, "False", "LinkExpired").await;
    scene.until_event("person", "Refused").await;
    assert_eq!(scene.ledger(Operation::CreateApplicant).await.len() + scene.ledger(Operation::CreateWorkflowRun).await.len(), 0);
    scene.patch("person", json!({ "capture": { "link": { "expiresAt": in_seconds(3600) } } })).await;
    scene.until_condition("person", ConditionType::CaptureReady, "True", "AwaitingInput").await;
    assert_eq!(scene.ledger(Operation::CreateWorkflowRun).await.len(), 1);
}
