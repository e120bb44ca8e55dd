//! The end of what is kept: the person is erased and the decision stays, the object goes; with everything that can stand in the way.

use onfido_operator::{
    api::{ConditionType as C, IdentityVerification, IdentityVerificationStatus, Phase},
    simulator::admin::Operation,
};
use serde_json::{Value, json};

use crate::{
    redaction::needles::{Needle, none_in},
    support::{
        control_plane::control_plane,
        operator::{Operator, Run, Scene, install},
    },
};

const NAME: &str = "person";
const SOON: &str = "1s";

fn status(object: &IdentityVerification) -> &IdentityVerificationStatus {
    object.status.as_ref().unwrap()
}

fn redact(after: &str) -> Value {
    json!({ "retention": { "redactAfter": after } })
}

impl Scene {
    /// A person whose outcome is recorded.
    async fn decided(&self, spec: Value) -> IdentityVerification {
        let run = self.awaiting(NAME, spec).await;
        self.decide(&run, "approved", json!({})).await;
        self.until_condition(NAME, C::Verified, "True", "Verified").await
    }

    async fn until_redacted(&self) -> IdentityVerification {
        self.until_condition(NAME, C::Redacted, "True", "Redacted").await
    }
}

#[tokio::test]
async fn at_its_time_nothing_of_the_person_is_left_but_the_decision() {
    let scene = Scene::new("redacted").await;
    let before = scene.decided(json!({ "consents": [{ "name": "privacy_notices_read", "granted": true }] })).await;
    let (old, secret) = (status(&before).clone(), status(&before).capture.clone().unwrap().secret_ref.name);
    assert!(scene.secrets().get_opt(&secret).await.unwrap().is_some());
    let basis = old.basis.clone().unwrap();
    let digests = basis.attributes.iter().filter_map(|attribute| attribute.digest.clone());
    let mut needles: Vec<Needle> = digests.map(|digest| Needle::new("a digest", &digest)).collect();
    needles.push(Needle::new("the key's id", &basis.key_id));
    needles.push(Needle::new("the link to the dashboard", old.dashboard_url.as_deref().unwrap()));
    needles.push(Needle::new("the Secret's name", &secret));
    assert!(needles.len() > 5);
    // Set after the outcome, it counts from there.
    scene.patch(NAME, redact(SOON)).await;
    let done = scene.until_redacted().await;
    let new = status(&done).clone();
    none_in(&needles, "the status", &serde_json::to_string(&new).unwrap());
    assert_eq!((new.reasons.len(), new.vendor_status, new.basis.unwrap().consents), (0, None, vec![]));
    assert!(scene.secrets().get_opt(&secret).await.unwrap().is_none(), "the capture Secret is gone");
    // The decision, and what names it.
    assert_eq!((new.phase, new.attributes, new.completed_at), (Phase::Approved, old.attributes, old.completed_at));
    assert_eq!((&new.applicant_id, &new.workflow_run_id, new.started_at), (&old.applicant_id, &old.workflow_run_id, old.started_at));
    scene.until_condition(NAME, C::Verified, "True", "Verified").await;
    // The vendor has scheduled it.
    let applicant = old.applicant_id.unwrap();
    assert_eq!(scene.erased().await, std::slice::from_ref(&applicant));
    let erasure = new.erasure.unwrap();
    assert_eq!(erasure.applicant_ids, [applicant]);
    assert!(erasure.requested_at.0 <= new.redacted_at.unwrap().0);

    // An edit afterwards keeps the decision, and a delivery asks nobody.
    let reads = scene.reads().await;
    scene.secret(NAME, Some("attributes"), &[("given_name", "Somebody"), ("family_name", "Else"), ("birthdate", "1980-01-01")]).await;
    scene.patch(NAME, json!({ "submittedAttempt": 1, "consents": null })).await;
    scene.until_acknowledged(NAME).await;
    scene.until_condition(NAME, C::Verified, "True", "Verified").await;
    scene.until_redacted().await;
    scene.ring(new.workflow_run_id.as_deref().unwrap()).await;
    scene.until_rest(NAME).await;
    assert_eq!(scene.reads().await, reads);
}

#[tokio::test]
async fn an_attempt_after_it_has_an_applicant_of_its_own() {
    let scene = Scene::with("redacted-again", json!({ "attempts": { "retryOn": ["Declined", "Verified"] } })).await;
    let run = scene.awaiting(NAME, redact(SOON)).await;
    scene.decide(&run, "declined", json!({})).await;
    let first = status(&scene.until_redacted().await).applicant_id.clone().unwrap();
    scene.patch(NAME, json!({ "attempt": 2, "retention": null })).await;
    let open = scene
        .until(NAME, "a second run", |o| o.status.as_ref().is_some_and(|s| s.attempt == Some(2) && s.phase == Phase::AwaitingInput))
        .await;
    let second = status(&open).applicant_id.clone().unwrap();
    assert_ne!(first, second);
    assert!(!status(&open).conditions.iter().any(|condition| condition.type_ == "Redacted") && status(&open).redacted_at.is_none());
    scene.decide(status(&open).workflow_run_id.as_deref().unwrap(), "approved", json!({})).await;
    let done = scene.until_condition(NAME, C::Verified, "True", "Verified").await;
    assert_eq!(scene.erased().await, std::slice::from_ref(&first), "as long as nothing asks for more");
    scene.patch(NAME, redact(SOON)).await;
    scene.until_redacted().await;
    assert_eq!(scene.erased().await, [first, second], "each once");
    assert_eq!(status(&done).attempts.len(), 1);
}

#[tokio::test]
async fn not_while_a_run_is_open() {
    let scene = Scene::new("not-redacted").await;
    let run = scene.awaiting(NAME, redact(SOON)).await;
    scene.decide(&run, "processing", json!({})).await;
    scene.finalize(NAME).await;
    scene.until_phase(NAME, Phase::Processing).await;
    // Given up here, it goes on there.
    scene.patch(NAME, json!({ "cancelled": true })).await;
    let waits = scene.until_condition(NAME, C::Redacted, "False", "RunInProgress").await;
    assert!(status(&waits).basis.as_ref().unwrap().attributes.iter().any(|attribute| attribute.digest.is_some()), "nothing is removed");
    assert_eq!(scene.erased().await, [] as [String; 0]);
    scene.decide(&run, "declined", json!({})).await;
    scene.patch(NAME, redact("2s")).await; // whoever cannot wait for the next hourly look
    scene.until_redacted().await;
    assert_eq!(scene.erased().await.len(), 1);
}

#[tokio::test]
async fn a_vendor_that_is_dead_is_waited_for_and_then_owed() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "dead").await;
    let run = Run { watch: vec![scene.namespace.clone()], time_scale: 0.01, ..Run::default() };
    let operator = Operator::start(control_plane, &run).await;
    scene.deliver_to(&operator).await;
    scene.provider(json!({})).await;
    scene.decided(json!({})).await;
    scene.erases_nothing(503).await;
    scene.patch(NAME, redact(SOON)).await;
    scene.until_condition(NAME, C::Redacted, "False", "Unreachable").await;
    let done = scene.until_redacted().await;
    let applicant = status(&done).applicant_id.clone().unwrap();
    assert_eq!(status(&done).erasure.as_ref().unwrap().applicant_ids, std::slice::from_ref(&applicant));
    scene.until_event(NAME, "ErasureOwed").await;
    scene.until_owed(&[&applicant]).await;
    assert_eq!(scene.erased().await, [] as [String; 0]);
    scene.simulator.clear_faults(Some(&scene.account)).await.unwrap();
    scene.ask_provider("now").await;
    scene.until_owed(&[]).await;
    assert_eq!(scene.erased().await, [applicant], "what is owed is asked for");
}

#[tokio::test]
async fn the_object_goes_at_its_time_and_the_policy_says_what_becomes_of_the_person() {
    for (word, policy, asked) in [("kept-there", "Retain", 0), ("gone-there", "DeleteApplicant", 1)] {
        let scene = Scene::new(word).await;
        scene.decided(json!({})).await;
        // Both asked for in the same moment, and due at once.
        scene.patch(NAME, json!({ "deletionPolicy": policy, "retention": { "deleteAfter": "1ms" } })).await;
        scene.until_gone(NAME).await;
        assert_eq!(scene.erased().await.len(), asked, "{policy}");
    }
    // One that was redacted before is not asked for again.
    let scene = Scene::new("gone-twice").await;
    scene.decided(json!({ "deletionPolicy": "DeleteApplicant" })).await;
    scene.patch(NAME, json!({ "retention": { "redactAfter": "1s", "deleteAfter": "2s" } })).await;
    scene.until_gone(NAME).await;
    assert_eq!(scene.ledger(Operation::DeleteApplicant).await.len(), 1);
}

#[tokio::test]
async fn due_while_nobody_was_there_it_is_done_after_the_restart() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "restarted").await;
    let run = Run { watch: vec![scene.namespace.clone()], ..Run::default() };
    let first = Operator::start(control_plane, &run).await;
    scene.deliver_to(&first).await;
    scene.provider(json!({})).await;
    scene.decided(redact("1h")).await;
    drop(first);
    scene.patch(NAME, redact("1ms")).await; // as if the hour were over
    let _second = Operator::start(control_plane, &run).await;
    scene.until_redacted().await;
    assert_eq!(scene.erased().await.len(), 1);
}

#[tokio::test]
async fn a_crash_on_the_way_changes_nothing() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let places = [
        "before:EraseApplicant",
        "after:EraseApplicant",
        "before:RemoveCaptureSecret",
        "after:RemoveCaptureSecret",
        "before:DeleteObject",
        "after:DeleteObject",
    ];
    for place in places {
        let scene = Scene::bare(control_plane, "crashed").await;
        let run = Run { watch: vec![scene.namespace.clone()], pause_at: Some(place.into()), ..Run::default() };
        let mut first = Operator::start(control_plane, &run).await;
        scene.deliver_to(&first).await;
        scene.provider(json!({})).await;
        let object = scene.decided(json!({})).await;
        let retention = match place.ends_with("DeleteObject") {
            true => json!({ "redactAfter": "1ms", "deleteAfter": "2ms" }),
            false => json!({ "redactAfter": "1ms" }),
        };
        scene.patch(NAME, json!({ "retention": retention })).await;
        first.until_logged(&format!("paused at {place}")).await;
        first.child.kill();
        let _second = Operator::start(control_plane, &Run { pause_at: None, ..run }).await;
        if place.ends_with("DeleteObject") {
            scene.until_gone(NAME).await;
        } else {
            scene.until_redacted().await;
        }
        let secret = status(&object).capture.clone().unwrap().secret_ref.name;
        assert!(scene.secrets().get_opt(&secret).await.unwrap().is_none(), "{place}");
        assert_eq!(scene.erased().await.len(), 1, "{place}: one that is gone is erased");
    }
}
