//! The control plane that all other tests stand on.

use std::io::BufRead;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::Api;
use kube::api::{ListParams, ObjectMeta, PostParams};
use onfido_operator::dev::{ADMIN, ControlPlane};

use crate::support::control_plane::{TENANT, control_plane, namespace, options};

fn config_map(name: &str) -> ConfigMap {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    ConfigMap { metadata, ..ConfigMap::default() }
}

#[tokio::test]
async fn the_audit_log_shows_who_did_what_with_which_program() {
    let shared = control_plane().await;
    let namespace = namespace(shared, "audit").await;
    let mark = shared.audit_mark().await.unwrap();

    let client = shared.client_with_agent(ADMIN, "test/1.0").unwrap();
    let maps = Api::<ConfigMap>::namespaced(client, &namespace);
    maps.create(&PostParams::default(), &config_map("one")).await.unwrap();
    maps.get("one").await.unwrap();
    maps.get_opt("two").await.unwrap();

    let entries = shared.audit_since(mark).await.unwrap();
    let mine: Vec<_> = entries.iter().filter(|entry| entry.namespace == namespace).collect();
    let seen: Vec<_> = mine.iter().map(|e| (e.verb.as_str(), e.name.as_str(), e.code)).collect();
    assert_eq!(seen, [("create", "one", 201), ("get", "one", 200), ("get", "two", 404)]);
    assert!(mine.iter().all(|e| e.user == ADMIN && e.user_agent == "test/1.0" && e.resource == "configmaps"));
    assert_eq!(mine.iter().map(|e| e.is_write()).collect::<Vec<_>>(), [true, false, false]);

    let all = shared.audit().await.unwrap();
    assert!(all.iter().any(|entry| entry.resource == "namespaces" && entry.verb == "create"));
}

#[tokio::test]
async fn a_user_has_the_rights_it_was_given_and_no_more() {
    let shared = control_plane().await;
    let namespace = namespace(shared, "rights").await;
    let maps = || Api::<ConfigMap>::namespaced(shared.client(TENANT).unwrap(), &namespace);
    let refused = maps().list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 403), "{refused}");

    for args in [
        ["create", "role", "reader", "--verb=get,list", "--resource=configmaps"],
        ["create", "rolebinding", "reader", "--role=reader", "--group=tenants"],
    ] {
        let output = shared.kubectl(&[&["-n", &namespace], &args[..]].concat()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // The authorizer learns of the binding through a watch.
    let deadline = Instant::now() + Duration::from_secs(10);
    while maps().list(&ListParams::default()).await.is_err() {
        assert!(Instant::now() < deadline, "the binding never took effect");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(maps().create(&PostParams::default(), &config_map("no")).await.is_err());
    assert!(shared.client("nobody").is_err());
}

#[tokio::test]
async fn kubectl_applies_from_its_standard_input_as_a_given_user() {
    let shared = control_plane().await;
    let namespace = namespace(shared, "kubectl").await;
    let yaml = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, namespace: {namespace}}}}}");
    let args = ["apply", "-f", "-"];
    let refused = shared.kubectl_as(TENANT, &args, Some(yaml.as_bytes())).await.unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("forbidden"), "{refused:?}");
    let applied = shared.kubectl_as(ADMIN, &args, Some(yaml.as_bytes())).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&applied.stdout), "configmap/a created\n", "{applied:?}");
    let version = shared.kubectl(&["version"]).await.unwrap();
    assert!(String::from_utf8_lossy(&version.stdout).contains("Server Version: v1."), "{version:?}");
}

#[tokio::test]
async fn a_service_account_can_get_a_token_and_use_it() {
    let shared = control_plane().await;
    let namespace = namespace(shared, "account").await;
    let accounts = Api::<ServiceAccount>::namespaced(shared.client(ADMIN).unwrap(), &namespace);
    let metadata = ObjectMeta { name: Some("robot".to_owned()), ..ObjectMeta::default() };
    let account = ServiceAccount { metadata, ..ServiceAccount::default() };
    accounts.create(&PostParams::default(), &account).await.unwrap();
    let request = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
    let request = accounts.create_token_request("robot", &PostParams::default(), &request).await.unwrap();
    let token = request.status.unwrap().token;
    let args = ["--kubeconfig=/dev/null", "--server", &shared.url(), "--token", &token, "auth", "whoami"];
    let ca = format!("--certificate-authority={}", shared.ca_file().display());
    let output = shared.kubectl(&[&args[..], &[&ca]].concat()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&format!("system:serviceaccount:{namespace}:robot")), "{output:?}");
}

#[tokio::test]
async fn an_outage_ends_with_the_same_data_at_the_same_address_and_the_end_leaves_nothing() {
    let own = ControlPlane::start(options()).await.unwrap();
    let (url, folder) = (own.url(), own.folder().to_owned());
    let namespace = namespace(&own, "kept").await;
    let namespaces = Api::<Namespace>::all(own.client(ADMIN).unwrap());

    own.stop_api_server().await.unwrap();
    assert!(namespaces.get(&namespace).await.is_err());
    own.start_again().await.unwrap();
    namespaces.get(&namespace).await.unwrap();

    own.stop().await.unwrap();
    own.start_again().await.unwrap();
    assert_eq!(own.url(), url);
    let again = Api::<Namespace>::all(own.client(ADMIN).unwrap());
    again.get(&namespace).await.unwrap();
    let all = own.audit().await.unwrap();
    assert!(all.iter().any(|e| e.resource == "namespaces" && e.verb == "create"), "the log goes on");

    drop(own);
    assert!(!folder.exists());
    assert!(again.get(&namespace).await.is_err());
}

/// A parent that starts a child through the shim, says its id, and stays; a process with children of
/// its own is the only thing that can be killed here.
#[cfg(target_os = "linux")]
#[test]
fn a_child_dies_when_its_parent_is_killed() {
    let script = r#"trap '' TERM; "$0" dev-exec -- sleep 1000 & echo $!; wait"#;
    let mut parent = Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_onfido-operator")]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let child = line.trim().to_owned();
    let command = || std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
    until("the shim becomes the program", || command().starts_with(b"sleep"));

    parent.kill().unwrap();
    parent.wait().unwrap();
    // A zombie that nobody waits for has an empty command line.
    until("the child dies", || command().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_whose_parent_is_gone_does_not_start() {
    // This process is not the child's parent: the shell in between is.
    let script = r#""$0" dev-exec --parent "$1" -- echo started; exit $?"#;
    let shim = env!("CARGO_BIN_EXE_onfido-operator");
    let me = std::process::id().to_string();
    let output = Command::new("sh").args(["-c", script, shim, &me]).output().unwrap();
    assert_eq!(output.status.code(), Some(127));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("the parent is gone"), "{output:?}");
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within ten seconds");
        std::thread::sleep(Duration::from_millis(10));
    }
}
