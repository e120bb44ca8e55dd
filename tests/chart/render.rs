//! What the chart renders for many sets of values: each is judged by the API server's own schemas and by the API server, and by what the
//! set is about.

mod sets;

use std::path::{Path, PathBuf};

use kube::api::Request;
use onfido_operator::dev::{ADMIN, ControlPlane, Program, generate::manifests};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{Objects, chart, helm, keys, template};
use crate::support::control_plane::namespace;

#[tokio::test]
async fn helm_finds_nothing_to_complain_of() {
    let plane = crate::support::control_plane::control_plane().await;
    let said = helm(plane, &["lint", "--strict", &chart().to_string_lossy()], &Value::Null).await.unwrap();
    assert!(said.contains("0 chart(s) failed") && !said.contains("[WARNING]"), "{said}");
}

/// `generate` refuses a key without a comment.
#[test]
fn every_value_is_in_the_schema_and_in_a_template_and_the_other_way_round() {
    let read = |path: &str| std::fs::read_to_string(chart().join(path)).unwrap();
    let values: Value = serde_saphyr::from_str(&read("values.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let mut given = keys(&values, &schema, "");
    let mut known = vec![];
    for (key, inner) in schema["properties"].as_object().unwrap() {
        match inner["properties"].as_object() {
            Some(properties) if key != "onfidoEndpoints" => known.extend(properties.keys().map(|name| format!("{key}.{name}"))),
            _ => known.push(key.clone()),
        }
    }
    known.retain(|key| !["global", "enabled"].contains(&key.as_str()));
    given.sort();
    known.sort();
    assert_eq!(given, known);
    let mut templates = String::new();
    for entry in std::fs::read_dir(chart().join("templates")).unwrap().chain(std::fs::read_dir(chart().join("templates/crds")).unwrap()) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // These two only talk.
        if path.is_file() && name != "checks.yaml" && name != "NOTES.txt" {
            templates.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    let used = |key: &str| {
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.');
        templates.split(&format!(".Values.{key}")).skip(1).any(ends)
    };
    let unused: Vec<_> = given.iter().filter(|key| !used(key)).collect();
    assert!(unused.is_empty(), "in no template: {unused:?}");
}

#[tokio::test]
async fn install_yaml_is_the_rendered_default() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = std::fs::read_to_string(root.join("install.yaml")).unwrap_or_default();
    assert!(found == manifests::text(root).await.unwrap(), "install.yaml is not current: run `make manifests`");
    let objects = Objects::read(&found);
    assert_eq!(objects.names("Namespace"), ["onfido-operator"]);
    let outside: Vec<_> = objects.0.iter().filter_map(|object| object["metadata"]["namespace"].as_str()).collect();
    assert!(outside.iter().all(|namespace| *namespace == "onfido-operator"), "{outside:?}");
    let judge = Judge::new().await;
    crate::support::operator::install(judge.plane).await; // a dry run makes no namespace for what comes after it
    judge.accepts("install.yaml", &found).await;
}

/// A chart that has this one as a dependency, as people have it.
fn parent(plane: &ControlPlane) -> PathBuf {
    let folder = plane.folder().join("parent-chart");
    std::fs::create_dir_all(folder.join("charts")).unwrap();
    let parent = json!({
        "apiVersion": "v2", "name": "parent", "version": "1.0.0",
        "dependencies": [{ "name": "onfido-operator", "version": "*", "condition": "onfido-operator.enabled" }],
    });
    std::fs::write(folder.join("Chart.yaml"), parent.to_string()).unwrap();
    let link = folder.join("charts/onfido-operator");
    if !link.exists() {
        std::os::unix::fs::symlink(chart(), link).unwrap();
    }
    folder
}

/// Who judges what was rendered.
struct Judge {
    plane: &'static ControlPlane,
    schemas: PathBuf,
    /// A namespace that lets in only what passes Pod Security `restricted`.
    restricted: String,
}

impl Judge {
    async fn new() -> Self {
        // Our kinds are there, so that nothing is missing but what is judged.
        let plane = crate::crds::installed().await;
        let restricted = namespace(plane, "restricted").await;
        let label = "pod-security.kubernetes.io/enforce=restricted";
        let done = plane.kubectl(&["label", "namespace", &restricted, label]).await.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let schemas = plane.folder().join(format!("schemas-{restricted}"));
        std::fs::create_dir_all(&schemas).unwrap();
        write_schemas(plane, &schemas).await;
        Self { plane, schemas, restricted }
    }

    /// By the schemas, by the API server, and its Pod by Pod Security. The namespaces must exist.
    async fn accepts(&self, set: &str, rendered: &str) {
        let file = self.schemas.join(format!("{}.yaml", set.replace(' ', "-")));
        std::fs::write(&file, rendered).unwrap();
        let schemas = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", self.schemas.display());
        let done = Command::new(self.plane.program(Program::Kubeconform).await.unwrap())
            .args(["-strict", "-summary", "-schema-location", &schemas])
            .arg(&file)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success() && said.contains("Skipped: 0"), "{set}: kubeconform: {said}");

        let file = file.to_string_lossy();
        let args = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", &file];
        let done = self.plane.kubectl(&args).await.unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success() && said.is_empty(), "{set}: kubectl: {said}");

        let answer = self.admits(Objects::read(rendered).pod()).await;
        assert!(answer.is_ok(), "{set}: Pod Security: {answer:?}");
    }

    /// Whether a Pod is let in where only `restricted` ones are.
    async fn admits(&self, pod: &Value) -> Result<(), String> {
        let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"], "spec": pod["spec"] });
        pod["metadata"]["name"] = json!("tried");
        let request = Request::new(format!("/api/v1/namespaces/{}/pods", self.restricted));
        let dry = kube::api::PostParams { dry_run: true, ..Default::default() };
        let request = request.create(&dry, pod.to_string().into_bytes()).unwrap();
        let client = self.plane.client(ADMIN).unwrap();
        client.request::<Value>(request).await.map(drop).map_err(|error| error.to_string())
    }
}

/// One file for each kind that the chart may render, from what the API server says of itself. What has properties has no others.
async fn write_schemas(plane: &ControlPlane, folder: &Path) {
    const PATHS: [&str; 6] = [
        "api/v1",
        "apis/apps/v1",
        "apis/networking.k8s.io/v1",
        "apis/rbac.authorization.k8s.io/v1",
        "apis/admissionregistration.k8s.io/v1",
        "apis/apiextensions.k8s.io/v1",
    ];
    let client = plane.client(ADMIN).unwrap();
    for path in PATHS {
        let request = axum::http::Request::get(format!("/openapi/v3/{path}")).body(vec![]).unwrap();
        let mut document: Value = client.request(request).await.unwrap();
        let schemas = document["components"]["schemas"].as_object_mut().unwrap();
        for schema in schemas.values_mut() {
            if schema.get("properties").is_some() {
                schema["additionalProperties"] = json!(false);
            }
        }
        for (name, schema) in &*schemas {
            for kind in schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
                let [group, version, kind] = ["group", "version", "kind"].map(|part| kind[part].as_str().unwrap().to_lowercase());
                if format!("apis/{group}/{version}") != path && format!("api/{version}") != path {
                    continue; // such as DeleteOptions, which is of every group
                }
                let first = group.split('.').next().filter(|first| !first.is_empty());
                let file = first.map_or_else(|| format!("{kind}-{version}.json"), |first| format!("{kind}-{first}-{version}.json"));
                let schema = json!({ "$ref": format!("#/components/schemas/{name}"), "components": { "schemas": schemas } });
                std::fs::write(folder.join(file), schema.to_string()).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_judge_refuses_what_is_wrong() {
    let judge = Judge::new().await;
    let rendered = template(judge.plane, &chart(), "judged", &judge.restricted, &json!({})).await.unwrap();
    let mut pod = Objects::read(&rendered).pod().clone();
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let said = judge.admits(&pod).await.unwrap_err();
    assert!(said.contains("restricted"), "{said}");
    let wrong = rendered.replace("terminationGracePeriodSeconds:", "terminationGraceSeconds:");
    let file = judge.schemas.join("wrong.yaml");
    std::fs::write(&file, wrong).unwrap();
    let schemas = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", judge.schemas.display());
    let program = judge.plane.program(Program::Kubeconform).await.unwrap();
    let done = Command::new(program).args(["-strict", "-schema-location", &schemas]).arg(&file).output().await.unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(!done.status.success() && said.contains("terminationGraceSeconds"), "{said}");
}
