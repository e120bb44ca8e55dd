//! The admission policies and the aggregated roles, installed from the rendered chart and tried as the people they are for.
//!
//! On a control plane of its own: the policies forbid everybody else's tests to write a status.

use std::time::Instant;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Api;
use onfido_operator::dev::{ADMIN, ControlPlane, User};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{chart, template};
use crate::support::{
    control_plane::{TENANT, options},
    operator::PATIENCE,
};

const GROUP: &str = "onfido-operator.dev";
const NAMESPACE: &str = "onfido-operator";
const ACCOUNT: &str = "system:serviceaccount:onfido-operator:onfido-operator";
/// A namespace that is watched in every set of values here.
const SHOP: &str = "shop";
/// One that is watched only where all are.
const OTHER: &str = "other";
const ROLES: [&str; 3] = ["view", "edit", "admin"];

/// With kube-controller-manager, which fills the built-in roles, checks the policies' types and collects what lost its owner.
async fn plane() -> &'static ControlPlane {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            let mut options = options();
            options.controller_manager = true;
            options.users.extend(ROLES.map(|role| User::new(&format!("{role}er"), &[])));
            let plane = ControlPlane::start(options).await.unwrap();
            for namespace in [NAMESPACE, SHOP, OTHER] {
                ok(&plane, &["create", "namespace", namespace]).await;
            }
            for role in ROLES {
                ok(&plane, &["create", "rolebinding", role, "-n", SHOP, "--clusterrole", role, "--user", &format!("{role}er")]).await;
            }
            // More than anybody should have: what remains is what the policies forbid.
            ok(&plane, &["create", "clusterrole", "everything", "--verb=*", "--resource=secrets,configmaps"]).await;
            for (name, user) in [("operator", ACCOUNT), ("tenant", TENANT)] {
                ok(&plane, &["create", "clusterrolebinding", name, "--clusterrole=everything", "--user", user]).await;
            }
            plane
        })
        .await
}

/// Runs kubectl as the admin, or as who `--as` says. What it printed; its errors if it fails.
async fn kubectl(plane: &ControlPlane, who: &str, args: &[&str], stdin: Option<&Value>) -> Result<String, String> {
    let impersonated = [&["--as", who][..], args].concat();
    let (user, args) = if who.starts_with("system:serviceaccount:") { (ADMIN, &impersonated[..]) } else { (who, args) };
    let stdin = stdin.map(Value::to_string);
    let done = plane.kubectl_as(user, args, stdin.as_ref().map(String::as_bytes)).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }
}

async fn ok(plane: &ControlPlane, args: &[&str]) -> String {
    kubectl(plane, ADMIN, args, None).await.unwrap_or_else(|said| panic!("{args:?}: {said}"))
}

/// Installs the chart with these values, and waits until the definitions may be used.
async fn install(plane: &ControlPlane, values: Value) {
    let rendered = template(plane, &chart(), "onfido-operator", NAMESPACE, &values).await.unwrap();
    let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let done = plane.kubectl_as(ADMIN, &args, Some(rendered.as_bytes())).await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    ok(plane, &["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]).await;
}

/// Tries until it is refused, or until it is not: policies and bindings take a moment to be in force.
async fn until(plane: &ControlPlane, refused: bool, who: &str, args: &[&str]) {
    let since = Instant::now();
    loop {
        let answer = kubectl(plane, who, args, None).await;
        if answer.is_err() == refused {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{who}: {args:?}: {answer:?}");
    }
}

/// A provider and a verification.
async fn objects(plane: &ControlPlane, namespace: &str) {
    let common = |kind: &str, spec: Value| json!({ "apiVersion": format!("{GROUP}/v1alpha1"), "kind": kind, "metadata": { "name": "a", "namespace": namespace }, "spec": spec });
    let provider = json!({ "region": "EU", "workflowID": crate::support::operator::WORKFLOW, "credentials": { "apiTokenSecretRef": { "name": "a", "key": "a" } } });
    let verification = json!({ "providerRef": { "name": "a" }, "subject": "a", "attributesFrom": [{ "secretRef": { "name": "a" } }] });
    for object in [common("OnfidoProvider", provider), common("IdentityVerification", verification)] {
        kubectl(plane, ADMIN, &["apply", "-f", "-"], Some(&object)).await.unwrap();
    }
}

const FORGED: &str = r#"{"status":{"phase":"Approved","conditions":[{"type":"Verified","status":"True","reason":"Verified","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}"#;
const READY: &str = r#"{"status":{"conditions":[{"type":"Ready","status":"True","reason":"Succeeded","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}"#;

/// How somebody would write a status; nothing is stored.
fn write(resource: &'static str, namespace: &'static str) -> Vec<&'static str> {
    let status = if resource == "idv" { FORGED } else { READY };
    vec!["patch", resource, "a", "-n", namespace, "--subresource=status", "--type=merge", "--dry-run=server", "-p", status]
}

#[tokio::test]
async fn the_policies_hold_for_everybody() {
    let plane = plane().await;
    // First the policies of an operator that watches one namespace: elsewhere another may be the one who writes.
    install(plane, json!({ "watchNamespaces": [SHOP] })).await;
    for namespace in [SHOP, OTHER] {
        objects(plane, namespace).await;
    }
    until(plane, true, ADMIN, &write("idv", SHOP)).await;
    kubectl(plane, ADMIN, &write("idv", OTHER), None).await.unwrap();
    install(plane, json!({})).await;
    until(plane, true, ADMIN, &write("idv", OTHER)).await;
    let foreign = ["create", "secret", "generic", "tried", "-n", SHOP, "--dry-run=server"];
    until(plane, true, ACCOUNT, &foreign).await;
    nobody_else_writes_a_status(plane).await;
    the_operators_account_keeps_to_its_own_secrets(plane).await;
    the_operators_account_keeps_to_its_own_ledger(plane).await;
    the_operators_account_changes_its_finalizer_and_nothing_else(plane).await;
    the_operators_account_deletes_only_what_asks_for_it(plane).await;
    nobody_else_is_hindered(plane).await;
    the_policies_are_well_typed(plane).await;
}

async fn nobody_else_writes_a_status(plane: &ControlPlane) {
    const OTHERS: [&str; 4] =
        [ADMIN, TENANT, "system:serviceaccount:onfido-operator:default", "system:serviceaccount:shop:onfido-operator"];
    let kinds = ["onfidoproviders", "identityverifications"].map(|kind| format!("{kind}.{GROUP},{kind}.{GROUP}/status")).join(",");
    ok(plane, &["create", "clusterrole", "forger", "--verb=get,patch,update", "--resource", &kinds]).await;
    let bind = ["create", "clusterrolebinding", "forger", "--clusterrole=forger", "--user", ACCOUNT];
    ok(plane, &[&bind[..], &OTHERS.map(|who| ["--user", who]).concat()].concat()).await;
    // The right is there: what refuses is the policy, by its message.
    let says = format!("only the operator's account, {ACCOUNT}, writes this status");
    let since = Instant::now();
    let refused = async |who: &str, args: &[&str], stdin: Option<&Value>| loop {
        let said = kubectl(plane, who, args, stdin).await.expect_err(who);
        // A binding is in force a moment after it is made.
        if said.contains(&says) {
            return;
        }
        assert!(said.contains("cannot") && since.elapsed() < PATIENCE, "{who}: {said}");
    };
    let get = async |resource: &str| -> Value {
        serde_json::from_str(&ok(plane, &["get", resource, "a", "-n", SHOP, "-o", "json"]).await).unwrap()
    };
    for (resource, status) in [("idv", FORGED), ("onfp", READY)] {
        for who in OTHERS {
            refused(who, &write(resource, SHOP), None).await;
            let mut object = get(resource).await;
            object["status"] = serde_json::from_str::<Value>(status).unwrap()["status"].clone();
            refused(who, &["replace", "--subresource=status", "-f", "-"], Some(&object)).await;
        }
        assert_eq!(get(resource).await["status"]["conditions"][0]["status"], "Unknown", "{resource}: nothing of it is stored");
        let mut really = write(resource, SHOP);
        really.retain(|arg| !arg.starts_with("--dry-run"));
        kubectl(plane, ACCOUNT, &really, None).await.unwrap();
        assert_eq!(get(resource).await["status"]["conditions"][0]["status"], "True", "{resource}");
    }
}

/// A Secret to create: with metadata merged over its name, and a type.
fn secret(name: &str, metadata: Value, type_: &str) -> Value {
    let mut secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": SHOP }, "type": type_, "stringData": { "a": "b" } });
    crate::support::operator::merge(&mut secret["metadata"], metadata);
    secret
}

async fn the_operators_account_keeps_to_its_own_secrets(plane: &ControlPlane) {
    let uid = ok(plane, &["get", "idv", "a", "-n", SHOP, "-o", "jsonpath={.metadata.uid}"]).await;
    let owner = |group: &str, kind: &str| json!({ "ownerReferences": [{ "apiVersion": format!("{group}/v1alpha1"), "kind": kind, "name": "a", "uid": uid }] });
    let owned = || owner(GROUP, "IdentityVerification");
    let labelled = || json!({ "labels": { "app.kubernetes.io/managed-by": "onfido-operator" } });
    let mut of_an_account = labelled();
    of_an_account["annotations"] = json!({ "kubernetes.io/service-account.name": "default" });
    let (foreign, opaque) = ("touches only Secrets", "only Secrets of type Opaque");

    let creations = [
        ("owned", owned(), "Opaque", None),
        ("labelled", labelled(), "Opaque", None),
        ("neither", json!({}), "Opaque", Some(foreign)),
        ("labelled-otherwise", json!({ "labels": { "app.kubernetes.io/managed-by": "Helm" } }), "Opaque", Some(foreign)),
        ("of-a-provider", owner(GROUP, "OnfidoProvider"), "Opaque", Some(foreign)),
        ("of-another-group", owner("onfido-operator.dev.example.com", "IdentityVerification"), "Opaque", Some(foreign)),
        ("account-token", of_an_account, "kubernetes.io/service-account-token", Some(opaque)),
        ("bootstrap-token", labelled(), "bootstrap.kubernetes.io/token", Some(opaque)),
        ("owned-otherwise", owned(), "example.com/other", Some(opaque)),
    ];
    for (name, metadata, type_, says) in creations {
        let answer = kubectl(plane, ACCOUNT, &["create", "-f", "-"], Some(&secret(name, metadata, type_))).await;
        match (answer, says) {
            (Ok(_), None) => {}
            (Err(said), Some(says)) => assert!(said.contains(says), "{name}: {said}"),
            (answer, says) => panic!("{name}: {answer:?}, wanted {says:?}"),
        }
    }

    let foreign_ones = [("theirs", json!({})), ("theirs-of-helm", json!({ "labels": { "app.kubernetes.io/managed-by": "Helm" } }))];
    for (name, metadata) in foreign_ones {
        kubectl(plane, ADMIN, &["create", "-f", "-"], Some(&secret(name, metadata, "Opaque"))).await.unwrap();
        let changed = secret(name, labelled(), "Opaque");
        // Taking it over is a change too: what counts is what was there.
        let take_over = r#"{"metadata":{"labels":{"app.kubernetes.io/managed-by":"onfido-operator"}}}"#;
        for (args, stdin) in [
            (&["patch", "secret", name, "-n", SHOP, "-p", r#"{"stringData":{"a":"c"}}"#][..], None),
            (&["patch", "secret", name, "-n", SHOP, "-p", take_over], None),
            (&["replace", "-f", "-"], Some(&changed)),
            (&["apply", "--server-side", "--force-conflicts", "-f", "-"], Some(&changed)),
            (&["delete", "secret", name, "-n", SHOP], None),
            (&["delete", "--raw", "/api/v1/namespaces/shop/secrets?fieldSelector=metadata.name%3Dtheirs"], None),
        ] {
            let said = kubectl(plane, ACCOUNT, args, stdin).await.expect_err(name);
            assert!(said.contains(foreign), "{name}: {args:?}: {said}");
        }
        kubectl(plane, ACCOUNT, &["get", "secret", name, "-n", SHOP], None).await.expect("what is read is RBAC's to say");
    }
    for name in ["owned", "labelled"] {
        kubectl(plane, ACCOUNT, &["patch", "secret", name, "-n", SHOP, "-p", r#"{"stringData":{"a":"c"}}"#], None).await.unwrap();
        kubectl(plane, ACCOUNT, &["delete", "secret", name, "-n", SHOP], None).await.unwrap();
    }
}

async fn the_operators_account_deletes_only_what_asks_for_it(plane: &ControlPlane) {
    let rights =
        ["create", "clusterrole", "deletes", "--verb=delete,deletecollection", "--resource=identityverifications.onfido-operator.dev"];
    ok(plane, &rights).await;
    ok(plane, &["create", "clusterrolebinding", "deletes", "--clusterrole=deletes", "--user", ACCOUNT]).await;
    let says = "deletes only an IdentityVerification that has ended and whose spec.retention.deleteAfter asks for it";
    let delete = ["delete", "idv", "a", "-n", SHOP, "--dry-run=server", "--wait=false"];
    let set = async |spec: &str| ok(plane, &["patch", "idv", "a", "-n", SHOP, "--type=merge", "-p", spec]).await;
    let ended = async |status: &str| {
        let args = ["patch", "idv", "a", "-n", SHOP, "--subresource=status", "--type=merge", "-p", status];
        kubectl(plane, ACCOUNT, &args, None).await.unwrap();
    };
    let (no, yes) = (r#"{"status":{"completedAt":null}}"#, r#"{"status":{"completedAt":"2026-01-01T00:00:00Z"}}"#);
    let redact = r#"{"spec":{"retention":{"redactAfter":"1h"}}}"#;
    let both = r#"{"spec":{"retention":{"redactAfter":"1h","deleteAfter":"2h"}}}"#;
    for (spec, status, allowed) in
        [(r#"{"spec":{"retention":null}}"#, yes, false), (redact, yes, false), (both, no, false), (both, yes, true)]
    {
        set(spec).await;
        ended(status).await;
        let since = Instant::now();
        // A binding is in force a moment after it is made.
        while let Err(said) = kubectl(plane, ACCOUNT, &delete, None).await {
            if !allowed && said.contains(says) {
                break;
            }
            assert!(since.elapsed() < PATIENCE, "{spec} {status}: {said}");
        }
        assert!(allowed || kubectl(plane, ACCOUNT, &delete, None).await.is_err(), "{spec} {status}");
    }
    set(r#"{"spec":{"retention":null}}"#).await;
    ok(plane, &delete).await; // everybody else is left alone
}

async fn the_operators_account_keeps_to_its_own_ledger(plane: &ControlPlane) {
    let map = |name: &str, labels: Value| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": NAMESPACE, "labels": labels }, "data": { "a": "b" } });
    let managed = || json!({ "app.kubernetes.io/managed-by": "onfido-operator" });
    let ours = || json!({ "app.kubernetes.io/managed-by": "onfido-operator", "onfido-operator.dev/ledger": "erasures" });
    let foreign = "touches only ConfigMaps that are labelled";
    for labels in [json!({}), managed(), json!({ "onfido-operator.dev/ledger": "erasures" })] {
        let said = kubectl(plane, ACCOUNT, &["create", "-f", "-"], Some(&map("tried", labels))).await.expect_err("created");
        assert!(said.contains(foreign), "{said}");
    }
    kubectl(plane, ADMIN, &["create", "-f", "-"], Some(&map("theirs", managed()))).await.unwrap();
    kubectl(plane, ACCOUNT, &["create", "-f", "-"], Some(&map("ledger", ours()))).await.unwrap();
    let change = r#"{"data":{"a":"c"}}"#;
    let take_over = r#"{"metadata":{"labels":{"onfido-operator.dev/ledger":"erasures"}}}"#;
    for args in [
        &["patch", "configmap", "theirs", "-n", NAMESPACE, "-p", change][..],
        &["patch", "configmap", "theirs", "-n", NAMESPACE, "-p", take_over],
        &["delete", "configmap", "theirs", "-n", NAMESPACE],
    ] {
        let said = kubectl(plane, ACCOUNT, args, None).await.expect_err("theirs");
        assert!(said.contains(foreign), "{args:?}: {said}");
    }
    kubectl(plane, ACCOUNT, &["patch", "configmap", "ledger", "-n", NAMESPACE, "-p", change], None).await.unwrap();
    kubectl(plane, ADMIN, &["delete", "configmap", "theirs", "ledger", "-n", NAMESPACE], None).await.unwrap();
}

async fn the_operators_account_changes_its_finalizer_and_nothing_else(plane: &ControlPlane) {
    const OURS: &str = "onfido-operator.dev/erasure";
    const THEIRS: &str = "example.com/other";
    let patch = |patch: Value| async move {
        kubectl(plane, ACCOUNT, &["patch", "idv", "a", "-n", SHOP, "--type=merge", "-p", &patch.to_string()], None).await
    };
    let (spec, metadata, finalizer) = ("changes no spec", "changes no metadata", "changes no finalizer");
    for (change, says) in [
        (json!({ "spec": { "submittedAttempt": 1 } }), spec),
        (json!({ "spec": { "subject": "b" } }), "immutable"),
        (json!({ "spec": { "deletionPolicy": "DeleteApplicant" } }), spec),
        (json!({ "metadata": { "labels": { "a": "b" } } }), metadata),
        (json!({ "metadata": { "annotations": { "a": "b" } } }), metadata),
        (json!({ "metadata": { "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "a" }] } }), metadata),
        (json!({ "metadata": { "finalizers": [THEIRS] } }), finalizer),
        (json!({ "metadata": { "finalizers": [OURS, THEIRS] } }), finalizer),
    ] {
        let said = patch(change.clone()).await.expect_err("changed");
        assert!(said.contains(says), "{change}: {said}");
    }
    let another = json!({ "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "IdentityVerification", "metadata": { "name": "made", "namespace": SHOP },
        "spec": { "providerRef": { "name": "a" }, "subject": "a", "attributesFrom": [{ "secretRef": { "name": "a" } }] } });
    ok(plane, &["create", "clusterrolebinding", "editor-too", "--clusterrole=edit", "--user", ACCOUNT]).await;
    let since = Instant::now();
    loop {
        let said = kubectl(plane, ACCOUNT, &["create", "-f", "-"], Some(&another)).await.expect_err("created");
        if said.contains("creates none") {
            break;
        }
        assert!(said.contains("cannot") && since.elapsed() < PATIENCE, "{said}");
    }
    patch(json!({ "metadata": { "finalizers": [OURS] } })).await.unwrap();
    let both = json!({ "metadata": { "finalizers": [THEIRS, OURS] } }).to_string();
    kubectl(plane, ADMIN, &["patch", "idv", "a", "-n", SHOP, "--type=merge", "-p", &both], None).await.unwrap();
    let said = patch(json!({ "metadata": { "finalizers": null } })).await.expect_err("taken off");
    assert!(said.contains(finalizer), "{said}");
    patch(json!({ "metadata": { "finalizers": [THEIRS] } })).await.unwrap();
    kubectl(plane, ADMIN, &["patch", "idv", "a", "-n", SHOP, "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#], None)
        .await
        .unwrap();
}

async fn nobody_else_is_hindered(plane: &ControlPlane) {
    for who in [ADMIN, TENANT] {
        kubectl(plane, who, &["create", "-f", "-"], Some(&secret("own", json!({}), "example.com/other"))).await.unwrap();
        kubectl(plane, who, &["patch", "secret", "own", "-n", SHOP, "-p", r#"{"stringData":{"a":"c"}}"#], None).await.unwrap();
        kubectl(plane, who, &["delete", "secret", "own", "-n", SHOP], None).await.unwrap();
        let spec = r#"{"spec":{"submittedAttempt":1}}"#;
        kubectl(plane, who, &["patch", "idv", "a", "-n", SHOP, "--type=merge", "--dry-run=server", "-p", spec], None).await.unwrap();
    }
}

/// An expression that can fail at run time would refuse what it should let in.
async fn the_policies_are_well_typed(plane: &ControlPlane) {
    let since = Instant::now();
    loop {
        let policies: Value = serde_json::from_str(&ok(plane, &["get", "validatingadmissionpolicies", "-o", "json"]).await).unwrap();
        let policies = policies["items"].as_array().unwrap();
        assert_eq!(policies.len(), 5);
        if policies.iter().all(|policy| policy["status"]["observedGeneration"] == policy["metadata"]["generation"]) {
            for policy in policies {
                assert_eq!(policy["status"]["typeChecking"].get("expressionWarnings"), None, "{policy}");
            }
            return;
        }
        assert!(since.elapsed() < PATIENCE, "not checked: {policies:?}");
    }
}

#[tokio::test]
async fn the_built_in_roles_are_extended_and_never_by_the_status() {
    let plane = plane().await;
    install(plane, json!({ "admissionPolicies": { "enabled": false } })).await;
    const READ: &[&str] = &["get", "list", "watch"];
    const WRITE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
    let reviews = Api::<SubjectAccessReview>::all(plane.client(ADMIN).unwrap());
    let can = async |who: &str, verb: &str, resource: &str, subresource: Option<&str>| {
        let attributes = ResourceAttributes {
            namespace: Some(SHOP.into()),
            group: Some(GROUP.into()),
            resource: Some(resource.into()),
            subresource: subresource.map(Into::into),
            verb: Some(verb.into()),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec { resource_attributes: Some(attributes), user: Some(who.into()), ..Default::default() };
        let review = SubjectAccessReview { spec, ..Default::default() };
        reviews.create(&Default::default(), &review).await.unwrap().status.unwrap().allowed
    };
    let since = Instant::now();
    for role in ROLES {
        while !can(&format!("{role}er"), if role == "view" { "get" } else { "delete" }, "onfidoproviders", None).await {
            assert!(since.elapsed() < PATIENCE, "the role {role} is not extended");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await; // a right cannot be watched
        }
    }
    for (role, allowed) in [("view", &[READ][..]), ("edit", &[READ, WRITE]), ("admin", &[READ, WRITE])] {
        let who = format!("{role}er");
        for resource in ["onfidoproviders", "identityverifications"] {
            for verb in [READ, WRITE].concat() {
                let wanted = allowed.iter().any(|verbs| verbs.contains(&verb));
                assert_eq!(can(&who, verb, resource, None).await, wanted, "{role}: {verb} {resource}");
                for subresource in ["status", "finalizers"] {
                    assert!(!can(&who, verb, resource, Some(subresource)).await, "{role}: {verb} {resource}/{subresource}");
                }
            }
        }
        // As they would ask themselves.
        let said = plane.kubectl_as(&who, &["auth", "can-i", "patch", "idv/a", "--subresource=status", "-n", SHOP], None).await.unwrap();
        assert_eq!(String::from_utf8(said.stdout).unwrap(), "no\n", "{role}");
    }
}
