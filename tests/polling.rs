//! The verdict without a delivery: found by looking.

use onfido_operator::{api::ConditionType, simulator::admin::Operation};
use serde_json::json;

use crate::support::{
    control_plane::control_plane,
    operator::{Operator, Run, Scene, install},
};

#[tokio::test]
async fn a_lost_delivery_is_made_up_for_soon_after_finalize() {
    let scene = Scene::new("lost").await;
    scene.deliver_nothing().await;
    let run = scene.awaiting("person", json!({})).await;
    scene.decide(&run, "approved", json!({})).await;
    let since = std::time::Instant::now();
    scene.finalize("person").await;
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    assert!(since.elapsed().as_millis() >= 2_900, "the first look is three seconds after finalize, not a busy loop");
    assert_eq!(scene.reads().await, 1);
    assert!(scene.simulator.deliveries(Some(&scene.account), None).await.unwrap().is_empty());
}

#[tokio::test]
async fn looks_after_finalize_go_on_until_there_is_an_outcome() {
    let scene = Scene::new("patient").await;
    scene.deliver_nothing().await;
    let run = scene.awaiting("person", json!({})).await;
    scene.decide(&run, "processing", json!({})).await;
    scene.finalize("person").await;
    scene.until("person", "a look", |object| object.status.as_ref().unwrap().vendor_status.as_deref() == Some("processing")).await;
    scene.decide(&run, "declined", json!({})).await;
    scene.until_condition("person", ConditionType::Verified, "False", "Declined").await;
    assert_eq!(scene.reads().await, 2);
}

#[tokio::test]
async fn a_lost_delivery_is_made_up_for_without_a_finalize() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "silent").await;
    let run = Run { watch: vec![scene.namespace.clone()], ..Run::default() };
    let patient = Operator::start(control_plane, &run).await;
    scene.provider(json!({})).await;
    let id = scene.awaiting("person", json!({})).await;
    scene.decide(&id, "approved", json!({})).await;
    assert_eq!(scene.reads().await, 0, "nobody looks at a person who takes their time");
    drop(patient);
    let _hasty = Operator::start(control_plane, &Run { time_scale: 0.001, ..run }).await;
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    assert_eq!(scene.ledger(Operation::CreateWorkflowRun).await.len(), 1);
}
