//! The cluster is lost and comes back: etcd put back to what it was before, and objects created again where there was nothing. No run is
//! started twice; that is read from the vendor's ledger.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api,
    api::{ObjectMeta, Patch, PostParams},
};
use onfido_operator::{
    api::{ConditionType as C, IdentityVerification, Phase},
    dev::{ADMIN, ControlPlane},
    simulator::admin::{DefaultOutcome, Operation},
};
use serde_json::json;

use crate::support::{
    control_plane::options,
    operator::{OPERATOR_NAMESPACE, Operator, Run, Scene, install},
};

async fn plane() -> ControlPlane {
    let plane = ControlPlane::start(options()).await.unwrap();
    install(&plane).await;
    plane
}

async fn posts(scene: &Scene) -> [usize; 2] {
    [scene.ledger(Operation::CreateApplicant).await.len(), scene.ledger(Operation::CreateWorkflowRun).await.len()]
}

const DIGEST_KEY: &str = "onfido-operator-digest-key";

/// The operator's own Secrets.
fn operators(plane: &ControlPlane) -> Api<Secret> {
    Api::namespaced(plane.client(ADMIN).unwrap(), OPERATOR_NAMESPACE)
}

fn run_id(object: &IdentityVerification) -> Option<String> {
    object.status.as_ref().and_then(|status| status.workflow_run_id.clone())
}

/// Twenty times faster: an object is looked for first when it is older than three seconds.
const FASTER: f64 = 0.05;

#[tokio::test]
async fn an_etcd_of_before_starts_nothing_twice() {
    let plane = plane().await;
    let scene = Scene::bare(&plane, "past").await;
    let default = DefaultOutcome { capture_after_ms: Some(0), outcome_after_ms: Some(0), ..DefaultOutcome::default() };
    scene.simulator.default_outcome(&scene.account, &default).await.unwrap();
    scene.provider(json!({})).await;
    // Finished with the camera from the beginning: the vendor is looked at soon.
    scene.verification("settled", json!({ "submittedAttempt": 1 })).await;
    let settings = Run { time_scale: FASTER, ..Run::default() };
    let mut operator = Operator::start(&plane, &settings).await;
    scene.until_condition("settled", C::Verified, "True", "Verified").await;
    operator.child.kill();
    scene.verification("keyed", json!({ "submittedAttempt": 1, "idempotencyKey": "order-1" })).await;
    scene.verification("plain", json!({ "submittedAttempt": 1 })).await;
    let snapshot = plane.snapshot().await.unwrap();

    let mut operator = Operator::start(&plane, &settings).await;
    let [keyed, plain] = [
        scene.until_condition("keyed", C::Verified, "True", "Verified").await,
        scene.until_condition("plain", C::Verified, "True", "Verified").await,
    ];
    operator.child.kill();
    assert_eq!(posts(&scene).await, [3, 3]);

    plane.put_back(&snapshot).await.unwrap();
    let forgotten = scene.verifications().get("keyed").await.unwrap();
    assert_eq!((run_id(&forgotten), forgotten.metadata.uid), (None, keyed.metadata.uid.clone()), "the same object, before its run");
    let reads = scene.ledger(Operation::GetWorkflowRun).await.len();
    let mut operator = Operator::start(&plane, &settings).await;
    // What was sent is proven by the run itself where there is a key; where there is none, nobody is verified by a run that was only found.
    let again = scene.until_condition("keyed", C::Verified, "True", "Verified").await;
    assert_eq!(run_id(&again), run_id(&keyed));
    let again = scene.until_condition("plain", C::Verified, "False", "AttributeChanged").await;
    assert_eq!(run_id(&again), run_id(&plain));
    let settled = scene.until_condition("settled", C::Verified, "True", "Verified").await;
    assert_eq!(posts(&scene).await, [3, 3], "nothing is started twice");
    let read: Vec<_> = scene.ledger(Operation::GetWorkflowRun).await.into_iter().skip(reads).map(|call| call.run_id).collect();
    assert!(!read.contains(&run_id(&settled)), "what is settled is left alone");
    operator.child.kill();
}

#[tokio::test]
async fn objects_created_again_in_an_empty_cluster_adopt_their_runs() {
    let before = plane().await;
    let scene = Scene::bare(&before, "moved").await;
    scene.provider(json!({})).await;
    let mut operator = Operator::start(&before, &Run::default()).await;
    let people = ["verified", "edited", "kept", "waiting", "on-page", "reviewed"];
    let key = |name: &str| {
        let mode = if name == "on-page" { "Link" } else { "SDK" };
        json!({ "idempotencyKey": format!("order-of-{name}"), "tags": ["moved"], "capture": { "mode": mode } })
    };
    let mut runs = std::collections::BTreeMap::new();
    for name in people {
        runs.insert(name, scene.awaiting(name, key(name)).await);
    }
    for name in ["verified", "edited", "kept"] {
        scene.decide(&runs[name], "approved", json!({})).await;
        scene.finalize(name).await;
        scene.until_condition(name, C::Verified, "True", "Verified").await;
    }
    scene.decide(&runs["reviewed"], "review", json!({})).await;
    operator.child.kill();
    let status = scene.verifications().get("kept").await.unwrap().status;
    let digest_key = operators(&before).get(DIGEST_KEY).await.unwrap();
    drop(before); // with the uids, the statuses and the key of the digests

    let after = plane().await;
    let client = after.client(ADMIN).unwrap();
    let own = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": scene.namespace } });
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces.create(&PostParams::default(), &serde_json::from_value(own).unwrap()).await.unwrap();
    let restored = Scene { client, ..scene };
    let scene = restored;
    scene.secret("onfido-api", Some("credentials"), &[("token", &scene.api_token())]).await;
    scene.secret("onfido-webhook", Some("webhook"), &[("token", crate::support::operator::WEBHOOK_TOKEN)]).await;
    scene.provider(json!({})).await;
    let mut operator = Operator::start(&after, &Run::default()).await;
    scene.deliver_to(&operator).await;
    let values = [("given_name", "Renamed"), ("family_name", "Person"), ("birthdate", "1990-01-01")];
    scene.secret("renamed", Some("attributes"), &values).await;
    for name in people.into_iter().filter(|name| *name != "kept") {
        let mut spec = key(name);
        if name == "edited" {
            spec["attributesFrom"] = json!([{ "secretRef": { "name": "renamed" } }]); // not what was sent
        }
        scene.verification(name, spec).await;
    }
    scene.verification("new", key("new")).await;

    let verified = scene.until_condition("verified", C::Verified, "True", "Verified").await;
    assert_eq!(run_id(&verified).as_ref(), Some(&runs["verified"]));
    let edited = scene.until_condition("edited", C::Verified, "False", "AttributeChanged").await;
    assert_eq!(run_id(&edited).as_ref(), Some(&runs["edited"]));
    let reviewed = scene.until_phase("reviewed", Phase::InReview).await;
    assert_eq!(run_id(&reviewed).as_ref(), Some(&runs["reviewed"]));

    // Who was about to capture goes on with the same run, and its token or link is handed over here too.
    let known = scene.simulator.runs(Some(&scene.account), None).await.unwrap();
    for (name, key) in [("waiting", "sdk_token"), ("on-page", "link_url")] {
        let waiting = scene.until_condition(name, C::CaptureReady, "True", "AwaitingInput").await;
        assert_eq!(run_id(&waiting).as_ref(), Some(&runs[name]));
        let secret = waiting.status.unwrap().capture.unwrap().secret_ref.name;
        let handed = scene.secrets().get(&secret).await.unwrap().data.unwrap();
        let run = known.iter().find(|run| run.id == runs[name]).unwrap();
        let vendors = if key == "link_url" { &run.capture_url } else { &run.sdk_token };
        assert_eq!(handed[key].0, vendors.as_bytes());
        scene.decide(&run.id, "approved", json!({})).await;
        scene.until_condition(name, C::Verified, "True", "Verified").await;
    }

    scene.until_condition("new", C::CaptureReady, "True", "AwaitingInput").await;
    assert_eq!(posts(&scene).await, [people.len() + 1; 2], "only the new one was started");
    operator.child.kill();

    // One whose status was in the backup, and with it the key of its digests: it is what it was, and its values are known to be the same.
    operators(&after).delete(DIGEST_KEY, &Default::default()).await.unwrap();
    let secret = Secret { metadata: ObjectMeta { name: Some(DIGEST_KEY.into()), ..ObjectMeta::default() }, ..digest_key };
    operators(&after).create(&PostParams::default(), &secret).await.unwrap();
    scene.verification("kept", key("kept")).await;
    let patch = Patch::Merge(json!({ "status": status }));
    scene.verifications().patch_status("kept", &Default::default(), &patch).await.unwrap();
    let asked = scene.simulator.ledger(Some(&scene.account), None).await.unwrap().len();
    let mut operator = Operator::start(&after, &Run::default()).await;
    scene.patch("kept", json!({ "tags": ["an", "edit"] })).await; // has the values judged again
    let kept = scene.until_condition("kept", C::Verified, "True", "Verified").await;
    assert_eq!(run_id(&kept).as_ref(), Some(&runs["kept"]));
    let of_it = |call: &onfido_operator::simulator::admin::LedgerEntry| call.run_id.as_ref() == Some(&runs["kept"]);
    let since: Vec<_> = scene.simulator.ledger(Some(&scene.account), None).await.unwrap().split_off(asked);
    assert!(!since.iter().any(of_it), "{since:#?}");
    operator.child.kill();
}
