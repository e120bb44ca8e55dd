//! The operator's rights, as the chart grants them and the API server holds them against the Pod's account: none is refused, none is idle.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::{
    core::v1::{ConfigMap, Secret},
    rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use onfido_operator::{
    api::ConditionType as C,
    dev::{ADMIN, AuditEntry, AuditMark},
    simulator::admin::DefaultOutcome,
};
use serde_json::json;

use super::{chart, release::Release};
use crate::support::operator::{PATIENCE, Scene};

/// One verb on one resource in one place.
struct Right {
    /// Everywhere if none is given.
    namespace: Option<String>,
    group: String,
    /// With its subresource, as in a rule.
    resource: String,
    verb: String,
    /// Any if it is empty.
    names: Vec<String>,
}

impl Right {
    fn covers(&self, entry: &AuditEntry) -> bool {
        self.verb == entry.verb
            && self.group == group(entry)
            && self.resource == resource(entry)
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == entry.namespace)
            && (self.names.is_empty() || self.names.contains(&entry.name))
    }
}

fn resource(entry: &AuditEntry) -> String {
    if entry.subresource.is_empty() { entry.resource.clone() } else { format!("{}/{}", entry.resource, entry.subresource) }
}

/// The API group of a request, by its path.
fn group(entry: &AuditEntry) -> &str {
    entry.uri.strip_prefix("/apis/").and_then(|rest| rest.split('/').next()).unwrap_or("")
}

/// Every right that is bound to the release's account.
async fn granted(release: &Release) -> Vec<Right> {
    let client = release.control_plane.client(ADMIN).unwrap();
    let all = ListParams::default();
    let ours = |subjects: Option<Vec<Subject>>| {
        subjects.into_iter().flatten().any(|subject| {
            subject.kind == "ServiceAccount" && subject.name == release.name && subject.namespace.as_deref() == Some(release.namespace)
        })
    };
    let mut found = vec![];
    for binding in Api::<ClusterRoleBinding>::all(client.clone()).list(&all).await.unwrap() {
        if ours(binding.subjects) {
            let role = Api::<ClusterRole>::all(client.clone()).get(&binding.role_ref.name).await.unwrap();
            found.extend(rights(None, role.rules));
        }
    }
    for binding in Api::<RoleBinding>::all(client.clone()).list(&all).await.unwrap() {
        let namespace = binding.namespace().unwrap();
        if ours(binding.subjects) {
            assert_eq!(binding.role_ref.kind, "Role");
            let role = Api::<Role>::namespaced(client.clone(), &namespace).get(&binding.role_ref.name).await.unwrap();
            found.extend(rights(Some(&namespace), role.rules));
        }
    }
    found
}

fn rights(namespace: Option<&str>, rules: Option<Vec<PolicyRule>>) -> Vec<Right> {
    let mut found = vec![];
    for rule in rules.into_iter().flatten() {
        assert_eq!(rule.non_resource_urls, None);
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for verb in &rule.verbs {
                    found.push(Right {
                        namespace: namespace.map(str::to_owned),
                        group: group.clone(),
                        resource: resource.clone(),
                        verb: verb.clone(),
                        names: rule.resource_names.clone().unwrap_or_default(),
                    });
                }
            }
        }
    }
    found
}

/// Lives that use every right: a namespace that is selected by its labels, a capture Secret that somebody changed, two refusals, an erasure
/// that is owed because a run is in progress, and settled when it has ended.
async fn lives(release: &Release, scene: &Scene) {
    let selector = json!({ "matchLabels": { "kubernetes.io/metadata.name": scene.namespace } });
    let allowed = json!({ "from": "Selector", "selector": selector });
    scene.provider(json!({ "allowedNamespaces": allowed, "personalData": { "inline": "Allow" } })).await;
    scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
    release.serve(scene).await;

    let run = scene.awaiting("person", json!({})).await;
    let capture = scene.verifications().get("person").await.unwrap().status.unwrap().capture.unwrap().secret_ref.name;
    let before = scene.secrets().get(&capture).await.unwrap().data;
    let emptied = Patch::Merge(json!({ "data": { "sdk_token": "" } }));
    scene.secrets().patch(&capture, &PatchParams::default(), &emptied).await.unwrap();
    scene.ring(&run).await;
    scene.until_rest("person").await;
    assert_eq!(scene.secrets().get(&capture).await.unwrap().data, before, "restored");
    scene.decide(&run, "approved", json!({})).await;
    scene.until_condition("person", C::Verified, "True", "Verified").await;

    scene.patch("person", json!({ "retention": { "redactAfter": "1ms", "deleteAfter": "2ms" } })).await;
    let gone = async {
        while scene.verifications().get_opt("person").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // If it stays, the table says why.
    let _ = tokio::time::timeout(Duration::from_secs(10), gone).await;

    let wrong = json!({ "attributes": [{ "name": "birthdate", "value": "soon" }] });
    scene.verification("refused", wrong).await;
    scene.until_condition("refused", C::Accepted, "False", "AttributeInvalid").await;
    scene.until_event("refused", "Refused").await;
    scene.patch("refused", json!({ "attributes": [{ "name": "shoe_size", "value": "44" }] })).await;
    scene.until_condition("refused", C::Accepted, "False", "AttributeNotMapped").await;
    // The second refusal is added to the first one's Event.
    let counted = async {
        while scene.events("refused", "Refused").await < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // If it never is, the table says why.
    let _ = tokio::time::timeout(Duration::from_secs(10), counted).await;

    let hold = DefaultOutcome { hold: true, ..DefaultOutcome::default() };
    scene.simulator.default_outcome(&scene.account, &hold).await.unwrap();
    let applicant = scene.erasable("erased").await;
    let run = scene.run_of("erased").await;
    scene.simulator.capture(&run).await.unwrap();
    scene.delete("erased").await;
    scene.until_gone("erased").await;
    let owed = async {
        while ledger(release).await != [applicant.as_str()] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        scene.decide(&run, "approved", json!({})).await;
        scene.ask_provider("1").await;
        while !ledger(release).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, owed).await.expect("owed, then settled");
}

/// The keys of all erasure ledgers of the release's namespace.
async fn ledger(release: &Release) -> Vec<String> {
    let maps = Api::<ConfigMap>::namespaced(release.control_plane.client(ADMIN).unwrap(), release.namespace);
    let found = maps.list(&ListParams::default().labels("onfido-operator.dev/ledger=erasures")).await.unwrap();
    found.items.into_iter().flat_map(|map| map.data.unwrap_or_default().into_keys()).collect()
}

/// Compares what was granted with what was asked since the mark; shows the table.
async fn compare(release: &Release, since: AuditMark, served: &str) {
    let rights = granted(release).await;
    let account = format!("system:serviceaccount:{}:{}", release.namespace, release.name);
    let entries = release.control_plane.audit_since(since).await.unwrap();
    let asked: Vec<&AuditEntry> = entries.iter().filter(|entry| entry.user == account).collect();

    let refused: Vec<_> = asked.iter().filter(|entry| matches!(entry.code, 401 | 403)).collect();
    assert!(refused.is_empty(), "refused: {refused:#?}");
    // Everybody may ask what they may do.
    let foreign: Vec<_> = asked
        .iter()
        .filter(|entry| entry.resource != "selfsubjectaccessreviews" && !rights.iter().any(|right| right.covers(entry)))
        .collect();
    assert!(foreign.is_empty(), "not by a right of the chart's: {foreign:#?}");

    let mut table: BTreeMap<(String, String), usize> = BTreeMap::new();
    for right in &rights {
        let scope = match right.namespace.as_deref() {
            None => "all namespaces",
            Some(namespace) if namespace == release.namespace => "its own namespace",
            Some(_) => "each watched namespace",
        };
        let what = format!("{} {}{}{}", right.verb, right.resource, if right.group.is_empty() { "" } else { "." }, right.group);
        *table.entry((scope.to_owned(), what)).or_default() += asked.iter().filter(|entry| right.covers(entry)).count();
    }
    eprintln!("{served}\n{:<60} {:<24} requests", "right", "scope");
    for ((scope, right), requests) in &table {
        eprintln!("{right:<60} {scope:<24} {requests:>8}");
    }
    let idle: Vec<_> = table.iter().filter(|(_, requests)| **requests == 0).map(|(right, _)| right).collect();
    assert!(idle.is_empty(), "granted and never used: {idle:?}");
}

#[tokio::test]
async fn every_right_is_used_and_every_request_permitted() {
    let mut release = Release::prepare("onfido-operator", "operators").await;
    let mark = release.control_plane.audit_mark().await.unwrap();
    release.put("install", &chart(), json!({})).await;
    let scene = Scene::bare(&release.control_plane, "anywhere").await;
    lives(&release, &scene).await;
    compare(&release, mark, "the whole cluster").await;

    release.again(&["uninstall", release.name]).await;
    // With the key there already, nobody would make it.
    let own = Api::<Secret>::namespaced(release.control_plane.client(ADMIN).unwrap(), release.namespace);
    own.delete("onfido-operator-digest-key", &DeleteParams::default()).await.unwrap();
    let first = Scene::bare(&release.control_plane, "first").await;
    let second = Scene::bare(&release.control_plane, "second").await;
    let mark = release.control_plane.audit_mark().await.unwrap();
    release.put("install", &chart(), json!({ "watchNamespaces": [first.namespace, second.namespace] })).await;
    lives(&release, &first).await;
    compare(&release, mark, "two namespaces").await;
}
