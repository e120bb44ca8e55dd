//! Which object a notification finds, what it is answered, and what is known already.

use super::*;
use crate::onfido::model::WorkflowRunId;

fn object(provider: serde_json::Value, status: serde_json::Value) -> IdentityVerification {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "onfido-operator.dev/v1alpha1", "kind": "IdentityVerification",
        "metadata": { "name": "user-1", "namespace": "shop", "uid": "uid-1" },
        "spec": { "providerRef": provider, "subject": "user-1" },
        "status": status,
    }))
    .unwrap()
}

fn notification(action: &str, run: Option<&str>, tags: &[String], created: Option<&str>) -> Notification {
    Notification {
        resource_type: "workflow_run".into(),
        action: action.into(),
        run_id: run.map(|id| WorkflowRunId::parse(id).unwrap()),
        tags: tags.to_vec(),
        run_created_at: created.map(|t| t.parse().unwrap()),
    }
}

fn wanted(run: Option<&str>, tags: &[String], created: Option<&str>) -> Wanted {
    Wanted::of(&notification(ACTION, run, tags, created)).unwrap()
}

fn own() -> serde_json::Value {
    serde_json::json!({ "name": "onfido" })
}

#[test]
fn only_the_completion_of_a_run_wakes() {
    for other in ["workflow_task.completed", "workflow_run.started", "check.completed", "unrecognized"] {
        assert_eq!(Wanted::of(&notification(other, Some("run-1"), &[], None)), None, "{other}");
    }
}

#[test]
fn an_object_is_found_by_its_run_or_its_tag_and_not_otherwise() {
    let recorded = object(own(), serde_json::json!({ "workflowRunID": "run-1" }));
    let started = object(own(), serde_json::json!({}));
    let tags = |uid: &str, attempt| vec!["of-the-app".to_owned(), Key::of_uid(uid).tag(attempt)];
    assert!(wanted(Some("run-1"), &[], None).is_run_of(&recorded));
    assert!(!wanted(Some("run-2"), &[], None).is_run_of(&recorded));
    assert!(!wanted(None, &[], None).is_run_of(&started), "no id is not the same as no id");
    assert!(wanted(None, &tags("uid-1", 1), None).is_tagged_for(&started));
    assert!(wanted(None, &tags("uid-1", 7), None).is_tagged_for(&started));
    assert!(!wanted(None, &tags("uid-2", 1), None).is_tagged_for(&started));
    assert!(!wanted(Some("run-1"), &[], None).is_tagged_for(&started));
}

#[test]
fn an_object_with_an_idempotency_key_is_found_by_that_and_not_by_its_uid() {
    let mut keyed = object(own(), serde_json::json!({}));
    keyed.spec.idempotency_key = Some("order-1".into());
    let tagged = |key: Key| wanted(None, &[key.tag(1)], None).is_tagged_for(&keyed);
    assert!(tagged(Key::of_idempotency_key("shop", "order-1")));
    assert!(!tagged(Key::of_idempotency_key("shop-2", "order-1")));
    assert!(!tagged(Key::of_idempotency_key("shop", "order-2")));
    assert!(!tagged(Key::of_uid("uid-1")));
}

#[test]
fn an_object_belongs_to_the_provider_it_refers_to() {
    let near = object(own(), serde_json::json!({}));
    assert!(is_of_provider(&near, "shop", "onfido"));
    assert!(!is_of_provider(&near, "identity", "onfido"));
    assert!(!is_of_provider(&near, "shop", "other"));
    let far = object(serde_json::json!({ "name": "onfido", "namespace": "identity" }), serde_json::json!({}));
    assert!(is_of_provider(&far, "identity", "onfido"));
    assert!(!is_of_provider(&far, "shop", "onfido"));
}

#[test]
fn an_unknown_run_is_asked_for_again_only_with_our_tag_and_while_it_is_young() {
    let now = "2026-01-02T12:00:00Z".parse().unwrap();
    let tag = [Key::of_uid("uid-9").tag(1)];
    let cases = [
        (&tag[..], Some("2026-01-02T11:59:00Z"), Answer::NotSeenYet),
        (&tag, Some("2026-01-02T11:50:01Z"), Answer::NotSeenYet),
        (&tag, Some("2026-01-02T11:50:00Z"), Answer::NotOurs),
        (&tag, Some("2026-01-02T12:00:05Z"), Answer::NotSeenYet),
        (&tag, Some("2026-01-02T12:10:00Z"), Answer::NotOurs),
        (&tag, None, Answer::NotOurs),
        (&[], Some("2026-01-02T11:59:00Z"), Answer::NotOurs),
    ];
    for (tags, created, answer) in cases {
        assert_eq!(wanted(Some("run-9"), tags, created).unknown(now), answer, "{tags:?} {created:?}");
    }
}

#[test]
fn a_body_is_known_while_it_waits_and_among_the_last_answered() {
    let status = serde_json::json!({
        "notification": { "digest": "d3", "receivedAt": "2026-01-02T12:00:00Z" }, "answeredNotifications": ["d1", "d2"]
    });
    let status = object(own(), status).status;
    for (digest, known) in [("d1", true), ("d2", true), ("d3", true), ("d4", false), ("", false)] {
        assert_eq!(is_known(status.as_ref(), digest), known, "{digest}");
    }
    assert!(!is_known(None, "d1"));
}

#[test]
fn strangers_learn_nothing_and_the_vendor_repeats_only_what_can_work_later() {
    for answer in Answer::ALL {
        let (status, body) = answer.response();
        assert!(body.ends_with('\n'));
        let repeat = matches!(answer, Answer::NotSeenYet | Answer::NotReady | Answer::Unavailable | Answer::TimedOut);
        assert_eq!(status == 503, repeat, "{answer:?}");
    }
}
