//! What `helm install` prints: its commands are run as they stand, and lead to a provider that is ready.

use onfido_operator::{
    dev::{ControlPlane, Program},
    simulator::admin::AccountSetting,
};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{chart, helm};
use crate::support::{
    control_plane::{control_plane, namespace},
    operator::{WEBHOOK_TOKEN, WORKFLOW, simulator, stage},
};

/// The notes of a release that nobody installs.
async fn notes(plane: &ControlPlane, values: &Value) -> String {
    let folder = chart();
    let args = ["install", "onfido", &folder.to_string_lossy(), "-n", "onfido-system", "--dry-run=client", "-o", "json", "-f", "-"];
    let release: Value = serde_json::from_str(&helm(plane, &args, values).await.unwrap()).unwrap();
    release["info"]["notes"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_commands_lead_to_a_provider_that_is_ready() {
    let stage = stage().await;
    let at = namespace(&stage.control_plane, "notes").await;
    let token = format!("api_sandbox.{at}");
    simulator().await.account(&AccountSetting::new(&at, &token, WORKFLOW)).await.unwrap();
    let notes =
        notes(&stage.control_plane, &json!({ "watchNamespaces": [at], "webhook": { "publicURL": "https://verify.example.com" } })).await;
    assert!(notes.contains(&format!("     https://verify.example.com/webhooks/{at}/onfido\n")), "{notes}");
    assert!(!notes.contains("WARNING") && !notes.contains("create namespace"), "{notes}");

    // Nothing runs in the Deployment here, and the workflow is the simulator's.
    let start = notes.find("2. Give").unwrap();
    let script = notes[start..].replace("00000000-0000-0000-0000-000000000000", WORKFLOW);
    let mut inside = false;
    let commands = script.lines().filter_map(|line| {
        inside |= line.starts_with("kubectl apply");
        let keep =
            inside || line.starts_with("kubectl wait") || ["     printf ", "     kubectl "].iter().any(|start| line.starts_with(start));
        inside &= line != "END";
        keep.then(|| if line.starts_with("     ") && !inside { line.trim_start() } else { line })
    });
    let script = format!("set -eu\n{}\n", commands.collect::<Vec<_>>().join("\n"));
    assert_eq!(script.matches("kubectl").count(), 6, "{script}");
    let kubectl = stage.control_plane.program(Program::Kubectl).await.unwrap();
    let path = format!("{}:{}", kubectl.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let done = Command::new("sh")
        .args(["-c", &script])
        .env("PATH", path)
        .env("KUBECONFIG", stage.control_plane.kubeconfig())
        .env("ONFIDO_API_TOKEN", token)
        .env("ONFIDO_WEBHOOK_TOKEN", WEBHOOK_TOKEN)
        .output()
        .await
        .unwrap();
    assert!(done.status.success(), "{script}\n{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn they_say_what_is_missing_with_the_names_as_installed() {
    let plane = control_plane().await;
    let unreachable = "Onfido cannot reach the webhook endpoint";
    let rows: [(Value, &[&str], &[&str]); 5] = [
        (
            json!({}),
            &[
                "deployment/onfido-onfido-operator",
                "-n onfido-system",
                "It watches all namespaces.",
                "kubectl create namespace identity",
                unreachable,
                "http://onfido-onfido-operator.onfido-system.svc/webhooks/identity/onfido",
                "kubectl logs -n onfido-system deployment/onfido-onfido-operator",
            ],
            &["onfido-webhook", "rbac.create", "crds.enabled", "admissionPolicies", "management:"],
        ),
        (
            json!({ "ingress": { "enabled": true, "host": "verify.example.com" }, "fullnameOverride": "ours" }),
            &["http://verify.example.com/webhooks/identity/onfido", "not encrypted", "deployment/ours", "management: Manual"],
            &[unreachable],
        ),
        (json!({ "watchNamespaces": ["shop", "people"] }), &["these namespaces and no others: shop, people."], &["identity\n"]),
        (
            json!({ "rbac": { "create": false } }),
            &["rbac.create is false", "system:serviceaccount:onfido-system:onfido-onfido-operator"],
            &[],
        ),
        (
            json!({ "crds": { "enabled": false }, "admissionPolicies": { "enabled": false } }),
            &["crds.enabled is false", "WARNING: admissionPolicies.enabled is false"],
            &[],
        ),
    ];
    for (values, says, never) in rows {
        let notes = notes(plane, &values).await;
        for words in says {
            assert!(notes.contains(words), "{values}: {words:?} is not in\n{notes}");
        }
        for words in never {
            assert!(!notes.contains(words), "{values}: {words:?} is in\n{notes}");
        }
        for line in notes.lines() {
            assert!(line == line.trim_end() && !line.contains("<no value>"), "{values}: {line:?}");
        }
        assert!(!notes.contains("\n\n\n"), "{values}: {notes}");
    }
}
