//! A verdict that ends by itself, at its time, whoever is down and whoever is restarted.

use std::time::Duration;

use onfido_operator::api::{AttributeVerdict as V, ConditionType, IdentityVerification};
use serde_json::json;

use crate::support::{
    acts::attributes,
    control_plane::control_plane,
    operator::{Operator, Run, Scene, install},
};

/// From the outcome to the end of the verdict, as both are recorded.
fn valid_for(verified: &IdentityVerification) -> Duration {
    let status = verified.status.as_ref().unwrap();
    let until = status.verified_until.as_ref().expect("an end").0;
    until.duration_since(status.completed_at.as_ref().unwrap().0).try_into().unwrap()
}

fn ended(expired: &IdentityVerification) -> jiff::Timestamp {
    let status = expired.status.as_ref().unwrap();
    assert_eq!(status.verified_until, None);
    status.conditions.iter().find(|c| c.type_ == "Verified").unwrap().last_transition_time.0
}

#[tokio::test]
async fn a_verdict_expires_at_the_time_that_was_shown_and_costs_nothing_until_then() {
    let scene = Scene::with("expiring", json!({ "validity": { "duration": "4s" } })).await;
    let run = scene.awaiting("person", json!({})).await;
    // What is changed now is for others.
    scene.patch_provider(json!({ "validity": { "duration": "1s" } }), ("True", "Succeeded")).await;
    scene.decide(&run, "approved", json!({})).await;
    let verified = scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    assert_eq!(valid_for(&verified), Duration::from_secs(4));
    let (until, looks) = (verified.status.as_ref().unwrap().verified_until.clone().unwrap().0, scene.reads().await);
    let expired = scene.until_condition("person", ConditionType::Verified, "False", "Expired").await;
    let late = ended(&expired).duration_since(until).as_secs();
    assert!((0..=3).contains(&late), "{late} s late");
    assert_eq!(attributes(&expired).iter().map(|(_, result, verified)| (*result, *verified)).collect::<Vec<_>>(), [(V::Clear, false); 3]);
    scene.until_condition("person", ConditionType::Completed, "True", "OutcomeReported").await;
    assert_eq!(
        (scene.reads().await, scene.events("person", "Revoked").await),
        (looks, 0),
        "no look since the outcome; nothing was taken back"
    );
    // Judged again, by an edit, it is still over.
    scene.patch("person", json!({ "consents": [{ "name": "privacy_notices_read", "granted": true }] })).await;
    scene.until_condition("person", ConditionType::Verified, "False", "Expired").await;
}

#[tokio::test]
async fn a_verdict_that_ended_while_nobody_watched_is_over_after_the_restart() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "expired").await;
    let run = Run { watch: vec![scene.namespace.clone()], ..Run::default() };
    let first = Operator::start(control_plane, &run).await;
    scene.deliver_to(&first).await;
    scene.provider(json!({ "validity": { "duration": "10s" } })).await;
    for name in ["ends", "lives"] {
        let run = scene.awaiting(name, json!({})).await;
        scene.decide(&run, "approved", json!({})).await;
        scene.until_condition(name, ConditionType::Verified, "True", "Verified").await;
        scene.patch_provider(json!({ "validity": { "duration": "1h" } }), ("True", "Succeeded")).await;
    }
    let until = scene.verifications().get("ends").await.unwrap().status.unwrap().verified_until.unwrap().0;
    drop(first);
    let left = until.duration_since(jiff::Timestamp::now());
    tokio::time::sleep(Duration::try_from(left).unwrap_or_default() + Duration::from_secs(1)).await; // nobody is there to wait for
    assert!(scene.verifications().get("ends").await.unwrap().status.unwrap().verified_until.is_some());
    let _second = Operator::start(control_plane, &run).await;
    let expired = scene.until_condition("ends", ConditionType::Verified, "False", "Expired").await;
    assert!(ended(&expired) > until);
    scene.until_condition("lives", ConditionType::Verified, "True", "Verified").await;
}
