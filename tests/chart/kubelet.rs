//! A stand-in for a kubelet: it runs the Pods of one namespace from the image's files, as their specs say, and reports what became of them.
//! Container, network and node are this machine: a root folder of its own and nobody's credentials, but everybody's ports. What it cannot
//! do as asked it refuses, so that no Pod seems to work that a cluster would not run.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::TryStreamExt;
use k8s_openapi::{
    api::{
        authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
        coordination::v1::Lease,
        core::v1::{Binding, Container, Node, ObjectReference, Pod, Probe, ServiceAccount},
    },
    apimachinery::pkg::{apis::meta::v1::MicroTime, util::intstr::IntOrString},
    jiff::Timestamp,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions},
    runtime::watcher,
};
use onfido_operator::dev::{
    ADMIN, ControlPlane,
    child::{Child, Start},
};
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};

use crate::support::{
    image::{self, ENTRYPOINT},
    operator::PATIENCE,
};

const NODE: &str = "this-machine";
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Between looks at a process and its probes.
const LOOK: Duration = Duration::from_millis(100);

/// Runs Pods while it lives.
pub struct Kubelet {
    host: Arc<Host>,
    _work: JoinSet<()>,
}

/// What a Pod's process came to.
#[derive(Clone, Debug)]
pub struct Record {
    pub pod: String,
    pub log: PathBuf,
    /// How often it ended by itself.
    pub restarts: i32,
    /// How it ended when it was told to, and its most memory in KiB.
    pub ended: Option<(ExitStatus, u64)>,
}

struct Host {
    client: Client,
    namespace: String,
    folder: PathBuf,
    ca: PathBuf,
    port: u16,
    records: Mutex<Vec<Record>>,
}

/// How a Pod is to be ended; none until then. The number is its grace in seconds.
type Told = watch::Receiver<Option<u64>>;

impl Kubelet {
    pub async fn start(control_plane: &ControlPlane, namespace: &str) -> Self {
        image::image_root(); // to fail now if it is not there
        let folder = control_plane.folder().join(format!("pods-of-{namespace}"));
        fs::create_dir(&folder).unwrap();
        let host = Arc::new(Host {
            client: control_plane.client(ADMIN).unwrap(),
            namespace: namespace.to_owned(),
            folder,
            ca: control_plane.ca_file(),
            port: control_plane.port(),
            records: Mutex::default(),
        });
        host.register().await;
        let mut work = JoinSet::new();
        work.spawn(host.clone().heartbeat());
        work.spawn(host.clone().serve());
        Self { host, _work: work }
    }

    /// One record for each Pod so far.
    fn records(&self) -> Vec<Record> {
        self.host.records.lock().unwrap().clone()
    }

    /// Waits until no Pod is left; what became of them all.
    pub async fn until_empty(&self) -> Vec<Record> {
        let waiting = async {
            while !self.host.pods().list(&ListParams::default()).await.unwrap().items.is_empty() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the Pods end");
        self.records()
    }

    /// Waits until a Pod's log holds these words.
    pub async fn until_logged(&self, words: &str) {
        let waiting = async {
            while !self.logs().contains(words) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("no Pod says {words}"));
    }

    /// The logs of all Pods, for a failing test.
    pub fn logs(&self) -> String {
        let logs =
            self.records().into_iter().map(|record| format!("--- {}\n{}", record.pod, fs::read_to_string(record.log).unwrap_or_default()));
        logs.collect()
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
    }
}

impl Host {
    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Pods of a node that is not there, or not heard of, are deleted by the controllers.
    async fn register(&self) {
        let nodes = Api::<Node>::all(self.client.clone());
        let node = Node { metadata: ObjectMeta { name: Some(NODE.into()), ..ObjectMeta::default() }, ..Node::default() };
        match nodes.create(&PostParams::default(), &node).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => panic!("{error}"),
        }
        let now = Timestamp::now().to_string();
        let ready = json!({ "type": "Ready", "status": "True", "reason": "StandIn", "lastHeartbeatTime": now, "lastTransitionTime": now });
        let status = Patch::Strategic(json!({ "status": { "conditions": [ready] } }));
        nodes.patch_status(NODE, &PatchParams::default(), &status).await.unwrap();
    }

    async fn heartbeat(self: Arc<Self>) {
        let leases = Api::<Lease>::namespaced(self.client.clone(), "kube-node-lease");
        loop {
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": NODE },
                "spec": { "holderIdentity": NODE, "leaseDurationSeconds": 40, "renewTime": MicroTime(Timestamp::now()) },
            });
            // Its namespace is made some time after the start; the next beat will do.
            let _ = leases.patch(NODE, &PatchParams::apply("kubelet").force(), &Patch::Apply(lease)).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }

    async fn serve(self: Arc<Self>) {
        let mut lives = JoinSet::new();
        let mut known: HashMap<String, watch::Sender<Option<u64>>> = HashMap::new();
        let mut events = std::pin::pin!(watcher(self.pods(), watcher::Config::default()));
        loop {
            // A broken watch starts anew.
            let Ok(Some(event)) = events.try_next().await else { continue };
            let (pod, gone) = match event {
                watcher::Event::Apply(pod) | watcher::Event::InitApply(pod) => (pod, false),
                watcher::Event::Delete(pod) => (pod, true),
                watcher::Event::Init | watcher::Event::InitDone => continue,
            };
            let ending = pod.metadata.deletion_timestamp.is_some() || gone;
            let uid = pod.uid().unwrap();
            if !ending && !known.contains_key(&uid) {
                let (tell, told) = watch::channel(None);
                known.insert(uid, tell);
                lives.spawn(self.clone().live(pod, told));
            } else if ending && let Some(tell) = known.get(&uid) {
                let grace = pod.metadata.deletion_grace_period_seconds.filter(|_| !gone).unwrap_or(0);
                tell.send_if_modified(|told| told.is_none() && told.replace(u64::try_from(grace).unwrap()).is_none());
            }
        }
    }

    /// A Pod from its binding to its end.
    async fn live(self: Arc<Self>, pod: Pod, mut told: Told) {
        if let Err(problem) = self.run(&pod, &mut told).await {
            // Whoever waits for the Pod shall see why it does not come.
            eprintln!("kubelet: Pod {}: {problem}", pod.name_any());
            let message = json!({ "status": { "phase": "Pending", "reason": "StandIn", "message": problem } });
            let _ = self.pods().patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(message)).await;
        }
    }

    async fn run(&self, pod: &Pod, told: &mut Told) -> Result<(), String> {
        let name = pod.name_any();
        self.bind(&name).await?;
        let spec = pod.spec.as_ref().unwrap();
        let [container] = &spec.containers[..] else { return Err("it runs one container".into()) };
        if spec.init_containers.is_some() {
            return Err("it runs no init containers".into());
        }
        let (start, cell) = self.prepare(pod, container).await?;
        let number = {
            let mut records = self.records.lock().unwrap();
            records.push(Record { pod: name.clone(), log: start.log.clone(), restarts: 0, ended: None });
            records.len() - 1
        };
        let mut reported = None;
        let mut child = Child::start_in(&cell, &start).map_err(|error| error.to_string())?;
        while told.borrow().is_none() {
            if child.exited().map_err(|error| error.to_string())?.is_some() {
                child = Child::start_in(&cell, &start).map_err(|error| error.to_string())?;
                self.records.lock().unwrap()[number].restarts += 1;
            }
            let restarts = self.records.lock().unwrap()[number].restarts;
            let ready =
                passes(container, container.liveness_probe.as_ref()).await && passes(container, container.readiness_probe.as_ref()).await;
            if reported != Some((ready, restarts)) {
                self.report(pod, container, number, ready, restarts).await?;
                reported = Some((ready, restarts));
            }
            let _ = tokio::time::timeout(LOOK, told.changed()).await;
        }
        let grace = told.borrow().unwrap_or_default();
        let memory = most_memory(child.id());
        let status = end(child, grace).await?;
        self.records.lock().unwrap()[number].ended = Some((status, memory));
        let preconditions = Some(Preconditions { uid: pod.uid(), resource_version: None });
        let at_once = DeleteParams { grace_period_seconds: Some(0), preconditions, ..DeleteParams::default() };
        let _ = self.pods().delete(&name, &at_once).await; // it may have been forced already
        Ok(())
    }

    /// What a scheduler does. A Pod without a node is deleted without grace.
    async fn bind(&self, name: &str) -> Result<(), String> {
        let target = ObjectReference { kind: Some("Node".into()), name: Some(NODE.into()), ..ObjectReference::default() };
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let binding = Binding { metadata, target };
        let done = self.pods().create_subresource::<_, serde_json::Value>("binding", name, &PostParams::default(), &binding).await;
        done.map(drop).map_err(|error| format!("cannot be bound: {error}"))
    }

    /// Its file system and its process.
    async fn prepare(&self, pod: &Pod, container: &Container) -> Result<(Start, onfido_operator::dev::Cell), String> {
        let name = pod.name_any();
        let root = self.folder.join(&name);
        let hosts = format!("127.0.0.1 localhost\n127.0.0.1 {name}\n");
        let mut cell = image::cell(&root, &hosts, "nameserver 127.0.0.1\n");
        let of_pod = pod.spec.as_ref().unwrap().security_context.clone().unwrap_or_default();
        let of_container = container.security_context.clone().unwrap_or_default();
        let user = of_container.run_as_user.or(of_pod.run_as_user);
        cell.user = user.map_or(Ok(cell.user), u32::try_from).map_err(|_| "no such user")?;
        for mount in container.volume_mounts.iter().flatten() {
            if mount.mount_path != ACCOUNT {
                return Err(format!("it mounts no volume at {}", mount.mount_path));
            }
            self.mount_account(pod, &root.join(ACCOUNT.trim_start_matches('/'))).await?;
        }
        let entrypoint = match container.command.as_deref() {
            None => ENTRYPOINT,
            Some([program]) => program,
            Some(_) => return Err("a command is one word".into()),
        };
        let args = container.args.clone().unwrap_or_default();
        if args.iter().any(|arg| arg.contains("$(")) {
            return Err("it expands no variables in arguments".into());
        }
        let start = Start {
            name: name.clone(),
            shim: env!("CARGO_BIN_EXE_onfido-operator").into(),
            program: entrypoint.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: self.environment(pod, container)?.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            log: self.folder.join(format!("{name}.log")),
            grace: Duration::from_secs(5),
        };
        Ok((start, cell))
    }

    /// Admission adds this mount to every Pod whose account and spec want it, as a projected volume of these three.
    async fn mount_account(&self, pod: &Pod, folder: &Path) -> Result<(), String> {
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), &self.namespace);
        let account = pod.spec.as_ref().unwrap().service_account_name.clone().unwrap_or_else(|| "default".into());
        let bound =
            BoundObjectReference { api_version: Some("v1".into()), kind: Some("Pod".into()), name: Some(pod.name_any()), uid: pod.uid() };
        let spec = TokenRequestSpec { bound_object_ref: Some(bound), expiration_seconds: Some(3607), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let answer = accounts.create_token_request(&account, &PostParams::default(), &request).await;
        let token = answer.map_err(|error| format!("no token for {account}: {error}"))?.status.unwrap().token;
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("token"), token).unwrap();
        fs::write(folder.join("namespace"), &self.namespace).unwrap();
        fs::copy(&self.ca, folder.join("ca.crt")).unwrap();
        Ok(())
    }

    fn environment(&self, pod: &Pod, container: &Container) -> Result<Vec<(String, String)>, String> {
        let mut env = vec![
            ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
            ("HOSTNAME".into(), pod.name_any()),
            ("KUBERNETES_SERVICE_HOST".into(), "127.0.0.1".into()),
            ("KUBERNETES_SERVICE_PORT".into(), self.port.to_string()),
        ];
        for variable in container.env.iter().flatten() {
            let field = variable.value_from.as_ref().and_then(|from| from.field_ref.as_ref()).map(|field| field.field_path.as_str());
            let value = match (&variable.value, field) {
                (Some(value), None) => value.clone(),
                (None, Some("metadata.namespace")) => self.namespace.clone(),
                (None, Some("metadata.name")) => pod.name_any(),
                _ => return Err(format!("it cannot give the variable {}", variable.name)),
            };
            env.push((variable.name.clone(), value));
        }
        if container.env_from.is_some() {
            return Err("it gives no variables from elsewhere".into());
        }
        Ok(env)
    }

    async fn report(&self, pod: &Pod, container: &Container, number: usize, ready: bool, restarts: i32) -> Result<(), String> {
        let now = Timestamp::now().to_string();
        let says = if ready { "True" } else { "False" };
        let condition = |type_: &str, status: &str| json!({ "type": type_, "status": status, "lastTransitionTime": now });
        // Loopback addresses may not be endpoints; nobody connects to this one.
        let address = format!("10.244.0.{}", number + 1);
        let status = json!({ "status": {
            "phase": "Running", "podIP": address, "podIPs": [{ "ip": address }], "startTime": now,
            "conditions": [condition("Initialized", "True"), condition("ContainersReady", says), condition("Ready", says)],
            "containerStatuses": [{
                "name": container.name, "image": container.image, "imageID": "", "ready": ready, "started": true, "restartCount": restarts,
                "state": { "running": { "startedAt": now } },
            }],
        } });
        let done = self.pods().patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(status)).await;
        match done {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()), // forced
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Whether a probe is answered as it should be. None is asked for: it is.
async fn passes(container: &Container, probe: Option<&Probe>) -> bool {
    let Some(probe) = probe else { return true };
    let Some(get) = &probe.http_get else { panic!("it probes by HTTP only") };
    let port = match &get.port {
        IntOrString::Int(port) => Some(*port),
        IntOrString::String(name) => {
            container.ports.iter().flatten().find(|port| port.name.as_ref() == Some(name)).map(|port| port.container_port)
        }
    };
    let url = format!("http://127.0.0.1:{}{}", port.expect("a port of that name"), get.path.as_deref().unwrap_or("/"));
    let client = reqwest::Client::builder().timeout(Duration::from_secs(1)).build().unwrap();
    client.get(url).send().await.is_ok_and(|answer| answer.status().as_u16() < 400)
}

/// The most memory a process has had, in KiB.
fn most_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// SIGTERM, then after the grace SIGKILL.
async fn end(mut child: Child, grace: u64) -> Result<ExitStatus, String> {
    child.terminate();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(grace);
    loop {
        if let Some(status) = child.exited().map_err(|error| error.to_string())? {
            return Ok(status);
        }
        if tokio::time::Instant::now() > deadline {
            child.kill();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
