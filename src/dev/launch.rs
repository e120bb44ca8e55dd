//! What etcd, kube-apiserver and kube-controller-manager are told. Starts nothing itself.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::audit::POLICY;
use super::child::Start;
use super::data::Port;
use super::options::{Options, User};
use super::{DevError, pki};

const SERVICES: &str = "10.96.0.0/16";
/// The API server would wait for open watches much longer; all it knows is in etcd.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Launch {
    pub(super) folder: PathBuf,
    pub(super) options: Options,
    pub(super) etcd_port: Port,
    pub(super) api_port: Port,
    pub(super) manager_port: Port,
}

impl Launch {
    pub(super) fn etcd(&self, program: &Path) -> Start {
        let client = format!("http://127.0.0.1:{}", self.etcd_port.number());
        // Its only member has no peers, so any free port will do, also another one after a restart.
        let peer = "http://127.0.0.1:0";
        let args = Args::default()
            .file("--data-dir", self.folder.join("etcd"))
            .text("--listen-client-urls", &client)
            .text("--advertise-client-urls", &client)
            .text("--listen-peer-urls", peer)
            .text("--initial-advertise-peer-urls", peer)
            .text("--initial-cluster", &format!("default={peer}"))
            .text("--log-level", "warn")
            .text("--unsafe-no-fsync", &self.options.unsafe_no_fsync.to_string());
        self.start("etcd", program, args)
    }

    pub(super) fn api_server(&self, program: &Path) -> Start {
        let mut args = Args::default()
            .text("--etcd-servers", &format!("http://127.0.0.1:{}", self.etcd_port.number()))
            .text("--bind-address", "127.0.0.1")
            .text("--secure-port", &self.api_port.number().to_string())
            // Nobody routes to this server, and endpoints may not be loopback addresses.
            .text("--advertise-address", "127.0.0.1")
            .text("--endpoint-reconciler-type", "none")
            .file("--cert-dir", self.folder.join("apiserver"))
            .file("--tls-cert-file", self.folder.join(pki::SERVER_CERT))
            .file("--tls-private-key-file", self.folder.join(pki::SERVER_KEY))
            .text("--service-account-issuer", "https://kubernetes.default.svc")
            .file("--service-account-key-file", self.folder.join(pki::SERVICE_ACCOUNT_PUBLIC))
            .file("--service-account-signing-key-file", self.folder.join(pki::SERVICE_ACCOUNT_KEY))
            .text("--service-cluster-ip-range", SERVICES)
            .file("--token-auth-file", self.tokens())
            .text("--authorization-mode", "RBAC")
            .text("--profiling", "false");
        if !self.options.controller_manager {
            // Nobody gives a namespace its default account, without which no Pod would be let in.
            args = args.text("--disable-admission-plugins", "ServiceAccount");
        }
        if self.options.audit {
            args = args
                .file("--audit-policy-file", self.audit_policy())
                .file("--audit-log-path", self.audit_log())
                // Rotation would lose requests from a count; a whole run is far below this.
                .text("--audit-log-maxsize", "4096");
        }
        self.start("kube-apiserver", program, args)
    }

    pub(super) fn manager(&self, program: &Path) -> Start {
        let args = Args::default()
            .file("--kubeconfig", self.kubeconfig())
            .text("--bind-address", "127.0.0.1")
            .text("--secure-port", &self.manager_port.number().to_string())
            .file("--cert-dir", self.folder.join("manager"))
            .file("--service-account-private-key-file", self.folder.join(pki::SERVICE_ACCOUNT_KEY))
            .file("--root-ca-file", self.folder.join(pki::CA))
            .text("--use-service-account-credentials", "true")
            .text("--leader-elect", "false");
        self.start("kube-controller-manager", program, args)
    }

    /// What the API server reads: who may come in, and what to record.
    pub(super) fn write_files(&self, users: &[User]) -> Result<(), DevError> {
        let mut tokens = String::new();
        for User { name, token, groups } in users {
            let all = [name, token].into_iter().chain(groups);
            if name.contains('/') || all.into_iter().any(|text| text.contains([',', '"', '\n', '\r'])) {
                return Err(DevError::BadUser(name.clone()));
            }
            tokens += &format!("{token},{name},{name},\"{}\"\n", groups.join(","));
        }
        for (path, text) in [(self.tokens(), tokens.as_str()), (self.audit_policy(), POLICY)] {
            std::fs::write(&path, text).map_err(DevError::io("write", &path))?;
        }
        Ok(())
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    pub(super) fn audit_log(&self) -> PathBuf {
        self.folder.join("audit.jsonl")
    }

    fn audit_policy(&self) -> PathBuf {
        self.folder.join("audit-policy.json")
    }

    fn tokens(&self) -> PathBuf {
        self.folder.join("tokens.csv")
    }

    fn start(&self, name: &str, program: &Path, args: Args) -> Start {
        Start {
            name: name.to_owned(),
            shim: self.options.shim.clone(),
            program: program.to_owned(),
            args: args.0,
            env: Vec::new(),
            log: self.folder.join(format!("{name}.log")),
            grace: GRACE,
        }
    }
}

#[derive(Default)]
struct Args(Vec<OsString>);

impl Args {
    fn text(self, flag: &str, value: &str) -> Self {
        self.file(flag, PathBuf::from(value))
    }

    fn file(mut self, flag: &str, value: PathBuf) -> Self {
        let mut arg = OsString::from(flag);
        arg.push("=");
        arg.push(value);
        self.0.push(arg);
        self
    }
}
