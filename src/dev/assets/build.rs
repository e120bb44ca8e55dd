//! Programs built with the machine's Go toolchain from the pinned module. Says that it takes long.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::Instant;

use super::{Cache, Program, names, no_go, say};
use crate::dev::DevError;
use crate::dev::error::tail;

/// What `tools/go.mod` pins; a test compares them.
pub(super) const VERSION: &str = "v1.36.3";
const GO_AT_LEAST: (u32, u32) = (1, 26);
const SAY_EVERY: Duration = Duration::from_secs(30);
const DONE_WITHIN: Duration = Duration::from_secs(45 * 60);

/// Build these and put them into the cache. Call under the cache's lock.
pub(super) async fn get(cache: &Cache, tools: &Path, wanted: &[Program]) -> Result<(), DevError> {
    if !tools.join("go.mod").is_file() {
        return Err(no_go(wanted, &format!("there is no go.mod in {}", tools.display())));
    }
    check_go(tools, wanted).await?;
    let log = cache.root().join("build.log");
    let file = std::fs::File::create(&log).map_err(DevError::io("create", &log))?;
    let again = file.try_clone().map_err(DevError::io("create", &log))?;
    let names = names(wanted);
    say(&format!("building {names} {VERSION} with Go; once, usually 5 to 8 minutes on two cores; log: {}", log.display()));
    let scratch = cache.scratch()?;
    let mut folder = scratch.0.clone().into_os_string();
    folder.push("/");
    let mut go = Command::new("go")
        .current_dir(tools)
        .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", &ldflags(), "-o"])
        .arg(folder)
        .args(wanted.iter().map(|program| package(*program)))
        // A workspace above this repository would replace what is pinned.
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(again)
        .kill_on_drop(true)
        .spawn()
        .map_err(DevError::io("run", Path::new("go")))?;
    let started = Instant::now();
    let status = loop {
        match tokio::time::timeout(SAY_EVERY, go.wait()).await {
            Ok(status) => break status.map_err(DevError::io("run", Path::new("go")))?,
            Err(_) if started.elapsed() > DONE_WITHIN => {
                let seconds = DONE_WITHIN.as_secs();
                return Err(DevError::Deadline { what: format!("no {names}"), seconds, logs: log });
            }
            Err(_) => say(&format!("still building {names} ({} s)", started.elapsed().as_secs())),
        }
    };
    if !status.success() {
        let (status, tail) = (status.to_string(), tail(&log));
        return Err(DevError::Build { wanted: names, status, log, tail });
    }
    // The only program whose package is not named after it.
    let server = scratch.0.join("server");
    if server.exists() {
        let etcd = scratch.0.join(Program::Etcd.name());
        std::fs::rename(&server, &etcd).map_err(DevError::io("create", &etcd))?;
    }
    cache.adopt(VERSION, &scratch, wanted)?;
    say(&format!("built {names} in {} s", started.elapsed().as_secs()));
    Ok(())
}

/// Asked in the module's folder, where an older Go may fetch the newer one the module wants.
async fn check_go(tools: &Path, wanted: &[Program]) -> Result<(), DevError> {
    let mut go = Command::new("go");
    go.current_dir(tools).args(["env", "GOVERSION"]).env("GOWORK", "off");
    let output = go.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(|error| no_go(wanted, &format!("cannot run go: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(no_go(wanted, &format!("go fails: {}", said.trim())));
    }
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match parse_version(&version) {
        Some(found) if found >= GO_AT_LEAST => Ok(()),
        _ => Err(no_go(wanted, &format!("the Go here is too old ({version})"))),
    }
}

/// Of `go1.26.8`, `go1.27rc1`; a development version counts as too old.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix("go")?.split(['.', ' ', '-']);
    let minor_of = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text[..end].parse().ok()
    };
    Some((parts.next()?.parse().ok()?, minor_of(parts.next()?)?))
}

/// Without these the server calls itself `v0.0.0-master+$Format:%H$`, which kubectl and helm cannot
/// read.
fn ldflags() -> String {
    let mut numbers = VERSION.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or(""), numbers.next().unwrap_or(""));
    let mut flags = "-s -w".to_owned();
    for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
        flags += &format!(" -X {package}.gitVersion={VERSION}");
        flags += &format!(" -X {package}.gitMajor={major} -X {package}.gitMinor={minor}");
    }
    flags
}

const fn package(program: Program) -> &'static str {
    match program {
        Program::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
        Program::Etcd => "go.etcd.io/etcd/server/v3",
        Program::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
        Program::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
        Program::Helm => "helm.sh/helm/v4/cmd/helm",
        Program::Kubeconform => "github.com/yannh/kubeconform/cmd/kubeconform",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_is_pinned() {
        let pinned = include_str!("../../../tools/go.mod");
        let kubernetes = format!("\tk8s.io/kubernetes {VERSION}");
        assert!(pinned.lines().any(|line| line.split(" //").next() == Some(&kubernetes)));
        for program in [Program::KubeApiserver, Program::Etcd, Program::Kubectl, Program::Helm] {
            assert!(pinned.contains(&format!("\t{}\n", package(program))), "{program:?} is no tool");
        }
    }

    #[test]
    fn go_versions_are_read() {
        for (text, version) in [
            ("go1.26.8", Some((1, 26))),
            ("go1.27rc1", Some((1, 27))),
            ("go1.9", Some((1, 9))),
            ("go1.26.0 X:nodwarf5", Some((1, 26))),
            ("go2.0", Some((2, 0))),
            ("devel go1.27-abc", None),
            ("", None),
        ] {
            assert_eq!(parse_version(text), version, "{text}");
        }
    }
}
