//! The command line as a person meets it: one clear line, an exit code, no backtrace; and how the operator ends.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use onfido_operator::dev::Port;
use onfido_operator::simulator::admin::{Fault, FaultKind, Operation};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{
    control_plane::{control_plane, namespace},
    operator::{Operator, PATIENCE, Run, Scene, install},
};

/// The binary alone: nothing of this machine's own configuration.
fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onfido-operator"));
    command.args(args).env_clear().env("HOME", "/nonexistent").env("RUST_BACKTRACE", "1").output().unwrap()
}

/// One line that says this, and nothing else.
#[track_caller]
fn refused(args: &[&str], code: i32, parts: &[&str]) {
    let Output { status, stdout, stderr } = run(args);
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!(status.code(), Some(code), "{args:?}: {stderr}");
    assert!(stdout.is_empty() && stderr.lines().count() == 1 && stderr.starts_with("error: "), "{args:?}: {stdout}{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{args:?}: {part:?} is not in {stderr:?}");
    }
    for never in ["panicked", "backtrace", "src/"] {
        assert!(!stderr.contains(never), "{args:?}: {stderr}");
    }
}

#[test]
fn what_cannot_be_understood_is_said_in_one_line() {
    refused(&["run", "--kubeconfg", "x"], 2, &["unexpected argument '--kubeconfg'", "'--kubeconfig'", "--help"]);
    refused(&["nonsense"], 2, &["unrecognized subcommand 'nonsense'"]);
    refused(&["run", "--webhook-listen", "somewhere"], 2, &["--webhook-listen", "somewhere"]);
    refused(&["run", "--log-level", "loud"], 2, &["--log-level", "loud"]);
    refused(&["run", "--log-format", "xml"], 2, &["--log-format", "text, json"]);
    refused(&["crds", "pods"], 1, &["onfidoproviders or identityverifications"]);
    for endpoint in ["EU", "XX=http://localhost", "EU=ftp://localhost", "EU=", "EU=http://user:pass@localhost"] {
        refused(&["run", "--onfido-endpoint", endpoint], 2, &["--onfido-endpoint"]);
    }
    for url in ["", "localhost", "ftp://localhost", "http://localhost?x=1"] {
        refused(&["run", "--webhook-public-url", url], 2, &["--webhook-public-url", "http"]);
    }
    let long = "n".repeat(64);
    for namespace in ["", "Shop", "-shop", "shop-", "a.b", "a_b", "caf\u{e9}", "*", "a,b", &long] {
        let said = ["--watch-namespace", "a namespace's name has 1 to 63 of a-z, 0-9 and -"];
        refused(&["run", &format!("--watch-namespace={namespace}")], 2, &said);
    }
    let twice = ["run", "--watch-namespace=shop", "--watch-namespace=a", "--watch-namespace=shop"];
    refused(&twice, 2, &["--watch-namespace shop is given twice"]);
    let many: Vec<String> = (0..65).map(|n| format!("--watch-namespace=n{n}")).collect();
    let many: Vec<&str> = ["run"].into_iter().chain(many.iter().map(String::as_str)).collect();
    refused(&many, 2, &["--watch-namespace may be given 64 times, not 65"]);
    // The most there may be, and the longest: nothing but the kubeconfig is wrong.
    let most = [&many[..64], &["--watch-namespace", &long[1..], "--kubeconfig", "/nonexistent/k"]].concat();
    let listen = ["--webhook-listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0"];
    refused(&[&most[..], &listen].concat(), 1, &["/nonexistent/k"]);
    for factor in ["0", "-1", "NaN", "inf", "1e9", "1e-30", "fast"] {
        refused(&["run", &format!("--time-scale={factor}")], 2, &["--time-scale", "above 0"]);
    }
}

#[test]
fn a_kubeconfig_that_cannot_be_used_is_named_and_never_quoted() {
    let folder = std::env::temp_dir().join(format!("onfido-operator-cli-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let listen = ["run", "--webhook-listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0"];
    let with = |kubeconfig: &str, parts: &[&str]| {
        refused(&[&listen[..], &["--kubeconfig", kubeconfig]].concat(), 1, &[&[kubeconfig], parts].concat());
    };
    with("/nonexistent/kubeconfig", &["cannot be read", "No such file"]);
    with(&folder.to_string_lossy(), &["cannot be read"]);
    for text in ["token: canary: [", "just canary text", "users:\n- name: a\n  user: canary\n"] {
        let path = file("malformed", text);
        with(&path, &["is not a kubeconfig"]);
        let said = run(&[&listen[..], &["--kubeconfig", &path]].concat()).stderr;
        assert!(!String::from_utf8(said).unwrap().contains("canary"));
    }
    with(&file("empty", "{}"), &["context"]);
    refused(&listen, 1, &["no Pod credentials", "no kubeconfig"]);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&["run", "--webhook-listen", &address], 1, &["webhook", &address, "in use"]);
    refused(&["run", "--webhook-listen", "127.0.0.1:0", "--health-listen", &address], 1, &["health", &address, "in use"]);
    refused(&["simulator", "--listen", &address], 1, &[&address, "in use"]);
}

#[test]
fn help_and_version_are_answers_not_errors() {
    for args in [&["--help"][..], &["run", "--help"], &["simulator", "--help"], &["crds", "--help"], &["help", "run"]] {
        let Output { status, stdout, stderr } = run(args);
        let text = String::from_utf8(stdout).unwrap();
        assert!(status.success() && stderr.is_empty() && text.contains("Usage: onfido-operator"), "{args:?}");
        assert!(!text.contains("time-scale"), "what is for tests is hidden");
    }
    let version = run(&["--version"]);
    assert_eq!(String::from_utf8(version.stdout).unwrap(), format!("onfido-operator {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(&[]).status.code(), Some(2), "nothing asked for");
}

#[tokio::test]
async fn an_api_server_that_refuses_or_is_not_there_is_waited_for_visibly() {
    let control_plane = control_plane().await;
    let folder = std::env::temp_dir().join(format!("onfido-operator-wait-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let closed = Port::lease().unwrap();
    let nowhere = format!("https://127.0.0.1:{}", closed.number());
    for (change, says) in [
        (("/users/0/user/token", "canary-of-nobody"), "the API server refuses the operator's credentials"),
        (("/clusters/0/cluster/server", nowhere.as_str()), "the API server does not answer"),
    ] {
        let mut kubeconfig: Value = serde_json::from_slice(&std::fs::read(control_plane.kubeconfig()).unwrap()).unwrap();
        *kubeconfig.pointer_mut(change.0).unwrap() = json!(change.1);
        let [config, log] = ["kubeconfig", "log"].map(|name| folder.join(name));
        std::fs::write(&config, kubeconfig.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_onfido-operator"));
        command.args(["run", "--webhook-listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0", "--kubeconfig"]).arg(&config);
        let mut child = command.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
        let since = Instant::now();
        let said = || std::fs::read_to_string(&log).unwrap();
        while !said().contains(&format!("waiting: {says}")) && since.elapsed() < PATIENCE && child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await; // another process's file
        }
        let waits = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(waits && said().contains(says) && !said().contains("canary"), "{}", said());
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// Sends SIGTERM.
fn terminate(operator: &Operator) {
    kill_process(Pid::from_raw(operator.child.id().try_into().unwrap()).unwrap(), Signal::TERM).unwrap();
}

/// Waits for the end: how it ended, and after how long.
async fn ended(operator: &mut Operator) -> (Option<i32>, Duration) {
    let since = Instant::now();
    loop {
        if let Some(status) = operator.child.exited().unwrap() {
            return (status.code(), since.elapsed());
        }
        assert!(since.elapsed() < PATIENCE, "still there; its log:\n{}", operator.logged());
        tokio::time::sleep(Duration::from_millis(5)).await; // nothing tells of another process's end
    }
}

#[tokio::test]
async fn an_idle_operator_ends_at_once_when_told_to() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let watch = vec![namespace(control_plane, "idle").await];
    let mut operator = Operator::start(control_plane, &Run { watch, ..Run::default() }).await;
    terminate(&operator);
    let (code, after) = ended(&mut operator).await;
    assert_eq!(code, Some(0), "{}", operator.logged());
    assert!(after < Duration::from_secs(3), "{after:?}");
}

#[tokio::test]
async fn a_paid_call_under_way_is_finished_and_recorded_before_the_end() {
    let control_plane = control_plane().await;
    install(control_plane).await;
    let scene = Scene::bare(control_plane, "term").await;
    let watch = vec![scene.namespace.clone()];
    let mut operator = Operator::start(control_plane, &Run { watch, ..Run::default() }).await;
    scene.provider(json!({})).await;
    let fault = Fault::once(Operation::CreateWorkflowRun, &scene.account, FaultKind::Delay { ms: 2000 });
    scene.simulator.fault(&fault).await.unwrap();
    scene.verification("person", json!({})).await;
    scene.until_asked(Operation::CreateWorkflowRun).await;
    terminate(&operator);
    operator.until_logged("stopping").await;
    let answer = reqwest::get(format!("{}/readyz", operator.health)).await.expect("probes are answered to the end");
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (503, "stopping\n"));
    let (code, _) = ended(&mut operator).await;
    assert_eq!(code, Some(0), "{}", operator.logged());
    let status = scene.verifications().get("person").await.unwrap().status.unwrap();
    let paid = scene.ledger(Operation::CreateWorkflowRun).await;
    assert_eq!((paid.len(), paid[0].status), (1, Some(201)), "answered, not cut off");
    assert_eq!(status.workflow_run_id, paid[0].run_id);
    assert!(status.operation.is_none());
    let secret = scene.secrets().get(&status.capture.unwrap().secret_ref.name).await.unwrap();
    assert!(secret.data.unwrap().contains_key("sdk_token"));
}
