//! One running control plane: its life, its users, and how to reach it. What its programs are told is
//! in `launch`, where they come from in `assets`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::{HeaderValue, Request, header::USER_AGENT};
use k8s_openapi::ByteString;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::child::Child;
use super::data::{DataDir, Port};
use super::launch::Launch;
use super::options::{ADMIN, Options, User};
use super::{Assets, DevError, Program, assets, install_crypto, pki};

const AGENT: &str = "onfido-operator-dev";
/// A start takes four seconds; a machine busy with builds may need much longer.
const READY_WITHIN: Duration = Duration::from_secs(120);
const ONE_PROBE: Duration = Duration::from_secs(5);
const BETWEEN_PROBES: Duration = Duration::from_millis(40);
/// A port can be taken by a stranger between finding it free and using it.
const TRIES: u32 = 3;

/// A control plane. Dropping it stops it and removes its data; neither needs a runtime. Nothing in it
/// belongs to a runtime either, so it can be shared between tests; the clients it makes cannot.
#[derive(Debug)]
pub struct ControlPlane {
    launch: Launch,
    tools: PathBuf,
    assets: Mutex<Assets>,
    users: Vec<User>,
    ca: String,
    running: Mutex<Running>,
    // After `running`: the data goes when nobody writes to it any more.
    data: DataDir,
}

/// In the order in which they start; they stop in the opposite one, for an API server without etcd
/// lingers for minutes.
#[derive(Debug, Default)]
struct Running {
    etcd: Option<Child>,
    api_server: Option<Child>,
    manager: Option<Child>,
}

impl ControlPlane {
    /// Get the programs, start them, and wait until they are ready.
    pub async fn start(options: Options) -> Result<Self, DevError> {
        install_crypto();
        let mut wanted = vec![Program::KubeApiserver, Program::Etcd];
        if options.controller_manager {
            wanted.push(Program::KubeControllerManager);
        }
        let assets = assets::find(&options.tools, &wanted).await?;
        let mut tries = 1;
        loop {
            let this = Self::prepare(options.clone(), assets.clone())?;
            match this.start_again().await {
                Ok(()) => return Ok(this),
                Err(DevError::Exited { tail, .. }) if tries < TRIES && tail.contains("address already in use") => {
                    tries += 1;
                }
                Err(error) => {
                    this.data.keep();
                    return Err(error);
                }
            }
        }
    }

    fn prepare(options: Options, assets: Assets) -> Result<Self, DevError> {
        let data = DataDir::create()?;
        let ca = pki::write(data.path())?;
        let mut users = vec![User::new(ADMIN, &["system:masters"])];
        users.extend(options.users.iter().cloned());
        let launch = Launch {
            folder: data.path().to_owned(),
            options: options.clone(),
            etcd_port: Port::lease()?,
            api_port: Port::lease()?,
            manager_port: Port::lease()?,
        };
        let tools = options.tools;
        let running = Mutex::default();
        let this = Self { launch, tools, assets: Mutex::new(assets), users, ca, running, data };
        this.launch.write_files(&this.users)?;
        for user in &this.users {
            let path = this.kubeconfig_of(&user.name)?;
            let text = this.kubeconfig_for(user).to_string();
            std::fs::write(&path, text).map_err(DevError::io("write", &path))?;
        }
        Ok(this)
    }

    /// Stop everything; the data stays. Does nothing if it is stopped.
    pub async fn stop(&self) -> Result<(), DevError> {
        let mut running = self.running.lock().await;
        stop(running.manager.take()).await?;
        stop(running.api_server.take()).await?;
        stop(running.etcd.take()).await
    }

    /// Start what is stopped, on the same data and ports, and wait until it is ready.
    pub async fn start_again(&self) -> Result<(), DevError> {
        let assets = self.assets.lock().await.clone();
        let running = &mut *self.running.lock().await;
        for child in [&mut running.etcd, &mut running.api_server, &mut running.manager] {
            // What ended by itself, or was killed, counts as stopped.
            if child.as_mut().is_some_and(|child| child.check().is_err()) {
                *child = None;
            }
        }
        if running.etcd.is_none() {
            let etcd = running.etcd.insert(Child::start(&self.launch.etcd(assets.path(Program::Etcd)?))?);
            self.until_it_listens(etcd).await?;
        }
        if running.api_server.is_none() {
            let program = assets.path(Program::KubeApiserver)?;
            running.api_server = Some(Child::start(&self.launch.api_server(program))?);
        }
        self.until_ready(running).await?;
        if running.manager.is_none() && self.launch.options.controller_manager {
            let program = assets.path(Program::KubeControllerManager)?;
            running.manager = Some(Child::start(&self.launch.manager(program))?);
        }
        Ok(())
    }

    /// Cut everybody off from the API server, as an outage would; etcd goes on.
    /// [`Self::start_again`] ends it.
    pub async fn stop_api_server(&self) -> Result<(), DevError> {
        stop(self.running.lock().await.api_server.take()).await
    }

    /// Keep the folder with the logs for a day when this is dropped, and say where it is.
    pub fn keep_logs(&self) {
        self.data.keep();
    }

    /// The folder with everything of this control plane: `*.log`, `audit.jsonl`, kubeconfigs.
    pub fn folder(&self) -> &Path {
        self.data.path()
    }

    /// Where the API server is.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.launch.api_port.number())
    }

    /// Its port of 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.launch.api_port.number()
    }

    /// The file with the certificate to trust.
    pub fn ca_file(&self) -> PathBuf {
        self.folder().join(pki::CA)
    }

    /// The admin's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.launch.kubeconfig()
    }

    /// A user's kubeconfig.
    pub fn kubeconfig_of(&self, user: &str) -> Result<PathBuf, DevError> {
        match self.user(user)?.name.as_str() {
            ADMIN => Ok(self.kubeconfig()),
            name => Ok(self.folder().join(format!("kubeconfig-{name}"))),
        }
    }

    /// The audit log, if one is written.
    pub fn audit_log(&self) -> Option<PathBuf> {
        self.launch.options.audit.then(|| self.launch.audit_log())
    }

    /// Where one of the programs is; gets it if need be.
    pub async fn program(&self, program: Program) -> Result<PathBuf, DevError> {
        let mut assets = self.assets.lock().await;
        if assets.path(program).is_err() {
            assets.add(assets::find(&self.tools, &[program]).await?);
        }
        assets.path(program).map(Path::to_owned)
    }

    /// A client for this runtime.
    pub fn client(&self, user: &str) -> Result<kube::Client, DevError> {
        self.client_with_agent(user, AGENT)
    }

    /// A client whose requests the audit log shows under this user agent.
    pub fn client_with_agent(&self, user: &str, agent: &str) -> Result<kube::Client, DevError> {
        client(self.config(user, agent)?)
    }

    fn config(&self, user: &str, agent: &str) -> Result<kube::Config, DevError> {
        let value = self.kubeconfig_for(self.user(user)?);
        let bad = |error: Box<dyn std::error::Error + Send + Sync>| DevError::Kubeconfig(error);
        let kubeconfig: Kubeconfig = serde_json::from_value(value).map_err(|e| bad(e.into()))?;
        // Nothing in it is a file or a command, so nothing here has to be waited for.
        let whole = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &whole);
        let config = futures::FutureExt::now_or_never(config).ok_or(DevError::Task("reading it"))?;
        let mut config = config.map_err(|e| bad(e.into()))?;
        let agent = HeaderValue::from_str(agent).map_err(|e| bad(e.into()))?;
        config.headers.push((USER_AGENT, agent));
        Ok(config)
    }

    fn user(&self, name: &str) -> Result<&User, DevError> {
        let found = self.users.iter().find(|user| user.name == name);
        found.ok_or_else(|| DevError::UnknownUser(name.to_owned()))
    }

    /// JSON, which every reader of YAML takes.
    fn kubeconfig_for(&self, user: &User) -> serde_json::Value {
        let ca = ByteString(self.ca.clone().into_bytes());
        let name = "onfido-operator-dev";
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": self.url(), "certificate-authority-data": ca}}],
            "users": [{"name": user.name, "user": {"token": user.token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": user.name}}],
        })
    }

    /// etcd listens once it can serve.
    async fn until_it_listens(&self, etcd: &mut Child) -> Result<(), DevError> {
        let deadline = Instant::now() + READY_WITHIN;
        let address = (std::net::Ipv4Addr::LOCALHOST, self.launch.etcd_port.number());
        while tokio::net::TcpStream::connect(address).await.is_err() {
            etcd.check()?;
            self.wait_a_little("etcd does not listen", deadline).await?;
        }
        // Somebody listens; it is etcd only if ours did not fail to.
        etcd.check()
    }

    async fn until_ready(&self, running: &mut Running) -> Result<(), DevError> {
        let mut config = self.config(ADMIN, AGENT)?;
        config.default_retry = false;
        let client = client(config)?;
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            for child in running.etcd.iter_mut().chain(&mut running.api_server) {
                child.check()?;
            }
            // The namespace is made just after the server calls itself ready.
            if answers(&client, "/readyz").await && answers(&client, "/api/v1/namespaces/default").await {
                return Ok(());
            }
            self.wait_a_little("kube-apiserver is not ready", deadline).await?;
        }
    }

    async fn wait_a_little(&self, what: &str, deadline: Instant) -> Result<(), DevError> {
        if Instant::now() > deadline {
            let (what, seconds) = (what.to_owned(), READY_WITHIN.as_secs());
            return Err(DevError::Deadline { what, seconds, logs: self.folder().to_owned() });
        }
        tokio::time::sleep(BETWEEN_PROBES).await;
        Ok(())
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.data.keep();
        }
        let Running { etcd, api_server, manager } = std::mem::take(self.running.get_mut());
        drop(manager);
        drop(api_server);
        drop(etcd);
    }
}

fn client(config: kube::Config) -> Result<kube::Client, DevError> {
    kube::Client::try_from(config).map_err(|error| DevError::Client(Box::new(error)))
}

async fn answers(client: &kube::Client, path: &str) -> bool {
    let Ok(request) = Request::get(path).body(Vec::new()) else {
        return false;
    };
    matches!(tokio::time::timeout(ONE_PROBE, client.request_text(request)).await, Ok(Ok(_)))
}

async fn stop(child: Option<Child>) -> Result<(), DevError> {
    let Some(mut child) = child else {
        return Ok(());
    };
    let stopped = tokio::task::spawn_blocking(move || child.stop()).await;
    stopped.map_err(|_| DevError::Task("stopping a child"))
}
