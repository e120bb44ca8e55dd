//! The Helm chart: what it renders, what it refuses, what its policies and roles do on a real API server. How helm is run, and how what
//! it rendered is looked at, is here.

mod bad_values;
mod notes;
mod policies;
mod render;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use onfido_operator::dev::{ControlPlane, Program};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The chart's folder.
fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/onfido-operator")
}

/// Runs the real helm, with values to read by `-f -`. What it printed; its errors if it fails.
async fn helm(plane: &ControlPlane, args: &[&str], values: &Value) -> Result<String, String> {
    let mut child = Command::new(plane.program(Program::Helm).await.unwrap())
        .args(args)
        .env("KUBECONFIG", plane.kubeconfig())
        .env("HOME", plane.folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let text = values.to_string();
    let feed = async move {
        // It may end without reading it; its status then says why.
        let _ = pipe.write_all(text.as_bytes()).await;
    };
    let (_, done) = tokio::join!(feed, child.wait_with_output());
    let done = done.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }
}

/// `helm template` of a chart.
async fn template(plane: &ControlPlane, chart: &Path, release: &str, namespace: &str, values: &Value) -> Result<String, String> {
    helm(plane, &["template", release, &chart.to_string_lossy(), "--namespace", namespace, "-f", "-"], values).await
}

/// What was rendered, object by object.
struct Objects(Vec<Value>);

impl Objects {
    fn read(rendered: &str) -> Self {
        let objects: Vec<Value> = serde_saphyr::from_multiple(rendered).unwrap();
        Self(objects.into_iter().filter(|object| !object.is_null()).collect())
    }

    fn all(&self, kind: &str) -> Vec<&Value> {
        self.0.iter().filter(|object| object["kind"] == kind).collect()
    }

    /// The names of all objects of a kind, with their namespaces.
    fn names(&self, kind: &str) -> Vec<String> {
        let name = |object: &Value| match object["metadata"]["namespace"].as_str() {
            Some(namespace) => format!("{namespace}/{}", object["metadata"]["name"].as_str().unwrap()),
            None => object["metadata"]["name"].as_str().unwrap().to_owned(),
        };
        self.all(kind).into_iter().map(name).collect()
    }

    /// The only one of its kind.
    #[track_caller]
    fn one(&self, kind: &str) -> &Value {
        let [one] = self.all(kind)[..] else { panic!("not one {kind}: {:?}", self.names(kind)) };
        one
    }

    /// The Pod that the Deployment makes.
    fn pod(&self) -> &Value {
        &self.one("Deployment")["spec"]["template"]
    }

    fn container(&self) -> &Value {
        &self.pod()["spec"]["containers"][0]
    }

    fn args(&self) -> Vec<&str> {
        self.container()["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect()
    }

    #[track_caller]
    fn public_url(&self) -> &str {
        let args = self.args();
        let urls: Vec<_> = args.iter().filter_map(|arg| arg.strip_prefix("--webhook-public-url=")).collect();
        let [url] = urls[..] else { panic!("{args:?}") };
        url
    }
}

/// Keys of values, with dots. A map that is documented as a whole is one key.
fn keys(values: &Value, schema: &Value, above: &str) -> Vec<String> {
    let mut found = vec![];
    for (key, value) in values.as_object().unwrap() {
        let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        let inner = &schema["properties"][key];
        if value.as_object().is_some_and(|map| !map.is_empty()) && inner["properties"].is_object() {
            found.extend(keys(value, inner, &path));
        } else {
            found.push(path);
        }
    }
    found
}
