//! The definitions in `crds/` on a real API server: what they refuse, what they default, how they show. No operator runs here.
//! That the files are current is asked in `readme.rs`.

mod attempts;
mod bounds;
mod capture;
mod fresh;
mod inputs;
mod provider;
mod show;
mod verification;

use std::path::{Path, PathBuf};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams, Request, ValidationDirective},
    runtime::wait,
};
use onfido_operator::{
    api::{GROUP, VERSION},
    dev::{ADMIN, ControlPlane},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::{
    control_plane::{control_plane, namespace},
    operator::{PATIENCE, WORKFLOW, merge},
};

const PROVIDERS: &str = "onfidoproviders";
const VERIFICATIONS: &str = "identityverifications";

/// A file of the repository.
pub fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The shared control plane, with our kinds installed from the files a user would apply, as a user would.
pub async fn installed() -> &'static ControlPlane {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let shared = control_plane().await;
    let install = || async {
        let folder = file("crds");
        // The field manager is that of `operator::install`, which may put the same definitions here.
        let args = ["apply", "--server-side", "--force-conflicts", "--field-manager=test", "-f", &folder.to_string_lossy()];
        let done = shared.kubectl(&args).await.unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{said}");
        assert!(!said.contains("Warning"), "the API server warns of a definition: {said}");
        let crds = Api::<CustomResourceDefinition>::all(shared.client(ADMIN).unwrap());
        for plural in [PROVIDERS, VERIFICATIONS] {
            let name = format!("{plural}.{GROUP}");
            let established = wait::await_condition(crds.clone(), &name, wait::conditions::is_crd_established());
            tokio::time::timeout(PATIENCE, established).await.unwrap().unwrap();
        }
    };
    INSTALLED.get_or_init(install).await;
    shared
}

/// One namespace on that control plane.
struct Place {
    plane: &'static ControlPlane,
    client: Client,
    namespace: String,
}

impl Place {
    async fn new(word: &str) -> Self {
        let plane = installed().await;
        Self { plane, client: plane.client(ADMIN).unwrap(), namespace: namespace(plane, word).await }
    }

    fn api(&self, plural: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource(plural))
    }

    /// What the API server would say to a new object with this spec; unknown fields are refused, so that a slip of a test shows.
    async fn try_create(&self, plural: &str, spec: &Value) -> Result<Value, String> {
        let object = object(plural, "tried", spec);
        let url = format!("/apis/{GROUP}/{VERSION}/namespaces/{}/{plural}", self.namespace);
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let mut request = Request::new(url).create(&dry, serde_json::to_vec(&object).unwrap()).unwrap();
        *request.uri_mut() = format!("{}&fieldValidation=Strict", request.uri()).parse().unwrap();
        said(self.client.request::<Value>(request).await)
    }

    async fn create(&self, plural: &str, name: &str, spec: &Value) -> DynamicObject {
        let object = serde_json::from_value(object(plural, name, spec)).unwrap();
        self.api(plural).create(&PostParams::default(), &object).await.unwrap()
    }

    /// What the API server would say to this change of an object's spec.
    async fn try_change(&self, plural: &str, name: &str, change: &Value) -> Result<Value, String> {
        let params = PatchParams { dry_run: true, field_validation: Some(ValidationDirective::Strict), ..PatchParams::default() };
        let patch = Patch::Merge(json!({ "spec": change }));
        said(self.api(plural).patch(name, &params, &patch).await.map(|object| object.data))
    }

    async fn set_status(&self, plural: &str, name: &str, status: &Value) {
        let patch = Patch::Merge(json!({ "status": status }));
        self.api(plural).patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// What kubectl prints, in this namespace; its errors if it fails.
    async fn kubectl(&self, args: &[&str]) -> Result<String, String> {
        let done = self.plane.kubectl(&[&["-n", &self.namespace], args].concat()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }
    }
}

fn resource(plural: &str) -> ApiResource {
    let kind = kind(plural);
    ApiResource {
        group: GROUP.into(),
        version: VERSION.into(),
        api_version: format!("{GROUP}/{VERSION}"),
        kind: kind.into(),
        plural: plural.into(),
    }
}

fn kind(plural: &str) -> &'static str {
    if plural == PROVIDERS { "OnfidoProvider" } else { "IdentityVerification" }
}

fn object(plural: &str, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": format!("{GROUP}/{VERSION}"), "kind": kind(plural), "metadata": { "name": name }, "spec": spec })
}

/// Refusals are answers here; everything else that goes wrong is not.
fn said<T>(answer: Result<T, kube::Error>) -> Result<T, String> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(kube::Error::Api(status)) if status.code == 422 => Err(status.message),
        Err(error) => panic!("{error}"),
    }
}

/// The least a spec needs, with changes merged over it; null removes.
fn spec(plural: &str, changes: Value) -> Value {
    let mut spec = if plural == PROVIDERS {
        json!({ "region": "EU", "workflowID": WORKFLOW, "credentials": { "apiTokenSecretRef": { "name": "onfido-api", "key": "token" } } })
    } else {
        json!({ "providerRef": { "name": "onfido" }, "subject": "user-1", "attributesFrom": [{ "secretRef": { "name": "user-1" } }] })
    };
    merge(&mut spec, changes);
    spec
}

/// A row of a table: a change, and what a refusal must say; nothing if it must be accepted.
type Row = (Value, &'static [&'static str]);

const OK: &[&str] = &[];

/// Compares an answer with a row; says what is wrong.
fn judge(change: &Value, wanted: &[&str], answer: Result<Value, String>) -> Option<String> {
    match answer {
        Ok(_) if wanted.is_empty() => None,
        Ok(_) => Some(format!("{change}\n  was accepted; wanted: {wanted:?}")),
        Err(said) if !wanted.is_empty() && wanted.iter().all(|words| said.contains(words)) => None,
        Err(said) => Some(format!("{change}\n  was refused: {said}\n  wanted: {wanted:?}")),
    }
}

/// Tries every row on a new object.
async fn try_creations(place: &Place, plural: &str, rows: Vec<Row>) {
    let mut wrong = vec![];
    for (change, wanted) in rows {
        let answer = place.try_create(plural, &spec(plural, change.clone())).await;
        wrong.extend(judge(&change, wanted, answer));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Tries every row on an object that exists with this spec.
async fn try_changes(place: &Place, plural: &str, before: Value, rows: Vec<Row>) {
    let name = "existing";
    place.create(plural, name, &spec(plural, before)).await;
    let mut wrong = vec![];
    for (change, wanted) in rows {
        wrong.extend(judge(&change, wanted, place.try_change(plural, name, &change).await));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    place.api(plural).delete(name, &Default::default()).await.unwrap();
}
