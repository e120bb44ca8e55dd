//! Secrets that are watched: what changes in one is noticed at once, by those whom it concerns and by nobody else. Each operator here would
//! notice by itself only long after the test has given up.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use onfido_operator::{
    api::{ConditionType as C, IdentityVerification},
    dev::AuditEntry,
    simulator::admin::Operation,
};
use serde_json::{Value, json};

use crate::support::{
    control_plane::{TENANT, control_plane},
    operator::{Operator, PATIENCE, Run, Scene, install},
};

/// A scene of its own with an operator that watches Secrets.
async fn watching(word: &str, time_scale: f64) -> (Scene, Operator) {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, word).await;
    let run = Run { watch: vec![scene.namespace.clone()], args: vec!["--watch-secrets".into()], time_scale, ..Run::default() };
    let operator = Operator::start(control_plane, &run).await;
    scene.deliver_to(&operator).await;
    scene.provider(json!({})).await;
    scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
    (scene, operator)
}

impl Scene {
    /// Gives the person of a verification this first name.
    async fn rename(&self, name: &str, given_name: &str) {
        self.secret(name, Some("attributes"), &[("given_name", given_name), ("family_name", "Person"), ("birthdate", "1990-01-01")]).await;
    }

    async fn verified(&self, name: &str) {
        let run = self.awaiting(name, json!({})).await;
        self.decide(&run, "approved", json!({})).await;
        self.until_condition(name, C::Verified, "True", "Verified").await;
    }

    async fn captured(&self, name: &str) -> String {
        self.verifications().get(name).await.unwrap().status.unwrap().capture.unwrap().secret_ref.name
    }

    /// Waits until the Secret holds this.
    async fn until_held(&self, name: &str, wanted: &Secret) {
        let holds = |secret: Option<&Secret>| secret.is_some_and(|secret| secret.data == wanted.data);
        let held = kube::runtime::wait::await_condition(self.secrets(), name, holds);
        tokio::time::timeout(PATIENCE, held).await.expect("the Secret is put back").unwrap();
    }
}

#[tokio::test]
async fn a_value_behind_a_verdict_is_judged_again_at_once() {
    // A day is still almost five hours.
    let (scene, _operator) = watching("values", 0.2).await;
    for name in ["person", "other"] {
        scene.verified(name).await;
    }
    let reads = scene.reads().await;
    scene.rename("person", "Renamed").await;
    scene.until_condition("person", C::Verified, "False", "AttributeChanged").await;
    scene.until_event("person", "Revoked").await;
    scene.rename("person", "Invented").await;
    scene.until_condition("person", C::Verified, "True", "Verified").await;
    // One that is gone takes nothing back.
    scene.secrets().delete("person", &DeleteParams::default()).await.unwrap();
    // The changes of one watch come in their order: what comes last was not noticed alone.
    scene.rename("other", "Renamed").await;
    scene.until_condition("other", C::Verified, "False", "AttributeChanged").await;
    let person = scene.verifications().get("person").await.unwrap().status.unwrap();
    assert!(person.attributes.iter().all(|attribute| attribute.verified), "{:?}", person.conditions);
    assert_eq!(scene.reads().await, reads, "the vendor need not be asked");
}

#[tokio::test]
async fn a_token_that_somebody_deletes_or_takes_out_is_put_back_at_once() {
    // A look of its own would come in an hour.
    let (scene, _operator) = watching("handed", 1.0).await;
    let run = scene.awaiting("person", json!({})).await;
    let name = scene.captured("person").await;
    let before = scene.secrets().get(&name).await.unwrap();
    scene.secrets().delete(&name, &DeleteParams::default()).await.unwrap();
    scene.until_held(&name, &before).await;
    let emptied: Patch<Value> = Patch::Merge(json!({ "data": { "sdk_token": "" } }));
    scene.secrets().patch(&name, &PatchParams::default(), &emptied).await.unwrap();
    scene.until_held(&name, &before).await;
    assert_eq!(scene.reads().await, 2, "one look for each");
    // Of one that changes all the time notice is taken every five seconds.
    for number in 0..20 {
        let touched: Patch<Value> = Patch::Merge(json!({ "metadata": { "annotations": { "touched": number.to_string() } } }));
        scene.secrets().patch(&name, &PatchParams::default(), &touched).await.unwrap();
    }
    scene.until_asked_times(Operation::GetWorkflowRun, 3 + probes(&scene).await).await;
    assert!(scene.reads().await <= 4, "{} looks", scene.reads().await);
    scene.decide(&run, "approved", json!({})).await;
    scene.until_condition("person", C::Verified, "True", "Verified").await;
}

#[tokio::test]
async fn what_the_operator_writes_itself_asks_for_no_look() {
    let (scene, _operator) = watching("own", 1.0).await;
    for name in ["person", "other"] {
        scene.awaiting(name, json!({})).await;
    }
    // Each writes a fresh token over the one before it.
    for generation in 1..=3 {
        scene.patch("person", json!({ "capture": { "tokenGeneration": generation } })).await;
        let renewed = |object: &IdentityVerification| {
            object.status.as_ref().and_then(|status| status.capture.as_ref()).is_some_and(|capture| capture.generation == generation)
        };
        scene.until("person", "a fresh token", renewed).await;
    }
    // The changes of one watch come in their order: once this one was noticed, so were those.
    let name = scene.captured("other").await;
    let before = scene.secrets().get(&name).await.unwrap();
    scene.secrets().delete(&name, &DeleteParams::default()).await.unwrap();
    scene.until_held(&name, &before).await;
    assert_eq!(scene.reads().await, 3 + 1, "one for each fresh token, and one for the Secret that somebody deleted");
}

/// How often the vendor was asked for a run that nobody has, to try a token.
async fn probes(scene: &Scene) -> usize {
    scene.ledger(Operation::GetWorkflowRun).await.len() - scene.reads().await
}

#[tokio::test]
async fn a_rotated_token_is_tried_at_once() {
    // It would be read again in twenty minutes, and tried again in three hours.
    let (scene, _operator) = watching("rotated", 20.0).await;
    let probed = probes(&scene).await;
    scene.secret("onfido-webhook", Some("credentials"), &[("token", "an-invented-webhook-token-0123456789")]).await;
    scene.until_provider("onfido", C::WebhookReady, "False", "TokenMissing").await;
    scene.secret("onfido-api", Some("credentials"), &[("token", "api_sandbox.nobody")]).await;
    scene.until_provider("onfido", C::CredentialsValid, "False", "Unauthorized").await;
    assert_eq!(probes(&scene).await, probed, "the account was not asked with a token of nobody's");
}

#[tokio::test]
async fn what_was_missing_is_tried_again_at_once() {
    // By itself it would try again after a hundred seconds, and then later still.
    let (scene, _operator) = watching("missing", 100.0).await;
    scene.verification("person", json!({ "attributesFrom": [{ "secretRef": { "name": "later" } }] })).await;
    scene.until_condition("person", C::Accepted, "False", "SecretNotFound").await;
    scene.rename("later", "Invented").await;
    scene.until_condition("person", C::CaptureReady, "True", "AwaitingInput").await;
}

#[tokio::test]
async fn a_life_costs_the_same_where_secrets_are_watched() {
    const LIVES: usize = 10;
    let (scene, _operator) = watching("same", 1.0).await;
    let plane = control_plane().await;
    scene.verified("first").await; // the key of the digests is made
    let (mark, calls) = (plane.audit_mark().await.unwrap(), called(&scene).await);
    let names: Vec<String> = (0..LIVES).map(|number| format!("person-{number}")).collect();
    futures::future::join_all(names.iter().map(|name| scene.verified(name))).await;
    // One that is not labelled concerns nobody, whatever refers to it.
    scene.secrets().delete("person-0", &DeleteParams::default()).await.unwrap();
    scene.secret("person-0", None, &[("given_name", "Nobody")]).await;
    // Once a Secret that comes after all of theirs was noticed, so were theirs.
    scene.rename("first", "Renamed").await;
    scene.until_condition("first", C::Verified, "False", "AttributeChanged").await;
    let audit = plane.audit_since(mark).await.unwrap();
    let of_lives = |entry: &&AuditEntry| {
        entry.user_agent.starts_with("onfido-operator/")
            && entry.namespace == scene.namespace
            && entry.verb != "watch"
            && entry.name != "first"
    };
    let asked: Vec<_> = audit.iter().filter(of_lives).collect();
    let writes = asked.iter().filter(|entry| entry.is_write() && entry.resource != "events").count();
    let reads = asked.iter().filter(|entry| entry.resource == "secrets" && names.contains(&entry.name)).count();
    let lists = asked.iter().filter(|entry| entry.verb == "list").count();
    assert_eq!((writes, reads, lists), (6 * LIVES, 2 * LIVES, 0), "{asked:?}");
    assert_eq!(called(&scene).await - calls, 3 * LIVES);
}

/// The calls that lives cost.
async fn called(scene: &Scene) -> usize {
    let posts = [Operation::CreateApplicant, Operation::CreateWorkflowRun].map(async |operation| scene.ledger(operation).await.len());
    futures::future::join_all(posts).await.into_iter().sum::<usize>() + scene.reads().await
}

#[tokio::test]
async fn without_the_right_it_waits_and_says_which_one() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "unwatched").await;
    let run = Run { watch: vec![scene.namespace.clone()], args: vec!["--watch-secrets".into()], user: TENANT, ..Run::default() };
    let operator = Operator::launch(control_plane, &run).await;
    for verb in ["list", "watch"] {
        operator.until_logged(&format!("missing right: {verb} on secrets in namespace {}", scene.namespace)).await;
    }
    assert_eq!(operator.alive().await, 200);
}
