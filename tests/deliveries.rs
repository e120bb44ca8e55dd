//! What deliveries can do, and what they cannot: ring a bell, and nothing else.

use kube::api::{Patch, PatchParams};
use onfido_operator::{
    api::{ConditionType, IdentityVerification, Phase},
    key::Key,
    simulator::admin::{Delivery, Replay},
};
use serde_json::json;

use crate::support::operator::{Operator, Scene, WEBHOOK_TOKEN, stage};

/// The deliveries an account has kept for a run, oldest first.
async fn kept(scene: &Scene, run: &str) -> Vec<u64> {
    scene.simulator.deliveries(Some(&scene.account), Some(run)).await.unwrap().iter().map(|delivery| delivery.id).collect()
}

/// Sends a kept delivery and says how it was answered each time.
async fn send(scene: &Scene, id: u64, times: u32) -> Vec<Option<u16>> {
    let replay = Replay { delivery: Some(id), run: None, times: Some(times) };
    let answer = |delivery: &Delivery| delivery.attempts[0].status;
    scene.simulator.replay(&replay).await.unwrap().iter().map(answer).collect()
}

async fn operator() -> &'static Operator {
    &stage().await.operator
}

#[tokio::test]
async fn a_delivery_sent_ten_times_costs_one_look() {
    let scene = Scene::new("ten").await;
    scene.keep_deliveries(operator().await).await;
    let run = scene.awaiting("person", json!({})).await;
    scene.decide(&run, "approved", json!({})).await;
    let [id] = kept(&scene, &run).await[..] else { panic!("one delivery") };
    assert_eq!(send(&scene, id, 10).await, [Some(200); 10]);
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    scene.finalize("person").await;
    scene.until_acknowledged("person").await;
    // A second look if the operator's own record had not come back to it; never one for each.
    assert!((1..=2).contains(&scene.reads().await));
}

#[tokio::test]
async fn deliveries_out_of_order_do_not_undo_what_was_read() {
    let scene = Scene::new("order").await;
    scene.keep_deliveries(operator().await).await;
    let run = scene.awaiting("person", json!({})).await;
    for status in ["review", "declined", "approved"] {
        scene.decide(&run, status, json!({})).await;
    }
    let [review, declined, approved] = kept(&scene, &run).await[..] else { panic!("three deliveries") };
    assert_eq!(send(&scene, approved, 1).await, [Some(200)]);
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    for old in [declined, review] {
        assert_eq!(send(&scene, old, 1).await, [Some(200)]);
        let seen = scene.until_rest("person").await;
        assert_eq!(seen.status.unwrap().phase, Phase::Approved);
        scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    }
    assert_eq!(scene.events("person", "Revoked").await, 0);
}

#[tokio::test]
async fn a_delivery_of_somebody_elses_run_touches_nothing() {
    let (ours, theirs) = tokio::join!(Scene::new("ours"), Scene::new("theirs"));
    let (our_run, their_run) = tokio::join!(ours.awaiting("person", json!({})), theirs.awaiting("person", json!({})));
    let tag = |object: &IdentityVerification| Key::of_uid(object.metadata.uid.as_deref().unwrap()).tag(1);
    let their_tag = tag(&theirs.verifications().get("person").await.unwrap());
    let long_ago = "2020-01-01T00:00:00Z";
    // Authentic here, but of another account's run, of one nobody knows, or of one that only says that it is theirs.
    assert_eq!(ours.craft(&their_run, json!({}), None).await, 200);
    assert_eq!(ours.craft("0f0f0f0f-0000-4000-8000-000000000000", json!({}), None).await, 200);
    let tagged = json!({ "payload": { "resource": { "tags": [their_tag], "created_at": long_ago } } });
    assert_eq!(ours.craft(&their_run, tagged, None).await, 200);
    let other = json!({ "payload": { "resource_type": "check", "action": "check.completed" } });
    assert_eq!(ours.craft(&our_run, other, None).await, 200);
    for (scene, run) in [(&ours, &our_run), (&theirs, &their_run)] {
        let object = scene.verifications().get("person").await.unwrap();
        assert_eq!(object.status.unwrap().notification, None, "{run}");
        assert_eq!(scene.reads().await, 0);
    }
    // The same bodies wake where they belong.
    ours.ring(&our_run).await;
    ours.until_rest("person").await;
    assert_eq!((ours.reads().await, theirs.reads().await), (1, 0));
}

#[tokio::test]
async fn old_and_new_token_are_accepted_while_both_are_listed() {
    const NEW: &str = "another-invented-webhook-token-9876543210";
    let scene = Scene::new("rotation").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.secret("onfido-webhook-new", Some("webhook"), &[("token", NEW)]).await;
    assert_eq!(scene.craft(&run, json!({}), Some(NEW)).await, 401);
    let reference = |name: &str| json!({ "name": name, "key": "token" });
    let tokens = |names: &[&str]| json!({ "webhook": { "tokenSecretRefs": names.iter().map(|n| reference(n)).collect::<Vec<_>>() } });
    scene.patch_provider(tokens(&["onfido-webhook", "onfido-webhook-new"]), ("True", "Succeeded")).await;
    for token in [WEBHOOK_TOKEN, NEW] {
        assert_eq!(scene.craft(&run, json!({}), Some(token)).await, 200);
        scene.until_rest("person").await;
    }
    scene.patch_provider(tokens(&["onfido-webhook-new"]), ("True", "Succeeded")).await;
    let reads = scene.reads().await;
    assert_eq!(scene.craft(&run, json!({}), Some(WEBHOOK_TOKEN)).await, 401);
    assert_eq!(scene.reads().await, reads);
    scene.decide(&run, "processing", json!({})).await;
    assert_eq!(scene.craft(&run, json!({}), Some(NEW)).await, 200);
    assert_eq!(scene.until_rest("person").await.status.unwrap().phase, Phase::Processing);
}

#[tokio::test]
async fn a_token_replaced_in_its_secret_works_at_once_and_the_old_one_no_more() {
    const NEW: &str = "another-invented-webhook-token-9876543210";
    let scene = Scene::new("replaced").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.ring(&run).await;
    scene.secret("onfido-webhook", Some("webhook"), &[("token", NEW)]).await;
    assert_eq!(scene.craft(&run, json!({}), Some(NEW)).await, 200);
    assert_eq!(scene.craft(&run, json!({}), Some(WEBHOOK_TOKEN)).await, 401);
    assert_eq!(scene.craft(&run, json!({}), Some(NEW)).await, 200);
}

#[tokio::test]
async fn a_replay_after_the_verdict_costs_no_write_and_no_look() {
    let scene = Scene::new("replay").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.decide(&run, "approved", json!({})).await;
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    // Once this is acknowledged, what was recorded before has come back to the operator.
    scene.finalize("person").await;
    scene.until_acknowledged("person").await;
    let [id] = kept(&scene, &run).await[..] else { panic!("one delivery") };
    let control_plane = &stage().await.control_plane;
    let (mark, reads) = (control_plane.audit_mark().await.unwrap(), scene.reads().await);
    assert_eq!(send(&scene, id, 10).await, [Some(200); 10]);
    // A pass is made, and shows what the replays have left behind.
    scene.patch("person", json!({ "consents": [{ "name": "privacy_notices_read", "granted": true }] })).await;
    scene.until_acknowledged("person").await;
    let written = control_plane.audit_since(mark).await.unwrap();
    let written: Vec<_> = written.iter().filter(|entry| entry.namespace == scene.namespace && entry.is_write()).collect();
    assert_eq!(written.len(), 2, "the edit and its acknowledgement: {written:?}");
    assert_eq!(scene.reads().await, reads);
}

#[tokio::test]
async fn a_delivery_that_claims_an_approval_is_not_believed() {
    let scene = Scene::new("claims").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.decide(&run, "processing", json!({})).await;
    let clear = json!({ "result": "clear" });
    let comparison = json!({ "first_name": clear, "last_name": clear, "date_of_birth": clear });
    let claim = json!({ "payload": { "resource": { "status": "approved", "output": { "data_comparison": comparison } } } });
    assert_eq!(scene.craft(&run, claim, None).await, 200);
    let seen = scene.until_rest("person").await.status.unwrap();
    assert_eq!((seen.phase, seen.vendor_status.as_deref()), (Phase::Processing, Some("processing")));
    assert!(seen.attributes.is_empty() && seen.completed_at.is_none());
    scene.until_condition("person", ConditionType::Verified, "Unknown", "Pending").await;
    assert_eq!(scene.reads().await, 1);
}

#[tokio::test]
async fn a_run_that_is_not_ours_is_never_the_verdict() {
    let scene = Scene::new("foreign").await;
    let scene = &scene;
    let foreign = "0f0f0f0f-0000-4000-8000-000000000000";
    let cases = [
        ("applicant", json!({ "applicant_id": foreign })),
        ("workflow", json!({ "workflow_id": foreign })),
        ("tags", json!({ "tags": ["onfido-operator.00000000000000000000000000000000.1"] })),
        ("no-tags", json!({ "tags": [] })),
    ];
    futures::future::join_all(cases.into_iter().map(|(name, overrides)| async move {
        let run = scene.awaiting(name, json!({})).await;
        scene.outcome(&run, json!({ "overrides": overrides })).await;
        let seen = scene.until_condition(name, ConditionType::Completed, "False", "UnexpectedAnswer").await.status.unwrap();
        assert_eq!(seen.phase, Phase::AwaitingInput, "{name}");
        scene.until_condition(name, ConditionType::Verified, "Unknown", "Pending").await;
        scene.until_event(name, "Refused").await;
        // It is looked at again by itself, and believed once it is ours.
        scene.outcome(&run, json!({ "silent": true })).await;
        scene.until_condition(name, ConditionType::Verified, "True", "Verified").await;
        assert_eq!(scene.events(name, "Refused").await, 1, "{name}: said once");
    }))
    .await;
}

#[tokio::test]
async fn an_approval_the_vendor_takes_back_is_revoked_for_good() {
    let scene = Scene::new("revoked").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.decide(&run, "approved", json!({})).await;
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    scene.outcome(&run, json!({ "status": "declined", "silent": true })).await;
    scene.ring(&run).await;
    let revoked = scene.until_condition("person", ConditionType::Verified, "False", "Revoked").await.status.unwrap();
    assert_eq!((revoked.phase, revoked.vendor_status.as_deref()), (Phase::Approved, Some("declined")));
    assert!(revoked.attributes.iter().all(|attribute| !attribute.verified));
    scene.until_event("person", "Revoked").await;
    // Never back: not by the vendor's word, not by an edit.
    scene.outcome(&run, json!({ "silent": true })).await;
    scene.ring(&run).await;
    scene
        .until("person", "the new approval seen", |object| object.status.as_ref().unwrap().vendor_status.as_deref() == Some("approved"))
        .await;
    scene.finalize("person").await;
    scene.until_acknowledged("person").await;
    let last = scene.until_condition("person", ConditionType::Verified, "False", "Revoked").await.status.unwrap();
    assert!(last.attributes.iter().all(|attribute| !attribute.verified));
    assert_eq!(scene.events("person", "Revoked").await, 1);
}

#[tokio::test]
async fn a_refusal_never_becomes_an_approval() {
    let scene = Scene::new("declined").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.decide(&run, "declined", json!({})).await;
    scene.until_condition("person", ConditionType::Verified, "False", "Declined").await;
    scene.decide(&run, "approved", json!({})).await;
    scene.until_rest("person").await;
    let seen = scene
        .until("person", "the approval seen", |object| object.status.as_ref().unwrap().vendor_status.as_deref() == Some("approved"))
        .await;
    assert_eq!(seen.status.unwrap().phase, Phase::Declined);
    scene.until_condition("person", ConditionType::Verified, "False", "Declined").await;
}

#[tokio::test]
async fn a_bell_rung_while_the_provider_is_suspended_is_answered_afterwards() {
    let scene = Scene::new("bell").await;
    let run = scene.awaiting("person", json!({})).await;
    scene.decide(&run, "approved", json!({})).await;
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    scene.patch_provider(json!({ "suspend": true }), ("False", "Suspended")).await;
    let reads = scene.reads().await;
    scene.outcome(&run, json!({ "status": "declined" })).await;
    scene
        .until("person", "a second delivery", |object| {
            let status = object.status.as_ref().unwrap();
            status.notification.as_ref().is_some_and(|ring| !status.answered_notifications.contains(&ring.digest))
        })
        .await;
    // An edit is judged meanwhile, without the vendor.
    scene.finalize("person").await;
    scene.until_acknowledged("person").await;
    scene.until_condition("person", ConditionType::Verified, "True", "Verified").await;
    assert_eq!(scene.reads().await, reads);
    let patch = Patch::Merge(json!({ "spec": { "suspend": false } }));
    scene.providers().patch("onfido", &PatchParams::default(), &patch).await.unwrap();
    scene.until_condition("person", ConditionType::Verified, "False", "Revoked").await;
}
