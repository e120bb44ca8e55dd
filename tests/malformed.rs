//! A cluster that is not as it should be: malformed objects, missing definitions, missing rights, an API server that goes away; and a
//! pass that panics. On control planes of their own, where the tests would be in others' way.

use std::time::Duration;

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use onfido_operator::{
    api::ConditionType as C,
    dev::{ADMIN, ControlPlane},
    simulator::admin::{Fault, FaultKind, Operation},
};
use serde_json::{Value, json};

use crate::support::{
    control_plane::{TENANT, control_plane, options},
    operator::{Operator, PATIENCE, Run, Scene, install},
};

/// A scene whose provider is ready, served by this operator.
async fn served(control_plane: &ControlPlane, operator: &Operator, word: &str) -> Scene {
    let scene = Scene::bare(control_plane, word).await;
    scene.deliver_to(operator).await;
    scene.provider(json!({})).await;
    scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
    scene
}

/// A whole life.
async fn lives(scene: &Scene, name: &str) {
    let run = scene.awaiting(name, json!({})).await;
    scene.finalize(name).await;
    scene.decide(&run, "approved", json!({})).await;
    scene.until_condition(name, C::Verified, "True", "Verified").await;
}

async fn readiness(operator: &Operator) -> (u16, String) {
    let answer = reqwest::get(format!("{}/readyz", operator.health)).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Takes every rule out of our definitions, as a much older version of them might have had it.
async fn loosen(control_plane: &ControlPlane) {
    let crds = Api::<CustomResourceDefinition>::all(control_plane.client(ADMIN).unwrap());
    for definition in onfido_operator::api::definitions() {
        let mut loose = serde_json::to_value(&definition).unwrap();
        for version in loose["spec"]["versions"].as_array_mut().unwrap() {
            version["schema"] = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
            version.as_object_mut().unwrap().remove("selectableFields");
        }
        let name = definition.metadata.name.as_deref().unwrap();
        crds.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&loose)).await.unwrap();
    }
}

/// Stores what the rules would refuse; a change of a definition takes a moment.
async fn store(scene: &Scene, kind: &str, name: &str, spec: Value, status: Option<Value>) {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("onfido-operator.dev", "v1alpha1", kind));
    let api: Api<DynamicObject> = Api::namespaced_with(scene.client.clone(), &scene.namespace, &resource);
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": resource.api_version, "kind": kind, "metadata": { "name": name }, "spec": spec,
    }))
    .unwrap();
    let storing = async {
        while let Err(error) = api.create(&PostParams::default(), &object).await {
            assert!(matches!(&error, kube::Error::Api(status) if status.code == 422 || status.code == 400), "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await; // the API server tells nobody which rules it uses
        }
        if let Some(status) = status {
            let patch = Patch::Merge(json!({ "status": status }));
            api.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, storing).await.expect("the loose definition never held");
}

#[tokio::test]
async fn malformed_objects_stop_nobody_else() {
    let control_plane = ControlPlane::start(options()).await.unwrap();
    install(&control_plane).await;
    let operator = Operator::start(&control_plane, &Run::default()).await;
    let scene = served(&control_plane, &operator, "malformed").await;
    lives(&scene, "before").await;

    loosen(&control_plane).await;
    let good = json!({ "providerRef": { "name": "onfido" }, "subject": "good" });
    store(&scene, "IdentityVerification", "no-object", json!({ "providerRef": "a string", "subject": 7 }), None).await;
    store(&scene, "IdentityVerification", "no-spec", json!([]), None).await;
    store(&scene, "IdentityVerification", "bad-status", good, Some(json!({ "phase": 12, "conditions": "none" }))).await;
    store(&scene, "OnfidoProvider", "bad-provider", json!({ "region": ["EU"] }), None).await;
    install(&control_plane).await;
    for name in ["no-object", "no-spec", "bad-status", "bad-provider"] {
        operator.until_logged(&format!("name=\"{name}\"")).await;
    }
    lives(&scene, "after").await;

    // And where they are there from the beginning.
    drop(operator);
    let operator = Operator::start(&control_plane, &Run::default()).await;
    scene.deliver_to(&operator).await;
    operator.until_logged("cannot be read by this version").await;
    lives(&scene, "restarted").await;
    assert!(!operator.logged().contains("panicked"));
    assert!(!operator.logged().contains("a string"), "what was stored is nobody's business");
    scene.verifications().delete("no-object", &Default::default()).await.map(drop).or_else(unreadable).unwrap();
}

/// Deleted, though this client cannot read what was deleted.
fn unreadable(error: kube::Error) -> Result<(), kube::Error> {
    if let kube::Error::SerdeError(_) = error { Ok(()) } else { Err(error) }
}

#[tokio::test]
async fn what_the_cluster_lacks_is_named_and_waited_for_and_an_outage_survived() {
    let control_plane = ControlPlane::start(options()).await.unwrap();
    let operator = Operator::launch(&control_plane, &Run::default()).await;
    let missing = "the custom resource definition onfidoproviders.onfido-operator.dev is not installed";
    operator.until_logged(&format!("waiting: {missing}")).await;
    let (status, body) = readiness(&operator).await;
    assert!(status == 503 && body.contains(missing), "{status} {body}");
    install(&control_plane).await;
    operator.ready().await;
    let scene = served(&control_plane, &operator, "late").await;
    lives(&scene, "person").await;

    rights(&control_plane).await;
    outage(&control_plane, &scene, &operator).await;
}

/// An operator that may do ever more.
async fn rights(control_plane: &ControlPlane) {
    let client = control_plane.client(ADMIN).unwrap();
    let rule = |verbs: &[&str], resources: &[&str]| json!({ "apiGroups": ["onfido-operator.dev"], "verbs": verbs, "resources": resources });
    let grant = async |rules: Value| {
        let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "tenant" }, "rules": rules });
        let roles: Api<ClusterRole> = Api::all(client.clone());
        roles.patch("tenant", &PatchParams::apply("test").force(), &Patch::Apply(&role)).await.unwrap();
    };
    let binding = serde_json::from_value(json!({
        "metadata": { "name": "tenant" }, "subjects": [{ "kind": "User", "name": TENANT }],
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "tenant" },
    }));
    Api::<ClusterRoleBinding>::all(client.clone()).create(&PostParams::default(), &binding.unwrap()).await.unwrap();

    let operator = Operator::launch(control_plane, &Run { user: TENANT, ..Run::default() }).await;
    let lacks = async |right: &str| {
        operator.until_logged(&format!("waiting: missing right: {right}")).await;
        let (status, body) = readiness(&operator).await;
        assert!(status == 503 && body.contains(&format!("missing right: {right}\n")), "{status} {body}");
    };
    let (both, statuses) = (["onfidoproviders", "identityverifications"], ["onfidoproviders/status", "identityverifications/status"]);
    lacks("list on onfidoproviders.onfido-operator.dev").await;
    grant(json!([rule(&["list"], &both)])).await;
    lacks("watch on onfidoproviders.onfido-operator.dev").await;
    grant(json!([rule(&["list", "watch"], &both)])).await;
    lacks("patch on onfidoproviders/status.onfido-operator.dev").await;
    grant(json!([rule(&["list", "watch"], &both), rule(&["patch"], &statuses[..1])])).await;
    lacks("patch on identityverifications/status.onfido-operator.dev").await;
    grant(json!([rule(&["list", "watch"], &both), rule(&["patch"], &statuses)])).await;
    operator.ready().await;
    // Rights on Secrets can be given by namespace, so only their use shows that one lacks.
    operator.until_logged("grant it the verb get on secrets in namespace").await;
}

/// The API server goes while the paid call is under way, and comes back.
async fn outage(control_plane: &ControlPlane, scene: &Scene, operator: &Operator) {
    let before = scene.ledger(Operation::CreateWorkflowRun).await.len();
    let waits = scene.awaiting("waits", json!({})).await;
    assert_eq!(scene.ledger(Operation::CreateWorkflowRun).await.len(), before + 1);

    let fault = Fault::once(Operation::CreateWorkflowRun, &scene.account, FaultKind::Delay { ms: 2000 });
    scene.simulator.fault(&fault).await.unwrap();
    scene.verification("cut", json!({})).await;
    scene.until_asked_times(Operation::CreateWorkflowRun, before + 2).await;
    control_plane.stop_api_server().await.unwrap();
    // Decided while nobody can be told: the delivery is refused and sent again.
    scene.decide(&waits, "approved", json!({})).await;
    operator.until_logged("trying again").await;
    assert_eq!(operator.alive().await, 200);
    control_plane.start_again().await.unwrap();

    scene.until_condition("waits", C::Verified, "True", "Verified").await;
    let run = scene.run_of("cut").await;
    scene.finalize("cut").await;
    scene.decide(&run, "approved", json!({})).await;
    scene.until_condition("cut", C::Verified, "True", "Verified").await;
    let paid = scene.ledger(Operation::CreateWorkflowRun).await;
    assert_eq!(paid.len(), before + 2, "one run each");
    assert_eq!(paid.last().unwrap().run_id, Some(run));
    lives(scene, "afterwards").await;
}

#[tokio::test]
async fn a_pass_that_panics_harms_no_other() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "panic").await;
    let env = vec![("ONFIDO_OPERATOR_PANIC_ON".into(), format!("{}/unlucky", scene.namespace))];
    let run = Run { only: Some(scene.namespace.clone()), env, ..Run::default() };
    let operator = Operator::start(control_plane, &run).await;
    scene.deliver_to(&operator).await;
    scene.provider(json!({})).await;
    scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
    scene.verification("unlucky", json!({})).await;
    operator.until_logged("the pass panicked").await;
    lives(&scene, "lucky").await;
    let metrics = reqwest::get(format!("{}/metrics", operator.health)).await.unwrap().text().await.unwrap();
    let panics = metrics.lines().find_map(|line| line.strip_prefix("onfido_operator_reconcile_panics_total ")).unwrap();
    assert!(panics.parse::<u32>().unwrap() >= 1, "{metrics}");
    assert_eq!(readiness(&operator).await.0, 200);
    let log = operator.logged();
    assert!(log.contains("panicked") && log.contains("src/pause.rs"), "where it happened is said");
    assert!(!log.contains(onfido_operator::pause::PANIC), "what it said is not");
    assert_eq!(scene.verifications().get("unlucky").await.unwrap().status.unwrap().applicant_id, None);
}
