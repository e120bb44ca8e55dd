//! The chart's life: installed, upgraded with a verification under way, rolled back, uninstalled, installed again; for the whole cluster and
//! for some namespaces.

use std::{
    fs,
    path::{Path, PathBuf},
};

use k8s_openapi::{api::apps::v1::Deployment, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use onfido_operator::{
    api::{ConditionType as C, IdentityVerification},
    dev::ADMIN,
    simulator::admin::Operation,
};
use serde_json::json;

use super::{chart, release::Release};
use crate::support::operator::Scene;

/// A whole life, up to the verdict, which the vendor's delivery brings.
async fn life(release: &Release, scene: &Scene, name: &str) -> IdentityVerification {
    release.serve(scene).await;
    let run = scene.awaiting(name, json!({})).await;
    verdict(scene, name, &run).await
}

async fn verdict(scene: &Scene, name: &str, run: &str) -> IdentityVerification {
    scene.decide(run, "approved", json!({})).await;
    let object = scene.until_condition(name, C::Verified, "True", "Verified").await;
    assert!(object.status.as_ref().unwrap().notification.is_some(), "the vendor's delivery came through the Service's port");
    object
}

/// An older form of the chart: another version, a field of a definition less, another description.
fn older(folder: &Path) -> PathBuf {
    let older = folder.join("older-chart");
    copy(&chart(), &older);
    let edit = |path: &str, edit: &dyn Fn(&str) -> String| {
        let path = older.join(path);
        let before = fs::read_to_string(&path).unwrap();
        let after = edit(&before);
        assert_ne!(before, after, "{}", path.display());
        fs::write(path, after).unwrap();
    };
    edit("Chart.yaml", &|text| text.replace("version: 0.1.0\n", "version: 0.0.1\n"));
    edit("templates/crds/onfidoproviders.yaml", &|text| {
        without(text, "              attributes:").replace("One account at Onfido", "An account at Onfido")
    });
    older
}

/// A YAML text without a key and what is below it.
fn without(text: &str, key: &str) -> String {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut below = false;
    let kept = text.lines().filter(|line| {
        below = *line == key || (below && depth(line) > depth(key));
        !below
    });
    kept.map(|line| format!("{line}\n")).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, to).unwrap();
        }
    }
}

/// Whether the definition of providers is the tree's: the older one lacks a field and says something else.
async fn is_current(release: &Release) -> bool {
    let crds = Api::<CustomResourceDefinition>::all(release.control_plane.client(ADMIN).unwrap());
    let crd = crds.get("onfidoproviders.onfido-operator.dev").await.unwrap();
    let schema = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
    let new_text = schema.description.as_ref().unwrap().starts_with("One account");
    let new_field = schema.properties.as_ref().unwrap()["spec"].properties.as_ref().unwrap().contains_key("attributes");
    assert_eq!(new_text, new_field);
    new_text
}

async fn log_level(release: &Release) -> String {
    let deployments = Api::<Deployment>::namespaced(release.control_plane.client(ADMIN).unwrap(), release.namespace);
    let deployment = deployments.get(release.name).await.unwrap();
    let args = deployment.spec.unwrap().template.spec.unwrap().containers[0].args.clone().unwrap();
    args.iter().find_map(|arg| arg.strip_prefix("--log-level=")).unwrap().to_owned()
}

/// No Pod is left, and every one ended when it was told to, in time and in order.
async fn all_ended_well(release: &Release, so_many: usize) {
    // Helm does not wait for what a Deployment owns.
    let records = release.kubelet.until_empty().await;
    assert_eq!(records.len(), so_many);
    for record in records {
        let (status, memory) = record.ended.expect("its end");
        assert!(status.success() && record.restarts == 0, "{} {status}:\n{}", record.pod, release.kubelet.logs());
        assert!(memory < 128 * 1024, "{memory} KiB is more than the chart's limit");
    }
}

/// The API server ends every watch then, and what is there has to be listed anew.
async fn a_change_of_the_definitions_disturbs_nobody(release: &Release, scene: &Scene) {
    let crds = Api::<CustomResourceDefinition>::all(release.control_plane.client(ADMIN).unwrap());
    for kind in ["onfidoproviders", "identityverifications"] {
        let path = "/spec/versions/0/schema/openAPIV3Schema/description";
        let patch = serde_json::from_value(json!([{ "op": "replace", "path": path, "value": "Another." }])).unwrap();
        let name = format!("{kind}.onfido-operator.dev");
        crds.patch(&name, &PatchParams::default(), &Patch::<()>::Json(patch)).await.unwrap();
        release.kubelet.until_logged(&format!(r#""kind":"{kind}""#)).await;
    }
    for (suspend, ready) in [(true, ("False", "Suspended")), (false, ("True", "Succeeded"))] {
        scene.patch_provider(json!({ "suspend": suspend }), ready).await;
    }
    scene.awaiting("meanwhile", json!({})).await;
}

#[tokio::test]
async fn an_upgrade_a_rollback_and_an_uninstall_lose_no_verification() {
    let mut release = Release::prepare("onfido-operator", "operators").await;
    let older = older(release.control_plane.folder());

    release.put("install", &older, json!({ "logLevel": "info" })).await;
    assert!(!is_current(&release).await);
    let scene = Scene::bare(&release.control_plane, "shop").await;
    scene.provider(json!({})).await;
    scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
    life(&release, &scene, "first").await;
    let in_flight = scene.awaiting("in-flight", json!({})).await;

    release.put("upgrade", &chart(), json!({ "logLevel": "debug" })).await;
    assert!(is_current(&release).await, "helm upgrade upgrades the definitions");
    assert_eq!(log_level(&release).await, "debug");
    release.serve(&scene).await;
    scene.finalize("in-flight").await;
    let verdict_in_flight = verdict(&scene, "in-flight", &in_flight).await;
    assert_eq!(scene.ledger(Operation::CreateWorkflowRun).await.len(), 2, "one for each, none of them twice");
    life(&release, &scene, "second").await;

    release.again(&["rollback", release.name, "1"]).await;
    assert_eq!(log_level(&release).await, "info");
    life(&release, &scene, "third").await;

    release.again(&["uninstall", release.name]).await;
    all_ended_well(&release, 3).await;
    let left = scene.verifications().get("in-flight").await.unwrap();
    assert_eq!(left.metadata.resource_version, verdict_in_flight.metadata.resource_version, "nobody touched it");
    let capture = left.status.as_ref().unwrap().capture.as_ref().unwrap().secret_ref.name.clone();
    scene.secrets().get(&capture).await.unwrap();

    release.put("install", &chart(), json!({})).await;
    assert!(is_current(&release).await, "it adopts the definitions that were left, and upgrades them");
    life(&release, &scene, "fourth").await;
    let left = scene.verifications().get("in-flight").await.unwrap();
    assert_eq!(left.status, verdict_in_flight.status);
    assert_eq!(scene.ledger(Operation::CreateWorkflowRun).await.len(), 5);
    // Last, for helm would refuse to overwrite what somebody else wrote.
    a_change_of_the_definitions_disturbs_nobody(&release, &scene).await;
}

#[tokio::test]
async fn a_release_for_some_namespaces_serves_these_with_roles_alone() {
    let mut release = Release::prepare("onfido-operator", "operators").await;
    // The namespaces must be there before the release; its definitions before what is of their kinds.
    release.put("install", &chart(), json!({ "watchNamespaces": [release.namespace] })).await;
    let first = Scene::bare(&release.control_plane, "first").await;
    let second = Scene::bare(&release.control_plane, "second").await;
    let third = Scene::bare(&release.control_plane, "third").await;
    third.provider(json!({})).await;
    third.verification("person", json!({})).await;
    release.put("upgrade", &chart(), json!({ "watchNamespaces": [first.namespace, second.namespace] })).await;

    let manifest = release.helm(&["get", "manifest", release.name], &json!({})).await;
    assert!(!manifest.contains("kind: ClusterRoleBinding") && manifest.matches("kind: RoleBinding").count() == 3);
    for scene in [&first, &second] {
        scene.provider(json!({})).await;
        scene.until_provider("onfido", C::Ready, "True", "Succeeded").await;
        life(&release, scene, "person").await;
    }
    assert!(third.providers().get("onfido").await.unwrap().status.is_none_or(|status| status.observed_generation.is_none()));
    assert_eq!(third.simulator.ledger(Some(&third.account), None).await.unwrap().len(), 0);
}

#[tokio::test]
async fn the_readmes_commands_install_it() {
    let mut release = Release::prepare("onfido-operator", "onfido-operator").await;
    let commands = crate::readme::commands("helm");
    let mut said = vec![];
    for command in &commands {
        let args: Vec<&str> = command.split(' ').skip(1).collect();
        // The README's own values, and what this machine needs.
        said.push(match args[0] {
            "install" => {
                let values = release.values().await;
                release.helm(&[&args[..], &["--timeout", "60s", "-f", "-"]].concat(), &values).await
            }
            _ => release.helm(&args, &json!(null)).await,
        });
    }
    let [installed, notes] = &said[..] else { panic!("{commands:?}") };
    assert!(installed.contains("STATUS: deployed"), "{installed}");
    assert!(notes.contains("https://verify.example.com/webhooks/identity/onfido"), "{notes}");
    release.endpoint().await;
}
