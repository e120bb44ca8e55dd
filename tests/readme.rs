//! What is generated is current, and the README's commands do what it says.

use std::path::Path;

use onfido_operator::{api::ConditionType, dev::generate, simulator};
use tokio::process::Command;

use crate::support::operator::{Scene, stage};

#[test]
fn generated_files_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, wanted) in generate::files(root).unwrap() {
        let found = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
        assert!(found == wanted, "{path} is not current: run `make generate`");
    }
}

/// The commands of the README that are marked by this word to be run.
pub fn commands(mark: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let start = format!("<!-- {mark} -->\n```console\n");
    let mut commands = vec![];
    for block in readme.split(start.as_str()).skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        commands.extend(block.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned));
    }
    commands
}

#[tokio::test]
async fn the_readmes_commands_take_a_person_from_yaml_to_verdict() {
    let stage = stage().await;
    let scene = Scene::of(&stage.control_plane, "shop", "identity", simulator::DEMO_ACCOUNT).await;
    scene.deliver_to(&stage.operator).await;
    let kubectl = stage.control_plane.program(onfido_operator::dev::Program::Kubectl).await.unwrap();
    let path = format!("{}:{}", kubectl.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let commands = commands("commands");
    assert!(commands.len() >= 6, "{commands:?}");
    let mut answers = vec![];
    for command in &commands {
        // The person's part, between the token and the finalize.
        if command.contains("submittedAttempt") {
            let run = scene.run_of("user-4711").await;
            scene.simulator.capture(&run).await.unwrap();
        }
        let done = Command::new("sh")
            .args(["-c", command])
            .env("PATH", &path)
            .env("KUBECONFIG", stage.control_plane.kubeconfig())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output();
        let done = tokio::time::timeout(std::time::Duration::from_secs(40), done).await.unwrap().unwrap();
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
        answers.push(String::from_utf8(done.stdout).unwrap());
    }
    let answer = |to: &str| answers[commands.iter().position(|command| command.contains(to)).unwrap()].as_str();
    assert!(answer("sdk_token").len() > 20, "the SDK token");
    assert_eq!(answer("Verified"), "True");
    assert!(answer(".status.attributes").contains(r#""name":"given_name""#));
    scene.until_condition("user-4711", ConditionType::Verified, "True", "Verified").await;
}
