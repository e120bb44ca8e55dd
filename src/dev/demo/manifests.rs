//! The files of `examples/quickstart`: read, adapted to the real vendor where that is wanted, applied. Knows nothing of what comes of them.

use std::path::Path;

use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
    discovery,
};
use serde_json::{Value, json};

use super::vendor::Account;
use crate::one_line::one_line;

pub(super) const FOLDER: &str = "examples/quickstart";

/// One file.
pub(super) struct File {
    /// From the repository's root, as a user would type it.
    pub(super) path: String,
    objects: Vec<Value>,
}

/// The files, in the order in which they are applied.
pub(super) struct Manifests {
    files: Vec<File>,
}

/// A namespace and a name.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl Manifests {
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let folder = root.join(FOLDER);
        let cannot = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                paths.push(path);
            }
        }
        paths.sort();
        let mut files = Vec::new();
        for path in paths {
            let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            let objects: Vec<Value> =
                serde_saphyr::from_multiple(&text).map_err(|error| format!("{} is no YAML: {}", path.display(), one_line(error)))?;
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let objects = objects.into_iter().filter(|object| !object.is_null()).collect();
            files.push(File { path: format!("{FOLDER}/{name}"), objects });
        }
        Ok(Self { files })
    }

    /// What the platform team applies: everything before the first verification.
    pub(super) fn platform(&self) -> &[File] {
        &self.files[..self.first_verification()]
    }

    /// What the application applies.
    pub(super) fn application(&self) -> &[File] {
        &self.files[self.first_verification()..]
    }

    fn first_verification(&self) -> usize {
        let holds = |file: &File| file.objects.iter().any(|object| object["kind"] == "IdentityVerification");
        self.files.iter().position(holds).unwrap_or(self.files.len())
    }

    pub(super) fn provider(&self) -> Result<Name, String> {
        self.name_of("OnfidoProvider")
    }

    pub(super) fn verification(&self) -> Result<Name, String> {
        self.name_of("IdentityVerification")
    }

    fn name_of(&self, kind: &str) -> Result<Name, String> {
        let object = self.first(kind)?;
        let text =
            |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| format!("the {kind} in {FOLDER} has no name and namespace"));
        Ok(Name { namespace: text(&object["metadata"]["namespace"])?, name: text(&object["metadata"]["name"])? })
    }

    fn first(&self, kind: &str) -> Result<&Value, String> {
        let mut objects = self.files.iter().flat_map(|file| &file.objects);
        objects.find(|object| object["kind"] == kind).ok_or_else(|| format!("there is no {kind} in {FOLDER}"))
    }

    /// The account these files speak of: what the simulator must know.
    pub(super) fn account(&self) -> Result<Account, String> {
        let spec = &self.first("OnfidoProvider")?["spec"];
        let token = self.secret_value(&spec["credentials"]["apiTokenSecretRef"]);
        let workflow = spec["workflowID"].as_str().map(str::to_owned);
        let region = spec["region"].as_str().map(str::to_owned);
        match (token, workflow, region) {
            (Some(token), Some(workflow), Some(region)) => {
                let webhook_token = self.secret_value(&spec["webhook"]["tokenSecretRefs"][0]);
                Ok(Account { token, workflow, region, webhook_token })
            }
            _ => Err(format!("the OnfidoProvider in {FOLDER} lacks its API token, workflowID or region")),
        }
    }

    fn secret_value(&self, reference: &Value) -> Option<String> {
        let key = reference["key"].as_str()?;
        let secret = |object: &&Value| object["kind"] == "Secret" && object["metadata"]["name"] == reference["name"];
        let found = self.files.iter().flat_map(|file| &file.objects).find(secret)?;
        found["stringData"][key].as_str().map(str::to_owned)
    }

    /// Speak of the real account instead, without a webhook: nobody could reach one here.
    pub(super) fn adapt(&mut self, account: &Account) -> Result<(), String> {
        let reference = self.first("OnfidoProvider")?["spec"]["credentials"]["apiTokenSecretRef"].clone();
        let key = reference["key"].as_str().unwrap_or("token").to_owned();
        for object in self.files.iter_mut().flat_map(|file| &mut file.objects) {
            if object["kind"] == "OnfidoProvider" {
                object["spec"]["region"] = json!(account.region);
                object["spec"]["workflowID"] = json!(account.workflow);
                object["spec"]["webhook"] = json!({ "management": "Disabled" });
            } else if object["kind"] == "Secret" && object["metadata"]["name"] == reference["name"] {
                object["stringData"] = json!({ key.as_str(): account.token });
            }
        }
        Ok(())
    }
}

/// What `kubectl apply --server-side` does.
pub(super) async fn apply(client: &Client, files: &[File]) -> Result<(), String> {
    for file in files {
        for object in &file.objects {
            // The message of an API server can repeat a value, but these are the repository's own.
            apply_one(client, object).await.map_err(|error| format!("cannot apply {}: {}", file.path, one_line(error)))?;
        }
    }
    Ok(())
}

async fn apply_one(client: &Client, object: &Value) -> Result<(), kube::Error> {
    let object: DynamicObject = serde_json::from_value(object.clone()).map_err(kube::Error::SerdeError)?;
    let types = object.types.clone().unwrap_or_default();
    let (group, version) = types.api_version.split_once('/').unwrap_or(("", &types.api_version));
    let (resource, capabilities) = discovery::pinned_kind(client, &GroupVersionKind::gvk(group, version, &types.kind)).await?;
    let api: Api<DynamicObject> = match (&capabilities.scope, &object.metadata.namespace) {
        (discovery::Scope::Namespaced, Some(namespace)) => Api::namespaced_with(client.clone(), namespace, &resource),
        (discovery::Scope::Namespaced, None) => Api::default_namespaced_with(client.clone(), &resource),
        (discovery::Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
    };
    let name = object.metadata.name.clone().unwrap_or_default();
    api.patch(&name, &PatchParams::apply("demo").force(), &Patch::Apply(&object)).await?;
    Ok(())
}
