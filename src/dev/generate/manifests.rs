//! `install.yaml`: the chart with its defaults in a namespace of its own, for who does not use helm. Rendered by the real helm.

use std::path::Path;

use tokio::process::Command;

use super::{super::Program, super::assets, chart};
use crate::one_line::one_line;

const FILE: &str = "install.yaml";

/// What stands before the rendered chart. `metadata.labels` holds every Pod of the namespace to the strictest standard, which ours meets.
const HEAD: &str = "# Made from charts/onfido-operator by `make manifests`.
---
apiVersion: v1
kind: Namespace
metadata:
  name: onfido-operator
  labels:
    pod-security.kubernetes.io/enforce: restricted
";

/// Writes it.
pub async fn write(root: &Path) -> Result<(), String> {
    let text = text(root).await?;
    std::fs::write(root.join(FILE), text).map_err(|error| format!("{FILE}: {error}"))
}

/// What it should be.
pub async fn text(root: &Path) -> Result<String, String> {
    let found = assets::find(&root.join("tools"), &[Program::Helm]).await.map_err(one_line)?;
    let helm = found.path(Program::Helm).map_err(one_line)?;
    let done = Command::new(helm)
        .args(["template", "onfido-operator", chart::FOLDER, "--namespace", "onfido-operator"])
        .current_dir(root)
        .output()
        .await
        .map_err(|error| format!("helm: {error}"))?;
    if !done.status.success() {
        return Err(format!("helm template: {}", String::from_utf8_lossy(&done.stderr).trim()));
    }
    let rendered = String::from_utf8(done.stdout).map_err(one_line)?;
    Ok(format!("{HEAD}{rendered}"))
}
