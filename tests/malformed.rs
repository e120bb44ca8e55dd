//! A cluster that is not as it should be: malformed objects, missing definitions, missing rights, an API server that goes away; and a
//! pass that panics. On control planes of their own, where the tests would be in others' way.

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use k8s_openapi::api::core::v1::Secret;
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
    control_plane::{TENANT, control_plane, namespace, options},
    operator::{Operator, PATIENCE, Run, Scene, install, merge},
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
    for kind in BOTH {
        let missing = format!("the custom resource definition {kind}.onfido-operator.dev is not installed");
        operator.until_logged(&format!("waiting: {missing}\n")).await;
        let (status, body) = readiness(&operator).await;
        assert!(status == 503 && body.contains(&missing), "{status} {body}");
    }
    install(&control_plane).await;
    operator.ready().await;
    let scene = served(&control_plane, &operator, "late").await;
    lives(&scene, "person").await;

    rights(&control_plane).await;
    outage(&control_plane, &scene, &operator).await;
}

/// A rule of RBAC's.
fn rule(group: &str, verbs: &[&str], resources: &[&str]) -> Value {
    json!({ "apiGroups": [group], "verbs": verbs, "resources": resources })
}

const OURS: &str = "onfido-operator.dev";
const BOTH: [&str; 2] = ["onfidoproviders", "identityverifications"];
const STATUSES: [&str; 2] = ["onfidoproviders/status", "identityverifications/status"];
/// On Secrets, and on the erasure ledger, which is needed in the operator's own namespace only.
const SECRETS: [&str; 4] = ["get", "create", "patch", "delete"];
const LEDGER: [&str; 3] = ["get", "create", "patch"];
/// What lacks where nothing is granted.
const NOTHING: [&str; 15] = [
    "list on onfidoproviders.onfido-operator.dev",
    "list on identityverifications.onfido-operator.dev",
    "watch on onfidoproviders.onfido-operator.dev",
    "watch on identityverifications.onfido-operator.dev",
    "patch on onfidoproviders/status.onfido-operator.dev",
    "patch on identityverifications/status.onfido-operator.dev",
    "patch on identityverifications.onfido-operator.dev",
    "delete on identityverifications.onfido-operator.dev",
    "get on secrets",
    "create on secrets",
    "patch on secrets",
    "delete on secrets",
    "create on events.events.k8s.io",
    "patch on events.events.k8s.io",
    "get on namespaces",
];

/// What it takes to work in a namespace, but for these verbs on Secrets.
fn rules_without(verbs: &[&str]) -> Value {
    let left: Vec<&str> = SECRETS.into_iter().filter(|verb| !verbs.contains(verb)).collect();
    let secrets = (!left.is_empty()).then(|| rule("", &left, &["secrets"]));
    let besides = [
        rule("events.k8s.io", &["create", "patch"], &["events"]),
        rule("", &["get"], &["namespaces"]),
        rule(OURS, &["patch", "delete"], &BOTH[1..]),
        rule("", &LEDGER, &["configmaps"]),
    ];
    [rule(OURS, &["list", "watch"], &BOTH), rule(OURS, &["patch"], &STATUSES)].into_iter().chain(besides).chain(secrets).collect()
}

/// Gives the tenant these rules and takes every other, in this namespace or in all of them.
async fn grant(control_plane: &ControlPlane, namespace: Option<&str>, rules: Value) {
    let kinds = if namespace.is_some() { ["Role", "RoleBinding"] } else { ["ClusterRole", "ClusterRoleBinding"] };
    let group = "rbac.authorization.k8s.io";
    let contents = [
        json!({ "rules": rules }),
        json!({
            "subjects": [{ "kind": "User", "name": TENANT, "apiGroup": group }],
            "roleRef": { "apiGroup": group, "kind": kinds[0], "name": "tenant" },
        }),
    ];
    for (kind, mut object) in kinds.into_iter().zip(contents) {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        let client = control_plane.client(ADMIN).unwrap();
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        merge(&mut object, json!({ "apiVersion": resource.api_version, "kind": kind, "metadata": { "name": "tenant" } }));
        api.patch("tenant", &PatchParams::apply("test").force(), &Patch::Apply(&object)).await.unwrap();
    }
}

/// Waits until it says that exactly these rights lack there, each in a line of its log.
async fn lacks(operator: &Operator, namespace: Option<&str>, rights: &[&str]) {
    let place = namespace.map_or(String::new(), |namespace| format!(" in namespace {namespace}"));
    let wanted: BTreeSet<String> = rights.iter().map(|right| format!("missing right: {right}{place}")).collect();
    for line in &wanted {
        operator.until_logged(&format!("waiting: {line}\n")).await;
    }
    let last = Mutex::new(String::new());
    let polling = async {
        loop {
            let (status, body) = readiness(operator).await;
            let found = body.lines().filter(|line| line.starts_with("missing right")).map(Into::into).collect::<BTreeSet<String>>();
            *last.lock().unwrap() = format!("{status} {body}");
            if status == 503 && found == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await; // there is nothing to watch in another process
        }
    };
    if tokio::time::timeout(PATIENCE, polling).await.is_err() {
        panic!("waited in vain for {wanted:?}: {}", last.lock().unwrap());
    }
}

/// It said of nothing twice that it waits for it.
fn said_once(operator: &Operator) {
    let log = operator.logged();
    let mut said = BTreeSet::new();
    for line in log.lines().filter_map(|line| line.split_once("waiting: ")) {
        assert!(said.insert(line.1), "said again: {}", line.1);
    }
}

/// Operators that may do ever more.
async fn rights(control_plane: &ControlPlane) {
    rights_by_namespace(control_plane).await;

    let operator = Operator::launch(control_plane, &Run { user: TENANT, ..Run::default() }).await;
    let may = async |rules: Value| grant(control_plane, None, rules).await;
    lacks(&operator, None, &NOTHING).await;
    may(json!([rule(OURS, &["list", "watch"], &BOTH)])).await;
    lacks(&operator, None, &NOTHING[4..]).await;
    may(json!([rule(OURS, &["list", "watch"], &BOTH), rule(OURS, &["patch"], &STATUSES[..1])])).await;
    lacks(&operator, None, &NOTHING[5..]).await;
    may(rules_without(&SECRETS)).await;
    lacks(&operator, None, &NOTHING[8..12]).await;
    may(rules_without(&["create"])).await;
    lacks(&operator, None, &["create on secrets"]).await;
    may(rules_without(&[])).await;
    operator.ready().await; // its own namespace is one of all
    said_once(&operator);

    // Rights that are taken later show where they are used: those of a watch when it begins anew.
    may(json!([])).await;
    control_plane.stop_api_server().await.unwrap();
    control_plane.start_again().await.unwrap();
    lacks(&operator, None, &NOTHING).await;
    may(rules_without(&[])).await;
    operator.ready().await;

    may(rules_without(&["get"])).await;
    let scene = Scene::bare(control_plane, "taken").await;
    let theirs: Api<Secret> = Api::namespaced(control_plane.client(TENANT).unwrap(), &scene.namespace);
    let taken = async {
        while theirs.get_opt("onfido-api").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await; // the API server tells nobody which roles it uses
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.expect("the right is still there");
    scene.provider(json!({})).await;
    operator.until_logged(&format!("grant it the verb get on secrets in namespace {}", scene.namespace)).await;
}

/// With Roles only: every namespace that is watched needs them, and the operator's own needs others.
async fn rights_by_namespace(control_plane: &ControlPlane) {
    let scenes = [Scene::bare(control_plane, "first").await, Scene::bare(control_plane, "second").await];
    let [first, second] = scenes.each_ref().map(|scene| scene.namespace.as_str());
    let own = namespace(control_plane, "own").await;
    let run =
        Run { user: TENANT, watch: vec![first.into(), second.into()], env: vec![("POD_NAMESPACE".into(), own.clone())], ..Run::default() };

    grant(control_plane, Some(first), rules_without(&[])).await;
    grant(control_plane, Some(second), rules_without(&["patch"])).await;
    let operator = Operator::launch(control_plane, &run).await;
    lacks(&operator, Some(second), &["patch on secrets"]).await;
    grant(control_plane, Some(second), rules_without(&[])).await;
    let key = "get on secrets named onfido-operator-digest-key";
    let ledger = LEDGER.map(|verb| format!("{verb} on configmaps"));
    let [a, b, c] = ledger.each_ref().map(String::as_str);
    lacks(&operator, Some(&own), &[key, "create on secrets", a, b, c]).await;
    let mut get = rule("", &["get"], &["secrets"]);
    get["resourceNames"] = json!(["onfido-operator-digest-key"]);
    grant(control_plane, Some(&own), json!([get])).await;
    lacks(&operator, Some(&own), &["create on secrets", a, b, c]).await;
    grant(control_plane, Some(&own), json!([get, rule("", &["create"], &["secrets"])])).await;
    lacks(&operator, Some(&own), &[a, b, c]).await;
    grant(control_plane, Some(&own), json!([get, rule("", &["create"], &["secrets"]), rule("", &LEDGER, &["configmaps"])])).await;
    operator.ready().await;
    said_once(&operator);
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
    let run = Run { watch: vec![scene.namespace.clone()], env, ..Run::default() };
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
