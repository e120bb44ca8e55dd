//! The real binary against a real control plane and the simulator, and what a test says of them.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use futures::TryStreamExt;
use k8s_openapi::{api::core::v1::Secret, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    core::DeserializeGuard,
    runtime::{WatchStreamExt, wait, watcher},
};
use onfido_operator::{
    api::{ConditionType, IdentityVerification, OnfidoProvider, Phase, find_condition},
    dev::{
        ADMIN, ControlPlane, Port,
        child::{Child, Start},
    },
    simulator::{self, AdminClient, Simulator, admin},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::control_plane::{namespace, options};

/// How long a test waits for what must come. Long, because a busy machine is slow; a test that passes never waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The workflow of every account here.
pub const WORKFLOW: &str = "5c1d9b0e-6f0e-4c52-9d3f-0f5f0a3c9b11";
/// What deliveries are signed with.
pub const WEBHOOK_TOKEN: &str = "an-invented-webhook-token-0123456789";
/// The namespace of an operator's own Secret.
pub const OPERATOR_NAMESPACE: &str = "onfido-operator";

/// The simulator of this test program: in this process, on a thread of its own, since a test's runtime ends with the test.
pub async fn simulator() -> AdminClient {
    static SHARED: OnceCell<String> = OnceCell::const_new();
    let start = || async {
        let (tell, told) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async {
                onfido_operator::dev::install_crypto();
                let simulator = Simulator::start(simulator::Options::ephemeral()).await.unwrap();
                tell.send(simulator.url.clone()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        told.await.unwrap()
    };
    AdminClient::new(SHARED.get_or_init(start).await).unwrap()
}

/// A control plane with our kinds and one operator for all namespaces; tests have a namespace and an account each.
pub async fn stage() -> &'static Stage {
    static SHARED: OnceCell<Stage> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            let control_plane = ControlPlane::start(options()).await.unwrap();
            install(&control_plane).await;
            let operator = Operator::start(&control_plane, &Run::default()).await;
            Stage { control_plane, operator }
        })
        .await
}

pub struct Stage {
    pub control_plane: ControlPlane,
    pub operator: Operator,
}

/// Installs our kinds and the operator's own namespace.
pub async fn install(control_plane: &ControlPlane) {
    let client = control_plane.client(ADMIN).unwrap();
    let crds = Api::<CustomResourceDefinition>::all(client.clone());
    for definition in onfido_operator::api::definitions() {
        let name = definition.name_any();
        crds.patch(&name, &PatchParams::apply("test").force(), &Patch::Apply(&definition)).await.unwrap();
        let established = wait::await_condition(crds.clone(), &name, wait::conditions::is_crd_established());
        tokio::time::timeout(PATIENCE, established).await.unwrap().unwrap();
    }
    let namespaces = Api::<k8s_openapi::api::core::v1::Namespace>::all(client);
    let own =
        serde_json::from_value(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": OPERATOR_NAMESPACE } })).unwrap();
    match namespaces.create(&PostParams::default(), &own).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        Err(error) => panic!("{error}"),
    }
}

/// How an operator is run.
#[derive(Clone)]
pub struct Run {
    /// Watch these namespaces only.
    pub watch: Vec<String>,
    /// Every wait times this.
    pub time_scale: f64,
    /// Stop at this place; see `src/pause.rs`.
    pub pause_at: Option<String>,
    pub log_level: &'static str,
    /// Further arguments.
    pub args: Vec<String>,
    /// Further environment.
    pub env: Vec<(String, String)>,
    /// Who it is to the API server.
    pub user: &'static str,
}

impl Default for Run {
    fn default() -> Self {
        Self { watch: vec![], time_scale: 1.0, pause_at: None, log_level: "debug", args: vec![], env: vec![], user: ADMIN }
    }
}

/// A running operator: the real binary.
pub struct Operator {
    pub child: Child,
    pub webhook: String,
    pub health: String,
    pub log: PathBuf,
    _ports: [Port; 2],
}

impl Operator {
    /// Starts one and waits until it is ready.
    pub async fn start(control_plane: &ControlPlane, run: &Run) -> Self {
        let operator = Self::launch(control_plane, run).await;
        operator.ready().await;
        operator
    }

    /// Starts one and does not wait.
    pub async fn launch(control_plane: &ControlPlane, run: &Run) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let simulator = simulator().await;
        let ports = [Port::lease().unwrap(), Port::lease().unwrap()];
        let [webhook, health] = [&ports[0], &ports[1]].map(|port| format!("127.0.0.1:{}", port.number()));
        let log = control_plane.folder().join(format!("operator-{}.log", COUNT.fetch_add(1, Ordering::Relaxed)));
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_onfido-operator"));
        let mut args: Vec<String> =
            ["run", "--kubeconfig", &control_plane.kubeconfig_of(run.user).unwrap().to_string_lossy()].map(String::from).to_vec();
        args.extend(["--webhook-listen", &webhook, "--health-listen", &health].map(String::from));
        args.extend(["--webhook-public-url", &format!("http://{webhook}"), "--log-level", run.log_level].map(String::from));
        args.extend(["--onfido-endpoint".into(), format!("EU={}", simulator.base())]);
        args.extend(["--time-scale".into(), run.time_scale.to_string()]);
        args.extend(run.watch.iter().flat_map(|namespace| ["--watch-namespace".into(), namespace.clone()]));
        args.extend(run.args.iter().cloned());
        let pause = run.pause_at.iter().map(|place| ("ONFIDO_OPERATOR_PAUSE_AT".into(), place.into()));
        let until = run.pause_at.iter().map(|_| ("ONFIDO_OPERATOR_PAUSE_UNTIL".into(), log.with_extension("resume").into()));
        let env = pause.chain(until).chain(run.env.iter().map(|(name, value)| (name.into(), value.into()))).collect();
        let start = Start {
            name: "operator".into(),
            shim: binary.clone(),
            program: binary,
            args: args.into_iter().map(Into::into).collect(),
            env,
            log: log.clone(),
            grace: Duration::from_secs(5),
        };
        let child = Child::start(&start).unwrap();
        Self { child, webhook: format!("http://{webhook}"), health: format!("http://{health}"), log, _ports: ports }
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        self.until("ready", || async { Ok(reqwest::get(format!("{}/readyz", self.health)).await?.status().is_success()) }).await;
    }

    /// Waits until its log holds these words.
    pub async fn until_logged(&self, words: &str) {
        self.until(words, || async { Ok(self.logged().contains(words)) }).await;
    }

    /// The status of its liveness probe.
    pub async fn alive(&self) -> u16 {
        reqwest::get(format!("{}/healthz", self.health)).await.unwrap().status().as_u16()
    }

    /// Lets it go on where `pause_at` stopped it.
    pub fn resume(&self) {
        std::fs::write(self.log.with_extension("resume"), "").unwrap();
    }

    pub fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    async fn until<F: Future<Output = Result<bool, reqwest::Error>>>(&self, what: &str, holds: impl Fn() -> F) {
        let last = std::sync::Mutex::new(String::new());
        let polling = async {
            loop {
                match holds().await {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => *last.lock().unwrap() = error.to_string(),
                }
                tokio::time::sleep(Duration::from_millis(5)).await; // there is nothing to watch in another process
            }
        };
        if tokio::time::timeout(PATIENCE, polling).await.is_err() {
            panic!("waited in vain for {what:?}: {}; its log:\n{}", last.lock().unwrap(), self.logged());
        }
    }
}

/// A test's own corner of a stage: a namespace, an account at the vendor, a provider that is ready.
pub struct Scene {
    pub client: Client,
    pub namespace: String,
    /// Namespace and name of the provider.
    pub provider: String,
    pub simulator: AdminClient,
    /// The account's name at the simulator; also in its API token.
    pub account: String,
}

impl Scene {
    /// With the shared stage's operator.
    pub async fn new(word: &str) -> Self {
        Self::with(word, json!({})).await
    }

    /// The same, with changes to the provider.
    pub async fn with(word: &str, changes: Value) -> Self {
        let stage = stage().await;
        let scene = Self::bare(&stage.control_plane, word).await;
        scene.deliver_to(&stage.operator).await;
        scene.provider(changes).await;
        scene.until_provider("onfido", ConditionType::Ready, "True", "Succeeded").await;
        scene
    }

    /// With Secrets and an account, without a provider and without deliveries.
    pub async fn bare(control_plane: &ControlPlane, word: &str) -> Self {
        let namespace = namespace(control_plane, word).await;
        let simulator = simulator().await;
        let scene = Self {
            client: control_plane.client(ADMIN).unwrap(),
            account: namespace.clone(),
            provider: format!("{namespace}/onfido"),
            namespace,
            simulator,
        };
        scene.simulator.account(&admin::AccountSetting::new(&scene.account, &scene.api_token(), WORKFLOW)).await.unwrap();
        scene.secret("onfido-api", Some("credentials"), &[("token", &scene.api_token())]).await;
        scene.secret("onfido-webhook", Some("webhook"), &[("token", WEBHOOK_TOKEN)]).await;
        scene
    }

    /// Two namespaces of these names and an account that exists, for what somebody else applies.
    pub async fn of(control_plane: &ControlPlane, namespace: &str, provider: &str, account: &str) -> Self {
        Self {
            client: control_plane.client(ADMIN).unwrap(),
            account: account.to_owned(),
            namespace: namespace.to_owned(),
            provider: format!("{provider}/onfido"),
            simulator: simulator().await,
        }
    }

    pub fn api_token(&self) -> String {
        format!("api_sandbox.{}", self.account)
    }

    /// Lets the vendor deliver this account's events to an operator.
    pub async fn deliver_to(&self, operator: &Operator) {
        let url = format!("{}/webhooks/{}", operator.webhook, self.provider);
        let webhook = admin::Webhook { url, token: WEBHOOK_TOKEN.into(), enabled: true, drop: false };
        self.simulator.webhooks(&self.account, &[webhook]).await.unwrap();
    }

    /// Lets the vendor deliver nothing.
    pub async fn deliver_nothing(&self) {
        self.simulator.webhooks(&self.account, &[]).await.unwrap();
    }

    /// Creates or replaces a Secret.
    pub async fn secret(&self, name: &str, label: Option<&str>, data: &[(&str, &str)]) {
        let data: serde_json::Map<String, Value> = data.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let mut secret: Secret =
            serde_json::from_value(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data }))
                .unwrap();
        secret.metadata.labels = label.map(|label| [("onfido-operator.dev/use".to_owned(), label.to_owned())].into());
        self.secrets().patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&secret)).await.unwrap();
    }

    /// Creates the provider `onfido`; `changes` are merged over a spec that works.
    pub async fn provider(&self, changes: Value) -> OnfidoProvider {
        let mut spec = json!({
            "region": "EU", "workflowID": WORKFLOW,
            "credentials": { "apiTokenSecretRef": { "name": "onfido-api", "key": "token" } },
            "webhook": { "management": "Manual", "tokenSecretRefs": [{ "name": "onfido-webhook", "key": "token" }] },
            "rateLimit": { "requestsPerMinute": 60000 },
        });
        merge(&mut spec, changes);
        let provider = json!({
            "apiVersion": "onfido-operator.dev/v1alpha1", "kind": "OnfidoProvider", "metadata": { "name": "onfido" }, "spec": spec,
        });
        let provider: OnfidoProvider = serde_json::from_value(provider).unwrap();
        self.providers().create(&PostParams::default(), &provider).await.unwrap()
    }

    /// Creates a person's Secret and verification; `changes` are merged over a spec that works.
    pub async fn verification(&self, name: &str, changes: Value) -> IdentityVerification {
        self.secret(name, Some("attributes"), &[("given_name", "Invented"), ("family_name", "Person"), ("birthdate", "1990-01-01")]).await;
        let mut spec = json!({
            "providerRef": { "name": "onfido" }, "subject": name, "attributesFrom": [{ "secretRef": { "name": name } }],
        });
        merge(&mut spec, changes);
        let object = json!({
            "apiVersion": "onfido-operator.dev/v1alpha1", "kind": "IdentityVerification", "metadata": { "name": name }, "spec": spec,
        });
        let object: IdentityVerification = serde_json::from_value(object).unwrap();
        self.verifications().create(&PostParams::default(), &object).await.unwrap()
    }

    pub fn verifications(&self) -> Api<IdentityVerification> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn providers(&self) -> Api<OnfidoProvider> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Changes a verification's spec, as a user would.
    pub async fn patch(&self, name: &str, spec: Value) -> IdentityVerification {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.verifications().patch(name, &PatchParams::default(), &patch).await.unwrap()
    }

    /// The application's finalize.
    pub async fn finalize(&self, name: &str) {
        self.patch(name, json!({ "submittedAttempt": 1 })).await;
    }

    /// Waits until a verification is as it should be.
    pub async fn until(&self, name: &str, what: &str, holds: impl Fn(&IdentityVerification) -> bool) -> IdentityVerification {
        let mut last = None;
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut seen = std::pin::pin!(watcher(self.verifications(), config).default_backoff().applied_objects());
        let watching = async {
            while let Ok(Some(object)) = seen.try_next().await {
                if holds(&object) {
                    return object;
                }
                last = Some(object);
            }
            panic!("the watch of {name} ended");
        };
        match tokio::time::timeout(PATIENCE, watching).await {
            Ok(object) => object,
            Err(_) => panic!(
                "waited in vain for {what} of {}/{name}; its status:\n{}",
                self.namespace,
                serde_json::to_string_pretty(&last.and_then(|object| object.status)).unwrap()
            ),
        }
    }

    pub async fn until_phase(&self, name: &str, phase: Phase) -> IdentityVerification {
        self.until(name, &format!("{phase:?}"), |object| object.status.as_ref().is_some_and(|status| status.phase == phase)).await
    }

    /// Waits until a condition of the object's present generation says this.
    pub async fn until_condition(&self, name: &str, type_: ConditionType, status: &str, reason: &str) -> IdentityVerification {
        self.until(name, &format!("{type_}={status} {reason}"), |object| {
            says(object.status.as_ref().map_or(&[], |s| &s.conditions), type_, status, reason, object.metadata.generation)
        })
        .await
    }

    pub async fn until_provider(&self, name: &str, type_: ConditionType, status: &str, reason: &str) -> OnfidoProvider {
        self.until_provider_is(name, &format!("{type_}={status} {reason}"), |object| {
            says(object.status.as_ref().map_or(&[], |s| &s.conditions), type_, status, reason, object.metadata.generation)
        })
        .await
    }

    /// Waits until a provider is as it should be.
    pub async fn until_provider_is(&self, name: &str, what: &str, holds: impl Fn(&OnfidoProvider) -> bool) -> OnfidoProvider {
        let mut last = None;
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let api: Api<DeserializeGuard<OnfidoProvider>> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut seen = std::pin::pin!(watcher(api, config).default_backoff().applied_objects());
        let watching = async {
            while let Ok(Some(object)) = seen.try_next().await {
                let Ok(object) = object.0 else { continue };
                if holds(&object) {
                    return object;
                }
                last = Some(object);
            }
            panic!("the watch of {name} ended");
        };
        match tokio::time::timeout(PATIENCE, watching).await {
            Ok(object) => object,
            Err(_) => panic!(
                "waited in vain for {what} of {}/{name}; its status:\n{}",
                self.namespace,
                serde_json::to_string_pretty(&last.and_then(|object| object.status)).unwrap()
            ),
        }
    }

    /// The run recorded in a verification.
    pub async fn run_of(&self, name: &str) -> String {
        let object = self.until(name, "a run", |object| object.status.as_ref().is_some_and(|s| s.workflow_run_id.is_some())).await;
        object.status.unwrap().workflow_run_id.unwrap()
    }

    /// A verification whose person is expected: token handed over.
    pub async fn awaiting(&self, name: &str, changes: Value) -> String {
        self.verification(name, changes).await;
        self.until_condition(name, ConditionType::CaptureReady, "True", "AwaitingInput").await;
        self.run_of(name).await
    }

    /// Lets the vendor decide a run: a status, and results by comparison field.
    pub async fn decide(&self, run: &str, status: &str, comparison: Value) {
        let outcome = serde_json::from_value(json!({ "status": status, "comparison": comparison })).unwrap();
        self.simulator.outcome(run, &outcome).await.unwrap();
    }

    /// Waits until the vendor was asked this by this account; it may not have answered.
    pub async fn until_asked(&self, operation: admin::Operation) {
        self.until_asked_times(operation, 1).await;
    }

    /// The same, so many times.
    pub async fn until_asked_times(&self, operation: admin::Operation, times: usize) {
        let asked = async {
            while self.ledger(operation).await.len() < times {
                tokio::time::sleep(Duration::from_millis(5)).await; // the ledger cannot be watched
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("the vendor was never asked {operation:?} {times} times"));
    }

    /// What the vendor was asked by this account, by operation.
    pub async fn ledger(&self, operation: admin::Operation) -> Vec<admin::LedgerEntry> {
        self.simulator.ledger(Some(&self.account), Some(operation)).await.unwrap()
    }
}

/// Whether a condition says this of this generation.
fn says(conditions: &[onfido_operator::api::Condition], type_: ConditionType, status: &str, reason: &str, generation: Option<i64>) -> bool {
    find_condition(conditions, type_)
        .is_some_and(|c| format!("{:?}", c.status) == status && c.reason == reason && c.observed_generation == generation)
}

/// JSON merge: null removes.
pub fn merge(into: &mut Value, changes: Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (key, value) in changes {
                if value.is_null() {
                    into.remove(&key);
                } else {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (into, changes) => *into = changes,
    }
}
