//! A release of the chart in a control plane of its own: helm, the Pods it brings up, and how the vendor reaches them.

use std::{path::Path, time::Duration};

use k8s_openapi::api::{core::v1::Namespace, discovery::v1::EndpointSlice};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use onfido_operator::{
    dev::{ADMIN, ControlPlane, Options, Port},
    simulator::admin,
};
use serde_json::{Value, json};

use super::kubelet::Kubelet;
use crate::support::{
    control_plane::options,
    operator::{PATIENCE, Scene, WEBHOOK_TOKEN, merge, simulator},
};

const WAIT: &[&str] = &["--wait", "--timeout", "60s"];

pub struct Release {
    // First: it shows the logs of a failing test before the control plane's end fills them.
    pub kubelet: Kubelet,
    pub control_plane: ControlPlane,
    /// It contains the chart's name, so it is the name of the objects too.
    pub name: &'static str,
    pub namespace: &'static str,
    ports: Vec<[Port; 2]>,
}

impl Release {
    /// A control plane with controllers, and a namespace that takes no Pod but the strictest.
    pub async fn prepare(name: &'static str, namespace: &'static str) -> Self {
        let control_plane = ControlPlane::start(Options { controller_manager: true, ..options() }).await.unwrap();
        let strict = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": namespace, "labels": { "pod-security.kubernetes.io/enforce": "restricted" } },
        });
        let namespaces = Api::<Namespace>::all(control_plane.client(ADMIN).unwrap());
        namespaces.patch(namespace, &PatchParams::apply("test"), &Patch::Apply(strict)).await.unwrap();
        let kubelet = Kubelet::start(&control_plane, namespace).await;
        Self { control_plane, kubelet, name, namespace, ports: vec![] }
    }

    /// Runs helm in the release's namespace; what it said.
    pub async fn helm(&self, args: &[&str], values: &Value) -> String {
        let args = [args, &["--namespace", self.namespace]].concat();
        let said = super::helm(&self.control_plane, &args, values).await;
        said.unwrap_or_else(|error| panic!("helm {args:?}: {error}\n{}", self.kubelet.logs()))
    }

    /// `helm install` or `upgrade` of a chart, until all of it is ready.
    pub async fn put(&mut self, verb: &str, chart: &Path, changes: Value) {
        let mut values = self.values().await;
        merge(&mut values, json!({ "webhook": { "publicURL": "https://verify.example.com" } }));
        merge(&mut values, changes);
        self.helm(&[&[verb, self.name, chart.to_str().unwrap()], WAIT, &["-f", "-"]].concat(), &values).await;
    }

    /// What this machine needs: the simulator as the vendor, and ports of the Pod's own, for old and new Pods share the machine's.
    pub async fn values(&mut self) -> Value {
        let [webhook, health] = [Port::lease().unwrap(), Port::lease().unwrap()];
        let values = json!({
            "onfidoEndpoints": { "EU": simulator().await.base() },
            "webhook": { "port": webhook.number() },
            "health": { "port": health.number() },
        });
        self.ports.push([webhook, health]);
        values
    }

    /// `helm rollback` or `uninstall`, until it is done.
    pub async fn again(&self, args: &[&str]) {
        self.helm(&[args, WAIT].concat(), &Value::Null).await;
    }

    /// The URL at which the Service's Pod takes deliveries: its port as the Service finds it, once there is exactly one.
    pub async fn endpoint(&self) -> String {
        let slices = Api::<EndpointSlice>::namespaced(self.control_plane.client(ADMIN).unwrap(), self.namespace);
        let of_service = ListParams::default().labels(&format!("kubernetes.io/service-name={}", self.name));
        let looking = async {
            loop {
                let mut found = vec![];
                for slice in slices.list(&of_service).await.unwrap() {
                    let port = slice.ports.iter().flatten().find(|port| port.name.as_deref() == Some("webhook")).and_then(|port| port.port);
                    let ready = slice.endpoints.iter().filter(|e| e.conditions.as_ref().is_some_and(|c| c.ready == Some(true)));
                    found.extend(ready.map(|_| port));
                }
                if let [Some(port)] = found[..] {
                    return format!("http://127.0.0.1:{port}");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.expect("the Service finds one Pod that is ready")
    }

    /// Lets the vendor deliver a scene's events to the Pod.
    pub async fn serve(&self, scene: &Scene) {
        let url = format!("{}/webhooks/{}", self.endpoint().await, scene.provider);
        let webhook = admin::Webhook { url, token: WEBHOOK_TOKEN.into(), enabled: true, drop: false };
        scene.simulator.webhooks(&scene.account, &[webhook]).await.unwrap();
    }
}
