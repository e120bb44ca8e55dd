//! What a delivery costs and leaves behind in the real API server.

use std::time::Duration;

use futures::future::join_all;
use kube::api::{DeleteParams, Patch, PatchParams};
use onfido_operator::api::{SecretKeyRef, SecretUse};
use onfido_operator::dev::{ADMIN, AuditEntry, AuditMark};
use onfido_operator::onfido::webhook::body_digest;
use onfido_operator::secrets::{SecretFault, SecretTiming, Secrets};
use onfido_operator::webhook::route::Answer;
use serde_json::json;

use super::rig::{Rig, TOKEN, completed, completed_with, now_minus, signed};
use crate::support::control_plane::{TENANT, control_plane};

/// What the door asked of the API server since then.
async fn asked(rig: &Rig, mark: AuditMark) -> Vec<AuditEntry> {
    let entries = control_plane().await.audit_since(mark).await.unwrap();
    entries.into_iter().filter(|entry| entry.user_agent == rig.namespace).collect()
}

#[tokio::test]
async fn the_ring_is_stored_before_it_is_answered_and_a_replay_costs_nothing() {
    let rig = Rig::new("stored").await;
    rig.verification("user-1", "onfido", Some("run-1")).await;
    let (first, second) = (completed("run-1", &[]), completed("run-1", &["again".into()]));
    assert_eq!(rig.send(signed(&rig.path(), TOKEN, &first)).await.status, 200);
    let stored = rig.objects().get("user-1").await.unwrap();
    let notification = stored.status.clone().unwrap().notification.unwrap();
    assert_eq!((notification.digest, notification.workflow_run_id.as_deref()), (body_digest(&first), Some("run-1")));

    rig.show(stored);
    let mark = control_plane().await.audit_mark().await.unwrap();
    for _ in 0..10 {
        assert_eq!(rig.send(signed(&rig.path(), TOKEN, &first)).await.status, 200);
    }
    assert_eq!(asked(&rig, mark).await, [], "pending: neither a write nor a read");

    assert_eq!(rig.send(signed(&rig.path(), TOKEN, &second)).await.status, 200);
    let answered = json!({ "status": { "answeredNotifications": [body_digest(&first)] } });
    let object = rig.objects().patch_status("user-1", &PatchParams::default(), &Patch::Merge(answered)).await.unwrap();
    assert_eq!(object.status.clone().unwrap().notification.unwrap().digest, body_digest(&second), "the latest has the slot");
    rig.show(object);
    let mark = control_plane().await.audit_mark().await.unwrap();
    for body in [&first, &second] {
        assert_eq!(rig.send(signed(&rig.path(), TOKEN, body)).await.status, 200);
    }
    assert_eq!(asked(&rig, mark).await, [], "answered, and pending");
    assert_eq!(rig.metrics.deliveries(Answer::Known), 12);
}

#[tokio::test]
async fn an_object_that_is_gone_or_made_again_is_not_woken() {
    let rig = Rig::new("gone").await;
    for name in ["gone", "again"] {
        rig.verification(name, "onfido", Some(&format!("run-{name}"))).await;
    }
    let stale = rig.objects().get("again").await.unwrap();
    for name in ["gone", "again"] {
        rig.objects().delete(name, &DeleteParams::default()).await.unwrap();
    }
    rig.verification("again", "onfido", None).await;
    rig.show(stale);
    for name in ["gone", "again"] {
        let body = completed_with(&format!("run-{name}"), &[], Some(now_minus(1)));
        assert_eq!(rig.send(signed(&rig.path(), TOKEN, &body)).await.status, 200, "{name}");
    }
    assert_eq!(rig.metrics.deliveries(Answer::Gone), 2);
    let object = rig.objects().get("again").await.unwrap();
    assert_eq!(object.status.unwrap().notification, None, "another object under the same name");
}

#[tokio::test]
async fn an_object_without_a_stored_status_can_be_woken() {
    let rig = Rig::new("bare").await;
    let uid = rig.verification("bare", "onfido", None).await;
    let tag = onfido_operator::key::Key::of_uid(&uid).tag(1);
    let status = rig.send(signed(&rig.path(), TOKEN, &completed("run-1", &[tag]))).await.status;
    let stored = rig.objects().get("bare").await.unwrap().status.unwrap().notification;
    assert_eq!((status, stored.is_some()), (200, true), "the schema's default is there to be patched");
}

#[tokio::test]
async fn fifty_rings_at_once_beside_another_writer_harm_nobody() {
    let rig = Rig::new("crowd").await;
    for object in 0..5 {
        rig.verification(&format!("user-{object}"), "onfido", Some(&format!("run-{object}"))).await;
    }
    let bodies: Vec<_> = (0..50).map(|n| (n % 5, completed(&format!("run-{}", n % 5), &[format!("ring-{n}")]))).collect();
    let mark = control_plane().await.audit_mark().await.unwrap();
    let rings = join_all(bodies.iter().map(|(_, body)| rig.send(signed(&rig.path(), TOKEN, body))));
    let writers = join_all((0..5).map(|object| {
        let (objects, name) = (rig.objects(), format!("user-{object}"));
        async move {
            for n in 0..20 {
                let status = json!({ "status": { "workflowVersionID": n } });
                objects.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
            }
        }
    }));
    let (answers, _) = futures::join!(rings, writers);
    assert!(answers.iter().all(|a| a.status == 200), "{:?}", answers.iter().map(|a| a.status).collect::<Vec<_>>());
    let writes = asked(&rig, mark).await.into_iter().filter(|e| e.is_write() && e.code == 200 && e.subresource == "status");
    assert_eq!(writes.count(), 50, "one write each, all of them stored");
    for object in 0..5 {
        let status = rig.objects().get(&format!("user-{object}")).await.unwrap().status.unwrap();
        assert_eq!(status.workflow_version_id, Some(19), "the other writer's last word stands");
        assert_eq!(status.workflow_run_id, Some(format!("run-{object}")));
        let digest = status.notification.unwrap().digest;
        assert!(bodies.iter().any(|(of, body)| *of == object && body_digest(body) == digest), "a ring of its own");
    }
}

#[tokio::test]
async fn a_rotated_token_works_at_once_and_forgeries_cost_the_api_server_next_to_nothing() {
    let rig = Rig::new("rotation").await;
    let new = "the-next-invented-token-0123";
    let body = completed("foreign", &[]);
    assert_eq!(rig.send(signed(&rig.path(), TOKEN, &body)).await.status, 200);
    rig.secret("onfido-webhook", Some("webhook"), "token", new).await;
    assert_eq!(rig.send(signed(&rig.path(), new, &body)).await.status, 200, "the Secret is read again");
    assert_eq!(rig.send(signed(&rig.path(), TOKEN, &body)).await.status, 401, "and the old token is out");

    let mark = control_plane().await.audit_mark().await.unwrap();
    let before = std::time::Instant::now();
    let forged = join_all((0..200).map(|_| rig.send(signed(&rig.path(), TOKEN, &body)))).await;
    assert!(forged.iter().all(|a| a.status == 401));
    let allowed = 1 + before.elapsed().as_secs() as usize / 5;
    let reads = asked(&rig, mark).await.len();
    assert!(reads <= allowed, "{reads} requests for 200 forgeries");
    assert_eq!(rig.send(signed(&rig.path(), new, &body)).await.status, 200);
}

#[tokio::test]
async fn old_and_new_token_overlap() {
    let rig = Rig::new("overlap").await;
    rig.secret("next", Some("webhook"), "token", "the-next-invented-token-0123").await;
    rig.provider("both", "Manual", &["onfido-webhook", "next", "missing"]).await;
    let path = format!("/webhooks/{}/both", rig.namespace);
    for token in [TOKEN, "the-next-invented-token-0123"] {
        assert_eq!(rig.send(signed(&path, token, &completed("foreign", &[]))).await.status, 200);
    }
}

#[tokio::test]
async fn secrets_are_read_with_get_only_and_remembered_unless_personal() {
    let rig = Rig::new("secrets").await;
    rig.secret("person", Some("attributes"), "given_name", "Testa").await;
    let shared = control_plane().await;
    let secrets = Secrets::new(shared.client_with_agent(ADMIN, &rig.namespace).unwrap(), SecretTiming::default());
    let at = |name: &str, key: &str| SecretKeyRef { name: name.into(), key: key.into() };
    let ns = rig.namespace.as_str();

    let mark = shared.audit_mark().await.unwrap();
    for _ in 0..3 {
        let token = secrets.read(ns, &at("onfido-webhook", "token"), SecretUse::Webhook).await.unwrap();
        assert_eq!(token.as_slice(), TOKEN.as_bytes());
    }
    assert_eq!(asked(&rig, mark).await.len(), 1, "remembered");
    for _ in 0..2 {
        let person = secrets.read_fresh(ns, "person", SecretUse::Attributes).await.unwrap();
        assert_eq!(person["given_name"].as_slice(), b"Testa");
        secrets.read(ns, &at("person", "given_name"), SecretUse::Attributes).await.unwrap();
    }
    assert!(secrets.forget(ns, "onfido-webhook"));
    assert!(!secrets.forget(ns, "onfido-webhook"), "not twice in five seconds");
    secrets.read(ns, &at("onfido-webhook", "token"), SecretUse::Webhook).await.unwrap();
    let entries = asked(&rig, mark).await;
    assert_eq!(entries.len(), 6);
    assert!(entries.iter().all(|e| e.verb == "get" && e.resource == "secrets"));

    for (name, key) in [("absent", "token"), ("person", "given_name"), ("onfido-webhook", "absent"), ("../configmaps/x", "token")] {
        let fault = secrets.read(ns, &at(name, key), SecretUse::Webhook).await.unwrap_err();
        let expected = SecretFault::NotFound { namespace: ns.into(), name: name.into(), key: Some(key.into()), use_: SecretUse::Webhook };
        assert_eq!(fault, expected);
    }
    let tenant = Secrets::new(shared.client(TENANT).unwrap(), SecretTiming::default());
    let fault = tenant.read(ns, &at("onfido-webhook", "token"), SecretUse::Webhook).await.unwrap_err();
    assert!(matches!(fault, SecretFault::Forbidden { .. }), "{fault}");
}

#[tokio::test]
async fn a_failure_is_believed_for_a_moment_only() {
    let rig = Rig::new("failure").await;
    let with = |failure| {
        let timing = SecretTiming { failure, ..SecretTiming::default() };
        Secrets::new(rig.client.clone(), timing)
    };
    let (forgetful, stubborn) = (with(Duration::ZERO), with(Duration::from_secs(3600)));
    let at = SecretKeyRef { name: "late".into(), key: "token".into() };
    let read = async |secrets: &Secrets| secrets.read(&rig.namespace, &at, SecretUse::Webhook).await.is_ok();
    assert!(!read(&forgetful).await && !read(&stubborn).await);
    rig.secret("late", Some("webhook"), "token", TOKEN).await;
    assert!(read(&forgetful).await, "looked again");
    assert!(!read(&stubborn).await, "not yet");
    assert!(stubborn.forget(&rig.namespace, "late"));
    assert!(read(&stubborn).await);
}
