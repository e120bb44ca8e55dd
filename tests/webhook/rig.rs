//! A door with objects of the real API server, and caches filled by hand.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, store::Writer};
use kube::runtime::{wait, watcher::Event};
use kube::{Api, Client, ResourceExt};
use onfido_operator::api::{IdentityVerification, OnfidoProvider};
use onfido_operator::dev::{ADMIN, install_crypto};
use onfido_operator::metrics::Metrics;
use onfido_operator::onfido::secret::WebhookToken;
use onfido_operator::onfido::webhook::sign;
use onfido_operator::secrets::{SecretTiming, Secrets};
use onfido_operator::webhook::{Door, Limits, Providers, Verifications, path, router};
use serde_json::json;
use tokio::sync::OnceCell;
use tower::ServiceExt;

use crate::support::control_plane::{control_plane, namespace};

/// What the provider `onfido` of every rig accepts.
pub const TOKEN: &str = "an-invented-token-0123456789";

pub struct Rig {
    pub namespace: String,
    /// The test's own, not the door's.
    pub client: Client,
    pub metrics: Metrics,
    pub ready: Arc<AtomicBool>,
    pub router: Router,
    providers: Mutex<Writer<DeserializeGuard<OnfidoProvider>>>,
    verifications: Mutex<Writer<DeserializeGuard<IdentityVerification>>>,
}

pub struct Answered {
    pub status: u16,
    pub body: String,
    pub allow: Option<String>,
}

impl Rig {
    /// The door's requests carry the namespace as their program, so that the audit log tells them.
    pub async fn new(word: &str) -> Self {
        Self::build(word, None, Limits::default()).await
    }

    pub async fn with_client(word: &str, client: Client) -> Self {
        Self::build(word, Some(client), Limits::default()).await
    }

    pub async fn limited(word: &str, limits: Limits) -> Self {
        Self::build(word, None, limits).await
    }

    async fn build(word: &str, client: Option<Client>, limits: Limits) -> Self {
        let shared = control_plane().await;
        let own = shared.client(ADMIN).unwrap();
        install(&own).await;
        let namespace = namespace(shared, word).await;
        let client = client.unwrap_or_else(|| shared.client_with_agent(ADMIN, &namespace).unwrap());
        let (providers, provider_writer) = reflector::store();
        let (verifications, verification_writer) = reflector::store();
        let (metrics, ready) = (Metrics::default(), Arc::new(AtomicBool::new(true)));
        let asked = ready.clone();
        let door = Door::new(
            Providers::new(providers),
            Verifications::new(verifications),
            Arc::new(Secrets::new(client.clone(), SecretTiming::default())),
            client,
            move || asked.load(SeqCst),
            metrics.clone(),
            limits,
        );
        let rig = Self {
            namespace,
            client: own,
            metrics,
            ready,
            router: router(door.unwrap()),
            providers: Mutex::new(provider_writer),
            verifications: Mutex::new(verification_writer),
        };
        rig.secret("onfido-webhook", Some("webhook"), "token", TOKEN).await;
        rig.provider("onfido", "Manual", &["onfido-webhook"]).await;
        rig
    }

    pub fn path(&self) -> String {
        path(&self.namespace, "onfido")
    }

    pub async fn send(&self, request: Request<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let allow = response.headers().get("allow").map(|v| v.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        Answered { status, body: String::from_utf8(body.to_vec()).unwrap(), allow }
    }

    /// Creates or replaces a Secret with one key.
    pub async fn secret(&self, name: &str, label: Option<&str>, key: &str, value: &str) {
        let mut secret: Secret = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": { key: value }
        }))
        .unwrap();
        secret.metadata.labels = label.map(|l| [("onfido-operator.dev/use".to_owned(), l.to_owned())].into());
        let secrets = Api::<Secret>::namespaced(self.client.clone(), &self.namespace);
        secrets.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&secret)).await.unwrap();
    }

    /// Creates a provider with these token Secrets and shows it to the door. Gives back its name.
    pub async fn provider(&self, name: &str, management: &str, tokens: &[&str]) -> String {
        let refs: Vec<_> = tokens.iter().map(|name| json!({ "name": name, "key": "token" })).collect();
        let provider: OnfidoProvider = serde_json::from_value(json!({
            "apiVersion": "onfido-operator.dev/v1alpha1", "kind": "OnfidoProvider", "metadata": { "name": name },
            "spec": {
                "region": "EU", "workflowID": "5c1d9b0e-6f0e-4c52-9d3f-0f5f0a3c9b11",
                "credentials": { "apiTokenSecretRef": { "name": "onfido-api", "key": "token" } },
                "webhook": { "management": management, "tokenSecretRefs": refs },
            },
        }))
        .unwrap();
        let api = Api::<OnfidoProvider>::namespaced(self.client.clone(), &self.namespace);
        let made = api.create(&PostParams::default(), &provider).await.unwrap();
        self.providers.lock().unwrap().apply_watcher_event(&Event::Apply(DeserializeGuard(Ok(made))));
        name.to_owned()
    }

    pub fn objects(&self) -> Api<IdentityVerification> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates a verification, records its run, and shows it to the door. Gives back its uid.
    pub async fn verification(&self, name: &str, provider: &str, run: Option<&str>) -> String {
        let object: IdentityVerification = serde_json::from_value(json!({
            "apiVersion": "onfido-operator.dev/v1alpha1", "kind": "IdentityVerification", "metadata": { "name": name },
            "spec": {
                "providerRef": { "name": provider }, "subject": name,
                "attributesFrom": [{ "secretRef": { "name": name } }],
            },
        }))
        .unwrap();
        let mut made = self.objects().create(&PostParams::default(), &object).await.unwrap();
        if let Some(run) = run {
            let status = json!({ "status": { "workflowRunID": run } });
            made = self.objects().patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
        }
        self.show(made.clone());
        made.uid().unwrap()
    }

    /// Puts an object into the door's cache as it is.
    pub fn show(&self, object: IdentityVerification) {
        self.verifications.lock().unwrap().apply_watcher_event(&Event::Apply(DeserializeGuard(Ok(object))));
    }
}

/// Both definitions, once per test program.
async fn install(client: &Client) {
    static DONE: OnceCell<()> = OnceCell::const_new();
    let install = || async {
        let api = Api::<CustomResourceDefinition>::all(client.clone());
        for definition in onfido_operator::api::definitions() {
            let name = definition.name_any();
            let params = PatchParams::apply("test").force();
            api.patch(&name, &params, &Patch::Apply(&definition)).await.unwrap();
            let established = wait::await_condition(api.clone(), &name, wait::conditions::is_crd_established());
            tokio::time::timeout(Duration::from_secs(20), established).await.unwrap().unwrap();
        }
    };
    DONE.get_or_init(install).await;
}

/// A client whose API server does not exist.
pub fn dead_client() -> Client {
    install_crypto();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    Client::try_from(kube::Config::new(address.parse().unwrap())).unwrap()
}

pub fn signed(path: &str, token: &str, body: &[u8]) -> Request<Body> {
    let signature = sign(&WebhookToken::from_secret_bytes(token.as_bytes()).unwrap(), body);
    Request::post(path).header("X-SHA2-Signature", signature).body(Body::from(body.to_vec())).unwrap()
}

pub fn now_minus(minutes: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_mins(minutes)
}

pub fn completed(run: &str, tags: &[String]) -> Vec<u8> {
    completed_with(run, tags, None)
}

pub fn completed_with(run: &str, tags: &[String], created: Option<Timestamp>) -> Vec<u8> {
    let body = json!({ "payload": {
        "resource_type": "workflow_run", "action": "workflow_run.completed",
        "object": { "id": run, "status": "approved" },
        "resource": { "id": run, "tags": tags, "created_at": created, "status": "approved" },
    }});
    format!("{body:#}\n").into_bytes()
}
